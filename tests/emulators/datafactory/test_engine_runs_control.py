"""Queues, cancellation, children and repeated runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from emulators.datafactory.engine.activities.base import ActivityFailed, Call, Done
from emulators.datafactory.engine.runs import manager
from emulators.datafactory.errors import (
    ChildMissing,
    InvalidParameters,
    QueueFull,
    RunEnded,
    RunMissing,
)
from emulators.datafactory.store import RUNS, PipelineRun
from tests.emulators.datafactory.running import (
    FACTORY,
    Desk,
    activity,
    after,
    desk,
    sets,
    wait,
)

CALL = activity(
    "Run", "ExecutePipeline", pipeline={"referenceName": "child", "type": "PipelineReference"}
)


def within(d: Desk, work: Callable[[], Awaitable[Any]]) -> Any:
    """Do something while runs are started; all runs have ended afterwards."""

    async def whole() -> Any:
        async with manager.started(d.ctx, d.executor_of):
            found = await work()
            while left := list(manager.runs_of(d.ctx).live):
                await asyncio.gather(*(manager.wait_for(d.ctx, each, FACTORY) for each in left))
            return found

    return d.time.run(whole())


def runs(d: Desk) -> list[PipelineRun]:
    return sorted(
        d.ctx.store.scan(RUNS, FACTORY), key=lambda run: (run.queued, run.start or run.queued)
    )


def test_a_queue_is_first_in_first_out_and_has_an_end() -> None:
    with desk() as d:
        d.publish("p", wait("W", 60), concurrency=2)

        async def many() -> list[str]:
            made = [(await d.create()).id for _ in range(102)]
            with pytest.raises(QueueFull, match="maximum of 100 runs will be queued"):
                await d.create()
            queued = d.ctx.store.get(RUNS, FACTORY, made[5])
            assert queued is not None
            assert (queued.status, queued.start) == ("Queued", None)
            await manager.cancel(d.ctx, FACTORY, made[4], False)
            return made

        made = within(d, many)
        by_id = {run.id: run for run in runs(d)}
    starts = [by_id[each].start for each in made if by_id[each].status == "Succeeded"]
    assert starts == sorted(start for start in starts if start is not None)
    assert by_id[made[4]].status == "Cancelled"
    assert by_id[made[4]].start is None
    last, first = by_id[made[-1]].end, by_id[made[0]].start
    assert last is not None
    assert first is not None
    assert (last - first).total_seconds() == 51 * 60


@pytest.mark.parametrize(("recursive", "ends"), [(True, "Cancelled"), (False, "Succeeded")])
def test_a_cancellation_reaches_the_children_only_when_told(recursive: bool, ends: str) -> None:
    with desk() as d:
        d.publish("p", CALL, wait("After", 1, after("Run")))
        d.publish("child", wait("W", 100))

        async def work() -> PipelineRun:
            run = await d.create()
            await d.ctx.clock.sleep(10)
            await manager.cancel(d.ctx, FACTORY, run.id, recursive)
            return run

        run = within(d, work)
        assert d.stored(run).status == "Cancelled"
        assert d.statuses(run) == {"Run": "Cancelled"}
        child = next(each for each in runs(d) if each.pipeline == "child")
        assert child.status == ends
        assert child.invoked_by["invokedByType"] == "PipelineActivity"
        assert child.invoked_by["pipelineRunId"] == run.id


def test_cancelling_what_is_not_there_or_has_ended() -> None:
    with desk() as d:
        d.publish("p", wait("W", 1))

        async def work() -> None:
            run = await d.create()
            await manager.wait_for(d.ctx, run.id)
            with pytest.raises(RunEnded):
                await manager.cancel(d.ctx, FACTORY, run.id, False)
            with pytest.raises(RunMissing):
                await manager.cancel(d.ctx, FACTORY, "nope", False)
            with pytest.raises(RunMissing):
                await manager.wait_for(d.ctx, "nope")
            with pytest.raises(ChildMissing):
                await d.create("nope")

        within(d, work)


def test_an_executor_may_take_its_time_to_cancel_and_no_row_is_left_open() -> None:
    told: list[str] = []

    async def remote(call: Call) -> Done:
        try:
            await call.ctx.clock.sleep(500)
        except asyncio.CancelledError:
            await call.ctx.clock.sleep(7)
            told.append(call.activity.name)
            raise
        return Done({})

    with desk() as d:
        d.stubs = {"A": remote, "B": remote}
        d.publish("p", activity("A", "Web"), activity("B", "Web"), wait("W", 900))

        async def work() -> PipelineRun:
            run = await d.create()
            await d.ctx.clock.sleep(10)
            await manager.cancel(d.ctx, FACTORY, run.id, False)
            return run

        run = d.stored(within(d, work))
        assert sorted(told) == ["A", "B"]
        assert set(d.statuses(run).values()) == {"Cancelled"}
        assert run.start is not None
        assert run.end is not None
        assert (run.end - run.start).total_seconds() == 17


def test_a_child_gets_parameters_by_its_declared_types_and_tells_its_failure() -> None:
    with desk() as d:
        call = {**CALL, "typeProperties": {**CALL["typeProperties"], "waitOnCompletion": True}}
        call["typeProperties"]["parameters"] = {
            "l": "@string(createArray(1, 2))",
            "s": "@json('7')",
        }
        d.publish("p", call)
        declared = {"l": {"type": "Array"}, "s": {"type": "String"}}
        bad = activity("Bad", "Fail", message="@{length(pipeline().parameters.l)}", errorCode="1")
        d.publish("child", bad, parameters=declared)
        run = d.run()
        child = next(each for each in runs(d) if each.pipeline == "child")
    assert child.parameters == {"l": [1, 2], "s": "7"}
    assert child.message == "Operation on target Bad failed: 2"
    assert run.message == "Operation on target Run failed: Operation on target Bad failed: 2"
    assert d.row(run, "Run").output["pipelineRunId"] == child.id


def test_a_child_that_cannot_be_started_fails_its_activity() -> None:
    with desk() as d:
        d.publish("p", CALL)
        run = d.run()
        assert "child" in run.message
        assert d.row(run, "Run").error["errorCode"] == "PipelineNotFound"
        d.publish("child", wait("W", 1), parameters={"x": {"type": "int"}})
        run = d.run()
        assert "needs a value for the parameter 'x'" in run.message


def test_pipelines_that_execute_each_other_in_a_circle_come_to_an_end() -> None:
    with desk() as d:
        d.publish("p", CALL)
        back = {**CALL["typeProperties"], "pipeline": {"referenceName": "P"}}
        d.publish("child", activity("Back", "ExecutePipeline", **back))
        run = d.run()
        assert run.status == "Succeeded" or "within itself" in run.message
        assert len(runs(d)) == 2


def test_a_child_waits_in_its_own_pipeline_s_queue() -> None:
    with desk() as d:
        each = activity("Each", "ForEach", items="@range(0, 3)", activities=[CALL])
        d.publish("p", each)
        d.publish("child", wait("W", 10), concurrency=1)
        run = d.run()
        assert run.end is not None
        assert run.start is not None
        assert (run.end - run.start).total_seconds() == 30


def test_the_same_id_is_the_same_run() -> None:
    with desk() as d:
        d.publish("p", wait("W", 10))

        async def work() -> None:
            first = await d.create(run_id="r1")
            again = await d.create(run_id="r1")
            assert first.id == again.id == "r1"
            await manager.wait_for(d.ctx, "r1")
            assert (await d.create(run_id="r1")).status == "Succeeded"

        within(d, work)
        assert len(runs(d)) == 1


def test_a_debug_run_has_a_definition_of_its_own() -> None:
    with desk() as d:
        d.publish("p", wait("W", 10))
        definition = {"activities": [wait("Other", 5)]}
        run = d.run(debug_definition=definition)
        assert run.debug == run.id
        assert d.statuses(run) == {"Other": "Succeeded"}


class Flaky:
    """An executor that fails while told to, and counts."""

    def __init__(self) -> None:
        self.fails = {"B"}
        self.calls: list[str] = []

    async def __call__(self, call: Call) -> Done:
        self.calls.append(call.activity.name)
        await call.ctx.clock.sleep(1)
        if call.activity.name in self.fails:
            raise ActivityFailed("1", "flaky")
        return Done({"id": call.activity.name})


def rerun_desk(d: Desk) -> Flaky:
    flaky = Flaky()
    d.stubs = dict.fromkeys(("A", "B", "C", "In", "H"), flaky)
    d.publish(
        "p",
        activity("A", "Web"),
        sets("S", "x", "@string(activity('A').output.id)", after("A")),
        activity(
            "Each",
            "ForEach",
            after("S"),
            items="@range(0, 2)",
            activities=[
                activity("In", "Web"),
                activity("Add", "AppendVariable", after("In"), variableName="l", value="@item()"),
            ],
        ),
        activity("B", "Web", after("Each")),
        sets("T", "y", "@concat(variables('x'), length(variables('l')))", after("B")),
        activity("H", "Web", after("B", "Failed")),
        activity("C", "Web"),
        variables={"x": {"type": "String"}, "y": {"type": "String"}, "l": {"type": "Array"}},
        parameters={"n": {"type": "int", "defaultValue": 1}},
    )
    return flaky


def test_a_run_from_its_failure_takes_over_what_succeeded_with_its_variables() -> None:
    with desk() as d:
        flaky = rerun_desk(d)
        first = d.run(parameters={"n": 5})
        assert first.status == "Failed"
        assert d.statuses(first)["H"] == "Succeeded"
        flaky.calls.clear()
        flaky.fails.clear()
        again = d.run(reference=first.id, restart_at="")
        assert again.status == "Succeeded"
        assert flaky.calls == ["B"]
        assert again.variables == {"x": "A", "y": "A2", "l": first.variables["l"]}
        assert again.parameters == {"n": 5}
        assert again.group == first.group == first.id
        assert again.is_latest
        assert not d.stored(first).is_latest
        assert d.statuses(again) == {"B": "Succeeded", "T": "Succeeded", "H": "Skipped"}
        # And once more, of the repeated run: what it took over is there too.
        flaky.calls.clear()
        third = d.run(reference=again.id, restart_at="T")
        assert third.status == "Succeeded"
        assert flaky.calls == []
        assert third.variables["y"] == "A2"
        assert third.group == first.id
        assert [run.is_latest for run in runs(d)] == [False, False, True]


def test_a_run_from_an_activity_in_a_container_repeats_the_container() -> None:
    with desk() as d:
        flaky = rerun_desk(d)
        flaky.fails.clear()
        first = d.run()
        flaky.calls.clear()
        again = d.run(reference=first.id, restart_at="in")
        assert sorted(flaky.calls) == ["B", "In", "In"]
        assert again.variables == first.variables
        with pytest.raises(InvalidParameters, match="no activity 'Nope'"):
            d.run(reference=first.id, restart_at="Nope")
        with pytest.raises(RunMissing):
            d.run(reference="nope", restart_at="")


def test_a_run_that_is_repeated_whole_repeats_everything() -> None:
    with desk() as d:
        flaky = rerun_desk(d)
        flaky.fails.clear()
        first = d.run()
        flaky.calls.clear()
        again = d.run(reference=first.id)
        assert sorted(flaky.calls) == ["A", "B", "C", "In", "In"]
        assert again.group == first.id


def test_a_factory_that_goes_takes_its_runs_with_it() -> None:
    with desk() as d:
        d.publish("p", CALL)
        d.publish("child", wait("W", 1000), concurrency=1)

        async def work() -> None:
            for _ in range(3):
                await d.create()
            await d.ctx.clock.sleep(5)
            await manager.end_all(d.ctx, FACTORY)
            assert manager.runs_of(d.ctx).live == {}

        within(d, work)
        assert {run.status for run in runs(d)} <= {"Cancelled", "Succeeded"}
