"""Mini-batches through an executor: tried again, counted, given up. Knows no process and no disk.

Source: learn.microsoft.com/azure/machine-learning on batch endpoints' scoring scripts, retry
settings and error threshold; what no page says is marked Assumed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

WAIT_S = 1.0
ERRORS_KEPT = 20


@dataclass(frozen=True, slots=True)
class MiniBatch:
    """Files that one call of run() gets."""

    number: int
    files: tuple[str, ...]  # absolute paths


@dataclass(frozen=True, slots=True)
class Scored:
    """A mini-batch's result. `part` holds its rows and belongs to whoever takes it."""

    batch: MiniBatch
    items: int  # files that count as scored
    rows: int
    seconds: float
    part: Path | None = None  # None: nothing to append


class MiniBatchFailed(Exception):
    """One try failed; another may do better."""


class JobFailed(Exception):
    """The job as a whole cannot go on: init() failed, or an input that can never be scored."""


class TooManyFailures(JobFailed):
    """More files failed than the error threshold allows."""


class Executor(Protocol):
    """Scores mini-batches somewhere."""

    @property
    def width(self) -> int:
        """How many mini-batches it takes at once, now."""
        ...

    def consider(self, waiting: int, each_s: float) -> None:
        """Think about more width.

        Args:
            waiting: mini-batches that have not begun.
            each_s: what one of them takes, as far as is known.
        """
        ...

    async def submit(self, batch: MiniBatch) -> Scored:
        """Score one mini-batch, once.

        Raises:
            MiniBatchFailed: it failed, was too slow, or its process died with it.
            JobFailed: no other try of any mini-batch can succeed.
        """
        ...


class Sink(Protocol):
    """Takes results; each once, whole, one after the other."""

    async def take(self, scored: Scored) -> None:
        """Append a mini-batch's rows."""
        ...


class Watcher(Protocol):
    """Is told what happens, for the logs."""

    def tried(self, batch: MiniBatch, tries: int, why: str) -> None:
        """A try failed; it was the `tries`-th."""
        ...

    def ended(self, batch: MiniBatch, scored: Scored | None, tally: Tally) -> None:
        """A mini-batch is over: scored, or given up."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """When to try again, and when to give up."""

    retries: int = 3  # after the first try
    error_threshold: int = -1  # files that may fail over the whole input; -1: all
    mini_batch_error_threshold: int = -1  # mini-batches that may fail; -1: all


@dataclass
class Tally:
    """What came of the mini-batches so far."""

    mini_batches: int = 0  # in all
    done: int = 0
    failed_batches: int = 0
    files_scored: int = 0
    files_failed: int = 0
    rows: int = 0
    seconds: float = 0.0  # spent in the mini-batches that were scored
    errors: list[str] = field(default_factory=list)  # the first few

    @property
    def over(self) -> int:
        """Mini-batches that are scored or given up."""
        return self.done + self.failed_batches

    def note(self, batch: MiniBatch, scored: Scored | None) -> None:
        """Count a mini-batch that is over."""
        if scored is None:
            self.failed_batches += 1
            self.files_failed += len(batch.files)
            return
        self.done += 1
        self.rows += scored.rows
        self.seconds += scored.seconds
        # Each returned element is the success of one file; files without one have failed.
        self.files_scored += scored.items
        self.files_failed += len(batch.files) - scored.items


def split(files: Sequence[str], size: int) -> list[MiniBatch]:
    """Cut files into mini-batches of at most `size`, in their order."""
    parts = iter(files)
    pieces: Iterator[tuple[str, ...]] = iter(lambda: tuple(islice(parts, size)), ())
    return [MiniBatch(number, piece) for number, piece in enumerate(pieces)]


async def score(
    batches: Iterable[MiniBatch], executor: Executor, sink: Sink, rules: Rules, watcher: Watcher
) -> Tally:
    """Score all mini-batches; each one's rows reach the sink once, or never.

    Cancelling the call ends the work.

    Raises:
        JobFailed: no more than what was taken so far is scored.
    """
    waiting = deque(batches)
    tally = Tally(len(waiting))
    running: dict[asyncio.Task[Scored | None], float] = {}
    loop = asyncio.get_running_loop()
    one = _One(executor, sink, rules, watcher, tally)
    try:
        while waiting or running:
            while waiting and len(running) < executor.width:
                running[asyncio.create_task(one.run(waiting.popleft()))] = loop.time()
            done, _ = await asyncio.wait(
                running, timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                del running[task]
                task.result()
            if 0 <= rules.error_threshold < tally.files_failed:
                raise TooManyFailures(_too_many(tally, rules))
            if 0 <= rules.mini_batch_error_threshold < tally.failed_batches:
                raise TooManyFailures(_too_many_batches(tally, rules))
            longest = max((loop.time() - began for began in running.values()), default=0.0)
            known = tally.seconds / tally.done if tally.done else 0.0
            executor.consider(len(waiting), max(longest, known))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return tally


@dataclass(frozen=True, slots=True)
class _One:
    """What each mini-batch goes through."""

    executor: Executor
    sink: Sink
    rules: Rules
    watcher: Watcher
    tally: Tally

    async def run(self, batch: MiniBatch) -> Scored | None:
        scored = None
        for tries in range(1, 2 + self.rules.retries):
            try:
                scored = await self.executor.submit(batch)
                break
            except MiniBatchFailed as failed:
                self.watcher.tried(batch, tries, str(failed))
                if len(self.tally.errors) < ERRORS_KEPT:
                    self.tally.errors.append(str(failed))
        if scored is not None:
            await self.sink.take(scored)
        self.tally.note(batch, scored)
        self.watcher.ended(batch, scored, self.tally)
        return scored


def _too_many(tally: Tally, rules: Rules) -> str:
    return (
        f"The number of failed files, {tally.files_failed}, exceeds the error threshold"
        f" {rules.error_threshold}.{_first(tally)}"
    )


def _too_many_batches(tally: Tally, rules: Rules) -> str:
    return (
        f"The number of failed mini-batches, {tally.failed_batches}, exceeds the mini-batch error"
        f" threshold {rules.mini_batch_error_threshold}.{_first(tally)}"
    )


def _first(tally: Tally) -> str:
    return f" The first error: {tally.errors[0].strip().splitlines()[-1]}" if tally.errors else ""
