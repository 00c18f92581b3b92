"""Who watches clock and events: fires each trigger when it is due, and each firing once.

What was missed while nothing ran: a schedule's firings are lost, as Azure does not make up for
them (concepts-pipeline-execution-triggers, backfill); windows are opened late, all of them, oldest
first; events cannot be missed, since nobody could write a blob.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from emulators.datafactory.engine.runs import manager
from emulators.datafactory.engine.triggers import firing, records, tumbling
from emulators.datafactory.engine.triggers.firing import Occasion
from emulators.datafactory.engine.triggers.kinds import Schedule, Trigger, Tumbling
from emulators.datafactory.store import TRIGGER_RUNS, TRIGGER_STATES, TriggerRun, TriggerState
from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError

LOG = logging.getLogger("rehearsal.datafactory")

GRACE_S = 60.0
"""Real seconds that a schedule's firing may be late, as on a busy machine; later, it is missed."""
LOOK_S = 3600.0
"""Longest sleep (seconds of the clock): a machine that was suspended is noticed by then."""
Key = tuple[str, str]


class Watch:
    """All triggers of one process. Made once, by `started`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._grace = timedelta(seconds=GRACE_S * ctx.settings.time_scale)
        self._followed: dict[Key, asyncio.Task[None]] = {}
        self._wakers: dict[Key, asyncio.Event] = {}
        self._firing: dict[str, asyncio.Task[None]] = {}  # by id of the trigger run

    # Which triggers are watched

    def changed(self, state: TriggerState) -> None:
        """Watch a trigger as it is now, or no more."""
        key = (state.factory, state.key)
        task = self._followed.pop(key, None)
        if task is not None:
            task.cancel()
        if state.runtime_state != records.STARTED:
            return
        self._wakers[key] = asyncio.Event()
        self._followed[key] = self._task(self._follow(state), f"trigger {state.key}")

    def wake(self) -> None:
        """Look again at every trigger of windows: something that one may wait for has changed."""
        for waker in self._wakers.values():
            waker.set()

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_tell_bug)
        return task

    async def _follow(self, state: TriggerState) -> None:
        try:
            found = records.definition(self._ctx, state)
        except ServiceError as refused:
            LOG.warning("trigger %s is not fired: %s", state.key, refused.message)
            return
        if found is None:
            return
        name, trigger = found
        if isinstance(trigger.kind, Schedule):
            await self._follow_schedule(state, name, trigger)
        elif isinstance(trigger.kind, Tumbling):
            await self._follow_windows(state, name, trigger)

    # Schedules

    async def _follow_schedule(self, state: TriggerState, name: str, trigger: Trigger) -> None:
        assert isinstance(trigger.kind, Schedule)
        clock, since = self._ctx.clock, _since(state)
        while (due := trigger.kind.recurrence.after(since)) is not None:
            while (left_s := (due - clock.now()).total_seconds()) > 0:
                await clock.sleep(min(left_s, LOOK_S))
            if clock.now() - due > self._grace:
                self._ctx.ledger.record("trigger missed", trigger=name, due=due.isoformat())
                since = clock.now() - self._grace
                continue
            run = self._fire(state, Occasion(name, trigger.kind.type, due, {}, {}), trigger)
            if run is None:
                return
            self.start_all(run)
            since = due
            await asyncio.sleep(0)  # a schedule that is always due leaves others their turn

    def _fire(self, state: TriggerState, occasion: Occasion, trigger: Trigger) -> TriggerRun | None:
        """Record a firing and that it is done; None where the trigger is not what it was."""
        store = self._ctx.store
        with store.transaction():
            found = store.get(TRIGGER_STATES, state.factory, state.key)
            if found is None or (found.runtime_state, found.started) != (
                state.runtime_state,
                state.started,
            ):
                return None
            run = firing.new_run(self._ctx, state, occasion, trigger.starts)
            store.put(TRIGGER_RUNS, run)
            store.put(TRIGGER_STATES, replace(found, cursor=occasion.due.isoformat()))
        return run

    def start_all(self, run: TriggerRun) -> None:
        """Start what a recorded firing starts."""
        self._firing[run.id] = self._task(self._start_all(run), f"trigger run {run.id}")

    async def _start_all(self, run: TriggerRun) -> None:
        await firing.start_all(self._ctx, run)
        self._firing.pop(run.id, None)

    # Windows

    async def _follow_windows(self, state: TriggerState, name: str, trigger: Trigger) -> None:
        ctx, key = self._ctx, (state.factory, state.key)
        waker, kind = self._wakers[key], tumbling.kind_of(trigger)
        while True:
            waker.clear()
            for run in tumbling.proceed(ctx, state, name, trigger):
                self.see_through(run)
            current = ctx.store.get(TRIGGER_STATES, *key)
            if current is None:
                return
            due, now = tumbling.next_due(kind, current), ctx.clock.now()
            left_s = LOOK_S if due is None or due <= now else (due - now).total_seconds()
            await _either(waker, self._ctx.clock.sleep(min(left_s, LOOK_S)))

    def see_through(self, run: TriggerRun) -> None:
        """Run a window to its end, whatever it takes."""
        self._firing[run.id] = self._task(self._see_through(run), f"window {run.window}")

    async def _see_through(self, run: TriggerRun) -> None:
        ctx, current = self._ctx, run
        while True:
            if current.retry_at is not None:
                left_s = (current.retry_at - ctx.clock.now()).total_seconds()
                await ctx.clock.sleep(max(0.0, left_s))
            status, message = await self._attempt(current)
            following = None
            if status == "Failed" and (kind := self._windows_of(current)) is not None:
                following = tumbling.again(ctx, current, kind)
            if following is None:
                tumbling.changed(ctx, current, status=status, message=message)
                break
            current = following
        self._firing.pop(run.id, None)
        self.wake()

    async def _attempt(self, run: TriggerRun) -> tuple[str, str]:
        """Run a window's pipeline; how it ended, and what it said."""
        begun, failures = await firing.launch(self._ctx, run)
        tumbling.changed(self._ctx, run, pipelines=begun)
        if failures:
            return "Failed", "; ".join(failures)
        for run_id in begun.values():
            try:
                ended = await manager.wait_for(self._ctx, run_id, run.factory)
            except ServiceError as gone:  # with its factory
                return "Failed", gone.message
            if ended.status != "Succeeded":
                return ended.status, ended.message
        return "Succeeded", ""

    def _windows_of(self, run: TriggerRun) -> Tumbling | None:
        state = records.state_of(self._ctx, run.factory, run.trigger)
        found = records.definition(self._ctx, state)
        return found[1].kind if found and isinstance(found[1].kind, Tumbling) else None

    def abandon(self, run: TriggerRun) -> None:
        """See a window through no more: it was cancelled."""
        task = self._firing.pop(run.id, None)
        if task is not None:
            task.cancel()
        self.wake()

    # Across restarts

    def recover(self) -> None:
        """After a stop: finish the firings that were begun, then watch what is started."""
        store = self._ctx.store
        for run in list(store.scan(TRIGGER_RUNS)):
            if run.status == "Inprogress":
                (self.see_through if run.window else self.start_all)(run)
        for state in list(store.scan(TRIGGER_STATES)):
            self.changed(state)

    async def close(self) -> None:
        """Fire nothing more; what was recorded is finished after the next start."""
        tasks = [*self._followed.values(), *self._firing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _since(state: TriggerState) -> datetime:
    """From when on a schedule fires: what was due at the very start counts."""
    begun = state.started
    assert begun is not None
    if state.cursor:
        return max(begun - timedelta(microseconds=1), datetime.fromisoformat(state.cursor))
    return begun - timedelta(microseconds=1)


async def _either(waker: asyncio.Event, sleep: Coroutine[Any, Any, None]) -> None:
    """Wait for a wake or for a sleep's end."""
    both = [asyncio.ensure_future(waker.wait()), asyncio.ensure_future(sleep)]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in both:
            one.cancel()
        for one in both:
            with suppress(asyncio.CancelledError):
                await one


def _tell_bug(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (bug := task.exception()) is not None:
        LOG.error("%s is watched no more", task.get_name(), exc_info=bug)


_HOSTS: dict[int, Watch] = {}


def watch_of(ctx: Context) -> Watch | None:
    """Who watches the triggers of this context; None while the service is not up."""
    return _HOSTS.get(id(ctx))


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[Watch]:
    """Watch triggers while the service is up."""
    watch = _HOSTS[id(ctx)] = Watch(ctx)
    try:
        watch.recover()
        yield watch
    finally:
        await watch.close()
        del _HOSTS[id(ctx)]
