"""Synapse workspaces over ARM, and what a workspace's own host says of itself."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.datafactory.engine import factories, workspaces
from emulators.datafactory.errors import ChildMissing, InvalidPayload
from emulators.datafactory.store import Factory
from emulators.datafactory.wire.factories import end
from emulators.datafactory.wire.scope import (
    ARM_HOST,
    DEV_HOST,
    GROUP,
    SUBSCRIPTION,
    factory_of,
    honoured,
    paged,
)
from emulators.kernel.http import Operation, Reply, context_of, json_object, read_json

TYPE = factories.TYPES["synapse"]
PROVIDER = "providers/Microsoft.Synapse"
WORKSPACES = f"{GROUP}/{PROVIDER}/workspaces"
WORKSPACE = WORKSPACES + "/{workspace}"
RUNTIME = "AutoResolveIntegrationRuntime"


def encode(one: Factory) -> dict[str, Any]:
    """A workspace as ARM shows it."""
    return {
        "id": one.arm_id or one.id,
        "name": one.name,
        "type": TYPE,
        "location": one.location,
        "tags": one.tags,
        "identity": one.identity,
        "properties": {
            "publicNetworkAccess": "Enabled",
            "privateEndpointConnections": [],
            "extraProperties": {"WorkspaceType": "Normal"},
            **one.properties,
            "connectivityEndpoints": workspaces.endpoints(one.name),
            "provisioningState": "Succeeded",
        },
    }


def _scope(request: Request) -> factories.Scope:
    at = request.path_params
    return factories.Scope("synapse", at["sub"], at["rg"], at["workspace"])


async def put(request: Request) -> Reply:
    made = await workspaces.put(context_of(request), _scope(request), await read_json(request))
    return Reply(200, encode(made))


async def get(request: Request) -> Reply:
    return Reply(200, encode(factories.get(context_of(request), _scope(request))))


async def patch(request: Request) -> Reply:
    ctx, body = context_of(request), await read_json(request)
    found = factories.get(ctx, _scope(request))
    given = json_object(body.get("properties"), "properties")
    kept = {name: value for name, value in given.items() if name not in workspaces.UNSAID}
    return Reply(200, encode(factories.change(ctx, found, {**body, "properties": kept})))


async def delete(request: Request) -> Reply:
    found = factories.by_id(context_of(request), _scope(request).arm_id)
    if found is None:
        return Reply(204)
    await end(request, found)
    return Reply(200)


async def list_by_group(request: Request) -> Reply:
    honoured(request, "$skiptoken")
    at = request.path_params
    found = factories.every(context_of(request), "synapse", at["sub"], at["rg"])
    return paged(request, [encode(one) for one in found])


async def list_by_subscription(request: Request) -> Reply:
    honoured(request, "$skiptoken")
    found = factories.every(context_of(request), "synapse", request.path_params["sub"])
    return paged(request, [encode(one) for one in found])


async def check_name(request: Request) -> Reply:
    """Whether a workspace may be named so."""
    name = (await read_json(request)).get("name")
    if not isinstance(name, str):
        raise InvalidPayload("'name' must be a text.", target="name")
    free = factories.by_name(context_of(request), "synapse", name) is None
    body: dict[str, Any] = {"name": name, "available": free}
    if not free:
        body |= {"reason": "AlreadyExists", "message": f"The workspace name {name} is taken."}
    return Reply(200, body)


async def itself(request: Request) -> Reply:
    return Reply(200, encode(factory_of(request)))


def _runtime(one: Factory) -> dict[str, Any]:
    return {
        "id": f"{one.arm_id}/integrationruntimes/{RUNTIME}",
        "name": RUNTIME,
        "type": f"{TYPE}/integrationruntimes",
        "properties": {
            "type": "Managed",
            "typeProperties": {"computeProperties": {"location": "AutoResolve"}},
        },
    }


async def list_runtimes(request: Request) -> Reply:
    return Reply(200, {"value": [_runtime(factory_of(request))]})


async def get_runtime(request: Request) -> Reply:
    found, name = factory_of(request), request.path_params["name"]
    if name.lower() != RUNTIME.lower():
        raise ChildMissing("integrationruntimes", name, found.name)
    return Reply(200, _runtime(found))


ALL = f"{SUBSCRIPTION}/{PROVIDER}/workspaces"
NAMES = f"{SUBSCRIPTION}/{PROVIDER}/checkNameAvailability"
OPERATIONS = [
    Operation(name, method, path, handler, host=ARM_HOST)
    for name, method, path, handler in (
        ("Workspaces_CreateOrUpdate", "PUT", WORKSPACE, put),
        ("Workspaces_Get", "GET", WORKSPACE, get),
        ("Workspaces_Update", "PATCH", WORKSPACE, patch),
        ("Workspaces_Delete", "DELETE", WORKSPACE, delete),
        ("Workspaces_ListByResourceGroup", "GET", WORKSPACES, list_by_group),
        ("Workspaces_List", "GET", ALL, list_by_subscription),
        ("Operations_CheckNameAvailability", "POST", NAMES, check_name),
    )
]
WORKSPACE_OPERATIONS = [
    Operation(name, method, path, handler, host=DEV_HOST)
    for name, method, path, handler in (
        ("Workspace_Get", "GET", "/workspace", itself),
        ("IntegrationRuntimes_List", "GET", "/integrationRuntimes", list_runtimes),
        ("IntegrationRuntimes_Get", "GET", "/integrationRuntimes/{name}", get_runtime),
    )
]
