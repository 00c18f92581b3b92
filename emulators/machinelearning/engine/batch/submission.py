"""Invocations made into jobs, and the jobs an endpoint has started."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Conflict, ServiceError
from emulators.machinelearning.engine import assets, places
from emulators.machinelearning.engine.batch import deployments, invocation, run, settings
from emulators.machinelearning.engine.batch.components import pipeline_properties
from emulators.machinelearning.engine.batch.content import Contents
from emulators.machinelearning.engine.batch.invocation import Invocation
from emulators.machinelearning.engine.jobs import folders, records
from emulators.machinelearning.engine.jobs.manager import jobs_of
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused
from emulators.machinelearning.engine.uris import AssetUri, parse_uri
from emulators.machinelearning.errors import Stopping
from emulators.machinelearning.store.batch import (
    BATCH_RUNS,
    REPEATED,
    BatchDeployment,
    BatchEndpoint,
    BatchRun,
    Repeated,
)
from emulators.machinelearning.store.jobs import JOBS, Job
from emulators.machinelearning.store.workspaces import Workspace

log = logging.getLogger("rehearsal.batch")


class RepeatedDifferently(Conflict):
    """A request id was used before, for something else."""

    code = "UserError"


@dataclass(frozen=True, slots=True)
class Started:
    """Who asks which deployment."""

    ws: Workspace
    endpoint: BatchEndpoint
    deployment: BatchDeployment
    by: str
    request: str  # the repeatability request id; "" without one


def invoke(ctx: Context, at: Started, asked: Invocation) -> Job:
    """Start the job of an invocation; the same request again is the same job.

    Raises:
        ValidationError, UserError, InvalidJob, Unsupported: it cannot be run as it is asked for.
        AssetNotFound, InvalidUri: an input that does not exist.
        JobExists: the job's name is taken.
        RepeatedDifferently: the request id was used for something else.
        Stopping: the server is about to end.
    """
    digest = _digest(at, asked)
    if at.request:
        known = ctx.store.get(REPEATED, at.ws.guid, at.endpoint.key, at.request)
        if known is not None:
            return _same(ctx, known, digest)
    if deployments.is_pipeline(at.deployment.properties):
        job = _component_job(ctx, at, asked)
    else:
        job = _model_job(ctx, at, asked)
    ctx.store.put(
        BATCH_RUNS,
        BatchRun(at.ws.guid, at.endpoint.key, f"{job.number:010}", job.name, at.deployment.key),
    )
    if at.request:
        ctx.store.put(REPEATED, Repeated(at.ws.guid, at.endpoint.key, at.request, digest, job.name))
    return job


def _digest(at: Started, asked: Invocation) -> str:
    what = json.dumps([at.deployment.key, asdict(asked)], sort_keys=True, default=str)
    return hashlib.sha256(what.encode()).hexdigest()


def _same(ctx: Context, known: Repeated, digest: str) -> Job:
    if known.digest != digest:
        raise RepeatedDifferently(
            f"The repeatability-request-id '{known.request}' was used for another request."
        )
    return records.get(ctx, known.workspace, known.job)


def words_of(at: Started, asked: Invocation, *, pipeline: bool) -> dict[str, Any]:
    """What every job of a batch endpoint says of itself.

    Source: an answer of the real service in the documentation of the public Ansible module
    azure_rm_ml_batch_endpoint_invoke. Assumed: the experiment is named after the endpoint.
    """
    tags = {
        **asked.tags,
        "azureml.batchrun": "true",
        "azureml.deploymentname": at.deployment.name,
    }
    if pipeline:  # the client downloads such a job's outputs as it does any pipeline's
        tags["azureml.jobtype"] = "azureml.pipelinejob"
    words: dict[str, Any] = {
        "jobType": "Pipeline",
        "experimentName": asked.experiment or at.endpoint.name,
        "tags": tags,
        "properties": {
            **asked.properties,
            "azureml.endpointname": at.endpoint.name,
            "azureml.deploymentname": at.deployment.name,
            "azureml.runLineageType": "batchDeployment",
            "azureml.runsource": "azureml.PipelineRun",
            "runSource": "BatchDeployment",
            "runType": "HTTP",
        },
    }
    if asked.description:
        words["description"] = asked.description
    return words


def _component_job(ctx: Context, at: Started, asked: Invocation) -> Job:
    properties = pipeline_properties(ctx, at.ws, at.deployment, asked)
    properties = {**properties, **words_of(at, asked, pipeline=True)}
    name = asked.job or f"pipelinejob-{ctx.ids.guid()}"
    return jobs_of(ctx).submit(at.ws, name, properties, at.by)


def _model_job(ctx: Context, at: Started, asked: Invocation) -> Job:
    jobs = jobs_of(ctx)
    if jobs.machine.closing:
        raise Stopping("Rehearsal is stopping and takes no new jobs.")
    name = asked.job or f"batchjob-{ctx.ids.guid()}"
    folders.check_name(name)
    given = invocation.data_of(asked)
    _check_exists(ctx, at.ws, given.value)
    what = run.Asked(
        at.deployment,
        given,
        invocation.target_of(asked),
        settings.overridden(settings.read(at.deployment.properties), asked.overrides),
        settings.variables(at.deployment.properties),
    )
    (key,) = asked.inputs
    words = words_of(at, asked, pipeline=False)
    properties = {
        **words,
        "inputs": {key: {"jobInputType": given.kind, "uri": given.value}},
        "jobs": {},
    }
    job = records.add(
        ctx,
        at.ws,
        Job(
            workspace=at.ws.guid,
            name=name,
            number=0,
            kind="Pipeline",
            properties=properties,
            experiment=words["experimentName"],
            created=ctx.clock.now(),
            created_by=at.by,
        ),
    )
    jobs.machine.begin(
        at.ws, job, partial(run.run_pipeline, contents=batches_of(ctx).contents, asked=what)
    )
    return job


def _check_exists(ctx: Context, ws: Workspace, reference: str) -> None:
    """Refuse at once a reference of no known form, or to an asset that is not there.

    Raises:
        InvalidUri, AssetNotFound, ResourceMissing: see there.
    """
    uri = parse_uri(reference)
    if isinstance(uri, AssetUri) and not uri.kind:
        assets.resolve_id(ctx, ws, reference, "data")
        return
    places.located(ctx, ws, reference)


def jobs_of_endpoint(
    ctx: Context, ws: Workspace, endpoint: BatchEndpoint, of: BatchDeployment | None
) -> list[Job]:
    """The jobs an endpoint started, newest first.

    Args:
        of: only those of this deployment.
    """
    runs = list(ctx.store.scan(BATCH_RUNS, ws.guid, endpoint.key))
    found = (
        ctx.store.get(JOBS, ws.guid, one.job)
        for one in reversed(runs)
        if of is None or one.deployment == of.key
    )
    return [job for job in found if job is not None]


class Batches:
    """What batch jobs of one host share. Made once, by `started`."""

    def __init__(self, ctx: Context) -> None:
        self.contents = Contents(ctx)
        self._ctx = ctx
        self._held: set[asyncio.Task[None]] = set()

    def get_ready(self, ws: Workspace, deployment: BatchDeployment) -> None:
        """Fetch and build what a deployment's first job would wait for, without waiting here."""
        task = asyncio.create_task(
            self._prepare(ws, deployment), name=f"batch deployment {deployment.key}"
        )
        self._held.add(task)
        task.add_done_callback(self._held.discard)

    async def _prepare(self, ws: Workspace, deployment: BatchDeployment) -> None:
        runtimes = jobs_of(self._ctx).machine.runtimes
        try:
            await self.contents.of(ws, deployment, runtimes, lambda line: None)
        except (ServiceError, EnvironmentRefused) as refused:
            log.info("batch deployment %s: %s", deployment.name, refused)  # its jobs will say so
        except Exception:
            log.exception("batch deployment %s", deployment.name)

    async def close(self) -> None:
        """End what is being prepared; the first job begins anew."""
        for task in self._held:
            task.cancel()
        await asyncio.gather(*self._held, return_exceptions=True)


_HOSTS: dict[int, Batches] = {}


def batches_of(ctx: Context) -> Batches:
    """The batch jobs' share of the host that serves this context."""
    return _HOSTS[id(ctx)]


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[Batches]:
    """Serve batch jobs while the service is up. What ran at a stop, the jobs engine fails."""
    deployments.sweep(ctx)
    batches = _HOSTS[id(ctx)] = Batches(ctx)
    try:
        yield batches
    finally:
        await batches.close()
        del _HOSTS[id(ctx)]
