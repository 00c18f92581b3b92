"""Runs of pipelines and of their activities: begun, asked for, cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from starlette.requests import Request

from emulators.datafactory.engine import asking, publishing, resources
from emulators.datafactory.engine.runs import manager
from emulators.datafactory.errors import InvalidParameters, RunEnded
from emulators.datafactory.store import RUN_FINAL, ActivityRun, Factory, PipelineRun
from emulators.datafactory.wire.scope import (
    ARM_HOST,
    DEV_HOST,
    FACTORY,
    child_of,
    factory_of,
    honoured,
    instant,
    milliseconds,
)
from emulators.kernel.errors import BadRequest
from emulators.kernel.http import (
    Operation,
    Reply,
    context_of,
    json_object,
    principal_of,
    read_json,
)

HIDDEN = "***"
"""What stands for the value of a parameter of type SecureString."""
NO_ERROR = {"errorCode": "", "message": "", "failureType": "", "details": ""}


def text_of(value: Any) -> str:
    """A parameter's value as runs show it: text as it is, everything else as JSON."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if value is not None else ""


def shown_parameters(run: PipelineRun) -> dict[str, str]:
    """The parameters of a run, without what is secret."""
    declared = run.definition.get("parameters") or {}
    secret = {
        name.lower()
        for name, one in declared.items()
        if isinstance(one, dict) and str(one.get("type", "")).lower() == "securestring"
    }
    return {
        name: HIDDEN if name.lower() in secret else text_of(value)
        for name, value in run.parameters.items()
    }


def encode_run(factory: Factory, run: PipelineRun) -> dict[str, Any]:
    """A run as the service shows it."""
    dimension = dict(run.trigger.get("runDimension") or {})
    return {
        "id": f"{factory.id.upper()}/pipelineruns/{run.id}",
        "runId": run.id,
        "debugRunId": run.debug,
        "runGroupId": run.group,
        "pipelineName": run.pipeline,
        "parameters": shown_parameters(run),
        "invokedBy": run.invoked_by,
        "runStart": instant(run.start or run.queued),
        "runEnd": instant(run.end),
        "durationInMs": milliseconds(run.start, run.end),
        "status": run.status,
        "message": run.message,
        "lastUpdated": instant(run.updated or run.end or run.start or run.queued),
        "annotations": run.definition.get("annotations") or [],
        "runDimension": dimension,
        "isLatest": run.is_latest,
    }


def encode_activity(factory: Factory, run: PipelineRun, one: ActivityRun) -> dict[str, Any]:
    """An activity run as the service shows it; no error is one of empty words."""
    return {
        "id": f"{factory.id.upper()}/pipelineruns/{run.id}/activityruns/{one.id}",
        "activityRunId": one.id,
        "activityName": one.name,
        "activityType": one.type,
        "pipelineName": run.pipeline,
        "pipelineRunId": run.id,
        "linkedServiceName": one.linked_service,
        "status": one.status,
        "activityRunStart": instant(one.start),
        "activityRunEnd": instant(one.end),
        "durationInMs": milliseconds(one.start, one.end),
        "input": {} if one.input is None else one.input,
        "output": {} if one.output is None else one.output,
        "error": {**NO_ERROR, "target": one.name, **one.error},
        "retryAttempt": one.attempt or None,
        "iterationHash": one.iteration,
        "userProperties": one.user_properties,
        "recoveryStatus": one.recovery,
        "integrationRuntimeNames": one.integration_runtimes,
        "executionDetails": _execution(one),
    }


def _execution(one: ActivityRun) -> dict[str, Any] | None:
    if not one.integration_runtimes:
        return None
    runtimes = [
        {"name": name, "type": "Managed", "location": "", "nodes": None}
        for name in one.integration_runtimes
    ]
    return {"integrationRuntime": runtimes}


def _flag(given: dict[str, str], name: str) -> bool:
    text = given.get(name.lower(), "false").lower()
    if text not in ("true", "false"):
        raise BadRequest(f"The query parameter '{name}' must be true or false.", target=name)
    return text == "true"


def _restart(given: dict[str, str]) -> tuple[str | None, str | None]:
    """The run to repeat and where to begin; None without either, "" from what failed."""
    reference = given.get("referencepipelinerunid") or None
    start, failed = given.get("startactivityname"), _flag(given, "startFromFailure")
    recovery = _flag(given, "isRecovery")
    if reference is None and (recovery or start or failed):
        raise InvalidParameters(
            "A rerun needs 'referencePipelineRunId'.", target="referencePipelineRunId"
        )
    if start and failed:
        raise InvalidParameters(
            "'startActivityName' and 'startFromFailure' exclude each other.",
            target="startActivityName",
        )
    return (reference, ("" if failed else start) if recovery or start or failed else None)


