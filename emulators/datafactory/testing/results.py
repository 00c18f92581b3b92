"""What a test looks at after a run: statuses, outputs, variables, requests, time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulators.datafactory.engine import gantt
from emulators.datafactory.store import ActivityRun, PipelineRun
from emulators.datafactory.testing.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request that left the factory."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class ActivityResult:
    """One activity in one pass: its last attempt, and how many there were."""

    name: str
    type: str
    status: str  # Succeeded, Failed, Cancelled, Skipped, Inactive
    input: Any  # as monitoring shows it
    output: Any  # as expressions see it, also when secureOutput hides it
    shown_output: Any  # as monitoring shows it
    error: Mapping[str, Any]  # errorCode, message, failureType, target
    attempts: int
    began_s: float  # seconds of virtual time after the start of the run
    seconds: float  # of the last attempt
    user_properties: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""  # where it is: `Each[2]/Call`

    @property
    def succeeded(self) -> bool:
        return self.status == "Succeeded"


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended. `run["Name"]` is the activity; in a loop, of the last pass."""

    status: str  # Succeeded, Failed, Cancelled
    message: str
    pipeline: str
    parameters: Mapping[str, Any]
    variables: Mapping[str, Any]
    return_value: Mapping[str, Any]
    activities: Sequence[ActivityResult]  # in the order of their starts, the skipped ones too
    children: Sequence[RunResult]  # what ExecutePipeline started
    requests: Sequence[Request]  # of this run and all others of the test
    seconds: float  # of virtual time, from start to end
    run: PipelineRun = field(repr=False)
    rows: Sequence[ActivityRun] = field(repr=False)

    @property
    def succeeded(self) -> bool:
        return self.status == "Succeeded"

    def __getitem__(self, name: str) -> ActivityResult:
        return self.all(name)[-1]

    def all(self, name: str) -> list[ActivityResult]:
        """Every pass of an activity, in the order of their starts.

        Raises:
            UnknownName: it never started nor was skipped.
        """
        found = [each for each in self.activities if each.name.lower() == name.lower()]
        if not found:
            raise UnknownName("activity that ran", name, (each.name for each in self.activities))
        return found

    def ran(self, name: str) -> bool:
        """Whether an activity was started at least once."""
        same = (each for each in self.activities if each.name.lower() == name.lower())
        return any(each.status not in ("Skipped", "Inactive") for each in same)

    def order(self) -> list[str]:
        """Names in the order of their starts, without what never ran."""
        return [a.name for a in self.activities if a.status not in ("Skipped", "Inactive")]

    def assert_succeeded(self) -> None:
        """Let pass a success.

        Raises:
            AssertionError: with the message and the chart of the run.
        """
        if not self.succeeded:
            raise AssertionError(f"the run ended {self.status}\n{self.chart()}")

    def chart(self, width: int = 100) -> str:
        """The run as a Gantt chart in text."""
        return str(gantt.text(self.run, self.rows, width))

    def svg(self) -> str:
        """The run as a Gantt chart in SVG."""
        return gantt.svg(self.run, self.rows)


def activities_of(run: PipelineRun, rows: Sequence[ActivityRun]) -> list[ActivityResult]:
    """The last attempt of every activity and pass."""
    last: dict[str, ActivityRun] = {}
    for row in sorted(rows, key=lambda row: row.sequence):
        last[row.path.rsplit("#", 1)[0]] = row  # keeps the place of its first attempt
    zero = run.start or run.queued
    return [
        ActivityResult(
            name=row.name,
            type=row.type,
            status=row.status,
            input=row.input,
            output=row.output if row.kept_output is None else row.kept_output,
            shown_output=row.output,
            error=row.error,
            attempts=row.attempt + 1 if row.status not in ("Skipped", "Inactive") else 0,
            began_s=(row.start - zero).total_seconds(),
            seconds=((row.end or row.start) - row.start).total_seconds(),
            user_properties=row.user_properties,
            path=path,
        )
        for path, row in last.items()
    ]
