"""Workspaces over ARM, and the discovery of their data planes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request

from emulators.kernel.azure_http import etag_of, iso, operation_status
from emulators.kernel.http import Operation, Reply, context_of, links_of, read_json
from emulators.kernel.links import Links
from emulators.machinelearning.engine import accounts, provisioning, workspaces
from emulators.machinelearning.engine.jobs.manager import jobs_of
from emulators.machinelearning.store.workspaces import Workspace
from emulators.machinelearning.wire.scope import (
    ARM_HOST,
    GROUP,
    ML_HOST,
    PROVIDER,
    SUBSCRIPTION,
    TYPE,
    WORKSPACES,
    WS,
    caller,
    context_and_workspace,
    done,
    honoured,
    paged,
    stamps,
    words,
    workspace_of,
)


def encode(ws: Workspace, links: Links) -> dict[str, Any]:
    """A workspace as the wire has it."""
    tracking = links.ml(f"/mlflow/v1.0{ws.arm_id}").replace("https://", "azureml://", 1)
    values = {
        "friendlyName": ws.name,
        "description": "",
        "publicNetworkAccess": "Enabled",
        "v1LegacyMode": False,
        "softDeleteEnabled": False,
        "systemDatastoresAuthMode": "accesskey",
        **ws.properties,
        "workspaceId": ws.guid,
        "provisioningState": ws.state,
        "discoveryUrl": links.ml("/discovery"),
        "mlFlowTrackingUri": tracking,
        "creationTime": iso(ws.created),
    }
    return {
        "id": ws.arm_id,
        "name": ws.name,
        "type": TYPE,
        "kind": "Default",
        "location": ws.location,
        "tags": ws.tags,
        "sku": ws.sku,
        "identity": ws.identity,
        "etag": etag_of([ws.guid, ws.modified.isoformat()]),
        "properties": values,
        "systemData": stamps(ws.created, ws.modified, ws.created_by),
    }


async def put(request: Request) -> Reply:
    ctx, at = context_of(request), request.path_params
    body = await read_json(request)
    words(body, "tags")
    scope = provisioning.Scope(at["sub"], at["rg"], at["ws"], caller(request))
    made, new = await provisioning.create(ctx, scope, body)
    shown = encode(made, links_of(request))
    return done(request, made.arm_id, status=202 if new else 200, body=shown, kind="workspace")


async def get(request: Request) -> Reply:
    return Reply(200, encode(workspace_of(request), links_of(request)))


async def patch(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    body = await read_json(request)
    words(body, "tags")
    return Reply(200, encode(provisioning.update(ctx, ws, body), links_of(request)))


async def delete(request: Request) -> Reply:
    ctx, at = context_of(request), request.path_params
    honoured(request, "forceToPurge")
    found = provisioning.find(ctx, provisioning.Scope(at["sub"], at["rg"], at["ws"]))
    if found is None:
        return Reply(204)
    provisioning.delete(ctx, found)
    jobs_of(ctx).forget(found)
    return done(request, found.arm_id, status=202, kind="workspace", location=found.location)


def _list(request: Request, found: Iterable[Workspace]) -> Reply:
    honoured(request, "$skip", "kind", "aiCapabilities")
    links = links_of(request)
    kind = request.query_params.get("kind", "Default").lower()
    shown = [ws for ws in found if "default" in kind.split(",")]
    return paged(request, shown, lambda ws: encode(ws, links))


async def list_by_group(request: Request) -> Reply:
    ctx, at = context_of(request), request.path_params
    workspaces.check_subscription(ctx, at["sub"])
    return _list(request, workspaces.every(ctx, at["sub"], at["rg"]))


async def list_by_subscription(request: Request) -> Reply:
    ctx, at = context_of(request), request.path_params
    workspaces.check_subscription(ctx, at["sub"])
    return _list(request, workspaces.every(ctx, at["sub"]))


async def list_keys(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    found = {
        "userStorageKey": await accounts.key_of(ctx, str(ws.properties["storageAccount"])),
        "userStorageResourceId": ws.properties["storageAccount"],
    }
    instrumentation = await accounts.instrumentation_key(ctx, ws)
    if instrumentation is not None:
        found["appInsightsInstrumentationKey"] = instrumentation
    return Reply(200, found)


async def list_storage_keys(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    key = await accounts.key_of(ctx, str(ws.properties["storageAccount"]))
    return Reply(200, {"userStorageKey": key})


async def resync_keys(request: Request) -> Reply:
    # Keys are read from the storage account whenever they are needed: there is no copy to renew.
    ws = workspace_of(request)
    return done(request, ws.arm_id, status=202, kind="workspace", location=ws.location)


async def status(request: Request) -> Reply:
    return operation_status(context_of(request), request.path_params["operation"])


async def discovery(request: Request) -> Reply:
    links = links_of(request)
    base = links.ml()
    names = ("api", "history", "experimentation", "modelmanagement", "artifact", "metric")
    return Reply(200, dict.fromkeys(names, base))


LOCATION = f"{SUBSCRIPTION}/{PROVIDER}/locations/{{location}}"
OPERATIONS = [
    Operation("Workspaces_CreateOrUpdate", "PUT", WS, put, ARM_HOST),
    Operation("Workspaces_Get", "GET", WS, get, ARM_HOST),
    Operation("Workspaces_Update", "PATCH", WS, patch, ARM_HOST),
    Operation("Workspaces_Delete", "DELETE", WS, delete, ARM_HOST),
    Operation("Workspaces_ListByResourceGroup", "GET", WORKSPACES, list_by_group, ARM_HOST),
    Operation(
        "Workspaces_ListBySubscription",
        "GET",
        f"{SUBSCRIPTION}/{PROVIDER}/workspaces",
        list_by_subscription,
        ARM_HOST,
    ),
    Operation("Workspaces_ListKeys", "POST", WS + "/listKeys", list_keys, ARM_HOST),
    Operation(
        "Workspaces_ListStorageAccountKeys",
        "POST",
        WS + "/listStorageAccountKeys",
        list_storage_keys,
        ARM_HOST,
    ),
    Operation("Workspaces_ResyncKeys", "POST", WS + "/resyncKeys", resync_keys, ARM_HOST),
    *(
        Operation(
            f"OperationStatus_{kind}",
            "GET",
            f"{LOCATION}/{kind}OperationsStatus/{{operation}}",
            status,
            ARM_HOST,
        )
        for kind in ("mfe", "workspace", "compute")
    ),
    Operation(
        "Discovery_Get",
        "GET",
        "/discovery",
        discovery,
        ML_HOST,
        api_version=False,
        authenticate=False,
    ),
    Operation(
        "Discovery_GetWorkspace",
        "GET",
        f"/discovery/workspaces{GROUP}/{PROVIDER}/workspaces/{{ws}}",
        discovery,
        ML_HOST,
        api_version=False,
        authenticate=False,
    ),
]
