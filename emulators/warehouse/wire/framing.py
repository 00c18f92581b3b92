"""Where a value begins and ends in a row or a parameter, whatever it is. [MS-TDS] 2.2.5.2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct

from emulators.warehouse.wire.packets import BadStream

Take = Callable[[bytes, int], tuple[bytes | None, int]]
"""Bytes and a position to a value's own bytes, None for NULL, and the position behind it.

IndexError and `struct.error` when the bytes end within a length, NeedMore within the value.
"""

NO_PLP, UNKNOWN_PLP = 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFE
LARGEST_VALUE = 1 << 30
"""Bytes of one value that are taken at most: a gibibyte is half of what the product takes."""

_U2, _U4, _U8, _I4 = Struct("<H"), Struct("<I"), Struct("<Q"), Struct("<i")

BYTE, SHORT, OTHER = 1, 2, 3
"""Kinds of frames; those by a byte or two of length are read without a call."""


class NeedMore(Exception):
    """The bytes so far end within a value."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How values of a type are framed; `sizes` are those a byte of length may say, if few."""

    kind: int
    take: Take
    sizes: frozenset[int] = frozenset()

    def check(self, size: int) -> None:
        """Refuse a size that no value of the type has.

        Raises:
            BadStream: it is one.
        """
        if self.sizes and size not in self.sizes:
            raise BadStream(f"a value of {size} bytes")


def _value(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise NeedMore
    return data[at:end], end


def by_byte(*sizes: int) -> Frame:
    """Values behind a length byte; the length 0 is NULL."""

    def take(data: bytes, at: int) -> tuple[bytes | None, int]:
        size = data[at]
        if not size:
            return None, at + 1
        frame.check(size)
        return _value(data, at + 1, size)

    frame = Frame(BYTE, take, frozenset(sizes))
    return frame


def fixed(size: int) -> Frame:
    """Values of one size, never NULL."""
    return Frame(OTHER, lambda data, at: _value(data, at, size))


def _short(data: bytes, at: int) -> tuple[bytes | None, int]:
    (size,) = _U2.unpack_from(data, at)
    return (None, at + 2) if size == 0xFFFF else _value(data, at + 2, size)


def _chunks(data: bytes, at: int) -> tuple[bytes | None, int]:
    (total,) = _U8.unpack_from(data, at)
    at += 8
    if total == NO_PLP:
        return None, at
    parts, held = [], 0
    while True:
        (size,) = _U4.unpack_from(data, at)
        at += 4
        if not size:
            break
        held += size
        if held > LARGEST_VALUE:
            raise BadStream("a value is longer than a gibibyte")
        part, at = _value(data, at, size)
        parts.append(part)
    if total not in (UNKNOWN_PLP, held):
        raise BadStream(f"chunks of {held} bytes make up a value of {total}")
    return parts[0] if len(parts) == 1 else b"".join(parts), at


def _long(data: bytes, at: int) -> tuple[bytes | None, int]:
    (size,) = _I4.unpack_from(data, at)
    return (None, at + 4) if size < 0 else _value(data, at + 4, size)


def _long_in_rows(data: bytes, at: int) -> tuple[bytes | None, int]:
    """A text pointer and a time stamp come before."""
    size = data[at]
    return _long(data, at + 1 + size + 8) if size else (None, at + 1)


by_short = Frame(SHORT, _short)
"""Values behind two bytes of length; 0xFFFF is NULL."""
in_chunks = Frame(OTHER, _chunks)
"""Values in chunks, of a length told before or not."""
by_long = Frame(OTHER, _long)
"""TEXT and its like in parameters: four bytes of length."""
by_pointer = Frame(OTHER, _long_in_rows)
"""TEXT and its like in rows."""
nothing = Frame(OTHER, lambda _, at: (None, at))
"""The type that has no value but NULL."""
