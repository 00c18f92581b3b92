"""TDS packets, without I/O: bytes in, packets out, and back. Source: [MS-TDS] 2.2.3.1."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

HEADER = Struct(">BBHHBB")  # type, status, length (with header, bytes), spid, id, window

BATCH = 0x01
RPC = 0x03
RESPONSE = 0x04
ATTENTION = 0x06
BULK = 0x07
FEDAUTH = 0x08
TRANSACTION = 0x0E
LOGIN7 = 0x10
PRELOGIN = 0x12
KINDS = frozenset((BATCH, RPC, ATTENTION, BULK, FEDAUTH, TRANSACTION, LOGIN7, PRELOGIN))
"""What a client may send."""

END_OF_MESSAGE = 0x01
IGNORE = 0x02
RESET = 0x08
RESET_KEEP_TRANSACTION = 0x10

SMALLEST, LARGEST, USUAL = 512, 32767, 4096
"""Packet sizes in bytes, with the header."""


class BadStream(Exception):
    """Bytes that are not TDS: the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet without its header."""

    kind: int
    status: int
    body: bytes

    @property
    def last(self) -> bool:
        return bool(self.status & END_OF_MESSAGE)


class PacketReader:
    """Feed it what the socket gave; it gives whole packets and keeps the rest."""

    def __init__(self, kinds: frozenset[int] = KINDS) -> None:
        self._kinds = kinds
        self._buffer = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Take bytes, however they were cut."""
        self._buffer += data

    def next(self) -> Packet | None:
        """The next whole packet.

        Raises:
            BadStream: what comes is no packet of the other side.
        """
        held = len(self._buffer) - self._at
        if held < HEADER.size:
            self._tidy()
            return None
        kind, status, length, *_ = HEADER.unpack_from(self._buffer, self._at)
        if kind not in self._kinds or length < HEADER.size:
            raise BadStream(f"no packet of TDS begins with type {kind:#x} and length {length}")
        if held < length:
            self._tidy()
            return None
        start, end = self._at + HEADER.size, self._at + length
        self._at = end
        return Packet(kind, status, bytes(self._buffer[start:end]))

    @property
    def holds(self) -> bool:
        """Whether a packet is whole, or a header malformed: `next` has something to say."""
        held = len(self._buffer) - self._at
        if held < HEADER.size:
            return False
        length: int = HEADER.unpack_from(self._buffer, self._at)[2]
        return held >= length

    def rest(self) -> bytes:
        """What was fed and not yet given; it is forgotten here."""
        left = bytes(self._buffer[self._at :])
        self._buffer.clear()
        self._at = 0
        return left

    def _tidy(self) -> None:
        """Drop what was given; once per feed, not once per packet."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0


class PacketWriter:
    """Cuts one message into packets as its bytes come; whole packets only, until the end."""

    def __init__(self, size: int, kind: int = RESPONSE, spid: int = 0) -> None:
        self._payload = size - HEADER.size
        self._kind, self._spid = kind, spid
        self._number = 1
        self._kept = b""

    def write(self, data: bytes | bytearray | memoryview) -> bytes:
        """The packets that are full now; at least one byte is kept back for the last packet."""
        whole = (len(self._kept) + len(data) - 1) // self._payload if data else 0
        if whole <= 0:
            self._kept += bytes(data)
            return b""
        joined = memoryview(self._kept + bytes(data) if self._kept else data)
        cut = whole * self._payload
        parts: list[bytes | memoryview] = []
        for start in range(0, cut, self._payload):
            parts.append(self._header(self._payload, 0))
            parts.append(joined[start : start + self._payload])
        self._kept = bytes(joined[cut:])
        return b"".join(parts)

    def flush(self) -> bytes:
        """What is kept back, as a packet that is not the last; nothing when nothing is."""
        if not self._kept:
            return b""
        packet = self._header(len(self._kept), 0) + self._kept
        self._kept = b""
        return packet

    def end(self) -> bytes:
        """The last packet; the writer is ready for another message."""
        packet = self._header(len(self._kept), END_OF_MESSAGE) + self._kept
        self._kept = b""
        self._number = 1
        return packet

    def _header(self, payload: int, status: int) -> bytes:
        number = self._number
        self._number = (number + 1) & 0xFF
        return HEADER.pack(self._kind, status, payload + HEADER.size, self._spid, number, 0)


def packed(kind: int, data: bytes, size: int = USUAL) -> bytes:
    """A whole message as packets."""
    writer = PacketWriter(size, kind)
    return writer.write(data) + writer.end()


class Reader:
    """Walks over the bytes of a whole message; what is missing is the sender's mistake."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at, self.end = data, at, len(data)

    def take(self, count: int) -> bytes:
        """The next `count` bytes.

        Raises:
            BadStream: there are fewer.
        """
        at = self.at
        if count < 0 or at + count > self.end:
            raise BadStream(f"{count} bytes are announced at {at}, {self.end - at} are there")
        self.at = at + count
        return self.data[at : self.at]

    def number(self, size: int, *, signed: bool = False) -> int:
        """The next `size` bytes as a little-endian number."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def b_text(self) -> str:
        """A text with its length in characters as one byte."""
        return self.text(self.number(1))

    def us_text(self) -> str:
        """A text with its length in characters as two bytes."""
        return self.text(self.number(2))

    def text(self, characters: int) -> str:
        """UTF-16 text; what is no Unicode becomes the replacement character."""
        return self.take(2 * characters).decode("utf-16-le", "replace")

    @property
    def more(self) -> bool:
        return self.at < self.end


def headers_length(data: bytes) -> int:
    """How many bytes ALL_HEADERS takes, with its own length.

    Raises:
        BadStream: it is longer than the message, or too short to be.
    """
    total = int.from_bytes(data[:4], "little")
    if total < 4 or total > len(data):
        raise BadStream(f"headers of {total} bytes in a message of {len(data)}")
    return total
