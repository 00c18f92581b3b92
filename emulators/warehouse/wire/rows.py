"""Record batches to ROW tokens, a column at a time: no Python object is made for a value.

Each column becomes pieces, matrices of bytes for what has one width and Arrow binaries for what
has not, and Arrow joins the pieces row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from emulators.warehouse.engine.answers import Column
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.wire.few import CHUNK, too_long, written
from emulators.warehouse.wire.fixed import FIXED, Bytes, valid_of
from emulators.warehouse.wire.types_write import (
    charset,
    fixed_size,
    is_bytes,
    is_large,
    length_of,
)

ROW = 0xD1
_ROW = bytes((ROW,))
ROWS_AT_ONCE = 16384
BYTES_AT_ONCE = 32 << 20

_NO_LARGE = np.full(8, 0xFF, np.uint8)

Ints = npt.NDArray[np.int64]
Piece: TypeAlias = Bytes | pa.BinaryArray
"""A matrix of bytes, a row each; or binaries of any length."""


def encoded(
    columns: Sequence[Column], batch: pa.RecordBatch, *, utf8: bool = False
) -> Iterator[memoryview]:
    """ROW tokens of a batch, in stretches of bounded size."""
    types = [column.type for column in columns]
    few = written(types, batch, utf8=utf8, token=_ROW)
    if few is not None:
        yield memoryview(few)
        return
    step = ROWS_AT_ONCE
    if batch.num_rows and batch.nbytes > BYTES_AT_ONCE:
        step = max(1, min(step, batch.num_rows * BYTES_AT_ONCE // batch.nbytes))
    for start in range(0, batch.num_rows, step):
        part = batch.slice(start, step)
        yield _joined([_token(part.num_rows), *_pieces(types, part.columns, utf8=utf8)])


def value_of(sql: SqlType, value: Any, *, utf8: bool = False) -> bytes:
    """One value as a row would carry it."""
    array = pa.array([natural(sql, value)], sql.arrow)
    one = pa.RecordBatch.from_arrays([array], ["value"])
    few = written([sql], one, utf8=utf8, token=b"")
    if few is not None:
        return few
    return bytes(_joined(list(_pieces([sql], [array], utf8=utf8))))


def natural(sql: SqlType, value: Any) -> Any:
    """A Python value as Arrow takes it for the type."""
    if value is None:
        return None
    if pa.types.is_decimal(sql.arrow):
        exact = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
        with localcontext(prec=80):
            return exact.quantize(Decimal(1).scaleb(-sql.arrow.scale), ROUND_HALF_UP)
    if pa.types.is_string(sql.arrow):
        return str(value)
    if sql.name == "bit":
        return bool(value)
    if sql.name == "date" and isinstance(value, datetime):
        return value.date()
    return value


def widened(columns: Sequence[Column], batch: pa.RecordBatch) -> tuple[Column, ...]:
    """The columns, `(max)` where a value of the first batch is longer than its type says.

    Clients end the connection over such a value; a length that was guessed too short is no reason.
    """
    return tuple(
        replace(column, type=replace(column.type, length=MAX))
        if _exceeds(column.type, array)
        else column
        for column, array in zip(columns, batch.columns, strict=True)
    )


def _exceeds(sql: SqlType, array: pa.Array) -> bool:
    if fixed_size(sql) or is_large(sql) or array.type != sql.arrow or not len(array):
        return False
    most = length_of(sql)
    # UTF-8 has at least as many bytes as UTF-16 has units, and as cp1252 has.
    units = most // 2 if charset_of(sql) == "utf-16-le" else most
    if (pc.max(pc.binary_length(array)).as_py() or 0) <= units:
        return False
    data, lengths = _raw(array.fill_null(b"" if is_bytes(sql) else ""))
    if not is_bytes(sql):
        _, lengths = _recoded(data, lengths, charset_of(sql))
    return int(lengths.max()) > most


def charset_of(sql: SqlType) -> str:
    """How texts of a type are written; empty for bytes."""
    return "" if is_bytes(sql) else charset(sql)


def _token(rows: int) -> Bytes:
    return np.full((rows, 1), ROW, np.uint8)


def _pieces(types: Sequence[SqlType], arrays: Sequence[pa.Array], *, utf8: bool) -> Iterator[Piece]:
    for sql, array in zip(types, arrays, strict=True):
        held = array if array.type == sql.arrow else array.cast(sql.arrow)
        if fixed_size(sql):
            yield from _fixed(sql, held)
        else:
            yield from _varying(sql, held, utf8=utf8)


def _fixed(sql: SqlType, array: pa.Array) -> Iterator[Piece]:
    """A length byte and the value; the length 0 alone for NULL."""
    width = fixed_size(sql)
    cells = np.empty((len(array), 1 + width), np.uint8)
    cells[:, 0] = width
    cells[:, 1:] = FIXED[sql.name](array, sql)
    if not array.null_count:
        yield cells
        return
    valid = valid_of(array)
    cells[:, 0] = np.where(valid, width, 0)
    kept = np.broadcast_to(valid[:, None], cells.shape).copy()
    kept[:, 0] = True
    yield _binary(cells[kept], np.where(valid, 1 + width, 1))


def _varying(sql: SqlType, array: pa.Array, *, utf8: bool) -> Iterator[Piece]:
    valid = valid_of(array) if array.null_count else None
    filled = array.fill_null(b"" if is_bytes(sql) else "") if array.null_count else array
    data, lengths = _raw(filled)
    if not is_bytes(sql):
        data, lengths = _recoded(data, lengths, charset(sql, utf8=utf8))
    if is_large(sql):
        yield from _large(data, lengths, valid)
        return
    if len(lengths) and int(lengths.max()) > length_of(sql, utf8=utf8):
        raise too_long(sql)
    said = lengths if valid is None else np.where(valid, lengths, 0xFFFF)
    yield said.astype("<u2").view(np.uint8).reshape(-1, 2)
    yield _binary(data, lengths)


def _raw(array: pa.Array) -> tuple[Bytes, Ints]:
    """The bytes of all values behind one another, and the length of each."""
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int32, len(array) + 1, 4 * array.offset).astype(np.int64)
    if data is None:
        return np.empty(0, np.uint8), np.diff(bounds)
    return np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]], np.diff(bounds)


def _recoded(data: Bytes, lengths: Ints, code: str) -> tuple[Bytes, Ints]:
    """UTF-8 texts in another code; the whole column at once."""
    if code == "utf-8" or not len(data):
        return data, lengths
    wide = code == "utf-16-le"
    if int(data.max()) < 0x80:
        return (data.astype("<u2").view(np.uint8), 2 * lengths) if wide else (data, lengths)
    # How many units a byte begins: none inside of a character, a pair beyond the first plane.
    units = np.where((data & 0xC0) == 0x80, 0, np.where(wide & (data >= 0xF0), 2, 1))
    before = np.concatenate(([0], np.cumsum(units)))
    bounds = before[np.concatenate(([0], np.cumsum(lengths)))]
    recoded = data.tobytes().decode("utf-8").encode(code, "replace")
    return np.frombuffer(recoded, np.uint8), np.diff(bounds) * (2 if wide else 1)


def _large(data: Bytes, lengths: Ints, valid: npt.NDArray[np.bool_] | None) -> Iterator[Piece]:
    """Length, chunks, and an empty chunk at the end. Source: [MS-TDS] 2.2.5.2.3."""
    if len(lengths) and int(lengths.max()) > CHUNK:
        yield pa.array(list(_chunked(data, lengths, valid)), pa.binary())
        return
    head = np.empty((len(lengths), 12), np.uint8)
    head[:, :8] = lengths.astype("<u8").view(np.uint8).reshape(-1, 8)
    head[:, 8:] = lengths.astype("<u4").view(np.uint8).reshape(-1, 4)
    if valid is None and len(lengths) and int(lengths.min()) > 0:
        yield head
        yield _binary(data, lengths)
        yield np.zeros((len(lengths), 4), np.uint8)
        return
    there = np.ones(len(lengths), np.bool_) if valid is None else valid
    head[~there, :8] = _NO_LARGE
    kept = np.ones(head.shape, np.bool_)
    kept[:, 8:] = (there & (lengths > 0))[:, None]
    yield _binary(head[kept], kept.sum(axis=1))
    yield _binary(data, lengths)
    ends = np.where(there, 4, 0)
    yield _binary(np.zeros(int(ends.sum()), np.uint8), ends)


def _chunked(data: Bytes, lengths: Ints, valid: npt.NDArray[np.bool_] | None) -> Iterator[bytes]:
    at = 0
    for row, length in enumerate(lengths.tolist()):
        if valid is not None and not valid[row]:
            yield bytes(_NO_LARGE)
            continue
        parts = [length.to_bytes(8, "little")]
        for start in range(at, at + length, CHUNK):
            chunk = data[start : min(start + CHUNK, at + length)]
            parts += [len(chunk).to_bytes(4, "little"), chunk.tobytes()]
        at += length
        yield b"".join([*parts, bytes(4)])


def _binary(data: Bytes, lengths: Ints) -> pa.BinaryArray:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.binary(), len(lengths), buffers)


def _joined(pieces: Sequence[Piece]) -> memoryview:
    """The pieces of each row behind one another."""
    merged: list[Piece] = []
    run: list[Bytes] = []
    for piece in pieces:
        if isinstance(piece, np.ndarray):
            run.append(piece)
            continue
        if run:
            merged.append(np.concatenate(run, axis=1))
            run = []
        merged.append(piece)
    if run:
        merged.append(np.concatenate(run, axis=1))
    if len(merged) == 1 and isinstance(merged[0], np.ndarray):
        return memoryview(merged[0].reshape(-1).data)
    arrays = [
        _binary(m.reshape(-1), np.full(len(m), m.shape[1])) if isinstance(m, np.ndarray) else m
        for m in merged
    ]
    joined = pc.binary_join_element_wise(*arrays, b"") if len(arrays) > 1 else arrays[0]
    return memoryview(_raw(joined)[0].data)
