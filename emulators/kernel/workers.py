"""A pool of worker processes reached by frames over a Unix socket; knows nothing of their work."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import stat
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from emulators.kernel import frames
from emulators.kernel.frames import Frame

LOG_LIMIT_BYTES = 64 << 20
LOG_KEPT_BYTES = 8 << 20
SUPERVISE_S = 1.0
RESTART_FIRST_S, RESTART_LAST_S = 0.1, 5.0
TAIL_BYTES = 2000
HOPELESS_BOOTS = 3  # failed in a row: no request waits for that worker any more
EXIT_S = 1.0  # an idle process that is not wanted any more has this long
UNLINKED_S = 1.0  # a process that hung up has this long to exit

_NUMBERS = itertools.count()


class WorkerFailed(Exception):
    """A worker could not start, or went away with the request it was working on."""


class PoolStopped(WorkerFailed):
    """The pool takes no more work."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a worker; `headers` in the order they came, names in any case."""

    method: str
    target: str  # path and query, percent-encoded
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    def head(self) -> bytes:
        """Encode for a frame; line ends inside a value cannot make further headers."""
        lines = [f"{self.method} {self.target}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        clean = [line.replace("\r", " ").replace("\n", " ") for line in lines]
        return "\n".join(clean).encode("latin-1", "replace")


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; `head` is header lines as HTTP/1.1 writes them, without a content length."""

    status: int
    head: bytes
    body: bytes

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        return [(name, value.strip()) for name, _, value in pairs]


Answer = Callable[[Frame | None], None]  # None: the worker died with it, or the pool stopped


@dataclass(slots=True)
class _Task:
    id: int
    head: bytes
    body: bytes
    answer: Answer
    tries: int = 0


@dataclass(slots=True)
class _Worker:
    """One place for a process; processes in it come and go."""

    number: int
    process: asyncio.subprocess.Process | None = None
    link: _Link | None = None
    tasks: dict[int, _Task] = field(default_factory=dict)  # in the order they were sent
    window: int = 1  # requests it may hold; set by its hello
    ready: bool = False
    since: float = 0.0  # loop time when the oldest of `tasks` became the oldest
    reason: str = ""
    served: bool = False  # the process in it has said hello
    told: str = ""  # why it could not, in its own words
    failed_boots: int = 0  # in a row


class _Link(asyncio.Protocol):
    """The server's end of one worker's connection."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._reader = frames.FrameReader()
        self._worker: _Worker | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            received = self._reader.feed(data)
        except frames.BadFrame:
            self.close()
            return
        for frame in received:
            if self._worker is not None and frame.kind == frames.RESPONSE:
                self._pool._answered(self._worker, frame)
            elif frame.kind in (frames.HELLO, frames.FAILED):
                self._worker = self._pool._introduced(self, frame)

    def connection_lost(self, error: Exception | None) -> None:
        if self._worker is not None:
            self._pool._disconnected(self._worker, self)

    def send(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class WorkerPool:
    """Start, feed, watch, restart and stop `count` processes of one command.

    The command gets `--socket PATH --worker N` added at its end. Each process connects to that
    Unix socket and says hello when it can serve: a HELLO frame whose head is a JSON object with
    `worker` (N) and `window` (how many requests it wants to hold). A process that cannot serve
    says FAILED with the reason as body, then exits. Requests are answered in any order, but a
    worker begins them in the order they were sent.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        count: int,
        log: Path,
        sockets: Path,
    ) -> None:
        """Describe the pool; nothing is started.

        Args:
            command: program and arguments.
            env: the whole environment of the processes.
            cwd: their working directory.
            count: how many processes, >= 1.
            log: file their output is appended to; cut when it passes 64 MiB.
            sockets: an existing folder, private to this user, with a short path.
        """
        self._command, self._env, self._cwd, self._log = list(command), dict(env), cwd, log
        self.kill_after_s: float | None = None  # a worker that holds one request longer is killed
        self._socket = sockets / f"w{os.getpid()}-{next(_NUMBERS)}.s"
        if len(os.fsencode(self._socket)) >= 100:
            raise ValueError(f"the path {self._socket} is too long for a Unix socket")
        self._workers = [_Worker(number) for number in range(count)]
        self._waiting: deque[_Task] = deque()
        self._last_id = 0
        self._server: asyncio.Server | None = None
        self._guards: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.info: dict[str, object] = {}

    @property
    def in_flight(self) -> int:
        """Requests accepted and not answered."""
        return len(self._waiting) + sum(len(worker.tasks) for worker in self._workers)

    @property
    def healthy(self) -> bool:
        """True when at least one worker can take a request."""
        return not self._stopping and any(worker.ready for worker in self._workers)

    @property
    def reason(self) -> str:
        """Why the last process that failed did so; empty when none did."""
        return next((w.reason for w in self._workers if w.reason), "")

    @property
    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        live = (w.process for w in self._workers)
        return [p.pid for p in live if p is not None and p.returncode is None]

    async def start(self, timeout_s: float) -> None:
        """Start all processes and wait until each has said hello.

        Raises:
            WorkerFailed: one could not, or not in time; nothing is left running.
        """
        self._loop = asyncio.get_running_loop()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        self._server = await self._loop.create_unix_server(
            lambda: _Link(self), path=str(self._socket), backlog=128
        )
        self._socket.chmod(0o600)
        self._guards = [asyncio.create_task(self._guard(worker)) for worker in self._workers]
        self._guards.append(asyncio.create_task(self._supervise()))
        try:
            await asyncio.wait_for(self._started(), timeout_s)
        except TimeoutError:
            await self.stop(grace_s=0)
            raise WorkerFailed(f"not ready within {timeout_s:g} s") from None
        except BaseException:
            await self.stop(grace_s=0)
            raise

    async def _started(self) -> None:
        while not all(worker.ready for worker in self._workers):
            for worker in self._workers:
                if worker.failed_boots:
                    raise WorkerFailed(worker.reason)
            self._changed.clear()
            await self._changed.wait()

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take no more work, wait for what is in flight, end every process and its children."""
        self._stopping = True
        if grace_s and self._loop is not None:
            end = self._loop.time() + grace_s
            while any(w.tasks for w in self._workers) and self._loop.time() < end:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.1)
        for guard in self._guards:
            guard.cancel()
        await asyncio.gather(*self._guards, return_exceptions=True)
        await asyncio.gather(*(self._end(worker, grace_s) for worker in self._workers))
        self._give_up()
        if self._server is not None:
            self._server.close()
        self._socket.unlink(missing_ok=True)

    def submit(self, head: bytes, body: bytes, answer: Answer) -> int:
        """Queue one request; `answer` is called once, later, with its frame or None.

        Raises:
            PoolStopped: the pool is stopping.
            WorkerFailed: every worker has failed to start again, several times in a row.
            BadFrame: the request is too large for a frame.
        """
        if self._stopping:
            raise PoolStopped("the deployment is stopping")
        if self._hopeless():
            raise WorkerFailed(self.reason)
        if len(body) > frames.MAX_BODY_BYTES or len(head) > frames.MAX_HEAD_BYTES:
            raise frames.BadFrame("the request is too large")
        self._last_id = id_ = (self._last_id + 1) & 0xFFFFFFFF
        task = _Task(id_, head, body, answer)
        worker = self._free()
        if worker is None:
            self._waiting.append(task)
        else:
            self._send(worker, task)
        return id_

    def cancel(self, id_: int) -> None:
        """Forget a request: unsent, it is not sent; sent, its answer is dropped."""
        for task in self._waiting:
            if task.id == id_:
                self._waiting.remove(task)
                return
        for worker in self._workers:
            if id_ in worker.tasks:
                worker.tasks[id_].answer = _drop
                return

    async def call(self, request: Request) -> Response:
        """Send one request and await its answer; cancelling gives it up.

        Raises:
            WorkerFailed: the worker died with it, the pool stopped, or no worker starts.
            BadFrame: the request is too large for a frame.
        """
        future: asyncio.Future[Frame | None] = asyncio.get_running_loop().create_future()

        def answer(frame: Frame | None) -> None:
            if not future.done():
                future.set_result(frame)

        id_ = self.submit(request.head(), request.body, answer)
        try:
            frame = await future
        except asyncio.CancelledError:
            self.cancel(id_)
            raise
        if frame is None:
            raise WorkerFailed(self.reason or "the worker process died")
        return Response(frame.status, frame.head, frame.body)

    def _free(self) -> _Worker | None:
        """The worker with the fewest requests that may hold one more."""
        best, fewest = None, 1 << 30
        for worker in self._workers:
            held = len(worker.tasks)
            if worker.ready and held < worker.window and held < fewest:
                best, fewest = worker, held
        return best

    def _send(self, worker: _Worker, task: _Task) -> None:
        if not worker.tasks:
            worker.since = self._now()
        worker.tasks[task.id] = task
        task.tries += 1
        link = worker.link
        assert link is not None
        link.send(frames.encode(frames.REQUEST, task.id, 0, task.head, task.body))

    def _now(self) -> float:
        return self._loop.time() if self._loop is not None else 0.0

    def _answered(self, worker: _Worker, frame: Frame) -> None:
        task = worker.tasks.pop(frame.id, None)
        if task is None:
            return
        worker.since = self._now()
        if self._waiting:
            self._send(worker, self._waiting.popleft())
        elif self._stopping:
            self._changed.set()
        task.answer(frame)

    def _introduced(self, link: _Link, frame: Frame) -> _Worker | None:
        try:
            hello = json.loads(frame.head)
            worker = self._workers[int(hello["worker"])]
        except (ValueError, KeyError, IndexError, TypeError):
            link.close()
            return None
        worker.link = link
        if frame.kind == frames.FAILED:
            worker.told = frame.body.decode("utf-8", "replace")
            return worker
        window = int(hello.get("window", 1))
        # Several workers share the work best when none holds much that another could begin.
        worker.window = window if hello.get("merges") or len(self._workers) == 1 else min(window, 2)
        worker.ready = worker.served = True
        worker.failed_boots, worker.reason = 0, ""
        self.info = hello
        while self._waiting and len(worker.tasks) < worker.window:
            self._send(worker, self._waiting.popleft())
        self._changed.set()
        return worker

    def _disconnected(self, worker: _Worker, link: _Link) -> None:
        """Its guard answers what it held once the process is gone: then the reason is known."""
        if worker.link is link:
            worker.link, worker.ready = None, False
            process = worker.process
            if process is not None and self._loop is not None:
                self._loop.call_later(UNLINKED_S, self._kill_same, worker, process)

    def _give_back(self, worker: _Worker) -> None:
        """After a death: the oldest request failed with it; the others had not begun."""
        lost = list(worker.tasks.values())
        worker.tasks.clear()
        for task in reversed(lost[1:]):
            if task.tries < 3 and not self._stopping:
                self._waiting.appendleft(task)
            else:
                task.answer(None)
        if lost:
            lost[0].answer(None)
        while self._waiting and (free := self._free()) is not None:
            self._send(free, self._waiting.popleft())

    async def _guard(self, worker: _Worker) -> None:
        """Keep one process running in this place."""
        delay_s = RESTART_FIRST_S
        while True:
            worker.served, worker.told = False, ""
            try:
                died = _obituary(await self._run(worker))
            except OSError as error:
                died = f"cannot start {self._command[0]}: {error}"
            self._kill_group(worker)
            worker.ready = False
            if worker.served:
                worker.reason = f"the worker process {died}"
                delay_s = RESTART_FIRST_S
            else:
                worker.failed_boots += 1
                worker.reason = worker.told or f"{died} before it was ready\n{_tail(self._log)}"
            self._give_back(worker)
            if self._hopeless():
                self._give_up()
            self._changed.set()
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RESTART_LAST_S)

    def _hopeless(self) -> bool:
        return all(w.failed_boots >= HOPELESS_BOOTS and not w.ready for w in self._workers)

    def _give_up(self) -> None:
        """Answer what waits with None."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for task in waiting:
            task.answer(None)

    async def _run(self, worker: _Worker) -> int:
        place = ["--socket", str(self._socket), "--worker", str(worker.number)]
        with self._log.open("ab") as log:
            worker.process = await asyncio.create_subprocess_exec(
                *self._command,
                *place,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )
        return await worker.process.wait()

    async def _end(self, worker: _Worker, grace_s: float) -> None:
        """End the process in this place, and what it started; answer what it held.

        Its connection is closed first: an idle process then exits by itself, its output flushed.
        """
        if worker.link is not None:
            worker.link.close()
        process = worker.process
        if process is not None and process.returncode is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), min(grace_s, EXIT_S))
            self._kill_group(worker)
            await process.wait()
        worker.ready = False
        self._give_back(worker)

    def _kill_same(self, worker: _Worker, process: asyncio.subprocess.Process) -> None:
        if worker.process is process and process.returncode is None:
            self._kill_group(worker)

    @staticmethod
    def _kill_group(worker: _Worker) -> None:
        if worker.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.process.pid, signal.SIGKILL)

    async def _supervise(self) -> None:
        """Kill workers that hold one request for too long; keep the log file bounded."""
        while True:
            await asyncio.sleep(SUPERVISE_S)
            limit_s = self.kill_after_s
            for worker in self._workers:
                if limit_s and worker.tasks and self._now() - worker.since > limit_s:
                    self._kill_group(worker)
            _cut(self._log)


def _drop(frame: Frame | None) -> None:
    """The caller has gone."""


def _obituary(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"


def _tail(log: Path) -> str:
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        return file.read().decode("utf-8", "replace")
    return ""


def _cut(log: Path) -> None:
    """Halve a log that grew too large: its end is kept beside it, as NAME.1.

    The processes append (O_APPEND), so a cut file goes on from its new end.
    """
    with contextlib.suppress(OSError):
        known = log.lstat()  # not through a link: that file may be somebody else's
        if stat.S_ISREG(known.st_mode) and (size := known.st_size) > LOG_LIMIT_BYTES:
            with log.open("rb") as file:
                file.seek(size - LOG_KEPT_BYTES)
                log.with_name(log.name + ".1").write_bytes(file.read())
            os.truncate(log, 0)
