"""A batch job from its data to its verdict: the pipeline, and the one step that scores."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.batch import cluster, files
from emulators.machinelearning.engine.batch.content import Content, Contents
from emulators.machinelearning.engine.batch.invocation import Given, Target
from emulators.machinelearning.engine.batch.records import README
from emulators.machinelearning.engine.batch.scoring import JobFailed, Rules, Tally
from emulators.machinelearning.engine.batch.settings import Settings
from emulators.machinelearning.engine.batch.told import DRIVER, Told, progress
from emulators.machinelearning.engine.batch.workers import Elsewhere, Task, Workers, carry_out
from emulators.machinelearning.engine.endpoints.recipes import MODELS
from emulators.machinelearning.engine.jobs import commands, data, folders, records, tracking
from emulators.machinelearning.engine.jobs.machine import Verdict, Work, failed
from emulators.machinelearning.engine.jobs.specs import CommandSpec, Input, Output
from emulators.machinelearning.engine.jobs.variables import of_job
from emulators.machinelearning.engine.runtime.launch import Mount
from emulators.machinelearning.store.assets import JOB_OUTPUTS, JobOutput
from emulators.machinelearning.store.batch import BatchDeployment
from emulators.machinelearning.store.jobs import (
    COMPLETED,
    FINALIZING,
    PREPARING,
    RUNNING,
    Job,
)

SCORE = "score"
STEP = "batchscoring"
INPUT = "input"
NONE_SCORED = (
    "There is no succeeded mini batch item returned from run(). Please check 'response: run()' in"
    " https://aka.ms/batch-inference-documentation."
)
"""Source: learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-batch-endpoints."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one job is to score, and how."""

    deployment: BatchDeployment
    data: Given
    target: Target | None
    settings: Settings
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Ready:
    """Everything the mini-batches need."""

    content: Content
    source: Path  # the input, on this machine
    files: list[str]
    placed: data.Placed
    experiment_id: str | None

    @property
    def written(self) -> Path:
        """The folder in which this job writes."""
        local = self.placed.local
        return local.parent if self.placed.output.kind == "uri_file" else local


async def run_pipeline(work: Work, contents: Contents, asked: Asked) -> Verdict:
    """Run the job that an invocation made: a pipeline of one step.

    Raises:
        ServiceError, TrackingFailed: it could not be run.
    """
    ctx, job = work.ctx, work.job
    await tracking.begin(ctx, work.ws, job)
    records.change(ctx, job, status=RUNNING)
    child = records.add(ctx, work.ws, _child(work, asked))
    step = work.machine.begin(work.ws, child, partial(run_step, contents=contents, asked=asked))
    work.say(f"Step {STEP} started as {child.name}", folders.EXECUTION_LOG)
    try:
        await asyncio.wait([step.decided])
    finally:
        step.cancel()
        await asyncio.wait([step.task])
    over = step.decided.result()
    work.say(f"Step {STEP} {over.status}", folders.EXECUTION_LOG)
    for name, made in over.outputs.items():
        ctx.store.put(
            JOB_OUTPUTS, JobOutput(work.ws.guid, job.name, name, made["uri"], made["type"])
        )
    if over.status == COMPLETED:
        return Verdict(COMPLETED)
    why = (over.error or {}).get("message", f"it was {over.status.lower()}")
    return failed(f"Step '{STEP}' ({over.name}) did not complete: {why}")


def _child(work: Work, asked: Asked) -> Job:
    job, properties = work.job, asked.deployment.properties
    return Job(
        workspace=job.workspace,
        name=work.ctx.ids.guid(),
        number=0,
        kind="Command",
        properties={
            "jobType": "Command",
            "displayName": STEP,
            "experimentName": job.experiment,
            "command": f"batch scoring of the deployment {asked.deployment.name}",
            "environmentId": properties.get("environmentId"),
            "codeId": (properties.get("codeConfiguration") or {}).get("codeId"),
            "properties": {"azureml.moduleName": STEP, "azureml.rootpipelinerunid": job.root},
            "tags": {},
        },
        experiment=job.experiment,
        created=work.ctx.clock.now(),
        created_by=job.created_by,
        parent=job.name,
        root=job.root,
        step=STEP,
    )


async def run_step(work: Work, *, contents: Contents, asked: Asked) -> Verdict:
    """Score all files and say how it came out.

    Raises:
        ServiceError, EnvironmentRefused, NotStarted, TrackingFailed: it could not be run.
    """
    ctx, job = work.ctx, work.job
    records.change(ctx, job, status=PREPARING)
    told = Told(work, asked.settings)
    ready = await _prepare(work, contents, asked)
    async with work.machine.slot(job):
        records.change(ctx, job, status=RUNNING)
        try:
            tally = await _scored(work, asked, ready, told)
        except JobFailed as gone:
            told.conclude(f"The job failed: {gone}")
            await _send(work, asked, ready, complete=False)
            return failed(str(gone))
    records.change(ctx, job, status=FINALIZING)
    if not tally.files_scored:
        first = tally.errors[0] if tally.errors else ""
        told.conclude(NONE_SCORED)
        await _send(work, asked, ready, complete=False)
        return failed(f"{NONE_SCORED}\n{first}".rstrip())
    await _send(work, asked, ready, complete=True)
    told.conclude(f"The job is done: {progress(tally)}")
    return Verdict(COMPLETED)


