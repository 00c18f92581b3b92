"""Vaults as resources: their life, what is deleted, names, secrets of templates."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulators.arm.store import RESOURCES, Resource
from emulators.kernel.clock import ManualClock
from emulators.keyvault.engine import vaults
from tests.emulators.keyvault.conftest import VAULTS, VaultSite, code, vault_body
from tests.support import make_context

DELETED = "providers/Microsoft.KeyVault/locations/eastus/deletedVaults"


def test_a_vault_lives(site: VaultSite) -> None:
    body = {**vault_body(), "location": "East US", "tags": {"a": "1"}}
    made = site.arm("PUT", f"{VAULTS}/My-Vault", json=body)
    assert made.status_code == 201
    shown = made.json()
    properties = shown["properties"]
    assert (shown["name"], shown["location"], shown["tags"]) == ("My-Vault", "eastus", {"a": "1"})
    assert properties["vaultUri"] == "https://my-vault.vault.azure.net/"
    assert properties["tenantId"] == site.ctx.secrets.tenant_id
    assert properties["sku"] == {"family": "A", "name": "standard"}
    assert (properties["enableSoftDelete"], properties["enableRbacAuthorization"]) == (True, False)
    again = site.arm("PUT", f"{VAULTS}/my-vault", json={**body, "tags": {}})
    assert (again.status_code, again.json()["id"]) == (200, shown["id"])
    changed = site.arm(
        "PATCH", f"{VAULTS}/My-Vault", json={"properties": {"enableRbacAuthorization": True}}
    ).json()
    assert changed["properties"]["enableRbacAuthorization"] is True
    assert site.arm("GET", f"{VAULTS}/MY-VAULT").json() == changed
    assert site.arm("HEAD", f"{VAULTS}/My-Vault").status_code == 204
    names = [one["name"] for one in site.arm("GET", VAULTS).json()["value"]]
    assert names == ["My-Vault", site.name]
    listed = site.arm("GET", "resources?$filter=resourceType eq 'Microsoft.KeyVault/vaults'")
    assert sorted(one["name"] for one in listed.json()["value"]) == sorted(names)
    other = site.arm("PUT", f"{VAULTS}/My-Vault", json={"location": "westus"})
    assert code(other) == (409, "InvalidResourceLocation")


def test_a_deleted_vault_is_kept_recovered_and_purged(site: VaultSite) -> None:
    site.make("kept", enableRbacAuthorization=True)
    site.vault("PUT", "/secrets/s", {"value": "v"}, name="kept")
    assert site.arm("DELETE", f"{VAULTS}/kept").status_code == 200
    assert site.arm("DELETE", f"{VAULTS}/kept").status_code == 204
    assert site.arm("HEAD", f"{VAULTS}/kept").status_code == 404
    assert code(site.arm("GET", f"{VAULTS}/kept")) == (404, "ResourceNotFound")
    assert code(site.vault("GET", "/secrets/s", name="kept")) == (404, "VaultNotFound")
    assert code(site.make("kept")) == (409, "ConflictError")
    listed = site.arm("GET", "providers/Microsoft.KeyVault/deletedVaults").json()["value"]
    assert [one["name"] for one in listed] == ["kept"]
    assert site.arm("GET", f"{DELETED}/kept").json() == listed[0]
    assert site.make("kept", createMode="recover").status_code == 200
    assert site.vault("GET", "/secrets/s", name="kept").json()["value"] == "v"
    site.arm("DELETE", f"{VAULTS}/kept")
    assert site.arm("POST", f"{DELETED}/kept/purge").status_code == 200
    assert code(site.arm("GET", f"{DELETED}/kept")) == (404, "DeletedVaultNotFound")
    assert code(site.make("kept", createMode="recover")) == (404, "DeletedVaultNotFound")
    assert site.make("kept", enableRbacAuthorization=True).status_code == 201
    assert code(site.vault("GET", "/secrets/s", name="kept")) == (404, "SecretNotFound")


def test_purge_protection_of_a_vault(site: VaultSite) -> None:
    site.make("guarded", enablePurgeProtection=True, softDeleteRetentionInDays=7)
    off = site.make("guarded", enablePurgeProtection=False, softDeleteRetentionInDays=7)
    assert code(off) == (400, "BadRequest")
    site.arm("DELETE", f"{VAULTS}/guarded")
    assert code(site.arm("POST", f"{DELETED}/guarded/purge")) == (403, "Forbidden")
    clock = site.ctx.clock
    assert isinstance(clock, ManualClock)
    asyncio.run(clock.advance(7 * 86_400 + 1))
    assert code(site.arm("GET", f"{DELETED}/guarded")) == (404, "DeletedVaultNotFound")


@pytest.mark.parametrize(
    ("name", "body", "error"),
    [
        ("ab", vault_body(), "VaultNameNotValid"),
        ("1abc", vault_body(), "VaultNameNotValid"),
        ("a--bc", vault_body(), "VaultNameNotValid"),
        ("abc-", vault_body(), "VaultNameNotValid"),
        ("x" * 25, vault_body(), "VaultNameNotValid"),
        ("good", {}, "LocationRequired"),
        ("good", vault_body(enableSoftDelete=False), "BadRequest"),
        ("good", vault_body(softDeleteRetentionInDays=6), "BadRequest"),
        ("good", vault_body(softDeleteRetentionInDays="x"), "BadRequest"),
        ("good", vault_body(tenantId="0f0f0f0f-0000-0000-0000-000000000000"), "BadRequest"),
        ("good", vault_body(accessPolicies={}), "BadRequest"),
        ("good", vault_body(accessPolicies=[{"objectId": "x"}]), "BadRequest"),
        ("good", vault_body(enableRbacAuthorization="yes"), "BadRequest"),
        ("good", vault_body(publicNetworkAccess="perhaps"), "BadRequest"),
        ("good", {"location": "eastus", "properties": []}, "BadRequest"),
        ("good", {"location": "eastus", "tags": {"a": 1}}, "BadRequest"),
    ],
)
def test_what_cannot_be_a_vault(site: VaultSite, name: str, body: Any, error: str) -> None:
    assert code(site.arm("PUT", f"{VAULTS}/{name}", json=body)) == (400, error)
    assert site.arm("HEAD", f"{VAULTS}/{name}").status_code == 404


def test_names_are_unique(site: VaultSite) -> None:
    path = "providers/Microsoft.KeyVault/checkNameAvailability"

    def asked(name: str) -> Any:
        return site.arm("POST", path, json={"name": name, "type": "Microsoft.KeyVault/vaults"})

    assert asked("free").json() == {"nameAvailable": True}
    assert asked(site.name.upper()).json()["reason"] == "AlreadyExists"
    assert asked("x").json()["reason"] == "AccountNameInvalid"
    site.arm("PUT", "resourceGroups/b", json={"location": "eastus"})
    elsewhere = VAULTS.replace("rehearsal", "b")
    taken = site.arm("PUT", f"{elsewhere}/{site.name}", json=vault_body())
    assert code(taken) == (409, "VaultAlreadyExists")
    missing = site.arm("PUT", f"{VAULTS.replace('rehearsal', 'none')}/kv1", json=vault_body())
    assert code(missing) == (404, "ResourceGroupNotFound")


def test_a_template_s_secrets(site: VaultSite) -> None:
    path = f"{VAULTS}/{site.name}/secrets"
    body = {"properties": {"value": "v", "contentType": "t"}, "tags": {"a": "b"}}
    made = site.arm("PUT", f"{path}/s", json=body)
    assert made.status_code == 201
    assert "value" not in made.json()["properties"]
    assert site.vault("GET", "/secrets/s").json()["value"] == "v"
    changed = site.arm("PATCH", f"{path}/s", json={"properties": {"attributes": {"exp": 9}}}).json()
    assert changed["properties"]["attributes"]["exp"] == 9
    assert site.arm("GET", f"{path}/s").json() == changed
    assert site.arm("GET", path).json()["value"] == [changed]
    assert code(site.arm("GET", f"{path}/none")) == (404, "SecretNotFound")


def test_what_is_refused_by_name(site: VaultSite) -> None:
    for method, path in (
        ("POST", "/keys/k/create"), ("GET", "/keys"), ("GET", "/keys/k/"),
        ("GET", "/certificates"), ("POST", "/certificates/c/create"),
    ):  # fmt: skip
        assert code(site.vault(method, path)) == (501, "NotEmulated")
    assert code(site.vault("GET", "/secrets/s?outContentType=x")) == (501, "NotEmulated")
    endpoints = f"{VAULTS}/{site.name}/privateEndpointConnections"
    assert code(site.arm("GET", endpoints)) == (501, "NotEmulated")


def test_a_group_takes_its_vaults_with_it(site: VaultSite) -> None:
    site.arm("PUT", "resourceGroups/b", json={"location": "eastus"})
    vault = f"{VAULTS.replace('rehearsal', 'b')}/inb"
    site.arm("PUT", vault, json=vault_body())
    assert "inb" in site.arm("GET", "resourceGroups/b/resources").text
    site.arm("DELETE", "resourceGroups/b")
    assert site.arm("GET", f"{DELETED}/inb").status_code == 200


def test_an_older_state_folder_s_vault_is_taken_over(tmp_path: Path) -> None:
    ctx = make_context(tmp_path)
    path = f"/subscriptions/{ctx.secrets.subscription_id}/resourceGroups/rehearsal"
    now = ctx.clock.now()
    record = Resource(
        key="", id=f"{path}/providers/Microsoft.KeyVault/vaults/rehearsavault1234",
        name="rehearsavault1234", type="Microsoft.KeyVault/vaults", group="rehearsal",
        location="eastus", tags={"a": "b"},
        properties={"vaultUri": "x", "enableRbacAuthorization": True, "accessPolicies": []},
        extra={}, created=now, modified=now, by="me",
    )  # fmt: skip
    ctx.store.put(RESOURCES, replace(record, key=record.id.lower()))
    found = vaults.seed(ctx)
    assert found is not None
    assert (found.id, found.tags) == (record.id, {"a": "b"})
    assert list(ctx.store.scan(RESOURCES)) == []
    assert vaults.seed(ctx) == found
