"""Batch endpoints and deployments over ARM JSON, and the lists of their jobs."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.kernel.azure_http import page
from emulators.kernel.http import (
    Operation,
    Reply,
    context_of,
    json_object,
    links_of,
    read_json,
)
from emulators.machinelearning.engine.batch import deployments, records, submission
from emulators.machinelearning.errors import UserError
from emulators.machinelearning.store.batch import BatchDeployment, BatchEndpoint
from emulators.machinelearning.store.workspaces import Workspace
from emulators.machinelearning.wire import stated
from emulators.machinelearning.wire.batch_jobs import encode_job
from emulators.machinelearning.wire.scope import (
    ARM_HOST,
    ML_HOST,
    TYPE,
    WS,
    caller,
    done,
    honoured,
    paged,
    properties_of,
    stamps,
    words,
    workspace_of,
)


def _endpoint(request: Request) -> tuple[Workspace, BatchEndpoint]:
    ws = workspace_of(request)
    return ws, records.get(context_of(request), ws, request.path_params["endpoint"])


def _deployment(request: Request) -> tuple[Workspace, BatchEndpoint, BatchDeployment]:
    ws, endpoint = _endpoint(request)
    name = request.path_params["deployment"]
    return ws, endpoint, records.get_deployment(context_of(request), endpoint, name)


def encode(request: Request, ws: Workspace, endpoint: BatchEndpoint) -> dict[str, Any]:
    """An endpoint as ARM shows it."""
    links = links_of(request)
    properties = {
        "authMode": "AADToken",
        "defaults": {"deploymentName": endpoint.default},
        "description": endpoint.description,
        "properties": endpoint.properties,
        "provisioningState": "Succeeded",
        "scoringUri": links.inference(endpoint.key, "/jobs"),
        "swaggerUri": None,
    }
    return {
        "id": f"{ws.arm_id}/batchEndpoints/{endpoint.name}",
        "name": endpoint.name,
        "type": f"{TYPE}/batchEndpoints",
        "location": ws.location,
        "tags": endpoint.tags,
        "identity": endpoint.identity or {"type": "SystemAssigned"},
        "properties": {k: v for k, v in properties.items() if v is not None},
        "systemData": stamps(endpoint.created, endpoint.modified, endpoint.created_by),
    }


def encode_deployment(
    ws: Workspace, endpoint: BatchEndpoint, found: BatchDeployment
) -> dict[str, Any]:
    """A deployment as ARM shows it."""
    return {
        "id": f"{ws.arm_id}/batchEndpoints/{endpoint.name}/deployments/{found.name}",
        "name": found.name,
        "type": f"{TYPE}/batchEndpoints/deployments",
        "location": ws.location,
        "tags": found.tags,
        "properties": {**found.properties, "provisioningState": "Succeeded"},
        "systemData": stamps(found.created, found.modified, found.created_by),
    }


async def list_endpoints(request: Request) -> Reply:
    ctx, ws = context_of(request), workspace_of(request)
    honoured(request, "$skip", "count")
    return paged(request, records.every(ctx, ws), lambda one: encode(request, ws, one))


async def get_endpoint(request: Request) -> Reply:
    ws, endpoint = _endpoint(request)
    return Reply(200, encode(request, ws, endpoint))


async def put_endpoint(request: Request) -> Reply:
    ctx, ws, body = context_of(request), workspace_of(request), await read_json(request)
    name = request.path_params["endpoint"]
    endpoint, made = records.put(ctx, ws, name, stated.whole(request, body))
    shown = encode(request, ws, endpoint)
    return done(request, shown["id"], status=201 if made else 200, body=shown)


async def patch_endpoint(request: Request) -> Reply:
    ctx, (ws, endpoint) = context_of(request), _endpoint(request)
    body = await read_json(request)
    now = encode(request, ws, endpoint)
    wanted = stated.changed(request, body, endpoint, now["properties"])
    endpoint, _ = records.put(ctx, ws, endpoint.name, wanted)
    return done(request, now["id"], status=200, body=encode(request, ws, endpoint))


async def delete_endpoint(request: Request) -> Reply:
    ctx, (ws, endpoint) = context_of(request), _endpoint(request)
    records.delete(ctx, endpoint)
    return done(request, f"{ws.arm_id}/batchEndpoints/{endpoint.name}", status=202)


async def list_keys(request: Request) -> Reply:
    _, endpoint = _endpoint(request)
    raise UserError(
        f"The endpoint '{endpoint.name}' has the authMode AADToken, so it has no keys. Call it"
        " with a Microsoft Entra token for https://ml.azure.com."
    )


async def list_deployments(request: Request) -> Reply:
    ctx, (ws, endpoint) = context_of(request), _endpoint(request)
    honoured(request, "$top", "$skip", "$orderBy")
    found = records.deployments(ctx, endpoint)
    return paged(request, found, lambda one: encode_deployment(ws, endpoint, one))


async def get_deployment(request: Request) -> Reply:
    return Reply(200, encode_deployment(*_deployment(request)))


async def put_deployment(request: Request) -> Reply:
    ws, endpoint = _endpoint(request)
    body = await read_json(request)
    return _deploy(request, ws, endpoint, body, name=request.path_params["deployment"])


async def patch_deployment(request: Request) -> Reply:
    """Merge what is given into the deployment's properties and tags."""
    ws, endpoint, now = _deployment(request)
    body = await read_json(request)
    merged = {
        "properties": {**now.properties, **json_object(body.get("properties"), "properties")},
        "tags": {**now.tags, **json_object(body.get("tags"), "tags")},
    }
    return _deploy(request, ws, endpoint, merged, name=now.name)


