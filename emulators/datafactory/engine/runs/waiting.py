"""Work against the clock: bounded by a timeout, and always ended when who waits for it is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from emulators.kernel.clock import Clock

T = TypeVar("T")


class OutOfTime(Exception):
    """The work was not done in time, and has been cancelled."""


async def bounded(clock: Clock, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """The work's result, if it comes within `timeout_s` of the clock's time.

    Raises:
        OutOfTime: it did not; it is cancelled and has ended.
    """
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(timeout_s))
    try:
        await asyncio.wait((task, alarm), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise OutOfTime
        return task.result()
    finally:
        alarm.cancel()
        await stopped(task)
        if not task.cancelled():
            task.exception()  # whoever was cancelled meanwhile asks for no result


async def stopped(*tasks: asyncio.Task[Any] | asyncio.Future[Any]) -> None:
    """Cancel tasks and return when all have ended, also when cancelled meanwhile."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    cancelled = False
    while left:
        try:
            _, pending = await asyncio.wait(left)
            left = list(pending)
        except asyncio.CancelledError:
            cancelled = True
            left = [task for task in left if not task.done()]
    if cancelled:
        raise asyncio.CancelledError
