"""The WebHook activity: it calls out, and ends when it is called back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from emulators.datafactory.engine.activities.base import RUNTIME, ActivityFailed, Call, Done
from emulators.datafactory.engine.activities.plain import parsed
from emulators.datafactory.engine.activities.requests import (
    INVALID_JSON,
    WRONG_TYPE,
    described,
)
from emulators.datafactory.engine.activities.service_fields import fields
from emulators.datafactory.engine.activities.web import exchange, raise_for
from emulators.datafactory.engine.definitions import seconds_of
from emulators.datafactory.store import CALLBACKS, Callback
from emulators.kernel.context import Context
from emulators.kernel.ids import same_secret, secret_token

PATH = "/dataplane/workflow/callback"
DEFAULT_TIMEOUT_S = 600.0
KEPT_S = 3600.0
"""How long after its time a callback's record may stay: until then a restart may ask for it."""
_waiting: dict[str, asyncio.Event] = {}


def host(ctx: Context) -> str:
    """Where callbacks are taken."""
    return f"{ctx.settings.region}.svc.datafactory.azure.com"


async def run(call: Call) -> Done:
    """Call the endpoint with a `callBackUri` in the body, and wait until that is called.

    An attempt that a restart interrupted goes on waiting for the callback it had announced.

    Source: learn.microsoft.com/azure/data-factory/control-flow-webhook-activity.

    Raises:
        ActivityFailed: the call fails, no callback comes in time, or it reports a failure.
    """
    ctx, started = call.ctx, call.ctx.clock.monotonic()
    limit_s = _timeout(call)
    noted = call.noted if call.noted.get("callback") else None
    opened = _opened(ctx, str(noted["callback"])) if noted else _open(call, limit_s)
    gone = True
    try:
        request = await described(call, "POST", _body(call, opened))
        if noted is None or not noted.get("sent"):
            call.note({"callback": opened.id, "sent": False})
            answer, _ = await exchange(ctx, request.ask)
            raise_for(answer, "WebHook Activity")
            call.note({"callback": opened.id, "sent": True})
        came = await _wait(ctx, opened)
        if came is None:
            raise ActivityFailed("TimedOut", "The webhook was not called back within its timeout.")
        output = _outcome(call, came)
        gone = False  # kept until it is due: this success may not be on record yet
    except asyncio.CancelledError:
        gone = not call.leaving()
        raise
    finally:
        if gone:
            ctx.store.delete(CALLBACKS, opened.id)
    return Done({**output, **fields(ctx, started, "ExternalActivity")}, request.input, (RUNTIME,))


def accept(ctx: Context, id: str, secret: str, body: bytes) -> bool:
    """Take a callback; it counts once. Whether there is one of this id that waits.

    Raises:
        ValueError: the body is no JSON.
    """
    opened = ctx.store.get(CALLBACKS, id)
    if opened is None or not same_secret(secret, opened.secret):
        return False
    value = parsed(body.decode("utf-8-sig", "replace")) if body.strip() else {}
    if opened.body is None:
        ctx.store.replace(CALLBACKS, opened, replace(opened, body={"value": value}))
    event = _waiting.get(id)
    if event is not None:
        event.set()
    return True


def _timeout(call: Call) -> float:
    given = call.value("timeout")
    if given is None:
        return DEFAULT_TIMEOUT_S
    try:
        return seconds_of(given)
    except ValueError:
        raise ActivityFailed(
            WRONG_TYPE, "The type of the property 'timeout' is incorrect."
        ) from None


def _open(call: Call, limit_s: float) -> Callback:
    ctx = call.ctx
    for old in list(ctx.store.scan(CALLBACKS)):
        if _left_s(ctx, old.due) < -KEPT_S:
            ctx.store.delete(CALLBACKS, old.id)
    due = ctx.clock.now() + timedelta(seconds=limit_s)
    made = Callback(ctx.ids.guid(), secret_token(), call.run.id, due)
    ctx.store.put(CALLBACKS, made)
    return made


def _opened(ctx: Context, id: str) -> Callback:
    found = ctx.store.get(CALLBACKS, id)
    if found is None:
        raise ActivityFailed("TimedOut", "The webhook's callback is not known any more.")
    return found


def _body(call: Call, opened: Callback) -> Any:
    given = call.value("body")
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else {}
        except ValueError:
            raise ActivityFailed(
                INVALID_JSON,
                "An invalid json is provided for property 'body'. The webhook adds its callBackUri"
                " to it, so it must be a JSON object.",
            ) from None
    if not isinstance(given, Mapping | None):
        raise ActivityFailed(INVALID_JSON, "The webhook's body must be a JSON object.")
    query = urlencode(
        {
            "callbackUrl": opened.secret,
            "shouldReportToMonitoring": "True",
            "activityType": "WebHook",
        }
    )
    uri = f"https://{host(call.ctx)}{PATH}/{opened.id}?{query}"
    return {**(given or {}), "callBackUri": uri}


async def _wait(ctx: Context, opened: Callback) -> Any:
    """What the callback carried, wrapped; None when its time is over."""
    event = _waiting.setdefault(opened.id, asyncio.Event())
    try:
        while True:
            found = ctx.store.get(CALLBACKS, opened.id)
            if found is None or found.body is not None:
                return found and found.body
            left_s = _left_s(ctx, opened.due)
            if left_s <= 0:
                return None
            await _either(ctx, event, left_s)
    finally:
        _waiting.pop(opened.id, None)


def _left_s(ctx: Context, due: datetime) -> float:
    return (due - ctx.clock.now()).total_seconds()


async def _either(ctx: Context, event: asyncio.Event, left_s: float) -> None:
    tasks = (
        asyncio.ensure_future(event.wait()),
        asyncio.ensure_future(ctx.clock.sleep(left_s)),
    )
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _outcome(call: Call, came: Mapping[str, Any]) -> dict[str, Any]:
    """The output; with `reportStatusOnCallBack` the callback says whether it is one.

    Raises:
        ActivityFailed: it reports a status of 400 or more.
    """
    value = came["value"]
    output = dict(value) if isinstance(value, Mapping) else {"Response": value}
    if call.value("reportStatusOnCallBack") is not True:
        return output
    members = {str(name).lower(): each for name, each in output.items()}
    status = str(members.get("statuscode") or "")
    if status.isdigit() and int(status) >= 400:
        error = members.get("error")
        error = error if isinstance(error, Mapping) else {}
        words = {str(name).lower(): each for name, each in error.items()}
        raise ActivityFailed(
            str(words.get("errorcode") or status),
            str(words.get("message") or f"The webhook reported the status {status}."),
            output=output,
        )
    return output
