"""Batch endpoints' contract: resources, the data plane's body and headers, and what jobs do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.machinelearning.wire import batch_jobs
from tests.emulators.machinelearning.batching import DOUBLE, Batching
from tests.emulators.machinelearning.conftest import World

NUMBERS = {f"n{n}.txt": str(n) for n in range(7)}


@pytest.fixture(scope="module")
def batching(world: World) -> Batching:
    return Batching(world)


@pytest.fixture(scope="module")
def live(batching: Batching) -> str:
    batching.serving_batch("batch-live", miniBatchSize=3)
    return "batch-live"


@pytest.fixture(scope="module")
def numbers(batching: Batching) -> str:
    return batching.folder_of("batch/numbers", NUMBERS)


def expected(files: dict[str, str]) -> list[str]:
    return sorted(f"{name} {text.split()[-1]}" for name, text in files.items())


def test_an_endpoint_is_made_changed_listed_and_removed(batching: Batching, world: World) -> None:
    made = batching.batch("batch-one", description="first")
    assert made.status_code == 201
    shown = made.json()["properties"]
    assert shown["scoringUri"] == "https://batch-one.eastus.inference.ml.azure.com/jobs"
    assert shown["authMode"] == "AADToken"
    assert shown["defaults"] == {"deploymentName": None}
    assert batching.batch("batch-one").status_code == 200
    path = "/batchEndpoints/batch-one"
    patched = world.call("PATCH", path, {"tags": {"a": "b"}, "properties": {"description": "x"}})
    assert patched.json()["tags"] == {"a": "b"}
    assert patched.json()["properties"]["description"] == "x"
    names = [one["name"] for one in world.get("/batchEndpoints").json()["value"]]
    assert "batch-one" in names
    refused = world.call("POST", f"{path}/listkeys")
    assert refused.status_code == 400
    assert "Entra" in refused.json()["error"]["message"]
    assert world.call("DELETE", path).status_code == 202
    assert world.get(path).status_code == 404


def test_names_are_unique_among_online_and_batch_endpoints(batching: Batching) -> None:
    assert batching.endpoint("batch-online").is_success
    taken = batching.batch("batch-online")
    assert taken.status_code == 400
    assert "unique" in taken.json()["error"]["message"]
    assert batching.batch("batch-mine").is_success
    assert batching.endpoint("batch-mine").status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"authMode": "Key"},
        {"defaults": {"deploymentName": "nobody"}},
        {"description": 3},
        {"defaults": []},
    ],
)
def test_endpoints_that_cannot_be_are_refused(batching: Batching, wrong: dict[str, Any]) -> None:
    assert batching.batch("batch-wrong", **wrong).status_code == 400


def test_a_deployment_shows_defaults_and_is_patched(
    batching: Batching, world: World, live: str
) -> None:
    path = f"/batchEndpoints/{live}/deployments/second"
    made = batching.deploy_batch(live, "second", batching.script(), default=False)
    assert made.status_code == 201
    shown = made.json()["properties"]
    assert shown["miniBatchSize"] == 10
    assert shown["errorThreshold"] == -1
    assert shown["outputFileName"] == "predictions.csv"
    assert shown["provisioningState"] == "Succeeded"
    patched = world.call("PATCH", path, {"properties": {"miniBatchSize": 2}, "tags": {"t": "1"}})
    assert patched.json()["properties"]["miniBatchSize"] == 2
    assert patched.json()["properties"]["codeConfiguration"]["scoringScript"] == "score.py"
    listed = world.get(f"/batchEndpoints/{live}/deployments").json()["value"]
    assert [one["name"] for one in listed] == ["main", "second"]
    assert world.call("DELETE", path).status_code == 202
    assert world.get(path).status_code == 404


def test_deployments_that_cannot_be_are_refused(batching: Batching, live: str) -> None:
    script = batching.script()
    for change in (
        {"miniBatchSize": 0},
        {"environmentId": None},
        {"codeConfiguration": {"codeId": script["codeConfiguration"]["codeId"]}},
        {"codeConfiguration": None},
        {"model": {"referenceType": "Nothing"}},
    ):
        refused = batching.deploy_batch(live, "wrong", {**script, **change}, default=False)
        assert refused.status_code == 400, change
    missing = {**script, "model": {"referenceType": "Id", "assetId": "azureml:nobody:1"}}
    assert batching.deploy_batch(live, "wrong", missing, default=False).status_code == 404


def test_a_model_without_code_must_be_mlflows(batching: Batching, world: World, live: str) -> None:
    uri = batching.file("batch/plain.bin", b"1")
    world.put("/models/plain/versions/1", {"modelUri": uri, "modelType": "custom_model"})
    model = {"referenceType": "Id", "assetId": f"{batching.id}/models/plain/versions/1"}
    refused = batching.deploy_batch(live, "plain", {"model": model}, default=False)
    assert refused.status_code == 400
    assert "MLflow" in refused.json()["error"]["message"]


def test_the_data_plane_takes_entra_tokens_for_ml_only(
    batching: Batching, world: World, live: str
) -> None:
    other = world.ctx.tokens.issue("https://management.azure.com")
    for authorization in ("", "Basic x", "Bearer", "Bearer x.y.z", f"Bearer {other}"):
        said = batching.ask_batch(live, {}, authorization=authorization)
        assert said.status_code == 401
        assert said.json()["error"]["code"] == "Unauthorized"
    assert batching.ask_batch(live, {}, "GET", "/else").status_code == 404
    assert batching.ask_batch(live, {}, "DELETE").status_code == 405
    assert batching.ask_batch("batch-nobody", {}).status_code == 404


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b'{"properties": 3}', b"\xff"])
def test_bodies_that_are_none_are_refused(batching: Batching, live: str, body: bytes) -> None:
    said = batching.ask_batch(live, body)
    assert said.status_code == 400
    assert "message" in said.json()["error"]


def test_rows_are_appended_to_the_childs_output(
    batching: Batching, world: World, live: str, numbers: str, tmp_path: Path
) -> None:
    """Capitals as in REST examples; the job is a pipeline whose step's output is `score`."""
    body = {
        "properties": {
            "InputData": {"x": {"JobInputType": "UriFolder", "Uri": numbers}},
            "ExperimentName": "nightly",
        }
    }
    said = batching.ask_batch(live, body)
    assert said.status_code == 201
    shown = said.json()
    assert shown["type"] == "Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs"
    job = shown["name"]
    found = batching.ended(job)
    assert found["status"] == "Completed"
    assert found["jobType"] == "Pipeline"
    assert found["experimentName"] == "nightly"
    assert found["tags"] == {"azureml.batchrun": "true", "azureml.deploymentname": "main"}
    assert found["properties"]["azureml.endpointname"] == live
    assert batching.lines(job, tmp_path / "out") == expected(NUMBERS)
    run = batching.child(job)["runId"]
    assert batching.stored(f"azureml/{run}/score/") == [f"azureml/{run}/score/predictions.csv"]
    listed = batching.ask_batch(live, {}, "GET").json()["value"]
    assert job in [one["name"] for one in listed]
    one = batching.ask_batch(live, {}, "GET", f"/jobs/{job}").json()
    assert one["properties"]["status"] == "Completed"
    assert batching.ask_batch(live, {}, "GET", "/jobs/nobody").status_code == 404


