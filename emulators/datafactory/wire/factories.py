"""Factories over ARM, their global parameters and the repository they say they have."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from starlette.requests import Request

from emulators.datafactory.engine import factories, resources
from emulators.datafactory.engine.resources import Child
from emulators.datafactory.engine.runs import manager
from emulators.datafactory.engine.triggers import control
from emulators.datafactory.errors import ChildMissing, InvalidPayload, RunEnded
from emulators.datafactory.store import Factory
from emulators.datafactory.wire.scope import (
    ARM_HOST,
    FACTORIES,
    FACTORY,
    PROVIDER,
    SUBSCRIPTION,
    factory_of,
    honoured,
    instant,
    paged,
    unchanged,
)
from emulators.kernel.http import Operation, Reply, context_of, principal_of, read_json
from emulators.kernel.routes import Routes

TYPE = factories.TYPES["factory"]
DEFAULT = "default"


def encode(factory: Factory) -> dict[str, Any]:
    """A factory as ARM shows it; its tag is `eTag`, its children's is `etag`."""
    return {
        "name": factory.name,
        "id": factory.arm_id or factory.id,
        "type": TYPE,
        "location": factory.location,
        "eTag": f'"{factory.etag}"',
        "tags": factory.tags,
        **({"identity": factory.identity} if factory.identity else {}),
        "properties": {
            "publicNetworkAccess": "Enabled",
            **factory.properties,
            "provisioningState": "Succeeded",
            "createTime": instant(factory.created),
            "version": "2018-06-01",
        },
    }


def _scope(request: Request) -> factories.Scope:
    at = request.path_params
    return factories.Scope("factory", at["sub"], at["rg"], at["factory"])


async def put(request: Request) -> Reply:
    body = await read_json(request)
    given = request.headers.get("if-match")
    made = await factories.put(context_of(request), _scope(request), body, given)
    return Reply(200, encode(made))


async def get(request: Request) -> Reply:
    found = factory_of(request)
    if unchanged(request, found.etag):
        return Reply(304)
    return Reply(200, encode(found))


async def patch(request: Request) -> Reply:
    found = factory_of(request)
    return Reply(
        200, encode(factories.change(context_of(request), found, await read_json(request)))
    )


async def delete(request: Request) -> Reply:
    ctx, at = context_of(request), _scope(request)
    found = factories.by_id(ctx, at.arm_id)
    if found is None:
        return Reply(204)
    await end(request, found)
    return Reply(200)


async def end(request: Request, found: Factory) -> None:
    """End what runs in a factory and remove it."""
    ctx = context_of(request)
    for one in resources.every(ctx, found.id, "triggers"):
        await control.stop(ctx, Child(found, "triggers", one.name))
    for run in list(factories.live_runs(ctx, found.id)):
        with suppress(RunEnded):
            await manager.cancel(ctx, found.id, run, True)
        await manager.wait_for(ctx, run, found.id)
    factories.delete(ctx, found)


async def list_by_group(request: Request) -> Reply:
    honoured(request, "$skiptoken")
    at = request.path_params
    found = factories.every(context_of(request), "factory", at["sub"], at["rg"])
    return paged(request, [encode(one) for one in found])


async def list_by_subscription(request: Request) -> Reply:
    honoured(request, "$skiptoken")
    found = factories.every(context_of(request), "factory", request.path_params["sub"])
    return paged(request, [encode(one) for one in found])


async def configure_repo(request: Request) -> Reply:
    """Note which repository a factory says it has; nobody here reads it."""
    ctx, body = context_of(request), await read_json(request)
    repo, named = body.get("repoConfiguration"), str(body.get("factoryResourceId") or "")
    match = _NAMED.find(named, "GET")
    if match is None:
        raise InvalidPayload("'factoryResourceId' is not the id of a factory.")
    scope = factories.Scope("factory", *(match.params[key] for key in ("sub", "rg", "factory")))
    ctx.access.check(principal_of(request), _writing(scope))
    found = factories.get(ctx, scope)
    return Reply(
        200,
        encode(factories.change(ctx, found, {"properties": {"repoConfiguration": repo}})),
    )


def _writing(scope: factories.Scope) -> Any:
    from emulators.kernel.access import Asked

    return Asked(f"{TYPE}/write", scope.arm_id)


_NAMED: Routes[bool] = Routes()
_NAMED.add("GET", FACTORY, True)


def encode_parameters(factory: Factory) -> dict[str, Any]:
    """The one resource that holds all global parameters."""
    return {
        "id": f"{factory.arm_id or factory.id}/globalParameters/{DEFAULT}",
        "name": DEFAULT,
        "type": f"{TYPE}/globalParameters",
        "etag": factory.etag,
        "properties": factory.properties["globalParameters"],
    }


async def list_parameters(request: Request) -> Reply:
    factory = factory_of(request)
    has = "globalParameters" in factory.properties
    return paged(request, [encode_parameters(factory)] if has else [])


def _named(request: Request, factory: Factory) -> bool:
    """Whether the path names the one that there is."""
    return request.path_params["name"].lower() == DEFAULT and "globalParameters" in (
        factory.properties
    )


async def get_parameters(request: Request) -> Reply:
    factory = factory_of(request)
    if not _named(request, factory):
        raise ChildMissing("globalparameters", request.path_params["name"], factory.name)
    return Reply(200, encode_parameters(factory))


async def put_parameters(request: Request) -> Reply:
    factory, name = factory_of(request), request.path_params["name"]
    if name.lower() != DEFAULT:
        raise InvalidPayload(
            f"Global parameters are kept under the name '{DEFAULT}', not '{name}'.", target="name"
        )
    given = resources.properties_in(await read_json(request), typed=False)
    made = factories.set_global_parameters(context_of(request), factory, given)
    return Reply(200, encode_parameters(made))


async def delete_parameters(request: Request) -> Reply:
    factory = factory_of(request)
    if not _named(request, factory):
        return Reply(204)
    factories.set_global_parameters(context_of(request), factory, None)
    return Reply(200)


PARAMETERS = f"{FACTORY}/globalParameters"
REPO = f"{SUBSCRIPTION}/{PROVIDER}/locations/{{location}}/configureFactoryRepo"
OPERATIONS = [
    Operation(name, method, path, handler, host=ARM_HOST)
    for name, method, path, handler in (
        ("Factories_CreateOrUpdate", "PUT", FACTORY, put),
        ("Factories_Get", "GET", FACTORY, get),
        ("Factories_Update", "PATCH", FACTORY, patch),
        ("Factories_Delete", "DELETE", FACTORY, delete),
        ("Factories_ListByResourceGroup", "GET", FACTORIES, list_by_group),
        (
            "Factories_List",
            "GET",
            f"{SUBSCRIPTION}/{PROVIDER}/factories",
            list_by_subscription,
        ),
        ("Factories_ConfigureFactoryRepo", "POST", REPO, configure_repo),
        ("GlobalParameters_ListByFactory", "GET", PARAMETERS, list_parameters),
        ("GlobalParameters_Get", "GET", f"{PARAMETERS}/{{name}}", get_parameters),
        ("GlobalParameters_CreateOrUpdate", "PUT", f"{PARAMETERS}/{{name}}", put_parameters),
        ("GlobalParameters_Delete", "DELETE", f"{PARAMETERS}/{{name}}", delete_parameters),
    )
]
