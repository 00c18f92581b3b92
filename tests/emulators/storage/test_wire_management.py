"""Storage accounts over Resource Manager, and what they change for the Blob service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.storage.blob import generate_account_sas

from tests.support import client_of

from .bench import Bench

VERSION = {"api-version": "2023-05-01"}
Ask = Callable[..., httpx.Response]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def ask(bench: Bench) -> Ask:
    token = bench.ctx.tokens.issue("https://management.azure.com")

    def send(method: str, path: str, body: Any = None) -> httpx.Response:
        async def scenario() -> httpx.Response:
            async with client_of(bench.app, token=token) as http:
                url = f"https://management.azure.com{path}"
                return await http.request(method, url, json=body, params=VERSION)

        return asyncio.run(scenario())

    return send


def group(bench: Bench, name: str = "rehearsal") -> str:
    sub = bench.ctx.secrets.subscription_id
    return f"/subscriptions/{sub}/resourceGroups/{name}/providers/Microsoft.Storage/storageAccounts"


def test_the_seeded_account(bench: Bench, ask: Ask) -> None:
    found = ask("GET", f"{group(bench).upper()}/{bench.account.upper()}").json()
    assert found["name"] == bench.account
    assert found["properties"]["primaryEndpoints"]["blob"] == f"{bench.url}/"
    assert found["properties"]["provisioningState"] == "Succeeded"
    assert [a["name"] for a in ask("GET", group(bench)).json()["value"]] == [bench.account]
    keys = ask("POST", f"{group(bench)}/{bench.account}/listKeys").json()["keys"]
    assert [k["keyName"] for k in keys] == ["key1", "key2"]


def test_an_account_lives_and_dies(bench: Bench, ask: Ask) -> None:
    path = f"{group(bench)}/mine123"
    body = {"location": "westeurope", "sku": {"name": "Standard_GRS"}, "kind": "StorageV2"}
    made = ask("PUT", path, {**body, "tags": {"a": "b"}})
    assert (made.status_code, made.json()["tags"]) == (200, {"a": "b"})
    assert made.json()["properties"]["allowBlobPublicAccess"] is False
    taken = ask("PUT", f"{group(bench, 'other')}/mine123", body)
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "StorageAccountAlreadyTaken")
    assert ask("PATCH", path, {"tags": {"c": "d"}}).json()["sku"]["name"] == "Standard_GRS"

    async def make_container(http: httpx.AsyncClient) -> list[httpx.Response]:
        url = "https://mine123.blob.core.windows.net/con?restype=container"
        public = await http.put(url, headers={"x-ms-blob-public-access": "blob"})
        return [public, await http.put(url)]

    public, private = bench.run(make_container)
    assert public.headers["x-ms-error-code"] == "PublicAccessNotPermitted"
    assert private.status_code == 201
    assert ask("DELETE", path).status_code == 200
    assert ask("DELETE", path).status_code == 204
    assert ask("GET", path).status_code == 404
    ask("PUT", path, body)

    async def list_containers(http: httpx.AsyncClient) -> str:
        return (await http.get("https://mine123.blob.core.windows.net/?comp=list")).text

    assert "<Container>" not in bench.run(list_containers)


@pytest.mark.parametrize("name", ["ab", "UPPER", "has-dash", "a" * 25])
def test_names_that_are_none(bench: Bench, ask: Ask, name: str) -> None:
    made = ask("PUT", f"{group(bench)}/{name}", {"location": "eastus"})
    assert (made.status_code, made.json()["error"]["code"]) == (400, "AccountNameInvalid")


def test_whether_a_name_is_free(bench: Bench, ask: Ask) -> None:
    sub = bench.ctx.secrets.subscription_id
    path = f"/subscriptions/{sub}/providers/Microsoft.Storage/checkNameAvailability"
    kind = "Microsoft.Storage/storageAccounts"
    assert ask("POST", path, {"name": "free123", "type": kind}).json() == {"nameAvailable": True}
    taken = ask("POST", path, {"name": bench.account, "type": kind}).json()
    assert taken["reason"] == "AlreadyExists"
    assert ask("POST", path, {"name": "No"}).json()["reason"] == "AccountNameInvalid"


def test_a_regenerated_key_opens_nothing_any_more(bench: Bench, ask: Ask) -> None:
    path = f"{group(bench)}/{bench.account}"
    old = ask("POST", f"{path}/listKeys").json()["keys"][0]["value"]
    expiry = bench.ctx.clock.now() + timedelta(hours=1)
    sas = generate_account_sas(bench.account, old, "s", "l", expiry, services="b")

    async def list_containers() -> int:
        async with client_of(bench.app) as http:
            return (await http.get(f"{bench.url}/?comp=list&{sas}")).status_code

    assert asyncio.run(list_containers()) == 200
    new = ask("POST", f"{path}/regenerateKey", {"keyName": "key1"}).json()["keys"][0]["value"]
    assert new != old
    assert asyncio.run(list_containers()) == 403
    assert ask("POST", f"{path}/regenerateKey", {"keyName": "key3"}).status_code == 400


def test_what_is_not_emulated(bench: Bench, ask: Ask) -> None:
    body = {"location": "eastus", "properties": {"isHnsEnabled": True}}
    made = ask("PUT", f"{group(bench)}/hns123", body)
    assert (made.status_code, made.json()["error"]["code"]) == (501, "NotEmulated")
    assert ask("GET", f"{group(bench)}/hns123").status_code == 404
    refused = ask("POST", f"{group(bench)}/{bench.account}/failover")
    assert refused.json()["error"]["code"] == "NotEmulated"


def test_a_token_for_storage_does_not_manage(bench: Bench) -> None:
    async def scenario(http: httpx.AsyncClient) -> httpx.Response:
        return await http.get(f"https://management.azure.com{group(bench)}", params=VERSION)

    assert bench.run(scenario).status_code == 401


def test_a_group_that_is_not_there(tmp_path: Path) -> None:
    """With the resource manager beside it, as the host runs them."""
    from emulators.kernel import registry
    from tests.support import make_app, make_context

    ctx = make_context(tmp_path)
    app = make_app(ctx, [registry.load("arm"), registry.load("storage-management")])
    token = ctx.tokens.issue("https://management.azure.com")
    sub = ctx.secrets.subscription_id

    async def scenario() -> httpx.Response:
        async with client_of(app, token=token) as http:
            group = f"https://management.azure.com/subscriptions/{sub}/resourceGroups/none"
            url = f"{group}/providers/Microsoft.Storage/storageAccounts/mine123"
            return await http.put(url, json={"location": "eastus"}, params=VERSION)

    answer = asyncio.run(scenario())
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceGroupNotFound")
