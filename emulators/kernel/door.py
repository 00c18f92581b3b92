"""The front door: one loopback proxy port and one https port, both into one ASGI app."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from emulators.kernel.azure_domains import is_azure
from emulators.kernel.connections import Connection, Connections, Limits, Waiting
from emulators.kernel.entrance import ProxyProtocol, judge, tls_protocol
from emulators.kernel.proxy import Head
from emulators.kernel.served import Served, Site
from emulators.kernel.tls import EXPLICIT_NAMES, Authority
from emulators.kernel.upstream import Upstream, is_loopback
from emulators.kernel.verdicts import (
    Emulated,
    Refused,
    Tunnel,
    Verdict,
    not_emulated,
    offline,
    quiet,
    refusal_app,
)

__all__ = ["Emulated", "FrontDoor", "OpenDoor", "PortTaken", "Ports", "Refused", "Tunnel"]


def _silent(kind: str, **fields: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the front door listens."""

    proxy: int
    explicit: int


class PortTaken(OSError):
    """A port is in use; the message says what to do."""


@dataclass(frozen=True)
class FrontDoor:
    """Takes connections and hands each to the app, to a refusal or to a tunnel.

    Args:
        authority: signs the certificates.
        route: says for a host, lower case without port, who answers.
        upstream: the proxies that tunnelled hosts go through.
        note: told of refusals and tunnels, for the ledger: `note(kind, **fields)`.
    """

    authority: Authority
    route: Callable[[str], Verdict]
    upstream: Upstream = field(default_factory=Upstream)
    limits: Limits = field(default_factory=Limits)
    note: Callable[..., None] = _silent

    async def start(
        self, app: Any, *, host: str = "127.0.0.1", proxy_port: int = 0, explicit_port: int = 0
    ) -> OpenDoor:
        """Listen on `host`, loopback outside containers; port 0 takes a free one.

        Raises:
            PortTaken: somebody else listens there.
        """
        opened = OpenDoor(self, app)
        try:
            await opened.listen(host, proxy_port, explicit_port)
        except BaseException:
            await opened.stop(0)
            raise
        return opened


