"""One command job from its data to its verdict: prepare, run, send, register."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError
from emulators.machinelearning.engine import assets, content, places, storage_access
from emulators.machinelearning.engine.jobs import (
    containers,
    data,
    environments,
    folders,
    records,
    tracking,
    variables,
)
from emulators.machinelearning.engine.jobs.machine import Verdict, Work
from emulators.machinelearning.engine.jobs.placeholders import command_line
from emulators.machinelearning.engine.jobs.specs import MODEL_TYPES, CommandSpec, Output
from emulators.machinelearning.engine.runtime.definition import Prepared
from emulators.machinelearning.engine.runtime.launch import Launch, Limits, Outcome
from emulators.machinelearning.store.assets import JOB_OUTPUTS, JobOutput
from emulators.machinelearning.store.jobs import (
    CANCELED,
    COMPLETED,
    FAILED,
    FINALIZING,
    PREPARING,
    RUNNING,
    Job,
)
from emulators.machinelearning.store.workspaces import Workspace

LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class Result:
    """An output that was written."""

    name: str
    output: Output
    uri: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything a process needs."""

    python: Prepared
    code: Path | None
    values: data.Values
    placed: dict[str, data.Placed]
    experiment_id: str | None


async def run(work: Work, spec: CommandSpec) -> Verdict:
    """Run a command job and say how it came out; its outputs are stored and registered.

    Cancelling the call ends the process group.

    Raises:
        ServiceError, EnvironmentRefused, NotStarted, TrackingFailed: it could not be run.
    """
    ctx, job = work.ctx, work.job
    records.change(ctx, job, status=PREPARING)
    ready = await prepare(work, spec)
    async with work.machine.slot(job):
        outcome = await _execute(work, spec, ready)
    records.change(ctx, job, status=FINALIZING)
    verdict = _verdict(outcome)
    try:
        await finalize(work, ready.placed, named=outcome.ok)
    except ServiceError as refused:
        if outcome.ok:
            raise
        work.say(f"[rehearsal] what was written is not kept: {refused.message}")
    return verdict


def _verdict(outcome: Outcome) -> Verdict:
    if outcome.ok:
        return Verdict(COMPLETED)
    why = "\n".join([outcome.sentence(), *outcome.last_lines[-LAST_LINES:]])
    # Azure cancels what exceeds its time limit.
    status = CANCELED if outcome.reason == "TimedOut" else FAILED
    return Verdict(status, {"code": "UserError", "message": why})


async def prepare(work: Work, spec: CommandSpec) -> Ready:
    """Make environment, code, data and MLflow run ready, side by side.

    Raises:
        ServiceError, EnvironmentRefused, TrackingFailed: one of them cannot be.
    """
    ctx, ws, job, folder = work.ctx, work.ws, work.job, work.folder
    fetcher = work.machine.fetcher
    folder.root.mkdir(parents=True, exist_ok=True)
    try:
        async with asyncio.TaskGroup() as tasks:
            python = tasks.create_task(_environment(work, spec.environment))
            code = tasks.create_task(fetcher.code(ws, job, spec.code))
            inputs = tasks.create_task(fetcher.inputs(ws, job, spec))
            places_of = tasks.create_task(data.place_outputs(ctx, ws, job, spec))
            experiment = tasks.create_task(tracking.begin(ctx, ws, job))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    placed = places_of.result()
    outputs = {
        name: one.uri if one.output.mode == "direct" else str(one.local)
        for name, one in placed.items()
    }
    values = data.Values(inputs.result(), outputs)
    return Ready(python.result(), code.result(), values, placed, experiment.result())


async def _environment(work: Work, reference: str | None) -> Prepared:
    wanted = await environments.definition_of(work.ctx, work.ws, reference, work.folder.root)

    def progress(line: str) -> None:
        work.say(line, folders.BUILD_LOG)

    prepared = await work.machine.runtimes.prepare(wanted, progress)
    if prepared.runtime == "host":  # nothing is built, so nothing has been said yet
        for note in prepared.notes:
            progress(note)
    return prepared


