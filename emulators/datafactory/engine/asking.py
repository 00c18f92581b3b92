"""What runs and their activities can be asked by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.datafactory.engine.querying import Page, Subject, ask
from emulators.datafactory.errors import RunMissing
from emulators.datafactory.store import ACTIVITY_RUNS, RUNS, ActivityRun, Factory, PipelineRun
from emulators.kernel.context import Context

RUN_SUBJECT = Subject(
    operands={
        "PipelineName": lambda run: run.pipeline,
        "Status": lambda run: run.status,
        "RunStart": lambda run: run.start or run.queued,
        "RunEnd": lambda run: run.end,
        "RunGroupId": lambda run: run.group,
        "LatestOnly": lambda run: run.is_latest,
        "TriggerName": lambda run: run.invoked_by.get("name"),
    },
    orders=frozenset({"PipelineName", "Status", "RunStart", "RunEnd"}),
    updated=lambda run: run.updated or run.end or run.start or run.queued,
    key=lambda run: run.id,
    default_order=("RunStart", True),
)
ACTIVITY_SUBJECT = Subject(
    operands={
        "ActivityName": lambda run: run.name,
        "ActivityType": lambda run: run.type,
        "Status": lambda run: run.status,
        "ActivityRunStart": lambda run: run.start,
        "ActivityRunEnd": lambda run: run.end,
    },
    orders=frozenset({"ActivityName", "Status", "ActivityRunStart", "ActivityRunEnd"}),
    updated=lambda run: run.end or run.start,
    key=lambda run: run.id,
    default_order=("ActivityRunStart", False),
)


def run_of(ctx: Context, factory: Factory, run_id: str) -> PipelineRun:
    """A run by its id in any case.

    Raises:
        RunMissing: the factory has none of that id.
    """
    found = ctx.store.get(RUNS, factory.id, run_id.lower())
    if found is None:
        raise RunMissing(run_id, factory.name)
    return found


def runs(ctx: Context, factory: Factory, body: Mapping[str, Any]) -> Page:
    """The runs of a factory that a query asks for.

    Raises:
        InvalidQuery: something in it is not known.
    """
    return ask(RUN_SUBJECT, body, ctx.store.scan(RUNS, factory.id))


def activity_runs(ctx: Context, run: PipelineRun, body: Mapping[str, Any]) -> Page:
    """The activity runs of a run that a query asks for, in the order of their start.

    An activity that was skipped has no run in Azure; it is shown to who asks by `Status`.

    Raises:
        InvalidQuery: something in it is not known.
    """
    found: list[ActivityRun] = list(ctx.store.scan(ACTIVITY_RUNS, run.id))
    filters = body.get("filters")
    given = [one.get("operand") for one in filters or [] if isinstance(one, dict)]
    if "Status" not in given:
        found = [one for one in found if one.status != "Skipped"]
    found.sort(key=lambda one: one.sequence)
    return ask(ACTIVITY_SUBJECT, body, found)
