"""One command job from its data to its end: prepare, run, send, register."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError
from emulators.machinelearning.engine import assets, places, storage_access
from emulators.machinelearning.engine.jobs import (
    data,
    environments,
    folders,
    records,
    tracking,
    variables,
)
from emulators.machinelearning.engine.jobs.placeholders import command_line
from emulators.machinelearning.engine.jobs.specs import CommandSpec, Output
from emulators.machinelearning.engine.runtime.definition import Prepared
from emulators.machinelearning.engine.runtime.launch import Launch, Limits, Outcome
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused
from emulators.machinelearning.engine.runtime.process import NotStarted
from emulators.machinelearning.engine.runtime.runtimes import Runtimes
from emulators.machinelearning.store.assets import JOB_OUTPUTS, JobOutput
from emulators.machinelearning.store.jobs import (
    CANCELED,
    COMPLETED,
    FAILED,
    FINALIZING,
    PREPARING,
    QUEUED,
    RUNNING,
    Job,
)
from emulators.machinelearning.store.workspaces import Workspace

log = logging.getLogger("rehearsal.jobs")

LAST_LINES = 20
MODEL_TYPES = {"mlflow_model", "custom_model", "triton_model"}


@dataclass
class Machine:
    """What jobs share: the runtimes, the data already here, and room for processes."""

    ctx: Context
    runtimes: Runtimes
    fetcher: data.Fetcher
    slots: asyncio.Semaphore
    tasks: dict[tuple[str, str], asyncio.Task[Any]] = field(default_factory=dict)
    closing: bool = False  # the server stops: what runs is neither canceled nor failed by that


@dataclass(frozen=True, slots=True)
class Result:
    """An output that was written."""

    name: str
    output: Output
    uri: str


@dataclass(frozen=True, slots=True)
class _Ready:
    """Everything a process needs."""

    python: Prepared
    code: Path | None
    values: data.Values
    placed: dict[str, data.Placed]
    experiment_id: str | None


async def driven(machine: Machine, ws: Workspace, job: Job, work: Awaitable[Job]) -> Job:
    """Await the work of one job, so that it ends however the work ends.

    Runs as a task of its own, by which the job can be canceled.
    """
    ctx, key = machine.ctx, (job.workspace, job.name)
    current = asyncio.current_task()
    assert current is not None
    machine.tasks[key] = current
    try:
        return await work
    except asyncio.CancelledError:
        if not machine.closing:
            ended = records.change(ctx, job, status=CANCELED)
            await asyncio.shield(conclude(ctx, ws, ended))
        raise
    except Exception as bug:
        log.exception("job %s", job.name)
        ended = fail(ctx, job, f"Rehearsal failed on this job (not Azure's behaviour): {bug!r}")
        await conclude(ctx, ws, ended)
        return ended
    finally:
        machine.tasks.pop(key, None)


async def run(machine: Machine, ws: Workspace, job: Job, spec: CommandSpec) -> Job:
    """Run a command job to its end and return it as it ended.

    Cancelling the call ends the process group; the caller says what the job then is.
    """
    ctx = machine.ctx
    try:
        job = records.change(ctx, job, status=PREPARING)
        ready = await _prepare(machine, ws, job, spec)
        async with machine_slot(machine, job):
            outcome = await _execute(machine, ws, job, spec, ready)
        job = records.change(ctx, job, status=FINALIZING)
        await finalize(machine, ws, job, ready.placed)
    except (ServiceError, EnvironmentRefused, NotStarted, tracking.TrackingFailed) as refused:
        job = fail(ctx, job, getattr(refused, "message", None) or str(refused))
        await conclude(ctx, ws, job)
        return job
    status = COMPLETED if outcome.ok else CANCELED if outcome.reason == "TimedOut" else FAILED
    error = None if outcome.ok else {"code": "UserError", "message": _why(outcome)}
    job = records.change(ctx, job, status=status, error=error)
    await conclude(ctx, ws, job)
    return job


def fail(ctx: Context, job: Job, message: str) -> Job:
    """End a job as Failed, with the reason in its log as well."""
    folders.of_job(ctx, job).write(folders.STD_LOG, f"[rehearsal] {message}")
    return records.change(ctx, job, status=FAILED, error={"code": "UserError", "message": message})


async def conclude(ctx: Context, ws: Workspace, job: Job) -> None:
    """What follows the end of any job: the marker for log readers, the logs kept, the run ended."""
    folder = folders.of_job(ctx, job)
    folder.root.mkdir(parents=True, exist_ok=True)
    (folder.root / "done").touch()
    for name, path in folder.logs().items():
        where = await places.resolve(ctx, ws, places.artifacts_uri(job.name, name))
        try:
            await storage_access.upload(ctx, path, where)
        except ServiceError as failed:
            folder.write(folders.STD_LOG, f"[rehearsal] logs not kept in storage: {failed.message}")
    await tracking.end(ctx, ws, job)


@asynccontextmanager
async def machine_slot(machine: Machine, job: Job) -> AsyncIterator[None]:
    """Wait for a place among the processes that run at once."""
    if machine.slots.locked():
        records.change(machine.ctx, job, status=QUEUED)
    async with machine.slots:
        yield


async def _prepare(machine: Machine, ws: Workspace, job: Job, spec: CommandSpec) -> _Ready:
    """Environment, code, data and MLflow run, side by side."""
    ctx, folder = machine.ctx, folders.of_job(machine.ctx, job)
    folder.root.mkdir(parents=True, exist_ok=True)

    async def environment() -> Prepared:
        wanted = await environments.definition_of(ctx, ws, spec.environment, folder.root)
        prepared = await machine.runtimes.prepare(
            wanted, lambda line: folder.write(folders.BUILD_LOG, line)
        )
        for note in prepared.notes:
            folder.write(folders.BUILD_LOG, note)
        return prepared

    try:
        async with asyncio.TaskGroup() as work:
            python = work.create_task(environment())
            code = work.create_task(machine.fetcher.code(ws, job, spec.code))
            inputs = work.create_task(machine.fetcher.inputs(ws, job, spec))
            places_of = work.create_task(data.place_outputs(ctx, ws, job, spec))
            experiment = work.create_task(tracking.begin(ctx, ws, job))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    placed = places_of.result()
    outputs = {
        name: one.uri if one.output.mode == "direct" else str(one.local)
        for name, one in placed.items()
    }
    values = data.Values(inputs.result(), outputs)
    return _Ready(python.result(), code.result(), values, placed, experiment.result())


async def _execute(
    machine: Machine, ws: Workspace, job: Job, spec: CommandSpec, ready: _Ready
) -> Outcome:
    """Start the command and wait for its end; cancelled, it takes its whole group along."""
    ctx, folder = machine.ctx, folders.of_job(machine.ctx, job)
    line = command_line(
        spec.command,
        inputs=ready.values.inputs,
        outputs=ready.values.outputs,
        search_space=spec.point,
    )
    env = variables.of_job(
        ctx, ws, job, ready.values, own=spec.variables, experiment_id=ready.experiment_id
    )
    log = folder.log(folders.STD_LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    launch = Launch(line, folder.work, env, log, Limits(seconds=spec.timeout_s))
    running = await machine.runtimes.start(ready.python, launch, warm_imports_from=ready.code)
    records.change(ctx, job, status=RUNNING)
    try:
        return await running.wait()
    except asyncio.CancelledError:
        await asyncio.shield(running.cancel())
        raise


async def finalize(
    machine: Machine, ws: Workspace, job: Job, placed: dict[str, data.Placed]
) -> None:
    """Send what was written, and make the outputs known to whoever refers to them."""
    ctx, folder = machine.ctx, folders.of_job(machine.ctx, job)
    for note in await data.send_outputs(ctx, placed):
        folder.write(folders.STD_LOG, f"[rehearsal] {note}")
    own = folder.work / "outputs"
    if own.is_dir() and any(own.iterdir()):
        where = await places.resolve(ctx, ws, places.artifacts_uri(job.name, "outputs"))
        await storage_access.upload(ctx, own, where)
    outputs = {}
    for name, one in placed.items():
        machine.fetcher.prime(job, one)
        outputs[name] = {"type": one.output.kind, "uri": one.uri}
        kind = one.output.kind
        ctx.store.put(JOB_OUTPUTS, JobOutput(ws.guid, job.name, name, one.uri, kind))
    records.change(ctx, job, outputs=outputs)
    for name, one in placed.items():
        register(ctx, ws, job, Result(name, one.output, one.uri))


def register(ctx: Context, ws: Workspace, job: Job, made: Result) -> None:
    """An output as an asset: anonymous data, or under the name the job gave it."""
    name, output, uri = made.name, made.output, made.uri
    named, is_model = output.asset_name, output.kind in MODEL_TYPES
    if named and is_model:
        kind, properties = "models", {"modelType": output.kind, "modelUri": uri}
    else:
        kind = "data"
        data_type = "uri_folder" if is_model else output.kind
        properties = {"dataType": data_type, "dataUri": uri}
    draft = assets.Draft(
        kind,
        named or f"azureml_{job.name}_output_data_{name}",
        {**properties, "isAnonymous": named is None, "properties": {"azureml.jobName": job.name}},
        output.asset_version if named else "1",
        by=job.created_by,
    )
    assets.create_version(ctx, ws, draft)


def _why(outcome: Outcome) -> str:
    """The reason a process did not complete, with the end of what it wrote."""
    return "\n".join([outcome.sentence(), *outcome.last_lines[-LAST_LINES:]])
