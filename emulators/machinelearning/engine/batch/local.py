"""The executor on this machine: processes that stay warm, more of them only when it is worth it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulators.kernel import frames
from emulators.kernel.frames import Frame
from emulators.machinelearning.engine.batch.scoring import (
    JobFailed,
    MiniBatch,
    MiniBatchFailed,
    Scored,
)
from emulators.machinelearning.engine.runtime.launch import Outcome, Running

GROW_S = 2.0
"""Work left that makes another process worth its start, which costs about this much."""

BOOT_S = 600.0
GONE_S = 2.0  # a process that hung up has this long to exit
READ_BYTES = 1 << 16
USELESS = 422  # what a worker answers when no other try would do better


@dataclass(frozen=True, slots=True)
class Place:
    """One worker process: which it is, and where it says hello."""

    number: int  # counts every process that was started
    slot: int  # below the most workers: which of the instances' places it takes
    socket: Path


Start = Callable[[Place], Awaitable[Running]]


@dataclass(eq=False)
class _Worker:
    """A process that scores one mini-batch at a time."""

    place: Place
    running: Running
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: frames.FrameReader = field(default_factory=frames.FrameReader)
    waiting: list[Frame] = field(default_factory=list)

    async def ask(self, id_: int, body: bytes) -> Frame | None:
        """Send one request; its answer, None when the process is gone."""
        with contextlib.suppress(OSError):
            self.writer.write(frames.encode(frames.REQUEST, id_, 0, b"", body))
            await self.writer.drain()
            return await self.next()
        return None

    async def next(self) -> Frame | None:
        while not self.waiting:
            data = await self.reader.read(READ_BYTES)
            if not data:
                return None
            self.waiting += self.frames.feed(data)
        return self.waiting.pop(0)

    async def end(self, *, gone: bool = False) -> Outcome:
        """End it with everything it started.

        Args:
            gone: it seems to have ended by itself; how is worth a moment's wait.
        """
        self.writer.close()
        if gone:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self.running.wait(), GONE_S)
        return await self.running.cancel(grace=0)


class LocalExecutor:
    """Mini-batches on processes of this machine. Use as an async context manager."""

    def __init__(
        self, start: Start, *, most: int, sockets: Path, parts: Path, timeout_s: float
    ) -> None:
        """Nothing is started yet.

        Args:
            start: starts one process, which is to connect to the place's socket.
            most: processes at most, >= 1.
            sockets: existing folder with a short path, private to this user.
            parts: existing folder for mini-batches' rows.
            timeout_s: a mini-batch that takes longer has failed, and its process is ended.
        """
        self._start, self._most, self._timeout_s = start, most, timeout_s
        self._socket, self._parts = sockets / "batch.s", parts
        self._width = 1
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._free = list(range(most))
        self._started = 0
        self._greeting: dict[int, asyncio.Future[Any]] = {}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> LocalExecutor:
        self._server = await asyncio.start_unix_server(self._greeted, str(self._socket))
        self._socket.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(worker.end() for worker in list(self._all)))
        if self._server is not None:
            self._server.close()

    @property
    def width(self) -> int:
        """Processes that may run now."""
        return self._width

    @property
    def started(self) -> int:
        """Processes that were started so far."""
        return self._started

    def consider(self, waiting: int, each_s: float) -> None:
        """Allow one more process while what waits would keep it busy."""
        if waiting and self._width < self._most and waiting * each_s / self._width > GROW_S:
            self._width += 1

    async def submit(self, batch: MiniBatch) -> Scored:
        """Score one mini-batch on a process of its own turn.

        Raises:
            MiniBatchFailed: run() raised, was too slow, or its process died.
            JobFailed: the script cannot be loaded, or an input can never be scored.
        """
        worker = self._idle.pop() if self._idle else await self._boot()
        part = self._parts / f"{batch.number}.part"
        body = {"number": batch.number, "files": list(batch.files), "out": str(part)}
        healthy = gone = False
        try:
            frame = await asyncio.wait_for(
                worker.ask(batch.number & 0xFFFFFFFF, json.dumps(body).encode()), self._timeout_s
            )
            healthy, gone = frame is not None, frame is None
        except TimeoutError:
            raise MiniBatchFailed(
                f"run() took longer than the timeout of {self._timeout_s:g} s"
            ) from None
        finally:
            # Whoever did not answer may still be at it: nothing but its end is certain.
            if healthy:
                self._idle.append(worker)
            else:
                outcome = await asyncio.shield(self._drop(worker, gone))
        if frame is None:
            raise MiniBatchFailed(f"The process died with the mini-batch. {outcome.sentence()}")
        return _read(batch, frame, part)

    async def _drop(self, worker: _Worker, gone: bool) -> Outcome:
        self._all.discard(worker)
        self._free.append(worker.place.slot)
        return await worker.end(gone=gone)

    async def _boot(self) -> _Worker:
        """Start a process and wait until its script is ready.

        Raises:
            MiniBatchFailed: something ended it from outside.
            JobFailed: it cannot be made ready.
        """
        slot = min(self._free)
        self._free.remove(slot)
        place = Place(self._started, slot, self._socket)
        self._started += 1
        hello = self._greeting[place.number] = asyncio.get_running_loop().create_future()
        try:
            running = await self._start(place)
            try:
                return await self._met(place, running, hello)
            except BaseException:
                await asyncio.shield(running.cancel(grace=0))
                raise
        except BaseException:
            self._free.append(slot)
            raise
        finally:
            del self._greeting[place.number]

    async def _met(self, place: Place, running: Running, hello: asyncio.Future[Any]) -> _Worker:
        over = asyncio.create_task(running.wait())
        try:
            await asyncio.wait({hello, over}, timeout=BOOT_S, return_when=asyncio.FIRST_COMPLETED)
            if hello.done():
                frame, reader, writer, rest = hello.result()
                if frame.kind == frames.HELLO:
                    worker = _Worker(place, running, reader, writer, rest)
                    self._all.add(worker)
                    return worker
                raise JobFailed(frame.body.decode("utf-8", "replace"))
            if not over.done():
                raise JobFailed(f"The scoring script was not ready within {BOOT_S:g} s.")
            outcome = over.result()
        finally:
            over.cancel()
        why = "\n".join(["Before the script was ready: " + outcome.sentence(), *outcome.last_lines])
        if outcome.reason == "Killed":
            raise MiniBatchFailed(why)
        raise JobFailed(why)

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A process has connected: its first frame says which it is."""
        known = frames.FrameReader()
        try:
            while True:
                data = await reader.read(READ_BYTES)
                if not data:
                    break
                for frame in known.feed(data):
                    hello = self._greeting.get(int(json.loads(frame.head)["worker"]))
                    if hello is not None and not hello.done():
                        hello.set_result((frame, reader, writer, known))
                        return
        except (OSError, ValueError, KeyError, TypeError, frames.BadFrame):
            pass
        writer.close()


def most_workers(asked: int) -> int:
    """How many of the processes that Azure would run fit on this machine's cores."""
    return max(1, min(asked, os.cpu_count() or 1))


def _read(batch: MiniBatch, frame: Frame, part: Path) -> Scored:
    said = json.loads(frame.body)
    if frame.status == USELESS:
        raise JobFailed(str(said["error"]))
    if frame.status != 200:
        raise MiniBatchFailed(str(said["error"]))
    return Scored(batch, int(said["items"]), int(said["rows"]), float(said["seconds"]), part)
