"""Runs across the sudden end of the process: nothing finished runs again, nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.datafactory.engine.activities.base import ActivityFailed, Call, Done
from emulators.datafactory.engine.runs import manager
from emulators.datafactory.store import RUN_NOTES, RUNS, RUNS_UNDER_WAY, PipelineRun
from emulators.kernel.store import Table
from emulators.kernel.store_memory import MemoryStore
from tests.emulators.datafactory.running import (
    FACTORY,
    Desk,
    activity,
    after,
    desk,
    fails,
    sets,
    wait,
)


class Mortal(MemoryStore):
    """A store to which nothing is written any more once its process is dead."""

    dead = False

    def put(self, table: Table[Any], record: Any) -> None:
        if not self.dead:
            super().put(table, record)

    def delete(self, table: Table[Any], *key: str) -> bool:
        return False if self.dead else super().delete(table, *key)


class World:
    """A desk whose process can be killed: what was stored is there in the next one."""

    def __init__(self, d: Desk) -> None:
        self.desk = d
        self.calls: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()

    def live(self, work: Any, kill_after: float | None) -> Any:
        """Run `work` under a manager; kill the process after so many seconds of virtual time."""
        d = self.desk
        store = Mortal()
        store.__dict__.update({**d.ctx.store.__dict__, "dead": False})
        d.ctx = replace(d.ctx, store=store)

        async def life() -> Any:
            async with manager.started(d.ctx, d.executor_of):
                task = asyncio.ensure_future(work())
                if kill_after is None:
                    return await task
                await asyncio.sleep(kill_after)
                for _ in range(7):
                    await asyncio.sleep(0)
                store.dead = True
                task.cancel()
                return None

        return d.time.run(life())


def stub_of(world: World, seconds: float = 1.0, *, noting: bool = False) -> Any:
    """An executor that takes its time and counts; `noting` leaves a mark to be found by."""

    async def stub(call: Call) -> Done:
        name = call.activity.name
        if noting and call.noted:
            world.ended[f"{name} found again"] += 1
            await call.ctx.clock.sleep(call.noted["until"] - call.ctx.clock.monotonic())
            return Done({"id": call.noted["id"]})
        world.calls[name] += 1
        if noting:
            until = call.ctx.clock.monotonic() + seconds
            call.note({"id": world.calls[name], "until": until})
        await call.ctx.clock.sleep(seconds)
        world.ended[name] += 1
        return Done({"id": world.calls[name]})

    return stub


def begin(world: World, kill_after: float | None, **options: Any) -> str:
    """Begin a run of `p` in a process that is killed; its id."""
    made: list[str] = []

    async def work() -> None:
        run = await world.desk.create("p", **options)
        made.append(run.id)
        await manager.wait_for(world.desk.ctx, run.id)

    world.live(work, kill_after)
    return made[0]


def finish(world: World, run_id: str, kill_after: float | None = None) -> PipelineRun | None:
    """A new process, in which the run goes on."""

    async def work() -> PipelineRun:
        return await manager.wait_for(world.desk.ctx, run_id)

    found: PipelineRun | None = world.live(work, kill_after)
    return found


def test_a_wait_waits_for_what_is_left() -> None:
    with desk() as d:
        world = World(d)
        d.publish("p", wait("W", 600), wait("After", 5, after("W")))
        run_id = begin(world, 200)
        run = finish(world, run_id)
        assert run is not None
        assert run.end is not None
        assert run.start is not None
        assert run.status == "Succeeded"
        assert (run.end - run.start).total_seconds() == pytest.approx(605)
        assert list(d.ctx.store.scan(RUNS_UNDER_WAY)) == []
        assert list(d.ctx.store.scan(RUN_NOTES)) == []


def test_finished_activities_are_not_run_again_and_their_outputs_are_seen() -> None:
    with desk() as d:
        world = World(d)
        d.stubs = {"A": stub_of(world)}
        d.publish(
            "p",
            activity("A", "Stub"),
            sets("S", "x", "@string(activity('A').output.id)", after("A")),
            wait("W", 60, after("S")),
            sets("T", "y", "@concat(variables('x'), '/', activity('A').output.id)", after("W")),
            variables={"x": {"type": "String"}, "y": {"type": "String"}},
        )
        run = finish(world, begin(world, 30))
        assert run is not None
        assert run.variables == {"x": "1", "y": "1/1"}
        assert world.calls["A"] == 1


def test_an_attempt_cut_short_has_failed_and_is_retried_by_its_policy() -> None:
    with desk() as d:
        world = World(d)
        d.stubs = {"A": stub_of(world, 100)}
        one = {**activity("A", "Stub"), "policy": {"retry": 1, "retryIntervalInSeconds": 30}}
        d.publish("p", one)
        run = finish(world, begin(world, 50))
        assert run is not None
        assert run.status == "Succeeded"
        rows = d.rows(run)
        assert [row.status for row in rows] == ["Failed", "Succeeded"]
        assert rows[0].error["errorCode"] == "ActivityInterrupted"
        assert rows[0].error["failureType"] == "SystemError"
        assert (rows[1].start - (rows[0].end or rows[1].start)).total_seconds() == 30
        d.publish("p", activity("A", "Stub"))
        run = finish(world, begin(world, 50))
        assert run is not None
        assert run.status == "Failed"
        assert "Operation on target A failed: The service stopped" in run.message


def test_what_left_a_note_is_found_again() -> None:
    with desk() as d:
        world = World(d)
        d.stubs = {"A": stub_of(world, 100, noting=True)}
        d.publish("p", activity("A", "Stub"))
        run = finish(world, begin(world, 50))
        assert run is not None
        assert run.status == "Succeeded"
        assert world.calls["A"] == 1
        assert world.ended["A found again"] == 1
        assert [row.status for row in d.rows(run)] == ["Succeeded"]
        assert run.start
        assert run.end
        assert (run.end - run.start).total_seconds() == pytest.approx(100)


def test_a_note_does_not_outlive_the_timeout() -> None:
    with desk() as d:
        world = World(d)
        d.stubs = {"A": stub_of(world, 1000, noting=True)}
        d.publish("p", {**activity("A", "Stub"), "policy": {"timeout": "00:01:30"}})
        run = finish(world, begin(world, 50))
        assert run is not None
        assert run.status == "Failed"
        assert run.start
        assert run.end
        assert (run.end - run.start).total_seconds() == pytest.approx(90)


def test_a_child_is_the_same_child() -> None:
    with desk() as d:
        world = World(d)
        call = activity(
            "Run", "ExecutePipeline", pipeline={"referenceName": "child"}, waitOnCompletion=True
        )
        d.publish("p", call)
        d.publish("child", wait("W", 100))
        run = finish(world, begin(world, 50))
        assert run is not None
        assert run.status == "Succeeded"
        runs = list(d.ctx.store.scan(RUNS))
        assert {each.pipeline: each.status for each in runs} == {
            "p": "Succeeded",
            "child": "Succeeded",
        }
        assert len(runs) == 2


def test_loops_go_on_in_the_pass_in_which_they_were() -> None:
    with desk() as d:
        world = World(d)
        d.stubs = {"In": stub_of(world, 10)}
        each = activity(
            "Each",
            "ForEach",
            items="@createArray('a', 'b', 'c', 'd')",
            isSequential=True,
            activities=[
                activity("In", "Stub"),
                activity("Add", "AppendVariable", after("In"), variableName="l", value="@item()"),
            ],
        )
        loop = activity(
            "Loop",
            "Until",
            after("Each"),
            expression="@equals(length(variables('n')), 3)",
            timeout="00:10:00",
            activities=[
                wait("W", 10),
                activity("Count", "AppendVariable", after("W"), variableName="n", value="x"),
            ],
        )
        variables = {"l": {"type": "Array"}, "n": {"type": "Array"}}
        d.publish("p", each, loop, variables=variables)
        run_id = begin(world, 15)  # in the second pass of Each
        assert finish(world, run_id, 12) is None  # in the last
        run = finish(world, run_id, None)
        assert run is not None
        # The two attempts that were cut short have failed, and their passes with them.
        assert run.status == "Failed"
        assert run.variables["l"] == ["a", "c"]
        assert world.calls["In"] == 4
        d.stubs = {"In": stub_of(world, 10, noting=True)}
        run_id = begin(world, 15)
        assert finish(world, run_id, 40) is None  # in Loop
        run = finish(world, run_id)
        assert run is not None
        assert run.status == "Succeeded"
        assert run.variables == {"l": ["a", "b", "c", "d"], "n": ["x", "x", "x"]}
        assert run.start
        assert run.end
        assert (run.end - run.start).total_seconds() == pytest.approx(70)


def test_queued_runs_keep_their_order_and_a_cancellation_is_finished() -> None:
    with desk() as d:
        world = World(d)
        d.publish("p", wait("W", 60), concurrency=1)
        made: list[str] = []

        async def three() -> None:
            for _ in range(3):
                made.append((await d.create("p")).id)
            await asyncio.Event().wait()

        world.live(three, 30)
        ends = []

        async def rest() -> None:
            for run_id in made:
                run = await manager.wait_for(d.ctx, run_id, FACTORY)
                assert run.start is not None
                ends.append((run.status, (run.start - run.queued).total_seconds()))

        world.live(rest, None)
        assert ends == [("Succeeded", 0.0), ("Succeeded", 60.0), ("Succeeded", 120.0)]


def test_a_run_that_was_being_cancelled_ends_so_and_its_remote_work_is_told() -> None:
    told: list[str] = []
    with desk() as d:
        world = World(d)

        async def remote(call: Call) -> Done:
            call.note({"id": "job"})
            try:
                await call.ctx.clock.sleep(500)
            except asyncio.CancelledError:
                if not call.leaving():
                    await call.ctx.clock.sleep(5)  # cancelling takes its time
                    told.append(str(call.noted.get("id")))
                raise
            return Done({})

        d.stubs = {"A": remote}
        d.publish("p", activity("A", "Stub"), wait("B", 1, after("A")))
        made: list[str] = []

        async def work() -> None:
            run = await d.create("p")
            made.append(run.id)
            await d.ctx.clock.sleep(10)
            await manager.cancel(d.ctx, FACTORY, run.id, False)
            await asyncio.Event().wait()

        world.live(work, 12)
        told.clear()
        run = finish(world, made[0])
        assert run is not None
        assert run.status == "Cancelled"
        assert told == ["job"]
        assert d.statuses(run) == {"A": "Cancelled"}


def test_the_end_of_the_server_leaves_remote_work_alone() -> None:
    told: list[bool] = []
    with desk() as d:

        async def remote(call: Call) -> Done:
            call.note({"id": "job"})
            try:
                await call.ctx.clock.sleep(500)
            except asyncio.CancelledError:
                told.append(call.leaving())
                raise
            return Done({})

        d.stubs = {"A": remote}
        d.publish("p", activity("A", "Stub"))

        async def work() -> PipelineRun:
            async with manager.started(d.ctx, d.executor_of):
                run = await d.create("p")
                await d.ctx.clock.sleep(10)
                return run

        run = d.time.run(work())
        assert told == [True]
        assert d.stored(run).status == "InProgress"
        assert d.statuses(run) == {"A": "InProgress"}


SHAPE = [
    activity("A", "Stub"),
    activity(
        "Each",
        "ForEach",
        after("A"),
        items="@range(0, 4)",
        batchCount=2,
        activities=[
            activity("In", "Stub"),
            activity("Add", "AppendVariable", after("In"), variableName="l", value="@item()"),
        ],
    ),
    activity(
        "Loop",
        "Until",
        after("A"),
        expression="@greaterOrEquals(length(variables('n')), 3)",
        activities=[
            wait("W", 3),
            activity("Count", "AppendVariable", after("W"), variableName="n", value="x"),
        ],
    ),
    activity(
        "If",
        "IfCondition",
        after("Each"),
        after("Loop"),
        expression="@equals(length(variables('l')), 4)",
        ifTrueActivities=[activity("Run", "ExecutePipeline", pipeline={"referenceName": "c"})],
        ifFalseActivities=[fails("Bad")],
    ),
    sets("Last", "x", "@activity('A').output.id", after("If")),
    activity("Err", "Stub", after("Last", "Failed", "Skipped")),
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 12), max_size=4))
def test_killed_at_any_moments_a_run_ends_as_if_nothing_had_happened(kills: list[float]) -> None:
    with desk() as d:
        world = World(d)
        stub = stub_of(world, 2, noting=True)
        d.stubs = {"A": stub, "In": stub, "Err": stub}

        async def child(call: Call) -> Done:
            await call.ctx.clock.sleep(1)
            if call.run.parameters:
                raise ActivityFailed("1", "no")
            return Done({})

        d.stubs["Q"] = stub
        variables = {"l": {"type": "Array"}, "n": {"type": "Array"}, "x": {"type": "Integer"}}
        d.publish("p", *SHAPE, variables=variables)
        d.publish("c", activity("Q", "Stub"), wait("R", 2, after("Q")))
        run_id = begin(world, 0.5)
        for kill in kills:
            if finish(world, run_id, kill) is not None:
                break
        run = finish(world, run_id)
        assert run is not None
        assert run.status == "Succeeded", run.message
        assert sorted(run.variables["l"]) == [0, 1, 2, 3]
        assert run.variables["n"] == ["x", "x", "x"]
        assert run.variables["x"] == 1
        assert world.calls == {"A": 1, "In": 4, "Q": 1}
        assert len(list(d.ctx.store.scan(RUNS))) == 2
        assert run.start
        assert run.end
        assert (run.end - run.start).total_seconds() == pytest.approx(15)
        assert d.statuses(run)["Err"] == "Skipped"
        names = Counter(row.name for row in d.rows(run))
        assert names == {
            "A": 1, "Each": 1, "In": 4, "Add": 4, "Loop": 1, "W": 3, "Count": 3, "If": 1,
            "Run": 1, "Last": 1, "Err": 1,
        }  # fmt: skip


def test_a_run_that_cannot_go_on_says_so_and_the_others_do() -> None:
    with desk() as d:
        world = World(d)
        d.publish("p", wait("W", 100))
        bad = begin(world, 10)
        good = begin(world, 10)
        broken = d.ctx.store.get(RUNS, FACTORY, bad)
        assert broken is not None
        d.ctx.store.__dict__["dead"] = False
        d.ctx.store.put(RUNS, replace(broken, definition={"activities": "none"}))
        run = finish(world, good)
        assert run is not None
        assert run.status == "Succeeded"
        ended = d.stored(broken)
        assert ended.status == "Failed"
        assert "cannot go on" in ended.message
        assert list(d.ctx.store.scan(RUNS_UNDER_WAY)) == []
