"""Online endpoints and deployments over ARM JSON. Decode, call the engine, encode."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.kernel.azure_http import accepted
from emulators.kernel.errors import Unsupported
from emulators.kernel.http import (
    Operation,
    Reply,
    context_of,
    json_object,
    links_of,
    read_json,
)
from emulators.machinelearning.engine.endpoints import access, contents, deployments, records
from emulators.machinelearning.engine.endpoints.hosting import hosting_of
from emulators.machinelearning.engine.endpoints.records import README
from emulators.machinelearning.errors import UserError, ValidationError
from emulators.machinelearning.store.endpoints import Deployment, Endpoint
from emulators.machinelearning.store.workspaces import Workspace
from emulators.machinelearning.wire import stated
from emulators.machinelearning.wire.scope import (
    ARM_HOST,
    TYPE,
    WS,
    caller,
    done,
    honoured,
    paged,
    properties_of,
    stamps,
    status_path,
    words,
    workspace_of,
)

MAX_TAIL = 100_000
TAIL_BYTES = 16 << 20


def _endpoint(request: Request) -> tuple[Workspace, Endpoint]:
    ws = workspace_of(request)
    return ws, records.get(context_of(request), ws, request.path_params["endpoint"])


def _deployment(request: Request) -> tuple[Workspace, Endpoint, Deployment]:
    ws, endpoint = _endpoint(request)
    name = request.path_params["deployment"]
    return ws, endpoint, records.get_deployment(context_of(request), endpoint, name)


def encode(request: Request, ws: Workspace, endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as ARM shows it."""
    links = links_of(request)
    properties = {
        "authMode": endpoint.auth_mode,
        "description": endpoint.description,
        "properties": endpoint.properties,
        "traffic": endpoint.traffic,
        "mirrorTraffic": endpoint.mirror_traffic,
        "publicNetworkAccess": endpoint.public_access,
        "provisioningState": endpoint.state,
        "scoringUri": links.inference(endpoint.key, "/score"),
        "swaggerUri": links.inference(endpoint.key, "/swagger.json"),
    }
    return {
        "id": f"{ws.arm_id}/onlineEndpoints/{endpoint.name}",
        "name": endpoint.name,
        "type": f"{TYPE}/onlineEndpoints",
        "location": ws.location,
        "kind": "Managed",
        "tags": endpoint.tags,
        "identity": endpoint.identity or {"type": "SystemAssigned"},
        "properties": {k: v for k, v in properties.items() if v is not None},
        "systemData": stamps(endpoint.created, endpoint.modified, endpoint.created_by),
    }


def encode_deployment(ws: Workspace, endpoint: Endpoint, found: Deployment) -> dict[str, Any]:
    """A deployment as ARM shows it; the client fails without `scaleSettings`."""
    return {
        "id": f"{ws.arm_id}/onlineEndpoints/{endpoint.name}/deployments/{found.name}",
        "name": found.name,
        "type": f"{TYPE}/onlineEndpoints/deployments",
        "location": ws.location,
        "kind": "Managed",
        "tags": found.tags,
        "sku": {"name": "Default", "capacity": found.capacity},
        "properties": {
            "endpointComputeType": "Managed",
            "scaleSettings": {"scaleType": "Default"},
            **found.properties,
            "provisioningState": found.state,
        },
        "systemData": stamps(found.created, found.modified, found.created_by),
    }


async def list_endpoints(request: Request) -> Reply:
    ctx, ws = context_of(request), workspace_of(request)
    given = honoured(request, "name", "$skip", "count", "computeType", "tags", "properties")
    name = given.get("name")
    found = [e for e in records.every(ctx, ws) if name is None or e.key == name.lower()]
    return paged(request, found, lambda endpoint: encode(request, ws, endpoint))


async def get_endpoint(request: Request) -> Reply:
    ws, endpoint = _endpoint(request)
    return Reply(200, encode(request, ws, endpoint))


