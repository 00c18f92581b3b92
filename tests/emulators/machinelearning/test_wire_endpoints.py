"""Endpoints over ARM JSON: made, changed, raced, refused, gone; without sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.emulators.machinelearning.conftest import World
from tests.emulators.machinelearning.serving import SCRIPT, Serving


@pytest.fixture(scope="module")
def serving(world: World) -> Serving:
    return Serving(world)


@pytest.fixture(scope="module")
def live(serving: Serving) -> str:
    """An endpoint that serves."""
    serving.served("wire-live", environmentVariables={"RELEASE": "one"})
    return "wire-live"


def test_an_endpoint_is_shown_with_its_addresses(serving: Serving) -> None:
    made = serving.endpoint("wire-shown", description="d", properties={"a": "b"})
    assert made.status_code == 201
    again = serving.endpoint("wire-shown")
    assert again.status_code == 200
    found = serving.world.get("/onlineEndpoints/Wire-Shown").json()
    assert found["id"].endswith("/onlineEndpoints/wire-shown")
    values = found["properties"]
    assert values["scoringUri"] == "https://wire-shown.eastus.inference.ml.azure.com/score"
    assert values["swaggerUri"] == "https://wire-shown.eastus.inference.ml.azure.com/swagger.json"
    assert values["provisioningState"] == "Succeeded"
    assert "keys" not in values
    names = [e["name"] for e in serving.world.get("/onlineEndpoints").json()["value"]]
    assert "wire-shown" in names
    only = serving.world.get("/onlineEndpoints", name="wire-shown").json()["value"]
    assert [e["name"] for e in only] == ["wire-shown"]


def test_keys_may_be_chosen_and_replaced(serving: Serving) -> None:
    chosen = {"primaryKey": "chosen-primary", "secondaryKey": "chosen-secondary"}
    serving.endpoint("wire-keys", keys=chosen)
    assert serving.keys("wire-keys") == ["chosen-primary", "chosen-secondary"]
    path = "/onlineEndpoints/wire-keys/regenerateKeys"
    body = {"keyType": "Secondary", "keyValue": "mine"}
    assert serving.world.call("POST", path, body).status_code == 202
    assert serving.keys("wire-keys") == ["chosen-primary", "mine"]
    serving.world.call("POST", path, {"keyType": "Primary"})
    assert serving.keys("wire-keys")[0] not in ("chosen-primary", "mine")
    serving.world.call("POST", path, body)
    assert serving.keys("wire-keys")[1] not in ("", "mine")  # the client sends what it has
    assert serving.world.call("POST", path, {"keyType": "Third"}).status_code == 400
    assert (
        serving.world.call("POST", path, {"keyType": "Primary", "keyValue": 5}).status_code == 400
    )
    serving.world.call("DELETE", "/onlineEndpoints/wire-keys")
    serving.endpoint("wire-keys")
    assert "mine" not in serving.keys("wire-keys")


@pytest.mark.parametrize(
    "properties",
    [
        {"authMode": "Open"},
        {"authMode": 5},
        {"traffic": {"ghost": 100}},
        {"traffic": [1]},
        {"traffic": {"blue": "100"}},
        {"traffic": {"blue": 100.5}},
        {"mirrorTraffic": {"ghost": 10}},
        {"properties": ["a"]},
        {"description": {"a": 1}},
        {"keys": "secret"},
        {"keys": {"primaryKey": 7}},
    ],
)
def test_a_malformed_endpoint_is_a_400(serving: Serving, properties: dict[str, Any]) -> None:
    found = serving.endpoint("wire-bad", **{"mode": "Key", **properties})
    if "authMode" in properties:
        body = {"properties": properties}
        found = serving.world.call("PUT", "/onlineEndpoints/wire-bad", body)
    assert found.status_code == 400, found.text
    assert serving.world.get("/onlineEndpoints/wire-bad").status_code == 404


@pytest.mark.parametrize(
    "name",
    ["1st", "ab", "a" * 33, "a--b", "a-", "a_b", "a.b", "é" * 5, "%00abc", "..%2f..", "a%0d%0ab"],
)
def test_hostile_names_are_a_400(serving: Serving, live: str, name: str) -> None:
    assert serving.endpoint(name).status_code in (400, 404)
    path = f"/onlineEndpoints/{live}/deployments/{name}"
    put = serving.world.call("PUT", path, {"properties": serving.properties()})
    assert put.status_code in (400, 404)
    for wanted in (f"/onlineEndpoints/{name}", path):
        assert serving.world.get(wanted).status_code == 404
    assert serving.score(live, {}, azureml_model_deployment="..").status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"requestSettings": "soon"},
        {"requestSettings": {"requestTimeout": "soon"}},
        {"requestSettings": {"requestTimeout": "PT181S"}},
        {"requestSettings": {"maxConcurrentRequestsPerInstance": 0}},
        {"requestSettings": {"maxConcurrentRequestsPerInstance": "many"}},
        {"codeConfiguration": []},
        {"codeConfiguration": {"codeId": 5, "scoringScript": "score.py"}},
        {"codeConfiguration": {"scoringScript": "score.py"}},
        {"codeConfiguration": {"codeId": "azureml:ghost:1", "scoringScript": "score.py"}},
        {"environmentId": None},
        {"environmentId": {"a": 1}},
        {"environmentVariables": ["A=B"]},
        {"environmentVariables": {"A=B": "c"}},
        {"environmentVariables": {"": "c"}},
        {"environmentVariables": {"A": "b\u0000c"}},
        {"environmentVariables": {"A": {"b": "c"}}},
        {"model": 5},
        {"model": "azureml:ghost:1"},
        {"instanceType": 5},
        {"dataCollector": "yes"},
        {"livenessProbe": 5},
    ],
)
def test_a_malformed_deployment_is_a_400(
    serving: Serving, live: str, change: dict[str, Any]
) -> None:
    properties = {**serving.properties(), **change}
    found = serving.put(live, "malformed", properties)
    assert found.status_code in (400, 404), found.text
    path = f"/onlineEndpoints/{live}/deployments/malformed"
    assert serving.world.get(path).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"endpointComputeType": "Kubernetes"},
        {"scaleSettings": {"scaleType": "TargetUtilization"}},
        {"modelMountPath": "/models"},
        {"environmentVariables": {"WORKER_COUNT": "65"}},
        {"codeConfiguration": None},
    ],
)
def test_what_is_not_emulated_is_refused_by_name(
    serving: Serving, live: str, change: dict[str, Any]
) -> None:
    found = serving.put(live, "unsupported", {**serving.properties(), **change})
    assert found.status_code == 501
    assert found.json()["error"]["code"] == "NotEmulated"


@pytest.mark.parametrize("capacity", [0, -1, 51, "2", True, 1.5, None])
def test_instances_are_1_to_50(serving: Serving, live: str, capacity: Any) -> None:
    found = serving.put(live, "many", serving.properties(), capacity)
    assert found.status_code == 400


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe", b'{"properties": 5}', b"5", b"null"])
def test_bodies_that_are_no_object_are_a_400(serving: Serving, live: str, body: bytes) -> None:
    base = f"{serving.world.base}/rehearsal/onlineEndpoints/{live}"
    for method, url in (
        ("PUT", base),
        ("PUT", f"{base}/deployments/blue"),
        ("POST", f"{base}/deployments/blue/getLogs"),
        ("POST", f"{base}/regenerateKeys"),
    ):
        if body == b'{"properties": 5}' and method == "POST":
            continue
        sent = serving.world.http.request(
            method, url, params={"api-version": "2023-04-01-preview"}, content=body
        )
        assert serving.world.run(sent).status_code == 400, (method, url)


@pytest.mark.parametrize("tail", [0, -1, "50", 100_001, True])
def test_a_tail_is_a_number_of_lines(serving: Serving, live: str, tail: Any) -> None:
    path = f"/onlineEndpoints/{live}/deployments/blue/getLogs"
    assert serving.world.call("POST", path, {"tail": tail}).status_code == 400


def test_logs_are_the_last_lines(serving: Serving, live: str) -> None:
    whole = serving.logs(live)
    assert "it is one" in whole
    assert "ready for serving traffic" in whole
    assert serving.logs(live, tail=2) == "".join(whole.splitlines(keepends=True)[-2:])
    init = serving.logs(live, containerType="StorageInitializer")
    assert "in place" in init


def test_a_deployment_is_changed_by_one_operation_at_a_time(serving: Serving) -> None:
    serving.endpoint("wire-busy")
    slow = "import time\ntime.sleep(1)\ndef init(): pass\ndef run(x): return 1\n"
    first = serving.put("wire-busy", "blue", serving.properties(slow))
    assert first.json()["properties"]["provisioningState"] == "Creating"
    second = serving.put("wire-busy", "blue", serving.properties())
    assert second.status_code == 409
    gone = serving.world.call("DELETE", "/onlineEndpoints/wire-busy/deployments/blue")
    assert gone.status_code == 409
    early = serving.score("wire-busy", {}, azureml_model_deployment="blue")
    assert early.status_code == 424
    assert early.headers["ms-azureml-model-error-reason"] == "model_not_ready"
    assert serving.wait(first)["status"] == "Succeeded"
    assert serving.score("wire-busy", {}, azureml_model_deployment="blue").text == "1"


def test_an_endpoint_deleted_meanwhile_ends_what_was_being_done(serving: Serving) -> None:
    serving.endpoint("wire-cut")
    slow = "import time\ntime.sleep(3)\ndef init(): pass\ndef run(x): return 1\n"
    first = serving.put("wire-cut", "blue", serving.properties(slow))
    assert serving.world.call("DELETE", "/onlineEndpoints/wire-cut").status_code == 202
    ended = serving.wait(first)
    assert ended["status"] == "Failed"
    assert ended["error"]["code"] == "Canceled"
    assert serving.world.get("/onlineEndpoints/wire-cut").status_code == 404


def test_a_name_is_free_as_soon_as_it_is_deleted(serving: Serving) -> None:
    """The old one's processes end and its files go while the new one is already being made."""
    serving.served("wire-again", environmentVariables={"RELEASE": "old"})
    key = serving.keys("wire-again")[0]
    world = serving.world

    async def busy() -> httpx.Response:
        asking = asyncio.ensure_future(serving.sending("wire-again", {"sleep": 0.7}, key))
        await asyncio.sleep(0.2)
        await world.http.delete(
            f"{world.base}/rehearsal/onlineEndpoints/wire-again?api-version=2023-04-01-preview"
        )
        return await asking

    assert world.run(busy()).status_code == 200
    serving.served("wire-again", environmentVariables={"RELEASE": "new"})
    assert serving.keys("wire-again")[0] != key
    world.run(asyncio.sleep(1.5))
    assert serving.score("wire-again", {}).json()["release"] == "new"
    assert (serving.folder("wire-again") / "blue/1/code/score.py").is_file()
    assert serving.score("wire-again", {}, key=key).status_code == 401


