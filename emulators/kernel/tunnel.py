"""Bytes between a client and a host that is not ours: both ways, bounded, never looked into."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, cast

from emulators.kernel.proxy import MAX_HEAD, BadHead, Head, cut_block

if TYPE_CHECKING:
    from emulators.kernel.connections import Connection, Connections, Limits
    from emulators.kernel.upstream import NextProxy, Upstream


class Unreachable(Exception):
    """The host, or the proxy before it, did not take the connection; the message says why."""


class Side(asyncio.Protocol):
    """One end of a tunnel. A full buffer at one end pauses reading at the other."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.other: Side
        self.transport: asyncio.Transport
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.pair.progress()
        if not self.other.transport.is_closing():
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.pair.progress()
        self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        self.ended = True
        other = self.other.transport
        if self.other.ended or other.is_closing() or not other.can_write_eof():
            other.close()
            return False
        other.write_eof()
        return True  # the other direction may go on

    def connection_lost(self, exc: Exception | None) -> None:
        self.other.transport.close()
        self.pair.lost()


class Pair:
    """Both ends of a tunnel, as one phase of the client's connection."""

    def __init__(self, limits: Limits, connections: Connections, connection: Connection) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle_s = limits.tunnel_idle_s
        self._connections = connections
        self._connection = connection
        self._last = self._loop.time()
        self.near, self.far = Side(self), Side(self)
        self.near.other, self.far.other = self.far, self.near

    def progress(self) -> None:
        """Note that bytes moved."""
        self._last = self._loop.time()

    def lost(self) -> None:
        """Note that an end is gone."""
        self._connections.drop(self._connection)

    def overdue(self, now: float) -> bool:
        return now - self._last > self._idle_s

    def idle(self) -> bool:
        return False

    def join(self, far: asyncio.Transport, first_to_client: bytes, first_to_host: bytes) -> None:
        """Start the flow between the client's (paused) transport and `far` (paused, too)."""
        near = self._connection.transport
        self.near.connection_made(near)
        self.far.connection_made(far)
        self._connection.phase = self
        near.set_protocol(self.near)
        far.set_protocol(self.far)
        if first_to_client:
            near.write(first_to_client)
        if first_to_host:
            far.write(first_to_host)
        near.resume_reading()
        far.resume_reading()


async def reach(head: Head, upstream: Upstream, limits: Limits) -> tuple[asyncio.Transport, bytes]:
    """Connect to where `head` points, through the upstream proxy where one applies.

    Returns:
        The transport, reading paused, and bytes the host already sent.

    Raises:
        Unreachable: no connection; the message names the host.
    """
    proxy = upstream.pick(secure=head.connect, host=head.host, port=head.port)
    try:
        async with asyncio.timeout(limits.connect_s):
            if proxy is None:
                transport, _ = await _connect(head.host, head.port)
                return transport, b""
            transport, waiting = await _connect(proxy.host, proxy.port, tls=proxy.tls)
            if not head.connect:
                return transport, b""
            return transport, await _ask(transport, waiting, head, proxy)
    except TimeoutError:
        reason = f"no answer within {limits.connect_s:g} s"
    except (OSError, UnicodeError) as failed:
        reason = str(failed)
    via = f" through the proxy {proxy.host}:{proxy.port}" if proxy else ""
    raise Unreachable(f"{head.authority} cannot be reached{via}: {reason}")


def first_bytes(head: Head, upstream: Upstream) -> bytes:
    """A plain request's head as the next server, or proxy, is sent it."""
    proxy = upstream.pick(secure=False, host=head.host, port=head.port)
    return head.origin_form() if proxy is None else head.absolute_form(*proxy.headers)


class _Answer(asyncio.Protocol):
    """Reads the next proxy's answer to CONNECT; pauses as soon as its head is whole."""

    def __init__(self) -> None:
        self.head: asyncio.Future[tuple[bytes, bytes]]
        self.head = asyncio.get_running_loop().create_future()
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self.head.done():
            return
        try:
            block = cut_block(self._buffer)
        except BadHead as bad:
            self.head.set_exception(OSError(f"the proxy answered: {bad}"))
            return
        if block is not None:
            self._transport.pause_reading()
            self.head.set_result(block)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.head.done():
            self.head.set_exception(OSError("the proxy closed the connection"))


async def _connect(host: str, port: int, *, tls: bool = False) -> tuple[asyncio.Transport, _Answer]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(
        _Answer, host, port, ssl=ssl.create_default_context() if tls else None
    )
    return transport, protocol


async def _ask(
    transport: asyncio.Transport, waiting: _Answer, head: Head, proxy: NextProxy
) -> bytes:
    lines = [f"CONNECT {head.authority} HTTP/1.1", f"Host: {head.authority}"]
    lines += [f"{name}: {value}" for name, value in proxy.headers]
    transport.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    transport.resume_reading()
    try:
        answer, rest = await waiting.head
        status = answer[:MAX_HEAD].split(b"\r\n")[0].decode("latin-1")
        words = status.split(" ", 2)
        if len(words) < 2 or not words[1].startswith("2"):
            raise OSError(f"the proxy answered {' '.join(words[1:])[:100]!r}")
    except BaseException:
        transport.abort()
        raise
    return rest
