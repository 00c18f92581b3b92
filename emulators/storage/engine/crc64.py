"""The 64-bit checksum of Azure Storage, fast enough without an extension.

Source: learn.microsoft.com/rest/api/storageservices (x-ms-content-crc64); the polynomial is the
one published for NVMe, reflected, all ones before and after.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

POLYNOMIAL = 0x9A6C9329AC4BC9B5
ONES = (1 << 64) - 1
LANE = 1024
"""Bytes a lane takes; many lanes are worked on side by side."""


@cache
def _byte_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (POLYNOMIAL if value & 1 else 0)  # noqa: PLW2901
        table.append(value)
    return table


@cache
def _byte_table_array() -> Any:
    import numpy as np

    return np.array(_byte_table(), dtype=np.uint64)


def _short(crc: int, data: bytes) -> int:
    table = _byte_table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


@cache
def _skip_tables(size: int) -> Any:
    """Tables, shape (8, 256), that move a register over `size` zero bytes (a power of two)."""
    import numpy as np

    if size == 1:
        tables = np.zeros((8, 256), dtype=np.uint64)
        for place in range(8):
            for value in range(256):
                tables[place, value] = _short(value << (8 * place), b"\0")
        return tables
    half = _skip_tables(size // 2)
    return _moved(_moved_identity(half), half).reshape(8, 256)


def _moved_identity(tables: Words) -> Words:
    """Where `tables` move each register that has one byte set, shape (2048,)."""
    return tables.reshape(-1)


def _moved(registers: Words, tables: Words) -> Words:
    import numpy as np

    total = np.zeros_like(registers)
    for place in range(8):
        byte = ((registers >> np.uint64(8 * place)) & np.uint64(0xFF)).astype(np.intp)
        total ^= tables[place][byte]
    return total


def _long(crc: int, data: bytes) -> int:
    """The register after `data`, whose length is LANE times a power of two."""
    import numpy as np

    table = _byte_table_array()
    lanes = np.frombuffer(data, dtype=np.uint8).reshape(-1, LANE)
    columns = np.ascontiguousarray(lanes.T)
    registers = np.zeros(len(lanes), dtype=np.uint64)
    registers[0] = np.uint64(crc)
    for column in columns:
        index = (registers.astype(np.uint8) ^ column).astype(np.intp)
        registers = table[index] ^ (registers >> np.uint64(8))
    span = LANE
    while len(registers) > 1:
        registers = _moved(registers[0::2], _skip_tables(span)) ^ registers[1::2]
        span *= 2
    return int(registers[0])


class Crc64:
    """A checksum of bytes that come in pieces."""

    def __init__(self) -> None:
        self._register = ONES

    def update(self, data: bytes) -> None:
        """Take more bytes in."""
        at = 0
        while len(data) - at >= 16 * LANE:
            lanes = 1 << (((len(data) - at) // LANE).bit_length() - 1)
            size = min(lanes, 4096) * LANE
            self._register = _long(self._register, data[at : at + size])
            at += size
        self._register = _short(self._register, data[at:])

    @property
    def value(self) -> int:
        """The checksum as a number."""
        return self._register ^ ONES

    def digest(self) -> bytes:
        """The checksum as Azure sends it: 8 bytes, the lowest first."""
        return self.value.to_bytes(8, "little")
