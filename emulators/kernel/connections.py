"""Every connection the front door holds: how many, waiting for what, and for how long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

SWEEP_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may cost before it is let go. Seconds, bytes, counts."""

    connections: int = 4096
    head_s: float = 15.0  # from the first byte expected to the end of a request's head
    handshake_s: float = 15.0
    keep_alive_s: float = 75.0
    stall_s: float = 120.0  # a body not sent, or an answer not read
    connect_s: float = 20.0  # to reach a tunnelled host
    tunnel_idle_s: float = 3600.0
    drain_s: float = 2.0  # a refused client gets this long to read why
    head_bytes: int = 64 * 1024


class Phase(Protocol):
    """What a connection is doing."""

    def overdue(self, now: float) -> bool:
        """Whether the client kept us waiting too long; `now` is the loop's time in seconds."""
        ...

    def idle(self) -> bool:
        """Whether nothing is lost when the connection is closed now."""
        ...


class Waiting:
    """A phase that ends by a fixed instant: a head, a handshake, a farewell."""

    def __init__(self, until: float, *, idle: bool = True) -> None:
        self._until, self._idle = until, idle

    def overdue(self, now: float) -> bool:
        return now > self._until

    def idle(self) -> bool:
        return self._idle


class Connection:
    """One accepted socket, through all its phases."""

    __slots__ = ("phase", "transport")

    def __init__(self, transport: asyncio.Transport, phase: Phase) -> None:
        self.transport = transport
        self.phase = phase


class Connections:
    """The open connections; lets go of the idle and the overdue, oldest first.

    Past the limit a newcomer is not refused: the connections that have waited longest for their
    client go first, so a flood of slow clients cannot lock the others out.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self._loop = loop
        self._limits = limits
        self._open: dict[Connection, None] = {}
        self._limit = min(limits.connections, _file_limit())
        self._timer = loop.call_later(SWEEP_S, self._sweep)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Count a newcomer in, making room where there is none."""
        if len(self._open) >= self._limit:
            self._make_room()
        self._open[connection] = None

    def drop(self, connection: Connection) -> None:
        """Count a connection out; twice is harmless."""
        self._open.pop(connection, None)

    def abort(self, connection: Connection) -> None:
        """Close at once, unsent bytes included."""
        self.drop(connection)
        connection.transport.abort()

    def close(self) -> None:
        """Let go of everything."""
        self._timer.cancel()
        for connection in list(self._open):
            self.abort(connection)

    def _make_room(self) -> None:
        wanted = max(1, self._limit // 20)  # a batch, so that a flood does not scan every time
        idle = [c for c in self._open if c.phase.idle()] or list(self._open)
        for connection in idle[:wanted]:
            self.abort(connection)

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [c for c in self._open if c.phase.overdue(now)]:
            self.abort(connection)
        self._timer = self._loop.call_later(SWEEP_S, self._sweep)


def _file_limit() -> int:
    """How many sockets fit beside the files we need; raises the soft limit as far as allowed."""
    try:
        import resource
    except ImportError:  # Windows counts no files
        return 1 << 30
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            pass
    return max(64, soft - 512) if soft != resource.RLIM_INFINITY else 1 << 30
