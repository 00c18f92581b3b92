"""Run history and the data plane: status and logs of runs, where their outputs are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from emulators.kernel.azure_http import iso
from emulators.kernel.errors import NotFound
from emulators.kernel.http import (
    InvalidContent,
    Operation,
    Reply,
    context_of,
    links_of,
    read_json,
)
from emulators.machinelearning.engine import assets
from emulators.machinelearning.engine.jobs import folders, logs, records
from emulators.machinelearning.errors import InvalidUri, JobNotFound
from emulators.machinelearning.store.jobs import JOBS, Job
from emulators.machinelearning.store.workspaces import Workspace
from emulators.machinelearning.wire.scope import ML_HOST, WS, honoured, paged, workspace_of

HISTORY = f"/history/v1.0{WS}"
DATA = f"/data/v1.0{WS}"
CHUNK = 1 << 20
MOST_CHILDREN = 500  # in one answer
RUN_TYPES = {
    "Command": "azureml.scriptrun",
    "Sweep": "hyperdrive",
    "Pipeline": "azureml.PipelineRun",
}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _error(job: Job) -> dict[str, Any] | None:
    return None if job.error is None else {"error": job.error}


def encode_run(job: Job) -> dict[str, Any]:
    """A run as run history shows it; maps never null, since the client trips over that."""
    asked = job.properties
    run: dict[str, Any] = {
        "runId": job.name,
        "runNumber": job.number,
        "status": job.status,
        "parentRunId": job.parent,
        "rootRunId": job.root,
        "experimentId": job.experiment,
        "displayName": asked.get("displayName") or job.name,
        "runType": RUN_TYPES.get(job.kind, "azureml.scriptrun"),
        "createdUtc": iso(job.created),
        "startTimeUtc": _time(job.started),
        "endTimeUtc": _time(job.ended),
        "properties": {**(asked.get("properties") or {}), **job.added},
        "tags": asked.get("tags") or {},
        "hidden": job.hidden,
        "error": _error(job),
    }
    if job.step is not None:
        run["properties"]["azureml.moduleName"] = job.step
    return {k: v for k, v in run.items() if v is not None}


def _job(request: Request) -> tuple[Workspace, Job]:
    ws = workspace_of(request)
    return ws, records.get(context_of(request), ws.guid, request.path_params["run"])


async def get_details(request: Request) -> Reply:
    ctx, (ws, job) = context_of(request), _job(request)
    found = folders.of_job(ctx, job).logs()
    run = encode_run(job)
    details: dict[str, Any] = {
        key: run[key]
        for key in ("runId", "status", "startTimeUtc", "endTimeUtc", "properties", "error")
        if key in run
    }
    details["logFiles"] = {name: _log_link(request, ws, job, name) for name in found}
    return Reply(200, details)


def _log_link(request: Request, ws: Workspace, job: Job, name: str) -> str:
    path = f"/history/v1.0{ws.arm_id}/runs/{job.name}/logs/{quote(name)}"
    query = logs.signature(context_of(request), ws.guid, job.name, name)
    return links_of(request).ml(f"{path}?{query}")


async def get_log(request: Request) -> Reply:
    """A log by a signed link: no token, as Azure's own log links."""
    ctx, ws, at = context_of(request), workspace_of(request), request.path_params
    query = request.query_params
    where = (ws.guid, at["run"], at["name"])
    logs.check(ctx, where, query.get("se", ""), query.get("sig", ""))
    job = records.get(ctx, ws.guid, at["run"])
    path = folders.of_job(ctx, job).logs().get(at["name"])
    if path is None:
        raise NotFound(f"The run {job.name} has no log '{at['name']}'.")
    return Reply(200, _chunks(path), media="text/plain; charset=utf-8")


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


async def get_run(request: Request) -> Reply:
    return Reply(200, encode_run(_job(request)[1]))


async def list_children(request: Request) -> Reply:
    """A run's children in the order they were made, `$top` of them at a time."""
    ctx, (ws, job) = context_of(request), _job(request)
    honoured(request, "$top", "$skip")
    found = list(records.children(ctx, ws.guid, job.name))
    return paged(request, found, encode_run, size=MOST_CHILDREN)


async def get_services(request: Request) -> Reply:
    """The interactive services of a job's node: none, since a job that asks for any is refused."""
    _job(request)
    return Reply(200, {"instances": {}})


