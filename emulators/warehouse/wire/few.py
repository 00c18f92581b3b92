"""A few rows to ROW tokens, a value at a time: a column's set-up would cost more than it saves.

What it has no writer for, or may not fit, is left to the columns' own way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Context, Decimal
from struct import Struct
from typing import Any

import pyarrow as pa

from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError
from emulators.warehouse.wire.types_write import (
    charset,
    is_bytes,
    is_large,
    is_text,
    length_of,
    time_size,
)

FEW = 12
"""Rows up to which this is the faster way; measured with three columns."""
CHUNK = 32_000
"""Bytes of a chunk of a large value: tedious collects a chunk by copying it at every packet."""
_EXACT = Context(prec=40)
FIRST_DAY = date(1, 1, 1).toordinal()

Write = Callable[[Any], bytes]
"""A value that is not NULL to its bytes, with its length."""


def _sized(kind: str) -> Write:
    packer = Struct("<B" + kind)
    size = packer.size - 1

    def write(value: Any) -> bytes:
        data: bytes = packer.pack(size, value)
        return data

    return write


def _decimal(scale: int) -> Write:
    def write(value: Decimal) -> bytes:
        magnitude = abs(int(value.scaleb(scale, _EXACT)))
        return bytes((17, 1 - value.is_signed())) + magnitude.to_bytes(16, "little")

    return write


def _datetime2(scale: int) -> Write:
    size = time_size(scale)

    def write(value: datetime) -> bytes:
        us = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
        units = us * 10 if scale == 7 else us // 10 ** (6 - scale)
        days = value.toordinal() - FIRST_DAY
        return bytes((size + 3,)) + units.to_bytes(size, "little") + days.to_bytes(3, "little")

    return write


def _date(value: date) -> bytes:
    return b"\x03" + (value.toordinal() - FIRST_DAY).to_bytes(3, "little")


def _large(data: bytes) -> bytes:
    size = len(data)
    if not size:
        return bytes(12)
    return size.to_bytes(8, "little") + size.to_bytes(4, "little") + data + bytes(4)


def _short(sql: SqlType, *, utf8: bool) -> Write:
    most = length_of(sql, utf8=utf8)

    def write(data: bytes) -> bytes:
        if len(data) > most:
            raise too_long(sql)
        return len(data).to_bytes(2, "little") + data

    return write


def too_long(sql: SqlType) -> SqlError:
    """A value that its column's type has no room for."""
    return SqlError(
        8152, 16, 30, f"String or binary data would be truncated: a value is longer than {sql}."
    )


def _of_length(sql: SqlType, *, utf8: bool) -> tuple[Write, bytes]:
    large = is_large(sql)
    frame = _large if large else _short(sql, utf8=utf8)
    nothing = b"\xff" * (8 if large else 2)
    if is_bytes(sql):
        return frame, nothing
    code = charset(sql, utf8=utf8)
    return (lambda value: frame(value.encode(code, "replace"))), nothing


_SIMPLE: dict[str, Write] = {
    "tinyint": _sized("B"), "smallint": _sized("h"), "int": _sized("i"), "bigint": _sized("q"),
    "real": _sized("f"), "float": _sized("d"), "bit": _sized("?"), "date": _date,
}  # fmt: skip
_SCALED: dict[str, Callable[[int], Write]] = {
    "decimal": _decimal, "numeric": _decimal, "datetime2": _datetime2,
}  # fmt: skip


def writer(sql: SqlType, *, utf8: bool) -> tuple[Write, bytes] | None:
    """How a value of a type is written, and what stands for NULL; None: not here."""
    if sql.name in _SIMPLE:
        return _SIMPLE[sql.name], b"\0"
    if sql.name in _SCALED:
        return _SCALED[sql.name](sql.scale), b"\0"
    if is_bytes(sql) or is_text(sql):
        return _of_length(sql, utf8=utf8)
    return None


def written(
    types: Sequence[SqlType], batch: pa.RecordBatch, *, utf8: bool, token: bytes
) -> bytes | None:
    """The rows, each behind `token`; None where the columns' own way must do it."""
    if batch.num_rows > FEW or batch.nbytes > CHUNK // 2:
        return None
    columns: list[list[bytes]] = []
    for sql, column in zip(types, batch.columns, strict=True):
        found = writer(sql, utf8=utf8)
        if found is None or column.type != sql.arrow:
            return None
        write, nothing = found
        values = column.to_pylist()
        columns.append([nothing if value is None else write(value) for value in values])
    return b"".join(part for row in zip(*columns, strict=True) for part in (token, *row))