def test_logs_are_where_azures_are(batching: Batching, live: str, numbers: str) -> None:
    job = batching.invoke(live, numbers)
    batching.ended(job)
    overview = batching.log(job, "logs/job_progress_overview.txt")
    assert "Scheduled 3 mini-batches of up to 3 files; 7 files" in overview
    assert "3 of 3 mini-batches processed, 0 failed; 7 files scored, 0 failed; 7 rows" in overview
    assert "ready" in batching.log(job, "logs/user/stdout/10.0.0.4/process000.stdout.txt")
    assert batching.log(job, "user_logs/std_log.txt")


def test_a_named_deployment_and_none(batching: Batching, numbers: str, tmp_path: Path) -> None:
    assert batching.batch("batch-none").is_success
    ask = {"properties": {"inputData": {"x": {"jobInputType": "UriFolder", "uri": numbers}}}}
    nothing = batching.ask_batch("batch-none", ask)
    assert nothing.status_code == 400
    assert "default" in nothing.json()["error"]["message"]
    script = DOUBLE.replace('"%s %s" % (name', '"other %s %s" % (name')
    batching.deploy_batch("batch-none", "other", batching.script(script), default=False)
    missing = batching.ask_batch("batch-none", ask, azureml_model_deployment="nobody")
    assert missing.status_code == 404
    job = batching.invoke("batch-none", numbers, headers={"azureml_model_deployment": "other"})
    assert batching.ended(job)["status"] == "Completed"
    assert all(line.startswith("other ") for line in batching.lines(job, tmp_path / "out"))


