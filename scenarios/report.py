"""What a scenario did: steps with their times, one result that prints and compares."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Status = Literal["succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step that has ended."""

    name: str
    status: Status
    seconds: float
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `rehearse run` ends with; two outcomes are compared by `shape`."""

    scenario: str
    target: str
    status: Status
    seconds: float
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        made = asdict(self)
        made["seconds"] = round(self.seconds, 3)
        made["steps"] = [{**asdict(s), "seconds": round(s.seconds, 3)} for s in self.steps]
        return made

    @property
    def shape(self) -> tuple[tuple[str, Status], ...]:
        """What must be equal between two targets: the steps and how each ended."""
        return tuple((step.name, step.status) for step in self.steps)

    def __str__(self) -> str:
        lines = [
            f"{'ok' if s.status == 'succeeded' else 'FAILED':6} {s.seconds:7.1f} s  {s.name}"
            + (f": {s.detail}" if s.detail else "")
            for s in self.steps
        ]
        lines.append(f"{self.scenario} on {self.target}: {self.status} in {self.seconds:.1f} s")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Outcome({json.dumps(self.to_json())})"


class Listener(Protocol):
    """Who watches a run: told when a step begins, says something, and ends."""

    def begins(self, name: str) -> None:
        """Take the name of the step that begins."""
        ...

    def says(self, line: str) -> None:
        """Take a line of progress of the step that runs."""
        ...

    def ended(self, step: Step) -> None:
        """Take a step that has ended."""
        ...


class Nobody:
    """Watches nothing."""

    def begins(self, name: str) -> None:
        """Ignore it."""

    def says(self, line: str) -> None:
        """Ignore it."""

    def ended(self, step: Step) -> None:
        """Ignore it."""


@dataclass(slots=True)
class Note:
    """What a running step writes on."""

    say: Callable[[str], None]
    detail: str = ""


@dataclass(slots=True)
class Report:
    """The steps of one run, as they happen."""

    listener: Listener = field(default_factory=Nobody)
    steps: list[Step] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Note]:
        """Time a step; what it raises marks it as failed and goes on."""
        began = time.perf_counter()
        note = Note(self.listener.says)
        self.listener.begins(name)
        try:
            yield note
        except BaseException as why:
            self._end(Step(name, "failed", time.perf_counter() - began, told(why)))
            raise
        self._end(Step(name, "succeeded", time.perf_counter() - began, note.detail))

    def _end(self, step: Step) -> None:
        self.steps.append(step)
        self.listener.ended(step)

    def outcome(self, scenario: str, target: str, why: BaseException | None) -> Outcome:
        """Close the report; `why` is what the run raised, None when it went well."""
        spent = time.perf_counter() - self.started
        if why is not None and all(step.status == "succeeded" for step in self.steps):
            self._end(Step("run", "failed", 0.0, told(why)))
        failed = any(step.status == "failed" for step in self.steps)
        return Outcome(scenario, target, "failed" if failed else "succeeded", spent, (*self.steps,))


def told(why: BaseException) -> str:
    """Say an exception in words: its message, else its type.

    azure-core says an error's code and message twice; once is enough.
    """
    return str(why).partition("\nCode: ")[0].strip() or type(why).__name__


def perform(
    scenario: str, target: str, work: Callable[[Report], None], listener: Listener | None = None
) -> Outcome:
    """Run `work` with a fresh report; whatever it raises ends as a failed outcome."""
    report = Report(listener or Nobody())
    why: BaseException | None = None
    try:
        work(report)
    except (Exception, KeyboardInterrupt) as raised:
        why = raised
    return report.outcome(scenario, target, why)
