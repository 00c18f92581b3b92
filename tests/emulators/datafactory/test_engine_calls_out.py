"""Functions and Machine Learning pipelines: what is asked of them and how they fail."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulators.datafactory.engine.activities import azureml
from emulators.datafactory.engine.activities.base import ActivityFailed
from emulators.datafactory.engine.activities.outgoing import Answer, Ask, replaced
from emulators.kernel.clock import ManualClock
from emulators.kernel.context import Context
from tests.emulators.datafactory.calling import Bench, FarSide, answered, bench


@pytest.fixture
def at(tmp_path: Path) -> Bench:
    made = bench(tmp_path)
    app = {"functionAppUrl": "https://app.local/", "functionKey": "k"}
    made.resources.publish(
        "linkedservices", "App", {"type": "AzureFunction", "typeProperties": app}
    )
    place = {"subscriptionId": "s", "resourceGroupName": "g", "mlWorkspaceName": "w"}
    ml = {"type": "AzureMLService", "typeProperties": place}
    made.resources.publish("linkedservices", "Ml", ml)
    return made


def function(**properties: Any) -> dict[str, Any]:
    return {
        "type": "AzureFunctionActivity",
        "linkedServiceName": {"referenceName": "App", "type": "LinkedServiceReference"},
        "typeProperties": {"functionName": "f", "method": "GET", **properties},
    }


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(500, (), b"x"), "3608"),
        (Answer(200, (), b"text"), "3603"),
        (Answer(200, (), b"[1]"), "3603"),
    ],
)
def test_a_function_answers_with_an_object(at: Bench, answer: Answer, code: str) -> None:
    with pytest.raises(ActivityFailed) as failed:
        answered(FarSide(answer), lambda: at.do(function()))
    assert failed.value.code == code


def test_a_functions_members_are_merged(at: Bench) -> None:
    far = FarSide(Answer(200, (), b'{"Response": 1, "value": [2]}'))
    done = answered(far, lambda: at.do(function()))
    assert (done.output["Response"], done.output["value"]) == (1, [2])
    assert far.asked[0].url == "https://app.local/api/f"
    assert far.asked[0].headers == {"x-functions-key": "k"}


WS = (
    "https://management.azure.com/subscriptions/s/resourceGroups/g/providers"
    "/Microsoft.MachineLearningServices/workspaces/w"
)


class Workspace:
    """A workspace with one pipeline component, whose job takes two looks to end."""

    def __init__(self, status: str = "Completed") -> None:
        self.status, self.looks = status, 0
        self.asked: list[tuple[str, str]] = []
        self.job: dict[str, Any] = {}

    async def __call__(self, ctx: Context, ask: Ask) -> Answer:
        path = ask.url.removeprefix(WS).partition("?")[0]
        self.asked.append((ask.method, path))
        if path == "/components/train":
            return _json({"properties": {"latestVersion": "2"}})
        if path.startswith("/components/train/versions/"):
            kind = "pipeline" if path.endswith("/2") else "command"
            spec = {"componentSpec": {"type": kind}}
            return _json({"id": f"/x/components/train{path[17:]}", "properties": spec})
        if ask.method == "PUT":
            self.job = json.loads(ask.body)["properties"]
            return _json({}, 201)
        if path.endswith("/cancel"):
            return _json({}, 202)
        if path.startswith("/jobs/"):
            self.looks += 1
            status = self.status if self.looks > 1 else "Running"
            return _json({"properties": {**self.job, "status": status}})
        return Answer(404, (), b"none")


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status, (), json.dumps(value).encode())


def ml(at: Bench, far: Workspace, **properties: Any) -> dict[str, Any]:
    activity = {
        "type": "AzureMLExecutePipeline",
        "linkedServiceName": {"referenceName": "Ml", "type": "LinkedServiceReference"},
        "typeProperties": {"mlPipelineId": "train", **properties},
    }
    clock = at.ctx.clock
    assert isinstance(clock, ManualClock)

    async def go() -> dict[str, Any]:
        with replaced(far):
            running = asyncio.ensure_future(at.run(activity))
            for _ in range(20):  # each request takes turns of the loop
                await clock.advance(1)
            return dict((await asyncio.wait_for(running, 5)).output)

    return asyncio.run(go())


def test_a_pipeline_component_runs_as_a_job(at: Bench) -> None:
    far = Workspace()
    paths = {"data": {"DataStoreName": "ds", "RelativePath": "/in/x"}}
    output = ml(
        at,
        far,
        experimentName="exp",
        mlPipelineParameters={"rate": 3, "word": "w"},
        dataPathAssignments=paths,
    )
    assert output["status"] == "Completed"
    assert output["experimentName"] == "exp"
    assert far.job["inputs"]["rate"] == {"jobInputType": "literal", "value": "3"}
    assert far.job["inputs"]["data"]["uri"] == "azureml://datastores/ds/paths/in/x"
    step = far.job["jobs"]["pipeline"]
    assert step["componentId"] == "/x/components/train/versions/2"
    assert step["inputs"]["word"]["value"] == "${{parent.inputs.word}}"
    assert output["runId"] == at.noted["job"]


def test_after_a_restart_the_same_job_is_awaited(at: Bench) -> None:
    at.noted["job"] = "j1"
    far = Workspace()
    assert ml(at, far)["runId"] == "j1"
    assert {method for method, _ in far.asked} == {"GET"}


@pytest.mark.parametrize(
    ("properties", "status", "code"),
    [
        ({}, "Failed", "4126"),
        ({"mlPipelineId": "none"}, "Completed", "4124"),
        ({"mlPipelineId": "train:1"}, "Completed", "4124"),
        ({"mlPipelineId": "11111111-1111-1111-1111-111111111111"}, "Completed", "NotEmulated"),
        ({"mlPipelineEndpointId": "e"}, "Completed", "NotEmulated"),
    ],
)
def test_how_a_pipeline_fails(
    at: Bench, properties: dict[str, Any], status: str, code: str
) -> None:
    with pytest.raises(ActivityFailed) as failed:
        ml(at, Workspace(status), **properties)
    assert failed.value.code == code


@pytest.mark.parametrize("leaving", [False, True])
def test_cancelling_cancels_the_job_but_a_restart_does_not(at: Bench, leaving: bool) -> None:
    far = Workspace("Running")
    clock = at.ctx.clock
    assert isinstance(clock, ManualClock)
    call = at.call(
        {
            "type": "AzureMLExecutePipeline",
            "linkedServiceName": {"referenceName": "Ml", "type": "LinkedServiceReference"},
            "typeProperties": {"mlPipelineId": "train"},
        }
    )

    async def go() -> None:
        with replaced(far):
            running = asyncio.ensure_future(azureml.run(replace(call, leaving=lambda: leaving)))
            for _ in range(7):
                await clock.advance(1)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(go())
    assert any(path.endswith("/cancel") for _, path in far.asked) is not leaving
