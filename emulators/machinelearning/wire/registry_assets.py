"""A registry's assets on the region's data plane, their uploads and downloads, and sharing."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from emulators.kernel.context import Context
from emulators.kernel.http import (
    Handler,
    Operation,
    Reply,
    context_of,
    links_of,
    principal_of,
    read_json,
)
from emulators.machinelearning.engine import (
    assets,
    content,
    permissions,
    registries,
    registries_files,
    registries_sharing,
)
from emulators.machinelearning.store.registries import Home, Registry
from emulators.machinelearning.wire import registries_system
from emulators.machinelearning.wire.assets import (
    GROUPS,
    Plane,
    blob_reference,
    container_routes,
    encode_version,
    pending,
    version_routes,
)
from emulators.machinelearning.wire.scope import GROUP, ML_HOST, PROVIDER, caller, properties_of

REGISTRY = f"/mferp/managementfrontend{GROUP}/{PROVIDER}/registries/{{registry}}"
VERSION = "/{name}/versions/{version}"


def registry_of(request: Request) -> Registry:
    """The registry in the path.

    Raises:
        ResourceMissing: it does not exist.
        Unsupported: one of Microsoft's.
    """
    ctx, at = context_of(request), request.path_params
    if registries.is_system(at["registry"]):
        return registries.named(ctx, at["registry"])
    return registries.get(ctx, at["sub"], at["rg"], at["registry"])


async def _prepare(ctx: Context, home: Home, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """What a version says, its files in the registry's own storage.

    Raises:
        ValidationError, InvalidUri: as for a workspace; or the files are elsewhere.
    """
    assert isinstance(home, Registry)
    field = assets.KINDS[kind].uri
    if field is not None and isinstance(given.get(field), str):
        given = {**given, field: str(registries_files.in_registry(home, given[field]))}
    build = given.get("build")
    if isinstance(build, dict) and isinstance(build.get("contextUri"), str):
        context = str(registries_files.in_registry(home, build["contextUri"]))
        given = {**given, "build": {**build, "contextUri": context}}
    return await content.PREPARE[kind](ctx, home, given)


PLANE = Plane("Registry", REGISTRY, ML_HOST, registry_of, _prepare)


def _label(kind: str) -> Handler:
    async def get(request: Request) -> Reply:
        ctx, home, at = context_of(request), registry_of(request), request.path_params
        found = assets.get_labelled(ctx, home, kind, at["name"], at["label"])
        return Reply(200, encode_version(home, found, links_of(request)))

    return get


def _start_upload(kind: str) -> Handler:
    async def start(request: Request) -> Reply:
        ctx, home, at = context_of(request), registry_of(request), request.path_params
        body = await read_json(request)
        granted = await registries_files.start_upload(ctx, home, kind, at["name"], at["version"])
        return pending(request, home, granted, body)

    return start


async def temporary_reference(request: Request) -> Reply:
    """Where the files of a version that is about to be made are uploaded to."""
    ctx, home, at = context_of(request), registry_of(request), request.path_params
    body = await read_json(request)
    kind = registries_files.kind_of(home, body.get("assetId"), at["name"], at["version"])
    granted = await registries_files.start_upload(ctx, home, kind, at["name"], at["version"])
    return Reply(200, blob_reference(request, home, granted.upload.container, granted.sas))


async def data_reference(request: Request) -> Reply:
    """How the files of a version are read."""
    ctx, home, at = context_of(request), registry_of(request), request.path_params
    body = await read_json(request)
    kind = registries_files.kind_of(home, body.get("assetId"), at["name"], at["version"])
    assets.get_version(ctx, home, kind, at["name"], at["version"])
    container, sas = await registries_files.read_signature(ctx, home, body.get("blobUri"))
    return Reply(200, blob_reference(request, home, container, sas))


async def import_asset(request: Request) -> Reply:
    ctx, home = context_of(request), registry_of(request)
    wanted = registries_sharing.asked(ctx, home, properties_of(await read_json(request)))
    source = permissions.reading(wanted.version.kind, wanted.source.arm_id)
    ctx.access.check(principal_of(request), source)
    await registries_sharing.share(ctx, home, wanted, caller(request))
    return Reply(200)


def _or_system(handler: Handler, system: Handler) -> Handler:
    """The system registry is at the same paths and shows what can be built here."""

    async def either(request: Request) -> Reply | Response:
        named = request.path_params["registry"].lower()
        return await (system if named == registries.SYSTEM else handler)(request)

    return either


def _routes() -> list[Operation]:
    plain = [
        *(route for kind in GROUPS for route in container_routes(PLANE, kind)),
        *(route for kind in GROUPS for route in version_routes(PLANE, kind)),
        *(
            Operation(
                f"Registry{GROUPS[kind][1]}_GetByLabel",
                "GET",
                f"{REGISTRY}/{kind}/{{name}}/labels/{{label}}",
                _label(kind),
                ML_HOST,
            )
            for kind in GROUPS
        ),
    ]
    system = {
        ("GET", f"{REGISTRY}/environments{path}"): handler
        for path, handler in registries_system.HANDLERS.items()
    }
    return [
        Operation(o.name, o.method, o.path, _or_system(o.handler, found), o.host)
        if (found := system.get((o.method, o.path))) is not None
        else o
        for o in plain
    ]


OPERATIONS = [
    *_routes(),
    *(
        Operation(
            f"Registry{GROUPS[kind][1]}_CreateOrGetStartPendingUpload",
            "POST",
            f"{REGISTRY}/{kind}{VERSION}/startPendingUpload",
            _start_upload(kind),
            ML_HOST,
        )
        for kind in registries_files.WITH_FILES
    ),
    Operation(
        "TemporaryDataReferences_CreateOrGet",
        "PUT",
        f"{REGISTRY}/tempdatarefs{VERSION}",
        temporary_reference,
        ML_HOST,
    ),
    Operation(
        "DataReferences_GetBlobReferenceSas",
        "POST",
        f"{REGISTRY}/datarefs{VERSION}",
        data_reference,
        ML_HOST,
    ),
    Operation("Registry_Import", "POST", f"{REGISTRY}/import", import_asset, ML_HOST),
]
