"""The test kit, as a user writes tests with it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from emulators.datafactory.testing import (
    Asked,
    Failure,
    InvalidFactory,
    KitError,
    NotStubbed,
    RanAway,
    TestFactory,
    UnknownName,
)
from emulators.datafactory.testing import factory as kit
from tests.emulators.datafactory.running import activity, after, fails, sets, wait

ROOT = Path(__file__).parents[3]
POLLING = {
    "parameters": {"job": {"type": "string"}},
    "variables": {"state": {"type": "String"}},
    "activities": [
        activity("Start", "WebActivity", url="https://ml/start", method="POST", body="{}"),
        activity(
            "Poll",
            "Until",
            after("Start"),
            expression="@equals(variables('state'), 'done')",
            timeout="0.01:00:00",
            activities=[
                activity(
                    "Look",
                    "WebActivity",
                    url="@concat('https://ml/jobs/', pipeline().parameters.job)",
                    method="GET",
                ),
                sets("Keep", "state", "@activity('Look').output.state", after("Look")),
                wait("Pause", 60, after("Keep")),
            ],
        ),
        fails("Bad", after("Poll", "Failed"), message="it never ended"),
    ],
}


def polling() -> TestFactory:
    return TestFactory({"poll": POLLING})


def test_activities_are_stubbed_by_name_and_time_is_skipped() -> None:
    factory = polling()
    factory.stub("Start", output={"id": 7})
    factory.stub("Look", sequence=[{"state": "queued"}, {"state": "running"}, {"state": "done"}])
    run = factory.run("poll", {"job": "j1"})
    run.assert_succeeded()
    assert run.seconds == 180
    assert run.variables == {"state": "done"}
    assert [each.output["state"] for each in run.all("Look")] == ["queued", "running", "done"]
    assert run["look"].input["url"] == "https://ml/jobs/j1"
    assert run["Bad"].status == "Skipped"
    assert not run.ran("Bad")
    assert run.order()[:3] == ["Start", "Poll", "Look"]
    again = factory.run("poll", {"job": "j2"})  # from the start of the sequence
    assert len(again.all("Look")) == 3
    assert "Poll" in run.chart()
    assert run.svg().startswith("<svg")


def test_by_type_with_functions_and_failures() -> None:
    factory = polling()

    def answer(asked: Asked) -> Any:
        if asked.name == "Start":
            return {}
        assert asked.parameters == {"job": "j"}
        return {"state": "done"} if asked.number == 4 else Failure("no such job", "404")

    factory.stub(type="WebActivity", output=answer)
    run = factory.run("poll", {"job": "j"})
    assert [each.status for each in run.all("Look")] == ["Failed"] * 3 + ["Succeeded"]
    assert run.all("Look")[0].error["errorCode"] == "404"
    # Keep is skipped when Look fails, and so is the pause: no time passes.
    assert run.seconds == 60


def test_a_loop_that_is_out_of_time() -> None:
    factory = polling()
    factory.stub("Start")
    factory.stub("Look", output={"state": "running"}, seconds=5)
    run = factory.run("poll", {"job": "j"})
    assert run.status == "Failed"
    assert run.message == "Operation on target Bad failed: it never ended"
    assert run["Poll"].seconds == 3600
    with pytest.raises(AssertionError, match="it never ended"):
        run.assert_succeeded()


def test_the_web_is_stubbed_and_web_activities_are_real() -> None:
    factory = polling()
    factory.http("POST", "https://ml/start", json={"id": 1}, headers={"X-Tag": "t"})
    factory.http("GET", "https://ml/jobs/*", json={"state": "running"})
    factory.http("GET", "https://ml/jobs/*", json={"state": "done"})
    run = factory.run("poll", {"job": "j"})
    run.assert_succeeded()
    sent = [(each.method, each.url) for each in run.requests]
    assert sent == [("POST", "https://ml/start")] + [("GET", "https://ml/jobs/j")] * 2
    assert run.requests[0].json == {}
    assert run["Start"].output["ADFWebActivityResponseHeaders"]["X-Tag"] == "t"


def test_what_is_not_stubbed_is_told() -> None:
    factory = polling()
    with pytest.raises(NotStubbed, match=r'factory\.stub\("Start", output='):
        factory.run("poll", {"job": "j"})
    factory.http("POST", "https://ml/start", json={})
    with pytest.raises(NotStubbed, match=r'factory\.http\("GET", "https://ml/jobs/j"'):
        factory.run("poll", {"job": "j"})


def test_wrong_names_are_told_with_the_right_ones() -> None:
    factory = polling()
    with pytest.raises(UnknownName, match="Did you mean 'Look'"):
        factory.stub("Lok")
    with pytest.raises(UnknownName, match="activity of type 'Copy'"):
        factory.stub(type="Copy")
    with pytest.raises(UnknownName, match="Did you mean 'poll'"):
        factory.run("pol")
    with pytest.raises(UnknownName, match="parameter of 'poll' 'jobs'"):
        factory.run("poll", {"jobs": 1})
    with pytest.raises(ValueError, match="needs a value for the parameter 'job'"):
        factory.run("poll")
    factory.stub(type="WebActivity", output={"state": "done"})
    with pytest.raises(UnknownName, match="activity that ran 'Nope'"):
        factory.run("poll", {"job": "j"})["Nope"]
    with pytest.raises(TypeError):
        factory.stub()
    with pytest.raises(TypeError):
        factory.stub("Look", sequence=[])
    with pytest.raises(TypeError):
        factory.http("GET", "https://x", body="x")


def test_what_azure_would_not_publish_is_told_with_its_place() -> None:
    with pytest.raises(InvalidFactory, match="Nope"):
        TestFactory({"p": {"activities": [wait("A", 1, after("Nope"))]}})


def test_children_variables_and_what_they_return() -> None:
    value = [{"key": "n", "value": {"type": "Expression", "content": "@pipeline().parameters.n"}}]
    child = {
        "parameters": {"n": {"type": "int"}},
        "activities": [
            activity(
                "Give",
                "SetVariable",
                variableName="pipelineReturnValue",
                setSystemVariable=True,
                value=value,
            )
        ],
    }
    call = activity(
        "Run",
        "ExecutePipeline",
        pipeline={"referenceName": "child", "type": "PipelineReference"},
        parameters={"n": "@add(pipeline().globalParameters.base, 1)"},
        waitOnCompletion=True,
    )
    take = sets("Take", "x", "@string(activity('Run').output.pipelineReturnValue.n)", after("Run"))
    factory = TestFactory(
        {
            "main": {"variables": {"x": {"type": "String"}}, "activities": [call, take]},
            "child": child,
        },
        global_parameters={"base": 41},
    )
    run = factory.run("main")
    assert run.variables == {"x": "42"}
    assert [(c.pipeline, c.return_value) for c in run.children] == [("child", {"n": 42})]
    factory.stub("Run", output={"pipelineReturnValue": {"n": "stubbed"}}, pipeline="main")
    run = factory.run("main")
    assert run.variables == {"x": "stubbed"}
    assert run.children == []


def test_secrets_are_seen_by_expressions_and_not_by_monitoring() -> None:
    secret = {
        **activity("Get", "WebActivity", url="https://vault", method="GET"),
        "policy": {"secureOutput": True, "secureInput": True},
    }
    factory = TestFactory({"p": {"activities": [secret]}})
    factory.stub("Get", output={"value": "s3cret"})
    run = factory.run("p")
    assert run["Get"].output == {"value": "s3cret"}
    assert run["Get"].shown_output == {}
    assert run["Get"].input == {}


def test_retries_take_their_time_and_a_run_can_be_cancelled() -> None:
    one = {
        **activity("Call", "WebActivity", url="https://x", method="GET"),
        "policy": {"retry": 2, "retryIntervalInSeconds": 45},
    }
    factory = TestFactory({"p": {"activities": [one, wait("Long", 86400, after("Call"))]}})
    factory.stub("Call", sequence=[Failure(), Failure(), {}])
    run = factory.run("p", cancel_after_s=3600)
    assert run.status == "Cancelled"
    assert run["Call"].attempts == 3
    assert run["Long"].began_s == 90
    assert run.seconds == 3600


def test_a_loop_without_an_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "ACTIVITIES_MOST", 500)
    loop = activity(
        "Loop", "Until", expression="@equals(1, 2)", activities=[sets("S", "x", "again")]
    )
    factory = TestFactory({"p": {"variables": {"x": {"type": "String"}}, "activities": [loop]}})
    with pytest.raises(RanAway, match="does a loop end"):
        factory.run("p")


def test_a_folder_in_git() -> None:
    estate = ROOT / "tests/emulators/datafactory/estate"
    with pytest.raises(InvalidFactory, match="choose one of adf-orchard-dev"):
        TestFactory.from_folder(estate)
    with pytest.raises(InvalidFactory, match="not a folder"):
        TestFactory.from_folder(ROOT / "nowhere")
    factory = TestFactory.from_folder(ROOT / "scenarios/data_factory/factory")
    with pytest.raises(UnknownName, match="score-attrition"):
        factory.run("nothing")


def test_from_a_coroutine_it_says_what_to_do() -> None:
    async def wrong() -> None:
        with pytest.raises(KitError, match="synchronous"):
            polling().run("poll", {"job": "j"})

    asyncio.run(wrong())


def test_the_scenario_s_own_pipeline_waits_for_its_job() -> None:
    factory = TestFactory.from_folder(
        ROOT / "scenarios/data_factory/factory",
        global_parameters={"workspace_id": "/ws", "poll_seconds": 600},
    )
    jobs = "https://management.azure.com//ws/jobs/j1?api-version=*"
    factory.http("GET", jobs, json={"properties": {"status": "Running"}})
    factory.http("GET", jobs, status=503, text="busy")
    factory.http("GET", jobs, json={"properties": {"status": "Completed"}}, seconds=2)
    run = factory.run("wait-for-job", {"job_name": "j1", "access_token": "secret-token"})
    run.assert_succeeded()
    assert run.return_value == {"status": "Completed"}
    assert [each.attempts for each in run.all("Get job")] == [1, 2]
    assert run.seconds == 600 + 600 + 30 + 2
    assert [r.headers["Authorization"] for r in run.requests] == ["Bearer secret-token"] * 3
    assert "secret-token" not in str([(a.input, a.shown_output) for a in run.activities])


def test_what_is_not_stubbed_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    web = [activity(name, "WebActivity", method="GET", url="https://x") for name in "AB"]
    both = TestFactory({"p": {"activities": web}})
    with pytest.raises(NotStubbed, match="'A'"):
        both.run("p")
    assert not caplog.records


def test_a_pipeline_that_is_no_object_is_named() -> None:
    with pytest.raises(InvalidFactory, match="'p' must be an object, not 5"):
        TestFactory({"p": 5})  # type: ignore[dict-item]
