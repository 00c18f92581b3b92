"""Who watches the clock: fires schedules when they are due, once each, and no missed ones.

Source: learn.microsoft.com/azure/logic-apps/concepts-schedule-automated-recurring-tasks-workflows:
missed recurrences are not processed, the next scheduled one is. A schedule of Azure Machine
Learning is such a Logic App (how-to-schedule-pipeline-job, cost considerations).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError
from emulators.machinelearning.engine import workspaces
from emulators.machinelearning.engine.jobs.manager import jobs_of
from emulators.machinelearning.engine.schedules import actions, records, triggers
from emulators.machinelearning.errors import Stopping, UserError
from emulators.machinelearning.store.jobs import JOBS
from emulators.machinelearning.store.schedules import (
    FAILED,
    FIRINGS,
    SCHEDULES,
    SUBMITTED,
    SUBMITTING,
    Firing,
    Schedule,
)
from emulators.machinelearning.store.workspaces import Workspace

log = logging.getLogger("rehearsal.schedules")

GRACE_S = 60.0
"""Real seconds that a firing may be late, as on a busy machine; later, it was missed."""

LOOK_S = 3600.0
"""Longest sleep (seconds of the clock): a machine that was suspended is noticed by then."""

KEPT = 200  # firings of a schedule


class Watch:
    """All schedules of one host. Made once, by `started`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._grace = timedelta(seconds=GRACE_S * ctx.settings.time_scale)
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    def changed(self, schedule: Schedule, *, made: bool = False) -> None:
        """Watch a schedule as it is now; one that was just made may be due at once."""
        self._forget(schedule)
        if not schedule.enabled:
            return
        since = schedule.created - triggers.INSTANT if made else self._ctx.clock.now()
        key = (schedule.workspace, schedule.key)
        task = asyncio.create_task(self._follow(schedule, since), name=f"schedule {key[1]}")
        self._tasks[key] = task
        task.add_done_callback(self._ended)

    def gone(self, schedule: Schedule) -> None:
        """Watch a schedule no more."""
        self._forget(schedule)

    def _forget(self, schedule: Schedule) -> None:
        task = self._tasks.pop((schedule.workspace, schedule.key), None)
        if task is not None:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("%s is watched no more", task.get_name(), exc_info=bug)

    async def _follow(self, schedule: Schedule, since: datetime) -> None:
        clock = self._ctx.clock
        trigger = triggers.read(schedule.properties["trigger"], schedule.created)
        while (due := trigger.after(since)) is not None:
            while (left_s := (due - clock.now()).total_seconds()) > 0:
                await clock.sleep(min(left_s, LOOK_S))
            ws = workspaces.by_guid(self._ctx, schedule.workspace)
            if ws is None:
                records.forget(self._ctx, schedule)
                return
            if clock.now() - due > self._grace:
                self._tell(schedule, "Missed", due)
                since = clock.now() - self._grace
                continue
            self._fire(ws, schedule, due)
            since = due
            await asyncio.sleep(0)  # a schedule that is always due leaves others their turn

    def trigger(self, ws: Workspace, schedule: Schedule, at: datetime) -> Firing:
        """Fire a schedule by hand; the same instant again is the same firing.

        Raises:
            UserError: it is disabled, or its job cannot be made.
        """
        if not schedule.enabled:
            raise UserError(f"The schedule '{schedule.name}' is disabled, so it is not triggered.")
        fired = self._fire(ws, schedule, at, by_hand=True)
        if fired.state == FAILED:
            raise UserError(f"The schedule's job cannot be made: {fired.error}")
        return fired

    def _fire(
        self, ws: Workspace, schedule: Schedule, at: datetime, *, by_hand: bool = False
    ) -> Firing:
        """Note a firing, then make its job; what is noted already is not done again."""
        name = self._free_name(ws, actions.display_name(schedule, at))
        made = Firing(ws.guid, schedule.key, at.isoformat(), name, SUBMITTING, by_hand)
        if not self._ctx.store.insert(FIRINGS, made):
            found = self._ctx.store.get(FIRINGS, ws.guid, schedule.key, made.at)
            assert found is not None
            return found
        for old in records.firings(self._ctx, schedule)[:-KEPT]:
            self._ctx.store.delete(FIRINGS, *FIRINGS.key_of(old))
        return self._submit(ws, schedule, made)

    def _free_name(self, ws: Workspace, wanted: str) -> str:
        """Several may be made in a second by hand, and an earlier schedule had its own."""
        name, number = wanted, 1
        while self._ctx.store.get(JOBS, ws.guid, name) is not None:
            number += 1
            name = f"{wanted}-{number}"
        return name

    def _submit(self, ws: Workspace, schedule: Schedule, firing: Firing) -> Firing:
        at, error = datetime.fromisoformat(firing.at), None
        try:
            properties = actions.job_of(self._ctx, ws, schedule, at, firing.job)
            jobs_of(self._ctx).submit(ws, firing.job, properties, schedule.created_by)
        except Stopping:
            return firing  # the next start does it
        except ServiceError as refused:
            error = refused.message
        except Exception as bug:
            log.exception("schedule %s", schedule.name)
            error = f"Rehearsal failed on this job: {bug!r}"
        ended = replace(firing, state=SUBMITTED if error is None else FAILED, error=error)
        self._ctx.store.put(FIRINGS, ended)
        self._tell(schedule, ended.state, at, ended)
        return ended

    def _tell(
        self, schedule: Schedule, state: str, at: datetime, firing: Firing | None = None
    ) -> None:
        self._ctx.ledger.record(
            "schedule",
            workspace=schedule.workspace,
            schedule=schedule.name,
            state=state,
            due=at.isoformat(),
            job=firing.job if firing and state == SUBMITTED else None,
            by_hand=firing.by_hand if firing else False,
            error=firing.error if firing else None,
        )

    def recover(self) -> None:
        """After a stop: finish the firings that were begun, and go on with the next ones."""
        for schedule in list(self._ctx.store.scan(SCHEDULES)):
            ws = workspaces.by_guid(self._ctx, schedule.workspace)
            if ws is None:
                records.forget(self._ctx, schedule)
                continue
            known = records.firings(self._ctx, schedule)
            for firing in known:
                if firing.state == SUBMITTING:
                    self._finish(ws, schedule, firing)
            if schedule.enabled:
                self._note_missed(schedule, known)
                self.changed(schedule)

    def _finish(self, ws: Workspace, schedule: Schedule, firing: Firing) -> None:
        if self._ctx.store.get(JOBS, ws.guid, firing.job) is None:
            self._submit(ws, schedule, firing)
        else:
            self._ctx.store.put(FIRINGS, replace(firing, state=SUBMITTED))

    def _note_missed(self, schedule: Schedule, known: list[Firing]) -> None:
        last = [datetime.fromisoformat(f.at) for f in known if not f.by_hand][-1:]
        trigger = triggers.read(schedule.properties["trigger"], schedule.created)
        due = trigger.after(max([schedule.modified, *last]))
        if due is not None and due <= self._ctx.clock.now():
            self._tell(schedule, "Missed", due)

    async def close(self) -> None:
        """Fire nothing more."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_HOSTS: dict[int, Watch] = {}


def watch_of(ctx: Context) -> Watch:
    """Who watches the schedules of this context."""
    return _HOSTS[id(ctx)]


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[Watch]:
    """Watch schedules while the service is up."""
    watch = _HOSTS[id(ctx)] = Watch(ctx)
    try:
        watch.recover()
        yield watch
    finally:
        await watch.close()
        del _HOSTS[id(ctx)]
