"""Keeps the processes of one job together and ends all of them; knows no job and no environment."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Iterator, NoReturn

GRACE = 3.0  # seconds between TERM and KILL
LINGER = 0.5  # seconds that processes left behind may take to end by themselves
POLL = 0.2  # seconds between two looks at the memory
CHUNK = 1 << 16
SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LINUX = sys.platform.startswith("linux")
_libc: Any = ctypes.CDLL(None) if _LINUX else None


def prctl(option: int, value: int) -> None:
    """Ask the Linux kernel for something of this process; does nothing elsewhere."""
    if _libc is not None:
        _libc.prctl(option, value, 0, 0, 0)


def receive(connection: socket.socket) -> dict[str, Any]:
    """Read one JSON line: the request.

    Raises:
        ValueError: the other side closed first.
    """
    data = b""
    while not data.endswith(b"\n"):
        piece = connection.recv(CHUNK)
        if not piece:
            raise ValueError("no whole request came")
        data += piece
    request: dict[str, Any] = json.loads(data)
    return request


def tell(connection: socket.socket, **event: Any) -> None:
    """Send one JSON line; a server that is gone no longer matters."""
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(event).encode() + b"\n")


def start(request: dict[str, Any], ours: list[int]) -> int:
    """Fork a session of its own that logs to the request's file; returns 0 in it, like fork.

    Args:
        request: what to start.
        ours: descriptors that the new process must not keep.
    """
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        _become(request, parent)
        for descriptor in ours:
            os.close(descriptor)
    except OSError as problem:
        os.write(2, ("%s\n" % problem).encode())
        os._exit(126)
    return 0


def _become(request: dict[str, Any], parent: int) -> None:
    os.setsid()
    prctl(SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(125)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    os.close(log)
    _pin(request.get("cores"))
    os.chdir(request["cwd"])


def _pin(cores: int | None) -> None:
    if not cores or not hasattr(os, "sched_setaffinity"):
        return
    free = sorted(os.sched_getaffinity(0))
    if cores < len(free):
        first = os.getpid() % len(free)
        os.sched_setaffinity(0, {free[(first + i) % len(free)] for i in range(cores)})


def execute(request: dict[str, Any]) -> NoReturn:
    """Turn this process into the request's command."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    argv = request["argv"]
    try:
        os.execvpe(argv[0], argv, request["env"])
    except OSError as problem:
        os.write(2, ("%s: %s\n" % (argv[0], problem.strerror)).encode())
        os._exit(127 if isinstance(problem, FileNotFoundError) else 126)


def processes() -> Iterator[tuple[int, int, int]]:
    """Yield (pid, parent's pid, resident bytes) of every process of this machine."""
    if not _LINUX:
        listed = subprocess.run(
            ["ps", "-axo", "pid=,ppid=,rss="], stdout=subprocess.PIPE, check=False
        )
        for row in listed.stdout.decode().splitlines():
            pid, parent, kilobytes = map(int, row.split())
            yield pid, parent, kilobytes * 1024
        return
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open("/proc/%s/stat" % name, "rb") as stat:
                    fields = stat.read().rpartition(b") ")[2].split()
                if fields[0] != b"Z":
                    yield int(name), int(fields[1]), int(fields[21]) * _PAGE


def descendants() -> dict[int, int]:
    """Return the living processes below this one: pid -> resident bytes."""
    children: dict[int, list[int]] = {}
    resident = {}
    for pid, parent, size in processes():
        children.setdefault(parent, []).append(pid)
        resident[pid] = size
    found: dict[int, int] = {}
    ahead = [os.getpid()]
    while ahead:
        for pid in children.get(ahead.pop(), []):
            if pid not in found:
                found[pid] = resident[pid]
                ahead.append(pid)
    return found


