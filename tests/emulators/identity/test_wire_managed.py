"""Managed identity in its three forms, and who must not get a token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.site import ARM, Site

IMDS = "http://169.254.169.254/metadata/identity/oauth2/token"
APP_SERVICE = "https://localhost:8441/msi/token"


def secret(site: Site) -> str:
    return site.ctx.secrets.token("msi")


def own_id(site: Site) -> str:
    return site.ctx.secrets.guid("managed_client_id")


def test_app_service_form(site: Site) -> None:
    answer = site.ask(
        "GET",
        APP_SERVICE,
        params={"api-version": "2019-08-01", "resource": "https://localhost:8441"},
        headers={"X-IDENTITY-HEADER": secret(site)},
    )
    body = answer.json()
    assert answer.status_code == 200
    assert body["client_id"] == own_id(site)
    assert body["expires_on"].isdigit()
    found = site.ctx.tokens.verify(body["access_token"], ["https://localhost:8441"])
    assert found.object_id == site.ctx.secrets.guid("managed_object_id")


def test_machine_learning_form(site: Site) -> None:
    answer = site.ask(
        "GET",
        APP_SERVICE,
        params={"api-version": "2017-09-01", "resource": ARM, "clientid": own_id(site)},
        headers={"secret": secret(site)},
    )
    assert answer.status_code == 200


def test_metadata_service_form(site: Site) -> None:
    query = {"api-version": "2018-02-01", "resource": f"{ARM}/"}
    for url in (IMDS, "https://localhost:8441/metadata/identity/oauth2/token"):
        answer = site.ask("GET", url, params=query, headers={"Metadata": "true"})
        body = answer.json()
        assert (body["token_type"], body["expires_in"]) == ("Bearer", "86400")
        found = site.ctx.tokens.verify(body["access_token"], [ARM])
        assert found.audience == f"{ARM}/"


REFUSED: list[tuple[str, dict[str, str], dict[str, str], int]] = [
    (APP_SERVICE, {"api-version": "2019-08-01", "resource": ARM}, {}, 401),
    (APP_SERVICE, {"api-version": "2019-08-01", "resource": ARM}, {"X-IDENTITY-HEADER": "x"}, 401),
    (APP_SERVICE, {"api-version": "2017-09-01", "resource": ARM}, {"X-IDENTITY-HEADER": "?"}, 401),
    (APP_SERVICE, {"api-version": "2019-08-01"}, {"X-IDENTITY-HEADER": "?"}, 400),
    (APP_SERVICE, {"resource": ARM}, {"X-IDENTITY-HEADER": "?"}, 400),
    (IMDS, {"api-version": "2018-02-01", "resource": ARM}, {}, 400),
    (IMDS, {"api-version": "2018-02-01", "resource": ARM}, {"Metadata": "false"}, 400),
    (IMDS, {"api-version": "2018-02-01"}, {"Metadata": "true"}, 400),
    (IMDS, {"resource": ARM}, {"Metadata": "true"}, 400),
    (
        IMDS,
        {"api-version": "2018-02-01", "resource": ARM},
        {"Metadata": "true", "X-Forwarded-For": "1.2.3.4"},
        400,
    ),
    (
        IMDS,
        {"api-version": "2018-02-01", "resource": "https://x.example"},
        {"Metadata": "true"},
        400,
    ),
    (
        IMDS,
        {"api-version": "2018-02-01", "resource": ARM, "client_id": "nobody"},
        {"Metadata": "true"},
        400,
    ),
]


@pytest.mark.parametrize(("url", "query", "headers", "status"), REFUSED)
def test_refusals(
    site: Site, url: str, query: dict[str, str], headers: dict[str, str], status: int
) -> None:
    sent = {name: secret(site) if value == "?" else value for name, value in headers.items()}
    answer = site.ask("GET", url, params=query, headers=sent)
    assert answer.status_code == status
    assert "access_token" not in answer.text


def test_a_user_assigned_identity_is_the_resource_manager_s(site: Site) -> None:
    path = "resourceGroups/rehearsal/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u1"
    made: dict[str, Any] = site.arm("PUT", path, json={"location": "eastus"}).json()
    ids = made["properties"]
    for name, value in {
        "client_id": ids["clientId"],
        "object_id": ids["principalId"],
        "msi_res_id": made["id"].upper(),
    }.items():
        answer = site.ask(
            "GET",
            IMDS,
            params={"api-version": "2018-02-01", "resource": ARM, name: value},
            headers={"Metadata": "true"},
        )
        found = site.ctx.tokens.verify(answer.json()["access_token"], [ARM])
        assert (found.object_id, found.app_id) == (ids["principalId"], ids["clientId"])
        assert found.claims["xms_mirid"] == made["id"].lower()