def test_the_same_request_id_starts_one_job(batching: Batching, live: str, numbers: str) -> None:
    headers = {"repeatability_request_id": "7a1c"}
    first = batching.invoke(live, numbers, headers=headers)
    assert batching.invoke(live, numbers, headers=headers) == first
    data = {"x": {"jobInputType": "UriFile", "uri": numbers + "n1.txt"}}
    other = batching.ask_batch(live, {"properties": {"inputData": data}}, **headers)
    assert other.status_code == 409
    assert batching.ended(first)["status"] == "Completed"


def test_inputs_of_every_form(
    batching: Batching, world: World, live: str, numbers: str, tmp_path: Path
) -> None:
    """A file, registered data by id and by short name, the blob's URL, a table."""
    asset = world.put("/data/seven/versions/1", {"dataType": "uri_folder", "dataUri": numbers})
    assert asset.is_success, asset.text
    account = world.ws.storage_account
    store = world.get("/datastores/workspaceblobstore").json()["properties"]
    blob = f"https://{account}.blob.core.windows.net/{store['containerName']}/batch/numbers/"
    table = batching.folder_of(
        "batch/table", {**NUMBERS, "MLTable": "paths:\n- pattern: ./n[12].txt\n"}
    )
    some = {name: NUMBERS[name] for name in ("n1.txt", "n2.txt")}
    for at, (uri, kind, files) in enumerate(
        [
            (numbers + "n3.txt", "UriFile", {"n3.txt": "3"}),
            (asset.json()["id"], "UriFolder", NUMBERS),
            ("azureml:seven:1", "UriFolder", NUMBERS),
            ("azureml:seven@latest", "UriFolder", NUMBERS),
            (blob, "UriFolder", NUMBERS),
            (table, "MLTable", some),
        ]
    ):
        job = batching.invoke(live, uri, kind)
        assert batching.ended(job)["status"] == "Completed", uri
        assert batching.lines(job, tmp_path / str(at)) == expected(files)
    for uri in ("azureml:nobody:1", "nonsense", f"{batching.id}/data/nobody/versions/1"):
        data = {"x": {"jobInputType": "UriFolder", "uri": uri}}
        refused = batching.ask_batch(live, {"properties": {"inputData": data}})
        assert refused.status_code in (400, 404), uri
    missing = batching.invoke(live, numbers.replace("numbers", "nothing"))
    gone = batching.ended(missing)
    assert gone["status"] == "Failed"


def test_overrides_of_one_invocation(
    batching: Batching, live: str, numbers: str, tmp_path: Path
) -> None:
    place = "azureml://datastores/workspaceblobstore/paths/batch/out/mine.txt"
    job = batching.invoke(
        live,
        numbers,
        outputData={"score": {"jobOutputType": "UriFile", "uri": place}},
        miniBatchSize=1,
        retrySettings={"maxRetries": 0, "timeout": "PT9S"},
        errorThreshold=0,
        name="named-by-the-caller",
    )
    assert job == "named-by-the-caller"
    assert batching.ended(job)["status"] == "Completed"
    assert batching.stored("batch/out/") == ["batch/out/mine.txt"]
    assert "7 mini-batches of up to 1" in batching.log(job, "logs/job_progress_overview.txt")
    again = {"x": {"jobInputType": "UriFolder", "uri": numbers}}
    taken = batching.ask_batch(live, {"properties": {"inputData": again, "name": job}})
    assert taken.status_code == 409
    data = {"datastoreId": "azureml:workspaceblobstore", "path": "batch/old"}
    job = batching.invoke(live, numbers, outputDataset=data, outputFileName="rows.txt")
    assert batching.ended(job)["status"] == "Completed"
    assert batching.stored("batch/old/") == ["batch/old/rows.txt"]
    asked = {"properties": {"inputData": again, "priority": 3}}
    assert batching.ask_batch(live, asked).status_code == 501