async def patch_run(request: Request) -> Reply:
    ctx, (_, job) = context_of(request), _job(request)
    body = await read_json(request)
    asked = dict(job.properties)
    if isinstance(body.get("displayName"), str):
        asked["displayName"] = body["displayName"]
    if isinstance(body.get("tags"), dict):
        asked["tags"] = {**(asked.get("tags") or {}), **body["tags"]}
    hidden = bool(body.get("hidden", job.hidden))
    return Reply(200, encode_run(records.change(ctx, job, properties=asked, hidden=hidden)))


async def post_run_data(request: Request) -> Reply:
    """A run with its outputs as data assets.

    Model outputs are shown as folders, too: the client fails on any other type (its own bug).
    """
    ctx, ws, body = context_of(request), workspace_of(request), await read_json(request)
    name = body.get("runId")
    job = ctx.store.get(JOBS, ws.guid, name) if isinstance(name, str) else None
    if job is None:
        raise JobNotFound(str(name))
    outputs = {
        output: {
            "assetId": (
                f"azureml://locations/{ws.location}/workspaces/{ws.guid}/data/"
                f"azureml_{_maker(job, made)}_output_data_{_output_name(made, output)}/versions/1"
            ),
            "type": "uri_file" if made["type"] == "uri_file" else "uri_folder",
        }
        for output, made in job.outputs.items()
    }
    metadata = {**encode_run(job), **({"outputs": outputs} if outputs else {})}
    return Reply(200, {"runMetadata": metadata})


def _place_parts(made: dict[str, Any]) -> list[str]:
    return str(made["uri"]).partition("/paths/azureml/")[2].strip("/").split("/")


def _maker(job: Job, made: dict[str, Any]) -> str:
    """Which job's anonymous asset an output is: a pipeline's is its step's."""
    parts = _place_parts(made)
    return parts[0] if len(parts) == 2 else job.name


def _output_name(made: dict[str, Any], output: str) -> str:
    parts = _place_parts(made)
    return parts[1] if len(parts) == 2 else output


async def resolve_data(request: Request) -> Reply:
    """Asset ids as the places they stand for; ids that are no data asset are left out."""
    ctx, ws, body = context_of(request), workspace_of(request), await read_json(request)
    wanted = body.get("values")
    if not isinstance(wanted, list):
        raise InvalidContent("'values' must be a list of asset ids.")
    found = {}
    for asset_id in wanted:
        try:
            version = assets.resolve_id(ctx, ws, str(asset_id), "data")
        except (NotFound, InvalidUri):
            continue
        values = version.properties
        found[asset_id] = {"uri": values["dataUri"], "type": values["dataType"]}
    return Reply(200, {"values": found})


def _operation(name: str, method: str, path: str, handler: Any, **more: Any) -> Operation:
    return Operation(name, method, path, handler, host=ML_HOST, api_version=False, **more)


RUN = f"{HISTORY}/runs/{{run}}"
EXPERIMENT_RUN = f"{HISTORY}/experiments/{{experiment}}/runs/{{run}}"
OPERATIONS = [
    _operation("Runs_GetDetails", "GET", f"{RUN}/details", get_details),
    _operation("Runs_Get", "GET", RUN, get_run),
    _operation("Runs_GetLog", "GET", f"{RUN}/logs/{{name:path}}", get_log, authenticate=False),
    _operation("Runs_GetChildren", "GET", f"{RUN}/children", list_children),
    _operation("Runs_GetServices", "GET", f"{RUN}/serviceinstances/{{node}}", get_services),
    _operation("Runs_GetRunData", "POST", f"{HISTORY}/rundata", post_run_data),
    _operation("Runs_GetInExperiment", "GET", EXPERIMENT_RUN, get_run),
    _operation("Runs_GetDetailsInExperiment", "GET", f"{EXPERIMENT_RUN}/details", get_details),
    _operation("Runs_Modify", "PATCH", EXPERIMENT_RUN, patch_run),
    _operation("Runs_ModifyById", "PATCH", RUN, patch_run),
    _operation(
        "DataVersion_BatchGetResolvedUris",
        "POST",
        f"{DATA}/dataversion/batchGetResolvedUris",
        resolve_data,
    ),
]
