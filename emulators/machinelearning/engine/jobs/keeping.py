"""What is kept of a job that came to its end: its logs and files in storage, its run's end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path

from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError
from emulators.machinelearning.engine import places, storage_access
from emulators.machinelearning.engine.jobs import folders, tracking
from emulators.machinelearning.store.jobs import Job
from emulators.machinelearning.store.workspaces import Workspace

log = logging.getLogger("rehearsal.jobs")


async def keep(ctx: Context, ws: Workspace, job: Job) -> None:
    """Store the job's logs and end its run, side by side.

    What goes wrong here is said in the job's log and does not change how the job came out.
    """
    folder = folders.of_job(ctx, job)
    found = folder.logs()
    await asyncio.gather(
        _or_say(folder, "the run was not ended", tracking.end(ctx, ws, job)),
        *(
            _or_say(folder, f"'{name}' was not kept in storage", _store(ctx, ws, job, (name, path)))
            for name, path in found.items()
        ),
    )


async def _store(ctx: Context, ws: Workspace, job: Job, log_file: tuple[str, Path]) -> None:
    name, path = log_file
    where = await places.resolve(ctx, ws, places.artifacts_uri(job.name, name))
    await storage_access.upload(ctx, path, where)


async def _or_say(folder: folders.Folders, what: str, work: Awaitable[None]) -> None:
    try:
        await work
    except (ServiceError, tracking.TrackingFailed) as refused:
        folder.write(folders.STD_LOG, f"[rehearsal] {what}: {refused}")
    except Exception as bug:
        log.exception("keeping %s", folder.root.name)
        folder.write(folders.STD_LOG, f"[rehearsal] {what}: {bug!r}")
