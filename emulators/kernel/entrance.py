"""A client's first words at either port of the front door, and where they lead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from emulators.kernel.azure_domains import is_azure
from emulators.kernel.connections import Connection, Waiting
from emulators.kernel.proxy import BadHead, Head, HeadReader
from emulators.kernel.served import Served
from emulators.kernel.tunnel import Pair, Unreachable, first_bytes, reach
from emulators.kernel.verdicts import (
    Emulated,
    Refused,
    Tunnel,
    Verdict,
    https_required,
    no_network,
    plain_answer,
)

if TYPE_CHECKING:
    from emulators.kernel.door import OpenDoor

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ProxyProtocol(asyncio.Protocol):
    """Reads the head of one proxy request and hands the connection on.

    Args:
        outside: whether hosts that are not emulated may be reached at all.
    """

    def __init__(self, door: OpenDoor, *, outside: bool = True) -> None:
        self._door, self._outside = door, outside
        self._reader = HeadReader()
        self._rest: bytearray | None = None  # what came after the head, before we hand on
        self._connection: Connection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection = self._door.accept(transport, self._door.limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._door.connections.drop(self._connection)

    def data_received(self, data: bytes) -> None:
        if self._connection is None:
            return
        if self._rest is not None:
            self._rest += data
            return
        try:
            head = self._reader.feed(data)
        except BadHead as bad:
            refused = Refused(str(bad), bad.status, "BadRequest")
            say_goodbye(self._door, self._connection, plain_answer(refused, ""))
            return
        if head is None:
            return
        self._connection.transport.pause_reading()  # what follows belongs to the next protocol
        self._rest = bytearray(self._reader.rest)
        self._lead(self._connection, head, self._rest)

    def _lead(self, connection: Connection, head: Head, rest: bytearray) -> None:
        door = self._door
        verdict = door.verdict(head)
        if isinstance(verdict, Tunnel) and not self._outside:
            verdict = no_network(head.host)
        if isinstance(verdict, Tunnel):
            door.note("tunnel", host=head.host, port=head.port)
            door.spawn(_tunnel(door, connection, head, rest))
            return
        if isinstance(verdict, Refused):
            door.note("refusal", what=f"the host {head.host}", host=head.host, code=verdict.code)
        # A refusal is read inside TLS, where every client shows it; for a host that is not Azure's
        # no certificate of ours is accepted, so that one is told outright.
        if head.connect and (isinstance(verdict, Emulated) or is_azure(head.host)):
            hello = Hello(door, connection, _served(door, head.host, verdict), head.host)
            connection.phase = Waiting(door.loop.time() + door.limits.handshake_s)
            connection.transport.set_protocol(hello)
            connection.transport.write(ESTABLISHED)
            if rest:
                hello.data_received(rest)
            else:
                connection.transport.resume_reading()
        elif isinstance(verdict, Refused):
            say_goodbye(door, connection, plain_answer(verdict, head.host))
        else:
            _serve_plain(door, connection, head, rest)


class Hello(asyncio.Protocol):
    """Waits for the first bytes of a handshake: only then is a connection worth TLS's memory.

    Args:
        make: what speaks HTTP once hands are shaken.
        host: whose certificate to show; None follows the client's SNI.
    """

    def __init__(
        self,
        door: OpenDoor,
        connection: Connection | None,
        make: Callable[[Connection], Served],
        host: str | None,
    ) -> None:
        self._door, self._connection = door, connection
        self._make, self._host = make, host
        self._early: bytearray | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection = self._door.accept(transport, self._door.limits.handshake_s)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._door.connections.drop(self._connection)

    def data_received(self, data: bytes | bytearray) -> None:
        connection = self._connection
        assert connection is not None
        if self._early is not None:
            self._early += data
            return
        self._early = bytearray(data)
        connection.transport.pause_reading()
        served = self._make(connection)
        self._door.spawn(self._door.serve_tls(connection, served, self._host, self._early))


def tls_protocol(door: OpenDoor) -> Hello:
    """The first protocol of a client of the https door."""

    def make(connection: Connection) -> Served:
        return Served(door.site, door.connections, connection, {"door": "explicit", "host": None})

    return Hello(door, None, make, None)


class _Farewell(asyncio.Protocol):
    """Reads on and forgets: closing on unread bytes would take the answer from the client."""

    def __init__(self, door: OpenDoor, connection: Connection) -> None:
        self._door, self._connection = door, connection

    def eof_received(self) -> None:
        return None  # closes

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.connections.drop(self._connection)


def say_goodbye(door: OpenDoor, connection: Connection, answer: bytes) -> None:
    """Send a last answer and close once the client has had time to read it."""
    transport = connection.transport
    if transport.is_closing():
        return
    connection.phase = Waiting(door.loop.time() + door.limits.drain_s)
    transport.set_protocol(_Farewell(door, connection))
    transport.write(answer)
    if transport.can_write_eof():
        transport.write_eof()
    transport.resume_reading()


def judge(route: Verdict, head: Head) -> Verdict:
    """What becomes of a request, given who answers for its host.

    A plain-HTTP request for an Azure host is refused as Azure refuses it.
    """
    if head.connect or isinstance(route, Tunnel):
        return route
    if isinstance(route, Emulated):
        return route if route.plain else https_required(head.host)
    return https_required(head.host) if is_azure(head.host) else route


def _served(door: OpenDoor, host: str, verdict: Verdict) -> Callable[[Connection], Served]:
    state: dict[str, object] = {"door": "proxy", "host": host}
    site = door.site
    if isinstance(verdict, Refused):
        site, state["refused"] = door.refusals, verdict
    return lambda connection: Served(site, door.connections, connection, state)


def _serve_plain(door: OpenDoor, connection: Connection, head: Head, rest: bytearray) -> None:
    served = _served(door, head.host, Emulated())(connection)
    connection.transport.set_protocol(served)
    served.connection_made(connection.transport)
    served.data_received(head.origin_form() + bytes(rest))
    served.flow.resume_reading()
    connection.transport.resume_reading()


async def _tunnel(door: OpenDoor, connection: Connection, head: Head, rest: bytearray) -> None:
    connection.phase = Waiting(door.loop.time() + 2 * door.limits.connect_s, idle=False)
    try:
        far, sent = await reach(head, door.upstream, door.limits)
    except Unreachable as failed:
        door.note("unreachable", host=head.host, port=head.port, reason=str(failed))
        refused = Refused(str(failed), 502, "BadGateway")
        say_goodbye(door, connection, plain_answer(refused, ""))
        return
    if connection.transport.is_closing():
        far.abort()
        return
    pair = Pair(door.limits, door.connections, connection)
    if head.connect:
        pair.join(far, ESTABLISHED + sent, bytes(rest))
    else:
        pair.join(far, sent, first_bytes(head, door.upstream) + bytes(rest))
