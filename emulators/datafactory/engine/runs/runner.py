"""Runs the activities of a scope: what may start starts, what cannot is skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from emulators.datafactory.engine.activities.base import ActivityFailed, Call, Done, Executor
from emulators.datafactory.engine.definitions import Activity, Policy, seconds_of
from emulators.datafactory.engine.expressions import ExpressionError, evaluate
from emulators.datafactory.engine.runs.attempts import (
    INTERRUPTED,
    INTERRUPTED_CODE,
    TEMPLATE_CODE,
    TIMED_OUT_CODE,
    Attempt,
    failure_of,
    settle,
)
from emulators.datafactory.engine.runs.graph import SUCCEEDED, Graph, Progress, Step
from emulators.datafactory.engine.runs.live import Frame, Outcome
from emulators.datafactory.engine.runs.waiting import OutOfTime, bounded, stopped
from emulators.datafactory.store import ActivityRun


@dataclass(frozen=True, slots=True)
class _Limits:
    """A policy in numbers."""

    timeout_s: float
    retries: int  # attempts after the first
    interval_s: float


UNRETRIED = frozenset({"webhook", "validation"})
"""Executors of control activities: they have timeouts of their own, and know no retries."""
OWN_TIMEOUT = _Limits(90 * 24 * 3600.0, 0, 0.0)
INACTIVE, SKIPPED = "Inactive", "Skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a scope ended: the activities it fails for, with their messages."""

    failures: tuple[tuple[str, str], ...] = ()

    @property
    def message(self) -> str:
        """The words in which a pipeline run tells it."""
        return "\n".join(f"Operation on target {name} failed: {why}" for name, why in self.failures)


async def run_scope(frame: Frame, activities: tuple[Activity, ...]) -> Verdict:
    """Run the activities of one scope until none is left.

    Raises:
        BadDefinition: they are no graph.
    """
    graph = frame.live.graph(activities)
    return await _Pass(frame, graph).run()


class _Pass:
    """One pass through a graph."""

    def __init__(self, frame: Frame, graph: Graph) -> None:
        self._frame = frame
        self._progress = Progress(graph)
        self._messages: dict[str, str] = {}
        self._running: dict[asyncio.Task[Outcome], Activity] = {}

    async def run(self) -> Verdict:
        try:
            starting = self._take(self._progress.first())
            while starting or self._running:
                if len(starting) == 1 and not self._running:
                    # Nothing else could run meanwhile: no task of its own is needed.
                    activity = starting[0]
                    outcome = await run_activity(self._frame, activity)
                    starting = self._ended(activity, outcome)
                    continue
                for activity in starting:
                    task = asyncio.ensure_future(run_activity(self._frame, activity))
                    self._running[task] = activity
                starting = await self._next_ends()
        finally:
            if self._running:
                await stopped(*self._running)
        failed = self._progress.failed()
        return Verdict(tuple((a.name, self._messages.get(a.name.lower(), "")) for a in failed))

    async def _next_ends(self) -> list[Activity]:
        done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        starting: list[Activity] = []
        for task in sorted(done, key=lambda t: self._running[t].name):
            activity = self._running.pop(task)
            starting += self._ended(activity, task.result())
        return starting

    def _ended(self, activity: Activity, outcome: Outcome) -> list[Activity]:
        self._messages[activity.name.lower()] = outcome.message
        return self._take(self._progress.ended(activity.name, outcome.status))

    def _take(self, steps: Sequence[Step]) -> list[Activity]:
        """The activities that start; a row for each that is skipped."""
        for step in steps:
            if not step.starts:
                _passed_over(self._frame, step.activity, SKIPPED)
        return [step.activity for step in steps if step.starts]


def _passed_over(frame: Frame, activity: Activity, status: str) -> None:
    """Record that an activity was skipped or is inactive; it has no result to be seen."""
    live = frame.live
    if live.rows.pop(frame.prefix + activity.name, None):
        return  # recorded before the restart
    now = live.ctx.clock.now()
    row = ActivityRun(
        run=live.record.id,
        id=live.ctx.ids.guid(),
        name=activity.name,
        type=activity.type,
        path=f"{frame.prefix}{activity.name}#0",
        sequence=live.next_number(),
        status=status,
        start=now,
        end=now,
        input={},
        output={},
        iteration=frame.iteration,
    )
    live.save(row)


async def run_activity(frame: Frame, activity: Activity) -> Outcome:
    """Run one activity to its end, through all its attempts.

    What was run before a restart, or by the run that this one repeats, is not run again.
    """
    # A turn for everybody else, and for what is recorded: a loop of quick activities never waits.
    await asyncio.sleep(0)
    live = frame.live
    if activity.inactive:
        _passed_over(frame, activity, INACTIVE)
        return Outcome(activity.on_inactive)
    if not frame.prefix and (kept := live.inherited.get(activity.name.lower())) is not None:
        return settle(frame, activity, kept)
    before = live.rows.pop(frame.prefix + activity.name, [])
    executor = live.host.executor_of(activity, live.record.pipeline)
    if executor is not None:
        return await _Attempts(frame, activity, executor).run(before)
    return await _controlled(frame, activity, before[-1] if before else None)


