"""Data, environments, models, components and codes over ARM: one shape, five kinds."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.kernel.http import Handler, Operation, Reply, links_of, read_json
from emulators.kernel.links import Links
from emulators.machinelearning.engine import assets, codes, content, listing
from emulators.machinelearning.store.assets import AssetContainer, AssetVersion
from emulators.machinelearning.store.workspaces import Workspace
from emulators.machinelearning.wire.scope import (
    ARM_HOST,
    PAGE,
    TYPE,
    WS,
    asset_words,
    caller,
    context_and_workspace,
    honoured,
    integer,
    paged,
    properties_of,
    stamps,
)

# Azure's names of the operation groups: containers, versions.
GROUPS = {
    "data": ("DataContainers", "DataVersions"),
    "environments": ("EnvironmentContainers", "EnvironmentVersions"),
    "models": ("ModelContainers", "ModelVersions"),
    "components": ("ComponentContainers", "ComponentVersions"),
    "codes": ("CodeContainers", "CodeVersions"),
}


def encode_version(ws: Workspace, version: AssetVersion, links: Links) -> dict[str, Any]:
    """A version as the wire has it."""
    values: dict[str, Any] = {"provisioningState": "Succeeded", **version.properties}
    if version.kind == "models":
        values.setdefault("flavors", {})
    if version.kind == "codes":
        values["codeUri"] = _reachable(values["codeUri"], links)
    if isinstance(values.get("build"), dict):
        build = values["build"]
        values["build"] = {**build, "contextUri": _reachable(build["contextUri"], links)}
    return {
        "id": assets.arm_id(ws, version.kind, version.name, version.version),
        "name": version.version,
        "type": f"{TYPE}/{version.kind}/versions",
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


def encode_container(ws: Workspace, home: AssetContainer) -> dict[str, Any]:
    """A container as the wire has it."""
    values: dict[str, Any] = {
        "isArchived": home.archived,
        "nextVersion": str(home.next_number),
        "tags": home.tags,
        "properties": home.properties,
        "provisioningState": "Succeeded",
    }
    if home.latest is not None:
        values["latestVersion"] = home.latest
    if home.description is not None:
        values["description"] = home.description
    return {
        "id": assets.arm_id(ws, home.kind, home.name),
        "name": home.name,
        "type": f"{TYPE}/{home.kind}",
        "properties": values,
        "systemData": stamps(home.created, home.modified, home.created_by),
    }


def _container_routes(kind: str) -> list[Operation]:
    async def get(request: Request) -> Reply:
        ctx, ws = context_and_workspace(request)
        found = assets.get_container(ctx, ws, kind, request.path_params["name"])
        return Reply(200, encode_container(ws, found))

    async def put(request: Request) -> Reply:
        ctx, ws = context_and_workspace(request)
        given = properties_of(await read_json(request))
        asset_words(given)
        made, new = assets.change_container(
            ctx, ws, kind, request.path_params["name"], given, by=caller(request)
        )
        return Reply(201 if new else 200, encode_container(ws, made))

    async def delete(request: Request) -> Reply:
        ctx, ws = context_and_workspace(request)
        gone = assets.delete_container(ctx, ws, kind, request.path_params["name"])
        return Reply(200 if gone else 204)

    async def all_of_them(request: Request) -> Reply:
        ctx, ws = context_and_workspace(request)
        given = honoured(request, *listing.CONTAINER_FILTERS)
        found = listing.chosen_containers(assets.containers(ctx, ws, kind), given)
        size = integer(given, "count", PAGE) or PAGE
        return paged(request, found, lambda home: encode_container(ws, home), size)

    group, path = GROUPS[kind][0], f"{WS}/{kind}"
    return [
        _operation(f"{group}_List", "GET", path, all_of_them),
        _operation(f"{group}_Get", "GET", path + "/{name}", get),
        _operation(f"{group}_CreateOrUpdate", "PUT", path + "/{name}", put),
        _operation(f"{group}_Delete", "DELETE", path + "/{name}", delete),
    ]


def _version_routes(kind: str) -> list[Operation]:
    async def get(request: Request) -> Reply:
        ctx, ws = context_and_workspace(request)
        at = request.path_params
        found = assets.get_version(ctx, ws, kind, at["name"], at["version"])
        return Reply(200, encode_version(ws, found, links_of(request)))

    async def put(request: Request) -> Reply:
        ctx, ws = context_and_workspace(request)
        at, given = request.path_params, properties_of(await read_json(request))
        asset_words(given)
        ready = await content.PREPARE[kind](ctx, ws, given)
        draft = assets.Draft(kind, at["name"], ready, at["version"], caller(request))
        made = assets.create_version(ctx, ws, draft)
        body = encode_version(ws, made.version, links_of(request))
        return Reply(201 if made.created else 200, body)

    async def delete(request: Request) -> Reply:
        ctx, ws = context_and_workspace(request)
        at = request.path_params
        gone = assets.delete_version(ctx, ws, kind, at["name"], at["version"])
        return Reply(200 if gone else 204)

    async def all_of_them(request: Request) -> Reply:
        ctx, ws = context_and_workspace(request)
        given, name = honoured(request, *listing.VERSION_FILTERS), request.path_params["name"]
        if kind == "codes" and "hash" in given:
            same = assets.code_by_hash(ctx, ws, given["hash"])
            found = [same] if same is not None else []
        else:
            found = listing.chosen_versions(assets.versions(ctx, ws, kind, name), given)
        links = links_of(request)
        return paged(request, found, lambda version: encode_version(ws, version, links))

    group, path = GROUPS[kind][1], f"{WS}/{kind}/{{name}}/versions"
    return [
        _operation(f"{group}_List", "GET", path, all_of_them),
        _operation(f"{group}_Get", "GET", path + "/{version}", get),
        _operation(f"{group}_CreateOrUpdate", "PUT", path + "/{version}", put),
        _operation(f"{group}_Delete", "DELETE", path + "/{version}", delete),
    ]


async def start_pending_upload(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    body, at = await read_json(request), request.path_params
    wanted = body.get("pendingUploadType", "TemporaryBlobReference")
    granted = await codes.start_upload(ctx, ws, "codes", at["name"], at["version"])
    upload = granted.upload
    links = links_of(request)
    url = links.blob(upload.account, f"/{upload.container}")
    if links.explicit and upload.account == ctx.secrets.values.get("default_account"):
        # Clients take the container from the last segment or from the first: one for both.
        url = f"{links.explicit}/{upload.container}"
    credential = {"credentialType": "SAS", "sasUri": f"{url}?{granted.sas}"}
    return Reply(
        200,
        {
            "pendingUploadId": upload.id,
            "pendingUploadType": wanted,
            "blobReferenceForConsumption": {
                "blobUri": url,
                "storageAccountArmId": ws.properties["storageAccount"],
                "credential": credential,
            },
        },
    )


def _operation(name: str, method: str, path: str, handler: Handler) -> Operation:
    return Operation(name, method, path, handler, host=ARM_HOST)


OPERATIONS = [
    *(route for kind in GROUPS for route in _container_routes(kind)),
    *(route for kind in GROUPS for route in _version_routes(kind)),
    _operation(
        "CodeVersions_CreateOrGetStartPendingUpload",
        "POST",
        WS + "/codes/{name}/versions/{version}/startPendingUpload",
        start_pending_upload,
    ),
]
