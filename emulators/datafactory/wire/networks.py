"""Managed private endpoints: kept with their network and nothing more."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.datafactory.engine import publishing, resources
from emulators.datafactory.engine.resources import Child
from emulators.datafactory.store import Factory, Resource
from emulators.datafactory.wire.children import type_of
from emulators.datafactory.wire.scope import (
    ARM_HOST,
    FACTORY,
    factory_of,
    honoured,
    paged,
    unchanged,
)
from emulators.kernel.http import Operation, Reply, context_of, read_json

KIND, NETWORKS = "managedprivateendpoints", "managedvirtualnetworks"


def _at(request: Request) -> Child:
    """The endpoint that the path names; its network is part of its name here."""
    at = request.path_params
    return Child(factory_of(request), KIND, f"{at['network']}/{at['name']}")


def encode(factory: Factory, one: Resource) -> dict[str, Any]:
    """An endpoint as the service shows it."""
    network, _, name = one.name.partition("/")
    base = f"{factory.arm_id or factory.id}/managedVirtualNetworks/{network}"
    return {
        "id": f"{base}/managedPrivateEndpoints/{name}",
        "name": name,
        "type": f"{type_of(factory, NETWORKS)}/managedPrivateEndpoints",
        "etag": one.etag,
        "properties": {**publishing.shown(one), "provisioningState": "Succeeded"},
    }


async def every(request: Request) -> Reply:
    honoured(request, "$skiptoken")
    ctx, factory = context_of(request), factory_of(request)
    under = f"{request.path_params['network'].lower()}/"
    found = resources.every(ctx, factory.id, KIND)
    return paged(request, [encode(factory, one) for one in found if one.key.startswith(under)])


async def get(request: Request) -> Reply:
    at = _at(request)
    found = resources.get(context_of(request), at)
    if unchanged(request, found.etag):
        return Reply(304)
    return Reply(200, encode(at.factory, found))


async def put(request: Request) -> Reply:
    ctx, at = context_of(request), _at(request)
    network = request.path_params["network"]
    if network.lower() != "default":  # every factory can have that one without making it
        resources.get(ctx, Child(at.factory, NETWORKS, network))
    given = resources.properties_in(await read_json(request), typed=False)
    made = publishing.publish(ctx, at, given, request.headers.get("if-match"))
    return Reply(200, encode(at.factory, made))


async def delete(request: Request) -> Reply:
    return Reply(200 if resources.delete(context_of(request), _at(request)) else 204)


ALL = f"{FACTORY}/managedVirtualNetworks/{{network}}/managedPrivateEndpoints"
ONE = f"{ALL}/{{name}}"
OPERATIONS = [
    Operation(f"ManagedPrivateEndpoints_{name}", method, path, handler, host=ARM_HOST)
    for name, method, path, handler in (
        ("ListByFactory", "GET", ALL, every),
        ("CreateOrUpdate", "PUT", ONE, put),
        ("Get", "GET", ONE, get),
        ("Delete", "DELETE", ONE, delete),
    )
]
