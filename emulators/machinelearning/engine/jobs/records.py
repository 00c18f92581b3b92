"""Jobs as records: made, moved from state to state, found, listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from emulators.kernel.context import Context
from emulators.machinelearning.errors import JobExists, JobNotFound
from emulators.machinelearning.store.jobs import (
    CHILD_JOBS,
    FORWARD,
    JOB_COUNTS,
    JOBS,
    LIVE_JOBS,
    RUNNING,
    ChildJob,
    Job,
    JobCount,
    LiveJob,
)
from emulators.machinelearning.store.workspaces import Workspace

OUTERMOST = ""
"""What links of jobs without a parent name as their parent."""


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


def newest(ctx: Context, workspace: str, before: str = "") -> Iterator[tuple[str, Job]]:
    """The jobs without a parent, newest first, each with its place in the list.

    Args:
        before: go on after this place.
    """
    links = list(ctx.store.scan(CHILD_JOBS, workspace, OUTERMOST))
    for link in reversed(links):
        if before and link.order >= before:
            continue
        job = ctx.store.get(JOBS, workspace, link.name)
        if job is not None:
            yield link.order, job


def children(ctx: Context, workspace: str, parent: str) -> Iterator[Job]:
    """A job's children in the order they were made."""
    if parent == OUTERMOST:
        return
    for link in ctx.store.scan(CHILD_JOBS, workspace, parent):
        child = ctx.store.get(JOBS, workspace, link.name)
        if child is not None:
            yield child


def living(ctx: Context) -> list[Job]:
    """The jobs of all workspaces that have not ended."""
    found = (ctx.store.get(JOBS, live.workspace, live.name) for live in ctx.store.scan(LIVE_JOBS))
    return [job for job in found if job is not None and not job.over]


def add(ctx: Context, ws: Workspace, job: Job) -> Job:
    """Store a new job under the next number.

    Raises:
        JobExists: the name is taken.
    """
    with ctx.store.transaction():
        count = ctx.store.get(JOB_COUNTS, ws.guid)
        number = 1 + (count.last if count else 0)
        made = replace(job, number=number, root=job.root or job.name)
        if not ctx.store.insert(JOBS, made):
            raise JobExists(f"A job with the name '{job.name}' already exists.", target=job.name)
        ctx.store.put(JOB_COUNTS, JobCount(ws.guid, number))
        ctx.store.put(LIVE_JOBS, LiveJob(ws.guid, made.name))
        parent = made.parent or OUTERMOST
        ctx.store.put(CHILD_JOBS, ChildJob(ws.guid, parent, f"{number:010}", made.name))
    _tell(ctx, made)
    return made


def change(ctx: Context, job: Job, **fields: Any) -> Job:
    """Change fields of the job as it is stored now; its status goes forward or stays.

    A first "Running" stamps `started`, an end stamps `ended`. One that has ended keeps its error.

    Raises:
        JobNotFound: it is gone with its workspace.
    """
    while True:
        now = get(ctx, job.workspace, job.name)
        wanted = replace(now, **_onward(now, fields))
        if wanted.status == RUNNING and wanted.started is None:
            wanted = replace(wanted, started=ctx.clock.now())
        if wanted.over and wanted.ended is None:
            wanted = replace(wanted, ended=ctx.clock.now())
        with ctx.store.transaction():
            done = ctx.store.replace(JOBS, now, wanted)
            if done and wanted.over and not now.over:
                ctx.store.delete(LIVE_JOBS, job.workspace, job.name)
        if done:
            if now.status != wanted.status:
                _tell(ctx, wanted)
            return wanted


def _onward(now: Job, fields: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(fields)
    status = kept.get("status", now.status)
    if now.over or FORWARD[status] < FORWARD[now.status]:
        kept.pop("status", None)
    if now.over:
        kept.pop("error", None)
    return kept


def annotate(ctx: Context, job: Job, added: Mapping[str, str]) -> Job:
    """Add service properties to a job.

    Raises:
        JobNotFound: it is gone with its workspace.
    """
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
