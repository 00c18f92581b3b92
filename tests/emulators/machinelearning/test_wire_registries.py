"""Registries over their wire: scopes, collisions, hostile bodies, and that nothing gets further."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from emulators.machinelearning.engine import registries, storage_access
from emulators.machinelearning.engine.storage_access import DatastorePath
from emulators.machinelearning.store.registries import Registry
from tests.emulators.machinelearning.conftest import ML, World

KIND = "providers/Microsoft.MachineLearningServices/registries"


def create(world: World, name: str, body: Any = None, group: str = "") -> httpx.Response:
    url = f"{group or world.group}/{KIND}/{name}"
    return world.call("PUT", url, body or {"location": "eastus", "properties": {}})


def made(world: World, name: str) -> Registry:
    if registries.find(world.ctx, name) is None:
        answer = create(world, name)
        assert answer.status_code == 202, answer.text
    return registries.named(world.ctx, name)


def plane(world: World, registry: Registry, path: str) -> str:
    return f"{ML}/mferp/managementfrontend{registry.arm_id}{path}"


def put(world: World, registry: Registry, path: str, properties: Any) -> httpx.Response:
    return world.call("PUT", plane(world, registry, path), {"properties": properties})


def place(world: World, registry: Registry, kind: str, name: str, version: str) -> httpx.Response:
    body = {"assetId": f"azureml://registries/{registry.name}/{kind}/{name}/versions/{version}"}
    url = plane(world, registry, f"/tempdatarefs/{name}/versions/{version}")
    return world.call("PUT", url, body)


def blob(registry: Registry, rest: str) -> str:
    return f"https://{registry.storage_account}.blob.core.windows.net/{rest}"


def test_a_put_again_changes_words_and_a_name_is_the_tenants(world: World) -> None:
    registry = made(world, "words")
    again = create(world, "WORDS", {"location": "eastus", "tags": {"a": "b"}, "properties": {}})
    assert again.status_code == 200
    assert again.json()["tags"] == {"a": "b"}
    assert again.json()["name"] == "words"
    assert registries.named(world.ctx, "words").guid == registry.guid
    other = f"{world.group}-other"
    world.call("PUT", f"{other}?api-version=2021-04-01", {"location": "eastus"})
    assert create(world, "words", group=other).status_code == 409
    assert create(world, "azureml").status_code == 409
    assert create(world, "azureml-mine").status_code == 409
    assert world.call("GET", f"{other}/{KIND}/words").status_code == 404
    assert create(world, "xyz", group=f"{world.group}-none").status_code == 404


@pytest.mark.parametrize("name", ["a", "-a", "a b", "x" * 33, "a.b", "%2e%2e"])
def test_hostile_names_are_refused(world: World, name: str) -> None:
    assert create(world, name).status_code in (400, 404)


@pytest.mark.parametrize(
    "properties",
    [
        [],
        {"regionDetails": "x"},
        {"regionDetails": [1]},
        {"regionDetails": [{}]},
        {"regionDetails": [{"location": "eastus", "storageAccountDetails": 3}]},
        {"regionDetails": [{"location": "eastus", "storageAccountDetails": [
            {"userCreatedStorageAccount": {"armResourceId": {"resourceId": "x"}}}]}]},
        {"regionDetails": [{"location": "eastus", "storageAccountDetails": [
            {"systemCreatedStorageAccount": {"storageAccountHnsEnabled": True}}]}]},
    ],
)  # fmt: skip
def test_bodies_that_cannot_be_are_refused(world: World, properties: Any) -> None:
    answer = create(world, "hostile", {"location": "eastus", "properties": properties})
    assert answer.status_code in (202, 400, 501)
    if answer.status_code == 202:  # nonsense where nothing is asked for means the default
        world.call("DELETE", f"{world.group}/{KIND}/hostile")


def test_several_regions_answer_from_one_copy(world: World) -> None:
    regions = [{"location": "westeurope"}, {"location": "East US"}]
    body = {"location": "eastus", "properties": {"regionDetails": regions}}
    shown = create(world, "spread", body).json()["properties"]["regionDetails"]
    assert [region["location"] for region in shown] == ["eastus", "westeurope"]
    found = world.call("GET", f"{ML}/registrymanagement/v1.0/registries/Spread/discovery").json()
    assert found["primaryRegion"] == "eastus"
    assert found["registryFqdns"].keys() == {"eastus", "westeurope"}
    moved = {"location": "westeurope", "properties": {"regionDetails": regions[:1]}}
    assert create(world, "spread", moved).status_code == 400


def test_files_must_be_the_registrys_own(world: World) -> None:
    registry = made(world, "own-files")
    foreign = f"https://{world.ws.storage_account}.blob.core.windows.net/c/m"
    for uri in (
        foreign,
        "azureml://datastores/workspaceblobstore/paths/m",
        "azureml://jobs/j/outputs/o",
        "https://example.com/m",
        "nonsense://",
        7,
    ):
        refused = put(world, registry, "/models/m/versions/1", {"modelUri": uri})
        assert refused.status_code == 400, uri
        data = {"dataType": "uri_file", "dataUri": uri}
        assert put(world, registry, "/data/d/versions/1", data).status_code == 400, uri
    built = {"build": {"contextUri": foreign}}
    assert put(world, registry, "/environments/e/versions/1", built).status_code == 400
    fine = put(world, registry, "/models/m/versions/1", {"modelUri": blob(registry, "c/m")})
    assert fine.status_code == 201
    assert fine.json()["properties"]["modelUri"] == blob(registry, "c/m")
    moved = put(world, registry, "/models/m/versions/1", {"modelUri": blob(registry, "c/other")})
    assert moved.status_code == 409


def test_uploads_are_for_versions_that_are_not_there(world: World) -> None:
    registry = made(world, "uploads")
    first, again = (place(world, registry, "models", "m", "1").json() for _ in range(2))
    reference = first["blobReferenceForConsumption"]
    assert reference["blobUri"] == again["blobReferenceForConsumption"]["blobUri"]
    assert reference["credential"]["sasUri"].startswith(blob(registry, ""))
    put(world, registry, "/models/m/versions/1", {"modelUri": reference["blobUri"] + "/m"})
    taken = place(world, registry, "models", "m", "1")
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "UserError")
    url = plane(world, registry, "/tempdatarefs/m/versions/2")
    for asset in (
        None,
        3,
        "azureml://registries/other/models/m/versions/2",
        "azureml://registries/uploads/models/n/versions/2",
        "azureml://registries/uploads/models/m/versions/3",
        "azureml://registries/uploads/featuresets/m/versions/2",
        "azureml://registries/uploads/models/m/labels/latest",
    ):
        assert world.call("PUT", url, {"assetId": asset}).status_code == 400, asset
    start = plane(world, registry, "/codes/c/versions/1/startPendingUpload")
    assert world.call("POST", start, {}).json()["pendingUploadType"] == "TemporaryBlobReference"


def test_downloads_are_of_what_is_registered_and_nowhere_else(world: World) -> None:
    registry = made(world, "downloads")
    put(world, registry, "/models/m/versions/1", {"modelUri": blob(registry, "c/m")})
    url = plane(world, registry, "/datarefs/m/versions/1")
    asset = "azureml://registries/downloads/models/m/versions/1"

    def ask(uri: Any, name: str = asset) -> httpx.Response:
        return world.call("POST", url, {"assetId": name, "blobUri": uri})

    given = ask(blob(registry, "c/m")).json()["blobReferenceForConsumption"]
    assert "sp=rl" in given["credential"]["sasUri"]
    foreign = f"https://{world.ws.storage_account}.blob.core.windows.net/c/m"
    assert ask(foreign).status_code == 400
    assert ask(None).status_code == 400
    assert ask(blob(registry, "c/m"), asset.replace("/1", "/2")).status_code == 400


def source(world: World, name: str, path: str) -> str:
    where = f"azureml://datastores/workspaceblobstore/paths/{path}"
    world.put(f"/models/{name}/versions/1", {"modelUri": where})
    return f"azureml://locations/eastus/workspaces/{world.ws.guid}/models/{name}/versions/1"


def test_sharing_copies_or_changes_nothing(world: World) -> None:
    registry = made(world, "sharing")
    url = plane(world, registry, "/import")

    def share(**properties: Any) -> httpx.Response:
        return world.call("POST", url, {"properties": {"referenceType": "Id", **properties}})

    store = world.get("/datastores/workspaceblobstore").json()["properties"]
    account, container = store["accountName"], store["containerName"]
    for name in ("a.txt", "b/c.txt", "x.txt"):
        at = DatastorePath(account, container, f"shared/net/{name}")
        world.run(storage_access.write(world.ctx, at, name.encode()))
    other = DatastorePath(account, container, "shared/network.txt")
    world.run(storage_access.write(world.ctx, other, b"no part of it"))
    asset = source(world, "to-share", "shared/net")
    assert share(sourceAssetId=asset, destinationName="net").status_code == 200
    copied = world.call("GET", plane(world, registry, "/models/net/versions/1")).json()
    uri = copied["properties"]["modelUri"]
    assert uri.startswith(blob(registry, ""))
    inside = uri.removeprefix(blob(registry, ""))
    where = DatastorePath(registry.storage_account, *inside.split("/", 1))
    found = world.run(storage_access.list_paths(world.ctx, where))
    assert sorted(e.path for e in found) == ["net/a.txt", "net/b/c.txt", "net/x.txt"]
    assert share(sourceAssetId=asset, destinationName="net").status_code == 409
    for wrong, status in (
        ({}, 400),
        ({"sourceAssetId": 3}, 400),
        ({"sourceAssetId": "azureml://registries/r/models/m/versions/1"}, 400),
        ({"sourceAssetId": "azureml://models/to-share/versions/1"}, 400),
        ({"sourceAssetId": asset.rpartition("/versions")[0]}, 400),
        ({"sourceAssetId": asset.replace("/models/", "/components/")}, 501),
        ({"sourceAssetId": asset.replace(world.ws.guid, world.ctx.ids.guid())}, 404),
        ({"sourceAssetId": asset, "destinationName": ["x"]}, 400),
        ({"sourceAssetId": asset, "destinationName": "../x"}, 400),
        ({"sourceAssetId": asset, "destinationVersion": "a/b"}, 400),
        ({"sourceAssetId": asset, "referenceType": "DataPath"}, 400),
        ({"sourceAssetId": source(world, "empty", "nothing/here")}, 404),
    ):
        assert share(**wrong).status_code == status, wrong
    assert world.call("GET", plane(world, registry, "/models/empty/versions/1")).status_code == 404


def test_labels_and_other_lists(world: World) -> None:
    registry = made(world, "lists")
    for number in (1, 2):
        put(world, registry, f"/environments/e/versions/{number}", {"image": f"i:{number}"})
    latest = world.call("GET", plane(world, registry, "/environments/e/labels/latest")).json()
    assert latest["id"] == "azureml://registries/lists/environments/e/versions/2"
    assert latest["type"] == "Microsoft.MachineLearningServices/registries/environments/versions"
    odd = {"listViewType": "ListViewType.ACTIVE_ONLY"}
    shown = world.call("GET", plane(world, registry, "/environments"), params=odd).json()
    assert [one["name"] for one in shown["value"]] == ["e"]
    gone = world.call("GET", plane(world, registry, "/environments/e/versions/9"))
    assert gone.json()["error"]["message"] == "Environment e:9 not found in registry lists."


def test_deleting_takes_the_assets_and_a_new_one_begins_empty(world: World) -> None:
    registry = made(world, "short")
    put(world, registry, "/environments/e/versions/1", {"image": "i"})
    url = f"{world.group}/{KIND}/short"
    assert world.call("DELETE", url).status_code == 202
    assert world.call("GET", url).status_code == 404
    assert world.call("DELETE", url).status_code == 204
    again = made(world, "short")
    assert again.guid != registry.guid
    assert world.call("GET", plane(world, again, "/environments/e/versions/1")).status_code == 404


def test_a_group_goes_with_its_registries(world: World) -> None:
    group = f"{world.group}-registries"
    world.call("PUT", f"{group}?api-version=2021-04-01", {"location": "eastus"})
    assert create(world, "grouped", group=group).status_code == 202
    listed = world.call("GET", f"{group}/resources?api-version=2021-04-01").json()["value"]
    assert [one["name"] for one in listed] == ["grouped"]
    assert world.call("DELETE", f"{group}?api-version=2021-04-01").status_code == 202
    assert registries.find(world.ctx, "grouped") is None
