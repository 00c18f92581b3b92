"""A client of TDS that does as it is told, also what no client should."""

from __future__ import annotations

import socket
import ssl
import struct
from dataclasses import dataclass, field

from emulators.warehouse.wire import login7, packets, prelogin
from emulators.warehouse.wire.packets import packed

HEADERS = struct.pack("<IIHQI", 22, 18, 2, 0, 1)


def login_bytes(
    user: str = "sa", password: str = "Right_1", database: str = "db", packet_size: int = 4096,
    features: dict[int, bytes] | None = None, version: int = 0x74000004,
) -> bytes:  # fmt: skip
    """A LOGIN7."""
    texts = ["host", user, "", "app", "server", "", "library", "", database]
    offset, table, data = 36 + 36 + 22, b"", b""
    for at, text in enumerate(texts):
        if at == 2:
            value, count = login7.scrambled(password), len(password)
        elif at == 5 and features is not None:
            value, count = b"\0\0\0\0", 4
            extension = len(data)
        else:
            value, count = text.encode("utf-16-le"), len(text)
        table += struct.pack("<HH", offset + len(data), count)
        data += value
    if features is not None:
        start = offset + len(data)
        data = data[:extension] + struct.pack("<I", start) + data[extension + 4 :]
        for number, value in features.items():
            data += struct.pack("<BI", number, len(value)) + value
        data += b"\xff"
    flags3 = 0x10 if features is not None else 0
    fixed = struct.pack("<IIIIIBBBBiI", version, packet_size, 7, 1, 0, 0xE0, 3, 0, flags3, 0, 0x409)
    rest = table + bytes(22)
    return struct.pack("<I", 36 + len(rest) + len(data)) + fixed + rest + data


@dataclass
class Raw:
    """A connection, packet by packet."""

    port: int
    socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, kind: int, data: bytes, *, size: int = 4096, status: int = 0) -> None:
        """A whole message; `status` is added to the bits of its first packet."""
        stream = bytearray(packed(kind, data, size))
        stream[1] |= status
        self.socket.sendall(bytes(stream))

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def packet(self) -> tuple[int, int, bytes]:
        """Type, status and body of the next packet."""
        head = self.exactly(8)
        length = int.from_bytes(head[2:4], "big")
        return head[0], head[1], self.exactly(length - 8)

    def message(self) -> bytes:
        """The next whole message."""
        data = b""
        while True:
            _, status, body = self.packet()
            data += body
            if status & 1:
                return data

    def prelogin(self, encryption: int = 2, **options: bytes) -> prelogin.Prelogin:
        said = {prelogin.VERSION: bytes(6), prelogin.ENCRYPTION: bytes((encryption,))}
        self.send(packets.PRELOGIN, prelogin.serialise(said))
        return prelogin.parse(self.message())

    def login(self, **how: object) -> bytes:
        """Log in without encryption; the server's answer."""
        self.prelogin()
        self.send(packets.LOGIN7, login_bytes(**how))  # type: ignore[arg-type]
        return self.message()

    def batch(self, text: str, status: int = 0) -> None:
        self.send(packets.BATCH, HEADERS + text.encode("utf-16-le"), status=status)

    def ask(self, text: str) -> bytes:
        self.batch(text)
        return self.message()

    def handshake(
        self, ca: str, newest: ssl.TLSVersion
    ) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
        """TLS within PRELOGIN packets."""
        context = ssl.create_default_context(cafile=ca)
        context.maximum_version = newest
        ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(theirs, ours, server_hostname="localhost")
        while True:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            if data := ours.read():
                self.send(packets.PRELOGIN, data)
            if done:
                return tls, ours, theirs
            theirs.write(self.packet()[2])
