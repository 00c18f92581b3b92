"""Jobs over the wire with real processes in Rehearsal's own interpreter: rules, lists, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from emulators.kernel.clock import RealClock
from emulators.machinelearning.engine import places, storage_access
from emulators.machinelearning.engine.jobs import records
from emulators.machinelearning.engine.jobs.manager import jobs_of
from emulators.machinelearning.store.jobs import Job
from tests.emulators.machinelearning.conftest import ML, World, _begin
from tests.support import make_context

COUNT = itertools.count()
ENVIRONMENT = "/environments/plain/versions/1"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose jobs run in this interpreter, and whose identical steps are reused."""
    folder = Path(tmp_path_factory.mktemp("ml"))
    options: dict[str, Any] = {
        "mlflow": False,
        "runtime": "host",
        "reuse": True,
        "job_memory_mib": 300,
    }
    ctx = make_context(folder, clock=RealClock(), **options)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        http = runner.run(_begin(stack, ctx))
        world = World(ctx, http, runner)
        image = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
        assert world.put(ENVIRONMENT, {"image": image}).status_code == 201
        yield world
        runner.run(stack.aclose())
        ctx.ledger.close()


def arm(world: World, path: str) -> str:
    return f"{world.ws.arm_id}{path}"


def component(world: World, spec: dict[str, Any]) -> str:
    """A registered component; its id."""
    path = f"/components/c{next(COUNT)}/versions/1"
    filled = {"type": "command", "environment": f"azureml:{arm(world, ENVIRONMENT)}", **spec}
    assert world.put(path, {"componentSpec": filled}).status_code == 201
    return arm(world, path)


def submit(world: World, properties: dict[str, Any], name: str | None = None) -> httpx.Response:
    return world.put(f"/jobs/{name or f'job-{next(COUNT)}'}", properties)


def ended(world: World, answer: httpx.Response) -> dict[str, Any]:
    """The properties of a job that was submitted, once it has ended."""
    assert answer.status_code == 201, answer.text
    name = answer.json()["name"]
    work = jobs_of(world.ctx).machine.works.get((world.ws.guid, name))
    if work is not None:
        world.run(asyncio.wait([work.task], timeout=60))
    found: dict[str, Any] = world.get(f"/jobs/{name}").json()
    return {**found["properties"], "name": name}


def runs(world: World, job: str) -> dict[str, dict[str, Any]]:
    """The children in run history, by step."""
    url = f"{ML}/history/v1.0{world.ws.arm_id}/runs/{job}/children"
    found = world.call("GET", url).json()["value"]
    return {run["properties"]["azureml.moduleName"]: run for run in found}


def command(line: str, **more: Any) -> dict[str, Any]:
    return {"jobType": "Command", "command": line, "experimentName": "wire", **more}


def test_a_job_runs_and_keeps_what_it_wrote(at: World) -> None:
    body = command(
        "echo ${{inputs.word}} > ${{outputs.out}}/a.txt",
        environmentId=arm(at, ENVIRONMENT),
        inputs={"word": {"jobInputType": "literal", "value": "hello"}},
        outputs={
            "out": {
                "jobOutputType": "uri_folder",
                "uri": "azureml://datastores/${{default_datastore}}/paths/mine/${{name}}/",
                "assetName": "mine",
            }
        },
    )
    job = ended(at, submit(at, body))
    assert job["status"] == "Completed"
    assert job["outputs"]["out"]["uri"].endswith(f"workspaceblobstore/paths/mine/{job['name']}/")
    named = at.get("/data/mine/versions/1").json()["properties"]
    assert named["dataUri"].endswith(f"/paths/mine/{job['name']}/")
    assert at.run(storage_access.read(at.ctx, place(at, named["dataUri"], "a.txt"))) == b"hello\n"


def place(world: World, uri: str, name: str) -> storage_access.DatastorePath:
    """A file below an output."""
    found: storage_access.DatastorePath = world.run(places.resolve(world.ctx, world.ws, uri))
    return found.below(name)


