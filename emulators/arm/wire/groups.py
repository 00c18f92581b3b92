"""Resource groups over ARM JSON."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.arm.engine import filters, groups, records, tags
from emulators.arm.errors import GroupNotFound
from emulators.arm.store import Group
from emulators.arm.wire import deletions, elsewhere
from emulators.arm.wire.paging import paged
from emulators.kernel import azure_http
from emulators.kernel.context import Context
from emulators.kernel.http import InvalidContent, Operation, Reply, context_of, links_of, read_json

TYPE = "Microsoft.Resources/resourceGroups"
FILTERED = frozenset({"tagname", "tagvalue"})


def encode(ctx: Context, group: Group) -> dict[str, Any]:
    """A group as ARM writes it."""
    body: dict[str, Any] = {
        "id": f"/subscriptions/{ctx.secrets.subscription_id}/resourceGroups/{group.name}",
        "name": group.name,
        "type": TYPE,
        "location": group.location,
        "tags": group.tags,
        "properties": {"provisioningState": "Succeeded"},
    }
    if group.managed_by is not None:
        body["managedBy"] = group.managed_by
    return body


def _at(request: Request) -> tuple[Context, str]:
    ctx = context_of(request)
    groups.check_subscription(ctx, request.path_params["subscription"])
    return ctx, request.path_params.get("group", "")


async def get_group(request: Request) -> Reply:
    ctx, name = _at(request)
    return Reply(200, encode(ctx, groups.get(ctx, name)))


async def head_group(request: Request) -> Reply:
    ctx, name = _at(request)
    return Reply(204 if groups.find(ctx, name) else 404)


async def put_group(request: Request) -> Reply:
    ctx, name = _at(request)
    body = await read_json(request)
    managed_by = body.get("managedBy")
    if not isinstance(managed_by, str | None):
        raise InvalidContent("The request content was invalid: 'managedBy' must be a string.")
    made, new = groups.put(ctx, name, body.get("location"), body.get("tags"), managed_by)
    return Reply(201 if new else 200, encode(ctx, made))


async def patch_group(request: Request) -> Reply:
    ctx, name = _at(request)
    body = await read_json(request)
    found = groups.get(ctx, name)
    changed = groups.change(ctx, name, body["tags"]) if "tags" in body else found
    return Reply(200, encode(ctx, changed))


async def list_groups(request: Request) -> Reply:
    ctx, _ = _at(request)
    found = groups.all_groups(ctx)
    text = request.query_params.get("$filter")
    if text:
        asked = filters.parse(text, FILTERED)
        names = [value for name, _, value in asked.comparisons if name == "tagname"]
        found = [g for g in found if any(_tag_matches(asked, g, name) for name in names)]
    return paged(request, found, lambda g: g.key, lambda g: encode(ctx, g))


def _tag_matches(asked: filters.Filter, group: Group, name: str) -> bool:
    value = tags.value_of(group.tags, name)
    return value is not None and asked.matches({"tagname": name, "tagvalue": value})


async def delete_group(request: Request) -> Reply:
    """Delete what is in the group, wherever it is served, then the group itself."""
    ctx, name = _at(request)
    found = groups.find(ctx, name)
    if found is None:
        raise GroupNotFound(name)
    operation = azure_http.begin(ctx, encode(ctx, found)["id"])
    error = await elsewhere.empty(ctx, found)
    if error is None:
        records.remove_group(ctx, name)
    azure_http.finish(ctx, operation.id, error)
    version = request.query_params.get("api-version", "")
    where = links_of(request).arm(
        f"/subscriptions/{ctx.secrets.subscription_id}/operationresults/{operation.id}"
        f"?api-version={version}"
    )
    return Reply(202, None, {"Location": where, "x-ms-retry-after-ms": azure_http.POLL_MS})


async def operation_result(request: Request) -> Reply:
    """The `Location` of a deletion: 202 while it goes on, then 200, or its error."""
    ctx, _ = _at(request)
    return deletions.result(ctx, request.path_params["operation"])


MANY = "/subscriptions/{subscription}/resourceGroups"
ONE = f"{MANY}/{{group}}"
RESULT = "/subscriptions/{subscription}/operationresults/{operation}"
OPERATIONS = [
    Operation("ResourceGroups_List", "GET", MANY, list_groups),
    Operation("ResourceGroups_Get", "GET", ONE, get_group),
    Operation("ResourceGroups_CheckExistence", "HEAD", ONE, head_group),
    Operation("ResourceGroups_CreateOrUpdate", "PUT", ONE, put_group),
    Operation("ResourceGroups_Update", "PATCH", ONE, patch_group),
    Operation("ResourceGroups_Delete", "DELETE", ONE, delete_group),
    Operation("OperationResults_Get", "GET", RESULT, operation_result),
]
