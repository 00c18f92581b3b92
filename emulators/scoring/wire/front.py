"""HTTP/1.1 for one deployment: requests become frames, frames become answers. No decisions."""

from __future__ import annotations

import asyncio
from collections import deque
from email.utils import formatdate
from http import HTTPStatus
from typing import cast

import httptools

from emulators.kernel.frames import Frame
from emulators.kernel.workers import WorkerFailed, WorkerPool

HEAD_LIMIT_BYTES = 64 << 10
WAITING_LIMIT = 64  # pipelined requests read ahead on one connection
SWEEP_S = 1.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


class Limits:
    """Bounds that protect the server from its clients."""

    body_bytes = 256 << 20
    request_s = 300.0  # from a request's first byte to its last
    idle_s = 75.0  # between two requests of a connection
    connections = 8192


class Front:
    """What all connections share: the pool, the limits, the date."""

    def __init__(self, pool: WorkerPool, limits: Limits | None = None) -> None:
        self.pool = pool
        self.limits = limits or Limits()
        self.connections: set[Connection] = set()
        self.date = b""
        self.now = 0.0
        self._tick()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        for connection in [c for c in self.connections if c.deadline < self.now]:
            connection.expire()
        self._timer = loop.call_later(SWEEP_S, self._tick)

    def close(self) -> None:
        """Stop the clock and drop every connection."""
        self._timer.cancel()
        for connection in list(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client: requests are answered in the order they came, one at a time."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[bytes, bytes, bool]] = deque()
        self._busy = 0  # id of the request a worker has
        self._head_only = self._closing = self._keep = self._reading = False
        self._deaf = False  # what else the client sends is not read
        self._refusal: tuple[int, bytes] | None = None  # the last answer, after those before it
        self._method = b""
        self._upgrade = self._chunked = False
        self._length = 0  # as declared
        self._unparsed = 0  # bytes of a body that the parser leaves to us
        self._writable = True
        self._lines: list[bytes] = []
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self.deadline = 0.0

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        front = self._front
        self.deadline = front.now + front.limits.idle_s
        if len(front.connections) >= front.limits.connections:
            self._transport.abort()
            return
        front.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._front.connections.discard(self)
        self._transport = None
        self._waiting.clear()
        if self._busy:
            self._front.pool.cancel(self._busy)
            self._busy = 0

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._unparsed:
            data = self._take(data)
            if not data:
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # No other protocol is spoken here: the request is an ordinary one, whose body the
            # parser leaves to us.
            keep = self._parser.should_keep_alive()
            self._parser = httptools.HttpRequestParser(self)
            rest = data[upgrade.args[0] :]
            if keep and rest:
                self.data_received(rest)
        except httptools.HttpParserError:
            self._refuse(400, b"Bad Request")

    def _take(self, data: bytes) -> bytes:
        """Add to the body that the parser does not read; return what follows it."""
        body, rest = data[: self._unparsed], data[self._unparsed :]
        self._body.append(body)
        self._unparsed -= len(body)
        if not self._unparsed:
            self._complete(self._method, True)
        return rest

    def eof_received(self) -> bool:
        if self._busy or self._waiting:
            self._keep = False
            return True  # the client waits for the answers to what it sent
        return False

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._next()

    # --- httptools

    def on_message_begin(self) -> None:
        self._lines = []
        self._head_bytes = self._body_bytes = self._length = 0
        self._upgrade = self._chunked = False
        self._body = []
        self._reading = True
        self.deadline = self._front.now + self._front.limits.request_s

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        if self._lines:
            self._lines[0] += url
        else:
            self._lines.append(url)
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self._refuse(414, b"URI Too Long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self._refuse(431, b"Request Header Fields Too Large")
            return
        self._lines.append(name + b": " + value)
        if len(name) == 14 and name.lower() == b"content-length":
            self._length = int(value)
            if self._length > self._front.limits.body_bytes:
                self._refuse(413, b"Payload Too Large")
        elif len(name) == 6 and name.lower() == b"expect":
            self._expected(value)
        elif len(name) == 7 and name.lower() == b"upgrade":
            self._upgrade = True
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            self._chunked = True

    def _expected(self, what: bytes) -> None:
        free = not (self._busy or self._waiting or self._closing)
        if free and self._transport is not None and what.lower() == b"100-continue":
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._front.limits.body_bytes:
            self._refuse(413, b"Payload Too Large")
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        parser = self._parser
        keep = parser.should_keep_alive()
        if self._upgrade and parser.should_upgrade() and (self._length or self._chunked):
            if self._chunked:
                self._refuse(400, b"Upgrade with a chunked body")
            self._unparsed, self._method = self._length, parser.get_method()
            return
        self._complete(parser.get_method(), keep)

    def _complete(self, method: bytes, keep: bool) -> None:
        self._reading = False
        self._deaf = not keep
        lines, parts = self._lines, self._body
        lines[0] = method + b" " + lines[0]
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        request = (b"\n".join(lines), body, keep)
        if self._busy or self._waiting or not self._writable:
            self._waiting.append(request)
            if len(self._waiting) >= WAITING_LIMIT and self._transport is not None:
                self._transport.pause_reading()
        else:
            self._send(request)

    # --- answers

    def _send(self, request: tuple[bytes, bytes, bool]) -> None:
        head, body, self._keep = request
        self._head_only = head.startswith(b"HEAD ")
        self.deadline = float("inf")  # the worker's own limits hold now
        try:
            self._busy = self._front.pool.submit(head, body, self._answer)
        except WorkerFailed:
            self._refuse(503, b"Service Unavailable")

    def _answer(self, frame: Frame | None) -> None:
        self._busy = 0
        transport, front = self._transport, self._front
        if transport is None or self._closing:
            return
        if frame is None:  # the process died with the request: the real server drops it likewise
            self.abort()
            return
        status, head, body = frame.status, frame.head, frame.body
        line = STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        length = b"content-length: %d\r\n" % len(body)
        end = b"\r\n" if self._keep else b"connection: close\r\n\r\n"
        if self._head_only or status in (204, 304):
            body, length = b"", length if self._head_only else b""
        transport.write(b"".join((line, head, front.date, length, end, body)))
        if not self._keep:
            self._closing = True
            transport.close()
            return
        limits = front.limits
        self.deadline = front.now + (limits.request_s if self._reading else limits.idle_s)
        if self._waiting:
            self._next()
        elif self._refusal is not None:
            self._refuse(*self._refusal)

    def _next(self) -> None:
        if self._waiting and not self._busy and self._writable and self._transport is not None:
            if len(self._waiting) == WAITING_LIMIT:
                self._transport.resume_reading()
            self._send(self._waiting.popleft())

    def _refuse(self, status: int, text: bytes) -> None:
        """Answer without a worker, after what is being answered, and hang up."""
        if self._closing or self._transport is None:
            return
        self._deaf = True
        if self._busy or self._waiting:
            self._refusal = (status, text)
            return
        self._closing = True
        length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(text)
        kind = b"content-type: text/plain; charset=utf-8\r\n"
        self._transport.write(
            b"".join((STATUS_LINES[status], kind, self._front.date, length, text))
        )
        self._transport.close()

    def expire(self) -> None:
        """The client took too long: to send a request, or to begin the next."""
        if self._reading:
            self._refuse(408, b"Request Timeout")
        self.abort()

    def abort(self) -> None:
        """Drop the connection."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()