def test_a_named_output_of_a_failed_job_is_not_registered(at: World) -> None:
    body = command(
        "echo x > ${{outputs.out}}/a.txt; exit 3",
        environmentId=arm(at, ENVIRONMENT),
        outputs={"out": {"jobOutputType": "uri_folder", "assetName": "half"}},
    )
    job = ended(at, submit(at, body))
    assert job["status"] == "Failed"
    assert at.get("/data/half/versions/1").status_code == 404
    assert "out" in job["outputs"]  # what there is can be looked at


def test_too_much_memory_is_failed_and_says_so(at: World) -> None:
    line = "python -c 'import time; held = bytearray(600 << 20); time.sleep(30)'"
    job = ended(at, submit(at, command(line, environmentId=arm(at, ENVIRONMENT))))
    assert job["status"] == "Failed"
    url = f"{ML}/history/v1.0{at.ws.arm_id}/runs/{job['name']}/details"
    assert "memory limit" in at.call("GET", url).json()["error"]["error"]["message"]


def test_cancel_answers_until_it_is_done(at: World) -> None:
    answer = submit(at, command("sleep 60", environmentId=arm(at, ENVIRONMENT)))
    name = answer.json()["name"]
    while at.get(f"/jobs/{name}").json()["properties"]["status"] != "Running":
        at.run(asyncio.sleep(0.02))
    asked = at.call("POST", f"/jobs/{name}/cancel")
    assert asked.status_code == 202
    assert at.get(f"/jobs/{name}").json()["properties"]["status"] == "CancelRequested"
    while (polled := at.call("GET", asked.headers["location"])).status_code == 202:
        at.run(asyncio.sleep(0.02))
    assert polled.status_code == 200
    assert ended(at, answer)["status"] == "Canceled"
    assert at.call("POST", f"/jobs/{name}/cancel").status_code == 202  # and changes nothing
    assert at.get(f"/jobs/{name}").json()["properties"]["status"] == "Canceled"


def pipeline(step: dict[str, Any], **settings: Any) -> dict[str, Any]:
    second = {
        "type": "command",
        "componentId": step["componentId"],
        "inputs": {
            "before": {
                "job_input_type": "literal",
                "value": "${{parent.jobs.first.outputs.out}}",
            },
            "word": {"job_input_type": "literal", "value": "second"},
        },
    }
    return {
        "jobType": "Pipeline",
        "experimentName": "wire",
        "settings": settings,
        "jobs": {"first": {"type": "command", **step}, "second": second},
    }


