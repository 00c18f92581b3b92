"""The process ends after any one commit: from there, every occasion has fired once in the end."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emulators.kernel.store import Key
from emulators.kernel.store_memory import MemoryStore
from emulators.storage.store import BLOBS
from tests.emulators.datafactory.test_wire_triggers import (
    EVERY_QUARTER,
    listening,
    windows,
    write,
)
from tests.emulators.datafactory.triggering import START, Plant, played

EVERY = 4  # of the commits, in `make test`
Tables = dict[str, dict[Key, bytes]]


class Recording(MemoryStore):
    """Keeps what was stored after each commit."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Tables] = []
        self.on = False

    def _set(self, table: Any, key: Key, document: bytes | None) -> None:
        super()._set(table, key, document)
        if not self._depth:
            self._keep()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            yield
        if not self._depth:
            self._keep()

    def _keep(self) -> None:
        if self.on:
            self.commits.append({name: dict(rows) for name, rows in self._tables.items()})


def at(commit: Tables) -> MemoryStore:
    """A store as it was after a commit."""
    store = MemoryStore()
    store._tables = {name: dict(rows) for name, rows in commit.items()}
    return store


def recorded(folder: Path) -> list[Tables]:
    """All that is committed while windows are made up for, a schedule fires and blobs come."""
    store = Recording()

    async def play(plant: Plant) -> None:
        await listening(plant)
        given = {"a": "@trigger().outputs.windowStartTime"}
        await plant.trigger("w", "TumblingWindowTrigger", "p", given, **windows())
        await plant.trigger("t", "ScheduleTrigger", recurrence=EVERY_QUARTER)
        store.on = True
        await plant.start("w")
        await plant.start("t")
        await write(plant, "/in/one.csv")
        await plant.pass_s(61)
        await write(plant, "/in/two.csv")
        for _ in range(3):
            await plant.pass_s(61)
        store.on = False

    played(folder, play, store)
    return store.commits


async def check(plant: Plant, started: set[str]) -> None:
    """Let everything end, and hold it against what must have happened."""
    for _ in range(8):
        await plant.pass_s(61)
    fired = {name: await plant.runs(name) for name in ("w", "t", "e")}
    every = [run for runs in fired.values() for run in runs]
    runs = await plant.pipeline_runs()
    assert {run["status"] for run in every} <= {"Succeeded"}
    by_firing = Counter(run["invokedBy"]["id"] for run in runs)
    assert by_firing == Counter(run["triggerRunId"] for run in every)
    assert {run["status"] for run in runs} <= {"Succeeded"}
    if "w" in started:
        given = Counter(run["properties"]["windowStartTime"][:13] for run in fired["w"])
        assert given == Counter(f"2025-12-31T{hour}" for hour in (20, 21, 22, 23))
    times = Counter(run["properties"]["ScheduleTime"] for run in fired["t"])
    assert set(times.values()) <= {1}
    blobs = {blob.name for blob in plant.ctx.store.scan(BLOBS) if blob.name.startswith("in/")}
    taken = Counter(f"in/{run['properties']['FileName']}" for run in fired["e"])
    assert taken == Counter(blobs)


def crash_everywhere(tmp_path: Path, step: int) -> None:
    commits = recorded(tmp_path / "first")
    assert len(commits) > 40
    for number in range(0, len(commits), step):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "first", folder)
        states = commits[number].get("datafactory_trigger_states", {})
        started = {key[1] for key, document in states.items() if b'"Started"' in document}

        async def play(plant: Plant, started: set[str] = started) -> None:
            await check(plant, started)

        played(folder, play, at(commits[number]), START + timedelta(minutes=20))
        shutil.rmtree(folder)


def test_the_process_ends_after_some_commits(tmp_path: Path) -> None:
    crash_everywhere(tmp_path, EVERY)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_process_ends_after_any_commit(tmp_path: Path) -> None:
    crash_everywhere(tmp_path, 1)
