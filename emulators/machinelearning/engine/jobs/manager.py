"""All jobs of this host: taken in, started, canceled, found again after a stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import workspaces
from emulators.machinelearning.engine.jobs import (
    commands,
    containers,
    folders,
    keeping,
    pipelines,
    plans,
    records,
    sweeps,
)
from emulators.machinelearning.engine.jobs.data import Fetcher
from emulators.machinelearning.engine.jobs.machine import Machine, Verdict, Work
from emulators.machinelearning.engine.jobs.refusals import README
from emulators.machinelearning.engine.jobs.specs import read_command, read_sweep
from emulators.machinelearning.engine.jobs.spelling import snaked
from emulators.machinelearning.engine.runtime.runtimes import Runtimes
from emulators.machinelearning.errors import InvalidJob, JobExists, Stopping
from emulators.machinelearning.store.jobs import CANCEL_REQUESTED, CANCELED, FAILED, JOBS, Job
from emulators.machinelearning.store.workspaces import Workspace

KINDS = ("Command", "Sweep", "Pipeline")
WORDS = ("displayName", "description", "tags", "isArchived", "properties")
"""What may change on a job once it is made."""

DEFAULT_EXPERIMENT = "Default"
INTERRUPTED = (
    "Rehearsal stopped while this job ran, so its processes are gone and what it had not yet"
    " sent is lost. Submit it again."
)


class Jobs:
    """The jobs engine of one host. Made once, by `started`."""

    def __init__(self, ctx: Context) -> None:
        settings = ctx.settings
        self._ctx = ctx
        self.machine = Machine(
            ctx,
            Runtimes(
                settings.cache_dir.expanduser(),
                ctx.state / "run",
                runtime=settings.runtime,
                cold=settings.cold,
                relax=settings.relax,
                containers=containers.options(ctx),
            ),
            Fetcher(ctx),
            # Two at least: a job that submits another and waits for it must not wait for ever.
            asyncio.Semaphore(max(2, os.cpu_count() or 1)),
            commands.run,
        )
        self._held: set[asyncio.Task[Any]] = set()

    def submit(self, ws: Workspace, name: str, properties: dict[str, Any], by: str) -> Job:
        """Check a job, keep it and start it; the same name again may change its words.

        Raises:
            InvalidJob: it cannot be run as it is written.
            JobExists: the name is another job's.
            AssetNotFound: something it names does not exist.
            Unsupported: it asks for what is not emulated.
            Stopping: the server is about to end.
        """
        if self.machine.closing:
            raise Stopping("Rehearsal is stopping and takes no new jobs.")
        folders.check_name(name)
        known = self._ctx.store.get(JOBS, ws.guid, name)
        if known is not None:
            return self._reword(known, properties)
        kind = str(properties.get("jobType", ""))
        if kind not in KINDS:
            if kind in ("AutoML", "Spark", "FineTuning", "Labeling", "Distillation"):
                raise Unsupported(f"jobs of type {kind}", tracked=README)
            raise InvalidJob(f"The jobType '{kind}' is not known.")
        run = _planned(self._ctx, ws, kind, properties)
        job = records.add(
            self._ctx,
            ws,
            Job(
                workspace=ws.guid,
                name=name,
                number=0,
                kind=kind,
                properties=properties,
                experiment=properties.get("experimentName") or DEFAULT_EXPERIMENT,
                created=self._ctx.clock.now(),
                created_by=by,
            ),
        )
        self.machine.begin(ws, job, run)
        return job

    def _reword(self, known: Job, given: Mapping[str, Any]) -> Job:
        ignored = {*WORDS, "status", "services", "componentId"}
        for key, value in given.items():
            if key in ignored or value is None or known.properties.get(key) == value:
                continue
            if key in known.properties:
                raise JobExists(
                    f"A job with the name '{known.name}' already exists; its '{key}' cannot be"
                    " changed. Give the new job another name.",
                    target=key,
                )
        words = {k: given[k] for k in WORDS if k in given}
        hidden = bool(given.get("isArchived", known.hidden))
        properties = {**known.properties, **words}
        return records.change(self._ctx, known, properties=properties, hidden=hidden)

    def cancel(self, ws: Workspace, name: str) -> Job:
        """Ask a job to end; one that has ended, or is about to, stays as it is.

        Raises:
            JobNotFound: there is none.
        """
        job = records.get(self._ctx, ws.guid, name)
        work = self.machine.works.get((ws.guid, name))
        if job.over or work is None:
            return job
        work.cancel()
        return records.get(self._ctx, ws.guid, name)

    def forget(self, ws: Workspace) -> None:
        """End what runs for a workspace that is gone; there is nobody left to tell."""
        for (workspace, _), work in list(self.machine.works.items()):
            if workspace == ws.guid:
                work.task.cancel()

    def recover(self) -> None:
        """Say of what a stop of the host cut short how it ended: it failed.

        What somebody had asked to cancel is canceled.
        """
        for job in records.living(self._ctx):
            ws = workspaces.by_guid(self._ctx, job.workspace)
            if ws is None:
                continue
            folders.of_job(self._ctx, job).write(folders.STD_LOG, f"[rehearsal] {INTERRUPTED}")
            error = {"code": "Interrupted", "message": INTERRUPTED}
            status = CANCELED if job.status == CANCEL_REQUESTED else FAILED
            ended = records.change(self._ctx, job, status=status, error=error)
            self._hold(self._keep(ws, ended), f"interrupted {job.name}")
        self._hold(self.machine.runtimes.sweep(), "containers of an earlier run")

    def _hold(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._held.add(task)
        task.add_done_callback(self._held.discard)

    async def _keep(self, ws: Workspace, job: Job) -> None:
        folders.of_job(self._ctx, job).close()
        await keeping.keep(self._ctx, ws, job)

    async def close(self) -> None:
        """End all processes; the next start says of their jobs that they were interrupted."""
        for task in list(self._held):
            task.cancel()
        await asyncio.gather(*self._held, return_exceptions=True)
        await self.machine.close()
        await self.machine.runtimes.close()


def _planned(
    ctx: Context, ws: Workspace, kind: str, properties: Mapping[str, Any]
) -> Callable[[Work], Awaitable[Verdict]]:
    """Check everything that can be checked now; the work as a function of the job's task."""
    if kind == "Command":
        command = read_command(properties)
        return lambda work: work.machine.command(work, command)
    if kind == "Sweep":
        trial = {**snaked(properties), **snaked(properties.get("trial"))}
        limits = snaked(properties.get("limits"))
        trial["limits"] = {"timeout": limits.get("trial_timeout")}
        sweep = read_sweep(properties, read_command(trial))
        return lambda work: sweeps.run(work, sweep)
    plan = plans.plan(ctx, ws, properties)
    return lambda work: pipelines.run(work, plan)


_HOSTS: dict[int, Jobs] = {}


def jobs_of(ctx: Context) -> Jobs:
    """The jobs engine that serves this context."""
    return _HOSTS[id(ctx)]


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[Jobs]:
    """Make the jobs engine of a host, recover, and end everything at the end."""
    jobs = _HOSTS[id(ctx)] = Jobs(ctx)
    try:
        jobs.recover()
        yield jobs
    finally:
        await jobs.close()
        del _HOSTS[id(ctx)]