@pytest.fixture
def counted(at: World, tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """A step that leaves a line in a file each time it really runs."""
    marks = tmp_path / "marks"
    spec = {
        "command": f"echo ${{{{inputs.word}}}} >> {marks}; echo x > ${{{{outputs.out}}}}/x",
        "inputs": {
            "word": {"type": "string", "default": "first"},
            "before": {"type": "uri_folder", "optional": True},
        },
        "outputs": {"out": {"type": "uri_folder"}},
    }
    return {"componentId": component(at, spec)}, marks


def test_identical_steps_are_reused_where_that_is_wished(
    at: World, counted: tuple[dict[str, Any], Path]
) -> None:
    step, marks = counted
    first = ended(at, submit(at, pipeline(step)))
    assert first["status"] == "Completed"
    assert marks.read_text().split() == ["first", "second"]
    again = ended(at, submit(at, pipeline(step)))
    assert again["status"] == "Completed"
    assert marks.read_text().split() == ["first", "second"]
    before, after = runs(at, first["name"]), runs(at, again["name"])
    for name in ("first", "second"):
        about = after[name]["properties"]
        assert about["azureml.isreused"] == "true"
        assert about["azureml.reusedrunid"] == before[name]["runId"]
        assert about["azureml.reusedpipelinerunid"] == first["name"]
        assert "azureml.isreused" not in before[name]["properties"]


def test_what_differs_or_may_differ_runs_again(
    at: World, counted: tuple[dict[str, Any], Path]
) -> None:
    step, marks = counted
    other = {**step, "inputs": {"word": {"job_input_type": "literal", "value": "other"}}}
    ended(at, submit(at, pipeline(step)))
    ended(at, submit(at, pipeline(step, force_rerun=True)))
    assert marks.read_text().split() == ["first", "second"] * 2
    ended(at, submit(at, pipeline(other)))  # the second reads what another step has made
    assert marks.read_text().split()[4:] == ["other", "second"]
    spec = {"command": f"echo free >> {marks}", "is_deterministic": False}
    free = {"jobType": "Pipeline", "jobs": {"a": {"componentId": component(at, spec)}}}
    for _ in range(2):
        ended(at, submit(at, free))
    assert marks.read_text().split()[6:] == ["free", "free"]


def test_outputs_that_are_gone_are_made_again(
    at: World, counted: tuple[dict[str, Any], Path]
) -> None:
    step, marks = counted
    alone = {"jobType": "Pipeline", "jobs": {"first": step}}
    job = ended(at, submit(at, alone))
    (child,) = records.children(at.ctx, at.ws.guid, job["name"])
    gone = storage_access.delete(at.ctx, place(at, child.outputs["out"]["uri"], "x"))
    assert at.run(gone) == 1
    assert ended(at, submit(at, alone))["status"] == "Completed"
    assert marks.read_text().split() == ["first", "first"]


def test_outputs_go_to_the_datastore_that_a_pipeline_names(
    at: World, counted: tuple[dict[str, Any], Path]
) -> None:
    store = arm(at, "/datastores/workspaceartifactstore")
    job = ended(at, submit(at, pipeline(counted[0], default_datastore=store)))
    (child, *_) = records.children(at.ctx, at.ws.guid, job["name"])
    assert "/datastores/workspaceartifactstore/paths/azureml/" in child.outputs["out"]["uri"]


KINDS = ("spark", "automl", "import", "data_transfer", "if_else", "do_while")


@pytest.mark.parametrize("kind", [*KINDS, "parallel_for", "fl_scatter_gather"])
def test_steps_of_other_kinds_are_refused_by_name(at: World, kind: str) -> None:
    answer = submit(at, {"jobType": "Pipeline", "jobs": {"odd": {"type": kind}}})
    assert answer.status_code == 501
    assert kind in answer.json()["error"]["message"]
    assert "odd" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"distribution": {"distributionType": "Mpi"}}, "Mpi"),
        ({"resources": {"instanceCount": 3}}, "instance_count 3"),
        ({"resources": {"dockerArgs": "-v /a:/b"}}, "docker_args"),
        ({"services": {"j": {"jobServiceType": "JupyterLab"}}}, "JupyterLab"),
        ({"autologgerSettings": {"mlflowAutologger": "Enabled"}}, "autologger_settings"),
        ({"notificationSetting": {"emails": ["a@b.c"]}}, "notification_setting"),
        ({"secretsConfiguration": {"a": {}}}, "secrets_configuration"),
        ({"retry_settings": {"max_retries": 2}}, "retry_settings"),
    ],
)
def test_what_a_command_cannot_have_is_refused_by_name(
    at: World, more: dict[str, Any], what: str
) -> None:
    answer = submit(at, command("true", environmentId=arm(at, ENVIRONMENT), **more))
    assert answer.status_code == 501
    assert what in answer.json()["error"]["message"]


def test_what_changes_nothing_here_is_taken(at: World) -> None:
    body = command(
        "true",
        environmentId=arm(at, ENVIRONMENT),
        resources={"instanceCount": 1, "instanceType": "Standard_DS3_v2", "shmSize": "2g",
                   "dockerArgs": "--ipc=host --shm-size 4g"},
        identity={"identityType": "UserIdentity"},
        queueSettings={"jobTier": "Spot", "priority": 1},
        services={"Studio": {"jobServiceType": "Studio"}},
        autologgerSettings={"mlflowAutologger": "Disabled"},
    )  # fmt: skip
    assert ended(at, submit(at, body))["status"] == "Completed"


