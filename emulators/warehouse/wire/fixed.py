"""Values of fixed width as they lie in a row, computed for a whole column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.wire.types_write import time_size

Bytes = npt.NDArray[np.uint8]
Encoder = Callable[[pa.Array, SqlType], Bytes]
"""A column to a matrix of bytes, a row each; what stands for NULL does not matter."""

DAY_US = 86_400_000_000
EPOCH_DAYS = 719_162  # from 0001-01-01 to 1970-01-01
EPOCH_1900 = 25_567  # from 1900-01-01 to 1970-01-01
TICKS_A_DAY = 25_920_000  # of a 300th of a second

_HEX = np.zeros(256, np.uint8)
for _digit in range(16):
    _HEX[ord(f"{_digit:x}")] = _HEX[ord(f"{_digit:X}")] = _digit
_GUID_DIGITS = [at for at in range(36) if at not in (8, 13, 18, 23)]
_GUID_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]


def valid_of(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Where there is a value."""
    valid: npt.NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _values(array: pa.Array, dtype: Any) -> npt.NDArray[Any]:
    """The values as they lie in Arrow's buffer, NULL or not."""
    kind = np.dtype(dtype)
    return np.frombuffer(array.buffers()[1], kind, len(array), kind.itemsize * array.offset)


def _as_bytes(values: npt.NDArray[Any], width: int | None = None) -> Bytes:
    """The first `width` bytes of each little-endian value."""
    size = values.dtype.itemsize
    matrix: Bytes = np.ascontiguousarray(values).view(np.uint8).reshape(-1, size)
    return matrix[:, :width] if width else matrix


def _plain(dtype: str) -> Encoder:
    return lambda array, _: _as_bytes(_values(array, dtype))


def _bit(array: pa.Array, _: SqlType) -> Bytes:
    filled = array.fill_null(False) if array.null_count else array
    flags: npt.NDArray[np.bool_] = filled.to_numpy(zero_copy_only=False)
    return flags.astype(np.uint8).reshape(-1, 1)


def _decimal(array: pa.Array, _: SqlType) -> Bytes:
    """Sign, then the magnitude in 16 bytes."""
    halves = _values(array, "V16").view("<u8").reshape(-1, 2)
    low, high = halves[:, 0], halves[:, 1]
    negative = (high >> np.uint64(63)).astype(np.bool_)
    cells = np.empty((len(array), 17), np.uint8)
    cells[:, 0] = np.where(negative, 0, 1)
    cells[:, 1:9] = _as_bytes(np.where(negative, ~low + np.uint64(1), low))
    carried = ~high + (low == 0).astype(np.uint64)
    cells[:, 9:] = _as_bytes(np.where(negative, carried, high))
    return cells


def _money(array: pa.Array, sql: SqlType) -> Bytes:
    """Ten-thousandths; the high half first."""
    low = _values(array, "V16").view("<i8").reshape(-1, 2)[:, 0]
    if sql.name == "smallmoney":
        return _as_bytes(low, 4)
    return _as_bytes(low)[:, [4, 5, 6, 7, 0, 1, 2, 3]]


def _days_and_us(array: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    days, us = np.divmod(_values(array, "<i8"), DAY_US)
    return days, us


def _time(us: npt.NDArray[np.int64], scale: int) -> Bytes:
    units = us * 10 if scale == 7 else us // 10 ** (6 - scale)
    return _as_bytes(units, time_size(scale))


def _days(days: npt.NDArray[Any]) -> Bytes:
    return _as_bytes(days.astype("<i8") + EPOCH_DAYS, 3)


def _date(array: pa.Array, _: SqlType) -> Bytes:
    return _days(_values(array, "<i4"))


def _time_of_day(array: pa.Array, sql: SqlType) -> Bytes:
    return _time(_values(array, "<i8"), sql.scale)


def _datetime2(array: pa.Array, sql: SqlType) -> Bytes:
    days, us = _days_and_us(array)
    return np.concatenate((_time(us, sql.scale), _days(days)), axis=1)


def _datetimeoffset(array: pa.Array, sql: SqlType) -> Bytes:
    """UTC, and an offset of no minutes."""
    no_minutes = np.zeros((len(array), 2), np.uint8)
    return np.concatenate((_datetime2(array, sql), no_minutes), axis=1)


def _datetime(array: pa.Array, _: SqlType) -> Bytes:
    days, us = _days_and_us(array)
    ticks = (us * 3 + 5_000) // 10_000
    days = days + ticks // TICKS_A_DAY
    parts = (_as_bytes(days + EPOCH_1900, 4), _as_bytes(ticks % TICKS_A_DAY, 4))
    return np.concatenate(parts, axis=1)


def _smalldatetime(array: pa.Array, _: SqlType) -> Bytes:
    days, us = _days_and_us(array)
    minutes = (us + 30_000_000) // 60_000_000
    days = days + minutes // 1440
    parts = (_as_bytes(days + EPOCH_1900, 2), _as_bytes(minutes % 1440, 2))
    return np.concatenate(parts, axis=1)


def _guid(array: pa.Array, _: SqlType) -> Bytes:
    """Text to bytes, the first three groups with their low byte first."""
    filled = array.fill_null("0" * 36) if array.null_count else array
    _, offsets, data = filled.buffers()
    bounds = np.frombuffer(offsets, np.int32, len(filled) + 1, 4 * filled.offset)
    if not (np.diff(bounds) == 36).all():
        raise ValueError("a uniqueidentifier is not its text of 36 characters")
    text = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data else np.empty(0, np.uint8)
    digits = _HEX[text.reshape(-1, 36)[:, _GUID_DIGITS]]
    octets: Bytes = (digits[:, ::2] * np.uint8(16)) + digits[:, 1::2]
    return octets[:, _GUID_ORDER]


FIXED: dict[str, Encoder] = {
    "tinyint": _plain("u1"), "smallint": _plain("<i2"), "int": _plain("<i4"),
    "bigint": _plain("<i8"), "real": _plain("<f4"), "float": _plain("<f8"), "bit": _bit,
    "decimal": _decimal, "numeric": _decimal, "money": _money, "smallmoney": _money,
    "date": _date, "time": _time_of_day, "datetime2": _datetime2,
    "datetimeoffset": _datetimeoffset, "datetime": _datetime, "smalldatetime": _smalldatetime,
    "uniqueidentifier": _guid,
}  # fmt: skip