def proportional(pids: list[int]) -> int | None:
    """Add up the bytes of processes with shared pages counted once; None where nobody says."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid, "rb") as rollup:
                sizes = [line.split()[1] for line in rollup if line.startswith(b"Pss:")]
        except OSError:
            return None
        total += sum(map(int, sizes)) * 1024
    return total


class Leash:
    """Watches one started process and everything below it until all of it has ended."""

    def __init__(self, connection: socket.socket, child: int, request: dict[str, Any]) -> None:
        self._connection = connection
        self._child = child
        self._memory: int | None = request.get("memory")  # bytes
        self._began = time.monotonic()
        seconds = request.get("seconds")
        self._deadline = self._began + seconds if seconds else None
        self._reason = "Exited"
        self._kill_at: float | None = None
        self._status: int | None = None
        self._received = b""
        self._alone = False  # the server is gone

    def run(self, wake: int) -> None:
        """Wait for the end, by itself or by order, and say how it came.

        Args:
            wake: descriptor that becomes readable when a child has ended.
        """
        while self._status is None:
            watched = [wake] if self._alone else [wake, self._connection.fileno()]
            ready, _, _ = select.select(watched, [], [], self._patience())
            if self._connection.fileno() in ready:
                self._listen()
            if wake in ready:
                os.read(wake, CHUNK)
            self._reap()
            if self._status is None:
                self._enforce()
        self._clear()
        self._say()

    def _patience(self) -> float | None:
        now = time.monotonic()
        moments = [at for at in (self._deadline, self._kill_at) if at is not None]
        waits = [max(0.0, at - now) for at in moments]
        if self._memory and self._reason == "Exited":
            waits.append(POLL)
        return min(waits, default=None)

    def _listen(self) -> None:
        try:
            piece = self._connection.recv(CHUNK)
        except OSError:
            piece = b""
        if not piece:
            self._alone = True
            self._end("ServerGone", 0.0)
            return
        self._received += piece
        while b"\n" in self._received:
            line, _, self._received = self._received.partition(b"\n")
            order = json.loads(line)
            if order.get("op") == "cancel":
                self._end("Cancelled", float(order.get("grace", GRACE)))

    def _enforce(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None:
            if now >= self._kill_at:
                self._signal(signal.SIGKILL)
                self._kill_at = now + POLL
            return
        if self._deadline is not None and now >= self._deadline:
            self._end("TimedOut", GRACE)
        elif self._memory and self._uses() > self._memory:
            self._end("OutOfMemory", 0.0)

    def _uses(self) -> int:
        sizes = descendants()
        total = sum(sizes.values())
        if self._memory and total > self._memory:
            shared_once = proportional(list(sizes))
            return total if shared_once is None else shared_once
        return total

    def _end(self, reason: str, grace: float) -> None:
        if self._reason == "Exited":
            self._reason = reason
        self._deadline = None
        self._signal(signal.SIGTERM if grace else signal.SIGKILL)
        at = time.monotonic() + (grace or POLL)
        self._kill_at = at if self._kill_at is None else min(at, self._kill_at)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._child, number)
        for pid in descendants():
            with contextlib.suppress(OSError):
                os.kill(pid, number)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid == self._child:
                    self._status = status

    def _clear(self) -> None:
        """End what the main process left behind."""
        began = time.monotonic()
        number = None
        while descendants():
            self._reap_rest()
            late = time.monotonic() - began
            if late > LINGER and number is None and self._reason == "Exited":
                number = signal.SIGTERM
                self._signal(number)
            elif late > 2 * LINGER or self._reason != "Exited":
                self._signal(signal.SIGKILL)
            time.sleep(0.01)
        self._reap_rest()

    def _reap_rest(self) -> None:
        kept = self._status
        self._reap()
        self._status = kept

    def _say(self) -> None:
        status = self._status or 0
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        tell(
            self._connection,
            event="ended",
            reason=self._reason,
            code=os.WEXITSTATUS(status) if number is None else None,
            signal=number,
            seconds=time.monotonic() - self._began,
            oom=self._starved(),
        )

    def _starved(self) -> bool:
        """Tell whether the system has ended a process here for want of memory."""
        return False


def lead(connection: socket.socket, request: dict[str, Any], kind: type[Leash] = Leash) -> bool:
    """Start a session of its own and stay with it until all of it has ended.

    Args:
        connection: where the end is told, and orders come from.
        request: what to start.
        kind: what watches it.

    Returns:
        True in the new process, which goes on from here; False in the leash, at the end.
    """
    wake, ring = os.pipe()
    for end in (wake, ring):
        os.set_blocking(end, False)
    prctl(_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    child = start(request, [connection.fileno(), wake, ring])
    if not child:
        return True
    tell(connection, event="started", pid=child)
    kind(connection, child, request).run(wake)
    return False


def main() -> None:
    """Serve one request on the socket that was inherited as the descriptor in argv[1]."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(connection.fileno(), False)
    request = receive(connection)
    if lead(connection, request):
        execute(request)


if __name__ == "__main__":
    main()
