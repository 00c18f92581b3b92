"""Length-prefixed frames between a server and its worker processes, sans-I/O; valid on Python 3.8.

The other end runs in the user's interpreter and loads this very file by path, so it imports
nothing but the standard library and uses no syntax newer than 3.8.

One frame is a header of 16 bytes, big-endian (head size u32, body size u32, id u32, kind u8,
reserved u8, status u16), then the head, then the body. What head and body mean is the caller's:
for requests the head is `METHOD target` and one `name: value` a line, for responses it is header
lines as HTTP/1.1 writes them.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = struct.Struct(">IIIBBH")
MAX_HEAD_BYTES = 1 << 20
MAX_BODY_BYTES = 1 << 30

REQUEST = 1
RESPONSE = 2
HELLO = 3  # worker -> server, once, when it can serve; the head is a JSON object
FAILED = 4  # worker -> server, once, when it cannot; the head is the reason in UTF-8

KINDS = (REQUEST, RESPONSE, HELLO, FAILED)


class BadFrame(Exception):
    """The bytes are no frame, or a frame larger than is allowed; the connection is useless."""


class Frame(NamedTuple):
    """One message; `status` is 0 but in responses, `id` pairs a response with its request."""

    kind: int
    id: int
    status: int
    head: bytes
    body: bytes


def encode(kind: int, id: int, status: int, head: bytes, body: bytes) -> bytes:
    """Write one frame.

    Raises:
        BadFrame: head or body is larger than a reader would accept.
    """
    if len(head) > MAX_HEAD_BYTES or len(body) > MAX_BODY_BYTES:
        raise BadFrame(f"{len(head)} + {len(body)} bytes are too many for a frame")
    return HEADER.pack(len(head), len(body), id, kind, 0, status) + head + body


class FrameReader:
    """Feed it what the socket gave; it returns whole frames and keeps the rest."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the stream, return the frames they complete.

        Raises:
            BadFrame: a header that no writer of ours makes.
        """
        kept = self._buffer
        if kept:
            kept += data
            if len(kept) < HEADER.size:
                return []
            head_size, body_size, _, _, _, _ = HEADER.unpack_from(kept)
            if len(kept) < HEADER.size + head_size + body_size:
                _check(head_size, body_size, kept[12], kept[13])
                return []
            data = bytes(kept)
            kept.clear()
        frames: list[Frame] = []
        at, size = 0, len(data)
        while size - at >= HEADER.size:
            head_size, body_size, id_, kind, reserved, status = HEADER.unpack_from(data, at)
            if reserved or kind not in KINDS or head_size > MAX_HEAD_BYTES:
                _check(head_size, body_size, kind, reserved)
            if body_size > MAX_BODY_BYTES:
                _check(head_size, body_size, kind, reserved)
            body_at = at + HEADER.size + head_size
            end = body_at + body_size
            if end > size:
                break
            frames.append(
                Frame(kind, id_, status, data[at + HEADER.size : body_at], data[body_at:end])
            )
            at = end
        if at < size:
            kept += data[at:] if at else data
        return frames


def _check(head_size: int, body_size: int, kind: int, reserved: int) -> None:
    if kind not in KINDS or reserved:
        raise BadFrame(f"a frame of kind {kind}/{reserved} is unknown")
    if head_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
        raise BadFrame(f"{head_size} + {body_size} bytes are too many for a frame")
