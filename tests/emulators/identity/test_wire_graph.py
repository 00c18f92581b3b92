"""Applications and their credentials through Microsoft Graph, and who may make them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.arm.service import SPEC as ARM_SPEC
from emulators.identity.engine import applications, issuers
from emulators.identity.service import GRAPH, SPEC
from tests.emulators.identity.conftest import AskToken
from tests.site import LOGIN, Site

ROOT = "https://graph.microsoft.com/v1.0"
AUDIENCE = "https://graph.microsoft.com"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Graph = Callable[..., httpx.Response]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, [SPEC, GRAPH, ARM_SPEC])


@pytest.fixture
def graph(site: Site) -> Graph:
    def ask(method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        own = site.token(AUDIENCE)
        return site.ask(method, f"{ROOT}/{path}", token=token or own, **options)

    return ask


def make(graph: Graph, name: str = "made") -> dict[str, Any]:
    app: dict[str, Any] = graph("POST", "applications", json={"displayName": name}).json()
    assert graph("POST", "servicePrincipals", json={"appId": app["appId"]}).status_code == 201
    return app


def test_an_application_signs_in_with_the_secret_it_was_given(
    graph: Graph, ask_token: AskToken
) -> None:
    app = graph("POST", "applications", json={"displayName": "made"}).json()
    secret = graph(
        "POST",
        f"applications/{app['id']}/addPassword",
        json={"passwordCredential": {"displayName": "rbac", "endDateTime": "2099-01-01T00:00:00Z"}},
    ).json()
    given = {"client_id": app["appId"], "client_secret": secret["secretText"]}
    assert ask_token(**given).json()["error_codes"] == [700016]  # no service principal yet
    principal = graph("POST", "servicePrincipals", json={"appId": app["appId"]}).json()
    assert ask_token(**given).status_code == 200
    read = graph("GET", f"applications/{app['id']}")
    assert secret["secretText"] not in read.text
    assert read.json()["passwordCredentials"][0]["hint"] == secret["secretText"][:3]
    assert graph("GET", f"servicePrincipals/{principal['id']}").json()["appId"] == app["appId"]
    removed = {"keyId": secret["keyId"]}
    path = f"applications/{app['id']}/removePassword"
    assert graph("POST", path, json=removed).status_code == 204
    assert graph("POST", path, json=removed).status_code == 400
    assert ask_token(**given).json()["error_codes"] == [7000215]


def test_a_federated_credential_lets_github_in(
    site: Site, graph: Graph, ask_token: AskToken
) -> None:
    app = make(graph)
    subject = "repo:contoso/models:environment:prod"
    body = {
        "name": "prod",
        "issuer": issuers.GITHUB,
        "subject": subject,
        "audiences": [applications.EXCHANGE_AUDIENCE],
        "description": "from the workflow",
    }
    path = f"applications/{app['id']}/federatedIdentityCredentials"
    made = graph("POST", path, json=body)
    assert made.status_code == 201
    assert graph("POST", path, json=body).status_code == 409
    assert [one["description"] for one in graph("GET", path).json()["value"]] == [
        body["description"]
    ]
    minted = site.ask(
        "GET",
        f"{LOGIN}/{site.ctx.secrets.tenant_id}/discovery/github",
        params={"subject": subject, "audience": applications.EXCHANGE_AUDIENCE},
        token=site.token(),
    ).json()["value"]
    given = {
        "client_id": app["appId"],
        "client_secret": None,
        "client_assertion": minted,
        "client_assertion_type": BEARER,
    }
    assert ask_token(**given).status_code == 200
    assert graph("DELETE", f"{path}/prod").status_code == 204
    assert ask_token(**given).json()["error_codes"] == [700211]


def test_lists_and_their_filters(site: Site, graph: Graph) -> None:
    app = make(graph, "it's made")
    client = site.ctx.secrets.client_id

    def names(path: str, text: str = "") -> list[str]:
        found = graph("GET", path, params={"$filter": text} if text else {}).json()["value"]
        return sorted(one["displayName"] for one in found)

    assert names("applications") == ["it's made", "rehearsal"]
    assert names("servicePrincipals", f"appId eq '{client.upper()}'") == ["rehearsal"]
    assert names("applications", "displayName eq 'It''s Made'") == ["it's made"]
    assert names("applications", "startswith(displayName,'reh')") == ["rehearsal"]
    any_name = f"servicePrincipalNames/any(c:c eq '{app['appId']}')"
    assert names("servicePrincipals", any_name) == ["it's made"]
    refused = graph("GET", "applications", params={"$filter": "createdDateTime gt 2020"})
    assert refused.json()["error"]["code"] == "NotEmulated"
    found = graph("POST", "directoryObjects/getByIds", json={"ids": [site.ctx.secrets.object_id]})
    assert [one["appId"] for one in found.json()["value"]] == [client]
    organization = graph("GET", "organization").json()["value"][0]
    assert organization["id"] == site.ctx.secrets.tenant_id


def test_only_the_owner_changes_the_directory(site: Site, graph: Graph) -> None:
    stranger = applications.register(site.ctx, "stranger")
    trusted = site.token(AUDIENCE, object_id="x", claims={"roles": ["Application.ReadWrite.All"]})
    token = site.token(AUDIENCE, object_id=stranger.principal_id, app_id=stranger.app_id)
    app = make(graph)
    for method, path in [
        ("POST", "applications"),
        ("DELETE", f"applications/{app['id']}"),
        ("PATCH", f"applications/{app['id']}"),
        ("POST", f"applications/{app['id']}/addPassword"),
        ("POST", f"applications/{app['id']}/federatedIdentityCredentials"),
        ("POST", "servicePrincipals"),
    ]:
        refused = graph(method, path, token=token, json={})
        assert (refused.status_code, refused.json()["error"]["code"]) == (
            403, "Authorization_RequestDenied",
        )  # fmt: skip
    assert graph("GET", "applications", token=token).status_code == 200
    made = graph("POST", "applications", token=trusted, json={"displayName": "x"})
    assert made.status_code == 201
    wrong = graph("GET", "applications", token=site.token())
    assert wrong.json()["error"]["code"] == "InvalidAuthenticationTokenAudience"
    url = f"{LOGIN}/{site.ctx.secrets.tenant_id}/discovery/github?subject=x"
    outside = site.token(object_id=stranger.principal_id)
    assert site.ask("GET", url, token=outside).status_code == 403
    assert site.ask("GET", url).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"displayName": 5}, 400),
        ({"displayName": "x", "identifierUris": [5]}, 400),
        ({"displayName": "x", "api": {"requestedAccessTokenVersion": 3}}, 400),
        ({"displayName": "x", "keyCredentials": [{"key": "!"}]}, 400),
        ({"displayName": "x", "keyCredentials": [{"key": "AAAA"}]}, 400),
        ({"displayName": "x", "keyCredentials": 5}, 400),
        ({"displayName": "x", "appRoles": [{"value": "y"}]}, 501),
    ],
)
def test_refused_applications(graph: Graph, body: dict[str, Any], status: int) -> None:
    assert graph("POST", "applications", json=body).status_code == status


@pytest.mark.parametrize(
    "keys", [[{"kty": "oct", "k": "AAAA"}], ["x"], 5, [{"kty": "RSA", "n": "AQ", "e": "AQ"}]]
)
def test_refused_issuers(site: Site, keys: Any) -> None:
    url = f"{LOGIN}/{site.ctx.secrets.tenant_id}/discovery/issuers"
    body = {"issuer": "https://issuer.example", "keys": keys}
    answer = site.ask("PUT", url, token=site.token(), json=body)
    assert answer.status_code == 400
    assert site.ask("GET", url, token=site.token()).json() == {"value": []}


def test_an_application_is_a_resource_too(site: Site, graph: Graph, ask_token: AskToken) -> None:
    body = {
        "displayName": "api",
        "identifierUris": ["api://models"],
        "api": {"requestedAccessTokenVersion": 2},
    }
    app = graph("POST", "applications", json=body).json()
    for name in ("api://models", f"api://{app['appId']}", app["appId"]):
        token = ask_token(scope=f"{name}/.default").json()["access_token"]
        found = site.ctx.tokens.verify(token, [app["appId"]])
        assert found.claims["ver"] == "2.0"
        assert found.claims["iss"] == f"{LOGIN}/{site.ctx.secrets.tenant_id}/v2.0"
        assert "appid" not in found.claims
        assert found.app_id == site.ctx.secrets.client_id
    assert graph("DELETE", f"applications/{app['id']}").status_code == 204
    assert ask_token(scope="api://models/.default").json()["error_codes"] == [500011]
