"""A job's task: canceled, broken or stopped anywhere, its record tells the truth."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.kernel.context import Context
from emulators.machinelearning.engine.jobs import folders, keeping, records, sweeps
from emulators.machinelearning.engine.jobs.machine import Verdict, Work
from emulators.machinelearning.engine.jobs.manager import Jobs
from emulators.machinelearning.engine.jobs.specs import read_command, read_sweep
from emulators.machinelearning.errors import JobExists, Stopping
from emulators.machinelearning.store.jobs import ENDED, FORWARD, JOBS, LIVE_JOBS
from tests.emulators.machinelearning.jobs_bench import (
    Bench,
    bench_context,
    completes,
    make_bench,
)

COUNT = itertools.count()


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    with bench_context(tmp_path_factory.mktemp("jobs")) as made:
        yield made


@pytest.fixture
def bench(ctx: Context) -> Bench:
    return make_bench(ctx, f"m-{next(COUNT)}")


async def waits(work: Work) -> Verdict:
    await asyncio.sleep(60)
    return Verdict("Completed")


def log_of(bench: Bench, name: str) -> str:
    folder = folders.of_job(bench.ctx, bench.get(name))
    return folder.log(folders.STD_LOG).read_text()


def test_canceled_before_its_first_step(bench: Bench) -> None:
    ran = []

    async def scene() -> str:
        async def never(work: Work) -> Verdict:
            ran.append(work)
            return Verdict("Completed")

        work = bench.machine().begin(bench.ws, bench.add("j"), never)
        work.cancel()
        work.cancel()
        return (await work.decided).status

    assert asyncio.run(scene()) == "Canceled"
    assert not ran


def test_a_swallowed_cancel_is_noticed_at_the_next_check(bench: Bench) -> None:
    async def stubborn(work: Work) -> Verdict:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # as `asyncio.wait_for` of Python 3.11 can
        work.check()
        return Verdict("Completed")

    async def scene() -> None:
        work = bench.machine().begin(bench.ws, bench.add("j"), stubborn)
        await asyncio.sleep(0)
        work.cancel()
        assert bench.get("j").status == "CancelRequested"
        await work.task

    asyncio.run(scene())
    assert bench.get("j").status == "Canceled"


def test_cancel_after_the_verdict_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        go_on = asyncio.Event()

        async def keep(*_: Any) -> None:
            await go_on.wait()

        monkeypatch.setattr(keeping, "keep", keep)
        work = bench.machine().begin(bench.ws, bench.add("j"), completes)
        decided = await work.decided
        assert decided.status == "Completed"
        assert decided.outputs
        assert bench.get("j").status == "Finalizing"  # its logs are not kept yet
        work.cancel()
        go_on.set()
        await work.task

    asyncio.run(scene())
    assert bench.get("j").status == "Completed"


def test_a_bug_of_ours_fails_the_job_and_says_whose_it_is(bench: Bench) -> None:
    async def breaks(work: Work) -> Verdict:
        raise ZeroDivisionError("oops")

    async def scene() -> None:
        await bench.machine().begin(bench.ws, bench.add("j"), breaks).task

    asyncio.run(scene())
    job = bench.get("j")
    assert job.status == "Failed"
    assert (job.error or {})["code"] == "ServiceError"
    assert "not Azure's behaviour" in log_of(bench, "j")


def test_logs_that_cannot_be_stored_change_no_verdict(bench: Bench) -> None:
    async def speaks(work: Work) -> Verdict:
        work.say("hello")
        return Verdict("Completed")

    async def scene() -> None:
        await bench.machine().begin(bench.ws, bench.add("j"), speaks).task

    asyncio.run(scene())  # the bench's workspace has no datastore
    assert bench.get("j").status == "Completed"
    assert "not kept in storage" in log_of(bench, "j")


def test_a_workspace_deleted_under_a_job(bench: Bench) -> None:
    async def scene() -> None:
        machine = bench.machine()
        work = machine.begin(bench.ws, bench.add("j"), completes)
        bench.ctx.store.delete(JOBS, bench.ws.guid, "j")
        await work.task
        await asyncio.sleep(0)
        assert work.decided.cancelled()
        assert not machine.works

    asyncio.run(scene())


def test_a_stop_of_the_server_is_told_at_the_next_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []

    async def keep(_ctx: object, _ws: object, job: Any) -> None:
        kept.append(job.name)

    monkeypatch.setattr(keeping, "keep", keep)

    async def first() -> None:
        jobs = Jobs(bench.ctx)
        begin = jobs.machine.begin
        begin(bench.ws, bench.add("running"), waits)
        pipeline = bench.pipeline(jobs.machine, "p", {"a": set()})
        done = begin(bench.ws, bench.add("done"), completes)
        bench.acts["a"] = waits
        jobs.machine.command = bench.machine().command
        await done.task
        records.change(bench.ctx, bench.add("unwanted"), status="CancelRequested")
        await jobs.close()
        assert pipeline.task.done()
        with pytest.raises(Stopping):
            jobs.submit(bench.ws, "late", {"jobType": "Command", "command": "true"}, "me")

    asyncio.run(first())
    assert bench.get("running").status not in ENDED
    assert kept == ["done"]

    async def second() -> None:
        jobs = Jobs(bench.ctx)
        jobs.recover()
        await asyncio.sleep(0.01)
        await jobs.close()

    asyncio.run(second())
    assert bench.get("done").status == "Completed"
    for name in ("running", "p"):
        job = bench.get(name)
        assert (job.status, (job.error or {})["code"]) == ("Failed", "Interrupted")
        assert "Rehearsal stopped" in log_of(bench, name)
    assert bench.statuses("p") == {"a": "Failed"}
    assert bench.get("unwanted").status == "Canceled"
    assert {"running", "p", "unwanted"} <= set(kept)
    assert not list(bench.ctx.store.scan(LIVE_JOBS, bench.ws.guid))


@given(st.lists(st.sampled_from(sorted(FORWARD)), max_size=12))
@settings(max_examples=100, deadline=None)
def test_a_status_never_goes_back(ctx: Context, wanted: list[str]) -> None:
    bench = make_bench(ctx, f"m-{next(COUNT)}")
    job = bench.add("j")
    seen = [job]
    for status in wanted:
        seen.append(records.change(ctx, job, status=status, error={"code": status}))
    ranks = [FORWARD[one.status] for one in seen]
    assert ranks == sorted(ranks)
    ends = [one for one in seen if one.over]
    assert len({(one.status, str(one.error), one.ended) for one in ends}) <= 1
    live = bench.ctx.store.get(LIVE_JOBS, bench.ws.guid, "j") is not None
    assert live == (not seen[-1].over)


def test_a_name_is_taken_once_and_numbers_are_given_without_a_search(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        bench.add(name)
    monkeypatch.setattr(type(bench.ctx.store), "scan", None)
    assert bench.add("c").number == 3
    with pytest.raises(JobExists):
        bench.add("a")
    assert bench.add("d").number == 4


def test_a_sweep_touches_no_job_that_has_a_name_of_its_trials(bench: Bench) -> None:
    trial = read_command({"command": "true", "environmentId": "azureml:e:1"})
    spec = read_sweep(
        {
            "searchSpace": {"x": ["choice", [[1, 2]]]},
            "samplingAlgorithm": {"samplingAlgorithmType": "Grid"},
            "objective": {"goal": "maximize", "primaryMetric": "m"},
        },
        trial,
    )
    bench.add("s_1")

    async def scene() -> None:
        work = bench.machine().begin(
            bench.ws, bench.add("s", "Sweep"), lambda work: sweeps.run(work, spec)
        )
        await work.task

    asyncio.run(scene())
    assert bench.get("s").status == "Failed"
    assert "s_1" in (bench.get("s").error or {})["message"]
    assert bench.get("s_1").status == "NotStarted"
    assert bench.get("s_0").status in ENDED
