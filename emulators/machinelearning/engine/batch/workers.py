"""One job's mini-batches on this machine: the processes that score them, and their short paths."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from emulators.machinelearning.engine.batch.cluster import DaskExecutor
from emulators.machinelearning.engine.batch.content import WORKER
from emulators.machinelearning.engine.batch.local import LocalExecutor, Place, most_workers
from emulators.machinelearning.engine.batch.output import AppendRows, Nothing
from emulators.machinelearning.engine.batch.scoring import Rules, Tally, score, split
from emulators.machinelearning.engine.batch.settings import Settings
from emulators.machinelearning.engine.batch.told import USER, Told
from emulators.machinelearning.engine.endpoints.contents import PROGRAM
from emulators.machinelearning.engine.endpoints.scratch import Scratch
from emulators.machinelearning.engine.jobs.machine import Work
from emulators.machinelearning.engine.runtime.definition import Prepared
from emulators.machinelearning.engine.runtime.launch import Launch, Limits, Mount, Running

Elsewhere = Callable[[Path], DaskExecutor]
"""Makes the executor of a cluster; gets the folder for mini-batches' rows, runs in a thread."""


@dataclass(frozen=True, slots=True)
class Workers:
    """What the processes of one job are started with."""

    python: Prepared
    words: tuple[str, ...]  # after the worker's program: what it loads
    env: dict[str, str]
    asked: frozenset[str]  # names of the variables that the user gave
    mounts: tuple[Mount, ...]  # besides the job's own folder
    imports: Path | None  # folder whose imports a warm runner may have made


@dataclass(frozen=True, slots=True)
class _Starter:
    """Starts the processes of one job."""

    work: Work
    settings: Settings
    workers: Workers

    async def __call__(self, place: Place) -> Running:
        """Start the process of a place.

        Raises:
            NotStarted: the machine cannot start another.
        """
        folder, want, content = self.work.folder, self.settings, self.workers
        node = f"10.0.0.{4 + place.slot // want.concurrency}"
        process = f"{node}/process{place.number:03}"
        words = [
            *(str(content.python.python), str(WORKER), *content.words),
            *("--root", str(folder.work), "--socket", str(place.socket)),
            *("--worker", str(place.number), "--process", process),
            *("--logs", str(folder.log(USER)), "--level", want.level),
        ]
        if not want.append:
            words.append("--summary")
        log = folder.log(f"{USER}/stderr/{process}.stderr.txt")
        log.parent.mkdir(parents=True, exist_ok=True)
        own = (Mount(folder.root, writable=True), Mount(place.socket.parent))
        launch = Launch(
            *(words, folder.work, content.env, log, Limits()),
            mounts=(*PROGRAM, *own, *content.mounts),
            asked=content.asked,
        )
        runtimes = self.work.machine.runtimes
        return await runtimes.start(content.python, launch, warm_imports_from=content.imports)


@dataclass(frozen=True, slots=True)
class Task:
    """Files to be scored, and how."""

    files: list[str]
    settings: Settings
    rules: Rules
    target: Path | None  # file that rows are appended to; None: the script writes its own files
    elsewhere: Elsewhere | None = None  # makes another executor than this machine's


async def carry_out(
    work: Work, task: Task, make: Callable[[Path], Workers], told: Told
) -> tuple[Tally, int]:
    """Score all files; the target is there afterwards, whole, or not at all.

    Args:
        work: the job.
        task: what is to be done.
        make: says what the processes are started with; may put links into a folder with a short
            path, and runs in a thread.
        told: writes the logs.

    Returns:
        What came of it, and how many processes were started.

    Raises:
        JobFailed: it cannot go on.
    """
    batches = split(task.files, task.settings.mini_batch_size)
    most = min(most_workers(task.settings.workers), len(batches))
    told.begin(len(task.files), len(batches), 0 if task.elsewhere else most)
    parts = work.folder.root / "parts"
    parts.mkdir(exist_ok=True)
    sink = AppendRows(task.target) if task.target is not None else Nothing()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, parts, ignore_errors=True)
        if isinstance(sink, AppendRows):
            stack.callback(sink.discard)
        shown = Scratch(work.ctx.state).new()
        stack.callback(shutil.rmtree, shown, ignore_errors=True)
        executor: LocalExecutor | DaskExecutor
        if task.elsewhere is not None:
            executor = await asyncio.to_thread(task.elsewhere, parts)
        else:
            start = _Starter(work, task.settings, await asyncio.to_thread(make, shown))
            executor = LocalExecutor(
                start, most=most, sockets=shown, parts=parts, timeout_s=task.settings.timeout_s
            )
        async with executor:
            tally = await score(batches, executor, sink, task.rules, told)
        if isinstance(sink, AppendRows):
            sink.close()
    return tally, executor.started