def _deploy(
    request: Request, ws: Workspace, endpoint: BatchEndpoint, body: dict[str, Any], *, name: str
) -> Reply:
    words(body, "tags")
    properties = {k: v for k, v in properties_of(body).items() if k != "provisioningState"}
    tags = json_object(body.get("tags"), "tags")
    wanted = deployments.Wanted(properties, tags, caller(request))
    ctx = context_of(request)
    made, new = deployments.put(ctx, ws, endpoint, name, wanted)
    if not deployments.is_pipeline(made.properties):
        submission.batches_of(ctx).get_ready(ws, made)
    shown = encode_deployment(ws, endpoint, made)
    return done(request, shown["id"], status=201 if new else 200, body=shown)


async def delete_deployment(request: Request) -> Reply:
    ctx, (ws, endpoint, found) = context_of(request), _deployment(request)
    deployments.delete(ctx, endpoint, found)
    shown = f"{ws.arm_id}/batchEndpoints/{endpoint.name}/deployments/{found.name}"
    return done(request, shown, status=202)


async def list_jobs(request: Request) -> Reply:
    ws, endpoint = _endpoint(request)
    return _jobs(request, ws, endpoint, None)


async def list_deployment_jobs(request: Request) -> Reply:
    ws, endpoint, deployment = _deployment(request)
    return _jobs(request, ws, endpoint, deployment)


def _jobs(
    request: Request, ws: Workspace, endpoint: BatchEndpoint, of: BatchDeployment | None
) -> Reply:
    found = submission.jobs_of_endpoint(context_of(request), ws, endpoint, of)
    return page([encode_job(ws, endpoint, job) for job in found])


ENDPOINTS = f"{WS}/batchEndpoints"
ENDPOINT = f"{ENDPOINTS}/{{endpoint}}"
DEPLOYMENTS = f"{ENDPOINT}/deployments"
DEPLOYMENT = f"{DEPLOYMENTS}/{{deployment}}"
MFE = f"/mferp/managementfrontend{ENDPOINT}"
OPERATIONS = [
    *(
        Operation(f"BatchEndpoints_{name}", method, path, handler, host=ARM_HOST)
        for name, method, path, handler in (
            ("List", "GET", ENDPOINTS, list_endpoints),
            ("Get", "GET", ENDPOINT, get_endpoint),
            ("CreateOrUpdate", "PUT", ENDPOINT, put_endpoint),
            ("Update", "PATCH", ENDPOINT, patch_endpoint),
            ("Delete", "DELETE", ENDPOINT, delete_endpoint),
            ("ListKeys", "POST", f"{ENDPOINT}/listkeys", list_keys),
        )
    ),
    *(
        Operation(f"BatchDeployments_{name}", method, path, handler, host=ARM_HOST)
        for name, method, path, handler in (
            ("List", "GET", DEPLOYMENTS, list_deployments),
            ("Get", "GET", DEPLOYMENT, get_deployment),
            ("CreateOrUpdate", "PUT", DEPLOYMENT, put_deployment),
            ("Update", "PATCH", DEPLOYMENT, patch_deployment),
            ("Delete", "DELETE", DEPLOYMENT, delete_deployment),
        )
    ),
    Operation(
        "BatchEndpoints_ListJobs", "GET", f"{MFE}/jobs", list_jobs, host=ML_HOST, api_version=False
    ),
    Operation(
        "BatchDeployments_ListJobs",
        "GET",
        f"{MFE}/deployments/{{deployment}}/jobs",
        list_deployment_jobs,
        host=ML_HOST,
        api_version=False,
    ),
]
