"""Jobs as records: made, moved from state to state, found, listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from emulators.kernel.context import Context
from emulators.machinelearning.errors import JobNotFound
from emulators.machinelearning.store.jobs import CHILD_JOBS, ENDED, JOBS, ChildJob, Job
from emulators.machinelearning.store.workspaces import Workspace

_STARTED = frozenset({"Running"})


def get(ctx: Context, workspace: str, name: str) -> Job:
    """The job of that name.

    Args:
        workspace: guid.

    Raises:
        JobNotFound: there is none.
    """
    found = ctx.store.get(JOBS, workspace, name)
    if found is None:
        raise JobNotFound(name)
    return found


def every(ctx: Context, workspace: str) -> list[Job]:
    """All jobs of a workspace, newest first."""
    return sorted(ctx.store.scan(JOBS, workspace), key=lambda job: -job.number)


def children(ctx: Context, workspace: str, parent: str) -> Iterator[Job]:
    """A job's children in the order they were made."""
    for link in ctx.store.scan(CHILD_JOBS, workspace, parent):
        child = ctx.store.get(JOBS, workspace, link.name)
        if child is not None:
            yield child


def add(ctx: Context, ws: Workspace, job: Job) -> Job:
    """Store a new job under the next number.

    The name must be free; `submit` checks it.
    """
    with ctx.store.transaction():
        number = 1 + max((j.number for j in ctx.store.scan(JOBS, ws.guid)), default=0)
        made = replace(job, number=number, root=job.root or job.name)
        ctx.store.put(JOBS, made)
        if made.parent is not None:
            ctx.store.put(CHILD_JOBS, ChildJob(ws.guid, made.parent, f"{number:010}", made.name))
    _tell(ctx, made)
    return made


def change(ctx: Context, job: Job, **fields: Any) -> Job:
    """Change fields of the job as it is stored now; one that has ended keeps its status.

    A first "Running" stamps `started`, an end stamps `ended`.
    """
    while True:
        now = get(ctx, job.workspace, job.name)
        if now.over:
            fields.pop("status", None)
        wanted = replace(now, **fields)
        status = wanted.status
        if status in _STARTED and wanted.started is None:
            wanted = replace(wanted, started=ctx.clock.now())
        if status in ENDED and wanted.ended is None:
            wanted = replace(wanted, ended=ctx.clock.now())
        if ctx.store.replace(JOBS, now, wanted):
            if now.status != wanted.status:
                _tell(ctx, wanted)
            return wanted


def annotate(ctx: Context, job: Job, added: Mapping[str, str]) -> Job:
    """Add service properties to a job."""
    now = get(ctx, job.workspace, job.name)
    return change(ctx, job, added={**now.added, **added})


def _tell(ctx: Context, job: Job) -> None:
    ctx.ledger.record(
        "job",
        workspace=job.workspace,
        name=job.name,
        job_kind=job.kind,
        status=job.status,
        parent=job.parent,
        step=job.step,
        experiment=job.experiment,
        error=(job.error or {}).get("message"),
    )
