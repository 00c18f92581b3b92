"""A column of raw values to Arrow, all at once where the type allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.wire.fixed import DAY_US, EPOCH_1900, EPOCH_DAYS
from emulators.warehouse.wire.packets import BadStream
from emulators.warehouse.wire.types_read import Described

Raw = Sequence[bytes | None]
Cells = npt.NDArray[np.uint8]
"""Values of one size, a row of bytes each."""

LAST_DAY = 3_652_058  # 9999-12-31, counted from 0001-01-01


def column_of(kind: Described, raw: Raw) -> pa.Array:
    """The values as the type's Arrow array.

    Raises:
        BadStream: values that are none of the type.
    """
    if kind.code:
        return _texts(kind, raw)
    sql = kind.sql
    if pa.types.is_binary(sql.arrow):
        return pa.array(raw, sql.arrow)
    convert = _VECTORS.get(sql.name)
    cells = _cells(kind, raw) if convert is not None else None
    if convert is None or cells is None:
        return _one_by_one(kind, raw)
    return _array(sql.arrow, convert(cells, sql), raw)


def _one_by_one(kind: Described, raw: Raw) -> pa.Array:
    values = []
    for value in raw:
        if value is not None and kind.frame.sizes:
            kind.frame.check(len(value))
        values.append(None if value is None else kind.convert(value))
    if kind.sql.name == "uniqueidentifier":
        values = [None if value is None else str(value) for value in values]
    return pa.array(values, kind.sql.arrow)


def _cells(kind: Described, raw: Raw) -> Cells | None:
    """The values as a matrix, NULL as zeros; None when they are not all of one size."""
    there = [value for value in raw if value is not None]
    if not there:
        return None
    size = len(there[0])
    kind.frame.check(size)
    if len(there) != len(raw):
        nothing = bytes(size)
        there = [nothing if value is None else value for value in raw]
    if set(map(len, there)) != {size}:
        return None
    return np.frombuffer(b"".join(there), np.uint8).reshape(-1, size)


def _array(arrow: pa.DataType, values: npt.NDArray[Any], raw: Raw) -> pa.Array:
    """An array on the values' own memory, NULL where there was none."""
    validity, nulls = _validity(raw)
    if pa.types.is_boolean(arrow):
        packed = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(arrow, len(raw), [validity, pa.py_buffer(packed)], nulls)
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(arrow, len(raw), [validity, data], nulls)


def _validity(raw: Raw) -> tuple[pa.Buffer | None, int]:
    nulls = raw.count(None)
    if not nulls:
        return None, 0
    there = np.fromiter((value is not None for value in raw), np.bool_, len(raw))
    return pa.py_buffer(np.packbits(there, bitorder="little")), nulls


def _as(dtype: str) -> Callable[[Cells, SqlType], npt.NDArray[Any]]:
    size = np.dtype(dtype).itemsize

    def convert(cells: Cells, _: SqlType) -> npt.NDArray[Any]:
        if cells.shape[1] != size:
            raise BadStream(f"a value of {cells.shape[1]} bytes")
        return np.ascontiguousarray(cells).view(dtype).reshape(-1)

    return convert


def _number(cells: Cells) -> npt.NDArray[np.int64]:
    """Little-endian numbers of up to seven bytes."""
    padded = np.zeros((len(cells), 8), np.uint8)
    padded[:, : cells.shape[1]] = cells
    number: npt.NDArray[np.int64] = padded.view("<i8").reshape(-1)
    return number


def _bits(cells: Cells, _: SqlType) -> npt.NDArray[Any]:
    flags: npt.NDArray[np.bool_] = cells[:, 0] != 0
    return flags


def _days(cells: Cells) -> npt.NDArray[np.int64]:
    days = _number(cells)
    if int(days.max()) > LAST_DAY:
        raise BadStream("a date out of the calendar")
    return days - EPOCH_DAYS


def _date(cells: Cells, _: SqlType) -> npt.NDArray[Any]:
    return _days(cells).astype("<i4")


def _us(cells: Cells, scale: int) -> npt.NDArray[np.int64]:
    units = _number(cells)
    us = units // 10 if scale == 7 else units * 10 ** (6 - scale)
    if int(us.max()) >= DAY_US:
        raise BadStream("a time of day beyond midnight")
    return us


def _time(cells: Cells, sql: SqlType) -> npt.NDArray[Any]:
    return _us(cells, sql.scale)


