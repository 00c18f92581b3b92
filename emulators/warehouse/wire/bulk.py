"""ROW tokens, decoded as they come in: of a bulk load, or of an answer. [MS-TDS] 2.2.6.1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import error

import pyarrow as pa

from emulators.warehouse.engine.answers import Column
from emulators.warehouse.wire.columns_read import column_of
from emulators.warehouse.wire.framing import BYTE, SHORT, NeedMore
from emulators.warehouse.wire.packets import BadStream, Reader
from emulators.warehouse.wire.types_read import Described, described

COLUMNS, ROW, NULLS_ROW = 0x81, 0xD1, 0xD2
ENDS = frozenset((0xFD, 0xFE, 0xFF))
DONE_SIZE, SHORT_DONE = 13, 9
NO_COLUMNS = 0xFFFF
ROWS_AT_ONCE = 8192
NO_SHORT = 0xFFFF
LARGEST_ROW = 1 << 31
LARGEST_COLUMNS = 1 << 18


class Rows:
    """The columns of rows, and the values read so far, a column each."""

    def __init__(self, columns: Sequence[Column], kinds: Sequence[Described]) -> None:
        self.columns = tuple(columns)
        self._kinds = tuple(kinds)
        self._begin()

    def _begin(self) -> None:
        """Empty columns, and what to do for each of a row: how it is framed, where it goes."""
        self.count = 0
        self._values: list[list[bytes | None]] = [[] for _ in self.columns]
        self._steps = [
            (kind.frame.kind, kind.frame.take, values.append)
            for kind, values in zip(self._kinds, self._values, strict=True)
        ]

    @classmethod
    def described(cls, reader: Reader) -> Rows:
        """Read COLMETADATA behind its token.

        Raises:
            BadStream: malformed, or cut.
        """
        columns: list[Column] = []
        kinds: list[Described] = []
        count = reader.number(2)
        for _ in range(0 if count == NO_COLUMNS else count):
            flags = reader.number(6) >> 32
            kind = described(reader, in_rows=True)
            if kind.texts:
                reader.us_text()
            name = reader.b_text()
            nullable, identity = bool(flags & 1), bool(flags & 0x10)
            columns.append(Column(name, kind.sql, nullable=nullable, identity=identity))
            kinds.append(kind)
        return cls(columns, kinds)

    @property
    def full(self) -> bool:
        return self.count >= ROWS_AT_ONCE

    def read(self, data: bytes, at: int) -> int:
        """Read whole rows from `at`; return where they stop: full, cut, or something else."""
        end = len(data)
        try:
            while at < end and self.count < ROWS_AT_ONCE:
                token = data[at]
                if token == ROW:
                    here = self._row(data, at + 1)
                elif token == NULLS_ROW:
                    here = self._nulls_row(data, at + 1)
                else:
                    break
                if here > end:
                    raise NeedMore
                at = here
                self.count += 1
        except (NeedMore, IndexError, error):
            for values in self._values:  # the rest of the row comes with the next bytes
                del values[self.count :]
        return at

    def _row(self, data: bytes, at: int) -> int:
        """One row; the usual frames without a call, for this is where a load spends its time."""
        for frame, take, append in self._steps:
            if frame == BYTE:
                size = data[at]
                at += 1
                if size:
                    append(data[at : at + size])
                    at += size
                else:
                    append(None)
            elif frame == SHORT:
                size = data[at] | data[at + 1] << 8
                at += 2
                if size != NO_SHORT:
                    append(data[at : at + size])
                    at += size
                else:
                    append(None)
            else:
                value, at = take(data, at)
                append(value)
        return at

    def _nulls_row(self, data: bytes, at: int) -> int:
        """A row that begins with a bit for each column: 1 is NULL, and nothing follows of it."""
        size = (len(self._kinds) + 7) // 8
        if at + size > len(data):
            raise NeedMore
        bits = int.from_bytes(data[at : at + size], "little")
        at += size
        for number, (_, take, append) in enumerate(self._steps):
            if bits >> number & 1:
                append(None)
                continue
            value, at = take(data, at)
            append(value)
        return at

    def batch(self, names: Sequence[str] | None = None) -> pa.RecordBatch:
        """What was read, as a batch; the next begins empty.

        Raises:
            BadStream: values that are none of their type.
        """
        values = self._values
        self._begin()
        arrays = [column_of(kind, raw) for kind, raw in zip(self._kinds, values, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, names or [c.name for c in self.columns])


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
        self._rows: Rows | None = None
        self.done = False

    @property
    def columns(self) -> Sequence[Column]:
        """The columns as the stream describes them; none before it has."""
        return self._rows.columns if self._rows else ()

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
        self._step()
        while self._rows is not None and self._rows.full:
            yield self._rows.batch(self._names())
            self._step()
        if last:
            # mssql-python ends with a DONE of nine bytes, as before TDS 7.2.
            self.done |= len(self._buffer) >= SHORT_DONE and self._buffer[0] in ENDS
            if self._buffer and not self.done:
                raise BadStream("the last row of a bulk load is cut")
            if self._rows is not None and self._rows.count:
                yield self._rows.batch(self._names())

    def _names(self) -> list[str]:
        return [column.name for column in self._target or self.columns]

    def _step(self) -> None:
        """Read as far as the bytes and the batch go."""
        data, at = self._buffer, 0
        if data and not self.done and self._rows is None:
            at = self._describe(data)
        if self._rows is not None:
            at = self._rows.read(data, at)
        if at < len(data) and (self.done or data[at] not in (ROW, NULLS_ROW, COLUMNS)):
            at = self._end(data, at)
        self._buffer = data[at:]
        self._held = len(self._buffer)
        if self._held > LARGEST_ROW:
            raise BadStream("a row is longer than two gibibytes")
        self._wanted = 2 * self._held if self._held > 1 << 16 else 0

    def _describe(self, data: bytes) -> int:
        """Read COLMETADATA if it is whole; where it ends."""
        if data[0] in ENDS:
            return 0
        if data[0] != COLUMNS:
            raise BadStream("a bulk load begins with its columns")
        reader = Reader(data, 1)
        try:
            rows = Rows.described(reader)
        except BadStream:
            if len(data) > LARGEST_COLUMNS:
                raise
            return 0
        if not rows.columns:
            raise BadStream("a bulk load without columns")
        if self._target and len(self._target) != len(rows.columns):
            raise BadStream(f"{len(rows.columns)} columns are sent, INSERT BULK named others")
        self._rows = rows
        return reader.at

    def _end(self, data: bytes, at: int) -> int:
        """DONE, and whatever a client says behind it."""
        if self.done:
            return len(data)
        if data[at] not in ENDS:
            raise BadStream(f"token {data[at]:#x} in a bulk load")
        if at + DONE_SIZE > len(data):
            return at
        self.done = True
        return len(data)
