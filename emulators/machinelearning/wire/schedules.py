"""Schedules over ARM JSON. Decode, call the engine, encode."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from emulators.kernel.http import Operation, Reply, context_of, read_json
from emulators.machinelearning.engine.schedules import records
from emulators.machinelearning.engine.schedules.watch import watch_of
from emulators.machinelearning.errors import ValidationError
from emulators.machinelearning.store.schedules import Schedule
from emulators.machinelearning.store.workspaces import Workspace
from emulators.machinelearning.wire.scope import (
    ARM_HOST,
    TYPE,
    WS,
    caller,
    context_and_workspace,
    done,
    honoured,
    paged,
    properties_of,
    stamps,
    words,
)


def encode(ws: Workspace, schedule: Schedule) -> dict[str, Any]:
    """A schedule as ARM shows it."""
    at = (schedule.created, schedule.modified, schedule.created_by, schedule.modified_by)
    return {
        "id": f"{ws.arm_id}/schedules/{schedule.name}",
        "name": schedule.name,
        "type": f"{TYPE}/schedules",
        "properties": {
            "tags": {},
            "properties": {},
            **schedule.properties,
            "isEnabled": schedule.enabled,
            "provisioningState": "Succeeded",
        },
        "systemData": stamps(*at),
    }


async def list_schedules(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    given = honoured(request, "listViewType", "$skip")
    found = records.every(ctx, ws, given.get("listviewtype"))
    return paged(request, found, lambda one: encode(ws, one))


async def get_schedule(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    return Reply(200, encode(ws, records.get(ctx, ws, request.path_params["name"])))


async def put_schedule(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    properties = properties_of(await read_json(request))
    words(properties, "tags", "properties")
    wanted = records.Wanted(properties, caller(request))
    schedule, made = records.put(ctx, ws, request.path_params["name"], wanted)
    watch_of(ctx).changed(schedule, made=made)
    shown = encode(ws, schedule)
    return done(request, shown["id"], status=201 if made else 200, body=shown)


async def delete_schedule(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    schedule = records.get(ctx, ws, request.path_params["name"])
    records.delete(ctx, schedule)
    watch_of(ctx).gone(schedule)
    return done(request, f"{ws.arm_id}/schedules/{schedule.name}", status=202)


async def trigger_schedule(request: Request) -> Reply:
    ctx, ws = context_and_workspace(request)
    schedule = records.get(ctx, ws, request.path_params["name"])
    at = _instant((await read_json(request)).get("scheduleTime"), context_of(request).clock.now())
    fired = watch_of(ctx).trigger(ws, schedule, at)
    return Reply(200, {"scheduleActionType": "CreateJob", "submissionId": fired.job})


def _instant(given: Any, now: datetime) -> datetime:
    if given is None:
        return now
    try:
        found = datetime.fromisoformat(given)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValidationError("scheduleTime is no time.", target="scheduleTime") from None


SCHEDULES = f"{WS}/schedules"
OPERATIONS = [
    Operation(f"Schedules_{name}", method, path, handler, host=ARM_HOST)
    for name, method, path, handler in (
        ("List", "GET", SCHEDULES, list_schedules),
        ("Get", "GET", f"{SCHEDULES}/{{name}}", get_schedule),
        ("CreateOrUpdate", "PUT", f"{SCHEDULES}/{{name}}", put_schedule),
        ("Delete", "DELETE", f"{SCHEDULES}/{{name}}", delete_schedule),
        ("Trigger", "POST", f"{SCHEDULES}/{{name}}/trigger", trigger_schedule),
    )
]
