"""The system registry on the region's data plane: discovery, and its curated environments."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.kernel.http import Operation, Reply, context_of, links_of
from emulators.machinelearning.engine import registries
from emulators.machinelearning.errors import AssetNotFound
from emulators.machinelearning.wire.scope import GROUP, ML_HOST, PROVIDER, honoured, paged

REGISTRY = f"/mferp/managementfrontend{GROUP}/{PROVIDER}/registries/{{registry}}"
TYPE = "Microsoft.MachineLearningServices/registries/environments"


async def discovery(request: Request) -> Reply:
    ctx, links = context_of(request), links_of(request)
    registries.check(request.path_params["registry"])
    region, base = ctx.settings.region, links.ml("/")
    return Reply(
        200,
        {
            "registryName": registries.SYSTEM,
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
    registries.check(request.path_params["registry"])
    honoured(request, "listViewType", "$skip")
    found = [registries.environment(name) for name in registries.names()]
    return paged(request, found, _container)


async def get_environment(request: Request) -> Reply:
    at = request.path_params
    registries.check(at["registry"])
    return Reply(200, _container(registries.environment(at["name"])))


async def list_versions(request: Request) -> Reply:
    at = request.path_params
    registries.check(at["registry"])
    honoured(request, "listViewType", "$skip", "$top", "$orderBy")
    return paged(request, [registries.environment(at["name"])], _encode)


async def get_version(request: Request) -> Reply:
    at = request.path_params
    registries.check(at["registry"])
    return Reply(200, _encode(registries.environment(at["name"], at["version"])))


async def get_label(request: Request) -> Reply:
    at = request.path_params
    registries.check(at["registry"])
    if at["label"].lower() != "latest":
        raise AssetNotFound(f"Environment {at['name']} has no label '{at['label']}'.")
    return Reply(200, _encode(registries.environment(at["name"])))


ENVIRONMENTS = f"{REGISTRY}/environments"
VERSIONS = ENVIRONMENTS + "/{name}/versions"
OPERATIONS = [
    Operation(
        "RegistryManagement_Discovery",
        "GET",
        "/registrymanagement/v1.0/registries/{registry}/discovery",
        discovery,
        ML_HOST,
        api_version=False,
    ),
    Operation("SystemRegistry_ListEnvironments", "GET", ENVIRONMENTS, list_environments, ML_HOST),
    Operation(
        "SystemRegistry_GetEnvironment", "GET", ENVIRONMENTS + "/{name}", get_environment, ML_HOST
    ),
    Operation("SystemRegistry_ListEnvironmentVersions", "GET", VERSIONS, list_versions, ML_HOST),
    Operation(
        "SystemRegistry_GetEnvironmentVersion", "GET", VERSIONS + "/{version}", get_version, ML_HOST
    ),
    Operation(
        "SystemRegistry_GetEnvironmentLabel",
        "GET",
        ENVIRONMENTS + "/{name}/labels/{label}",
        get_label,
        ML_HOST,
    ),
]
