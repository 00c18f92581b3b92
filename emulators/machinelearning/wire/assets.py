"""Data, environments, models, components and codes: one shape, five kinds, two places."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from emulators.kernel.context import Context
from emulators.kernel.http import Handler, Operation, Reply, context_of, links_of, read_json
from emulators.kernel.links import Links
from emulators.machinelearning.engine import assets, codes, content, listing
from emulators.machinelearning.engine.codes import Granted
from emulators.machinelearning.store.assets import AssetContainer, AssetVersion
from emulators.machinelearning.store.registries import Home
from emulators.machinelearning.store.workspaces import Workspace
from emulators.machinelearning.wire.scope import (
    ARM_HOST,
    PAGE,
    WS,
    asset_words,
    caller,
    context_and_workspace,
    honoured,
    integer,
    paged,
    properties_of,
    stamps,
    workspace_of,
)

# Azure's names of the operation groups: containers, versions.
GROUPS = {
    "data": ("DataContainers", "DataVersions"),
    "environments": ("EnvironmentContainers", "EnvironmentVersions"),
    "models": ("ModelContainers", "ModelVersions"),
    "components": ("ComponentContainers", "ComponentVersions"),
    "codes": ("CodeContainers", "CodeVersions"),
}


@dataclass(frozen=True, slots=True)
class Plane:
    """Where assets are served: in a workspace over ARM, in a registry over its data plane."""

    names: str  # what the operations' names begin with
    path: str  # of the workspace or the registry
    host: str
    home: Callable[[Request], Home]
    prepare: Callable[[Context, Home, str, dict[str, Any]], Awaitable[dict[str, Any]]]


async def _prepare(ctx: Context, home: Home, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    return await content.PREPARE[kind](ctx, home, given)


WORKSPACE = Plane("", WS, ARM_HOST, workspace_of, _prepare)


def _type(home: Home) -> str:
    place = "workspaces" if isinstance(home, Workspace) else "registries"
    return f"Microsoft.MachineLearningServices/{place}"


def encode_version(home: Home, version: AssetVersion, links: Links) -> dict[str, Any]:
    """A version as the wire has it."""
    values: dict[str, Any] = {"provisioningState": "Succeeded", **version.properties}
    if version.kind == "models":
        values.setdefault("flavors", {})
    field = assets.KINDS[version.kind].uri
    if field is not None and (version.kind == "codes" or not isinstance(home, Workspace)):
        values[field] = _reachable(values[field], links)
    if isinstance(values.get("build"), dict):
        build = values["build"]
        values["build"] = {**build, "contextUri": _reachable(build["contextUri"], links)}
    return {
        "id": assets.arm_id(home, version.kind, version.name, version.version),
        "name": version.version,
        "type": f"{_type(home)}/{version.kind}/versions",
        "properties": values,
        "systemData": stamps(
            version.created, version.modified, version.created_by, version.modified_by
        ),
    }


def _reachable(url: str, links: Links) -> str:
    """A storage URL in the form this caller can reach."""
    head, found, path = url.partition(".blob.core.windows.net/")
    account = head.removeprefix("https://")
    return links.blob(account, f"/{path}") if found and links.explicit else url


def encode_container(home: Home, found: AssetContainer) -> dict[str, Any]:
    """A container as the wire has it."""
    values: dict[str, Any] = {
        "isArchived": found.archived,
        "nextVersion": str(found.next_number),
        "tags": found.tags,
        "properties": found.properties,
        "provisioningState": "Succeeded",
    }
    if found.latest is not None:
        values["latestVersion"] = found.latest
    if found.description is not None:
        values["description"] = found.description
    return {
        "id": assets.arm_id(home, found.kind, found.name),
        "name": found.name,
        "type": f"{_type(home)}/{found.kind}",
        "properties": values,
        "systemData": stamps(found.created, found.modified, found.created_by),
    }


def container_routes(plane: Plane, kind: str) -> list[Operation]:
    """Routes of the containers of one kind."""

    async def get(request: Request) -> Reply:
        ctx, home = context_of(request), plane.home(request)
        found = assets.get_container(ctx, home, kind, request.path_params["name"])
        return Reply(200, encode_container(home, found))

    async def put(request: Request) -> Reply:
        ctx, home = context_of(request), plane.home(request)
        given = properties_of(await read_json(request))
        asset_words(given)
        made, new = assets.change_container(
            ctx, home, kind, request.path_params["name"], given, by=caller(request)
        )
        return Reply(201 if new else 200, encode_container(home, made))

    async def delete(request: Request) -> Reply:
        ctx, home = context_of(request), plane.home(request)
        gone = assets.delete_container(ctx, home, kind, request.path_params["name"])
        return Reply(200 if gone else 204)

    async def all_of_them(request: Request) -> Reply:
        ctx, home = context_of(request), plane.home(request)
        given = honoured(request, *listing.CONTAINER_FILTERS)
        found = listing.chosen_containers(assets.containers(ctx, home, kind), given)
        size = integer(given, "count", PAGE) or PAGE
        return paged(request, found, lambda one: encode_container(home, one), size)

    group, path = GROUPS[kind][0], f"{plane.path}/{kind}"
    return [
        _operation(plane, f"{group}_List", "GET", path, all_of_them),
        _operation(plane, f"{group}_Get", "GET", path + "/{name}", get),
        _operation(plane, f"{group}_CreateOrUpdate", "PUT", path + "/{name}", put),
        _operation(plane, f"{group}_Delete", "DELETE", path + "/{name}", delete),
    ]


def version_routes(plane: Plane, kind: str) -> list[Operation]:
    """Routes of the versions of one kind."""

    async def get(request: Request) -> Reply:
        ctx, home = context_of(request), plane.home(request)
        at = request.path_params
        found = assets.get_version(ctx, home, kind, at["name"], at["version"])
        return Reply(200, encode_version(home, found, links_of(request)))

    async def put(request: Request) -> Reply:
        ctx, home = context_of(request), plane.home(request)
        at, given = request.path_params, properties_of(await read_json(request))
        asset_words(given)
        ready = await plane.prepare(ctx, home, kind, given)
        draft = assets.Draft(kind, at["name"], ready, at["version"], caller(request))
        made = assets.create_version(ctx, home, draft)
        body = encode_version(home, made.version, links_of(request))
        return Reply(201 if made.created else 200, body)

    async def delete(request: Request) -> Reply:
        ctx, home = context_of(request), plane.home(request)
        at = request.path_params
        gone = assets.delete_version(ctx, home, kind, at["name"], at["version"])
        return Reply(200 if gone else 204)

    async def all_of_them(request: Request) -> Reply:
        ctx, home = context_of(request), plane.home(request)
        given, name = honoured(request, *listing.VERSION_FILTERS), request.path_params["name"]
        if kind == "codes" and "hash" in given:
            same = assets.code_by_hash(ctx, home, given["hash"])
            found = [same] if same is not None else []
        else:
            found = listing.chosen_versions(assets.versions(ctx, home, kind, name), given)
        links = links_of(request)
        return paged(request, found, lambda version: encode_version(home, version, links))

    group, path = GROUPS[kind][1], f"{plane.path}/{kind}/{{name}}/versions"
    return [
        _operation(plane, f"{group}_List", "GET", path, all_of_them),
        _operation(plane, f"{group}_Get", "GET", path + "/{version}", get),
        _operation(plane, f"{group}_CreateOrUpdate", "PUT", path + "/{version}", put),
        _operation(plane, f"{group}_Delete", "DELETE", path + "/{version}", delete),
    ]


async def start_pending_upload(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    body, at = await read_json(request), request.path_params
    granted = await codes.start_upload(ctx, ws, "codes", at["name"], at["version"])
    return pending(request, ws, granted, body)


def pending(request: Request, home: Home, granted: Granted, body: dict[str, Any]) -> Reply:
    """The answer to a request for a place to upload to."""
    kind = body.get("pendingUploadType", "TemporaryBlobReference")
    reference = blob_reference(request, home, granted.upload.container, granted.sas)
    return Reply(
        200,
        {"pendingUploadId": granted.upload.id, "pendingUploadType": kind, **reference},
    )


def blob_reference(request: Request, home: Home, container: str, sas: str) -> dict[str, Any]:
    """A container of a workspace's or a registry's storage, and the signature to use it."""
    ctx, links = context_of(request), links_of(request)
    url = links.blob(home.storage_account, f"/{container}")
    if links.explicit and home.storage_account == ctx.secrets.values.get("default_account"):
        # Clients take the container from the last segment or from the first: one for both.
        url = f"{links.explicit}/{container}"
    return {
        "blobReferenceForConsumption": {
            "blobUri": url,
            "storageAccountArmId": home.properties["storageAccount"],
            "credential": {"credentialType": "SAS", "sasUri": f"{url}?{sas}"},
        }
    }


def _operation(plane: Plane, name: str, method: str, path: str, handler: Handler) -> Operation:
    return Operation(plane.names + name, method, path, handler, host=plane.host)


OPERATIONS = [
    *(route for kind in GROUPS for route in container_routes(WORKSPACE, kind)),
    *(route for kind in GROUPS for route in version_routes(WORKSPACE, kind)),
    Operation(
        "CodeVersions_CreateOrGetStartPendingUpload",
        "POST",
        WS + "/codes/{name}/versions/{version}/startPendingUpload",
        start_pending_upload,
        ARM_HOST,
    ),
]
