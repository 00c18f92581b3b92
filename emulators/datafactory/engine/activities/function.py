"""The Azure Function activity: an HTTP request to a function app, its answer a JSON object."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from emulators.datafactory.engine.activities.base import RUNTIME, ActivityFailed, Call, Done
from emulators.datafactory.engine.activities.catalogue import not_emulated
from emulators.datafactory.engine.activities.outgoing import Answer, Ask
from emulators.datafactory.engine.activities.requests import (
    body_of,
    caller_of,
    headers_of,
    text_value,
)
from emulators.datafactory.engine.activities.service_fields import fields
from emulators.datafactory.engine.activities.web import HEADERS, exchange, followed_up, merged
from emulators.datafactory.engine.connections import credentials
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.resolving import LinkedService, linked_service_of

METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE")
TIMEOUT_S = 230.0
"""What the load balancer in front of function apps allows."""


async def run(call: Call) -> Done:
    """Call the function; its key travels in `x-functions-key`.

    Source: learn.microsoft.com/azure/data-factory/control-flow-azure-function-activity.

    Raises:
        ActivityFailed: a member is wrong, the call fails, or its answer is no JSON object.
    """
    ctx, started = call.ctx, call.ctx.clock.monotonic()
    method = text_value(call, "method").upper()
    if method not in METHODS:
        raise ActivityFailed("3602", f"Invalid HttpMethod: '{method}'.")
    name, headers = text_value(call, "functionName"), headers_of(call)
    body = call.value("body")
    if body is None and method in ("POST", "PUT"):
        raise ActivityFailed("2103", "Please provide value for the required property 'body'.")
    try:
        service = linked_service_of(call.published, call.activity.linked_service, call.scope)
        ask = await _ask(call, service, name, Ask(method, "", headers, body_of(body), TIMEOUT_S))
    except ConnectionFailed as failed:
        raise ActivityFailed("3600", failed.message) from failed
    except NotEmulated as refused:
        raise not_emulated(call, refused.what) from refused
    answer, last = await exchange(ctx, ask)
    answer = await followed_up(ctx, last, answer)
    output = {**_output(name, answer), **fields(ctx, started, "ExternalActivity")}
    seen = {"functionName": name, "method": method, "headers": headers}
    return Done(output, seen if body is None else {**seen, "body": body}, (RUNTIME,))


async def _ask(call: Call, service: LinkedService, name: str, ask: Ask) -> Ask:
    if service.kind != "azurefunction":
        raise ActivityFailed(
            "2110",
            f"The linked service type '{service.type}' is not supported for"
            " 'AzureFunctionActivity' activities.",
        )
    caller = caller_of(call).within(service.scope)
    base = str(service.get("functionAppUrl", "")).rstrip("/")
    if not urlsplit(base).hostname:
        raise ConnectionFailed("3600", f"The functionAppUrl '{base}' is not a URL.")
    headers = dict(ask.headers)
    kind = str(service.get("authentication", "")).lower()
    if kind in ("msi", "managedidentity", "systemassignedmanagedidentity"):
        resource = await credentials.reveal(caller, service.get("resourceId"))
        token = (
            await credentials.user_assigned_token(caller, service.get("credential"), resource)
            if service.get("credential")
            else credentials.managed_identity_token(caller, resource)
        )
        headers["Authorization"] = f"Bearer {token}"
    elif service.get("functionKey") is not None:
        headers["x-functions-key"] = await credentials.reveal(caller, service.get("functionKey"))
    elif kind != "anonymous":
        raise ActivityFailed("3606", "Azure function activity missing function key.")
    return replace(ask, url=f"{base}/api/{name.lstrip('/')}", headers=headers)


def _output(name: str, answer: Answer) -> dict[str, object]:
    if not 200 <= answer.status < 300:
        raise ActivityFailed(
            "3608",
            f"Call to provided Azure function '{name}' failed with status-'{answer.reason}'"
            f" and message - '{answer.text}'.",
        )
    output = merged(answer)
    del output[HEADERS]
    if "Response" in output and answer.text.lstrip()[:1] != "{":
        raise ActivityFailed("3603", "Response Content is not a valid JObject.")
    if isinstance(output.get("value"), list) and answer.text.lstrip()[:1] == "[":
        raise ActivityFailed("3603", "Response Content is not a valid JObject.")
    return output
