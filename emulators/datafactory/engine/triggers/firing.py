"""One firing: recorded together with how far its trigger has come, then its pipelines started.

What is recorded names the runs that it starts before they are made, and a run of a given id is
made once: whatever interrupts this is done again after a restart, and done once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from emulators.datafactory.engine.expressions import ExpressionError, Scope, evaluate
from emulators.datafactory.engine.runs import manager
from emulators.datafactory.engine.runs.values import global_parameters_of
from emulators.datafactory.engine.triggers.kinds import Start
from emulators.datafactory.engine.triggers.times import written
from emulators.datafactory.store import FACTORIES, TRIGGER_RUNS, TriggerRun, TriggerState
from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError

LOG = logging.getLogger("rehearsal.datafactory")
FINAL = frozenset({"Succeeded", "Failed", "Cancelled"})


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a trigger fires."""

    name: str  # of the trigger
    type: str
    due: datetime  # UTC
    outputs: Mapping[str, Any]  # what trigger().outputs shows
    properties: Mapping[str, Any]  # what monitoring shows beside the times
    window: str = ""


def planned(ctx: Context, starts: Iterable[Start]) -> list[dict[str, Any]]:
    """The pipelines that a firing starts, each with the id that its run will have."""
    return [
        {"pipeline": one.pipeline, "run": ctx.ids.guid(), "parameters": dict(one.parameters)}
        for one in starts
    ]


def new_run(
    ctx: Context, state: TriggerState, occasion: Occasion, starts: Iterable[Start]
) -> TriggerRun:
    """The record of a firing, not stored yet."""
    now = ctx.clock.now()
    return TriggerRun(
        factory=state.factory,
        id=ctx.ids.guid(),
        trigger=state.key,
        name=occasion.name,
        type=occasion.type,
        timestamp=now,
        status="Inprogress",
        properties={
            "TriggerTime": written(now),
            "ScheduleTime": written(occasion.due),
            **occasion.properties,
        },
        window=occasion.window,
        planned=planned(ctx, starts),
        facts={
            "name": occasion.name,
            "startTime": written(now),
            "scheduledTime": written(occasion.due),
            "outputs": dict(occasion.outputs),
        },
    )


async def launch(ctx: Context, run: TriggerRun) -> tuple[dict[str, str], list[str]]:
    """Start what a firing starts, or find it started: pipelines with their runs, and failures.

    Raises:
        RuntimeError: runs are not started any more; the next start of the process does it.
    """
    begun, failures = {}, []
    for plan in run.planned:
        name = str(plan["pipeline"])
        try:
            made = await manager.create_run(
                ctx,
                run.factory,
                name,
                _parameters(ctx, run, plan["parameters"]),
                invoked_by={"id": run.id, "name": run.name, "invokedByType": run.type},
                trigger=run.facts,
                run_id=str(plan["run"]),
            )
            begun[made.pipeline] = made.id
        except (ServiceError, ExpressionError, ValueError) as refused:
            said = getattr(refused, "message", str(refused))
            LOG.info("trigger %s: %s: %s", run.name, name, said)
            failures.append(f"{name}: {said}")
    return begun, failures


def _parameters(ctx: Context, run: TriggerRun, given: Mapping[str, Any]) -> dict[str, Any]:
    factory = ctx.store.get(FACTORIES, run.factory)
    scope = Scope(
        global_parameters={} if factory is None else global_parameters_of(factory.properties),
        pipeline={"DataFactory": "" if factory is None else factory.name, "TriggerName": run.name},
        trigger=run.facts,
        now=ctx.clock.now,
        new_guid=ctx.ids.guid,
        random=ctx.ids.random,
    )
    return {name: evaluate(value, scope) for name, value in given.items()}


async def start_all(ctx: Context, run: TriggerRun) -> None:
    """Start what a firing starts and say how that went; pipelines go on by themselves."""
    begun, failures = await launch(ctx, run)
    status = "Failed" if failures else "Succeeded"
    changed(ctx, run, status=status, pipelines=begun, message="; ".join(failures))


def changed(ctx: Context, run: TriggerRun, **members: Any) -> TriggerRun | None:
    """Record a change of a firing; None where it is gone or has ended meanwhile."""
    with ctx.store.transaction():
        found = ctx.store.get(TRIGGER_RUNS, run.factory, run.id)
        if found is None or found.status in FINAL:
            return None
        made = replace(found, **members)
        ctx.store.put(TRIGGER_RUNS, made)
    if made.status in FINAL:
        ctx.ledger.record(
            "trigger run",
            trigger=made.name,
            run=made.id,
            status=made.status,
            due=made.facts.get("scheduledTime"),
            pipelines=made.pipelines,
            message=made.message,
        )
    return made
