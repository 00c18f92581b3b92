"""The system registry on the region's data plane: its curated environments."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.kernel.context import Context
from emulators.kernel.http import Handler, Reply
from emulators.kernel.links import Links
from emulators.machinelearning.engine import registries_system as registries
from emulators.machinelearning.engine.registries import SYSTEM
from emulators.machinelearning.errors import AssetNotFound
from emulators.machinelearning.wire.scope import honoured, paged

TYPE = "Microsoft.MachineLearningServices/registries/environments"


def discovery(ctx: Context, links: Links) -> Reply:
    """Where the system registry is."""
    region, base = ctx.settings.region, links.ml("/")
    return Reply(
        200,
        {
            "registryName": SYSTEM,
            "primaryRegion": region,
            "primaryRegionResourceProviderUri": base,
            "subscriptionId": ctx.secrets.guid("ml/registry/azureml"),
            "resourceGroup": registries.GROUP,
            "registryFqdns": {region: {"uri": base}},
        },
    )


def _encode(found: registries.CuratedVersion) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.version,
        "type": f"{TYPE}/versions",
        "properties": found.properties,
    }


def _container(found: registries.CuratedVersion) -> dict[str, Any]:
    return {
        "id": found.id.partition("/versions/")[0],
        "name": found.name,
        "type": TYPE,
        "properties": {
            "latestVersion": found.version,
            "nextVersion": str(int(found.version) + 1) if found.version.isdigit() else "1",
            "isArchived": False,
            "tags": {},
            "properties": {},
        },
    }


async def list_environments(request: Request) -> Reply:
    honoured(request, "listViewType", "$skip")
    found = [registries.environment(name) for name in registries.names()]
    return paged(request, found, _container)


async def get_environment(request: Request) -> Reply:
    at = request.path_params
    return Reply(200, _container(registries.environment(at["name"])))


async def list_versions(request: Request) -> Reply:
    at = request.path_params
    honoured(request, "listViewType", "$skip", "$top", "$orderBy")
    return paged(request, [registries.environment(at["name"])], _encode)


async def get_version(request: Request) -> Reply:
    at = request.path_params
    return Reply(200, _encode(registries.environment(at["name"], at["version"])))


async def get_label(request: Request) -> Reply:
    at = request.path_params
    if at["label"].lower() != "latest":
        raise AssetNotFound(f"Environment {at['name']} has no label '{at['label']}'.")
    return Reply(200, _encode(registries.environment(at["name"])))


HANDLERS: dict[str, Handler] = {
    "": list_environments,
    "/{name}": get_environment,
    "/{name}/versions": list_versions,
    "/{name}/versions/{version}": get_version,
    "/{name}/labels/{label}": get_label,
}
"""What answers a GET below `environments`; the paths are those of every registry."""
