"""A vault's host: the challenge, secrets and their life, rights, pages, errors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.clock import ManualClock
from emulators.kernel.context import Context
from emulators.keyvault.engine import secrets, vaults
from emulators.keyvault.engine.secrets import Wanted
from tests.emulators.keyvault.conftest import VAULTS, VaultSite, code
from tests.support import make_context

DAY = 86_400


def test_the_challenge_says_where_a_token_is_to_be_had(site: VaultSite) -> None:
    url = f"https://{site.name}.vault.azure.net/secrets?api-version=7.6"
    tenant = site.ctx.secrets.tenant_id
    expected = (
        f'Bearer authorization="https://login.microsoftonline.com/{tenant}",'
        ' resource="https://vault.azure.net"'
    )
    for token in (None, "nonsense", site.token("https://management.azure.com")):
        answer = site.ask("GET", url, token=token)
        assert code(answer) == (401, "Unauthorized")
        assert answer.headers["www-authenticate"] == expected


def test_a_vault_that_is_not_there(site: VaultSite) -> None:
    answer = site.vault("GET", "/secrets", name="elsewhere")
    assert code(answer) == (404, "VaultNotFound")
    assert "would not resolve" in answer.text


def test_versions_are_kept_and_the_newest_is_current(site: VaultSite) -> None:
    first = site.vault("PUT", "/secrets/Db-Password", {"value": "one"}).json()
    second = site.vault(
        "PUT", "/secrets/db-password",
        {"value": "two", "contentType": "text/plain", "tags": {"a": "b"},
         "attributes": {"nbf": 10, "exp": 20}},
    ).json()  # fmt: skip
    assert first["id"].startswith(f"https://{site.name}.vault.azure.net/secrets/Db-Password/")
    assert second["id"].rpartition("/")[0] == first["id"].rpartition("/")[0]
    current = site.vault("GET", "/secrets/Db-Password/").json()
    assert current == second
    assert (current["value"], current["contentType"], current["tags"]) == (
        "two", "text/plain", {"a": "b"},
    )  # fmt: skip
    assert {"nbf": 10, "exp": 20}.items() <= current["attributes"].items()  # expired and readable
    old = first["id"].rpartition("/")[2]
    assert site.vault("GET", f"/secrets/Db-Password/{old}").json()["value"] == "one"
    listed = site.vault("GET", "/secrets/Db-Password/versions").json()["value"]
    assert [one["id"] for one in listed] == [first["id"], second["id"]]
    assert all("value" not in one for one in listed)
    assert code(site.vault("GET", f"/secrets/Db-Password/{'0' * 32}")) == (404, "SecretNotFound")
    assert code(site.vault("GET", "/secrets/none")) == (404, "SecretNotFound")


def test_attributes_change_and_the_value_does_not(site: VaultSite) -> None:
    site.vault("PUT", "/secrets/s", {"value": "v", "tags": {"k": "1"}})
    changed = site.vault(
        "PATCH", "/secrets/s/", {"attributes": {"enabled": False}, "contentType": "c"}
    ).json()
    assert (changed["attributes"]["enabled"], changed["contentType"]) == (False, "c")
    assert changed["tags"] == {"k": "1"}
    assert "value" not in changed
    assert code(site.vault("GET", "/secrets/s")) == (403, "SecretDisabled")
    version = changed["id"].rpartition("/")[2]
    site.vault("PATCH", f"/secrets/s/{version}", {"attributes": {"enabled": True}, "tags": {}})
    again = site.vault("GET", "/secrets/s").json()
    assert (again["value"], again["tags"]) == ("v", {})


def test_deleting_recovering_and_purging(site: VaultSite) -> None:
    made = site.vault("PUT", "/secrets/s", {"value": "v"}).json()
    gone = site.vault("DELETE", "/secrets/s").json()
    assert gone["recoveryId"].endswith("/deletedsecrets/s")
    assert gone["scheduledPurgeDate"] - gone["deletedDate"] == 90 * DAY
    assert gone["id"] == made["id"]
    assert code(site.vault("GET", "/secrets/s")) == (404, "SecretNotFound")
    assert code(site.vault("DELETE", "/secrets/s")) == (404, "SecretNotFound")
    assert site.vault("GET", "/secrets").json()["value"] == []
    reserved = site.vault("PUT", "/secrets/S", {"value": "w"})
    assert code(reserved) == (409, "ObjectIsDeletedButRecoverable")
    listed = site.vault("GET", "/deletedsecrets").json()["value"]
    assert [one["recoveryId"] for one in listed] == [gone["recoveryId"]]
    assert site.vault("GET", "/deletedsecrets/s").json() == gone
    back = site.vault("POST", "/deletedsecrets/s/recover").json()
    assert back["id"] == made["id"]
    assert site.vault("GET", "/secrets/s").json()["value"] == "v"
    assert code(site.vault("POST", "/deletedsecrets/s/recover")) == (404, "SecretNotFound")
    site.vault("DELETE", "/secrets/s")
    assert site.vault("DELETE", "/deletedsecrets/s").status_code == 204
    assert code(site.vault("DELETE", "/deletedsecrets/s")) == (404, "SecretNotFound")
    site.vault("PUT", "/secrets/s", {"value": "new"})
    assert len(site.vault("GET", "/secrets/s/versions").json()["value"]) == 1


def test_what_is_deleted_goes_when_its_time_is_over(site: VaultSite) -> None:
    site.make("short", softDeleteRetentionInDays=7, enableRbacAuthorization=True)
    site.vault("PUT", "/secrets/s", {"value": "v"}, name="short")
    site.vault("DELETE", "/secrets/s", name="short")
    clock = site.ctx.clock
    assert isinstance(clock, ManualClock)
    asyncio.run(clock.advance(7 * DAY + 1))
    found = site.vault("GET", "/deletedsecrets/s", name="short")
    assert code(found) == (404, "SecretNotFound")
    assert site.vault("PUT", "/secrets/s", {"value": "v"}, name="short").status_code == 200


def test_purge_protection(site: VaultSite) -> None:
    site.make(
        "guarded", softDeleteRetentionInDays=7, enablePurgeProtection=True,
        enableRbacAuthorization=True,
    )  # fmt: skip
    made = site.vault("PUT", "/secrets/s", {"value": "v"}, name="guarded").json()
    assert made["attributes"]["recoveryLevel"] == "CustomizedRecoverable"
    assert made["attributes"]["recoverableDays"] == 7
    site.vault("DELETE", "/secrets/s", name="guarded")
    assert code(site.vault("DELETE", "/deletedsecrets/s", name="guarded")) == (403, "Forbidden")
    assert site.vault("GET", "/deletedsecrets/s", name="guarded").status_code == 200


def test_a_backup_is_opaque_and_restores_every_version(site: VaultSite) -> None:
    site.make("other", enableRbacAuthorization=True)
    for value in ("one", "two"):
        site.vault("PUT", "/secrets/s", {"value": value})
    blob = site.vault("POST", "/secrets/s/backup").json()["value"]
    assert "two" not in blob
    taken = site.vault("POST", "/secrets/restore", {"value": blob})
    assert code(taken) == (409, "Conflict")
    back = site.vault("POST", "/secrets/restore", {"value": blob}, name="other")
    assert back.json()["id"].startswith("https://other.vault.azure.net/secrets/s/")
    assert site.vault("GET", "/secrets/s", name="other").json()["value"] == "two"
    assert len(site.vault("GET", "/secrets/s/versions", name="other").json()["value"]) == 2
    for broken in (blob[:-3], "x", "", None, 7, blob.replace(blob[20], "_")):
        answer = site.vault("POST", "/secrets/restore", {"value": broken}, name="other")
        assert code(answer) == (400, "BadParameter")


def test_pages(site: VaultSite) -> None:
    names = [f"s{number:02}" for number in range(30)]
    for name in names:
        site.vault("PUT", f"/secrets/{name}", {"value": name})
    first = site.vault("GET", "/secrets").json()
    assert len(first["value"]) == 25
    seen, url = [], "/secrets?maxresults=7"
    while url:
        page = site.vault("GET", url).json()
        seen += [one["id"].rpartition("/")[2] for one in page["value"]]
        assert len(page["value"]) <= 7
        link = page["nextLink"]
        url = link.partition(".vault.azure.net")[2].replace("api-version=7.6&", "") if link else ""
    assert seen == names
    assert code(site.vault("GET", "/secrets?maxresults=26")) == (400, "BadParameter")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/secrets/under_score", {"value": "v"}),
        (f"/secrets/{'x' * 128}", {"value": "v"}),
        ("/secrets/s", {}),
        ("/secrets/s", {"value": None}),
        ("/secrets/s", {"value": "x" * 25_601}),
        ("/secrets/s", {"value": "v", "attributes": {"exp": "soon"}}),
        ("/secrets/s", {"value": "v", "attributes": {"enabled": "yes"}}),
        ("/secrets/s", {"value": "v", "attributes": {"nbf": 20, "exp": 10}}),
        ("/secrets/s", {"value": "v", "attributes": [1]}),
        ("/secrets/s", {"value": "v", "tags": {str(n): "" for n in range(16)}}),
        ("/secrets/s", {"value": "v", "tags": {"a": 1}}),
        ("/secrets/s", {"value": "v", "contentType": "x" * 256}),
    ],
)
def test_what_cannot_be_set(site: VaultSite, path: str, body: Any) -> None:
    assert code(site.vault("PUT", path, body)) == (400, "BadParameter")


def test_versions_of_the_api(site: VaultSite) -> None:
    url, token = f"https://{site.name}.vault.azure.net/secrets", site.token(
        "https://vault.azure.net"
    )  # fmt: skip
    assert code(site.ask("GET", url, token=token)) == (400, "BadParameter")
    for version in ("7.0", "7.6", "7.6-preview.2", "2025-07-01", "2025-06-01-preview"):
        assert site.ask("GET", f"{url}?api-version={version}", token=token).status_code == 200
    newer = site.ask("GET", f"{url}?api-version=2031-01-01", token=token)
    assert newer.headers["x-emulator-served-as"] == "2026-05-15"
    assert code(site.ask("GET", f"{url}?api-version=1", token=token)) == (400, "BadParameter")


SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
READER = "21090545-7ca7-4776-b22c-e363652d74d2"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"


def give(site: VaultSite, role: str, oid: str, scope: str) -> None:
    definition = f"/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/{role}"
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{site.ctx.ids.guid()}"
    body = {"properties": {"roleDefinitionId": definition, "principalId": oid}}
    assert site.arm("PUT", path, json=body).status_code == 201


def test_roles_decide(site: VaultSite) -> None:
    site.vault("PUT", "/secrets/s", {"value": "v"})
    site.vault("PUT", "/secrets/t", {"value": "w"})
    vault = f"{VAULTS}/{site.name}"
    nobody, contributor, reader, user, one = (site.ctx.ids.guid() for _ in range(5))
    give(site, CONTRIBUTOR, contributor, vault)
    give(site, READER, reader, vault)
    give(site, SECRETS_USER, user, vault)
    give(site, SECRETS_USER, one, f"{vault}/secrets/s")
    for oid in (nobody, contributor, reader):
        answer = site.vault("GET", "/secrets/s", oid=oid)
        assert code(answer) == (403, "ForbiddenByRbac")
        assert f"oid={oid}" in answer.json()["error"]["message"]
    assert site.vault("GET", "/secrets", oid=reader).status_code == 200
    assert site.vault("GET", "/secrets/s", oid=user).json()["value"] == "v"
    assert site.vault("GET", "/secrets/s", oid=one).json()["value"] == "v"
    assert code(site.vault("GET", "/secrets/t", oid=one)) == (403, "ForbiddenByRbac")
    assert code(site.vault("PUT", "/secrets/s", {"value": "x"}, oid=user))[0] == 403
    assert code(site.vault("DELETE", "/secrets/s", oid=user))[0] == 403


def test_policies_decide_where_roles_do_not(site: VaultSite) -> None:
    oid, tenant = site.ctx.ids.guid(), site.ctx.secrets.tenant_id
    policy = {"tenantId": tenant, "objectId": oid, "permissions": {"secrets": ["Get", "set"]}}
    site.make("old", accessPolicies=[policy])  # the api-version is from before roles
    assert site.vault("PUT", "/secrets/s", {"value": "v"}, name="old", oid=oid).status_code == 200
    assert site.vault("GET", "/secrets/s", name="old", oid=oid).json()["value"] == "v"
    refused = site.vault("GET", "/secrets", name="old", oid=oid)
    assert code(refused) == (403, "AccessDenied")
    assert "does not have secrets list permission" in refused.json()["error"]["message"]
    assert code(site.vault("GET", "/secrets/s", name="old")) == (403, "AccessDenied")
    more = {"properties": {"accessPolicies": [{**policy, "permissions": {"secrets": ["list"]}}]}}

    def permissions(kind: str) -> Any:
        found = site.arm("PUT", f"{VAULTS}/old/accessPolicies/{kind}", json=more).json()
        return [one["permissions"]["secrets"] for one in found["properties"]["accessPolicies"]]

    assert permissions("add") == [["Get", "set", "list"]]
    assert site.vault("GET", "/secrets", name="old", oid=oid).status_code == 200
    assert permissions("remove") == [["Get", "set"]]
    assert permissions("replace") == [["list"]]
    assert permissions("remove") == []


def test_the_network_decides_first(site: VaultSite) -> None:
    site.make("shut", publicNetworkAccess="disabled", enableRbacAuthorization=True)
    assert code(site.vault("GET", "/secrets", name="shut")) == (403, "ForbiddenByConnection")
    site.make("walled", networkAcls={"defaultAction": "Deny"}, enableRbacAuthorization=True)
    assert code(site.vault("GET", "/secrets", name="walled")) == (403, "ForbiddenByFirewall")
    rules = {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.7/32"}]}
    site.arm("PATCH", f"{VAULTS}/walled", json={"properties": {"networkAcls": rules}})
    assert site.vault("GET", "/secrets", name="walled").status_code == 200


def test_values_are_not_readable_where_they_lie(site: VaultSite) -> None:
    site.vault("PUT", "/secrets/s", {"value": "correct horse battery staple"})
    site.ctx.ledger.flush()
    from emulators.keyvault.store import VERSIONS

    kept = [VERSIONS.dump(one) for one in site.ctx.store.scan(VERSIONS)]
    assert kept
    assert all(b"horse" not in one for one in kept)
    folder = b"".join(p.read_bytes() for p in site.ctx.state.rglob("*") if p.is_file())
    assert b"battery" not in folder


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return make_context(tmp_path_factory.mktemp("vault"))


@given(st.text(max_size=300))
def test_any_value_comes_back(ctx: Context, value: str) -> None:
    vault = vaults.seed(ctx)
    assert vault is not None
    found = secrets.put(ctx, vault, "any", value, Wanted())
    assert secrets.value_of(ctx, secrets.find(ctx, vault, "ANY")) == value
    assert found.version.sealed != value


def test_the_explicit_door(site: VaultSite) -> None:
    door = f"https://localhost:8441/{site.name}.vault.azure.net"
    token = site.token("https://vault.azure.net")
    for name in ("a", "b"):
        url = f"{door}/secrets/{name}?api-version=7.6"
        made = site.ask("PUT", url, token=token, json={"value": name}).json()
        assert made["id"].startswith(f"{door}/secrets/{name}/")
    page = site.ask("GET", f"{door}/secrets?maxresults=1&api-version=7.6", token=token).json()
    rest = site.ask("GET", page["nextLink"], token=token).json()
    assert [one["id"] for one in rest["value"]] == [f"{door}/secrets/b"]