async def _prepare(work: Work, contents: Contents, asked: Asked) -> _Ready:
    """Content, data and MLflow run, side by side."""
    ctx, ws, job, fetcher = work.ctx, work.ws, work.job, work.machine.fetcher
    work.folder.root.mkdir(parents=True, exist_ok=True)
    spec = CommandSpec(
        command="",
        environment=None,
        inputs={INPUT: Input(asked.data.kind, asked.data.value)},
        outputs={SCORE: _output(asked)},
    )

    def say(line: str) -> None:
        work.say(line, folders.BUILD_LOG)

    try:
        async with asyncio.TaskGroup() as tasks:
            content = tasks.create_task(
                contents.of(ws, asked.deployment, work.machine.runtimes, say)
            )
            inputs = tasks.create_task(fetcher.inputs(ws, job, spec))
            placed = tasks.create_task(data.place_outputs(ctx, ws, job, spec))
            experiment = tasks.create_task(tracking.begin(ctx, ws, job))
    except BaseExceptionGroup as wrong:
        raise wrong.exceptions[0] from None
    script = content.result().script is not None
    here = Path(str(inputs.result()[INPUT]))
    found = await asyncio.to_thread(files.files_of, here, asked.data.kind, nested=script)
    if not script:
        files.check_types(found)
    if asked.data.kind == "mltable":
        work.say(
            "[rehearsal] the files of the MLTable are scored; its own reading options are not"
            " applied. Azure's documentation calls MLTable inputs unsupported.",
            DRIVER,
        )
    return _Ready(content.result(), here, found, placed.result()[SCORE], experiment.result())


def _output(asked: Asked) -> Output:
    if asked.target is None:
        return Output("uri_folder")
    kind, uri = asked.target.kind, asked.target.uri
    if kind == "uri_file" and not asked.settings.append:
        kind = "uri_folder"
    return Output(kind, uri)


async def _scored(work: Work, asked: Asked, ready: _Ready, told: Told) -> Tally:
    """All mini-batches, by processes of this machine or a cluster's."""
    want = asked.settings
    task = Task(
        ready.files,
        want,
        Rules(want.retries, want.error_threshold),
        _predictions(asked, ready) if want.append else None,
        _on_cluster(work, asked, ready),
    )
    tally, processes = await carry_out(work, task, partial(_workers, work, asked, ready), told)
    _note(work, asked, tally, processes)
    return tally


def _on_cluster(work: Work, asked: Asked, ready: _Ready) -> Elsewhere | None:
    """What makes the executor of the deployment's compute; None where that is this machine.

    Raises:
        Unsupported: the script writes its own files, which would be on other machines.
    """
    address = cluster.address_of(work.ctx, work.ws, asked.deployment.properties.get("compute"))
    if address is None:
        return None
    if not asked.settings.append:
        raise Unsupported("output_action summary_only on a Dask cluster", tracked=README)
    about = cluster.about_of(ready.content, asked.variables)

    def make(parts: Path) -> cluster.DaskExecutor:
        package = cluster.package_of(ready.content)
        timeout_s = asked.settings.timeout_s
        return cluster.DaskExecutor(address, package, about, parts=parts, timeout_s=timeout_s)

    return make


def _note(work: Work, asked: Asked, tally: Tally, processes: int) -> None:
    work.ctx.ledger.record(
        "batch",
        workspace=work.ws.guid,
        job=work.job.name,
        endpoint=asked.deployment.endpoint,
        deployment=asked.deployment.name,
        mini_batches=tally.mini_batches,
        failed_mini_batches=tally.failed_batches,
        files=tally.files_scored,
        failed_files=tally.files_failed,
        rows=tally.rows,
        processes=processes,
    )


def _predictions(asked: Asked, ready: _Ready) -> Path:
    if ready.placed.output.kind == "uri_file":
        return ready.placed.local
    return ready.placed.local / asked.settings.file_name


def _workers(work: Work, asked: Asked, ready: _Ready, shown: Path) -> Workers:
    """Lay out the working directory and say what all processes share."""
    content, folder = ready.content, work.folder
    if content.code is not None:
        shutil.copytree(content.code, folder.work, dirs_exist_ok=True)
    else:
        folder.work.mkdir(parents=True, exist_ok=True)
    own = {
        "AZUREML_BI_OUTPUT_PATH": str(ready.written),
        "AZUREML_ENDPOINT_NAME": asked.deployment.endpoint,
        "AZUREML_DEPLOYMENT_NAME": asked.deployment.name,
    }
    if content.models is not None and content.served is not None:
        # Code splits this path: as in Azure, four parts come before name and version.
        (shown / MODELS).symlink_to(content.models)
        version = content.served.relative_to(content.models).parent
        own["AZUREML_MODEL_DIR"] = str(shown / MODELS / version)
    values = data.Values({}, {SCORE: str(ready.written)})
    env = of_job(
        work.ctx,
        work.ws,
        work.job,
        values,
        own={**own, **asked.variables},
        experiment_id=ready.experiment_id,
    )
    models = [Mount(content.models)] if content.models is not None else []
    return Workers(
        python=content.python,
        words=tuple(content.words),
        env=env,
        asked=frozenset(asked.variables),
        mounts=(Mount(ready.source), *models),
        imports=content.imports,
    )


async def _send(work: Work, asked: Asked, ready: _Ready, *, complete: bool) -> None:
    """Store what was written, and register it where the job completes.

    A job that failed shows no predictions: they would lack rows. What a script wrote itself stays.
    """
    if not complete and asked.settings.append:
        return
    ctx, ws, job, placed = work.ctx, work.ws, work.job, ready.placed
    for note in await data.send_outputs(ctx, {SCORE: placed}):
        work.say(f"[rehearsal] {note}")
    kind = placed.output.kind
    ctx.store.put(JOB_OUTPUTS, JobOutput(ws.guid, job.name, SCORE, placed.uri, kind))
    records.change(ctx, job, outputs={SCORE: {"type": kind, "uri": placed.uri}})
    if complete:
        await commands.register(ctx, ws, job, commands.Result(SCORE, placed.output, placed.uri))
