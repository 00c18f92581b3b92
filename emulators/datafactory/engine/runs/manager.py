"""Runs of pipelines: made, queued, run, cancelled, and continued after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypedDict, Unpack

from emulators.datafactory.engine.runs.host import ExecutorOf, Runs, default_executor
from emulators.datafactory.errors import ChildMissing, InvalidParameters, RunMissing
from emulators.datafactory.store import (
    ACTIVITY_RUNS,
    FACTORIES,
    RESOURCES,
    RUNS,
    ActivityRun,
    PipelineRun,
)
from emulators.kernel.context import Context


class RunOptions(TypedDict, total=False):
    """What a run may be given beside its parameters."""

    trigger: Mapping[str, Any] | None  # what trigger() and pipeline().Trigger* show
    reference: str | None  # the run that is repeated (recovery)
    restart_at: str | None  # with `reference`: an activity's name, or "" for the failed ones
    debug_definition: Mapping[str, Any] | None  # properties of an unpublished pipeline
    run_id: str | None  # an id chosen by the caller: the same id twice is the same run


_HOSTS: dict[int, Runs] = {}


@asynccontextmanager
async def started(ctx: Context, executor_of: ExecutorOf = default_executor) -> AsyncIterator[None]:
    """Continue the runs that the last end of the process interrupted; leave them so at the end.

    `executor_of` decides what runs an activity; the test kit puts its stubs there.
    """
    runs = _HOSTS[id(ctx)] = Runs(ctx, executor_of)
    try:
        await runs.resume()
        yield
    finally:
        await runs.leave()
        del _HOSTS[id(ctx)]


def runs_of(ctx: Context) -> Runs:
    """The runs of a context whose `started` is entered.

    Raises:
        RuntimeError: it is not.
    """
    found = _HOSTS.get(id(ctx))
    if found is None:
        raise RuntimeError("runs are not started: enter manager.started(ctx) first")
    return found


def new_run(
    ctx: Context, factory_id: str, pipeline_name: str, invoked_by: Mapping[str, Any]
) -> PipelineRun:
    """A run of a published pipeline, not recorded yet and without parameters.

    Raises:
        ChildMissing: no pipeline of that name is published.
    """
    found = ctx.store.get(RESOURCES, factory_id, "pipelines", pipeline_name.lower())
    if found is None:
        factory = ctx.store.get(FACTORIES, factory_id)
        raise ChildMissing("pipelines", pipeline_name, factory.name if factory else factory_id)
    return _bare_run(ctx, factory_id, found.name, found.properties, invoked_by)


def _bare_run(
    ctx: Context,
    factory_id: str,
    name: str,
    definition: Mapping[str, Any],
    invoked_by: Mapping[str, Any],
) -> PipelineRun:
    run_id, now = ctx.ids.guid(), ctx.clock.now()
    return PipelineRun(
        factory=factory_id,
        id=run_id,
        pipeline=name,
        group=run_id,
        status="Queued",
        definition=dict(definition),
        parameters={},
        invoked_by=dict(invoked_by),
        trigger={},
        queued=now,
        updated=now,
    )


async def create_run(
    ctx: Context,
    factory_id: str,
    pipeline_name: str,
    parameters: Mapping[str, Any],
    *,
    invoked_by: Mapping[str, Any],
    **options: Unpack[RunOptions],
) -> PipelineRun:
    """Store a run and start it, or queue it; it survives the end of the process from then on.

    Raises:
        ChildMissing: no pipeline of that name is published.
        RunMissing: the run to repeat is not there.
        InvalidParameters: a value is missing or does not fit its declared type.
        QueueFull: the pipeline's concurrency is used up and its queue too.
    """
    runs = runs_of(ctx)
    run_id = options.get("run_id")
    if run_id is not None and (found := runs.find(factory_id, run_id)) is not None:
        return found
    debug = options.get("debug_definition")
    if debug is None:
        record = new_run(ctx, factory_id, pipeline_name, invoked_by)
    else:
        record = _bare_run(ctx, factory_id, pipeline_name, debug, invoked_by)
        record = replace(record, debug=record.id)
    record = replace(record, trigger=dict(options.get("trigger") or {}))
    if run_id is not None:
        record = replace(record, id=run_id, group=run_id)
    reference = options.get("reference")
    if reference is None:
        return await runs.create(record, parameters)
    return await _recovery(runs, record, reference, options.get("restart_at"), parameters)


async def _recovery(
    runs: Runs,
    record: PipelineRun,
    reference: str,
    restart_at: str | None,
    parameters: Mapping[str, Any],
) -> PipelineRun:
    """Create a run that repeats another: of its group, with its parameters unless others are given.

    Raises:
        RunMissing: there is no such run.
        InvalidParameters: it is of another pipeline, has not ended, or has no such activity.
    """
    first = runs.find(record.factory, reference)
    if first is None:
        raise RunMissing(reference, record.factory.rsplit("/", 1)[-1])
    if first.pipeline.lower() != record.pipeline.lower():
        raise InvalidParameters(
            f"The run {reference} is of the pipeline '{first.pipeline}', not of"
            f" '{record.pipeline}'.",
            target="referencePipelineRunId",
        )
    if first.end is None:
        raise InvalidParameters(
            f"The run {reference} has not ended; it can be repeated then.",
            target="referencePipelineRunId",
        )
    record = replace(
        record,
        group=first.group,
        reference=reference,
        restart_at=restart_at,
        trigger=record.trigger or first.trigger,
    )
    made = await runs.create(record, {**first.parameters, **parameters})
    for other in list(runs.ctx.store.scan(RUNS, record.factory)):
        if other.group == first.group and other.id != made.id and other.is_latest:
            runs.demote(other)
    await runs.recorder.committed()
    return runs.find(record.factory, made.id) or made


async def cancel(ctx: Context, factory_id: str, run_id: str, recursive: bool) -> None:
    """Ask a run to end as Cancelled, and with `recursive` the runs that it started.

    Raises:
        RunMissing: there is no such run.
        RunEnded: it has ended.
    """
    await runs_of(ctx).cancel(factory_id, run_id, recursive)


async def wait_for(ctx: Context, run_id: str, factory_id: str | None = None) -> PipelineRun:
    """The run when it has ended; give its factory when known, it is found faster then.

    Raises:
        RunMissing: there is no such run.
    """
    runs = runs_of(ctx)
    live = runs.live.get(run_id)
    if live is not None:
        factory_id = live.record.factory
    if factory_id is None:
        every = ctx.store.scan(RUNS)
        factory_id = next((run.factory for run in every if run.id == run_id), "")
    return await runs.ended(factory_id, run_id)


def activity_runs(ctx: Context, run_id: str, *, skipped: bool = True) -> list[ActivityRun]:
    """The activity runs of a run as they started; without `skipped`, those that ran."""
    rows = sorted(ctx.store.scan(ACTIVITY_RUNS, run_id), key=lambda row: row.sequence)
    return [row for row in rows if skipped or row.status != "Skipped"]


async def end_all(ctx: Context, factory_id: str) -> None:
    """Cancel every run of a factory and return when all have ended; it is about to be deleted."""
    runs = runs_of(ctx)
    mine = [live for live in runs.live.values() if live.record.factory == factory_id]
    for live in mine:
        if live.record.end is None:
            await runs.cancel(factory_id, live.record.id, False)
    for live in mine:
        await runs.ended(factory_id, live.record.id)