def test_an_update_loses_no_request_and_its_old_processes_end(serving: Serving) -> None:
    settings = {"maxConcurrentRequestsPerInstance": 100}
    serving.served("wire-move", environmentVariables={"RELEASE": "1"}, requestSettings=settings)
    key = serving.keys("wire-move")[0]
    wanted = serving.properties(
        SCRIPT, environmentVariables={"RELEASE": "2"}, requestSettings=settings
    )
    body = {"sku": {"capacity": 2}, "properties": wanted}
    world = serving.world
    found: list[httpx.Response] = []

    async def move() -> None:
        url = f"{world.base}/rehearsal/onlineEndpoints/wire-move/deployments/blue"
        put = await world.http.put(f"{url}?api-version=2023-04-01-preview", json=body)
        assert put.status_code == 200
        status = put.headers["azure-asyncoperation"]
        ended = 0
        while ended < 20:
            if (await world.http.get(status)).json()["status"] == "Succeeded":
                ended += 1
            more = [serving.sending("wire-move", {"sleep": 0.02}, key) for _ in range(4)]
            found.extend(await asyncio.gather(*more))

    world.run(move())
    assert {r.status_code for r in found} == {200}
    releases = [r.json()["release"] for r in found]
    assert releases[0] == "1"
    assert releases[-1] == "2"
    assert len({r.json()["pid"] for r in found[-20:]}) == 2
    assert [p.name for p in (serving.folder("wire-move") / "blue").iterdir() if p.is_dir()] == ["2"]


