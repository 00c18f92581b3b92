"""One attempt of an activity: its row from start to end, and the words in which it fails."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.datafactory.engine.activities.base import ActivityFailed, Done
from emulators.datafactory.engine.definitions import Activity
from emulators.datafactory.engine.expressions import ExpressionError, evaluate
from emulators.datafactory.engine.runs.live import Frame, Outcome
from emulators.datafactory.store import ActivityRun
from emulators.kernel.errors import ServiceError

LOG = logging.getLogger("rehearsal.datafactory")

NO_ERROR: Mapping[str, Any] = {
    "errorCode": "",
    "message": "",
    "failureType": "",
    "target": "",
    "details": "",
}
TEMPLATE_CODE = "InvalidTemplate"  # an expression failed: no later attempt could do better
TIMED_OUT_CODE = "ActivityTimedOut"
INTERRUPTED_CODE = "ActivityInterrupted"
INTERRUPTED = (
    "The service stopped while the activity ran, and the activity had left nothing by which it"
    " could be found again. The attempt counts as failed."
)


def failure_of(error: Exception) -> ActivityFailed:
    """Any way in which an attempt can fail, in the form that its row shows."""
    if isinstance(error, ActivityFailed):
        return error
    if isinstance(error, ExpressionError):
        return ActivityFailed(TEMPLATE_CODE, error.message)
    if isinstance(error, ServiceError):
        return ActivityFailed(error.code, error.message, details=error.details or "")
    LOG.error("an activity broke", exc_info=error)
    return ActivityFailed(
        "InternalError", f"{type(error).__name__}: {error}", failure_type="SystemError"
    )


def is_true(value: Any) -> bool:
    """A flag that may be written as text."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


@dataclass(slots=True)
class Attempt:
    """The row of one attempt, recorded whenever it changes."""

    frame: Frame
    activity: Activity
    path: str  # without the attempt's number
    row: ActivityRun

    @classmethod
    def begun(cls, frame: Frame, activity: Activity, number: int = 0) -> Attempt:
        """A new attempt, recorded as under way.

        Raises:
            ExpressionError: a user property cannot be evaluated; the attempt's row has failed.
        """
        live = frame.live
        path = frame.prefix + activity.name
        row = ActivityRun(
            run=live.record.id,
            id=live.ctx.ids.guid(),
            name=activity.name,
            type=activity.type,
            path=f"{path}#{number}",
            sequence=live.next_number(),
            status="InProgress",
            start=live.ctx.clock.now(),
            attempt=number,
            iteration=frame.iteration,
            linked_service=str((activity.linked_service or {}).get("referenceName", "")),
        )
        made = cls(frame, activity, path, row)
        live.save(row)
        return made

    def describe(self) -> None:
        """Evaluate the user properties.

        Raises:
            ExpressionError: one cannot be.
        """
        if self.activity.user_properties:
            scope = self.frame.scope
            shown = {name: evaluate(v, scope) for name, v in self.activity.user_properties}
            self.change(user_properties=shown)

    @property
    def note_path(self) -> str:
        """Where this attempt's facts are kept."""
        return self.row.path

    def change(self, **members: Any) -> None:
        """Record a change of the row."""
        self.row = replace(self.row, **members)
        self.frame.live.save(self.row)

    def show(self, given: Mapping[str, Any]) -> None:
        """Show an input while the attempt runs, unless it is to be kept secret."""
        self.change(input={} if is_true(self.activity.policy.secure_input) else dict(given))

    def passed_s(self) -> float:
        """Seconds since its start. A scaled clock may have fallen back by a restart: then 0."""
        now = self.frame.live.ctx.clock.now()
        return max(0.0, (now - self.row.start).total_seconds())

    def succeeded(self, done: Done) -> Outcome:
        """End it well."""
        policy = self.activity.policy
        output = dict(done.output)
        secret = is_true(policy.secure_output)
        self.change(
            status="Succeeded",
            end=self.frame.live.ctx.clock.now(),
            input={} if is_true(policy.secure_input) else dict(done.input),
            output={} if secret else output,
            kept_output=output if secret else None,
            integration_runtimes=list(done.integration_runtimes) or None,
        )
        return self.settled()

    def failed(self, why: ActivityFailed) -> None:
        """End it badly; whether another attempt follows is the caller's to know."""
        policy = self.activity.policy
        secret = is_true(policy.secure_output)
        self.change(
            status="Failed",
            end=self.frame.live.ctx.clock.now(),
            input={} if is_true(policy.secure_input) else self._shown_input(),
            output={} if secret else why.output,
            kept_output=why.output if secret else None,
            error={
                "errorCode": why.code,
                "message": why.message,
                "failureType": why.failure_type,
                "target": self.activity.name,
                "details": why.details,
            },
        )

    def cancelled(self) -> None:
        """End it as cancelled."""
        self.change(status="Cancelled", end=self.frame.live.ctx.clock.now())

    def settled(self) -> Outcome:
        """What the rest of the scope sees from now on: the row's own end."""
        return settle(self.frame, self.activity, self.row)

    def _shown_input(self) -> Any:
        if self.row.input is not None:
            return self.row.input
        inner = ("activities", "ifTrueActivities", "ifFalseActivities", "cases")
        raw = {k: v for k, v in self.activity.properties.items() if k not in inner}
        try:
            return evaluate(raw, self.frame.scope)
        except ExpressionError:
            return {}


def settle(frame: Frame, activity: Activity, row: ActivityRun) -> Outcome:
    """Let the scope see how an activity ended, from its row."""
    kept = row.output if row.kept_output is None else row.kept_output
    failed = row.status != "Succeeded"
    frame.results.set(
        activity.name,
        {
            "output": kept or {},
            "status": row.status,
            "error": {**NO_ERROR, **row.error} if failed else None,
            "activityRunId": row.id,
        },
    )
    message = str(row.error.get("message", "")) if failed else ""
    if row.status == "Cancelled":
        return Outcome("Failed", message or "The activity was cancelled.")
    return Outcome(row.status, message)