async def _execute(work: Work, spec: CommandSpec, ready: Ready) -> Outcome:
    """Start the command and wait for its end; cancelled, it takes its whole group along."""
    ctx, folder = work.ctx, work.folder
    line = command_line(
        spec.command,
        inputs=ready.values.inputs,
        outputs=ready.values.outputs,
        search_space=spec.point,
    )
    env = variables.of_job(
        ctx, work.ws, work.job, ready.values, own=spec.variables, experiment_id=ready.experiment_id
    )
    log = folder.log(folders.STD_LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    memory = ctx.settings.job_memory_mib << 20
    limits = Limits(seconds=spec.timeout_s, memory=memory or None, shared_memory=spec.shared_memory)
    launch = Launch(
        *(line, folder.work, env, log, limits),
        mounts=containers.mounts(folder, spec, ready.values),
        asked=frozenset(spec.variables),
        network=containers.network(work.job),
    )
    running = await work.machine.runtimes.start(ready.python, launch, warm_imports_from=ready.code)
    try:
        work.check()
        records.change(ctx, work.job, status=RUNNING)
        return await running.wait()
    except BaseException:
        await asyncio.shield(running.cancel())
        raise


async def finalize(work: Work, placed: dict[str, data.Placed], *, named: bool) -> None:
    """Send what was written, and make the outputs known to whoever refers to them.

    Args:
        named: also register those that the job gave a name.
    """
    ctx, ws, job = work.ctx, work.ws, work.job
    for note in await data.send_outputs(ctx, placed):
        work.say(f"[rehearsal] {note}")
    own = work.folder.work / "outputs"
    if own.is_dir() and any(own.iterdir()):
        where = await places.resolve(ctx, ws, places.artifacts_uri(job.name, "outputs"))
        await storage_access.upload(ctx, own, where)
    outputs = {}
    for name, one in placed.items():
        work.machine.fetcher.prime(job, one)
        outputs[name] = {"type": one.output.kind, "uri": one.uri}
        expose(ctx, ws, job, name, outputs[name])
    records.change(ctx, job, outputs=outputs)
    for name, one in placed.items():
        await register(ctx, ws, job, Result(name, one.output, one.uri), named=named)


def expose(ctx: Context, ws: Workspace, job: Job, name: str, made: Mapping[str, str]) -> None:
    """Let `azureml://jobs/{job}/outputs/{name}` stand for where an output is."""
    found = JobOutput(ws.guid, job.name, name, made["uri"], made["type"])
    ctx.store.put(JOB_OUTPUTS, found)


async def register(
    ctx: Context, ws: Workspace, job: Job, made: Result, *, named: bool = True
) -> None:
    """Make an output an asset: always anonymous data, and what the job gave it a name for.

    Args:
        named: false for a job that failed, whose named outputs stay as they were.

    Raises:
        AssetExists: the name and version hold something else.
    """
    output, uri = made.output, made.uri
    is_model = output.kind in MODEL_TYPES
    data_type = "uri_folder" if is_model else output.kind
    as_data = {"dataType": data_type, "dataUri": uri}
    unnamed = f"azureml_{job.name}_output_data_{made.name}"
    drafts = [assets.Draft("data", unnamed, {**as_data, "isAnonymous": True}, "1")]
    if named and output.asset_name is not None:
        as_model = {"modelType": output.kind, "modelUri": uri}
        kind, about = ("models", as_model) if is_model else ("data", as_data)
        drafts.append(assets.Draft(kind, output.asset_name, about, output.asset_version))
    for draft in drafts:
        ready = await content.PREPARE[draft.kind](ctx, ws, dict(draft.properties))
        ready["properties"] = {"azureml.jobName": job.name}
        assets.create_version(ctx, ws, replace(draft, properties=ready, by=job.created_by))
