"""Processes on a leash: started, watched and ended as a whole; knows no environment and no job."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emulators.machinelearning.engine.runtime.launch import Launch, Outcome, Reason

LEASH = Path(__file__).parent / "inside" / "leash.py"
LAST_LINES = 20
LONGEST = 1 << 20  # bytes of one message from a leash or a warm runner
_TAIL = 64 * 1024  # bytes read from the end of a log for its last lines
_SHELL_SIGNALS = range(128 + 1, 128 + 65)  # how a shell reports that a signal ended a program


class NotStarted(Exception):
    """The process could not be started; nothing of it is left."""


class LeashedProcess:
    """One started process, seen through the connection to its leash."""

    def __init__(self, stream: Stream, launch: Launch, *, warm: bool) -> None:
        self._stream = stream
        self._launch = launch
        self._warm = warm
        self._pid = 0
        self._began = asyncio.get_running_loop().time()
        self._offset = _size(launch.log)
        self._end: asyncio.Task[Outcome] | None = None

    @property
    def pid(self) -> int:
        """Its process id; also its session's and its group's."""
        return self._pid

    @property
    def warm(self) -> bool:
        """Whether it was forked by a warm runner."""
        return self._warm

    async def begin(self, timeout: float) -> LeashedProcess:
        """Wait for its leash to say that it runs.

        Raises:
            NotStarted: no such word came within `timeout` seconds.
        """
        try:
            event = await asyncio.wait_for(self._stream.receive(), timeout)
        except TimeoutError:
            event = None
        except BaseException:
            self._stream.close()  # at which its leash ends it
            raise
        if event is None or event.get("event") != "started":
            self._stream.close()
            raise NotStarted(str((event or {}).get("detail", "its leash did not answer")))
        self._pid = event["pid"]
        self._end = asyncio.create_task(self._ended(), name=f"process {self._pid}")
        return self

    def on_end(self, call: Callable[[LeashedProcess], object]) -> None:
        """Have `call` called with this process when it has ended."""
        assert self._end is not None, "begin() comes first"
        self._end.add_done_callback(lambda _: call(self))

    async def wait(self) -> Outcome:
        """Wait for it and everything it started to end."""
        assert self._end is not None, "begin() comes first"
        return await asyncio.shield(self._end)

    async def cancel(self, grace: float = 3.0) -> Outcome:
        """End it and everything it started: TERM, and KILL after `grace` seconds."""
        await self._stream.send({"op": "cancel", "grace": grace})
        return await self.wait()

    async def _ended(self) -> Outcome:
        event = await self._stream.receive() or {"reason": "Lost"}
        self._stream.close()
        seconds = event.get("seconds", asyncio.get_running_loop().time() - self._began)
        lines = await asyncio.to_thread(last_lines, self._launch.log, self._offset)
        return _outcome(event, seconds, lines)


def _outcome(event: dict[str, Any], seconds: float, lines: tuple[str, ...]) -> Outcome:
    code, number = event.get("code"), event.get("signal")
    if number is None and code is not None and code in _SHELL_SIGNALS:
        number = code - 128
    reason: Reason = event["reason"]
    if event["reason"] == "Exited":
        reason = "Completed" if code == 0 else "Failed"
        if number == signal.SIGKILL or code is None:
            reason = "Killed"
        if reason != "Completed" and event.get("oom"):
            reason = "OutOfMemory"
    elif event["reason"] == "ServerGone":
        reason = "Lost"
    return Outcome(reason, code, number, seconds, lines)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def last_lines(log: Path, offset: int = 0) -> tuple[str, ...]:
    """Return the last lines of a log, read from its end only.

    Args:
        log: the file.
        offset: bytes at its beginning that are somebody else's.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(offset, size - _TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(text.splitlines()[-LAST_LINES:])


class Stream:
    """JSON lines over one end of a socket pair; the other end belongs to a leash."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def pair(cls) -> tuple[Stream, socket.socket]:
        """Make a pair: our end, and theirs to hand over and close."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        return cls(*await asyncio.open_connection(sock=ours, limit=LONGEST)), theirs

    @classmethod
    async def pair_and_control(cls) -> tuple[Stream, socket.socket, socket.socket]:
        """Make a pair, with a second socket object on our end that outlives the stream."""
        ours, theirs = socket.socketpair()
        control = ours.dup()
        ours.setblocking(False)
        return cls(*await asyncio.open_connection(sock=ours, limit=LONGEST)), theirs, control

    async def send(self, message: dict[str, Any]) -> None:
        """Send one line; a leash that is gone has said so already."""
        if self._writer.is_closing():
            return
        with contextlib.suppress(OSError):
            self._writer.write(json.dumps(message).encode() + b"\n")
            await self._writer.drain()

    async def receive(self) -> dict[str, Any] | None:
        """Wait for one line; None when the other end is closed."""
        try:
            line = await self._reader.readuntil(b"\n")
        except (OSError, asyncio.IncompleteReadError):
            return None
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """Close our end; a leash that still holds a process ends it."""
        self._writer.close()


def request_of(launch: Launch, env: dict[str, str]) -> dict[str, Any]:
    """Write down a launch for a leash."""
    command = launch.command
    return {
        "argv": ["bash", "-c", command] if isinstance(command, str) else list(command),
        "cwd": str(launch.cwd),
        "env": env,
        "log": str(launch.log),
        "memory": launch.limits.memory,
        "seconds": launch.limits.seconds,
        "cores": launch.limits.cores,
    }


async def start_cold(launch: Launch, env: dict[str, str]) -> LeashedProcess:
    """Start a command from nothing, on a leash of its own.

    Raises:
        NotStarted: the machine has no room for another process.
    """
    stream, theirs = await Stream.pair()
    process = LeashedProcess(stream, launch, warm=False)
    with theirs:
        try:
            leash = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(LEASH), str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as problem:
            stream.close()
            raise NotStarted(str(problem)) from None
        except BaseException:
            stream.close()
            raise
    reaper = asyncio.create_task(leash.wait(), name=f"leash {leash.pid}")
    _REAPERS.add(reaper)
    reaper.add_done_callback(_REAPERS.discard)
    try:
        await stream.send(request_of(launch, env))
    except BaseException:
        stream.close()
        raise
    return await process.begin(timeout=60)


_REAPERS: set[asyncio.Task[int]] = set()
