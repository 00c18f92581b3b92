"""Resources by id, whatever their type: records here, refused where a type would have to act."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from emulators.arm.engine import filters, groups, records, tags
from emulators.arm.engine.filters import Filter
from emulators.arm.engine.ids import ResourceId, parse
from emulators.arm.errors import InvalidFilter
from emulators.arm.store import Group, Resource
from emulators.arm.wire import elsewhere, roles
from emulators.arm.wire.paging import paged
from emulators.kernel.azure_http import iso, system_data
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.kernel.http import (
    Handler,
    Operation,
    Reply,
    context_of,
    principal_of,
    read_json,
)

FILTERED = frozenset(
    {"resourcetype", "name", "location", "resourcegroup", "tagname", "tagvalue", "kind"}
)


def encode(resource: Resource) -> dict[str, Any]:
    """A record as its provider writes it."""
    return {
        **listed(resource),
        "properties": resource.properties,
        "systemData": system_data(
            resource.created, resource.modified, resource.by
        ) | {"lastModifiedBy": resource.modified_by},
    }  # fmt: skip


def listed(resource: Resource) -> dict[str, Any]:
    """A record as a generic list shows it: without its properties."""
    body: dict[str, Any] = {"id": resource.id, "name": resource.name, "type": resource.type}
    if resource.location is not None:
        body["location"] = resource.location
    return {**body, "tags": resource.tags, **resource.extra}


def _target(request: Request) -> ResourceId:
    return parse(request.scope["azure_path"])


def _or_roles(handler: Handler) -> Handler:
    """Roles are resources too, with rules of their own."""

    async def answer(request: Request) -> Reply | Response:
        target = _target(request)
        if roles.claims(target):
            return await roles.answer(request, target)
        return await handler(request)

    return answer


async def get_resource(request: Request) -> Reply:
    ctx, target = context_of(request), _target(request)
    if target.collection:
        found = records.of_kind(ctx, target)
        return paged(request, found, lambda r: r.key, encode)
    return Reply(200, encode(records.get(ctx, target)))


async def head_resource(request: Request) -> Reply:
    ctx, target = context_of(request), _target(request)
    return Reply(204 if records.find(ctx, target) else 404)


async def put_resource(request: Request) -> Reply:
    ctx, target = context_of(request), _one(request)
    body = await read_json(request)
    made, new = records.put(ctx, target, body, principal_of(request).object_id)
    return Reply(201 if new else 200, encode(made))


async def patch_resource(request: Request) -> Reply:
    ctx, target = context_of(request), _one(request)
    body = await read_json(request)
    return Reply(200, encode(records.change(ctx, target, body, principal_of(request).object_id)))


async def delete_resource(request: Request) -> Reply:
    ctx, target = context_of(request), _one(request)
    return Reply(200 if records.remove(ctx, target) else 204)


async def act(request: Request) -> Reply:
    """An action on a resource: no record can do one."""
    target = _target(request)
    raise Unsupported(f"the action POST {target.type}", tracked=records.TRACKED)


def _one(request: Request) -> ResourceId:
    target = _target(request)
    if target.collection:
        raise Unsupported(
            f"{request.method} of the whole collection {target.type}", tracked=records.TRACKED
        )
    return target


async def list_resources(request: Request) -> Reply:
    """Records, and what other emulators hold, in one list."""
    ctx = context_of(request)
    groups.check_subscription(ctx, request.path_params["subscription"])
    name = request.path_params.get("group")
    chosen = [groups.get(ctx, name)] if name else groups.all_groups(ctx)
    asked = _filter(request)
    found = [(group, one) for group in chosen for one in await _in_group(ctx, request, group)]
    kept = [one for group, one in found if asked is None or _passes(asked, group, one)]
    kept.sort(key=lambda one: str(one["id"]).lower())
    return paged(request, kept, lambda one: str(one["id"]).lower(), lambda one: one)


async def _in_group(ctx: Context, request: Request, group: Group) -> list[dict[str, Any]]:
    expand = {word.strip().lower() for word in request.query_params.get("$expand", "").split(",")}
    own = []
    for record in records.everything(ctx, group.key):
        body = listed(record)
        if "createdtime" in expand:
            body["createdTime"] = iso(record.created)
        if "changedtime" in expand:
            body["changedTime"] = iso(record.modified)
        if "provisioningstate" in expand:
            body["provisioningState"] = "Succeeded"
        own.append(body)
    return own + await elsewhere.in_group(ctx, group)


def _filter(request: Request) -> Filter | None:
    text = request.query_params.get("$filter")
    if not text:
        return None
    asked = filters.parse(text, FILTERED)
    names = {name for name, _, _ in asked.comparisons}
    if "tagvalue" in names and "tagname" not in names:
        raise InvalidFilter(text)
    return asked


def _passes(asked: Filter, group: Group, one: dict[str, Any]) -> bool:
    values = {
        "resourcetype": one["type"],
        "name": one["name"],
        "location": one.get("location"),
        "resourcegroup": group.name,
        "kind": one.get("kind"),
    }
    named = [text for name, _, text in asked.comparisons if name == "tagname"]
    if not named:
        return asked.matches(values)
    given = one.get("tags") or {}
    return any(
        asked.matches({**values, "tagname": name, "tagvalue": tags.value_of(given, name)})
        for name in named
        if tags.value_of(given, name) is not None
    )


ANY = "/subscriptions/{rest:path}"
TENANT = "/providers/{rest:path}"
SUBSCRIPTION = "/subscriptions/{subscription}"
OPERATIONS = [
    Operation("Resources_List", "GET", f"{SUBSCRIPTION}/resources", list_resources),
    Operation(
        "Resources_ListByResourceGroup",
        "GET",
        f"{SUBSCRIPTION}/resourceGroups/{{group}}/resources",
        list_resources,
    ),
    Operation("Resources_GetById", "GET", ANY, _or_roles(get_resource)),
    Operation("Resources_CheckExistenceById", "HEAD", ANY, _or_roles(head_resource)),
    Operation("Resources_CreateOrUpdateById", "PUT", ANY, _or_roles(put_resource)),
    Operation("Resources_UpdateById", "PATCH", ANY, _or_roles(patch_resource)),
    Operation("Resources_DeleteById", "DELETE", ANY, _or_roles(delete_resource)),
    Operation("Resources_Action", "POST", ANY, act),
    Operation("Resources_GetAtTenantScope", "GET", TENANT, _or_roles(get_resource)),
    Operation("Resources_PutAtTenantScope", "PUT", TENANT, _or_roles(put_resource)),
    Operation("Resources_ActionAtTenantScope", "POST", TENANT, act),
]
