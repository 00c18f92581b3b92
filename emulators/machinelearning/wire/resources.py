"""Datastores, computes and connections over ARM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from emulators.kernel.azure_http import iso
from emulators.kernel.errors import Unsupported
from emulators.kernel.http import Handler, Operation, Reply, links_of, read_json
from emulators.kernel.links import Links
from emulators.machinelearning.engine import computes, connections, datastores
from emulators.machinelearning.store.workspaces import CHILDREN, Child, Workspace
from emulators.machinelearning.wire.scope import (
    ARM_HOST,
    TYPE,
    WS,
    caller,
    context_and_workspace,
    done,
    honoured,
    integer,
    paged,
    properties_of,
    stamps,
    words,
)


def envelope(ws: Workspace, child: Child, **more: Any) -> dict[str, Any]:
    """A child resource as ARM has it."""
    return {
        "id": f"{ws.arm_id}/{child.kind}/{child.name}",
        "name": child.name,
        "type": f"{TYPE}/{child.kind}",
        "properties": child.properties,
        "systemData": stamps(child.created, child.modified, child.created_by),
        **more,
    }


ORDERS: dict[str, Callable[[Child], Any]] = {
    "name": lambda child: child.key,
    "createdtime": lambda child: (child.created, child.key),
    "modifiedtime": lambda child: (child.modified, child.key),
}


def encode_datastore(ws: Workspace, store: Child, links: Links) -> dict[str, Any]:
    """A datastore as the wire has it.

    Clients put `.blob.` and the cloud's suffix behind the account's name, whatever it is: at
    the explicit door the name holds the door, so that what they make leads back to it.
    """
    shown = envelope(ws, store)
    account = store.properties.get("accountName")
    if links.explicit and account:
        door = links.explicit.removeprefix("https://")
        shown["properties"] = {**store.properties, "accountName": f"{door}/{account}"}
    return shown


async def put_datastore(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    honoured(request, "skipValidation")
    given = properties_of(await read_json(request))
    if isinstance(given.get("accountName"), str):
        given["accountName"] = given["accountName"].rpartition("/")[2]
    words(given, "tags", "properties")
    name = request.path_params["name"]
    new = ctx.store.get(CHILDREN, ws.guid, datastores.KIND, name.lower()) is None
    made = datastores.put(ctx, ws, name, given, caller(request))
    return Reply(201 if new else 200, encode_datastore(ws, made, links_of(request)))


async def get_datastore(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    found = datastores.get(ctx, ws, request.path_params["name"])
    return Reply(200, encode_datastore(ws, found, links_of(request)))


async def list_datastores(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    given = honoured(
        request, "isDefault", "count", "$skip", "orderBy", "orderByAsc", "names", "searchText"
    )
    found = list(datastores.every(ctx, ws))
    if given.get("isdefault"):
        wanted = given["isdefault"].lower() == "true"
        found = [s for s in found if bool(s.properties["isDefault"]) == wanted]
    if given.get("names"):
        names = {name.strip().lower() for name in given["names"].split(",")}
        found = [s for s in found if s.key in names]
    found = [s for s in found if given.get("searchtext", "").lower() in s.key]
    order = ORDERS.get(given.get("orderby", "name").lower())
    if order is None:
        raise Unsupported(f"the order '{given['orderby']}' of datastores")
    found.sort(key=order, reverse=given.get("orderbyasc", "true").lower() == "false")
    size = integer(given, "count", 30) or 30
    links = links_of(request)
    return paged(request, found, lambda store: encode_datastore(ws, store, links), size)


async def delete_datastore(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    gone = datastores.delete(ctx, ws, request.path_params["name"])
    return Reply(200 if gone else 204)


async def datastore_secrets(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    return Reply(200, await datastores.secrets_of(ctx, ws, request.path_params["name"]))


def encode_compute(ws: Workspace, child: Child) -> dict[str, Any]:
    """A compute as the wire has it."""
    values = {
        "provisioningState": "Succeeded",
        "isAttachedCompute": False,
        "createdOn": iso(child.created),
        "modifiedOn": iso(child.modified),
        **child.properties,
    }
    more: dict[str, Any] = {"location": values["computeLocation"], "tags": child.tags}
    if child.identity:
        more["identity"] = child.identity
    return {**envelope(ws, child, **more), "properties": values}


async def put_compute(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    body = await read_json(request)
    words(body, "tags")
    made, new = computes.put(ctx, ws, request.path_params["name"], body, caller(request))
    shown = encode_compute(ws, made)
    return done(request, shown["id"], status=201 if new else 200, body=shown, kind="compute")


async def get_compute(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    return Reply(200, encode_compute(ws, computes.get(ctx, ws, request.path_params["name"])))


async def patch_compute(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    body = await read_json(request)
    made = computes.update(ctx, ws, request.path_params["name"], body)
    return Reply(200, encode_compute(ws, made))


async def list_computes(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    honoured(request, "$skip")
    found = list(ctx.store.scan(CHILDREN, ws.guid, computes.KIND))
    return paged(request, found, lambda child: encode_compute(ws, child))


async def delete_compute(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    honoured(request, "underlyingResourceAction")
    name = request.path_params["name"]
    if not computes.delete(ctx, ws, name):
        return Reply(204)
    return done(request, f"{ws.arm_id}/computes/{name}", status=202, kind="compute")


def _switch(action: str) -> Handler:
    async def handle(request: Request) -> Reply:
        ctx, ws = context_and_workspace(request)
        made = computes.switch(ctx, ws, request.path_params["name"], action)
        return done(request, f"{ws.arm_id}/computes/{made.name}", status=202, kind="compute")

    return handle


async def compute_nodes(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    computes.get(ctx, ws, request.path_params["name"])
    return Reply(200, {"nodes": []})


async def put_connection(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    given = properties_of(await read_json(request))
    words(given, "metadata")
    made, _ = connections.put(ctx, ws, request.path_params["name"], given, caller(request))
    return Reply(200, envelope(ws, made))  # the client takes no 201 here


async def patch_connection(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    name, given = request.path_params["name"], properties_of(await read_json(request))
    old = connections.get(ctx, ws, name)
    merged = {**old.properties, **{k: v for k, v in given.items() if v is not None}}
    made, _ = connections.put(ctx, ws, name, merged, caller(request))
    return Reply(200, envelope(ws, made))


async def get_connection(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    return Reply(200, envelope(ws, connections.get(ctx, ws, request.path_params["name"])))


async def list_connections(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    given = honoured(request, "target", "category", "includeAll", "$skip")
    found = [
        child
        for child in ctx.store.scan(CHILDREN, ws.guid, connections.KIND)
        if given.get("category") in (None, child.properties["category"])
        and given.get("target") in (None, child.properties.get("target"))
    ]
    return paged(request, found, lambda child: envelope(ws, child))


async def delete_connection(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    gone = connections.delete(ctx, ws, request.path_params["name"])
    return Reply(200 if gone else 204)


async def connection_secrets(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    name = request.path_params["name"]
    found = connections.get(ctx, ws, name)
    opened = {**found.properties, "credentials": connections.credentials_of(ctx, ws, name)}
    return Reply(200, {**envelope(ws, found), "properties": opened})


def _operations(
    group: str, path: str, by_name: dict[str, tuple[str, str, Handler]]
) -> list[Operation]:
    return [
        Operation(f"{group}_{name}", method, f"{WS}/{path}{tail}", handler, ARM_HOST)
        for name, (method, tail, handler) in by_name.items()
    ]


OPERATIONS = [
    *_operations(
        "Datastores",
        "datastores",
        {
            "List": ("GET", "", list_datastores),
            "Get": ("GET", "/{name}", get_datastore),
            "CreateOrUpdate": ("PUT", "/{name}", put_datastore),
            "Delete": ("DELETE", "/{name}", delete_datastore),
            "ListSecrets": ("POST", "/{name}/listSecrets", datastore_secrets),
        },
    ),
    *_operations(
        "Compute",
        "computes",
        {
            "List": ("GET", "", list_computes),
            "Get": ("GET", "/{name}", get_compute),
            "CreateOrUpdate": ("PUT", "/{name}", put_compute),
            "Update": ("PATCH", "/{name}", patch_compute),
            "Delete": ("DELETE", "/{name}", delete_compute),
            "ListNodes": ("POST", "/{name}/listNodes", compute_nodes),
            "Start": ("POST", "/{name}/start", _switch("start")),
            "Stop": ("POST", "/{name}/stop", _switch("stop")),
            "Restart": ("POST", "/{name}/restart", _switch("restart")),
        },
    ),
    *_operations(
        "WorkspaceConnections",
        "connections",
        {
            "List": ("GET", "", list_connections),
            "Get": ("GET", "/{name}", get_connection),
            "Create": ("PUT", "/{name}", put_connection),
            "Update": ("PATCH", "/{name}", patch_connection),
            "Delete": ("DELETE", "/{name}", delete_connection),
            "ListSecrets": ("POST", "/{name}/listsecrets", connection_secrets),
        },
    ),
]
