"""How Azure's APIs answer: envelopes, pages, times, entity tags, long-running operations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from starlette.requests import Request

from emulators.kernel.context import Context
from emulators.kernel.errors import NotFound
from emulators.kernel.http import Reply, links_of
from emulators.kernel.store import Table

POLL_MS = "50"
"""Sent as `x-ms-retry-after-ms`. Azure's clients take 0 for "no advice" and wait 30 s."""


def iso(moment: datetime) -> str:
    """A UTC instant as ARM writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def http_date(moment: datetime) -> str:
    """A UTC instant as HTTP headers write it (RFC 1123)."""
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return (
        f"{days[moment.weekday()]}, {moment.day:02} {months[moment.month - 1]} {moment.year}"
        f" {moment:%H:%M:%S} GMT"
    )


def etag_of(value: object) -> str:
    """A strong entity tag of a JSON value."""
    body = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def system_data(created: datetime, modified: datetime, by: str) -> dict[str, str]:
    """ARM's record of who made a resource and when."""
    kind = "Application"
    return {
        "createdAt": iso(created),
        "createdBy": by,
        "createdByType": kind,
        "lastModifiedAt": iso(modified),
        "lastModifiedBy": by,
        "lastModifiedByType": kind,
    }


def page(values: Iterable[Any], next_link: str | None = None) -> Reply:
    """A list in ARM's form; `nextLink` is absent on the last page."""
    body: dict[str, object] = {"value": list(values)}
    if next_link is not None:
        body["nextLink"] = next_link
    return Reply(200, body)


@dataclass(frozen=True, slots=True)
class LongRunning:
    """One long-running operation, as its status is polled."""

    id: str
    status: str  # InProgress, Succeeded, Failed, Canceled
    started: datetime  # UTC
    ended: datetime | None = None
    resource: str = ""  # path of what it makes or changes
    error: dict[str, Any] | None = None  # {"code", "message"}


LONG_RUNNING = Table("kernel_long_running", LongRunning, key=("id",))


def begin(ctx: Context, resource: str) -> LongRunning:
    """Note that work on `resource` has begun."""
    made = LongRunning(ctx.ids.guid(), "InProgress", ctx.clock.now(), resource=resource)
    ctx.store.put(LONG_RUNNING, made)
    return made


def finish(ctx: Context, operation_id: str, error: Mapping[str, Any] | None = None) -> None:
    """Note that the work ended, well or with `error` (`code`, `message`)."""
    found = ctx.store.get(LONG_RUNNING, operation_id)
    if found is None or found.status != "InProgress":
        return
    ended = replace(
        found,
        status="Failed" if error else "Succeeded",
        ended=ctx.clock.now(),
        error=dict(error) if error else None,
    )
    ctx.store.put(LONG_RUNNING, ended)


def interrupted(ctx: Context) -> list[LongRunning]:
    """Operations that a stop of the server cut short; their owners resume or fail them."""
    return [op for op in ctx.store.scan(LONG_RUNNING) if op.status == "InProgress"]


def accepted(
    request: Request,
    operation: LongRunning,
    status_path: str,
    *,
    status: int = 202,
    body: object = None,
    location: bool = False,
) -> Reply:
    """The first answer of a long-running operation.

    `status_path` is the path that answers with `operation_status`; `location` adds `Location`,
    which DELETE and POST answers carry.
    """
    version = request.query_params.get("api-version", "")
    url = links_of(request).arm(f"{status_path}?api-version={version}")
    headers = {"Azure-AsyncOperation": url, "x-ms-retry-after-ms": POLL_MS}
    if location:
        headers["Location"] = url
    return Reply(status, body, headers)


def operation_status(ctx: Context, operation_id: str) -> Reply:
    """The answer to a poll.

    Raises:
        NotFound: no such operation.
    """
    found = ctx.store.get(LONG_RUNNING, operation_id)
    if found is None:
        raise NotFound(f"The operation '{operation_id}' was not found.")
    body: dict[str, object] = {
        "id": found.id,
        "name": found.id,
        "status": found.status,
        "startTime": iso(found.started),
    }
    if found.ended is not None:
        body["endTime"] = iso(found.ended)
    if found.error is not None:
        body["error"] = found.error
    headers = {"x-ms-retry-after-ms": POLL_MS} if found.status == "InProgress" else {}
    return Reply(200, body, headers)
