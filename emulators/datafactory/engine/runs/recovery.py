"""What a repeated run takes over from the one it repeats instead of running it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulators.datafactory.engine.definitions import Activity, Pipeline, every
from emulators.datafactory.engine.runs.graph import Graph
from emulators.datafactory.errors import InvalidParameters
from emulators.datafactory.store import ACTIVITY_RUNS, RUNS, ActivityRun, PipelineRun
from emulators.kernel.context import Context

CHANGES = {"setvariable", "appendvariable"}


@dataclass(frozen=True, slots=True)
class Inherited:
    """The last rows of top-level activities by name in lower case, and the variables after them."""

    rows: Mapping[str, ActivityRun] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)


def inherited(
    ctx: Context, reference: PipelineRun, pipeline: Pipeline, restart_at: str | None
) -> Inherited:
    """What a recovery run does not run again; nothing when the whole pipeline is to be run.

    `restart_at` names an activity: it and all that wait for it run again, one inside a container
    with its whole container. "" stands for all that failed, were cancelled or never came to run.

    Raises:
        InvalidParameters: the pipeline has no such activity.
    """
    if restart_at is None:
        return Inherited()
    rows = _rows(ctx, reference)
    graph = Graph(pipeline.activities)
    last = _last(row for row in rows if "/" not in row.path)
    if restart_at:
        again = {_container_of(pipeline, restart_at)}
    else:
        again = {name for name in graph.activities if _unfinished(last.get(name))}
    again = graph.descendants(again)
    kept = {
        name: row
        for name, row in last.items()
        if name in graph.activities and name not in again and row.status in ("Succeeded", "Failed")
    }
    return Inherited(kept, _variables(rows, kept))


def _rows(ctx: Context, reference: PipelineRun) -> list[ActivityRun]:
    """Rows of the run and, before them, of what it took over itself."""
    found: list[ActivityRun] = []
    seen: set[str] = set()
    at: PipelineRun | None = reference
    while at is not None and at.id not in seen:
        seen.add(at.id)
        own = sorted(ctx.store.scan(ACTIVITY_RUNS, at.id), key=lambda row: row.sequence)
        found = [*_not_repeated(found, own), *found]
        restarted = at.reference is not None and at.restart_at is not None
        at = ctx.store.get(RUNS, at.factory, str(at.reference)) if restarted else None
    return found


def _not_repeated(later: list[ActivityRun], earlier: list[ActivityRun]) -> list[ActivityRun]:
    """The rows of an earlier run whose top-level activities the later runs did not repeat."""
    repeated = {_top(row) for row in later if row.status != "Skipped"}
    return [row for row in earlier if _top(row) not in repeated]


def _top(row: ActivityRun) -> str:
    """The top-level activity a row belongs to, in lower case."""
    first = row.path.split("/", 1)[0].rsplit("#", 1)[0]
    return first.split("[", 1)[0].lower() if "/" in row.path else first.lower()


def _last(rows: Iterable[ActivityRun]) -> dict[str, ActivityRun]:
    found: dict[str, ActivityRun] = {}
    for row in rows:
        known = found.get(row.name.lower())
        if known is None or known.run != row.run or row.attempt >= known.attempt:
            found[row.name.lower()] = row
    return found


def _unfinished(row: ActivityRun | None) -> bool:
    return row is None or row.status not in ("Succeeded", "Skipped", "Inactive")


def _container_of(pipeline: Pipeline, name: str) -> str:
    """The top-level activity that is, or holds, the one named.

    Raises:
        InvalidParameters: there is none.
    """
    for top in pipeline.activities:
        inner: list[Activity] = list(every([top]))
        if any(each.name.lower() == name.lower() for each in inner):
            return top.name.lower()
    raise InvalidParameters(
        f"The pipeline '{pipeline.name}' has no activity '{name}' to start from.",
        target="startActivityName",
    )


def _variables(rows: list[ActivityRun], kept: Mapping[str, ActivityRun]) -> dict[str, Any]:
    """The variables after every change that the kept activities made, in the order they made it."""
    found: dict[str, Any] = {}
    for row in rows:
        changes = row.type.lower() in CHANGES and row.status == "Succeeded"
        if not changes or _top(row) not in kept:
            continue
        said = (row.output if row.kept_output is None else row.kept_output) or {}
        name, value = str(said.get("name")), said.get("value")
        if row.type.lower() == "setvariable":
            found[name] = value
        else:
            found[name] = [*found.get(name, ()), value]
    return found