def test_a_script_may_write_its_own_files(batching: Batching, numbers: str, tmp_path: Path) -> None:
    script = """
import os
def init():
    pass
def run(mini_batch):
    for path in mini_batch:
        with open(path) as file, open(
            os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], os.path.basename(path)), "w"
        ) as out:
            out.write(file.read() * 2)
    return mini_batch
"""
    batching.serving_batch("batch-summary", script, outputAction="SummaryOnly")
    job = batching.invoke("batch-summary", numbers)
    assert batching.ended(job)["status"] == "Completed"
    written = {p.name: p.read_text() for p in batching.output(job, tmp_path / "out").iterdir()}
    assert written == {name: text * 2 for name, text in NUMBERS.items()}


def test_retries_thresholds_timeouts_and_deaths(batching: Batching, tmp_path: Path) -> None:
    """What fails is tried again and then counted in files; what dies takes nothing along."""
    batching.serving_batch("batch-hard", miniBatchSize=1)
    mark = tmp_path / "died"
    files = {"a": "1", "b": "raise", "c": f"once {mark}", "d": "sleep 9", "e": "exit 3", "f": "2"}
    data = batching.folder_of("batch/hard", files)
    retry = {"maxRetries": 1, "timeout": "PT1S"}
    job = batching.invoke("batch-hard", data, retrySettings=retry)
    assert batching.ended(job)["status"] == "Completed"
    assert batching.lines(job, tmp_path / "out") == ["a 1", f"c {mark}", "f 2"]
    errors = batching.log(job, "logs/user/error.txt")
    assert errors.count("ValueError: asked to: b") == 2
    assert "took longer than the timeout of 1 s" in errors
    assert "exited with code 3" in errors
    assert "killed by signal 9" in errors
    overview = batching.log(job, "logs/job_progress_overview.txt")
    assert "3 failed; 3 files scored, 3 failed; 3 rows" in overview
    for threshold, status in ((3, "Completed"), (2, "Failed")):
        job = batching.invoke("batch-hard", data, retrySettings=retry, errorThreshold=threshold)
        found = batching.ended(job)
        assert found["status"] == status
        if status == "Failed":
            said = batching.ask_batch("batch-hard", {}, "GET", f"/jobs/{job}").json()
            assert "exceeds the error threshold 2" in said["properties"]["error"]["message"]
            run = batching.child(job)["runId"]
            assert batching.stored(f"azureml/{run}/score/") == []


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("def init():\n    raise KeyError('no model')\ndef run(x):\n    return x\n", "no model"),
        ("def run(x:\n", "SyntaxError"),
        ("import nobody_has_this\n", "nobody_has_this"),
        ("def init():\n    pass\n", "has no run() function"),
        ("def init():\n    import os\n    os._exit(4)\ndef run(x):\n    return x\n", "code 4"),
        ("def init():\n    pass\ndef run(x):\n    return 3\n", "not int"),
        ("def init():\n    pass\ndef run(x):\n    return []\n", "no succeeded mini batch item"),
    ],
)
def test_scripts_that_cannot_score_fail_the_job(
    batching: Batching, numbers: str, script: str, words: str
) -> None:
    batching.serving_batch("batch-broken", script)
    job = batching.invoke("batch-broken", numbers)
    assert batching.ended(job)["status"] == "Failed"
    said = batching.ask_batch("batch-broken", {}, "GET", f"/jobs/{job}").json()
    assert words in said["properties"]["error"]["message"]


def test_a_frame_is_written_with_spaces(batching: Batching, numbers: str, tmp_path: Path) -> None:
    """Source: the examples of how-to-batch-scoring-script, read with `sep=" "`."""
    script = """
class DataFrame:
    def __init__(self, rows):
        self.rows = rows
    def __len__(self):
        return len(self.rows)
    def to_csv(self, sep, header, index):
        assert (sep, header, index) == (" ", False, False)
        return "".join(sep.join(row) + "\\n" for row in self.rows)
def init():
    pass
def run(mini_batch):
    return DataFrame([(path[-6:], "0.5") for path in mini_batch])
"""
    batching.serving_batch("batch-frame", script)
    job = batching.invoke("batch-frame", numbers)
    batching.ended(job)
    found = batching.lines(job, tmp_path / "out")
    assert found == [f"n{n}.txt 0.5" for n in range(7)]


