"""Registries over ARM, and where a client finds one by its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request

from emulators.kernel.azure_http import etag_of
from emulators.kernel.http import Operation, Reply, context_of, links_of, read_json
from emulators.kernel.links import Links
from emulators.machinelearning.engine import registries, registries_provisioning, workspaces
from emulators.machinelearning.engine.provisioning import Scope
from emulators.machinelearning.store.registries import Registry
from emulators.machinelearning.wire import registries_system, registry_assets
from emulators.machinelearning.wire.scope import (
    ARM_HOST,
    GROUP,
    ML_HOST,
    PROVIDER,
    SUBSCRIPTION,
    caller,
    done,
    honoured,
    paged,
    stamps,
    words,
)

TYPE = "Microsoft.MachineLearningServices/registries"
MANY = f"{GROUP}/{PROVIDER}/registries"
ONE = MANY + "/{registry}"
DISCOVERY = "/registrymanagement/v1.0/registries/{registry}/discovery"
INTERNAL = ("storageAccount", "ownStorage")


def _of(request: Request) -> Registry:
    ctx, at = context_of(request), request.path_params
    workspaces.check_subscription(ctx, at["sub"])
    return registries.get(ctx, at["sub"], at["rg"], at["registry"])


def encode(registry: Registry, links: Links) -> dict[str, Any]:
    """A registry as the wire has it."""
    given = {k: v for k, v in registry.properties.items() if k not in INTERNAL}
    tracking = links.ml(f"/mlflow/v1.0{registry.arm_id}").replace("https://", "azureml://", 1)
    return {
        "id": registry.arm_id,
        "name": registry.name,
        "type": TYPE,
        "location": registry.location,
        "tags": registry.tags,
        "identity": registry.identity,
        "etag": etag_of([registry.guid, registry.modified.isoformat()]),
        "properties": {
            "publicNetworkAccess": "Enabled",
            **given,
            "discoveryUrl": links.ml(DISCOVERY.replace("{registry}", registry.name)),
            "mlFlowRegistryUri": tracking,
            "managedResourceGroupTags": registry.tags,
            "registryPrivateEndpointConnections": [],
            "provisioningState": "Succeeded",
        },
        "systemData": stamps(registry.created, registry.modified, registry.created_by),
    }


async def put(request: Request) -> Reply:
    ctx, at = context_of(request), request.path_params
    body = await read_json(request)
    words(body, "tags")
    scope = Scope(at["sub"], at["rg"], at["registry"], caller(request))
    made, new = await registries_provisioning.create(ctx, scope, body)
    shown = encode(made, links_of(request))
    return done(request, made.arm_id, status=202 if new else 200, body=shown)


async def patch(request: Request) -> Reply:
    ctx, found = context_of(request), _of(request)
    body = await read_json(request)
    words(body, "tags")
    return Reply(200, encode(registries_provisioning.update(ctx, found, body), links_of(request)))


async def get(request: Request) -> Reply:
    return Reply(200, encode(_of(request), links_of(request)))


async def delete(request: Request) -> Reply:
    ctx, at = context_of(request), request.path_params
    workspaces.check_subscription(ctx, at["sub"])
    found = registries.find(ctx, at["registry"])
    if found is None or found.group.lower() != at["rg"].lower():
        return Reply(204)
    await registries_provisioning.delete(ctx, found)
    return done(request, found.arm_id, status=202, location=found.location)


def _list(request: Request, found: Iterable[Registry]) -> Reply:
    honoured(request, "$skip")
    links = links_of(request)
    return paged(request, list(found), lambda one: encode(one, links))


async def list_by_group(request: Request) -> Reply:
    ctx, at = context_of(request), request.path_params
    workspaces.check_subscription(ctx, at["sub"])
    return _list(request, registries.every(ctx, at["rg"]))


async def list_by_subscription(request: Request) -> Reply:
    ctx = context_of(request)
    workspaces.check_subscription(ctx, request.path_params["sub"])
    return _list(request, registries.every(ctx))


async def discovery(request: Request) -> Reply:
    ctx, links = context_of(request), links_of(request)
    name = request.path_params["registry"]
    if name.lower() == registries.SYSTEM:
        return registries_system.discovery(ctx, links)
    found, base = registries.named(ctx, name), links.ml("/")
    regions = [region["location"] for region in found.properties["regionDetails"]]
    return Reply(
        200,
        {
            "registryName": found.name,
            "primaryRegion": found.location,
            "primaryRegionResourceProviderUri": base,
            "subscriptionId": found.subscription,
            "resourceGroup": found.group,
            # One door answers for every region; there is one copy of the files.
            "registryFqdns": {region: {"uri": base} for region in regions},
        },
    )


OPERATIONS = [
    Operation("Registries_CreateOrUpdate", "PUT", ONE, put, ARM_HOST),
    Operation("Registries_Update", "PATCH", ONE, patch, ARM_HOST),
    Operation("Registries_Get", "GET", ONE, get, ARM_HOST),
    Operation("Registries_Delete", "DELETE", ONE, delete, ARM_HOST),
    Operation("Registries_List", "GET", MANY, list_by_group, ARM_HOST),
    Operation(
        "Registries_ListBySubscription",
        "GET",
        f"{SUBSCRIPTION}/{PROVIDER}/registries",
        list_by_subscription,
        ARM_HOST,
    ),
    Operation(
        "RegistryManagement_Discovery", "GET", DISCOVERY, discovery, ML_HOST, api_version=False
    ),
    *registry_assets.OPERATIONS,
]
