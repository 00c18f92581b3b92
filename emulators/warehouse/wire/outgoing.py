"""A connection to another server of TDS: packets over a socket that blocks, TLS within them."""

from __future__ import annotations

import select
import socket
import ssl
from dataclasses import dataclass
from threading import Lock

from emulators.warehouse.wire import packets, prelogin
from emulators.warehouse.wire.packets import BadStream, PacketReader, PacketWriter, packed
from emulators.warehouse.wire.prelogin import Encryption

READ = 1 << 17
FROM_SERVER = frozenset((packets.RESPONSE, packets.PRELOGIN))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is, and how it is reached."""

    host: str
    port: int
    encrypt: bool = True
    ca: str = ""  # file of certificates to trust; none: any certificate is taken
    timeout_s: float = 30.0


class Line:
    """One connection. Requests come from one thread; `send_now` from any."""

    def __init__(self, place: Place) -> None:
        self._socket = socket.create_connection((place.host, place.port), place.timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = PacketReader(FROM_SERVER)
        self._tls: ssl.SSLObject | None = None
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._sending = Lock()
        self.packet_size = packets.USUAL
        try:
            self._greet(place)
        except BaseException:
            self.close()
            raise

    def _greet(self, place: Place) -> None:
        wanted = Encryption.ON if place.encrypt else Encryption.NOT_SUPPORTED
        options = {
            prelogin.VERSION: prelogin.OUR_VERSION,
            prelogin.ENCRYPTION: bytes((wanted,)),
            prelogin.INSTANCE: b"\x00",
            prelogin.THREAD: b"",
            prelogin.MARS: b"\x00",
        }
        self.send(packets.PRELOGIN, prelogin.serialise(options))
        agreed = prelogin.parse(self.message()).encryption
        if place.encrypt != (agreed in (Encryption.ON, Encryption.REQUIRED)):
            raise ConnectionError(f"{place.host} does not agree to encryption as it is set")
        if place.encrypt:
            self._secure(place)
        self._socket.settimeout(None)

    def _secure(self, place: Place) -> None:
        context = ssl.create_default_context(cafile=place.ca or None)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        if not place.ca:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        tls = context.wrap_bio(self._in, self._out, server_hostname=place.host)
        done = False
        while not done:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            if data := self._out.read():
                self._socket.sendall(packed(packets.PRELOGIN, data))
            if not done:
                self._in.write(self.packet().body)
        self._tls = tls

    def send(self, kind: int, data: bytes, *, status: int = 0) -> None:
        """Send a message; `status` is added to its first packet's bits."""
        writer = PacketWriter(self.packet_size, kind)
        stream = bytearray(writer.write(data) + writer.end())
        stream[1] |= status
        self.send_now(bytes(stream))

    def send_now(self, stream: bytes) -> None:
        """Send packets, from any thread, between those of others."""
        with self._sending:
            if self._tls is not None:
                self._tls.write(stream)
                stream = self._out.read()
            self._socket.sendall(stream)

    def packet(self) -> packets.Packet:
        """The next packet.

        Raises:
            ConnectionError: the server closed the connection.
            BadStream: it sends what is not TDS.
        """
        while (packet := self._reader.next()) is None:
            data = self._socket.recv(READ)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(data if self._tls is None else self._plain(data))
        return packet

    def _plain(self, data: bytes) -> bytes:
        assert self._tls is not None
        self._in.write(data)
        parts = []
        try:
            while part := self._tls.read(READ):
                parts.append(part)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError as wrong:
            raise BadStream(f"TLS: {wrong.reason or wrong}") from None
        return b"".join(parts)

    def ready(self) -> bool:
        """Whether there is something to read without waiting for the server."""
        return self._reader.holds or bool(select.select([self._socket], [], [], 0)[0])

    def message(self) -> bytes:
        """A whole message."""
        parts = []
        while True:
            packet = self.packet()
            parts.append(packet.body)
            if packet.last:
                return b"".join(parts)

    def close(self) -> None:
        self._socket.close()