async def create_run(request: Request) -> Reply:
    """Begin a run; the body is the map of its parameters."""
    given = honoured(
        request, "referencePipelineRunId", "isRecovery", "startActivityName", "startFromFailure"
    )
    ctx, at = context_of(request), child_of(request, "pipelines")
    pipeline = resources.get(ctx, at)
    reference, start = _restart(given)
    if reference is not None:
        reference = asking.run_of(ctx, at.factory, reference).id
    caller = principal_of(request)
    run = await manager.create_run(
        ctx,
        at.factory.id,
        pipeline.name,
        await read_json(request),
        invoked_by={"id": caller.object_id, "name": "Manual", "invokedByType": "Manual"},
        reference=reference,
        restart_at=start,
    )
    # A workspace's host says Accepted where a factory says OK; each client takes only its own.
    return Reply(202 if at.factory.kind == "synapse" else 200, {"runId": run.id})


async def create_debug_run(request: Request) -> Reply:
    """Run a pipeline that is not published; ours, for Azure's pages do it in no public way."""
    ctx, factory, body = context_of(request), factory_of(request), await read_json(request)
    pipeline = json_object(body.get("pipeline"), "pipeline")
    properties = resources.properties_in(pipeline, typed=False)
    at = resources.Child(factory, "pipelines", str(pipeline.get("name") or "sandbox"))
    resources.check_name(at.kind, at.name)
    publishing.check_pipeline(ctx, at, properties)
    caller = principal_of(request)
    run = await manager.create_run(
        ctx,
        factory.id,
        at.name,
        json_object(body.get("parameters"), "parameters"),
        invoked_by={"id": caller.object_id, "name": "Manual", "invokedByType": "Manual"},
        debug_definition=properties,
    )
    return Reply(200, {"runId": run.id})


async def get_run(request: Request) -> Reply:
    factory = factory_of(request)
    run = asking.run_of(context_of(request), factory, request.path_params["run"])
    return Reply(200, encode_run(factory, run))


async def query_runs(request: Request) -> Reply:
    factory = factory_of(request)
    asked = await read_json(request)
    # Beside the loop: over ten thousand runs it takes a good part of a second.
    found = await asyncio.to_thread(asking.runs, context_of(request), factory, asked)
    body: dict[str, Any] = {"value": [encode_run(factory, one) for one in found.items]}
    if found.token is not None:
        body["continuationToken"] = found.token
    return Reply(200, body)


async def query_activity_runs(request: Request) -> Reply:
    ctx, factory = context_of(request), factory_of(request)
    run = asking.run_of(ctx, factory, request.path_params["run"])
    found = await asyncio.to_thread(asking.activity_runs, ctx, run, await read_json(request))
    body: dict[str, Any] = {"value": [encode_activity(factory, run, one) for one in found.items]}
    if found.token is not None:
        body["continuationToken"] = found.token
    return Reply(200, body)


async def cancel_run(request: Request) -> Reply:
    """Cancel a run that has not ended, with the runs that it began when asked to."""
    recursive = _flag(honoured(request, "isRecursive"), "isRecursive")
    ctx, factory = context_of(request), factory_of(request)
    run = asking.run_of(ctx, factory, request.path_params["run"])
    if run.status in RUN_FINAL:
        raise RunEnded(
            f"Cannot cancel the pipeline run {run.id}: it is not running (status {run.status}).",
            target=run.id,
        )
    await manager.cancel(ctx, factory.id, run.id, recursive)
    return Reply(200)


RUN = "/pipelineruns/{run}"
OPERATIONS = [
    Operation(name, method, f"{FACTORY}{path}", handler, host=ARM_HOST)
    for name, method, path, handler in (
        ("Pipelines_CreateRun", "POST", "/pipelines/{name}/createRun", create_run),
        ("Rehearsal_CreateDebugRun", "POST", "/createDebugRun", create_debug_run),
        ("PipelineRuns_QueryByFactory", "POST", "/queryPipelineRuns", query_runs),
        ("PipelineRuns_Get", "GET", RUN, get_run),
        ("PipelineRuns_Cancel", "POST", f"{RUN}/cancel", cancel_run),
        (
            "ActivityRuns_QueryByPipelineRun",
            "POST",
            f"{RUN}/queryActivityruns",
            query_activity_runs,
        ),
    )
]
WORKSPACE_OPERATIONS = [
    Operation(name, method, path, handler, host=DEV_HOST)
    for name, method, path, handler in (
        ("Pipeline_CreatePipelineRun", "POST", "/pipelines/{name}/createRun", create_run),
        ("PipelineRun_QueryPipelineRunsByWorkspace", "POST", "/queryPipelineRuns", query_runs),
        ("PipelineRun_GetPipelineRun", "GET", RUN, get_run),
        ("PipelineRun_CancelPipelineRun", "POST", f"{RUN}/cancel", cancel_run),
        (
            "PipelineRun_QueryActivityRuns",
            "POST",
            f"/pipelines/{{name}}{RUN}/queryActivityruns",
            query_activity_runs,
        ),
    )
]
