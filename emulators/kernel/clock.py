"""The only reader of time: real, scaled or virtual."""

from __future__ import annotations

import asyncio
import heapq
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What everything of ours that waits or stamps asks."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        ...

    def wall(self) -> datetime:
        """What clients' own clocks show: what credentials and signatures are dated by."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards, for measuring spans."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock's time."""
        ...


class RealClock:
    """Wall time, optionally scaled: at `scale` 60 a minute passes in a second.

    Stamps stay true at scale 1; at any other scale `now()` runs ahead from the start, so that
    schedules and waits agree with each other. User code is never given this clock, and credentials
    are dated by `wall()`: their bearers know no other.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if scale <= 0:
            raise ValueError(f"time scale must be positive, got {scale}")
        self.scale = scale
        self._started = datetime.now(UTC)
        self._zero = time.monotonic()

    def now(self) -> datetime:
        if self.scale == 1.0:
            return datetime.now(UTC)
        return self._started + timedelta(seconds=self.monotonic())

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return (time.monotonic() - self._zero) * self.scale

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.scale)


TURNS = 20
"""Turns of the event loop that a virtual instant lasts: what is ready then runs at it."""


async def _settle() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


class ManualClock:
    """Time that moves only when told to; sleepers wake in order of their deadline."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def wall(self) -> datetime:
        return self.now()

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._elapsed + seconds, self._count, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move time forward, waking every sleeper on the way at its own instant."""
        target = self._elapsed + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, woken = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, due)
            if not woken.done():
                woken.set_result(None)
            await _settle()
        self._elapsed = target
