"""What clients read before they sign in."""

from __future__ import annotations

import pytest

from tests.site import LOGIN, Site


def test_version_2_metadata_names_the_tenant(site: Site) -> None:
    tenant = site.ctx.secrets.tenant_id
    for asked in (tenant, tenant.upper(), "rehearsal.onmicrosoft.com"):
        body = site.ask("GET", f"{LOGIN}/{asked}/v2.0/.well-known/openid-configuration").json()
        assert body["issuer"] == f"{LOGIN}/{tenant}/v2.0"
        assert body["token_endpoint"] == f"{LOGIN}/{tenant}/oauth2/v2.0/token"
        assert body["jwks_uri"] == f"{LOGIN}/{tenant}/discovery/v2.0/keys"
        assert site.ask("GET", body["jwks_uri"]).json()["keys"][0]["kty"] == "RSA"


def test_version_1_metadata_names_the_tenant(site: Site) -> None:
    tenant = site.ctx.secrets.tenant_id
    body = site.ask("GET", f"{LOGIN}/{tenant}/.well-known/openid-configuration").json()
    assert body["issuer"] == f"https://sts.windows.net/{tenant}/"
    assert body["token_endpoint"] == f"{LOGIN}/{tenant}/oauth2/token"
    assert site.ask("GET", body["jwks_uri"]).status_code == 200


@pytest.mark.parametrize("shared", ["common", "organizations"])
def test_shared_names_keep_the_placeholder(site: Site, shared: str) -> None:
    body = site.ask("GET", f"{LOGIN}/{shared}/v2.0/.well-known/openid-configuration").json()
    assert body["issuer"] == f"{LOGIN}/{{tenantid}}/v2.0"
    assert body["token_endpoint"] == f"{LOGIN}/{shared}/oauth2/v2.0/token"


@pytest.mark.parametrize(
    ("tenant", "error", "number"),
    [
        ("contoso.com", "invalid_tenant", 90002),
        ("11111111-2222-3333-4444-555555555555", "invalid_tenant", 90002),
        ("nobody", "invalid_request", 900023),
    ],
)
def test_an_unknown_tenant_has_no_metadata(
    site: Site, tenant: str, error: str, number: int
) -> None:
    answer = site.ask("GET", f"{LOGIN}/{tenant}/v2.0/.well-known/openid-configuration")
    assert answer.status_code == 400
    assert (answer.json()["error"], answer.json()["error_codes"]) == (error, [number])


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("host", ["login.microsoftonline.com", "login.windows.net"])
def test_instance_discovery(site: Site, version: str, host: str) -> None:
    answer = site.ask(
        "GET",
        f"{LOGIN}/common/discovery/instance",
        params={
            "api-version": version,
            "authorization_endpoint": f"https://{host}/common/oauth2/v2.0/authorize",
        },
    )
    body = answer.json()
    assert body["api-version"] == version
    expected = f"https://{host}/common/v2.0/.well-known/openid-configuration"
    assert body["tenant_discovery_endpoint"] == expected
    assert host in body["metadata"][0]["aliases"]
    assert site.ask("GET", body["tenant_discovery_endpoint"]).status_code == 200


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://login.evil.example/common/oauth2/authorize",
        "http://login.microsoftonline.com/common/oauth2/authorize",
        "https://login.microsoftonline.com",
        "https://[bad/common",
        "nonsense",
    ],
)
def test_an_unknown_instance_is_refused(site: Site, endpoint: str) -> None:
    answer = site.ask(
        "GET",
        f"{LOGIN}/common/discovery/instance",
        params={"api-version": "1.1", "authorization_endpoint": endpoint},
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_instance")


def test_no_user_is_known(site: Site) -> None:
    answer = site.ask("GET", f"{LOGIN}/common/userrealm/ann@contoso.com?api-version=1.0")
    assert answer.json()["account_type"] == "Unknown"
    assert answer.json()["domain_name"] == "contoso.com"


def test_an_unknown_path_is_not_found(site: Site) -> None:
    assert site.ask("GET", f"{LOGIN}/common/oauth2/nothing").status_code == 404
