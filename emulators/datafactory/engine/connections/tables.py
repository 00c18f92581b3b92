"""Rows on their way from a source to a sink, in batches; and files of each format as such rows."""

from __future__ import annotations

import asyncio
import codecs
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.formats import packing
from emulators.datafactory.engine.connections.formats.delimited import Dialect, RowReader
from emulators.datafactory.engine.connections.formats.documents import DocumentReader
from emulators.datafactory.engine.connections.places import is_true
from emulators.datafactory.engine.connections.resolving import Dataset

ENCODINGS = {
    "utf-8": "utf-8-sig", "utf-8 without bom": "utf-8", "utf-16": "utf-16-le",
    "utf-16le": "utf-16-le", "utf-16be": "utf-16-be", "utf-32": "utf-32-le",
    "utf-32be": "utf-32-be", "us-ascii": "ascii",
    "windows-1252": "cp1252", "iso-8859-1": "latin-1",
}  # fmt: skip
PARQUET_ROWS = 10_000
PIECE_BYTES = 1 << 16
TABULAR = frozenset({"delimitedtext", "json", "parquet"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its interim type."""

    name: str
    type: str = "String"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows under columns; the first batch of a table may be empty and tells its columns."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Documents:
    """JSON documents: rows whose columns are their own."""

    documents: Sequence[Mapping[str, Any]] = field(default_factory=list)


Piece = Batch | Documents


def encoding_of(dataset: Mapping[str, Any]) -> str:
    """The codec of a dataset's `encodingName`.

    Raises:
        ConnectionFailed: there is no such encoding.
    """
    name = str(dataset.get("encodingName") or "UTF-8").lower()
    codec = ENCODINGS.get(name, name)
    try:
        codecs.lookup(codec)
    except LookupError:
        raise ConnectionFailed(
            "UserErrorInvalidEncoding",
            f"The encoding '{dataset.get('encodingName')}' is not known.",
        ) from None
    return codec


def dialect_of(dataset: Mapping[str, Any]) -> Dialect:
    """How a DelimitedText dataset tells values apart.

    Raises:
        NotEmulated: marks of several characters, or none between columns.
    """

    def mark(name: str, default: str) -> str:
        found = dataset.get(name)
        return default if found is None else str(found)

    dialect = Dialect(
        mark("columnDelimiter", ","),
        mark("rowDelimiter", ""),
        mark("quoteChar", '"'),
        mark("escapeChar", "\\"),
        mark("nullValue", ""),
    )
    for name, value in (("quoteChar", dialect.quote), ("escapeChar", dialect.escape)):
        if len(value) > 1:
            raise NotEmulated(f"a {name} of several characters")
    if not dialect.delimiter:
        raise NotEmulated("delimited text without a column delimiter")
    return dialect


async def pieces_of(
    chunks: AsyncIterator[bytes], dataset: Dataset, settings: Mapping[str, Any], name: str
) -> AsyncGenerator[Piece]:
    """The rows of one file.

    Args:
        settings: the source's `formatSettings`, evaluated.
        name: the file's, for messages.

    Raises:
        ConnectionFailed: it is not of the dataset's format.
        NotEmulated: the format is not read here.
    """
    async with aclosing(_opened(chunks, dataset, settings, name)) as pieces:
        async for piece in pieces:
            yield piece


def _opened(
    chunks: AsyncIterator[bytes], dataset: Dataset, settings: Mapping[str, Any], name: str
) -> AsyncGenerator[Piece]:
    if dataset.kind == "parquet":
        return _parquet(chunks)
    if dataset.kind not in TABULAR:
        raise NotEmulated(f"reading rows from datasets of type '{dataset.type}'")
    plain = packing.unpacked(chunks, packing.codec_of(dataset.properties))
    text = _decoded(plain, encoding_of(dataset.properties))
    if dataset.kind == "json":
        return _documents(text)
    return _delimited(text, dataset, settings, name)


async def _decoded(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    first = True
    async for chunk in chunks:
        for at in range(0, len(chunk), PIECE_BYTES):
            text = decoder.decode(chunk[at : at + PIECE_BYTES])
            if text:
                yield text.removeprefix("\ufeff") if first else text
                first = False
                await asyncio.sleep(0)  # what is made of a piece takes milliseconds
    rest = decoder.decode(b"", True)
    if rest:
        yield rest


async def _documents(text: AsyncIterator[str]) -> AsyncGenerator[Piece]:
    reader = DocumentReader()
    async for part in text:
        found = reader.feed(part)
        if found:
            yield Documents(found)
    yield Documents(reader.feed("", last=True))


async def _delimited(
    text: AsyncIterator[str], dataset: Dataset, settings: Mapping[str, Any], name: str
) -> AsyncGenerator[Piece]:
    reader = RowReader(dialect_of(dataset.properties))
    table = _Shape(is_true(dataset.get("firstRowAsHeader")), name)
    lines = _without(text, _skipped(dataset, settings))
    async for part in lines:
        rows = table.shaped(reader.feed(part))
        if rows:
            yield Batch(table.columns, rows)
    rows = table.shaped(reader.feed("", last=True))
    yield Batch(table.columns, rows)


def _skipped(dataset: Dataset, settings: Mapping[str, Any]) -> int:
    """Lines to skip: a setting of the source, of older datasets one of theirs."""
    return int(settings.get("skipLineCount") or dataset.get("skipLineCount") or 0)


async def _without(text: AsyncIterator[str], lines: int) -> AsyncIterator[str]:
    """The text after its first `lines` lines."""
    async for part in text:
        kept = part
        while lines and kept:
            _, end, rest = kept.partition("\n")
            lines -= 1 if end else 0
            kept = rest
        if kept:
            yield kept


class _Shape:
    """Gives rows their columns: named by the first row, or by number; short rows are filled up."""

    def __init__(self, header: bool, name: str) -> None:
        self.columns: tuple[Column, ...] = ()
        self._header, self._name = header, name
        self._count = 0

    def shaped(self, rows: list[list[str | None]]) -> list[list[str | None]]:
        """The rows that are data, all as wide as the table."""
        if not self.columns and rows:
            first = rows.pop(0) if self._header else rows[0]
            self._count += 1 if self._header else 0
            self.columns = tuple(self._columns(first))
        width = len(self.columns)
        for row in rows:
            self._count += 1
            if len(row) < width:
                row.extend([None] * (width - len(row)))
            elif len(row) > width:
                raise ConnectionFailed(
                    "DelimitedTextMoreColumnsThanDefined",
                    f"Error found when processing 'Csv/Tsv Format Text' source '{self._name}' with"
                    f" row number {self._count}: found more columns than expected column count"
                    f" {width}.",
                )
        return rows

    def _columns(self, first: list[str | None]) -> list[Column]:
        if not self._header:
            return [Column(f"Prop_{at}") for at in range(len(first))]
        if not all(first):
            raise ConnectionFailed(
                "DelimitedTextColumnNameNotAllowNull",
                f"The name of column index {first.index(next(v for v in first if not v))} is empty."
                " Make sure column name is properly specified in the header row.",
            )
        return [Column(str(value)) for value in first]


ARROW = {
    "int8": "SByte", "int16": "Int16", "int32": "Int32", "int64": "Int64", "uint8": "Byte",
    "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64", "float": "Single",
    "double": "Double", "bool": "Boolean", "string": "String", "large_string": "String",
    "binary": "Byte[]", "date32[day]": "DateTime",
}  # fmt: skip


def type_of_arrow(kind: Any) -> str:
    """The interim type of an Arrow type."""
    text = str(kind)
    if text.startswith("timestamp"):
        return "DateTimeOffset" if "tz=" in text else "DateTime"
    return "Decimal" if text.startswith("decimal") else ARROW.get(text, "Object")


async def _parquet(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Piece]:
    import pyarrow
    from pyarrow import parquet

    with tempfile.TemporaryFile() as file:
        async for chunk in chunks:
            file.write(chunk)
        file.seek(0)
        try:
            source = parquet.ParquetFile(file)
            schema = source.schema_arrow
            columns = tuple(Column(one.name, type_of_arrow(one.type)) for one in schema)
            yield Batch(columns, [])
            batches = source.iter_batches(batch_size=PARQUET_ROWS)
            while True:
                batch = await asyncio.to_thread(next, batches, None)
                if batch is None:
                    return
                values = [column.to_pylist() for column in batch.columns]
                yield Batch(columns, list(zip(*values, strict=True)))
        except (pyarrow.ArrowException, OSError) as wrong:
            raise ConnectionFailed(
                "ParquetInvalidFile", f"The file is not a valid Parquet file: {wrong}"
            ) from wrong
