"""Runs of pipelines: made, queued, run, cancelled, and continued after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypedDict, Unpack

from emulators.datafactory.store import PipelineRun
from emulators.kernel.context import Context


class RunOptions(TypedDict, total=False):
    """What a run may be given beside its parameters."""

    trigger: Mapping[str, Any] | None  # what trigger() and pipeline().Trigger* show
    reference: str | None  # the run that is repeated (recovery)
    restart_at: str | None  # with `reference`: an activity's name, or "" for the failed ones
    debug_definition: Mapping[str, Any] | None  # properties of an unpublished pipeline
    run_id: str | None  # an id chosen by the caller: the same id twice is the same run


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[None]:
    """Continue the runs that the last end of the process interrupted; leave them so at the end."""
    yield


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
    raise RuntimeError("runs are not started")


async def cancel(ctx: Context, factory_id: str, run_id: str, recursive: bool) -> None:
    """Ask a run to end as Cancelled, and with `recursive` the runs that it started.

    Raises:
        RunMissing: there is no such run.
        RunEnded: it has ended.
    """
    raise RuntimeError("runs are not started")


async def wait_for(ctx: Context, run_id: str, factory_id: str | None = None) -> PipelineRun:
    """The run when it has ended; give its factory when known, it is found faster then.

    Raises:
        RunMissing: there is no such run.
    """
    raise RuntimeError("runs are not started")