def _datetime2(cells: Cells, sql: SqlType) -> npt.NDArray[Any]:
    return _days(cells[:, -3:]) * DAY_US + _us(cells[:, :-3], sql.scale)


def _datetimeoffset(cells: Cells, sql: SqlType) -> npt.NDArray[Any]:
    return _datetime2(cells[:, :-2], sql)


def _datetime(cells: Cells, _: SqlType) -> npt.NDArray[Any]:
    if cells.shape[1] == 4:
        halves = np.ascontiguousarray(cells).view("<u2").reshape(-1, 2).astype(np.int64)
        return (halves[:, 0] - EPOCH_1900) * DAY_US + halves[:, 1] * 60_000_000
    parts = np.ascontiguousarray(cells).view("<i4").reshape(-1, 2).astype(np.int64)
    milliseconds = (parts[:, 1] * 10 + 1) // 3
    return (parts[:, 0] - EPOCH_1900) * DAY_US + milliseconds * 1000


def _decimal(cells: Cells, _: SqlType) -> npt.NDArray[Any]:
    """Sign and magnitude to 16 bytes of two's complement."""
    padded = np.zeros((len(cells), 16), np.uint8)
    padded[:, : cells.shape[1] - 1] = cells[:, 1:]
    halves = padded.view("<u8").reshape(-1, 2)
    return _signed(halves[:, 0], halves[:, 1], cells[:, 0] == 0)


def _signed(low: Any, high: Any, negative: Any) -> npt.NDArray[Any]:
    made = np.empty((len(low), 2), "<u8")
    made[:, 0] = np.where(negative, ~low + np.uint64(1), low)
    made[:, 1] = np.where(negative, ~high + (low == 0).astype(np.uint64), high)
    return made


def _money(cells: Cells, _: SqlType) -> npt.NDArray[Any]:
    if cells.shape[1] == 4:
        number = np.ascontiguousarray(cells).view("<i4").reshape(-1).astype(np.int64)
    else:
        swapped = np.ascontiguousarray(cells[:, [4, 5, 6, 7, 0, 1, 2, 3]])
        number = swapped.view("<i8").reshape(-1)
    return np.stack((number, np.where(number < 0, -1, 0)), axis=1).astype("<i8")


def _texts(kind: Described, raw: Raw) -> pa.Array:
    """Texts of a column, recoded together."""
    full = [value or b"" for value in raw]
    recoded = _utf8(b"".join(full), kind.code)
    if recoded is None:
        return pa.array([None if v is None else kind.convert(v) for v in raw], kind.sql.arrow)
    data, places = recoded
    lengths = np.fromiter(map(len, full), np.int64, len(raw))
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    if kind.code == "utf-16-le":
        bounds //= 2
        if (lengths & 1).any():
            raise BadStream("half a character of UTF-16")
    offsets = (bounds if places is None else places[bounds]).astype(np.int32)
    validity, nulls = _validity(raw)
    buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(raw), buffers, nulls)


def _utf8(data: bytes, code: str) -> tuple[bytes, npt.NDArray[np.int64] | None] | None:
    """The bytes in UTF-8, and where each unit begins there, unless one is one byte.

    None when they cannot be recoded together: not ASCII of one byte, or half a pair.
    """
    if code != "utf-16-le":
        return (data, None) if data.isascii() else None
    units = np.frombuffer(data[: len(data) & ~1], "<u2")
    if not len(units) or int(units.max()) < 0x80:
        return units.astype(np.uint8).tobytes(), None
    try:
        recoded = data.decode(code).encode()
    except UnicodeDecodeError:
        return None
    high, low = (units & 0xFC00) == 0xD800, (units & 0xFC00) == 0xDC00
    sizes = np.where(units < 0x80, 1, np.where(units < 0x800, 2, 3))
    sizes = np.where(high, 4, np.where(low, 0, sizes))
    return recoded, np.concatenate(([0], np.cumsum(sizes)))


_VECTORS: dict[str, Callable[[Cells, SqlType], npt.NDArray[Any]]] = {
    "tinyint": _as("u1"), "smallint": _as("<i2"), "int": _as("<i4"), "bigint": _as("<i8"),
    "real": _as("<f4"), "float": _as("<f8"), "bit": _bits, "date": _date, "time": _time,
    "datetime2": _datetime2, "datetimeoffset": _datetimeoffset, "datetime": _datetime,
    "smalldatetime": _datetime, "decimal": _decimal, "money": _money, "smallmoney": _money,
}  # fmt: skip
