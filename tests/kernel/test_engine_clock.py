"""A clock that runs fast does not date what clients with clocks of their own must believe."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from emulators.kernel.clock import ManualClock, RealClock
from tests.support import make_context

AUDIENCE = "https://management.azure.com"


def test_a_scaled_clock_runs_ahead_and_its_wall_does_not() -> None:
    clock = RealClock(1e6)
    asyncio.run(clock.sleep(50_000.0))
    true = datetime.now(UTC)
    assert abs(clock.wall() - true) < timedelta(seconds=5)
    assert clock.now() - true > timedelta(hours=10)


def test_a_virtual_clock_is_its_own_wall() -> None:
    clock = ManualClock()
    asyncio.run(clock.advance(90.0))
    assert clock.wall() == clock.now()


def test_tokens_live_their_life_on_the_wall(tmp_path: Path) -> None:
    clock = RealClock(1e6)
    ctx = make_context(tmp_path, clock=clock)
    token = ctx.tokens.issue(AUDIENCE, lifetime_s=3600)
    asyncio.run(clock.sleep(50_000.0))  # fourteen hours of the fast clock
    assert ctx.tokens.verify(token, [AUDIENCE]).object_id == ctx.secrets.object_id
    ctx.ledger.close()