async def _controlled(frame: Frame, activity: Activity, before: ActivityRun | None) -> Outcome:
    """Run a container or a control activity: one attempt, no timeout but its own."""
    from emulators.datafactory.engine.runs.control import CONTROLLERS

    if before is not None and before.end is not None:
        return settle(frame, activity, before)
    attempt = Attempt.begun(frame, activity) if before is None else _again(frame, activity, before)
    try:
        attempt.describe()
        return attempt.succeeded(await CONTROLLERS[activity.kind](attempt))
    except asyncio.CancelledError:
        if not frame.live.host.leaving:
            attempt.cancelled()
        raise
    except Exception as error:
        attempt.failed(failure_of(error))
        return attempt.settled()


def _again(frame: Frame, activity: Activity, row: ActivityRun) -> Attempt:
    """An attempt that a restart interrupted."""
    return Attempt(frame, activity, frame.prefix + activity.name, row)


def _limits(frame: Frame, activity: Activity) -> _Limits:
    """The policy in numbers.

    Raises:
        ActivityFailed, ExpressionError: it is none.
    """
    if activity.kind in UNRETRIED:
        return OWN_TIMEOUT
    policy: Policy = activity.policy
    values = [evaluate(v, frame.scope) for v in (policy.timeout, policy.retry, policy.interval_s)]
    try:
        return _Limits(seconds_of(values[0]), max(0, int(values[1])), float(values[2]))
    except (TypeError, ValueError) as why:
        raise ActivityFailed("InvalidActivityPolicy", f"The policy is not valid: {why}") from None


@dataclass(slots=True)
class _Attempts:
    """All attempts of one activity that has an executor."""

    frame: Frame
    activity: Activity
    executor: Executor

    async def run(self, before: list[ActivityRun]) -> Outcome:
        """Go on where a restart interrupted, or begin."""
        last = before[-1] if before else None
        if last is not None and last.status in (SUCCEEDED, "Cancelled"):
            return settle(self.frame, self.activity, last)
        try:
            limits = _limits(self.frame, self.activity)
        except (ActivityFailed, ExpressionError) as error:
            attempt = self._attempt(last)
            attempt.failed(failure_of(error))
            return attempt.settled()
        attempt = self._attempt(last)
        while True:
            if attempt.row.end is None and await self._succeeds(attempt, limits, last):
                return attempt.settled()
            code = attempt.row.error.get("errorCode")
            if attempt.row.attempt >= limits.retries or code == TEMPLATE_CODE:
                return attempt.settled()
            await self._pause(attempt.row, limits.interval_s)
            attempt = Attempt.begun(self.frame, self.activity, attempt.row.attempt + 1)
            last = None

    def _attempt(self, last: ActivityRun | None) -> Attempt:
        if last is None:
            return Attempt.begun(self.frame, self.activity)
        return _again(self.frame, self.activity, last)

    async def _pause(self, row: ActivityRun, interval_s: float) -> None:
        clock = self.frame.live.ctx.clock
        assert row.end is not None
        passed_s = max(0.0, (clock.now() - row.end).total_seconds())
        if passed_s < interval_s:
            await clock.sleep(interval_s - passed_s)

    async def _succeeds(self, attempt: Attempt, limits: _Limits, last: ActivityRun | None) -> bool:
        """Carry out one attempt; its row has its end when this returns."""
        live = self.frame.live
        try:
            if last is not None and attempt.row.path not in live.notes:
                raise ActivityFailed(INTERRUPTED_CODE, INTERRUPTED, failure_type="SystemError")
            attempt.describe()
            # What the attempt does to the world begins only when its row is durable.
            await live.host.recorder.committed()
            done = await self._within(attempt, limits.timeout_s)
            attempt.succeeded(done)
            return True
        except asyncio.CancelledError:
            if not live.host.leaving:
                attempt.cancelled()
            raise
        except Exception as error:
            attempt.failed(failure_of(error))
            return False

    async def _within(self, attempt: Attempt, timeout_s: float) -> Done:
        live, clock = self.frame.live, self.frame.live.ctx.clock
        left_s = timeout_s - attempt.passed_s()
        try:
            return await bounded(clock, _called(self.executor, call_of(attempt)), left_s)
        except OutOfTime:
            raise ActivityFailed(
                TIMED_OUT_CODE,
                f"The activity was running longer than its timeout"
                f" '{self.activity.policy.timeout}' and was cancelled.",
            ) from None
        finally:
            live.notes.pop(attempt.row.path, None)


async def _called(executor: Executor, call: Call) -> Done:
    return await executor(call)


def call_of(attempt: Attempt) -> Call:
    """What the executor of an attempt is given."""
    live, path = attempt.frame.live, attempt.row.path
    host = live.host
    return Call(
        ctx=live.ctx,
        activity=attempt.activity,
        run=live.record,
        scope=attempt.frame.scope,
        published=live.published,
        id=attempt.row.id,
        note=lambda facts: live.note(path, facts),
        noted=dict(live.notes.get(path, {})),
        leaving=lambda: host.leaving,
    )