def test_words_alone_start_nothing_anew(serving: Serving, live: str) -> None:
    pid = serving.score(live, {}).json()["pid"]
    properties = serving.properties(environmentVariables={"RELEASE": "one"}, description="other")
    assert serving.wait(serving.put(live, "blue", properties))["status"] == "Succeeded"
    path = f"/onlineEndpoints/{live}/deployments/blue"
    patched = serving.world.call("PATCH", path, {"tags": {"a": "b"}})
    assert serving.wait(patched)["status"] == "Succeeded"
    shown = serving.world.get(path).json()
    assert shown["tags"] == {"a": "b"}
    assert shown["properties"]["description"] == "other"
    assert serving.score(live, {}).json()["pid"] == pid


def test_a_failed_update_leaves_the_old_one_serving(serving: Serving) -> None:
    serving.served("wire-fail", environmentVariables={"RELEASE": "good"})
    broken = "import nothing_of_that_name\n"
    ended = serving.deploy("wire-fail", "blue", broken)
    assert ended["status"] == "Failed"
    assert "nothing_of_that_name" in ended["error"]["message"]
    assert serving.state("wire-fail") == "Failed"
    assert "nothing_of_that_name" in serving.logs("wire-fail")
    assert serving.score("wire-fail", {}).json()["release"] == "good"
    mended = serving.deploy("wire-fail", environmentVariables={"RELEASE": "mended"})
    assert mended["status"] == "Succeeded"
    assert serving.score("wire-fail", {}).json()["release"] == "mended"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("def run(x): return 1\n", "init"),
        ("def init(): pass\n", "run"),
        ("def init(): raise ValueError('no luck')\ndef run(x): return 1\n", "no luck"),
        ("def init(:\n", "SyntaxError"),
        ("import os\nos._exit(7)\n", "code 7"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "signal 9"),
    ],
)
def test_a_script_that_cannot_start_fails_with_its_reason(
    serving: Serving, script: str, said: str
) -> None:
    serving.endpoint("wire-cannot")
    ended = serving.deploy("wire-cannot", "blue", script)
    assert ended["status"] == "Failed"
    assert said in ended["error"]["message"]
    assert ended["error"]["code"] == "ResourceNotReady"
    traffic = serving.endpoint("wire-cannot", traffic={"blue": 100})
    assert traffic.status_code == 400


