"""Virtual time: an event loop whose clock jumps to the next timer when nothing else is to be done.

Everything that waits by the loop (`asyncio.sleep`, timeouts of libraries) is skipped alike. Work
that really takes time is waited for: threads without bound, sockets until they have been silent
for `patience_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import socket
import stat
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

PATIENCE_S = 1.0
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def _listens(fd: int) -> bool:
    """Whether a descriptor only waits for connections: nothing of ours hangs on it."""
    with contextlib.suppress(OSError):
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return False
        with socket.socket(fileno=os.dup(fd)) as copy:
            return bool(copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return False


class _Skipping(selectors.DefaultSelector):
    """A selector that moves the loop's time forward instead of sleeping."""

    def __init__(self, patience_s: float) -> None:
        super().__init__()
        self.patience_s = patience_s
        self.elapsed_s = 0.0
        self.threads = 0  # calls in threads that have not come back
        self.own: set[int] = set()  # descriptors of the loop itself

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self.threads or timeout is None:
            return super().select(None)
        if self._in_flight() and (events := super().select(self.patience_s)):
            return events
        self.elapsed_s += timeout
        return []

    def _in_flight(self) -> bool:
        fds = [key.fd for key in self.get_map().values() if key.fd not in self.own]
        return any(not _listens(fd) for fd in fds)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._skipping = _Skipping(patience_s)
        super().__init__(self._skipping)
        self._skipping.own = {key.fd for key in self._skipping.get_map().values()}

    def time(self) -> float:
        return self._skipping.elapsed_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        self._skipping.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self._skipping.threads -= 1


class VirtualClock:
    """The clock of a virtual loop."""

    def __init__(self, loop: VirtualLoop, start: datetime = EPOCH) -> None:
        self._loop, self._start = loop, start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time())

    def wall(self) -> datetime:
        return self.now()

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class VirtualTime:
    """A loop in virtual time and its clock, for synchronous callers: `with VirtualTime() as time`.

    Time goes on from one `run` to the next.
    """

    def __init__(self, start: datetime = EPOCH, patience_s: float = PATIENCE_S) -> None:
        self._loop = VirtualLoop(patience_s)
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        self.clock = VirtualClock(self._loop, start)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end; what it left running goes on in the next call."""
        return self._runner.run(work)

    def close(self) -> None:
        """Cancel what is left and close the loop."""
        if not self._loop.is_closed():
            self._runner.run(asyncio.sleep(0))
            self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
