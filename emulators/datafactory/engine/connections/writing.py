"""Rows as the bytes of a file of each format."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import orjson

from emulators.datafactory.engine.connections import values
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.formats import packing
from emulators.datafactory.engine.connections.formats.delimited import RowWriter
from emulators.datafactory.engine.connections.places import is_true
from emulators.datafactory.engine.connections.resolving import Dataset
from emulators.datafactory.engine.connections.tables import (
    TABULAR,
    Batch,
    Column,
    Documents,
    Piece,
    dialect_of,
    encoding_of,
)

MEDIA = {"json": "application/json", "delimitedtext": "text/csv"}
ENDINGS = {"json": ".json", "parquet": ".parquet", "delimitedtext": ".txt", "binary": ""}
PARQUET_CODECS = {"": "snappy", "none": "none", "snappy": "snappy", "gzip": "gzip"}
PIECE_BYTES = 1 << 20
_JSON = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS


def media_of(dataset: Dataset) -> str:
    """The Content-Type of files of a dataset."""
    return MEDIA.get(dataset.kind, "application/octet-stream")


def check_sink(dataset: Dataset, settings: Mapping[str, Any]) -> None:
    """Let pass a sink whose format and settings are honoured.

    Raises:
        NotEmulated: one is not.
    """
    if dataset.kind not in TABULAR:
        raise NotEmulated(f"writing rows to datasets of type '{dataset.type}'")
    for name in ("maxRowsPerFile", "fileNamePrefix"):
        if settings.get(name):
            raise NotEmulated(f"the format setting '{name}'")
    if dataset.kind != "parquet":
        packing.codec_of(dataset.properties)


async def bytes_of(
    pieces: AsyncIterator[Piece], dataset: Dataset, settings: Mapping[str, Any]
) -> AsyncIterator[bytes]:
    """A file's bytes.

    Args:
        settings: the sink's `formatSettings`, evaluated.

    Raises:
        ConnectionFailed: a value cannot be written.
    """
    if dataset.kind == "parquet":
        async for chunk in _parquet(pieces, dataset):
            yield chunk
        return
    codec = packing.codec_of(dataset.properties)
    text = (
        _documents(pieces, settings)
        if dataset.kind == "json"
        else _delimited(pieces, dataset, settings)
    )
    raw = _encoded(text, encoding_of(dataset.properties))
    async for chunk in packing.packed(raw, codec, fastest=packing.is_fastest(dataset.properties)):
        yield chunk


async def _encoded(text: AsyncIterator[str], encoding: str) -> AsyncIterator[bytes]:
    codec = "utf-8" if encoding == "utf-8-sig" else encoding
    async for part in text:
        yield part.encode(codec, "replace")


async def _delimited(
    pieces: AsyncIterator[Piece], dataset: Dataset, settings: Mapping[str, Any]
) -> AsyncIterator[str]:
    quote_all = is_true(settings.get("quoteAllText"))
    writer = RowWriter(dialect_of(dataset.properties), quote_all=quote_all)
    header = is_true(dataset.get("firstRowAsHeader"))
    async for piece in pieces:
        assert isinstance(piece, Batch)
        if header and piece.columns:
            header = False
            yield writer.write([[column.name for column in piece.columns]])
        if piece.rows:
            yield writer.write([[values.as_text(v) for v in row] for row in piece.rows])


async def _documents(
    pieces: AsyncIterator[Piece], settings: Mapping[str, Any]
) -> AsyncIterator[str]:
    """Objects one a line, or in one array (`filePattern`)."""
    array = str(settings.get("filePattern") or "setOfObjects").lower() == "arrayofobjects"
    between, start = ("," if array else "\r\n"), ("[" if array else "")
    async for piece in pieces:
        lines = [_line(one) for one in _rows(piece)]
        if lines:
            yield start + between.join(lines)
            start = between
    if array:
        yield "[]" if start == "[" else "]"


def _rows(piece: Piece) -> Sequence[Mapping[str, Any]]:
    if isinstance(piece, Documents):
        return piece.documents
    names = [column.name for column in piece.columns]
    return [dict(zip(names, row, strict=True)) for row in piece.rows]


def _line(one: Mapping[str, Any]) -> str:
    """A document as compact JSON, what is not JSON's own as outputs show it."""
    try:
        return orjson.dumps(one, values.as_json, _JSON).decode()
    except TypeError:  # a number of more than 64 bits
        return json.dumps(values.as_json(one), ensure_ascii=False, separators=(",", ":"))


async def _parquet(pieces: AsyncIterator[Piece], dataset: Dataset) -> AsyncIterator[bytes]:
    import pyarrow
    from pyarrow import parquet

    name = str(dataset.get("compressionCodec") or "").lower()
    if name not in PARQUET_CODECS:
        raise NotEmulated(f"the Parquet compression '{name}'")
    with tempfile.TemporaryFile() as file:
        writer: Any = None
        changes: list[Callable[[Any], Any]] = []
        async for piece in pieces:
            assert isinstance(piece, Batch)
            if not piece.columns:
                continue
            if writer is None:
                kinds = [_arrow(pyarrow, column) for column in piece.columns]
                names = [column.name for column in piece.columns]
                fields = list(zip(names, kinds, strict=True))
                schema = pyarrow.schema(fields)
                writer = parquet.ParquetWriter(file, schema, compression=PARQUET_CODECS[name])
                changes = [values.converter(_storable(c.type)) for c in piece.columns]
            if piece.rows:
                arrays = [
                    _array(pyarrow, [row[at] for row in piece.rows], kinds[at], changes[at], column)
                    for at, column in enumerate(piece.columns)
                ]
                writer.write_table(pyarrow.table(arrays, schema=schema))
        if writer is not None:
            writer.close()
        file.seek(0)
        while chunk := file.read(PIECE_BYTES):
            yield chunk


def _storable(kind: str) -> str:
    return "String" if kind.lower() in ("object", "array", "guid", "timespan", "time") else kind


def _array(
    pyarrow: Any, found: list[Any], kind: Any, change: Callable[[Any], Any], column: Column
) -> Any:
    changed = [values.convert(value, change, column.name, column.type) for value in found]
    try:
        return pyarrow.array(changed, kind)
    except (pyarrow.ArrowException, OverflowError) as wrong:
        raise ConnectionFailed(
            "ParquetInvalidValue", f"A value of column '{column.name}' cannot be written: {wrong}"
        ) from wrong


def _arrow(pyarrow: Any, column: Column) -> Any:
    """The Parquet type of an interim type."""
    kind = _storable(column.type).lower()
    found = {
        "boolean": pyarrow.bool_(),
        "byte": pyarrow.int32(),
        "sbyte": pyarrow.int32(),
        "int16": pyarrow.int32(),
        "int32": pyarrow.int32(),
        "int64": pyarrow.int64(),
        "uint16": pyarrow.int32(),
        "uint32": pyarrow.int64(),
        "uint64": pyarrow.decimal128(20, 0),
        "single": pyarrow.float32(),
        "double": pyarrow.float64(),
        "decimal": pyarrow.decimal128(38, 18),
        "datetime": pyarrow.timestamp("us"),
        "datetimeoffset": pyarrow.timestamp("us", tz="UTC"),
        "date": pyarrow.timestamp("us"),
        "bytearray": pyarrow.binary(),
        "byte[]": pyarrow.binary(),
    }
    return found.get(kind, pyarrow.string())