async def put_endpoint(request: Request) -> Reply:
    ctx, ws, body = context_of(request), workspace_of(request), await read_json(request)
    name = request.path_params["endpoint"]
    endpoint, made = records.put(ctx, ws, name, stated.whole(request, body))
    hosting_of(ctx).changed(endpoint)
    shown = encode(request, ws, endpoint)
    return done(request, shown["id"], status=201 if made else 200, body=shown)


async def patch_endpoint(request: Request) -> Reply:
    ctx, (ws, endpoint) = context_of(request), _endpoint(request)
    body = await read_json(request)
    now = encode(request, ws, endpoint)
    wanted = stated.changed(request, body, endpoint, now["properties"])
    endpoint, _ = records.put(ctx, ws, endpoint.name, wanted)
    hosting_of(ctx).changed(endpoint)
    return done(request, now["id"], status=200, body=encode(request, ws, endpoint))


async def delete_endpoint(request: Request) -> Reply:
    ctx, (ws, endpoint) = context_of(request), _endpoint(request)
    deployments.delete_endpoint(ctx, endpoint)
    return done(request, f"{ws.arm_id}/onlineEndpoints/{endpoint.name}", status=202)


async def list_keys(request: Request) -> Reply:
    ctx, (_, endpoint) = context_of(request), _endpoint(request)
    _wants_mode(endpoint, "Key")
    found = records.keys(ctx, endpoint)
    return Reply(200, {"primaryKey": found["Primary"], "secondaryKey": found["Secondary"]})


async def regenerate_keys(request: Request) -> Reply:
    ctx, (ws, endpoint) = context_of(request), _endpoint(request)
    _wants_mode(endpoint, "Key")
    body = await read_json(request)
    value = body.get("keyValue")
    if value is not None and not isinstance(value, str):
        raise ValidationError("keyValue must be text.", target="keyValue")
    records.regenerate(ctx, endpoint, str(body.get("keyType", "")), value)
    hosting_of(ctx).changed(endpoint)
    return done(request, f"{ws.arm_id}/onlineEndpoints/{endpoint.name}", status=202)


async def get_token(request: Request) -> Reply:
    ctx, (_, endpoint) = context_of(request), _endpoint(request)
    _wants_mode(endpoint, "AMLToken")
    token = access.issue(ctx, endpoint)
    body = {
        "accessToken": token.token,
        "tokenType": "Bearer",
        "expiryTimeUtc": token.expires,
        "refreshAfterTimeUtc": token.refresh_after,
    }
    return Reply(200, body)


