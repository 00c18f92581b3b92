"""Jobs over ARM JSON. Decode, call the engine, encode: nothing else."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request

from emulators.kernel.azure_http import page, system_data
from emulators.kernel.http import (
    Operation,
    Reply,
    context_of,
    json_object,
    links_of,
    read_json,
)
from emulators.machinelearning.engine.jobs import records, tracking
from emulators.machinelearning.engine.jobs.manager import jobs_of
from emulators.machinelearning.engine.schedules.actions import schedule_of
from emulators.machinelearning.store.jobs import Job
from emulators.machinelearning.store.workspaces import Workspace
from emulators.machinelearning.wire.scope import (
    ARM_HOST,
    PAGE,
    WS,
    caller,
    honoured,
    integer,
    workspace_of,
)


def encode(request: Request, ws: Workspace, job: Job) -> dict[str, Any]:
    """A job as ARM shows it: what was asked for, and what came of it."""
    ctx, links, asked = context_of(request), links_of(request), job.properties
    studio = f"https://ml.azure.com/runs/{job.name}?wsid={ws.arm_id}"
    tracking_uri = (
        tracking.base_url(ctx, ws).replace("https://", "azureml://").replace("/v2.0/", "/v1.0/")
    )
    services = {
        "Tracking": {"jobServiceType": "Tracking", "endpoint": tracking_uri},
        "Studio": {"jobServiceType": "Studio", "endpoint": studio},
    }
    properties = {
        **asked,
        "experimentName": job.experiment,
        "isArchived": job.hidden,
        "properties": {**(asked.get("properties") or {}), **job.added},
        "tags": asked.get("tags") or {},
        "status": job.status,
        "services": {**(asked.get("services") or {}), **services},
    }
    if job.outputs:
        properties["outputs"] = _outputs(asked.get("outputs"), job)
    stamp = system_data(job.created, job.ended or job.started or job.created, job.created_by)
    return {
        "id": f"{ws.arm_id}/jobs/{job.name}",
        "name": job.name,
        "type": "Microsoft.MachineLearningServices/workspaces/jobs",
        "properties": {k: v for k, v in properties.items() if v is not None},
        "systemData": stamp,
        **({} if links.explicit is None else {"location": ctx.settings.region}),
    }


def _outputs(asked: Any, job: Job) -> dict[str, Any]:
    given = json_object(asked, "properties.outputs")
    return {
        name: {"jobOutputType": made["type"], **(given.get(name) or {}), "uri": made["uri"]}
        for name, made in job.outputs.items()
    }


async def put_job(request: Request) -> Reply:
    ctx, ws = context_of(request), workspace_of(request)
    properties = json_object((await read_json(request)).get("properties"), "properties")
    name = request.path_params["name"]
    job = jobs_of(ctx).submit(ws, name, properties, caller(request))
    return Reply(201, encode(request, ws, job))


async def get_job(request: Request) -> Reply:
    ctx, ws = context_of(request), workspace_of(request)
    return Reply(200, encode(request, ws, records.get(ctx, ws.guid, request.path_params["name"])))


async def list_jobs(request: Request) -> Reply:
    """Newest first; `$skip` is a continuation token, as in Azure; `$top` is how many in all."""
    ctx, ws = context_of(request), workspace_of(request)
    given = honoured(
        request, "listViewType", "jobType", "tag", "$skip", "$top", "scheduled", "scheduleId",
        "properties",
    )  # fmt: skip
    top = integer(given, "$top", 0)
    size = min(top or PAGE, PAGE)
    shown: list[dict[str, Any]] = []
    last = given.get("$skip", "")
    for place, job in records.newest(ctx, ws.guid, before=last):
        if not _wanted(job, given):
            continue
        if len(shown) == size:
            left = top - size
            return page(shown, None if left == 0 else _next(request, last, max(left, 0)))
        shown.append(encode(request, ws, job))
        last = place
    return page(shown, None)


def _next(request: Request, last: str, left: int) -> str:
    again = {"$skip": last, **({"$top": str(left)} if left else {})}
    query = {k: v for k, v in request.query_params.items() if k.lower() not in ("$skip", "$top")}
    path = f"{request.scope['azure_path']}?{urlencode({**query, **again}, quote_via=quote)}"
    return links_of(request).arm(path)


def _wanted(job: Job, given: dict[str, str]) -> bool:
    view, kind, tag = (given.get(n) for n in ("listviewtype", "jobtype", "tag"))
    return (
        _scheduled(job, given)
        and (view or "ActiveOnly") in ("All", "ArchivedOnly" if job.hidden else "ActiveOnly")
        and (kind is None or job.kind.lower() == kind.lower())
        and (tag is None or _has_tag(job, tag))
    )


def _scheduled(job: Job, given: dict[str, str]) -> bool:
    """Whether it passes `scheduled` and `scheduleId`, a name or an id."""
    by, wanted = schedule_of(job), given.get("scheduleid")
    return (by is not None or given.get("scheduled", "false").lower() != "true") and (
        not wanted or (by or "").lower() == wanted.rpartition("/")[2].lower()
    )


def _has_tag(job: Job, tag: str) -> bool:
    name, equals, value = tag.partition("=")
    tags = job.properties.get("tags") or {}
    return name in tags and (not equals or str(tags[name]) == value)


async def cancel_job(request: Request) -> Reply:
    ctx, ws, name = context_of(request), workspace_of(request), request.path_params["name"]
    jobs_of(ctx).cancel(ws, name)
    version = request.query_params.get("api-version", "")
    location = links_of(request).arm(f"{ws.arm_id}/jobs/{name}/cancelResult?api-version={version}")
    return Reply(202, None, {"Location": location, "x-ms-retry-after-ms": "50"})


async def cancel_result(request: Request) -> Reply:
    ctx, ws = context_of(request), workspace_of(request)
    job = records.get(ctx, ws.guid, request.path_params["name"])
    if job.status == "CancelRequested":
        again = links_of(request).arm(
            f"{request.scope['azure_path']}?api-version={request.query_params['api-version']}"
        )
        return Reply(202, None, {"Location": again, "x-ms-retry-after-ms": "50"})
    return Reply(200)


OPERATIONS = [
    Operation("Jobs_CreateOrUpdate", "PUT", f"{WS}/jobs/{{name}}", put_job, host=ARM_HOST),
    Operation("Jobs_Get", "GET", f"{WS}/jobs/{{name}}", get_job, host=ARM_HOST),
    Operation("Jobs_List", "GET", f"{WS}/jobs", list_jobs, host=ARM_HOST),
    Operation("Jobs_Cancel", "POST", f"{WS}/jobs/{{name}}/cancel", cancel_job, host=ARM_HOST),
    Operation(
        "Jobs_CancelResult", "GET", f"{WS}/jobs/{{name}}/cancelResult", cancel_result, host=ARM_HOST
    ),
]