class OpenDoor:
    """A front door that listens. Made by `FrontDoor.start`."""

    def __init__(self, door: FrontDoor, app: Any) -> None:
        self.door = door
        self.limits, self.upstream, self.note = door.limits, door.upstream, door.note
        self.loop = asyncio.get_running_loop()
        self.connections = Connections(self.loop, door.limits)
        self.site = Site(app, door.limits)
        self.refusals = Site(refusal_app, door.limits)
        self.explicit_context = door.authority.context_by_sni(*EXPLICIT_NAMES)
        self.ports = Ports(0, 0)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, proxy_port: int, explicit_port: int) -> None:
        """Open both ports."""
        proxy = await self._listen(lambda: ProxyProtocol(self), host, proxy_port)
        explicit = await self._listen(lambda: tls_protocol(self), host, explicit_port)
        self.ports = Ports(proxy, explicit)
        if self.upstream.is_door(proxy):
            self.upstream = Upstream()  # a shell set up for an earlier run of ours named it
        if host == "127.0.0.1":  # `localhost` is ::1 first for many clients
            with suppress(OSError):
                await self._listen(lambda: tls_protocol(self), "::1", explicit)

    async def listen_in(self, folder: Path, outside: bool) -> dict[int, str]:
        """Open both doors as Unix sockets, too, for containers, which cannot reach our loopback.

        Args:
            folder: existing, private to this user, with a path of any length.
            outside: whether hosts that are not Azure's may be reached from there.

        Returns:
            Which of our loopback ports each socket, by its name in the folder, stands for.
        """
        await self._listen_at(folder / "proxy.s", lambda: ProxyProtocol(self, outside=outside))
        await self._listen_at(folder / "explicit.s", lambda: tls_protocol(self))
        return {self.ports.proxy: "proxy.s", self.ports.explicit: "explicit.s"}

    async def _listen_at(self, path: Path, make: Callable[[], asyncio.Protocol]) -> None:
        path.unlink(missing_ok=True)
        place = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.bind(f"/proc/self/fd/{place}/{path.name}")  # an address has 107 bytes at most
            path.chmod(0o600)
        finally:
            os.close(place)
        self._servers.append(await self.loop.create_unix_server(make, sock=made, backlog=512))

    async def stop(self, grace_s: float = 5.0) -> None:
        """Stop listening, let requests in progress end, then let go of the rest."""
        for server in self._servers:
            server.close()
        for site in (self.site, self.refusals):
            for protocol in list(site.state.connections):
                protocol.shutdown()
        working = {*self.site.state.tasks, *self.refusals.state.tasks}
        if working and grace_s > 0:
            await asyncio.wait(working, timeout=grace_s)
        self.site.stopping = self.refusals.stopping = True
        self.connections.close()
        left = {t for t in (*working, *self._tasks) if not t.done()}
        if left:
            await asyncio.wait(left, timeout=0.05)  # they learn that their client is gone
        for task in left:
            task.cancel()

    def verdict(self, head: Head) -> Verdict:
        """Who answers this request."""
        return judge(self.door.route(head.host), head)

    def accept(self, transport: asyncio.BaseTransport, wait_s: float) -> Connection:
        """Count a new client in, which has `wait_s` seconds for its first words."""
        connection = Connection(
            cast(asyncio.Transport, transport), Waiting(self.loop.time() + wait_s)
        )
        self.connections.add(connection)
        return connection

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the loop's callbacks, held until it ends."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def serve_tls(
        self, connection: Connection, served: Served, host: str | None, early: bytearray
    ) -> None:
        """Shake hands on `connection`, whose reading is paused, then speak HTTP.

        Args:
            host: whose certificate to show; None follows the client's SNI.
            early: the start of the client's handshake, already read; may grow until this runs.
        """
        raw = connection.transport
        connection.phase = Waiting(self.loop.time() + self.limits.handshake_s)
        # start_tls sets its protocol and schedules connection_made now, in this order; two turns
        # of the loop later it can be fed, before the socket is read again.
        self.loop.call_soon(self.loop.call_soon, _feed, raw, bytes(early))
        try:
            context = self.door.authority.context(host) if host else self.explicit_context
            transport = await self.loop.start_tls(
                raw,
                served,
                context,
                server_side=True,
                ssl_handshake_timeout=self.limits.handshake_s,
                ssl_shutdown_timeout=self.limits.drain_s,
            )
        except (OSError, EOFError):  # the client does not trust us, or left
            self.connections.abort(connection)
            return
        if transport is None:  # closed while shaking hands
            self.connections.abort(connection)
            return
        served.connection_made(transport)

    async def _listen(self, make: Callable[[], asyncio.Protocol], host: str, port: int) -> int:
        try:
            server = await self.loop.create_server(make, host, port, backlog=2048)
        except OSError as failed:
            if failed.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise PortTaken(
                f"port {port} on {host} is taken: stop what holds it "
                "(another `rehearse up`?), or start with `--ports auto`"
            ) from None
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])


# Hosts that clients ask on the side (newest version, telemetry); a refusal would only confuse.
SIDE_CALLS = frozenset(
    {
        "azcliprod.blob.core.windows.net",
        "azcliextensionsync.blob.core.windows.net",
        "dc.services.visualstudio.com",
    }
)


def router(emulated: Callable[[str], Emulated | None], *, off: bool) -> Callable[[str], Verdict]:
    """The front door's usual route: emulated hosts, then Azure's refused, then the world.

    Args:
        emulated: says whether an emulator answers for a host; None where none does.
        off: nothing leaves this machine (`--offline`).
    """

    def route(host: str) -> Verdict:
        if host in SIDE_CALLS:
            return quiet(host)
        found = emulated(host)
        if found is not None:
            return found
        if is_azure(host):
            return not_emulated(host)
        return offline(host) if off and not is_loopback(host) else Tunnel()

    return route


def _feed(transport: asyncio.Transport, data: bytes) -> None:
    protocol: Any = transport.get_protocol()
    while data:
        buffer = protocol.get_buffer(len(data))
        count = min(len(buffer), len(data))
        buffer[:count] = data[:count]
        protocol.buffer_updated(count)
        data = data[count:]
