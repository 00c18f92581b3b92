"""Workspaces and what lies beside assets in them: made, changed, listed, refused, gone."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from emulators.kernel.ids import Ids
from emulators.machinelearning.store.endpoints import ENDPOINTS, Endpoint
from tests.emulators.machinelearning.conftest import ML, World


def test_the_seeded_workspace_is_whole(world: World) -> None:
    found = world.get("").json()
    values = found["properties"]
    assert found["kind"] == "Default"
    assert values["discoveryUrl"] == f"{ML}/discovery"
    assert values["mlFlowTrackingUri"] == (
        f"azureml://eastus.api.azureml.ms/mlflow/v1.0{found['id']}"
    )
    assert len(values["workspaceId"]) == 36
    assert values["provisioningState"] == "Succeeded"
    for field in ("storageAccount", "keyVault", "applicationInsights"):
        made = world.call(
            "GET", f"https://management.azure.com{values[field]}?api-version=2021-04-01"
        )
        assert made.status_code == 200, field


def test_discovery_is_open_and_names_the_data_planes(world: World) -> None:
    bare = type(world.http)(transport=world.http._transport)
    found = world.run(bare.get(f"{ML}/discovery"))
    assert found.json()["api"] == ML


def test_a_workspace_is_made_used_and_removed(world: World) -> None:
    url = f"{world.base}/second"
    made = world.call("PUT", url, {"location": "eastus", "tags": {"a": "b"}, "properties": {}})
    assert made.status_code == 202
    status = world.call("GET", made.headers["azure-asyncoperation"]).json()
    assert status["status"] == "Succeeded"
    guid = world.call("GET", url).json()["properties"]["workspaceId"]
    stores = world.call("GET", f"{url}/datastores").json()["value"]
    assert len(stores) == 4
    assert world.call(
        "PUT", f"{url}/environments/e/versions/1", {"properties": {"image": "x"}}
    ).is_success
    again = world.call("PUT", url, {"properties": {"description": "d"}})
    assert again.status_code == 200
    assert again.json()["properties"]["workspaceId"] == guid
    changed = world.call("PATCH", url, {"tags": {"c": "d"}})
    assert changed.json()["tags"] == {"c": "d"}
    names = [w["name"] for w in world.call("GET", world.base).json()["value"]]
    assert sorted(names) == ["rehearsal", "second"]
    assert world.call("DELETE", url).status_code == 202
    assert world.call("GET", url).status_code == 404
    assert world.call("DELETE", url).status_code == 204
    world.call("PUT", url, {"location": "eastus"})
    assert world.call("GET", url).json()["properties"]["workspaceId"] != guid
    assert world.call("GET", f"{url}/environments/e").status_code == 404
    world.call("DELETE", url)


def test_endpoints_must_go_before_their_workspace(world: World) -> None:
    url = f"{world.base}/third"
    world.call("PUT", url, {"location": "eastus"})
    guid = world.call("GET", url).json()["properties"]["workspaceId"]
    now = world.ctx.clock.now()
    world.ctx.store.put(ENDPOINTS, Endpoint(guid, "e", "e", "Key", now, now, "me"))
    refused = world.call("DELETE", url)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "CannotDeleteResource"
    world.ctx.store.delete(ENDPOINTS, guid, "e")
    assert world.call("DELETE", url).status_code == 202


def test_what_is_no_workspace_of_ours_is_refused(world: World) -> None:
    url = f"{world.base}/fourth"
    assert world.call("PUT", url, {"kind": "Hub"}).status_code == 501
    assert world.call("PUT", url, {"properties": {"managedNetwork": {
        "isolationMode": "AllowInternetOutbound"}}}).status_code == 501  # fmt: skip
    assert world.call("PUT", url, {"properties": {"encryption": {"status": "Disabled"}}}).is_success
    world.call("DELETE", url)
    assert world.call("PUT", f"{world.base}/x", {}).status_code == 400
    assert world.call("PUT", f"{world.base}/-bad", {}).status_code == 400
    other = Ids().guid()
    sub = world.ctx.secrets.subscription_id
    assert world.call("GET", f"{world.base}/rehearsal".replace(sub, other)).status_code == 404
    missing = world.base.replace("resourceGroups/rehearsal", "resourceGroups/none")
    refused = world.call("PUT", f"{missing}/fifth", {"location": "eastus"})
    assert refused.json()["error"]["code"] == "ResourceGroupNotFound"


def test_keys_are_those_of_the_storage_account_at_the_time(world: World) -> None:
    account = world.ws.properties["storageAccount"]
    arm = f"https://management.azure.com{account}"
    version = "?api-version=2023-01-01"
    before = world.call("POST", "/listKeys").json()["userStorageKey"]
    secret = world.call("POST", "/datastores/workspaceblobstore/listSecrets", {}).json()
    assert secret == {"secretsType": "AccountKey", "key": before}
    world.call("POST", f"{arm}/regenerateKey{version}", {"keyName": "key1"})
    after = world.call("POST", "/datastores/workspaceblobstore/listSecrets", {}).json()["key"]
    assert after != before
    assert world.call("POST", "/listKeys").json()["userStorageKey"] == after


def test_the_default_datastore_is_found_by_the_filter(world: World) -> None:
    found = world.get("/datastores", isDefault="true", count="30", orderByAsc="false").json()
    assert [s["name"] for s in found["value"]] == ["workspaceblobstore"]
    others = world.get("/datastores", isDefault="false").json()["value"]
    assert len(others) >= 3


def test_secrets_never_come_back_but_when_asked_for(world: World) -> None:
    body = {
        "datastoreType": "AzureBlob",
        "accountName": "other",
        "containerName": "c",
        "credentials": {
            "credentialsType": "Sas",
            "secrets": {"secretsType": "Sas", "sasToken": "sv=1&sig=deep-secret"},
        },
    }
    made = world.put("/datastores/mine", body)
    assert made.status_code == 201
    assert "deep-secret" not in made.text
    assert "deep-secret" not in world.get("/datastores").text
    opened = world.call("POST", "/datastores/mine/listSecrets", {}).json()
    assert opened == {"secretsType": "Sas", "sasToken": "sv=1&sig=deep-secret"}
    connection = {
        "authType": "ApiKey",
        "category": "AzureOpenAI",
        "target": "https://x",
        "credentials": {"key": "deep-secret"},
    }
    assert "deep-secret" not in world.put("/connections/c1", connection).text
    assert "deep-secret" not in world.get("/connections/c1").text
    opened = world.call("POST", "/connections/c1/listsecrets").json()
    assert opened["properties"]["credentials"] == {"key": "deep-secret"}
    for path in ("/datastores/mine", "/connections/c1"):
        assert world.call("DELETE", path).status_code == 200
        assert world.call("DELETE", path).status_code == 204
    assert "deep-secret" not in str(world.ctx.secrets.values)


def test_one_datastore_is_the_default_and_stays_it(world: World) -> None:
    body = {"datastoreType": "AzureBlob", "accountName": "other", "containerName": "c"}
    made = world.put("/datastores/another", {**body, "isDefault": True}).json()["properties"]
    assert made["isDefault"] is False
    old = world.get("/datastores/workspaceblobstore").json()["properties"]
    world.put("/datastores/workspaceblobstore", {**old, "isDefault": False})
    names = [s["name"] for s in world.get("/datastores", isDefault="true").json()["value"]]
    assert names == ["workspaceblobstore"]
    assert world.call("DELETE", "/datastores/workspaceblobstore").status_code == 400
    assert world.call("DELETE", "/datastores/another").status_code == 200


def test_datastores_come_in_the_order_asked_for(world: World) -> None:
    down = world.get("/datastores", orderBy="name", orderByAsc="false").json()["value"]
    names = [s["name"] for s in down]
    assert names == sorted(names, reverse=True)
    assert world.get("/datastores", orderBy="colour").status_code == 501
    only = world.get("/datastores", names="workspaceblobstore,none").json()["value"]
    assert [s["name"] for s in only] == ["workspaceblobstore"]
    found = world.get("/datastores", searchText="artifact").json()["value"]
    assert [s["name"] for s in found] == ["workspaceartifactstore"]


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        ({"datastoreType": "Tape"}, 400),
        ({"datastoreType": "AzureBlob", "accountName": "a"}, 400),
        ({"datastoreType": "AzureBlob", "accountName": 5, "containerName": "c"}, 400),
        (
            {
                "datastoreType": "AzureBlob",
                "accountName": "a",
                "containerName": "c",
                "credentials": {"credentialsType": "Certificate"},
            },
            501,
        ),
    ],
)
def test_datastores_that_cannot_be(world: World, properties: object, status: int) -> None:
    assert world.put("/datastores/bad", properties).status_code == status
    assert world.get("/datastores/bad").status_code == 404


def test_computes_are_names_with_rules(world: World) -> None:
    def body(**inner: object) -> dict[str, object]:
        values = {"vmSize": "Standard_DS3_v2", **inner}
        return {
            "location": "eastus",
            "properties": {"computeType": "AmlCompute", "properties": values},
        }

    made = world.call("PUT", "/computes/cpu-cluster", body(scaleSettings={"maxNodeCount": 4}))
    assert made.status_code == 201
    status = world.call("GET", made.headers["azure-asyncoperation"]).json()["status"]
    assert status == "Succeeded"
    found = world.get("/computes/cpu-cluster").json()["properties"]
    assert found["provisioningState"] == "Succeeded"
    assert found["properties"]["allocationState"] == "Steady"
    patched = world.call(
        "PATCH",
        "/computes/cpu-cluster",
        {"properties": {"scaleSettings": {"minNodeCount": 1, "maxNodeCount": 2}}},
    )
    assert patched.json()["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 2
    assert world.call("PUT", "/computes/cpu-cluster", body(vmSize="other")).status_code == 400
    bad = body(scaleSettings={"minNodeCount": 3, "maxNodeCount": 1})
    assert world.call("PUT", "/computes/bad", bad).status_code == 400
    assert world.call("PUT", "/computes/x" + "y" * 30, body()).status_code == 400
    assert world.call("POST", "/computes/cpu-cluster/start").status_code == 400
    kind = {"properties": {"computeType": "Kubernetes"}}
    assert world.call("PUT", "/computes/k8s", kind).status_code == 501
    assert world.call("DELETE", "/computes/cpu-cluster").status_code == 202
    assert world.get("/computes/cpu-cluster").status_code == 404


def test_what_azure_has_and_we_do_not_is_said(world: World) -> None:
    for method, path in (
        ("GET", "/featuresets"),
        ("POST", "/diagnose"),
        ("GET", "/privateEndpointConnections"),
        ("GET", "/marketplaceSubscriptions"),
    ):
        refused = world.call(method, path)
        assert refused.status_code == 501, path
        assert refused.json()["error"]["code"] == "NotEmulated"


def test_the_system_registry_is_discovered_and_shows_what_can_be_built(world: World) -> None:
    url = f"{ML}/registrymanagement/v1.0/registries/azureml/discovery"
    found = world.call("GET", url).json()
    assert found["primaryRegionResourceProviderUri"] == f"{ML}/"
    assert world.call("GET", url.replace("/azureml/", "/mine/")).status_code == 404
    refused = world.call("GET", url.replace("/azureml/", "/azureml-meta/"))
    assert refused.status_code == 501
    scope = (
        f"{ML}/mferp/managementfrontend/subscriptions/{found['subscriptionId']}/resourceGroups/"
        f"{found['resourceGroup']}/providers/Microsoft.MachineLearningServices/registries/azureml"
    )
    assert world.call("GET", f"{scope}/environments").status_code == 200
    pinned = world.call("GET", f"{scope}/environments/sklearn-1.5/versions/27").json()
    assert pinned["id"] == "azureml://registries/azureml/environments/sklearn-1.5/versions/27"
    assert yaml.safe_load(pinned["properties"]["condaFile"])["name"] == "sklearn-1.5"
    newest = world.call("GET", f"{scope}/environments/sklearn-1.5/labels/latest").json()
    home = world.call("GET", f"{scope}/environments/sklearn-1.5").json()["properties"]
    assert home["latestVersion"] == newest["name"]
    unknown = world.call("GET", f"{scope}/environments/no-such-thing/versions/1")
    assert unknown.status_code == 404
    assert world.call("GET", f"{scope}/models/m").status_code == 501


def test_at_the_explicit_door_everything_leads_back_to_it(world: World) -> None:
    door = "https://localhost:8441"
    token = world.ctx.tokens.issue("https://management.azure.com")
    http = type(world.http)(
        transport=world.http._transport, headers={"authorization": f"Bearer {token}"}
    )
    base = f"{door}{world.ws.arm_id}"
    account = world.ws.storage_account

    def ask(method: str, path: str, body: object = None) -> dict[str, Any]:
        sent = http.request(method, f"{base}{path}?api-version=2024-10-01", json=body)
        found: dict[str, Any] = world.run(sent).json()
        return found

    assert ask("GET", "")["properties"]["discoveryUrl"] == f"{door}/discovery"
    store = ask("GET", "/datastores/workspaceblobstore")["properties"]
    assert store["accountName"] == f"localhost:8441/{account}"
    ask("PUT", "/datastores/door", {"properties": store})
    assert world.get("/datastores/door").json()["properties"]["accountName"] == account
    world.call("DELETE", "/datastores/door")
    granted = ask("POST", "/codes/door/versions/1/startPendingUpload", {})
    url = granted["blobReferenceForConsumption"]["blobUri"]
    assert url.startswith(door)
    assert url.count("/") == 3
    ask("PUT", "/codes/door/versions/1", {"properties": {"codeUri": f"{url}/src"}})
    kept = world.get("/codes/door/versions/1").json()["properties"]["codeUri"]
    assert kept.startswith(f"https://{account}.blob.core.windows.net/")
    shown = ask("GET", "/codes/door/versions/1")["properties"]["codeUri"]
    assert shown.startswith(f"{door}/{account}.blob.core.windows.net/")