def test_a_job_can_be_canceled(batching: Batching, world: World, live: str) -> None:
    data = batching.folder_of("batch/slow", {"a": "sleep 60"})
    job = batching.invoke(live, data)

    def running() -> bool:
        return bool(batching.child(job)["status"] == "Running")

    import asyncio

    for _ in range(200):
        world.run(asyncio.sleep(0.05))
        if world.get(f"/jobs/{job}").json()["properties"]["status"] == "Running" and running():
            break
    world.call("POST", f"/jobs/{job}/cancel")
    assert batching.ended(job)["status"] == "Canceled"
    assert batching.child(job)["status"] == "Canceled"


def test_a_workspace_with_a_batch_endpoint_stays(batching: Batching, world: World) -> None:
    where = f"{world.base}/batch-home"
    assert world.call("PUT", where, {"location": "eastus", "properties": {}}).is_success
    body = {"location": "eastus", "properties": {"authMode": "aadToken"}}
    endpoint = f"{where}/batchEndpoints/batch-lodger"
    assert world.call("PUT", endpoint, body).is_success
    refused = world.call("DELETE", where)
    assert refused.status_code == 409
    assert "batchEndpoints/batch-lodger" in refused.json()["error"]["message"]
    assert world.call("DELETE", endpoint).is_success
    assert world.call("DELETE", where).is_success


@pytest.mark.parametrize("python", ["3.8", "3.13"])
def test_scripts_run_in_the_pythons_that_teams_have(
    batching: Batching, world: World, numbers: str, tmp_path: Path, python: str
) -> None:
    conda = {"image": "none", "condaFile": f"name: p\ndependencies:\n- python={python}\n"}
    made = world.put(f"/environments/bare-{python[2:]}/versions/1", conda)
    script = """
import logging, sys
from azureml_user.parallel_run import EntryScript

def init():
    EntryScript().logger.info("it begins")
    logging.getLogger("mine").debug("not at this level")

def run(mini_batch):
    return ["%d.%d" % sys.version_info[:2] for _ in mini_batch]
"""
    endpoint = f"batch-py{python[2:]}"
    batching.serving_batch(endpoint, script, environmentId=made.json()["id"])
    job = batching.invoke(endpoint, numbers)
    if batching.ended(job)["status"] == "Failed":
        said = batching.ask_batch(endpoint, {}, "GET", f"/jobs/{job}").json()
        message = said["properties"]["error"]["message"]
        assert "Python" in message, message
        pytest.skip(message)
    assert batching.lines(job, tmp_path / "out") == [python] * len(NUMBERS)
    entry = batching.log(job, "logs/user/entry_script_log/10.0.0.4/process000.log.txt")
    assert "|INFO|" in entry
    assert "it begins" in entry
    assert "not at this level" not in entry


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_split_and_any_deaths_give_the_rows_of_one_pass(
    batching: Batching, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Real processes, some of which die amid a mini-batch the first time that they have it."""
    folder = tmp_path_factory.mktemp("deaths")
    count, size = data.draw(st.integers(1, 14)), data.draw(st.integers(1, 3))
    dies = data.draw(st.sets(st.integers(0, count - 1), max_size=4))
    files = {
        f"f{n:02}": f"once {folder / f'died-{n}'} {n}" if n in dies else f"sleep 0.02 {n}"
        for n in range(count)
    }
    uri = batching.folder_of(f"batch/{folder.name}", files)
    batching.serving_batch(
        "batch-deaths",
        miniBatchSize=size,
        maxConcurrencyPerInstance=data.draw(st.integers(1, 3)),
        retrySettings={"maxRetries": 3, "timeout": "PT20S"},
        errorThreshold=0,
    )
    job = batching.invoke("batch-deaths", uri)
    assert batching.ended(job)["status"] == "Completed"
    assert batching.lines(job, folder / "out") == [f"f{n:02} {n}" for n in range(count)]
    assert {path.name for path in folder.glob("died-*")} == {f"died-{n}" for n in dies}


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (
            b'{properties: {"InputData": {"a": {uri : "x: y, z:"}}}}',
            {"properties": {"InputData": {"a": {"uri": "x: y, z:"}}}},
        ),
        (b'{"a": "b\\" c: d", e_1: [1]}', {"a": 'b" c: d', "e_1": [1]}),
        (b'{"a": 1}', {"a": 1}),
    ],
)
def test_names_without_quotes_are_read(body: bytes, read: object) -> None:
    """Pipelines that put a body together by hand send such, and the service takes it."""
    assert batch_jobs.read_body(body) == read
    with pytest.raises(orjson.JSONDecodeError):
        batch_jobs.read_body(body + b"}")
