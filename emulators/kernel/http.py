"""What a service is made of: its spec, its operations, requests in, replies out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

from emulators.kernel.access import Asked
from emulators.kernel.context import Context
from emulators.kernel.errors import BadRequest, TooLarge
from emulators.kernel.links import Links
from emulators.kernel.tokens import Principal


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as a value: JSON, bytes, text, a stream of bytes, or nothing."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media: str | None = None


Handler = Callable[[Request], Awaitable[Reply | Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an API: Azure's name for it, where it is, what answers it.

    `host` narrows it to one of the service's hosts. `api_version` False: the operation takes
    no api-version. `authenticate` False: it is open, or checks the caller itself.
    """

    name: str
    method: str
    path: str
    handler: Handler
    host: str | None = None
    api_version: bool = True
    authenticate: bool = True


Asks = Callable[[str, str, str], Asked | None]
"""Method, percent-encoded path and operation's name -> what the caller's roles must allow."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """An emulator as the host sees it. Everything heavy is imported when first called."""

    name: str
    hosts: tuple[str, ...]  # patterns: "management.azure.com", "*.blob.core.windows.net"
    operations: Callable[[], list[Operation]] = list
    dialect: str = "arm"
    audiences: tuple[str, ...] = ()  # accepted for every operation; none: checks by itself
    newest_api: str | None = None  # newest api-version known; None: not an ARM-style API
    lifespan: Callable[[Context], AbstractAsyncContextManager[None]] | None = None
    app: Callable[[Context], ASGIApp] | None = None  # raw: takes every request of its hosts
    asks: Asks | None = (
        None  # what a request wants, for the caller's roles to allow; None: anything
    )
    fallback: bool = False  # its routes yield to those of every other service of the host


@dataclass(slots=True)
class Call:
    """What the app knows about a request; kept in the ASGI scope."""

    ctx: Context
    links: Links
    request_id: str
    dialect: str = "arm"
    operation: str = ""
    principal: Principal | None = None
    served_as: str | None = None


def call_of(request: Request) -> Call:
    """The app's own knowledge of this request."""
    call = request.scope["rehearsal"]
    assert isinstance(call, Call)
    return call


def context_of(request: Request) -> Context:
    """The context the request is served in."""
    return call_of(request).ctx


def links_of(request: Request) -> Links:
    """URLs in the form this caller can reach."""
    return call_of(request).links


def principal_of(request: Request) -> Principal:
    """Who is calling; only where the service's tokens were checked."""
    principal = call_of(request).principal
    assert principal is not None, "this operation does not authenticate"
    return principal


async def read_body(request: Request, limit: int | None = None) -> bytes:
    """The whole body, at most `limit` bytes (default: the setting `max_body_mib`).

    Raises:
        TooLarge: the body is longer.
    """
    limit = limit or context_of(request).settings.max_body_mib << 20
    given = request.headers.get("content-length", "")
    if given.isdigit() and int(given) > limit:
        raise TooLarge(f"The request body is larger than {limit} bytes.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"The request body is larger than {limit} bytes.")
    return bytes(body)


class InvalidContent(BadRequest):
    """A body that is not what the operation reads."""

    code = "InvalidRequestContent"


async def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is `{}`.

    Raises:
        InvalidContent: malformed JSON, or not an object.
        TooLarge: over the limit.
    """
    raw = await read_body(request)
    if not raw.strip():
        return {}
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as wrong:
        raise InvalidContent(
            f"The request content was invalid and could not be deserialized: '{wrong}'."
        ) from None
    if not isinstance(value, dict):
        raise InvalidContent("The request content was invalid: a JSON object is expected.")
    return value


def json_object(value: object, at: str) -> dict[str, Any]:
    """`value` where a JSON object is due; absent and null are empty.

    Raises:
        InvalidContent: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidContent(f"The request content was invalid: '{at}' must be an object.")
    return value


def to_response(reply: Reply | Response) -> Response:
    """A reply as Starlette sends it."""
    if isinstance(reply, Response):
        return reply
    headers = dict(reply.headers)
    body, media = reply.body, reply.media
    if body is None:
        return Response(status_code=reply.status, headers=headers, media_type=media)
    if isinstance(body, bytes | str):
        return Response(body, reply.status, headers, media)
    if isinstance(body, AsyncIterator):
        return StreamingResponse(body, reply.status, headers, media)
    content = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    return Response(content, reply.status, headers, media or "application/json; charset=utf-8")