@pytest.mark.parametrize(
    ("node", "what"),
    [
        ({"inputs": {"nonsense": {"value": "1"}}}, "no input of its component"),
        ({"inputs": {}}, "required input 'need'"),
        ({"inputs": {"need": {"value": "${{parent.inputs.none}}"}}}, "no input 'none'"),
        ({"inputs": {"need": {"value": "${{parent.jobs.a.inputs.need}}"}}}, "Steps wait|none of"),
        ({"inputs": {"need": {"value": "${{parent.jobs.b.outputs.x}}"}}}, "which is no step"),
        ({"outputs": {"none": {}}}, "has no output 'none'"),
        ({"outputs": {"out": {"value": "${{parent.outputs.none}}"}}}, "no output 'none'"),
    ],
)
def test_bindings_that_cannot_be_are_refused_at_once(
    at: World, node: dict[str, Any], what: str
) -> None:
    spec = {
        "command": "true",
        "inputs": {"need": {"type": "string"}},
        "outputs": {"out": {"type": "uri_folder"}},
    }
    given = {"inputs": {"need": {"value": "1"}}, "componentId": component(at, spec), **node}
    answer = submit(at, {"jobType": "Pipeline", "jobs": {"a": given}})
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert any(one in message for one in what.split("|")), message


def test_a_list_of_many_jobs_is_paged_newest_first(at: World) -> None:
    made = at.put("/jobs/unused", command("true", environmentId=arm(at, ENVIRONMENT)))
    ended(at, made)
    template = records.get(at.ctx, at.ws.guid, "unused")
    for n in range(230):
        add(at, replace(template, name=f"many-{n}", properties={"tags": {"many": str(n % 2)}}))
    names, url = [], "/jobs?listViewType=All"
    while url:
        body = at.call("GET", url).json()
        assert len(body["value"]) <= 100
        names += [job["name"] for job in body["value"]]
        url = body.get("nextLink", "")
    ours = [name for name in names if name.startswith("many-")]
    assert ours == [f"many-{n}" for n in reversed(range(230))]
    assert len(set(names)) == len(names)
    ten = at.call("GET", "/jobs", params={"$top": "10"}).json()
    assert len(ten["value"]) == 10
    assert "nextLink" not in ten
    odd = at.call("GET", "/jobs", params={"tag": "many=1", "$top": "105"}).json()
    assert len(odd["value"]) == 100
    rest = at.call("GET", odd["nextLink"]).json()
    assert [len(rest["value"]), "nextLink" in rest] == [5, False]


def add(at: World, job: Job) -> None:
    records.add(at.ctx, at.ws, replace(job, root="", status="Completed"))


def test_a_workspace_that_is_deleted_takes_its_jobs_along(at: World, tmp_path: Path) -> None:
    made = at.call("PUT", f"{at.base}/gone", {"location": "eastus", "properties": {}})
    assert made.status_code in (200, 201, 202), made.text
    url = f"{at.base}/gone"
    image = {"properties": {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"}}
    at.call("PUT", f"{url}{ENVIRONMENT}", image)
    environment = f"{at.ws.arm_id.rpartition('/')[0]}/gone{ENVIRONMENT}"
    mark = tmp_path / "pid"
    line = f"echo $$ > {mark}; sleep 600"
    body = {"properties": command(line, environmentId=environment)}
    assert at.call("PUT", f"{url}/jobs/long", body).status_code == 201
    while not mark.exists():
        at.run(asyncio.sleep(0.02))
    (work,) = jobs_of(at.ctx).machine.works.values()
    at.call("DELETE", url)
    at.run(asyncio.wait([work.task], timeout=20))
    assert not jobs_of(at.ctx).machine.works
    while Path(f"/proc/{mark.read_text().strip()}").exists():  # its leash ends it at once
        at.run(asyncio.sleep(0.02))


def test_canceled_at_any_moment_a_job_leaves_no_process(at: World) -> None:
    names = []
    for turn in range(12):
        answer = submit(at, command("sleep 600 & sleep 600", environmentId=arm(at, ENVIRONMENT)))
        names.append(answer.json()["name"])
        at.run(asyncio.sleep(turn * 0.015))  # before, while and after its process is started
        at.call("POST", f"/jobs/{names[-1]}/cancel")
        assert ended(at, answer)["status"] == "Canceled"
    deadline = time.monotonic() + 5
    while left := [p for p in psutil.process_iter() if _run_of(p) in names]:
        assert time.monotonic() < deadline, left
        at.run(asyncio.sleep(0.05))


def _run_of(process: psutil.Process) -> str | None:
    with contextlib.suppress(psutil.Error):
        return process.environ().get("AZUREML_RUN_ID")
    return None
