"""Collected data over the wire: from a deployment's process and the gateway into storage."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from emulators.kernel.clock import ManualClock
from emulators.machinelearning.engine import places, storage_access
from emulators.machinelearning.engine.collection import keeper, shipping
from emulators.machinelearning.engine.collection.keeper import keeper_of
from emulators.machinelearning.engine.collection.spool import Part, Place
from emulators.machinelearning.engine.endpoints import console
from emulators.machinelearning.engine.storage_access import DatastorePath
from emulators.machinelearning.errors import StorageFailed
from tests.emulators.machinelearning.conftest import World, _begin
from tests.emulators.machinelearning.serving import Serving
from tests.support import make_context

# Posts what it is told to where the collector package would, as that package would.
POSTS = """
import base64, http.client, json, os

def init():
    print("collects for", os.environ.get("AZUREML_MDC_CONFIG_PATH", "nobody"))

def run(raw):
    asked = json.loads(raw)
    if "post" not in asked:
        return asked
    user, _, host = os.environ["AZUREML_MDC_HOST"].rpartition("@")
    login = asked.get("login", user)
    headers = {"Content-Type": "application/json", "ce-x-request-id": "r1",
               "ce-type": "azureml.inference." + asked.get("to", "model_inputs"),
               "ce-time": "1767225600", "ce-agent": "a", "ce-model-version": "default",
               "Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
    headers.update(asked.get("headers", {}))
    link = http.client.HTTPConnection(host, int(os.environ["AZUREML_MDC_PORT"]))
    body = base64.b64decode(asked["binary"]) if "binary" in asked else asked["post"]
    link.request("POST", asked.get("path", "/modeldata/log"), body, headers)
    answer = link.getresponse()
    return {"status": answer.status, "text": answer.read().decode(),
            "config": json.load(open(os.environ["AZUREML_MDC_CONFIG_PATH"]))}
"""
NAMES = (f"coll-{number}" for number in itertools.count())
ON = {"dataCollectionMode": "enabled"}


class Collecting(Serving):
    """Deployments that collect, and what is found of it."""

    def collects(self, name: str, *, rate: str | None = None, **collections: Any) -> str:
        """An endpoint whose deployment collects those; its name."""
        collector = {"collections": collections, **({"rollingRate": rate} if rate else {})}
        self.served(name, POSTS, dataCollector=collector)
        return name

    def flush(self) -> bool:
        sent: bool = self.world.run(keeper_of(self.world.ctx).flush())
        return sent

    def files(self, below: str) -> dict[str, bytes]:
        """The blobs below a path of the default datastore, by name below it."""
        self.flush()
        root = f"azureml://datastores/workspaceblobstore/paths/{below}"

        async def read() -> dict[str, bytes]:
            ctx = self.world.ctx
            where = await places.resolve(ctx, self.world.ws, root)
            found = await storage_access.list_paths(ctx, where)
            return {
                one.path[len(where.path) :].lstrip("/"): await storage_access.read(
                    ctx, DatastorePath(where.account, where.container, one.path)
                )
                for one in found
            }

        files: dict[str, bytes] = self.world.run(read())
        return files

    def lines(self, endpoint: str, collection: str = "model_inputs") -> list[dict[str, Any]]:
        found = self.files(f"modelDataCollector/{endpoint}/blue/{collection}")
        return [json.loads(line) for data in found.values() for line in data.splitlines()]

    def post(self, endpoint: str, body: str, **more: Any) -> dict[str, Any]:
        said: dict[str, Any] = self.score(endpoint, {"post": body, **more}).json()
        return said


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    """A host of its own: its clock is moved by hours."""
    ctx = make_context(Path(tmp_path_factory.mktemp("coll")), clock=ManualClock(), mlflow=False)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        yield Collecting(World(ctx, runner.run(_begin(stack, ctx)), runner))
        runner.run(stack.aclose())
        ctx.ledger.close()


@pytest.fixture(scope="module")
def posts(serving: Collecting) -> str:
    """An endpoint that collects inputs."""
    return serving.collects("coll-posts", Model_Inputs=ON, other={"dataCollectionMode": "disabled"})


def test_what_a_script_posts_is_a_line_in_storage(serving: Collecting, posts: str) -> None:
    said = serving.post(posts, '[{"a":1,\n"b":"x"}]')
    assert (said["status"], said["text"]) == (200, "OK")
    assert said["config"] == {
        "runMode": "cloud",
        "collections": {"model_inputs": {"enabled": True, "sampleRatePercentage": 100.0}},
    }
    found = serving.files(f"modelDataCollector/{posts}/blue/model_inputs")
    (name,) = found
    assert name.startswith("2026/01/01/00/")
    assert name.endswith(".jsonl")
    line = json.loads(found[name])
    assert line["data"] == [{"a": 1, "b": "x"}]
    assert line["source"] == (f"{serving.world.ws.arm_id}/onlineEndpoints/{posts}/deployments/blue")
    assert line["time"] == "2026-01-01T00:00:00Z"
    assert line["correlationid"] == line["xrequestid"] == "r1"
    before = len(serving.lines(posts))
    for number in range(5):
        serving.post(posts, json.dumps([{"n": number}]))
    assert [one["data"] for one in serving.lines(posts)[before:]] == [[{"n": n}] for n in range(5)]
    assert len(serving.files(f"modelDataCollector/{posts}/blue/model_inputs")) == 1


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"login": "mdc:wrong"}, 401),
        ({"login": "mdc:"}, 401),
        ({"login": ""}, 401),
        ({"headers": {"Authorization": "Basic %%%"}}, 401),
        ({"headers": {"Authorization": "Bearer x"}}, 401),
        ({"path": "/modeldata"}, 404),
        ({"to": "other"}, 400),
        ({"to": "request"}, 400),
        ({"to": ""}, 400),
        ({"post": "[NaN]"}, 400),
    ],
)
def test_what_is_not_collected(
    serving: Collecting, posts: str, asked: dict[str, Any], status: int
) -> None:
    before = serving.files(f"modelDataCollector/{posts}")
    assert serving.score(posts, {"post": "[]", **asked}).json()["status"] == status
    assert serving.files(f"modelDataCollector/{posts}") == before


def test_large_and_binary_data_lie_in_files_of_their_own(serving: Collecting, posts: str) -> None:
    rows = json.dumps([{"a": "x" * 4_100_000}])
    assert serving.post(posts, rows)["status"] == 200
    line = serving.lines(posts)[-1]
    assert line["datainblob"] == "true"
    account = serving.world.ws.storage_account
    assert line["data"].startswith(f"https://{account}.blob.core.windows.net/")
    below = line["data"].partition("/modelDataCollector/")[2]
    assert below == f"{posts}/blue/2026/01/01/00/{line['id']}.jsonl"
    assert serving.files(f"modelDataCollector/{below}") == {"": rows.encode()}

    raw = bytes(range(256))
    binary = {"Content-Type": "application/octet-stream"}
    serving.post(posts, "", binary=base64.b64encode(raw).decode(), headers=binary)
    line = _last(serving, posts)
    assert line["datacontenttype"] == "application/octet-stream"
    below = line["data"].partition("/modelDataCollector/")[2]
    assert below == f"{posts}/blue/model_inputs/2026/01/01/00/{line['id']}"
    assert serving.files(f"modelDataCollector/{below}") == {"": raw}


def _last(serving: Collecting, endpoint: str) -> dict[str, Any]:
    found = serving.files(f"modelDataCollector/{endpoint}/blue/model_inputs")
    (lines,) = [data for name, data in found.items() if name.endswith(".jsonl")]
    line: dict[str, Any] = json.loads(lines.splitlines()[-1])
    return line


def test_requests_and_answers_are_kept_in_pairs(serving: Collecting) -> None:
    half = {"dataCollectionMode": "enabled", "samplingRate": 0.5}
    name = serving.collects(next(NAMES), request=half, response=half)

    async def many() -> None:
        for number in range(200):
            await serving.sending(name, {"n": number}, key=key, x_request_id=f"id-{number}")

    key = serving.keys(name)[0]
    serving.world.run(many())
    asked = {one["xrequestid"]: one for one in serving.lines(name, "request")}
    said = {one["xrequestid"]: one for one in serving.lines(name, "response")}
    assert asked.keys() == said.keys()
    assert 60 < len(asked) < 140
    for identity, one in asked.items():
        assert one["data"] == said[identity]["data"] == {"n": int(identity[3:])}
        assert (one["method"], one["path"]) == ("POST", "/score")
        assert one["type"] == "azureml.inference.request"
        assert said[identity]["type"] == "azureml.inference.response"
        assert "modelversion" not in one


def test_payloads_of_any_kind(serving: Collecting) -> None:
    name = serving.collects(next(NAMES), request=ON)
    serving.score(name, b'{"a": NaN}')
    serving.score(name, b"\xff\xfe")
    serving.score(name, b'{"a":1}', path="/score?x=1")
    serving.score(name, b"", path="/swagger.json")
    lines = [
        json.loads(line)
        for file, data in serving.files(f"modelDataCollector/{name}/blue/request").items()
        if file.endswith(".jsonl")
        for line in data.splitlines()
    ]
    assert [line["data"] for line in lines[::2]] == ['{"a": NaN}', {"a": 1}]
    assert lines[1]["datainblob"] == "true"
    assert lines[2]["path"] == "/score?x=1"
    assert len(lines) == 3


def test_it_rolls_with_the_clock(serving: Collecting) -> None:
    hourly = serving.collects(next(NAMES), model_inputs=ON)
    daily = serving.collects(next(NAMES), rate="day", model_inputs=ON)
    clock = serving.world.ctx.clock
    assert isinstance(clock, ManualClock)
    for _ in range(2):
        for name in (hourly, daily):
            serving.post(name, "[1]")
        serving.world.run(clock.advance(3600))
        token = serving.world.ctx.tokens.issue("https://management.azure.com")
        serving.world.http.headers["authorization"] = f"Bearer {token}"
    folders = {
        name: sorted(
            file.rpartition("/")[0]
            for file in serving.files(f"modelDataCollector/{name}/blue/model_inputs")
        )
        for name in (hourly, daily)
    }
    assert folders == {hourly: ["2026/01/01/00", "2026/01/01/01"], daily: ["2026/01/01"]}


def test_a_registered_folder_of_ones_own(serving: Collecting) -> None:
    uri = "azureml://datastores/workspaceblobstore/paths/mine/inputs"
    assert serving.world.put("/data/mine/versions/3", {"dataType": "uri_folder", "dataUri": uri})
    asset = f"{serving.id}/data/mine/versions/3"
    name = serving.collects(next(NAMES), model_inputs={**ON, "dataId": asset})
    serving.post(name, "[1]")
    (file,) = serving.files("mine/inputs")
    assert file.startswith("2026/01/01/")
    absent = serving.put(
        name, "green",
        serving.properties(POSTS, dataCollector={
            "collections": {"x": {**ON, "dataId": f"{serving.id}/data/none/versions/1"}}}),
    )  # fmt: skip
    assert absent.status_code == 404
    bad = serving.properties(POSTS, dataCollector={"collections": {"x": ON}, "rollingRate": "x"})
    assert serving.put(name, "green", bad).status_code == 400


def test_another_collector_is_another_generation_and_none_collects_nothing(
    serving: Collecting,
) -> None:
    name = serving.collects(next(NAMES), model_inputs=ON)
    serving.post(name, '["first"]')
    known = len(keeper_of(serving.world.ctx)._collectors)
    assert serving.deploy(name, "blue", POSTS, dataCollector={
        "collections": {"renamed": ON}})["status"] == "Succeeded"  # fmt: skip
    assert serving.post(name, "[]")["status"] == 400
    assert serving.post(name, '["second"]', to="renamed")["status"] == 200
    assert [one["data"] for one in serving.lines(name)] == [["first"]]
    assert [one["data"] for one in serving.lines(name, "renamed")] == [["second"]]
    assert serving.deploy(name, "blue", POSTS)["status"] == "Succeeded"
    assert "collects for nobody" in serving.logs(name)
    serving.world.run(asyncio.sleep(0.2))
    assert len(keeper_of(serving.world.ctx)._collectors) == known - 1
    assert serving.flush()


def test_what_storage_does_not_take_is_kept_and_sent_later(
    serving: Collecting, posts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: Any) -> None:
        raise StorageFailed("it is down")

    with monkeypatch.context() as patch:
        patch.setattr(shipping, "ship", down)
        assert serving.post(posts, '["kept"]')["status"] == 200
        assert not serving.flush()
        assert not serving.flush()
    waiting = list(serving.world.ctx.ledger.entries(kind="collection"))
    assert len(waiting) == 1
    assert serving.flush()
    assert ["kept"] in [one["data"] for one in _all_lines(serving, posts)]


def _all_lines(serving: Collecting, endpoint: str) -> list[dict[str, Any]]:
    found = serving.files(f"modelDataCollector/{endpoint}/blue/model_inputs")
    lines = (d.splitlines() for name, d in found.items() if name.endswith(".jsonl"))
    return [json.loads(line) for part in lines for line in part]


def test_a_deployment_that_cannot_start_leaves_no_collector(serving: Collecting) -> None:
    name = next(NAMES)
    serving.endpoint(name)
    before = len(keeper_of(serving.world.ctx)._collectors)
    ended = serving.deploy(name, "blue", "def init(): 1/0\n\ndef run(raw): pass\n",
                           dataCollector={"collections": {"model_inputs": ON}})  # fmt: skip
    assert ended["status"] == "Failed"
    assert len(keeper_of(serving.world.ctx)._collectors) == before


def test_consoles_and_traffic_are_in_the_ledger(serving: Collecting, posts: str) -> None:
    serving.score(posts, {"n": 1}, user_agent="my-agent", x_ms_client_request_id="c1")
    refused = serving.score(posts, {}, key="wrong")
    assert refused.status_code == 401
    ledger = serving.world.ctx.ledger
    found = [e.fields for e in ledger.entries(kind="inference", limit=9999)]
    ours = [fields for fields in found if fields["endpoint"] == posts]
    last = ours[-2]
    assert (last["user_agent"], last["client_request_id"]) == ("my-agent", "c1")
    assert last["total_ms"] >= last["ms"] > 0
    assert last["request_id"]
    assert (ours[-1]["status"], ours[-1]["reason"]) == (401, "Unauthorized")
    serving.world.run(asyncio.sleep(console.LOOK_S + 0.2))
    lines = [e.fields for e in ledger.entries(kind="console", limit=9999)]
    said = [one["message"] for one in lines if one["endpoint"] == posts]
    assert any("collects for" in message for message in said)
    assert any("POST /score" in message for message in said)
    assert {one["container"] for one in lines} >= {"inference-server"}


def test_a_console_is_followed_but_never_floods(tmp_path: Path) -> None:
    ctx = make_context(tmp_path)
    log = tmp_path / "endpoints" / "ws" / "e" / "d" / "log.txt"
    log.parent.mkdir(parents=True)
    log.write_text("of an earlier host\n")
    follower = console.Console(ctx)

    def heard() -> list[str]:
        follower.look()
        entries = list(ctx.ledger.entries(kind="console", limit=9999))
        ctx.ledger.reset()
        return [entry.fields["message"] for entry in entries]

    assert heard() == []
    with log.open("a") as file:
        file.write("one\n\ntwo\nhal")
    assert heard() == ["one", "two"]
    with log.open("a") as file:
        file.write("f\n" + "x" * 9000 + "\n")
    assert [len(message) for message in heard()] == [4, console.LINE_CHARS]
    with log.open("a") as file:
        file.write("".join(f"{number}\n" for number in range(250)))
    many = heard()
    assert many[:-1] == [str(number) for number in range(150, 250)]
    assert "150 lines or more" in many[-1]
    log.write_text("cut\n")
    assert heard() == ["cut"]
    log.unlink()
    assert heard() == []
    ctx.ledger.close()


def test_what_a_killed_host_left_is_sent_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / keeper.FOLDER
    folder.mkdir()

    async def whole() -> None:
        ctx = make_context(tmp_path, mlflow=False)
        async with AsyncExitStack() as stack:
            http = await _begin(stack, ctx)
            world = World(ctx, http, asyncio.Runner())
            account = world.ws.storage_account
            where = await places.resolve(
                ctx, world.ws, "azureml://datastores/workspaceblobstore/paths/left/a.jsonl"
            )
            part = Part.new(folder, "one", Place(where), durable=False)
            part.append(b"acknowledged\n")
        ctx.ledger.close()
        assert account
        ctx = make_context(tmp_path, store=ctx.store, mlflow=False)
        async with AsyncExitStack() as stack:
            await _begin(stack, ctx)
            assert await keeper_of(ctx).flush()
            assert await storage_access.read(ctx, where) == b"acknowledged\n"
            assert list(folder.iterdir()) == []
        ctx.ledger.close()

    asyncio.run(whole())