def _wants_mode(endpoint: Endpoint, mode: str) -> None:
    if endpoint.auth_mode != mode:
        raise UserError(
            f"The endpoint '{endpoint.name}' has the authMode {endpoint.auth_mode}, so it has no"
            f" {'keys' if mode == 'Key' else 'tokens of its own'}."
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
    ws, endpoint, now = _deployment(request)
    body = await read_json(request)
    sku = {"capacity": now.capacity, **json_object(body.get("sku"), "sku")}
    changes = json_object(body.get("properties"), "properties")
    tags = {**now.tags, **json_object(body.get("tags"), "tags")}
    merged = {"properties": {**now.properties, **changes}, "sku": sku, "tags": tags}
    return _deploy(request, ws, endpoint, merged, name=now.name)


def _deploy(
    request: Request, ws: Workspace, endpoint: Endpoint, body: dict[str, Any], *, name: str
) -> Reply:
    ctx = context_of(request)
    words(body, "tags")
    capacity = json_object(body.get("sku"), "sku").get("capacity", 1)
    if not isinstance(capacity, int) or isinstance(capacity, bool):
        raise ValidationError("sku.capacity must be a whole number.", target="sku")
    properties = {
        k: v
        for k, v in properties_of(body).items()
        if v is not None and k not in ("provisioningState", "scaleSettings")
    }
    scale = json_object(properties_of(body).get("scaleSettings"), "scaleSettings")
    if scale.get("scaleType", "Default") != "Default":
        raise Unsupported("scaling by target utilisation", tracked=README)
    tags = json_object(body.get("tags"), "tags")
    wanted = deployments.Wanted(properties, capacity, tags, caller(request))
    made, operation, new = deployments.put(ctx, ws, endpoint, name, wanted)
    shown = encode_deployment(ws, endpoint, made)
    path = status_path(ws.subscription, ws.location, operation.id)
    return accepted(request, operation, path, status=201 if new else 200, body=shown)


async def delete_deployment(request: Request) -> Reply:
    ctx, (ws, endpoint, found) = context_of(request), _deployment(request)
    deployments.delete(ctx, endpoint, found)
    shown = f"{ws.arm_id}/onlineEndpoints/{endpoint.name}/deployments/{found.name}"
    return done(request, shown, status=202)


async def get_logs(request: Request) -> Reply:
    ctx, (_, _, found) = context_of(request), _deployment(request)
    body = await read_json(request)
    tail = body.get("tail", 50)
    if not isinstance(tail, int) or isinstance(tail, bool) or not 0 < tail <= MAX_TAIL:
        raise ValidationError(f"tail must be 1 to {MAX_TAIL}.", target="tail")
    if str(body.get("containerType") or "InferenceServer") == "StorageInitializer":
        return Reply(200, {"content": f"Model and code of {found.name} are in place.\n"})
    return Reply(200, {"content": _tail(contents.log_of(ctx, found), tail)})


def _tail(log: Any, lines: int) -> str:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "".join(text.splitlines(keepends=True)[-lines:])


async def list_skus(request: Request) -> Reply:
    _, _, found = _deployment(request)
    sku = {"name": "Default", "tier": None}
    capacity = {"minimum": 1, "maximum": records.MAX_INSTANCES, "default": found.capacity}
    one = {"resourceType": f"{TYPE}/onlineEndpoints/deployments", "sku": sku, "capacity": capacity}
    return Reply(200, {"value": [one]})


ENDPOINTS = f"{WS}/onlineEndpoints"
ENDPOINT = f"{ENDPOINTS}/{{endpoint}}"
DEPLOYMENTS = f"{ENDPOINT}/deployments"
DEPLOYMENT = f"{DEPLOYMENTS}/{{deployment}}"
OPERATIONS = [
    Operation(f"OnlineEndpoints_{name}", method, path, handler, host=ARM_HOST)
    for name, method, path, handler in (
        ("List", "GET", ENDPOINTS, list_endpoints),
        ("Get", "GET", ENDPOINT, get_endpoint),
        ("CreateOrUpdate", "PUT", ENDPOINT, put_endpoint),
        ("Update", "PATCH", ENDPOINT, patch_endpoint),
        ("Delete", "DELETE", ENDPOINT, delete_endpoint),
        ("ListKeys", "POST", f"{ENDPOINT}/listKeys", list_keys),
        ("RegenerateKeys", "POST", f"{ENDPOINT}/regenerateKeys", regenerate_keys),
        ("GetToken", "POST", f"{ENDPOINT}/token", get_token),
    )
] + [
    Operation(f"OnlineDeployments_{name}", method, path, handler, host=ARM_HOST)
    for name, method, path, handler in (
        ("List", "GET", DEPLOYMENTS, list_deployments),
        ("Get", "GET", DEPLOYMENT, get_deployment),
        ("CreateOrUpdate", "PUT", DEPLOYMENT, put_deployment),
        ("Update", "PATCH", DEPLOYMENT, patch_deployment),
        ("Delete", "DELETE", DEPLOYMENT, delete_deployment),
        ("GetLogs", "POST", f"{DEPLOYMENT}/getLogs", get_logs),
        ("ListSkus", "GET", f"{DEPLOYMENT}/skus", list_skus),
    )
]
