"""Deployments of templates over ARM JSON, to groups and to the subscription."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request

from emulators.arm.engine import filters, groups, tags
from emulators.arm.engine.deployments import checking, records, requests
from emulators.arm.engine.deployments.hosting import deployer_of
from emulators.arm.engine.deployments.requests import Asked
from emulators.arm.engine.templates import relaxed
from emulators.arm.engine.templates.frames import Place
from emulators.arm.engine.templates.planning import Plan
from emulators.arm.errors import InvalidDeployment, LocationRequired
from emulators.arm.store import Deployment, DeploymentOperation
from emulators.arm.wire.paging import paged
from emulators.kernel.azure_http import POLL_MS, iso
from emulators.kernel.context import Context
from emulators.kernel.errors import NotFound
from emulators.kernel.http import (
    InvalidContent,
    Operation,
    Reply,
    context_of,
    json_object,
    links_of,
    principal_of,
    read_body,
)

FILTERED = frozenset({"provisioningstate"})


def encode(one: Deployment) -> dict[str, Any]:
    """A deployment as ARM writes it."""
    properties: dict[str, Any] = {
        "templateHash": one.hash,
        "parameters": one.parameters,
        "mode": one.mode,
        "provisioningState": one.state,
        "timestamp": iso(one.ended or one.started),
        "duration": _duration(one.started, one.ended),
        "correlationId": one.correlation,
        "providers": one.providers,
        "dependencies": one.dependencies,
    }
    if one.link is not None:
        properties["templateLink"] = one.link
    if one.outputs is not None:
        properties["outputs"] = one.outputs
    if one.state == "Succeeded":
        properties["outputResources"] = [{"id": path} for path in one.resources]
    if one.error is not None:
        properties["error"] = one.error
    body: dict[str, Any] = {"id": one.id, "name": one.name, "type": records.TYPE}
    if one.location is not None:
        body["location"] = one.location
    if one.tags:
        body["tags"] = one.tags
    return {**body, "properties": properties}


def _duration(started: datetime, ended: datetime | None) -> str:
    span = (ended or started) - started
    seconds = max(span, timedelta()).total_seconds()
    minutes, rest = divmod(seconds, 60)
    return f"PT{minutes:.0f}M{rest:.7f}S" if minutes else f"PT{rest:.7f}S"


def encode_operation(parent: Deployment, one: DeploymentOperation) -> dict[str, Any]:
    """One thing that a deployment did, as ARM writes it."""
    properties: dict[str, Any] = {
        "provisioningOperation": one.kind,
        "provisioningState": one.state,
        "timestamp": iso(one.ended or one.started),
        "duration": _duration(one.started, one.ended),
        "trackingId": parent.correlation,
        "serviceRequestId": parent.correlation,
    }
    if one.status:
        properties["statusCode"] = one.status
    if one.message is not None:
        properties["statusMessage"] = one.message
    if one.resource:
        properties["targetResource"] = {
            "id": one.resource,
            "resourceType": one.type,
            "resourceName": one.name,
        }
    return {
        "id": f"{parent.id}/operations/{one.id}",
        "operationId": one.id,
        "properties": properties,
    }


def _at(request: Request) -> tuple[Context, Place, str]:
    """Where a deployment is: a group that exists, or the subscription."""
    ctx, at = context_of(request), request.path_params
    subscription = groups.check_subscription(ctx, at["subscription"])
    group = groups.get(ctx, at["group"]).name if "group" in at else ""
    return ctx, Place(subscription, group), at.get("deployment", "")


def _one(request: Request) -> tuple[Context, Deployment]:
    ctx, place, name = _at(request)
    return ctx, records.get(ctx, place, name)


async def _asked(request: Request) -> Asked:
    ctx, place, name = _at(request)
    records.check_name(name)
    body = await _body(request)
    if not isinstance(body.get("properties"), dict):
        raise InvalidDeployment(
            "The request content was invalid: a deployment must have 'properties'."
        )
    location = body.get("location")
    if not place.group and (not isinstance(location, str) or not location):
        raise LocationRequired
    properties = json_object(body["properties"], "properties")
    by = principal_of(request).object_id
    read = await requests.read(ctx, place, name, properties, by=by)
    return Asked(
        read.place,
        read.name,
        read.template,
        read.link,
        read.parameters,
        location if not place.group else None,
        tags.checked(body.get("tags")),
    )


async def _body(request: Request) -> dict[str, Any]:
    """The body, in the relaxed form of JSON too.

    Raises:
        InvalidContent: not a JSON object.
    """
    raw = await read_body(request)
    try:
        found = relaxed.read(raw) if raw.strip() else {}
    except relaxed.Unreadable as wrong:
        raise InvalidContent(
            f"The request content was invalid and could not be deserialized: '{wrong}'."
        ) from None
    if not isinstance(found, dict):
        raise InvalidContent("The request content was invalid: a JSON object is expected.")
    return found


async def put(request: Request) -> Reply:
    asked = await _asked(request)
    ctx = context_of(request)
    plan = await checking.check(ctx, asked)
    new = records.find(ctx, asked.place, asked.name) is None
    made = deployer_of(ctx).begin(asked, plan, principal_of(request))
    version = request.query_params.get("api-version", "")
    where = links_of(request).arm(
        f"{made.id}/operationStatuses/{made.operation}?api-version={version}"
    )
    headers = {"Azure-AsyncOperation": where, "x-ms-retry-after-ms": POLL_MS}
    return Reply(201 if new else 200, encode(made), headers)


async def get(request: Request) -> Reply:
    return Reply(200, encode(_one(request)[1]))


async def head(request: Request) -> Reply:
    ctx, place, name = _at(request)
    return Reply(404 if records.find(ctx, place, name) is None else 204)


async def delete(request: Request) -> Reply:
    ctx, place, name = _at(request)
    records.remove(ctx, place, name)
    return Reply(204)


async def list_deployments(request: Request) -> Reply:
    ctx, place, _ = _at(request)
    found = records.listed(ctx, place)
    text = request.query_params.get("$filter")
    if text:
        asked = filters.parse(text, FILTERED)
        found = [one for one in found if asked.matches({"provisioningstate": one.state})]
    return paged(request, found, lambda one: one.key, encode)


async def cancel(request: Request) -> Reply:
    ctx, place, name = _at(request)
    await deployer_of(ctx).cancel(place, name)
    return Reply(204)


async def validate(request: Request) -> Reply:
    """Everything but the deployment itself; an invalid template is answered as the error it is."""
    asked = await _asked(request)
    ctx = context_of(request)
    plan = await checking.check(ctx, asked)
    return Reply(200, _validated(ctx, asked, plan))


def _validated(ctx: Context, asked: Asked, plan: Plan) -> dict[str, Any]:
    now = iso(ctx.clock.now())
    wanted = [one for one in plan.resources.values() if one.wanted]
    return {
        "id": records.id_of(plan.place, asked.name),
        "name": asked.name,
        "type": records.TYPE,
        "properties": {
            "templateHash": records.hash_of(asked.template),
            "parameters": plan.shown_parameters(),
            "mode": "Incremental",
            "provisioningState": "Succeeded",
            "timestamp": now,
            "duration": "PT0S",
            "correlationId": ctx.ids.guid(),
            "validatedResources": [{"id": one.id} for one in wanted],
        },
    }


async def export_template(request: Request) -> Reply:
    return Reply(200, {"template": _one(request)[1].template})


async def list_operations(request: Request) -> Reply:
    ctx, one = _one(request)
    found = records.operations(ctx, one)
    return paged(request, found, lambda step: step.id, lambda step: encode_operation(one, step))


async def get_operation(request: Request) -> Reply:
    ctx, one = _one(request)
    step = records.operation(ctx, one, request.path_params["operation"])
    return Reply(200, encode_operation(one, step))


async def status(request: Request) -> Reply:
    """How a deployment goes, as clients poll it."""
    _, one = _one(request)
    if one.operation != request.path_params["operation"]:
        raise NotFound(f"The operation '{request.path_params['operation']}' was not found.")
    body: dict[str, Any] = {"status": one.state}
    if one.error is not None:
        body["error"] = one.error
    going = one.state in records.ACTIVE
    return Reply(200, body, {"x-ms-retry-after-ms": POLL_MS} if going else {})


SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"
MANY = "/providers/Microsoft.Resources/deployments"
NAME = f"{MANY}/{{deployment}}"
STEPS = "/operations"
STEP = f"{STEPS}/{{operation}}"
STATUS = "/operationStatuses/{operation}"


def _of(scope: str, suffix: str, steps: str) -> list[Operation]:
    """The operations of a scope; `steps` is the path before a deployment's own operations."""
    one = f"{scope}{NAME}"
    many = "ListByResourceGroup" if not suffix else "ListAtSubscriptionScope"
    return [
        Operation(f"Deployments_CreateOrUpdate{suffix}", "PUT", one, put),
        Operation(f"Deployments_Get{suffix}", "GET", one, get),
        Operation(f"Deployments_CheckExistence{suffix}", "HEAD", one, head),
        Operation(f"Deployments_Delete{suffix}", "DELETE", one, delete),
        Operation(f"Deployments_{many}", "GET", f"{scope}{MANY}", list_deployments),
        Operation(f"Deployments_Cancel{suffix}", "POST", f"{one}/cancel", cancel),
        Operation(f"Deployments_Validate{suffix}", "POST", f"{one}/validate", validate),
        Operation(
            f"Deployments_ExportTemplate{suffix}", "POST", f"{one}/exportTemplate", export_template
        ),
        Operation(f"Deployments_OperationStatus{suffix}", "GET", f"{one}{STATUS}", status),
        Operation(f"DeploymentOperations_List{suffix}", "GET", f"{steps}{STEPS}", list_operations),
        Operation(f"DeploymentOperations_Get{suffix}", "GET", f"{steps}{STEP}", get_operation),
    ]


AT_SCOPE = f"{GROUP}{NAME}"
OPERATIONS = [
    *_of(GROUP, "", f"{GROUP}/deployments/{{deployment}}"),
    *_of(SUBSCRIPTION, "AtSubscriptionScope", f"{SUBSCRIPTION}{NAME}"),
    Operation("DeploymentOperations_ListAtScope", "GET", f"{AT_SCOPE}{STEPS}", list_operations),
    Operation("DeploymentOperations_GetAtScope", "GET", f"{AT_SCOPE}{STEP}", get_operation),
]
