"""HTTP on one connection of the front door: uvicorn's parser, with limits on the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

if TYPE_CHECKING:
    from emulators.kernel.connections import Connection, Connections, Limits

_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)

_JOINED_BYTES = 64 << 10


class Site:
    """One ASGI app and what every connection to it shares."""

    def __init__(self, app: Any, limits: Limits) -> None:
        self.limits = limits
        self.state = ServerState()
        self.stopping = False  # cancelled requests are ours then, not the app's failure
        self._app = app
        self.config = Config(
            self._answer,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            interface="asgi3",
            timeout_keep_alive=int(limits.keep_alive_s),
        )
        self.config.load()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self.stopping:
                raise


class _Joined:
    """A cycle's transport that sends a response's head and the first of its body as one.

    Each write is a TLS record, a system call and, often, a waking of the client: for small
    answers that is most of what HTTP costs here. A head without body goes with the loop's next
    turn.
    """

    __slots__ = ("_head", "_loop", "_started", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head, self._started = b"", False

    def write(self, data: bytes) -> None:
        if not self._started:
            self._head, self._started = data, True
            self._loop.call_soon(self._flush)
            return
        if self._head and len(data) <= _JOINED_BYTES:
            data, self._head = self._head + data, b""
        self._flush()
        self._transport.write(data)

    def _flush(self) -> None:
        if self._head and not self._transport.is_closing():
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class Served(HttpToolsProtocol):
    """Speaks HTTP for one connection, as `state["host"]` where the client asked the proxy for one.

    `state` is what every request's scope carries: `door` ("proxy" or "explicit") and `host`; and
    `cut`, with which the app ends the connection without an answer.

    It may be handed bytes before `connection_made`: TLS delivers what came with the last message
    of the handshake at once. They wait.
    """

    def __init__(
        self,
        site: Site,
        connections: Connections,
        connection: Connection,
        state: dict[str, Any],
    ) -> None:
        super().__init__(site.config, site.state, {**state, "cut": self.cut})
        self.access_log = False
        self._limits = site.limits
        self._connections = connections
        self._connection = connection
        host = state["host"]
        self._host = None if host is None else bytes(host, "ascii")
        self._early = bytearray()
        self._lost = False
        self._in_head = False
        self._head_bytes = 0
        self._progress = self.loop.time()
        self._head_since = self._progress

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if self._lost:
            transport.abort()
            return
        self._progress = self._head_since = self.loop.time()
        self._connection.phase = self
        super().connection_made(transport)
        early, self._early = bytes(self._early), bytearray()
        if early:
            self.data_received(early)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.drop(self._connection)
        if self.transport is None:  # lost between the handshake and connection_made
            self._lost = True
            return
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport is None:
            self._early += data
            return
        self._progress = self.loop.time()
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes and not self.transport.is_closing():
                self.transport.write(_TOO_LONG)
                self.transport.close()

    def cut(self) -> None:
        """Break the connection, whatever is still unsent: a fault that was asked for."""
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes, self._head_since = True, 0, self._progress
        if self._host is not None:
            self.headers.append((b"host", self._host))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name[:10].lower() == b"x-ms-meta-":  # Storage keeps the case of metadata names
            said = name.decode("latin-1")
            self.scope["state"].setdefault("header_case", {})[said.lower()] = said
        # What the client asked the proxy for is the host, whatever the request inside says.
        if self._host is None or name.lower() != b"host":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # its task begins with the loop's next turn
            self.cycle.transport = cast(asyncio.Transport, _Joined(self.transport, self.loop))

    def resume_writing(self) -> None:
        self._progress = self.loop.time()
        super().resume_writing()

    def overdue(self, now: float) -> bool:
        if self._in_head or self.cycle is None:
            return now - self._head_since > self._limits.head_s
        if not self._waits_for_client():
            self._progress = now
        return now - self._progress > self._limits.stall_s

    def idle(self) -> bool:
        return self._in_head or self.cycle is None or self.cycle.response_complete

    def _waits_for_client(self) -> bool:
        if self.flow.write_paused:
            return True
        wants_body = self.cycle.more_body and not self.cycle.waiting_for_100_continue
        return wants_body and not self.flow.read_paused
