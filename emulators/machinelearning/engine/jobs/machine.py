"""What runs jobs: each as one task that ends truthfully, however the work in it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError
from emulators.machinelearning.engine.jobs import folders, keeping, records, tracking
from emulators.machinelearning.engine.jobs.data import Fetcher
from emulators.machinelearning.engine.jobs.specs import CommandSpec
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused
from emulators.machinelearning.engine.runtime.process import NotStarted
from emulators.machinelearning.engine.runtime.runtimes import Runtimes
from emulators.machinelearning.errors import JobNotFound
from emulators.machinelearning.store.jobs import (
    CANCEL_REQUESTED,
    CANCELED,
    FAILED,
    FINALIZING,
    QUEUED,
    Job,
)
from emulators.machinelearning.store.workspaces import Workspace

log = logging.getLogger("rehearsal.jobs")

CONCLUDE_WITHIN_S = 5.0
"""How long a stopping server waits for processes to go and for logs to be kept."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a job came out."""

    status: str  # one of ENDED
    error: dict[str, str] | None = None  # {"code", "message"}


def failed(message: str, code: str = "UserError") -> Verdict:
    """The verdict on a job that failed, and why."""
    return Verdict(FAILED, {"code": code, "message": message})


@dataclass
class Machine:
    """What jobs share: the runtimes, the data already here, and room for processes."""

    ctx: Context
    runtimes: Runtimes
    fetcher: Fetcher
    slots: asyncio.Semaphore
    command: Callable[[Work, CommandSpec], Awaitable[Verdict]]
    works: dict[tuple[str, str], Work] = field(default_factory=dict)
    closing: bool = False  # the server stops: what runs is neither canceled nor failed by that

    def begin(self, ws: Workspace, job: Job, run: Callable[[Work], Awaitable[Verdict]]) -> Work:
        """Start the work of a job that is stored already."""
        work = Work(self, ws, job)
        self.works[job.workspace, job.name] = work
        work.start(run)
        return work

    @asynccontextmanager
    async def slot(self, job: Job) -> AsyncIterator[None]:
        """Wait for a place among the processes that run at once."""
        if self.slots.locked():
            records.change(self.ctx, job, status=QUEUED)
        async with self.slots:
            yield

    async def close(self) -> None:
        """Stop all work; the next start says of what had no verdict that it was interrupted."""
        self.closing = True
        under_way = [work.task for work in self.works.values()]
        for work in self.works.values():
            if not work.decided.done():
                work.task.cancel()
        if under_way:
            await asyncio.wait(under_way, timeout=CONCLUDE_WITHIN_S)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


class Work:
    """One job under way: its task, its verdict, and the wish to cancel it.

    The verdict comes when the job's outputs are there, so that whoever reads them need not wait
    for its logs to be stored and its run to be closed; the job's record shows the end after that.
    """

    task: asyncio.Task[None]

    def __init__(self, machine: Machine, ws: Workspace, job: Job) -> None:
        self.machine, self.ws, self.job = machine, ws, job
        self.decided: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self.unwanted = False

    @property
    def ctx(self) -> Context:
        return self.machine.ctx

    @property
    def folder(self) -> folders.Folders:
        return folders.of_job(self.ctx, self.job)

    def start(self, run: Callable[[Work], Awaitable[Verdict]]) -> None:
        """Make the task; called once."""
        self.task = asyncio.create_task(self._main(run), name=f"job {self.job.name}")
        self.task.add_done_callback(self._over)

    def cancel(self) -> None:
        """Wish for its end; without effect once there is a verdict, or twice.

        A server that stops ends everything by itself, and calls nothing canceled.
        """
        if self.unwanted or self.decided.done() or self.machine.closing:
            return
        self.unwanted = True
        try:
            records.change(self.ctx, self.job, status=CANCEL_REQUESTED)
        except JobNotFound:
            log.info("job %s is gone with its workspace", self.job.name)
        self.task.cancel()

    def check(self) -> None:
        """Give way to a wish to cancel that some await has swallowed.

        Raises:
            CancelledError: it was wished for.
        """
        if self.unwanted or self.machine.closing:
            raise asyncio.CancelledError

    def say(self, text: str, name: str = folders.STD_LOG) -> None:
        """Append a line to one of the job's logs; a disk without room changes no verdict."""
        try:
            self.folder.write(name, text)
        except OSError:
            log.exception("job %s could not write to its log: %s", self.job.name, text)

    async def _main(self, run: Callable[[Work], Awaitable[Verdict]]) -> None:
        try:
            verdict = await self._judged(run)
            await self._end(verdict)
        except JobNotFound:
            log.info("job %s is gone with its workspace", self.job.name)

    async def _judged(self, run: Callable[[Work], Awaitable[Verdict]]) -> Verdict:
        try:
            verdict = await run(self)
        except asyncio.CancelledError:
            if not self.unwanted:
                raise  # the server stops
            verdict = Verdict(CANCELED)
        except JobNotFound:
            raise
        except (ServiceError, EnvironmentRefused, NotStarted, tracking.TrackingFailed) as refused:
            verdict = failed(getattr(refused, "message", None) or str(refused))
            self.say(f"[rehearsal] {(verdict.error or {})['message']}")
        except Exception as bug:
            log.exception("job %s", self.job.name)
            message = f"Rehearsal failed on this job (not Azure's behaviour): {bug!r}"
            verdict = failed(message, "ServiceError")
            self.say(f"[rehearsal] {message}")
        if self.unwanted and verdict.status == FAILED:
            return Verdict(CANCELED)
        return verdict

    async def _end(self, verdict: Verdict) -> None:
        """Tell those who wait, keep what is to be kept, and only then show the end."""
        ctx = self.ctx
        job = records.change(ctx, self.job, status=FINALIZING)
        ended = replace(job, status=verdict.status, error=verdict.error)
        if not self.decided.done():
            self.decided.set_result(ended)
        try:
            await keeping.keep(ctx, self.ws, ended)
        finally:
            records.change(ctx, job, status=verdict.status, error=verdict.error)
            self.folder.close()

    def _over(self, task: asyncio.Task[None]) -> None:
        """See to what the task could not: it may have been canceled before its first step."""
        del task
        self.machine.works.pop((self.job.workspace, self.job.name), None)
        if self.decided.done():
            return
        if not self.unwanted or self.machine.closing:
            self.decided.cancel()
            return

        async def canceled(work: Work) -> Verdict:
            del work
            return Verdict(CANCELED)

        self.machine.works[self.job.workspace, self.job.name] = self
        self.unwanted = False
        self.start(canceled)
