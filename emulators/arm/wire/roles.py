"""Role assignments and definitions, at any scope."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.arm.engine import roles
from emulators.arm.engine.ids import ResourceId
from emulators.arm.engine.roles import ASSIGNMENTS, BUILT_IN, DEFINITIONS, BuiltIn
from emulators.arm.errors import ResourceNotFound, RoleDefinitionUnknown
from emulators.arm.store import ROLE_ASSIGNMENTS, RoleAssignment
from emulators.kernel.azure_http import iso, page
from emulators.kernel.context import Context
from emulators.kernel.errors import MethodNotAllowed, Unsupported
from emulators.kernel.http import Reply, context_of, json_object, principal_of, read_json

EPOCH = "2015-02-02T21:55:09.8806423Z"  # when the built-in roles say they were made


def claims(target: ResourceId) -> bool:
    """Say whether this is about roles."""
    return target.type.lower() in (ASSIGNMENTS.lower(), DEFINITIONS.lower())


async def answer(request: Request, target: ResourceId) -> Reply:
    """Answer a request about roles.

    Raises:
        ServiceError: as the engine says.
    """
    if target.type.lower() == DEFINITIONS.lower():
        return _definitions(request, target)
    ctx = context_of(request)
    if target.collection:
        if request.method != "GET":
            raise MethodNotAllowed(f"Role assignments have no method '{request.method}'.")
        found = roles.assignments(ctx, target.scope, request.query_params.get("$filter"))
        return page(encode(ctx, one) for one in found)
    if request.method == "PUT":
        return await _assign(request, target)
    if request.method == "DELETE":
        gone = roles.remove(ctx, target.path)
        return Reply(204) if gone is None else Reply(200, encode(ctx, gone))
    one = ctx.store.get(ROLE_ASSIGNMENTS, target.path.lower())
    if request.method == "HEAD":
        return Reply(404 if one is None else 204)
    if request.method != "GET":
        raise MethodNotAllowed(f"Role assignments have no method '{request.method}'.")
    if one is None:
        raise ResourceNotFound(f"{ASSIGNMENTS}/{target.name}", target.scope.group)
    return Reply(200, encode(ctx, one))


async def _assign(request: Request, target: ResourceId) -> Reply:
    ctx, body = context_of(request), await read_json(request)
    given = json_object(body.get("properties"), "properties")
    by = principal_of(request).object_id
    made, new = roles.assign(ctx, target.scope, target.name, given, by)
    return Reply(201 if new else 200, encode(ctx, made))


def encode(ctx: Context, one: RoleAssignment) -> dict[str, Any]:
    """An assignment as ARM writes it."""
    subscription = ctx.secrets.subscription_id
    return {
        "id": one.id,
        "name": one.name,
        "type": ASSIGNMENTS,
        "properties": {
            "roleDefinitionId": f"/subscriptions/{subscription}/providers/{DEFINITIONS}/{one.role}",
            "principalId": one.principal,
            "principalType": one.principal_type,
            "scope": one.scope,
            "condition": one.condition,
            "conditionVersion": one.condition_version,
            "description": one.description,
            "createdOn": iso(one.created),
            "updatedOn": iso(one.created),
            "createdBy": one.by,
            "updatedBy": one.by,
            "delegatedManagedIdentityResourceId": None,
        },
    }


def _definitions(request: Request, target: ResourceId) -> Reply:
    ctx = context_of(request)
    if target.scope.subscription:
        roles.check_scope(ctx, target.scope)
    if request.method in ("PUT", "DELETE"):
        raise Unsupported("custom role definitions", tracked="emulators/arm/README.md")
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed(f"Role definitions have no method '{request.method}'.")
    if target.collection:
        found = roles.definitions(ctx, request.query_params.get("$filter"))
        return page(_definition(target, name, role) for name, role in found)
    role = BUILT_IN.get(target.name.lower())
    if role is None:
        raise RoleDefinitionUnknown(target.name)
    return Reply(200, _definition(target, target.name.lower(), role))


def _definition(target: ResourceId, name: str, role: BuiltIn) -> dict[str, Any]:
    subscription = target.scope.subscription
    scope = f"/subscriptions/{subscription}" if subscription else ""
    return {
        "id": f"{scope}/providers/{DEFINITIONS}/{name}",
        "name": name,
        "type": DEFINITIONS,
        "properties": {
            "roleName": role.title,
            "type": "BuiltInRole",
            "description": role.description,
            "assignableScopes": ["/"],
            "permissions": [
                {
                    "actions": list(role.actions),
                    "notActions": list(role.not_actions),
                    "dataActions": list(role.data_actions),
                    "notDataActions": [],
                }
            ],
            "createdOn": EPOCH,
            "updatedOn": EPOCH,
            "createdBy": None,
            "updatedBy": None,
        },
    }
