"""A run under way: its values, what expressions in it see, and the rows it has written."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from emulators.datafactory.engine.activities.base import Executor, Published
from emulators.datafactory.engine.definitions import Activity, Pipeline
from emulators.datafactory.engine.expressions import UNSET, Scope
from emulators.datafactory.engine.runs.graph import Graph
from emulators.datafactory.engine.runs.recorder import Recorder
from emulators.datafactory.engine.runs.values import first_value
from emulators.datafactory.store import ACTIVITY_RUNS, RUN_NOTES, ActivityRun, PipelineRun, RunNote
from emulators.kernel.context import Context


class Host(Protocol):
    """What a run needs of whoever runs it."""

    ctx: Context
    recorder: Recorder
    leaving: bool  # the process ends: what is cancelled now goes on after the restart

    def executor_of(self, activity: Activity, pipeline: str) -> Executor | None:
        """What runs an activity of a pipeline; None for one of the runner's own."""
        ...

    async def start_child(self, live: Live, asked: Child) -> PipelineRun:
        """Start a pipeline from a run; the same id twice is the same run."""
        ...

    async def ended(self, factory: str, run_id: str) -> PipelineRun:
        """A run of this factory when it has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Child:
    """A run that an activity asks for."""

    id: str
    pipeline: str
    parameters: Mapping[str, Any]
    invoked_by: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an activity ended, as those that wait for it see it."""

    status: str  # Succeeded, Failed, Cancelled, Skipped
    message: str = ""


class Results(Mapping[str, Any]):
    """What activity() sees: results by any case of the name, those of outer scopes included."""

    def __init__(self, outer: Results | None = None) -> None:
        self._outer = outer
        self._own: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def set(self, name: str, result: Mapping[str, Any]) -> None:
        self._own[name.lower()] = (name, result)

    def clear(self) -> None:
        """Forget what this scope has; a pass of a loop begins."""
        self._own.clear()

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        found = self._own.get(name.lower())
        if found is not None:
            return found[1]
        if self._outer is None:
            raise KeyError(name)
        return self._outer[name]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return name.lower() in self._own or (self._outer is not None and name in self._outer)

    def __iter__(self) -> Iterator[str]:
        yield from (name for name, _ in self._own.values())
        if self._outer is not None:
            yield from (name for name in self._outer if name.lower() not in self._own)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(slots=True)
class Frame:
    """A scope under way: the pipeline's, a branch's, or one pass of a loop's."""

    live: Live
    prefix: str  # of the paths of its activities: "", "Each[2]/"
    results: Results
    scope: Scope
    iteration: str = ""  # iterationHash

    def inner(self, label: str, *, item: Any = UNSET, looping: bool = False) -> Frame:
        """A scope inside this one; `label` is `Name` or `Name[3]`."""
        prefix = f"{self.prefix}{label}/"
        results = Results(self.results)
        changes: dict[str, Any] = {"activities": results}
        if item is not UNSET:
            changes["item"] = item
        hashed = hashlib.sha1(prefix.encode(), usedforsecurity=False).hexdigest()[:16]
        return Frame(
            self.live,
            prefix,
            results,
            self.scope.with_(**changes),
            hashed if looping else self.iteration,
        )


@dataclass(slots=True)
class Live:
    """One run under way. Everything that a restart needs of it is recorded as it changes."""

    host: Host
    record: PipelineRun
    pipeline: Pipeline
    published: Published
    variables: dict[str, Any]
    rows: dict[str, list[ActivityRun]]  # of before a restart, by path without the attempt
    notes: dict[str, dict[str, Any]]  # by path with the attempt; those still of use
    noted: set[str] = field(default_factory=set)  # paths of every note recorded
    inherited: Mapping[str, ActivityRun] = field(default_factory=dict)  # a recovery's, by name
    pipeline_values: Mapping[str, Any] = field(default_factory=dict)
    global_parameters: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 0
    cancelling: bool = False
    number: int = 0
    children: set[str] = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    done: asyncio.Future[PipelineRun] | None = None
    graphs: dict[int, Graph] = field(default_factory=dict)

    @property
    def ctx(self) -> Context:
        return self.host.ctx

    def frame(self) -> Frame:
        """The pipeline's own scope."""
        results = Results()
        ctx = self.ctx
        trigger = self.record.trigger
        scope = Scope(
            parameters=self.record.parameters,
            global_parameters=self.global_parameters,
            variables=self.variables,
            activities=results,
            pipeline=self.pipeline_values,
            trigger=trigger or None,
            now=ctx.clock.now,
            new_guid=ctx.ids.guid,
            random=ctx.ids.random,
        )
        return Frame(self, "", results, scope)

    def graph(self, activities: tuple[Activity, ...]) -> Graph:
        """The graph of a scope; kept, since a loop asks often."""
        found = self.graphs.get(id(activities))
        if found is None:
            found = self.graphs[id(activities)] = Graph(activities)
        return found

    def next_number(self) -> int:
        """The place of an activity run in the order of starts."""
        self.sequence += 1
        return self.sequence

    def save(self, row: ActivityRun) -> None:
        """Record an activity run as it is now."""
        self.host.recorder.put(ACTIVITY_RUNS, row, row.run, row.id)

    def note(self, path: str, facts: Mapping[str, Any]) -> None:
        """Keep facts of a path, added to those that it has."""
        kept = self.notes.setdefault(path, {})
        kept.update(facts)
        self.noted.add(path)
        note = RunNote(self.record.id, path, dict(kept))
        self.host.recorder.put(RUN_NOTES, note, note.run, path)

    def set_variable(self, name: str, value: Any) -> None:
        """Change a variable; `name` is spelled as declared."""
        self.variables[name] = value
        self.note(f"variable:{name}", {"value": value})

    def set_return(self, values: Mapping[str, Any]) -> None:
        """Set what the caller of this run gets."""
        self.record = replace(self.record, return_value=dict(values))
        self.note("return", {"value": dict(values)})


def first_variables(pipeline: Pipeline) -> dict[str, Any]:
    """Every variable of a pipeline as it is before anything sets it."""
    return {name: first_value(each) for name, each in pipeline.variables.items()}


def stamp(moment: datetime) -> str:
    """An instant as expressions see it: seven digits of a second, and Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
