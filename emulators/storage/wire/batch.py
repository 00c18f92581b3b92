"""Blob batch: many deletions or tier changes in one request, each checked as one of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate

from starlette.requests import Request
from starlette.types import Message

from emulators.kernel import explicit
from emulators.kernel.errors import ServiceError
from emulators.kernel.http import Reply, call_of, read_body
from emulators.kernel.render import storage as render
from emulators.storage import errors
from emulators.storage.engine.access import Need
from emulators.storage.wire.ask import Ask, bad_header
from emulators.storage.wire.routes import Route

MAX_PARTS = 256
MAX_BODY = 4 << 20
ALLOWED = {"DeleteBlob", "SetBlobTier"}
_BOUNDARY = re.compile(r'multipart/mixed\s*;.*boundary="?([^";\s]{1,200})"?', re.IGNORECASE)
_LINE = re.compile(r"([A-Z]+) (\S+) HTTP/1\.1")


@dataclass(frozen=True, slots=True)
class Part:
    """One request inside a batch."""

    content_id: str
    method: str
    path: str  # raw
    query: str  # raw
    headers: list[tuple[bytes, bytes]]


def parse(body: bytes, boundary: str) -> list[Part]:
    """The requests in a body.

    Raises:
        InvalidInput: it is not a batch of 1 to 256 requests.
    """
    text = body.decode("latin-1").replace("\r\n", "\n")
    pieces = text.split(f"--{boundary}")
    if len(pieces) < 3 or not pieces[-1].startswith("--"):
        raise errors.InvalidInput
    parts = [_part(piece.lstrip("\n")) for piece in pieces[1:-1]]
    if not 1 <= len(parts) <= MAX_PARTS:
        raise errors.InvalidInput
    return parts


def _part(text: str) -> Part:
    outer, _, inner = text.partition("\n\n")
    head, _, _ = inner.partition("\n\n")
    line, *fields = head.strip("\n").split("\n")
    request = _LINE.fullmatch(line.strip())
    if request is None:
        raise errors.InvalidInput
    path, _, query = request[2].partition("?")
    if path.startswith("http"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    headers = [field.partition(":") for field in fields if ":" in field]
    named = {
        name.strip().lower(): value.strip()
        for name, _, value in (field.partition(":") for field in outer.split("\n"))
    }
    return Part(
        named.get("content-id", ""),
        request[1],
        path,
        query,
        [(n.strip().lower().encode("latin-1"), v.strip().encode("latin-1")) for n, _, v in headers],
    )


def _request(ask: Ask, part: Part) -> Request:
    """A part as a request to the same host, by the same door."""
    scope = dict(ask.request.scope)
    inner = part.path
    first = part.path.lstrip("/").partition("/")[0]
    raw = (scope.get("raw_path") or b"").decode("latin-1").partition("?")[0]
    by_explicit_door = raw != scope["azure_path"]
    if by_explicit_door and (first == ask.account.name or explicit.ACCOUNT.match(first.lower())):
        inner = part.path.lstrip("/")[len(first) :] or "/"
    scope |= {
        "method": part.method,
        "path": part.path,
        "raw_path": part.path.encode("latin-1"),
        "query_string": part.query.encode("latin-1"),
        "azure_path": inner,
        "headers": part.headers,
    }

    async def nothing() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    return Request(scope, nothing)


async def submit(ask: Ask) -> Reply:
    from emulators.storage.wire.app import served

    boundary = _BOUNDARY.match(ask.header("content-type"))
    if boundary is None:
        raise bad_header("Content-Type", ask.header("content-type"))
    parts = parse(await read_body(ask.request, MAX_BODY), boundary[1])
    answers = []
    for part in parts:
        request = _request(ask, part)
        try:
            reply = await served(ask.vault, request, only=ALLOWED, within=ask.container)
            headers, body = dict(reply.headers), b""
            status = reply.status
        except ServiceError as error:
            body, media, extra = render(error, call_of(request).request_id, ask.ctx.clock.now())
            status = error.status
            headers = {**extra, **error.headers, "Content-Type": media}
            headers["Content-Length"] = str(len(body))
        answers.append(_answer(ask, part, status, headers, body))
    name = f"batchresponse_{ask.ctx.ids.guid()}"
    whole = b"".join(f"--{name}\r\n".encode() + answer for answer in answers)
    media = f"multipart/mixed; boundary={name}"
    return Reply(202, whole + f"--{name}--\r\n".encode(), {"Content-Type": media})


def _answer(ask: Ask, part: Part, status: int, headers: dict[str, str], body: bytes) -> bytes:
    from http import HTTPStatus

    outer = "Content-Type: application/http\r\n"
    outer += f"Content-ID: {part.content_id}\r\n" if part.content_id else ""
    said = {"x-ms-request-id": ask.ctx.ids.guid(), "x-ms-version": ask.version, **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    phrase = HTTPStatus(status).phrase
    head = f"{outer}\r\nHTTP/1.1 {status} {phrase}\r\n{lines}Server: Rehearsal\r\n"
    head += f"Date: {formatdate(ask.ctx.clock.now().timestamp(), usegmt=True)}\r\n\r\n"
    return head.encode("latin-1", "replace") + body + b"\r\n"


ROUTES = [
    Route("SubmitBatch", "POST", "service", "comp=batch", Need("s", ""), submit),
    Route(
        "SubmitBatch", "POST", "container", "restype=container&comp=batch", Need("c", ""), submit
    ),
]
