"""Files as record batches: CSV whose fields stay text, and Parquet as it lies."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 64 << 20
"""A CSV row is at most this long; a model as hexadecimal text is one field."""

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Csv:
    """How a CSV file is written. Terminators may have several characters."""

    separator: str = ","
    quote: str = '"'
    row: str = "\n"
    first_row: int = 1
    encoding: str = "utf8"
    compression: str = ""
    empty_is_null: bool = True


def _plain_file(path: Path, compression: str) -> bytes | None:
    """The bytes of a compressed file; None when it is not compressed."""
    kinds = {"": None, "none": None, "gzip": gzip.decompress, "defaultcodec": zlib.decompress,
             "bzip2": bz2.decompress}  # fmt: skip
    if compression not in kinds:
        raise refused(f"COMPRESSION = '{compression}' of text files")
    unpack = kinds[compression]
    data = path.read_bytes() if unpack is not None else b""
    if unpack is None and _looks_gzip(path):
        unpack, data = gzip.decompress, path.read_bytes()
    if unpack is None:
        return None
    try:
        return unpack(data)
    except (OSError, EOFError, zlib.error) as why:
        raise SqlError(13812, 16, 1, f"The file cannot be unpacked: {why}.") from None


def _looks_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def csv_batches(path: Path, how: Csv, columns: int) -> Iterator[pa.RecordBatch]:
    """Batches of `columns` text columns named c1, c2, …

    Raises:
        SqlError: 4832 where a row has another number of fields.
    """
    data = _plain_file(path, how.compression)
    simple = (
        len(how.separator) == 1 and ord(how.separator) < 128 and how.row in ("\n", "\r\n")
        and len(how.quote) <= 1 and how.encoding == "utf8"
    )  # fmt: skip
    if simple:
        yield from _arrow_csv(path, data, how, columns)
        return
    text = (data if data is not None else path.read_bytes()).decode(
        "utf-16" if how.encoding == "utf16" else "utf-8-sig"
    )
    yield from _slow_csv(text, how, columns)


def _arrow_csv(path: Path, data: bytes | None, how: Csv, columns: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv

    names = [f"c{n}" for n in range(1, columns + 1)]
    source: Any = str(path) if data is None else pa.BufferReader(data)
    size = path.stat().st_size if data is None else len(data)
    if size == 0:
        return
    quote: Any = how.quote or False
    try:
        reader = csv.open_csv(
            source,
            read_options=csv.ReadOptions(
                column_names=names, skip_rows=how.first_row - 1, use_threads=False,
                block_size=max(1 << 16, min(size + 1, BLOCK_BYTES)),
            ),
            parse_options=csv.ParseOptions(
                delimiter=how.separator, quote_char=quote, double_quote=bool(how.quote),
                newlines_in_values=bool(how.quote), ignore_empty_lines=columns > 1,
            ),
            convert_options=csv.ConvertOptions(
                column_types={n: pa.string() for n in names}, strings_can_be_null=how.empty_is_null,
                null_values=[""], quoted_strings_can_be_null=False,
            ),
        )  # fmt: skip
        yield from reader
    except pa.ArrowInvalid as why:
        if "Empty CSV" in str(why) or "Could not skip initial" in str(why):
            return
        raise SqlError(4832, 16, 1, f"Bulk load: {str(why).partition(chr(10))[0]}.") from None


def _slow_csv(text: str, how: Csv, columns: int) -> Iterator[pa.RecordBatch]:
    """Any terminators: read by hand."""
    import pyarrow as pa

    names = [f"c{n}" for n in range(1, columns + 1)]
    rows: list[list[str | None]] = []

    def batch() -> pa.RecordBatch:
        arrays = [pa.array([r[n] for r in rows], pa.string()) for n in range(columns)]
        return pa.record_batch(arrays, names)

    for number, row in enumerate(_fields(text, how), 1):
        if number < how.first_row:
            continue
        if len(row) != columns:
            told = f"Bulk load: row {number} has {len(row)} fields, {columns} were expected."
            raise SqlError(4832, 16, 1, told)
        rows.append(row)
        if len(rows) >= BATCH_ROWS:
            yield batch()
            rows.clear()
    if rows:
        yield batch()


def _fields(text: str, how: Csv) -> Iterator[list[str | None]]:
    at, end = 0, len(text)
    row: list[str | None] = []
    ends = (how.row,) if how.row not in ("\n", "\r\n") else ("\r\n", "\n")
    while at < end:
        if how.quote and text.startswith(how.quote, at):
            value, at = _quoted(text, at, how.quote)
            row.append(value)
        else:
            stop = min(
                (p for p in (text.find(s, at) for s in (how.separator, *ends)) if p >= 0),
                default=end,
            )
            field = text[at:stop]
            row.append(None if not field and how.empty_is_null else field)
            at = stop
        closed = next((s for s in ends if text.startswith(s, at)), None)
        if closed is not None or at >= end:
            yield row
            row = []
            at += len(closed or "")
        elif text.startswith(how.separator, at):
            at += len(how.separator)
            if at >= end or any(text.startswith(s, at) for s in ends):
                row.append(None if how.empty_is_null else "")
                closed = next((s for s in ends if text.startswith(s, at)), "")
                at += len(closed)
                yield row
                row = []
        else:
            at += 1
    if row:
        yield row


def _quoted(text: str, at: int, mark: str) -> tuple[str, int]:
    parts: list[str] = []
    at += len(mark)
    while True:
        stop = text.find(mark, at)
        if stop < 0:
            raise SqlError(4832, 16, 1, "Bulk load: a quoted field does not end.")
        parts.append(text[at:stop])
        at = stop + len(mark)
        if not text.startswith(mark, at):
            return mark.join(parts), at
        at += len(mark)


def parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The row groups of a Parquet file, columns named c1, c2, …

    Raises:
        SqlError: 15821: it is no Parquet file.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                names = [f"c{n}" for n in range(1, batch.num_columns + 1)]
                yield pa.RecordBatch.from_arrays(batch.columns, names=names)
    except (pa.ArrowInvalid, OSError) as why:
        text = f"Error occurred while accessing the Parquet file: {str(why).partition(chr(10))[0]}."
        raise SqlError(15821, 16, 1, text) from None


def type_of(kind: pa.DataType) -> SqlType:
    """The T-SQL type of a column of a Parquet file.

    Raises:
        SqlError: 40517: a nested type.
    """
    import pyarrow as pa

    text, data = SqlType("nvarchar", MAX), SqlType("varbinary", MAX)
    plain: list[tuple[Any, SqlType]] = [
        (pa.types.is_boolean, SqlType("bit")), (pa.types.is_int8, SqlType("smallint")),
        (pa.types.is_uint8, SqlType("tinyint")), (pa.types.is_int16, SqlType("smallint")),
        (pa.types.is_uint16, SqlType("int")), (pa.types.is_int32, SqlType("int")),
        (pa.types.is_uint32, SqlType("bigint")), (pa.types.is_int64, SqlType("bigint")),
        (pa.types.is_float32, SqlType("real")), (pa.types.is_float64, SqlType("float")),
        (pa.types.is_date, SqlType("date")), (pa.types.is_time, SqlType("time", scale=6)),
        (pa.types.is_timestamp, SqlType("datetime2", scale=6)),
        (pa.types.is_string, text), (pa.types.is_large_string, text),
        (pa.types.is_binary, data), (pa.types.is_large_binary, data),
        (pa.types.is_fixed_size_binary, data), (pa.types.is_null, SqlType("null")),
    ]  # fmt: skip
    if pa.types.is_decimal(kind):
        return SqlType("decimal", 0, kind.precision, kind.scale)
    if pa.types.is_dictionary(kind):
        return type_of(kind.value_type)
    for test, made in plain:
        if test(kind):
            return made
    raise refused(f"columns of Parquet's type {kind}")
