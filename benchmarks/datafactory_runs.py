"""Pipeline runs on disk: 1,000 of ten activities at once, the start of one, against bare asyncio.

The peer does what any runner must: a task for each run, one commit of a row for each activity run
it records, and the same pause; no graph, no expressions, no policy.

python -m benchmarks.datafactory_runs
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulators.datafactory.engine.activities.base import Call, Done, Executor
from emulators.datafactory.engine.definitions import Activity
from emulators.datafactory.engine.runs import manager
from emulators.datafactory.engine.runs.host import default_executor
from emulators.datafactory.store import ACTIVITY_RUNS, FACTORIES, RESOURCES, Factory, Resource
from emulators.kernel.clock import RealClock
from emulators.kernel.context import Context, assemble
from emulators.kernel.settings import Settings
from emulators.kernel.store_sqlite import SqliteStore

RUNS = 1000
STARTS = 100
PAUSE_S = 2
ROUNDS = 3
OWNER = "/subscriptions/s/resourcegroups/g/providers/microsoft.datafactory/factories/f"


def _after(name: str) -> list[dict[str, Any]]:
    return [{"activity": name, "dependencyConditions": ["Succeeded"]}]


def _activity(name: str, kind: str, after: str, **properties: Any) -> dict[str, Any]:
    depends = _after(after) if after else []
    return {"name": name, "type": kind, "dependsOn": depends, "typeProperties": properties}


def pipeline() -> dict[str, Any]:
    """Ten activities: variables, a condition, three calls, a pause, what comes after it."""
    call = {"url": "@concat('https://x/', pipeline().parameters.n)", "method": "GET"}
    inner = [_activity("Inner", "WebActivity", "", **call)]
    return {
        "parameters": {"n": {"type": "int", "defaultValue": 1}},
        "variables": {"x": {"type": "String"}, "l": {"type": "Array"}},
        "activities": [
            _activity(
                "A", "SetVariable", "", variableName="x", value="n@{pipeline().parameters.n}"
            ),
            _activity("B", "WebActivity", "A", **call),
            _activity(
                "C", "AppendVariable", "B", variableName="l", value="@activity('B').output.id"
            ),
            _activity("D", "Wait", "C", waitTimeInSeconds=PAUSE_S),
            _activity("E", "WebActivity", "D", **call),
            _activity("F", "Filter", "D", items="@range(0,4)", condition="@greater(item(),1)"),
            _activity(
                "G",
                "IfCondition",
                "E",
                expression="@equals(activity('E').output.id, 7)",
                ifTrueActivities=inner,
            ),
            _activity("H", "SetVariable", "G", variableName="x", value="@string(variables('l'))"),
            _activity("I", "AppendVariable", "H", variableName="l", value="@variables('x')"),
        ],
    }


async def _answer(call: Call) -> Done:
    return Done({"id": 7}, {"url": call.value("url")})


def _executor_of(activity: Activity, pipeline: str) -> Executor | None:
    return _answer if activity.kind == "webactivity" else default_executor(activity)


def _context(folder: Path) -> Context:
    settings = Settings(state=folder, cache_dir=folder / "cache")
    ctx = assemble(settings, folder, SqliteStore(folder / "rehearsal.db"), RealClock())
    now = ctx.clock.now()
    ctx.store.put(FACTORIES, Factory(OWNER, "factory", "f", "eastus", {}, None, {}, now, "e"))
    ctx.store.put(RESOURCES, Resource(OWNER, "pipelines", "p", "p", pipeline(), "e", now))
    return ctx


async def _many(ctx: Context) -> tuple[int, list[float]]:
    """Activity runs recorded by RUNS runs, and the seconds until each start was acknowledged."""
    made, starts = [], []
    async with manager.started(ctx, _executor_of):
        for n in range(RUNS):
            began = time.perf_counter()
            made.append(await _start(ctx, n))
            starts.append(time.perf_counter() - began)
        ended = await asyncio.gather(*(manager.wait_for(ctx, run, OWNER) for run in made))
    assert all(run.status == "Succeeded" for run in ended), ended[0].message
    return sum(1 for run in made for _ in ctx.store.scan(ACTIVITY_RUNS, run)), starts


async def _start(ctx: Context, n: int) -> str:
    by = {"id": "", "name": "Manual", "invokedByType": "Manual"}
    run = await manager.create_run(ctx, OWNER, "p", {"n": n}, invoked_by=by)
    return run.id


async def _one_at_a_time(ctx: Context) -> list[float]:
    """Seconds from the asking for a run to the start of its first activity, on a quiet host."""
    seconds = []
    async with manager.started(ctx, _executor_of):
        for n in range(STARTS):
            began = time.perf_counter()
            run = await _start(ctx, n)
            while not list(ctx.store.scan(ACTIVITY_RUNS, run)):
                await asyncio.sleep(0)
            seconds.append(time.perf_counter() - began)
            await manager.cancel(ctx, OWNER, run, False)
    return seconds


def _bare(folder: Path, rows: int) -> Callable[[], Coroutine[Any, Any, None]]:
    """The peer's work: RUNS tasks that commit `rows` rows among them, with the same pause."""
    db = sqlite3.connect(folder / "bare.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
    body, each = b"x" * 700, rows // RUNS

    async def task(number: int) -> None:
        for n in range(each):
            if n == each // 2:
                await asyncio.sleep(PAUSE_S)
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT OR REPLACE INTO rows VALUES (?,?)", (f"{number}/{n}", body))
            db.execute("COMMIT")
            await asyncio.sleep(0)

    async def whole() -> None:
        await asyncio.gather(*(task(n) for n in range(RUNS)))

    return whole


def _cpu(work: Callable[..., Coroutine[Any, Any, Any]], *given: Any) -> tuple[float, float, Any]:
    """CPU seconds, seconds, and the result of a coroutine in a loop of its own."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = asyncio.run(work(*given))
    return time.process_time() - cpu, time.perf_counter() - wall, result


def main() -> None:
    """Measure, interleaved, and print one table."""
    ours, peers, walls, bare_walls, starts, first = [], [], [], [], [], []
    rows = 0
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(ROUNDS):
            folder = Path(temporary) / str(number)
            folder.mkdir()
            ctx = _context(folder)
            cpu, wall, (rows, acknowledged) = _cpu(_many, ctx)
            ours.append(cpu / rows)
            walls.append(wall)
            starts += acknowledged
            first += asyncio.run(_one_at_a_time(ctx))
            peer = _bare(folder, rows)
            cpu, wall, _ = _cpu(peer)
            peers.append(cpu / rows)
            bare_walls.append(wall)
            with suppress(AttributeError):
                ctx.store.close()  # type: ignore[attr-defined]
    mean = statistics.median
    times = mean(ours) / mean(peers)
    print("| what | this | bare asyncio and SQLite | ratio |")
    print("| --- | --- | --- | --- |")
    print(
        f"| {RUNS:,} runs of 10 activities at once ({rows:,} activity runs), CPU each |"
        f" {mean(ours) * 1e3:.2f} ms | {mean(peers) * 1e3:.2f} ms | {times:.1f} |"
    )
    print(
        f"| the same, whole time, {PAUSE_S} s of it a pause | {mean(walls):.1f} s |"
        f" {mean(bare_walls):.1f} s | {mean(walls) / mean(bare_walls):.1f} |"
    )
    print(f"| a run acknowledged as durable, among the others | {mean(starts) * 1e3:.2f} ms | | |")
    print(f"| a run's first activity recorded, on a quiet host | {mean(first) * 1e3:.2f} ms | | |")


if __name__ == "__main__":
    main()
