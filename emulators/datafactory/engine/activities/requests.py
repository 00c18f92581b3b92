"""The HTTP request that Web, WebHook and Azure Function activities describe, and who it is from."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulators.datafactory.engine.activities.base import ActivityFailed, Call
from emulators.datafactory.engine.activities.catalogue import not_emulated
from emulators.datafactory.engine.activities.outgoing import Ask
from emulators.datafactory.engine.connections import credentials
from emulators.datafactory.engine.connections.credentials import Caller
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.resolving import (
    dataset_of,
    linked_service_of,
    text_of,
)
from emulators.datafactory.engine.definitions import seconds_of

FAILED = "2108"  # the request did not succeed
MISSING = "2103"
WRONG_TYPE = "2104"
INVALID_JSON = "2105"
TOO_LONG = "2001"
DEFAULT_TIMEOUT_S = 60.0
MAX_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Described:
    """A request, and how the monitor shows it."""

    ask: Ask
    input: dict[str, Any]


def caller_of(call: Call) -> Caller:
    """Who the activity's connections act as."""
    return Caller(call.ctx, call.run.factory, call.published, call.scope)


def text_value(call: Call, name: str) -> str:
    """A text that the activity must have.

    Raises:
        ActivityFailed: it is absent or no text.
    """
    value = call.value(name)
    if value is None or value == "":
        raise ActivityFailed(MISSING, f"Please provide value for the required property '{name}'.")
    if not isinstance(value, str):
        raise ActivityFailed(WRONG_TYPE, f"The type of the property '{name}' is incorrect.")
    return value


def headers_of(call: Call) -> dict[str, str]:
    """The activity's headers, as an object or as the text of one.

    Raises:
        ActivityFailed: they are neither.
    """
    given = call.value("headers") or {}
    if isinstance(given, str):
        given = _parsed(given, "headers")
    if not isinstance(given, Mapping):
        raise ActivityFailed(WRONG_TYPE, "The type of the property 'headers' is incorrect.")
    headers = {}
    for name, value in given.items():
        text = text_of(value).strip()
        if str(name).lower() in ("content-length", "transfer-encoding"):
            continue  # of what is really sent
        if any(c in f"{name}{text}" for c in "\r\n\0") or not str(name).isascii():
            raise ActivityFailed(WRONG_TYPE, f"The header '{name}' cannot be sent.")
        headers[str(name)] = text
    return headers


def body_of(value: Any) -> bytes:
    """A body as it is sent: a text verbatim, anything else as JSON."""
    if value is None:
        return b""
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    )
    return text.encode("utf-8", "surrogatepass")


def timeout_of(call: Call) -> float:
    """`httpRequestTimeout` in seconds: a minute unless told otherwise, ten at most.

    Raises:
        ActivityFailed: it is no time span, or longer.
    """
    given = call.value("httpRequestTimeout")
    if given is None:
        return DEFAULT_TIMEOUT_S
    try:
        wanted = seconds_of(given)
    except ValueError:
        wanted = 0.0
    if not 0 < wanted <= MAX_TIMEOUT_S:
        raise ActivityFailed(
            "2111",
            "The type of the property 'httpRequestTimeout' is incorrect. The expected type is a"
            " time span from 00:00:01 to 00:10:00.",
        )
    return wanted


async def authorized(call: Call, headers: dict[str, str]) -> tuple[dict[str, str], Any]:
    """`headers` with what `authentication` adds; and that, without its secrets.

    Raises:
        ActivityFailed: the credential cannot be had, or its kind is not emulated.
    """
    given = call.value("authentication")
    if not isinstance(given, Mapping) or not given.get("type"):
        return headers, None
    try:
        value = await _authorization(call, given)
    except ConnectionFailed as failed:
        raise ActivityFailed(FAILED, failed.message) from failed
    except NotEmulated as refused:
        raise not_emulated(call, refused.what) from refused
    shown = {k: given[k] for k in ("type", "resource") if k in given}
    if value is None:
        return headers, shown
    kept = {name: text for name, text in headers.items() if name.lower() != "authorization"}
    return {**kept, "Authorization": value}, shown


async def _authorization(call: Call, given: Mapping[str, Any]) -> str | None:
    caller, kind = caller_of(call), str(given["type"]).lower()
    if kind in ("anonymous", "none"):
        return None
    if kind == "basic":
        user = await credentials.reveal(caller, given.get("username"))
        password = await credentials.reveal(caller, given.get("password"))
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")
    if kind == "clientcertificate":
        raise NotEmulated("authentication by a client certificate")
    resource = await credentials.reveal(caller, given.get("resource"))
    if not resource and kind in ("msi", "serviceprincipal", "userassignedmanagedidentity"):
        raise ActivityFailed(
            MISSING, "Please provide value for the required property 'authentication.resource'."
        )
    if kind == "msi":
        return f"Bearer {credentials.managed_identity_token(caller, resource)}"
    if kind == "userassignedmanagedidentity":
        token = await credentials.user_assigned_token(caller, given.get("credential"), resource)
        return f"Bearer {token}"
    if kind == "serviceprincipal":
        named = {
            "tenant": given.get("userTenant") or given.get("tenant"),
            "servicePrincipalId": given.get("servicePrincipalId") or given.get("username"),
            "servicePrincipalKey": given.get("servicePrincipalKey") or given.get("password"),
        }
        return f"Bearer {await credentials.service_principal_token(caller, named, resource)}"
    raise ActivityFailed(WRONG_TYPE, f"The authentication type '{given['type']}' is not known.")


async def described(call: Call, method: str, body: Any) -> Described:
    """The request of a Web or WebHook activity with that body.

    Raises:
        ActivityFailed: a member of it is missing or wrong.
    """
    url, headers = text_value(call, "url"), headers_of(call)
    sent, shown = await authorized(call, headers)
    seen = {"url": url, "method": method, "headers": headers}
    if body is not None:
        seen["body"] = body
    if shown is not None:
        seen["authentication"] = shown
    raw = b"" if method == "GET" else body_of(body)
    ask = Ask(
        method,
        url,
        sent,
        raw,
        timeout_of(call),
        verify=call.value("disableCertValidation") is not True,
    )
    return Described(ask, seen)


def with_resources(call: Call, body: Any) -> Any:
    """A body with the datasets and linked services that the activity passes on.

    Raises:
        ActivityFailed: one is not there, or the body is no object to add them to.
    """
    datasets = call.activity.properties.get("datasets") or []
    linked = call.activity.properties.get("linkedServices") or []
    if not datasets and not linked:
        return body
    if isinstance(body, str):
        body = _parsed(body, "body") if body.strip() else {}
    if not isinstance(body, Mapping | None):
        raise ActivityFailed(
            INVALID_JSON, "The body must be a JSON object to carry datasets or linked services."
        )
    added: dict[str, Any] = {}
    try:
        if datasets:
            found = [dataset_of(call.published, one, call.scope) for one in datasets]
            added["datasets"] = [
                {"name": d.name, "properties": _passed(d.type, d.properties)} for d in found
            ]
        if linked:
            services = [linked_service_of(call.published, one, call.scope) for one in linked]
            added["linkedServices"] = [
                {"name": s.name, "properties": _passed(s.type, s.properties)} for s in services
            ]
    except ConnectionFailed as failed:
        raise ActivityFailed(FAILED, failed.message) from failed
    return {**(body or {}), **added}


def _passed(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind, "typeProperties": credentials.masked(properties)}


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as wrong:
        raise ActivityFailed(
            INVALID_JSON,
            f"An invalid json is provided for property '{name}'. Encountered an error while"
            f" trying to parse: '{wrong}'.",
        ) from None
