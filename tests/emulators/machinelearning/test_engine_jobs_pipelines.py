"""Any graph of steps with any outcomes, against what the rules of pipelines say in plain words."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.kernel.context import Context
from emulators.kernel.errors import BadRequest
from emulators.machinelearning.engine.jobs.machine import Verdict, Work
from tests.emulators.machinelearning.jobs_bench import (
    Act,
    bench_context,
    completes,
    fails,
    make_bench,
)

STEPS = 8
COUNT = itertools.count()


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    with bench_context(tmp_path_factory.mktemp("jobs")) as made:
        yield made


async def refused(work: Work) -> Verdict:
    raise BadRequest(f"{work.job.step} is refused")


async def breaks(work: Work) -> Verdict:
    raise ZeroDivisionError(work.job.step)


ACTS: dict[str, Act] = {
    "completes": completes,
    "fails": fails,
    "refused": refused,
    "breaks": breaks,
}


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[set[str], str, int]]:
    """Steps in some order: whom each reads from, what it does, after how many turns."""
    names = [f"s{n}" for n in range(draw(st.integers(1, STEPS)))]
    found = {}
    for at, name in enumerate(names):
        sources = draw(st.sets(st.sampled_from(names[:at]), max_size=3)) if at else set()
        outcome = draw(st.sampled_from(["completes", "completes", "completes", *ACTS]))
        found[name] = (sources, outcome, draw(st.integers(0, 5)))
    return dict(draw(st.permutations(list(found.items()))))


def after(turns: int, act: Act) -> Act:
    async def slow(work: Work) -> Verdict:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await act(work)

    return slow


def expected(graph: dict[str, tuple[set[str], str, int]]) -> dict[str, str]:
    """With `continue_on_step_failure`: a step runs when all it reads from completed."""
    ends: dict[str, str] = {}
    while True:
        ready = [
            name
            for name, (sources, _, _) in graph.items()
            if name not in ends and all(ends.get(s) == "Completed" for s in sources)
        ]
        if not ready:
            return ends
        for name in ready:
            ends[name] = "Completed" if graph[name][1] == "completes" else "Failed"


@given(graphs(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_pipeline_obeys_its_graph(
    ctx: Context, graph: dict[str, tuple[set[str], str, int]], go_on: bool
) -> None:
    bench = make_bench(ctx, f"ws-{next(COUNT)}")
    bench.acts = {name: after(turns, ACTS[what]) for name, (_, what, turns) in graph.items()}

    async def scene() -> Any:
        work = bench.pipeline(
            bench.machine(),
            "p",
            {name: sources for name, (sources, _, _) in graph.items()},
            continue_on_step_failure=go_on,
        )
        await work.task
        return work.machine.works

    assert asyncio.run(scene()) == {}
    statuses, log = bench.statuses("p"), bench.log
    ideal = expected(graph)
    bad = {name for name, status in ideal.items() if status == "Failed"}
    assert bench.get("p").status == ("Failed" if bad else "Completed")
    if go_on or not bad:
        assert statuses == ideal
    else:
        # Which step fails first is chance; what had not begun by then never does.
        assert bad & {name for name, status in statuses.items() if status == "Failed"}
        assert {s for n, s in statuses.items() if n not in bad} <= {"Completed", "Canceled"}
    for name in statuses:
        if ("start", name) not in log:
            assert statuses[name] == "Canceled"
            continue
        began = log.index(("start", name))
        for source in graph[name][0]:
            assert log.index(("end", source)) < began
            assert statuses[source] == "Completed"


def test_a_step_canceled_by_hand_ends_what_waits_for_it(ctx: Context) -> None:
    bench = make_bench(ctx, f"ws-{next(COUNT)}")

    async def scene() -> None:
        waiting = asyncio.Event()

        async def waits(work: Work) -> Verdict:
            waiting.set()
            await asyncio.sleep(60)
            return Verdict("Completed")

        bench.acts["a"] = waits
        machine = bench.machine()
        pipeline = bench.pipeline(machine, "p", {"a": set(), "b": {"a"}, "c": set()})
        await waiting.wait()
        child = next(w for w in machine.works.values() if w.job.step == "a")
        child.cancel()
        await pipeline.task

    asyncio.run(scene())
    assert bench.statuses("p") == {"a": "Canceled", "c": "Completed"}
    job = bench.get("p")
    assert job.status == "Failed"
    assert "'a'" in (job.error or {})["message"]


@given(st.integers(0, 30))
@settings(max_examples=31, deadline=None)
def test_canceling_a_pipeline_at_any_moment_leaves_nothing_open(ctx: Context, turns: int) -> None:
    bench = make_bench(ctx, f"ws-{next(COUNT)}")
    sources: dict[str, set[str]] = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}}
    bench.acts = {name: after(3, completes) for name in sources}

    async def scene() -> dict[Any, Any]:
        machine = bench.machine()
        pipeline = bench.pipeline(machine, "p", sources)
        for _ in range(turns):
            await asyncio.sleep(0)
        pipeline.cancel()
        await asyncio.wait([pipeline.task])
        while machine.works:  # canceled before its first step, it ends in a second task
            await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others
        return machine.works

    asyncio.run(scene())
    assert bench.get("p").status in ("Canceled", "Completed")
    assert set(bench.statuses("p").values()) <= {"Canceled", "Completed"}
    assert bench.log.count(("start", "a")) == bench.log.count(("end", "a"))
