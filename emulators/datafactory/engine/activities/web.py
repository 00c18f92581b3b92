"""The Web activity: one HTTP request, its answer merged into the output, a 202 followed up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from emulators.datafactory.engine.activities import outgoing
from emulators.datafactory.engine.activities.base import RUNTIME, ActivityFailed, Call, Done
from emulators.datafactory.engine.activities.outgoing import Answer, Ask, NoAnswer, TooLong
from emulators.datafactory.engine.activities.plain import parsed
from emulators.datafactory.engine.activities.requests import (
    FAILED,
    TOO_LONG,
    WRONG_TYPE,
    described,
    text_value,
    with_resources,
)
from emulators.datafactory.engine.activities.service_fields import fields
from emulators.kernel.azure_domains import is_azure
from emulators.kernel.context import Context

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PACE_S = 10.0
"""Between two looks at an operation whose server names no pace. Assumed: the page is silent."""
HEADERS = "ADFWebActivityResponseHeaders"
RUNNING = frozenset({"", "notstarted", "accepted", "running", "inprogress", "provisioning"})
ENDED = frozenset({"succeeded", "failed", "canceled", "cancelled"})


async def run(call: Call) -> Done:
    """Send the request and wait for its final answer.

    Source: learn.microsoft.com/azure/data-factory/control-flow-web-activity.

    Raises:
        ActivityFailed: a member is wrong, the request fails, or its answer is an error.
    """
    started = call.ctx.clock.monotonic()
    method = text_value(call, "method").upper()
    if method not in METHODS:
        raise ActivityFailed(WRONG_TYPE, f"The method '{method}' is none of {', '.join(METHODS)}.")
    body = with_resources(call, call.value("body"))
    request = await described(call, method, body)
    answer, last = await exchange(call.ctx, request.ask)
    if call.value("turnOffAsync") is not True:
        answer = await followed_up(call.ctx, last, answer)
    raise_for(answer)
    output = {**merged(answer), **fields(call.ctx, started, "ExternalActivity")}
    return Done(output, request.input, (RUNTIME,))


async def exchange(ctx: Context, ask: Ask) -> tuple[Answer, Ask]:
    """Send, and follow redirects.

    Raises:
        ActivityFailed: no answer, or one that is too long.
    """
    try:
        return await outgoing.follow(ctx, ask)
    except NoAnswer as failed:
        raise ActivityFailed(
            FAILED,
            f"Error calling the endpoint '{ask.url}'. Response status code: 'NA - Unknown'. More"
            f" details: Exception message: 'NA - Unknown [ClientSideException] {failed}'.\r\n"
            "Request didn't reach the server from the client. This could happen because of an"
            " underlying issue such as network connectivity, a DNS failure, a server certificate"
            " validation or a timeout.",
        ) from failed
    except TooLong:
        raise ActivityFailed(
            TOO_LONG, "The length of execution output is over limit (around 4MB currently)."
        ) from None


def raise_for(answer: Answer, kind: str = "Web Activity") -> None:
    """Let a success pass.

    Raises:
        ActivityFailed: any other status.
    """
    if not 200 <= answer.status < 300:
        raise ActivityFailed(
            FAILED,
            f"Invoking {kind} failed with HttpStatusCode - '{answer.reason}',"
            f" message - '{answer.text}'",
        )


async def followed_up(ctx: Context, ask: Ask, answer: Answer) -> Answer:
    """The final answer of an operation that was accepted with 202 and says where to look.

    Raises:
        ActivityFailed: a look fails, or the operation says that it failed.
    """
    while True:
        location = answer.header("location")
        target = location or answer.header("azure-asyncoperation")
        if answer.status != 202 or not target:
            return answer
        url = urljoin(ask.url, target)
        ask = replace(ask, method="GET", url=url, body=b"", headers=_for_look(ask, url))
        await ctx.clock.sleep(_pace_s(ctx, answer))
        answer, ask = await exchange(ctx, ask)
        while location is None and _is_running(answer):
            await ctx.clock.sleep(_pace_s(ctx, answer))
            answer, ask = await exchange(ctx, ask)


def _for_look(ask: Ask, url: str) -> dict[str, str]:
    """The request's headers for a GET; credentials only to the same host or within Azure."""
    here, there = urlsplit(ask.url).hostname or "", urlsplit(url).hostname or ""
    trusted = here == there or (is_azure(here) and is_azure(there))
    return {
        name: value
        for name, value in ask.headers.items()
        if not name.lower().startswith("content-")
        and (trusted or name.lower() not in ("authorization", "cookie"))
    }


def _is_running(answer: Answer) -> bool:
    """Whether a status resource (Azure-AsyncOperation) says that work goes on."""
    found = _json(answer.text)
    if answer.status not in (200, 202) or not isinstance(found, dict):
        return False
    status = found.get("status")
    if not isinstance(status, str):
        return answer.status == 202
    if status.lower() in ("failed", "canceled", "cancelled"):
        raise ActivityFailed(
            FAILED, f"The operation ended with the status '{status}': {answer.text}"
        )
    return status.lower() in RUNNING or (answer.status == 202 and status.lower() not in ENDED)


def _pace_s(ctx: Context, answer: Answer) -> float:
    """Seconds to wait, by `x-ms-retry-after-ms`, or `Retry-After` (seconds or a date)."""
    exact = answer.header("x-ms-retry-after-ms") or ""
    if exact.isdigit():
        return int(exact) / 1000
    given = (answer.header("retry-after") or "").strip()
    if given.isdigit():
        return float(given)
    try:
        due = parsedate_to_datetime(given)
    except ValueError:
        return PACE_S
    due = due if due.tzinfo else due.replace(tzinfo=UTC)
    return max(0.0, (due - _now(ctx)).total_seconds())


def _now(ctx: Context) -> datetime:
    return ctx.clock.wall()


def merged(answer: Answer) -> dict[str, Any]:
    """The output of an answer: its JSON object's members, or its text under `Response`."""
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return {**_content(answer.text), HEADERS: headers}


def _content(text: str) -> Mapping[str, Any]:
    if not text.strip():
        return {}
    found = _json(text)
    if isinstance(found, dict):
        return found
    return {"value": found} if isinstance(found, list) else {"Response": text}


def _json(text: str) -> Any:
    try:
        return parsed(text)
    except ValueError:
        return None
