"""The token endpoints: what is issued, and Entra's own refusals."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import jwt
import pytest

from emulators.identity.engine import applications
from emulators.kernel.clock import ManualClock
from tests.emulators.identity.conftest import AskToken
from tests.site import LOGIN, Site

V1 = "oauth2/token"
MANAGEMENT = "https://management.azure.com"


def claims(token: str, site: Site) -> dict[str, Any]:
    """The claims, checked with the published key alone, as any outside service would."""
    keys = site.ask("GET", f"{LOGIN}/common/discovery/keys").json()["keys"]
    head = jwt.get_unverified_header(token)
    key = next(k for k in keys if k["kid"] == head["kid"])
    options: Any = {
        "verify_aud": False,
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
    }
    return jwt.decode(token, jwt.PyJWK(key).key, algorithms=["RS256"], options=options)


def test_the_token_is_what_entra_issues(site: Site, ask_token: AskToken) -> None:
    answer = ask_token()
    body, secrets = answer.json(), site.ctx.secrets
    assert answer.status_code == 200
    assert answer.headers["cache-control"].startswith("no-store")
    assert (body["token_type"], body["expires_in"], body["ext_expires_in"]) == (
        "Bearer",
        3599,
        3599,
    )
    found = claims(body["access_token"], site)
    now = int(site.ctx.clock.now().timestamp())
    assert found["aud"] == MANAGEMENT
    assert found["iss"] == f"https://sts.windows.net/{secrets.tenant_id}/"
    assert found["tid"] == secrets.tenant_id
    assert found["oid"] == found["sub"] == secrets.object_id
    assert found["appid"] == secrets.client_id
    assert (found["ver"], found["idtyp"], found["appidacr"]) == ("1.0", "app", "1")
    assert (found["iat"], found["nbf"], found["exp"]) == (now, now, now + 3599)


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        ("https://ml.azure.com/.default", "https://ml.azure.com"),
        ("https://management.azure.com//.default", "https://management.azure.com/"),
        ("https://storage.azure.com/.default openid", "https://storage.azure.com"),
        ("https://localhost:8441/.default", "https://localhost:8441"),
        ("797f4846-ba00-4fd7-ba43-dac1f8f63013/.default", "797f4846-ba00-4fd7-ba43-dac1f8f63013"),
    ],
)
def test_the_audience_is_the_scope_less_default(
    site: Site, ask_token: AskToken, scope: str, audience: str
) -> None:
    assert claims(ask_token(scope=scope).json()["access_token"], site)["aud"] == audience


@pytest.mark.parametrize("resource", ["https://management.core.windows.net/", MANAGEMENT])
def test_version_1_keeps_the_resource_as_written(
    site: Site, ask_token: AskToken, resource: str
) -> None:
    body = ask_token(path=V1, scope=None, resource=resource).json()
    assert body["resource"] == resource
    assert body["expires_in"] == "3599"  # version 1 writes numbers as text
    assert int(body["expires_on"]) - int(body["not_before"]) == 3599
    assert claims(body["access_token"], site)["aud"] == resource


def test_basic_credentials_are_taken(site: Site) -> None:
    secrets = site.ctx.secrets
    pair = base64.b64encode(f"{secrets.client_id}:{secrets.client_secret}".encode()).decode()
    answer = site.ask(
        "POST",
        f"{LOGIN}/{secrets.tenant_id}/oauth2/v2.0/token",
        data={"grant_type": "client_credentials", "scope": f"{MANAGEMENT}/.default"},
        headers={"authorization": f"Basic {pair}"},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["login.windows.net", "login.microsoft.com", "sts.windows.net"])
def test_every_alias_of_the_host_answers(site: Site, host: str) -> None:
    secrets = site.ctx.secrets
    answer = site.ask(
        "POST",
        f"https://{host}/REHEARSAL.onmicrosoft.com/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": secrets.client_id.upper(),
            "client_secret": secrets.client_secret,
            "scope": f"{MANAGEMENT}/.default",
        },
    )
    assert answer.status_code == 200


STRANGER = "11111111-2222-3333-4444-555555555555"
REFUSALS: list[tuple[dict[str, Any], int, str, int]] = [
    ({"tenant": STRANGER}, 400, "invalid_request", 90002),
    ({"tenant": "contoso.onmicrosoft.com"}, 400, "invalid_request", 90002),
    ({"tenant": "no tenant"}, 400, "invalid_request", 900023),
    ({"tenant": "common"}, 400, "invalid_request", 50059),
    ({"client_id": STRANGER}, 400, "unauthorized_client", 700016),
    ({"client_id": "x\x1fy"}, 400, "unauthorized_client", 700016),
    ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
    ({"client_secret": "\u00e9\u4e2d"}, 401, "invalid_client", 7000215),
    ({"client_secret": None}, 401, "invalid_client", 7000216),
    ({"client_secret": ""}, 401, "invalid_client", 7000216),
    ({"client_id": None}, 400, "invalid_request", 900144),
    ({"grant_type": None}, 400, "invalid_request", 900144),
    ({"scope": None}, 400, "invalid_request", 900144),
    ({"path": V1, "scope": None}, 400, "invalid_request", 900144),
    ({"scope": "https://management.azure.com/user_impersonation"}, 400, "invalid_scope", 1002012),
    ({"scope": "openid"}, 400, "invalid_scope", 1002012),
    ({"scope": "a\x01b/.default"}, 400, "invalid_scope", 70011),
    (
        {"scope": f"{MANAGEMENT}/.default https://ml.azure.com/.default"},
        400,
        "invalid_scope",
        28000,
    ),
    ({"scope": "https://contoso.example/.default"}, 400, "invalid_resource", 500011),
    (
        {"scope": "https://management.azure.com.evil.example/.default"},
        400,
        "invalid_resource",
        500011,
    ),
    (
        {"scope": "https://management.azure.com@evil.example/.default"},
        400,
        "invalid_resource",
        500011,
    ),
    ({"path": V1, "resource": "https://x\x1fy"}, 400, "invalid_resource", 500011),
    ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type", 70003),
    ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type", 70003),
    ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
    (
        {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"},
        400,
        "unsupported_grant_type",
        70003,
    ),
]


@pytest.mark.parametrize(("fields", "status", "error", "number"), REFUSALS)
def test_refusals_are_entras_own(
    ask_token: AskToken, fields: dict[str, Any], status: int, error: str, number: int
) -> None:
    answer = ask_token(**fields)
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert body["correlation_id"] in body["error_description"]
    assert set(body) >= {"timestamp", "trace_id"}


def test_no_refusal_repeats_the_secret(ask_token: AskToken) -> None:
    assert "hunter2hunter2" not in ask_token(client_secret="hunter2hunter2").text


def test_an_expired_secret_says_so(site: Site, ask_token: AskToken) -> None:
    ctx = site.ctx
    app = applications.register(ctx, "short-lived")
    _, secret = applications.add_password(ctx, app, ends=ctx.clock.now() + timedelta(seconds=5))
    given = {"client_id": app.app_id, "client_secret": secret}
    assert ask_token(**given).status_code == 200
    assert isinstance(ctx.clock, ManualClock)
    ctx.clock._elapsed += 6
    assert ask_token(**given).json()["error_codes"] == [7000222]


def test_several_identities_are_several(site: Site, ask_token: AskToken) -> None:
    one = applications.register(site.ctx, "one", roles=["Reader.All"])
    two = applications.register(site.ctx, "two")
    _, secret = applications.add_password(site.ctx, one)
    found = claims(
        ask_token(client_id=one.app_id, client_secret=secret).json()["access_token"], site
    )
    assert found["oid"] == one.principal_id
    assert found["roles"] == ["Reader.All"]
    assert ask_token(client_id=two.app_id, client_secret=secret).json()["error_codes"] == [7000215]
    assert applications.remove(site.ctx, one.app_id)
    gone = ask_token(client_id=one.app_id, client_secret=secret)
    assert gone.json()["error_codes"] == [700016]


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b'{"grant_type": "client_credentials"}', 900144),
        (b"\xff\xfe\xfa", 9000410),
        (b"grant_type=%ff%fe", 9000410),
        (b"grant_type=a&grant_type=b", 9000411),
        (b"&".join(b"a%d=1" % n for n in range(500)), 9000410),
        (b"", 900144),
    ],
)
def test_malformed_forms(site: Site, content: bytes, number: int) -> None:
    url = f"{LOGIN}/{site.ctx.secrets.tenant_id}/oauth2/v2.0/token"
    answer = site.ask("POST", url, content=content)
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [number])


def test_an_oversized_form_is_refused(site: Site) -> None:
    url = f"{LOGIN}/{site.ctx.secrets.tenant_id}/oauth2/v2.0/token"
    assert site.ask("POST", url, content=b"a=" + b"x" * 200_000).status_code == 413


@pytest.mark.parametrize("value", ["Basic ???", "Basic " + base64.b64encode(b"none").decode()])
def test_malformed_basic_credentials(site: Site, value: str) -> None:
    url = f"{LOGIN}/{site.ctx.secrets.tenant_id}/oauth2/v2.0/token"
    answer = site.ask("POST", url, content=b"grant_type=x", headers={"authorization": value})
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [9000410])


def test_the_endpoint_cannot_be_read(site: Site) -> None:
    answer = site.ask("GET", f"{LOGIN}/{site.ctx.secrets.tenant_id}/oauth2/v2.0/token")
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [900561])


def test_the_adfs_form_of_the_explicit_door(site: Site) -> None:
    secrets = site.ctx.secrets
    metadata = site.ask("GET", "https://localhost:8441/adfs/.well-known/openid-configuration")
    assert metadata.json()["token_endpoint"] == "https://localhost:8441/adfs/oauth2/v2.0/token"
    answer = site.ask(
        "POST",
        metadata.json()["token_endpoint"],
        data={
            "grant_type": "client_credentials",
            "client_id": secrets.client_id,
            "client_secret": secrets.client_secret,
            "scope": "https://localhost:8441/.default",
        },
    )
    token = answer.json()["access_token"]
    assert claims(token, site)["aud"] == "https://localhost:8441"
    listed = site.ask(
        "GET", "https://localhost:8441/subscriptions?api-version=2022-12-01", token=token
    )
    assert listed.status_code == 200
    through_the_proxy = site.ask(
        "GET", f"{MANAGEMENT}/subscriptions?api-version=2022-12-01", token=token
    )
    assert through_the_proxy.json()["error"]["code"] == "InvalidAuthenticationTokenAudience"