def test_traffic_keeps_a_deployment(serving: Serving, live: str) -> None:
    path = f"/onlineEndpoints/{live}/deployments/blue"
    refused = serving.world.call("DELETE", path)
    assert refused.status_code == 400
    assert "100 %" in refused.json()["error"]["message"]
    assert serving.score(live, {}).status_code == 200


def test_names_are_one_whatever_their_case(serving: Serving, live: str) -> None:
    assert serving.score("WIRE-live", {}, key=serving.keys(live)[0]).status_code == 200
    one = serving.score(live, {}, azureml_model_deployment="BLUE")
    assert one.status_code == 200
    assert serving.endpoint("Wire-Live", traffic={"BLUE": 100}).status_code == 200
    assert serving.score(live, {}).status_code == 200


def test_no_other_workspace_may_take_the_host_name(serving: Serving, live: str) -> None:
    world = serving.world
    url = f"{world.base}/elsewhere"
    assert world.call("PUT", url, {"location": "eastus"}).is_success
    body = {"properties": {"authMode": "Key"}}
    taken = world.call("PUT", f"{url}/onlineEndpoints/{live}", body)
    assert taken.status_code == 400
    assert "unique" in taken.json()["error"]["message"]
    assert world.get(f"/onlineEndpoints/{live}").status_code == 200
    world.call("DELETE", url)


def test_what_serves_needs_its_assets_no_more(serving: Serving, live: str) -> None:
    name = serving.code().rpartition("/codes/")[2].partition("/")[0]
    assert serving.world.call("DELETE", f"/codes/{name}/versions/1").is_success
    serving._codes.clear()
    assert serving.score(live, {}).status_code == 200
