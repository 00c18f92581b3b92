"""Children of factories and workspaces that are kept as they were sent: one form for all kinds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request

from emulators.datafactory.engine import factories, publishing, resources
from emulators.datafactory.errors import InvalidPayload
from emulators.datafactory.store import Factory, Resource
from emulators.datafactory.wire.later import answered
from emulators.datafactory.wire.scope import (
    ARM_HOST,
    DEV_HOST,
    FACTORY,
    child_of,
    factory_of,
    honoured,
    instant,
    paged,
    unchanged,
)
from emulators.kernel.http import Handler, Operation, Reply, context_of, read_json


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of child: its word in paths, Azure's name of its operations, what is due of it."""

    kind: str  # lower case
    word: str  # as paths spell it
    group: str  # Pipelines, DataFlows, ...
    typed: bool = True  # `properties.type` says what it is
    deleted: bool = True  # there is a DELETE
    synapse: bool = False  # workspaces have it, too


KINDS = (
    Kind("pipelines", "pipelines", "Pipelines", typed=False, synapse=True),
    Kind("datasets", "datasets", "Datasets", synapse=True),
    Kind("linkedservices", "linkedservices", "LinkedServices", synapse=True),
    Kind("dataflows", "dataflows", "DataFlows", synapse=True),
    Kind("integrationruntimes", "integrationRuntimes", "IntegrationRuntimes"),
    Kind("credentials", "credentials", "CredentialOperations"),
    Kind(
        "managedvirtualnetworks",
        "managedVirtualNetworks",
        "ManagedVirtualNetworks",
        typed=False,
        deleted=False,
    ),
)


def type_of(factory: Factory, kind: str) -> str:
    """The `type` of a child."""
    return f"{factories.TYPES[factory.kind]}/{resources.KINDS[kind]}"


def encode(factory: Factory, one: Resource) -> dict[str, Any]:
    """A child as the service shows it; what is secret in it is not shown again."""
    word = resources.KINDS[one.kind]
    return {
        "id": f"{factory.arm_id or factory.id}/{word}/{one.name}",
        "name": one.name,
        "type": type_of(factory, one.kind),
        "etag": one.etag,
        "properties": publishing.shown(one),
    }


def getter(kind: str) -> Handler:
    """GET of one child."""

    async def get(request: Request) -> Reply:
        at = child_of(request, kind)
        found = resources.get(context_of(request), at)
        if unchanged(request, found.etag):
            return Reply(304)
        return Reply(200, encode(at.factory, found))

    return get


def lister(kind: str) -> Handler:
    """GET of all children of a kind."""

    async def every(request: Request) -> Reply:
        honoured(request, "$skiptoken")
        ctx, factory = context_of(request), factory_of(request)
        return paged(
            request, [encode(factory, one) for one in resources.every(ctx, factory.id, kind)]
        )

    return every


def putter(kind: Kind) -> Handler:
    """PUT of one child; what publishing would reject is rejected."""

    async def put(request: Request) -> Reply:
        ctx, at = context_of(request), child_of(request, kind.kind)
        given = resources.properties_in(await read_json(request), typed=kind.typed)
        made = publishing.publish(ctx, at, given, request.headers.get("if-match"))
        return answered(request, at, "Creating", encode(at.factory, made))

    return put


def deleter(kind: str) -> Handler:
    """DELETE of one child; 204 where there is none."""

    async def delete(request: Request) -> Reply:
        at = child_of(request, kind)
        gone = resources.delete(context_of(request), at)
        return answered(request, at, "Deleting") if gone else Reply(204)

    return delete


def renamer(kind: str) -> Handler:
    """POST of another name for one child of a workspace."""

    async def rename(request: Request) -> Reply:
        ctx, at = context_of(request), child_of(request, kind)
        wanted = (await read_json(request)).get("newName")
        if not isinstance(wanted, str) or not wanted:
            raise InvalidPayload("'newName' must be a text.", target="newName")
        made = publishing.rename(ctx, at, wanted)
        return answered(request, replace(at, name=wanted), "Renaming", encode(at.factory, made))

    return rename


async def patch_runtime(request: Request) -> Reply:
    """Change the update settings of a self-hosted integration runtime."""
    ctx, at = context_of(request), child_of(request, "integrationruntimes")
    was = resources.get(ctx, at)
    merged = {"properties": {**was.properties, **await read_json(request)}}
    properties = resources.properties_in(merged, typed=True)
    return Reply(200, encode(at.factory, publishing.publish(ctx, at, properties)))


async def runtime_status(request: Request) -> Reply:
    """An integration runtime as it is: pipelines run in this process, whatever it is."""
    at = child_of(request, "integrationruntimes")
    found = resources.get(context_of(request), at)
    kind = found.properties["type"]
    own = str(kind).lower() == "selfhosted"
    properties: dict[str, Any] = {
        "type": kind,
        "dataFactoryName": at.factory.name,
        "state": "NeedRegistration" if own else "Online",
        "typeProperties": {"nodes": []} if own else {"createTime": instant(found.changed)},
    }
    return Reply(200, {"name": found.name, "properties": properties})


def _operations(kind: Kind, base: str, host: str, names: tuple[str, ...]) -> list[Operation]:
    path = f"{base}/{kind.word}"
    made = [
        Operation(names[0], "GET", path, lister(kind.kind), host=host),
        Operation(names[1], "GET", f"{path}/{{name}}", getter(kind.kind), host=host),
        Operation(names[2], "PUT", f"{path}/{{name}}", putter(kind), host=host),
    ]
    if kind.deleted:
        made.append(
            Operation(names[3], "DELETE", f"{path}/{{name}}", deleter(kind.kind), host=host)
        )
    return made


def _factory_names(kind: Kind) -> tuple[str, ...]:
    verbs = ("ListByFactory", "Get", "CreateOrUpdate", "Delete")
    return tuple(f"{kind.group}_{verb}" for verb in verbs)


def _singular(kind: Kind) -> str:
    return kind.group.removesuffix("s")


def _workspace_names(kind: Kind) -> tuple[str, ...]:
    one = _singular(kind)
    return (
        f"{one}_Get{kind.group}ByWorkspace",
        f"{one}_Get{one}",
        f"{one}_CreateOrUpdate{one}",
        f"{one}_Delete{one}",
    )


OPERATIONS = [
    operation
    for kind in KINDS
    for operation in _operations(kind, FACTORY, ARM_HOST, _factory_names(kind))
] + [
    Operation(
        "IntegrationRuntimes_Update",
        "PATCH",
        f"{FACTORY}/integrationRuntimes/{{name}}",
        patch_runtime,
        host=ARM_HOST,
    ),
    Operation(
        "IntegrationRuntimes_GetStatus",
        "POST",
        f"{FACTORY}/integrationRuntimes/{{name}}/getStatus",
        runtime_status,
        host=ARM_HOST,
    ),
]
WORKSPACE_OPERATIONS = [
    operation
    for kind in KINDS
    if kind.synapse
    for operation in _operations(kind, "", DEV_HOST, _workspace_names(kind))
] + [
    Operation(
        f"{_singular(kind)}_Rename{_singular(kind)}",
        "POST",
        f"/{kind.word}/{{name}}/rename",
        renamer(kind.kind),
        host=DEV_HOST,
    )
    for kind in KINDS
    if kind.synapse
]
