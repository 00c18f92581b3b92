"""Triggers and their runs: published, started, stopped, asked for, rerun, cancelled."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request

from emulators.datafactory.engine import resources
from emulators.datafactory.engine.resources import Child
from emulators.datafactory.engine.triggers import control, records
from emulators.datafactory.errors import InvalidQuery
from emulators.datafactory.store import Factory, Resource, TriggerRun, TriggerState
from emulators.datafactory.wire import children
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
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, Reply, context_of, read_json

PAGE = 100


def encode(ctx: Context, factory: Factory, one: Resource) -> dict[str, Any]:
    """A trigger as the service shows it, with its state."""
    shown = children.encode(factory, one)
    state = records.state_of(ctx, factory.id, one.key).runtime_state
    return {**shown, "properties": {**shown["properties"], "runtimeState": state}}


def encode_run(run: TriggerRun) -> dict[str, Any]:
    """A firing as the service shows it."""
    return {
        "triggerRunId": run.id,
        "triggerName": run.name,
        "triggerType": run.type,
        "triggerRunTimestamp": instant(run.timestamp),
        "status": run.status,
        "message": run.message,
        "properties": {name: _text(value) for name, value in run.properties.items()},
        "triggeredPipelines": run.pipelines,
        "runDimension": run.dimension,
        "dependencyStatus": run.dependencies,
        "groupId": run.id,
        "isLatest": True,
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


async def every(request: Request) -> Reply:
    honoured(request, "$skiptoken")
    ctx, factory = context_of(request), factory_of(request)
    found = resources.every(ctx, factory.id, "triggers")
    return paged(request, [encode(ctx, factory, one) for one in found])


async def query(request: Request) -> Reply:
    """Triggers by that of which they rerun windows; here none is of that kind."""
    ctx, factory, body = context_of(request), factory_of(request), await read_json(request)
    parent = body.get("parentTriggerName")
    found = [] if parent else resources.every(ctx, factory.id, "triggers")
    token = str(body.get("continuationToken") or "0")
    if not token.isascii() or not token.isdigit() or len(token) > 9:
        raise InvalidQuery("The continuationToken is not valid.", target="continuationToken")
    start = int(token)
    shown = [encode(ctx, factory, one) for one in found[start : start + PAGE]]
    answer: dict[str, Any] = {"value": shown}
    if start + PAGE < len(found):
        answer["continuationToken"] = str(start + PAGE)
    return Reply(200, answer)


async def get(request: Request) -> Reply:
    ctx, at = context_of(request), child_of(request, "triggers")
    found = resources.get(ctx, at)
    if unchanged(request, found.etag):
        return Reply(304)
    return Reply(200, encode(ctx, at.factory, found))


async def put(request: Request) -> Reply:
    ctx, at = context_of(request), child_of(request, "triggers")
    given = resources.properties_in(await read_json(request), typed=True)
    made = records.put(ctx, at, given, request.headers.get("if-match"))
    return Reply(200, encode(ctx, at.factory, made))


async def delete(request: Request) -> Reply:
    gone = records.delete(context_of(request), child_of(request, "triggers"))
    return Reply(200 if gone else 204)


async def start(request: Request) -> Reply:
    await control.start(context_of(request), child_of(request, "triggers"))
    return Reply(200)


async def stop(request: Request) -> Reply:
    await control.stop(context_of(request), child_of(request, "triggers"))
    return Reply(200)


def _status(at: Child, state: TriggerState) -> Reply:
    return Reply(200, {"triggerName": at.name, "status": state.subscription})


async def subscribe(request: Request) -> Reply:
    at = child_of(request, "triggers")
    return _status(at, await control.subscribe(context_of(request), at))


async def unsubscribe(request: Request) -> Reply:
    at = child_of(request, "triggers")
    return _status(at, await control.unsubscribe(context_of(request), at))


async def subscription_status(request: Request) -> Reply:
    ctx, at = context_of(request), child_of(request, "triggers")
    resources.get(ctx, at)
    return _status(at, records.state_of(ctx, at.factory.id, at.key))


async def query_runs(request: Request) -> Reply:
    ctx, factory = context_of(request), factory_of(request)
    page = control.runs(ctx, factory, await read_json(request))
    answer: dict[str, Any] = {"value": [encode_run(run) for run in page.items]}
    if page.token is not None:
        answer["continuationToken"] = page.token
    return Reply(200, answer)


async def rerun(request: Request) -> Reply:
    at = child_of(request, "triggers")
    control.rerun(context_of(request), at, request.path_params["run"])
    return Reply(200)


async def cancel(request: Request) -> Reply:
    at = child_of(request, "triggers")
    await control.cancel(context_of(request), at, request.path_params["run"])
    return Reply(200)


def _operations(base: str, host: str, names: dict[str, str]) -> list[Operation]:
    trigger = f"{base}/triggers/{{name}}"
    run = f"{trigger}/triggerRuns/{{run}}"
    table = (
        ("list", "GET", f"{base}/triggers", every),
        ("get", "GET", trigger, get),
        ("put", "PUT", trigger, put),
        ("delete", "DELETE", trigger, delete),
        ("start", "POST", f"{trigger}/start", start),
        ("stop", "POST", f"{trigger}/stop", stop),
        ("subscribe", "POST", f"{trigger}/subscribeToEvents", subscribe),
        ("unsubscribe", "POST", f"{trigger}/unsubscribeFromEvents", unsubscribe),
        ("status", "POST", f"{trigger}/getEventSubscriptionStatus", subscription_status),
        ("query", "POST", f"{base}/querytriggers", query),
        ("runs", "POST", f"{base}/queryTriggerRuns", query_runs),
        ("rerun", "POST", f"{run}/rerun", rerun),
        ("cancel", "POST", f"{run}/cancel", cancel),
    )
    return [
        Operation(names[word], method, path, handler, host=host)
        for word, method, path, handler in table
        if word in names
    ]


OPERATIONS = _operations(
    FACTORY,
    ARM_HOST,
    {
        "list": "Triggers_ListByFactory",
        "get": "Triggers_Get",
        "put": "Triggers_CreateOrUpdate",
        "delete": "Triggers_Delete",
        "start": "Triggers_Start",
        "stop": "Triggers_Stop",
        "subscribe": "Triggers_SubscribeToEvents",
        "unsubscribe": "Triggers_UnsubscribeFromEvents",
        "status": "Triggers_GetEventSubscriptionStatus",
        "query": "Triggers_QueryByFactory",
        "runs": "TriggerRuns_QueryByFactory",
        "rerun": "TriggerRuns_Rerun",
        "cancel": "TriggerRuns_Cancel",
    },
)
WORKSPACE_OPERATIONS = _operations(
    "",
    DEV_HOST,
    {
        "list": "Trigger_GetTriggersByWorkspace",
        "get": "Trigger_GetTrigger",
        "put": "Trigger_CreateOrUpdateTrigger",
        "delete": "Trigger_DeleteTrigger",
        "start": "Trigger_StartTrigger",
        "stop": "Trigger_StopTrigger",
        "subscribe": "Trigger_SubscribeTriggerToEvents",
        "unsubscribe": "Trigger_UnsubscribeTriggerFromEvents",
        "status": "Trigger_GetEventSubscriptionStatus",
        "runs": "TriggerRun_QueryTriggerRunsByWorkspace",
        "rerun": "TriggerRun_RerunTriggerInstance",
        "cancel": "TriggerRun_CancelTriggerInstance",
    },
)
