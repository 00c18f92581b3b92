"""The rows of a bulk load, decoded as the message comes in. Source: [MS-TDS] 2.2.6.1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import error
from typing import Any

import pyarrow as pa

from emulators.warehouse.engine.answers import Column
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.wire.packets import BadStream, Reader
from emulators.warehouse.wire.types_read import NeedMore, described

COLUMNS, ROW, NULLS_ROW, DONE = 0x81, 0xD1, 0xD2, 0xFD
ENDS = frozenset((0xFD, 0xFE, 0xFF))
DONE_SIZE = 13
NO_COLUMNS = 0xFFFF
ROWS_AT_ONCE = 8192
LARGEST_ROW = 1 << 31


class BulkReader:
    """Feed it the message's bytes in any pieces; take batches as they fill.

    Rows are matched with `target`, the columns that INSERT BULK named, by position.
    """

    def __init__(self, target: Sequence[Column] = ()) -> None:
        self._target = target
        self._buffer = b""
        self._wanted = 0  # bytes worth another look: a long value is not read again and again
        self._pieces: list[bytes] = []
        self._held = 0
        self._columns: list[Column] = []
        self._reads: list[Any] = []
        self._values: list[list[Any]] = []
        self._full = False
        self.done = False
        self.rows = 0

    def feed(self, data: bytes, *, last: bool = False) -> Iterator[pa.RecordBatch]:
        """Take bytes of the message; give the batches that are full now, all at the end.

        Raises:
            BadStream: no rows, or cut ones at the end.
            UnsupportedType: a column of a type that is not taken.
        """
        self._pieces.append(data)
        self._held += len(data)
        if self._held < self._wanted and not last:
            return
        self._buffer = b"".join((self._buffer, *self._pieces))
        self._pieces = []
        while self._step():
            if self._full:
                yield self._batch()
        if last:
            if self._buffer and not self.done:
                raise BadStream("the last row of a bulk load is cut")
            if self._values and self._values[0]:
                yield self._batch()

    def _step(self) -> bool:
        """Read as far as the bytes and the batch go; False when bytes are missing."""
        at = start = 0
        data = self._buffer
        try:
            if not self._columns and data and not self.done:
                start = self._describe(data)
            at = len(data) if self.done else self._read_rows(data, start)
        except NeedMore:
            at = start
        self._buffer = data[at:]
        self._held = len(self._buffer)
        if self._full:
            return True
        if self._held > LARGEST_ROW:
            raise BadStream("a row is longer than two gibibytes")
        self._wanted = 2 * self._held if self._held > 1 << 16 else 0
        return False

    def _describe(self, data: bytes) -> int:
        """Read COLMETADATA; NeedMore when it is not whole yet."""
        if data[0] in ENDS:
            return 0
        if data[0] != COLUMNS:
            raise BadStream("a bulk load begins with its columns")
        reader = Reader(data, 1)
        columns: list[Column] = []
        reads: list[Any] = []
        try:
            count = reader.number(2)
            for _ in range(0 if count == NO_COLUMNS else count):
                flags = reader.number(6) >> 32
                kind = described(reader, in_rows=True)
                if kind.texts:
                    reader.us_text()
                columns.append(Column(reader.b_text(), kind.sql, nullable=bool(flags & 1)))
                reads.append(kind.read)
        except BadStream:
            if len(data) > 1 << 16:
                raise
            raise NeedMore from None
        if not columns:
            raise BadStream("a bulk load without columns")
        if self._target and len(self._target) != len(columns):
            raise BadStream(f"{len(columns)} columns are sent, INSERT BULK named others")
        self._columns, self._reads = columns, reads
        self._values = [[] for _ in columns]
        return reader.at

    def _read_rows(self, data: bytes, at: int) -> int:
        self._full = False
        reads, values = self._reads, self._values
        end = len(data)
        row: list[Any] = []
        took = len(values[0]) if values else 0
        try:
            while at < end and not self.done:
                token = data[at]
                if token == ROW:
                    here = at + 1
                    row = []
                    for read in reads:
                        value, here = read(data, here)
                        row.append(value)
                    at = here
                elif token == NULLS_ROW:
                    row, at = self._nulls_row(data, at + 1)
                else:
                    return self._end(data, at)
                for column, value in zip(values, row, strict=True):
                    column.append(value)
                took += 1
                if took >= ROWS_AT_ONCE:
                    self._full = True
                    return at
        except (NeedMore, IndexError, error):
            pass  # the rest of the row comes with the next bytes
        return at

    def _nulls_row(self, data: bytes, at: int) -> tuple[list[Any], int]:
        """A row that begins with a bit for each column: 1 is NULL, and nothing follows of it."""
        size = (len(self._reads) + 7) // 8
        bits = int.from_bytes(data[at : at + size], "little")
        if at + size > len(data):
            raise NeedMore
        at += size
        row: list[Any] = []
        for number, read in enumerate(self._reads):
            if bits >> number & 1:
                row.append(None)
                continue
            value, at = read(data, at)
            row.append(value)
        return row, at

    def _end(self, data: bytes, at: int) -> int:
        if data[at] not in ENDS:
            raise BadStream(f"token {data[at]:#x} in a bulk load")
        if at + DONE_SIZE > len(data):
            raise NeedMore
        self.done = True
        return len(data)

    def _batch(self) -> pa.RecordBatch:
        values, self._values = self._values, [[] for _ in self._columns]
        self._full = False
        self.rows += len(values[0])
        arrays = [
            _array(column.type, items) for column, items in zip(self._columns, values, strict=True)
        ]
        names = [f.name for f in (self._target or self._columns)]
        return pa.RecordBatch.from_arrays(arrays, names)


def _array(sql: SqlType, items: list[Any]) -> pa.Array:
    """A column of values as Arrow holds it."""
    if sql.name == "uniqueidentifier":
        return pa.array([None if item is None else str(item) for item in items], sql.arrow)
    return pa.array(items, sql.arrow)
