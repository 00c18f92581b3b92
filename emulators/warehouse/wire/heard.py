"""A server's answer, read as it comes: tokens to what a session says."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from emulators.warehouse.engine.answers import (
    Answer,
    DatabaseChanged,
    Failed,
    Finished,
    Message,
    OutputValue,
    ResultSet,
    ReturnStatus,
    TransactionChanged,
)
from emulators.warehouse.wire import tokens
from emulators.warehouse.wire.bulk import Rows
from emulators.warehouse.wire.framing import NeedMore
from emulators.warehouse.wire.outgoing import Line
from emulators.warehouse.wire.packets import BadStream, Reader
from emulators.warehouse.wire.types_read import described

DONE_BODY = struct.Struct("<HHQ")
SHORT_TOKENS = frozenset((0xA4, 0xA5, 0xA9, tokens.LOGIN_ACK))  # told by two bytes of length
LONG_TOKENS = frozenset((0xE4, tokens.FEDAUTH_INFO))  # by four
CONTEXT_CHANGED, LANGUAGE_CHANGED = 5701, 5703


@dataclass(slots=True)
class Agreed:
    """What a server told that holds from then on."""

    database: str = ""
    transaction: bytes = bytes(8)
    packet_size: int = 4096
    acknowledged: bool = False  # the last answer ended by an attention's acknowledgement
    logged_in: bool = False


@dataclass(slots=True)
class Hearing:
    """Reads one answer from a line."""

    line: Line
    agreed: Agreed
    _data: bytes = b""
    _at: int = 0
    _last: bool = False
    _rows: Rows | None = None
    _known: dict[int, Callable[[Reader], Answer | None]] = field(init=False)

    def __post_init__(self) -> None:
        self._known = {
            tokens.ERROR: self._message, tokens.INFO: self._message,
            tokens.ENV_CHANGE: self._changed, tokens.COLUMNS: self._columns,
            tokens.RETURN_STATUS: lambda r: ReturnStatus(r.number(4, signed=True)),
            tokens.RETURN_VALUE: self._value, tokens.FEATURES: self._features,
            tokens.DONE: self._done, tokens.DONE_PROC: self._done_procedure,
            tokens.DONE_IN_PROC: self._done,
        }  # fmt: skip

    def answers(self) -> Iterator[Answer]:
        """The answer, up to its end.

        Raises:
            BadStream: the server sends what is not TDS.
        """
        self.agreed.acknowledged = False
        while (answer := self._next()) is not None or not self._ended():
            if answer is not None:
                yield answer
            if isinstance(answer, ResultSet):
                for _ in answer.batches:  # what nobody read is passed over
                    pass

    def _ended(self) -> bool:
        return self._last and self._at >= len(self._data)

    def _more(self) -> None:
        if self._last:
            raise BadStream("the server's answer is cut")
        parts, size = [self._data[self._at :]], 0
        while not self._last and size < (1 << 16):
            packet = self.line.packet()
            self._last = packet.last
            parts.append(packet.body)
            size += len(packet.body)
            if packet.last or size >= len(parts[0]):
                break
        self._data, self._at = b"".join(parts), 0

    def _next(self) -> Answer | None:
        """The next token; None for one that says nothing, and at the end."""
        if self._ended():
            return None
        while True:
            reader = Reader(self._data, self._at)
            try:
                answer = self._token(reader)
            except (BadStream, NeedMore, IndexError, struct.error):
                if self._last:
                    raise BadStream("the server's answer is malformed") from None
                self._more()
                continue
            self._at = reader.at
            return answer

    def _token(self, reader: Reader) -> Answer | None:
        token = reader.number(1)
        if token in self._known:
            return self._known[token](reader)
        if token in SHORT_TOKENS:
            self.agreed.logged_in |= token == tokens.LOGIN_ACK
            reader.take(reader.number(2))
        elif token in LONG_TOKENS:
            reader.take(reader.number(4))
        elif token in (tokens.ROW, tokens.NULLS_ROW) and self._rows is not None:
            raise BadStream("rows without columns")
        else:
            raise BadStream(f"no token {token:#x}")
        return None

    def _message(self, reader: Reader) -> Answer | None:
        error = reader.data[reader.at - 1] == tokens.ERROR
        body = Reader(reader.take(reader.number(2)))
        number, state, severity = body.number(4, signed=True), body.number(1), body.number(1)
        text, _, procedure = body.us_text(), body.b_text(), body.b_text()
        line = body.number(4)
        if error:
            return Failed(number, text, severity, state, procedure, line)
        if number in (CONTEXT_CHANGED, LANGUAGE_CHANGED):
            return None  # said again with the change itself
        return Message(number, text, severity, state, procedure, line)

    def _changed(self, reader: Reader) -> Answer | None:
        body = Reader(reader.take(reader.number(2)))
        kind = body.number(1)
        if kind == tokens.DATABASE:
            new, old = body.b_text(), body.b_text()
            self.agreed.database = new
            return DatabaseChanged(new, old)
        if kind == tokens.PACKET_SIZE:
            self.agreed.packet_size = int(body.b_text())
        if kind in (tokens.BEGUN, tokens.COMMITTED, tokens.ROLLED_BACK):
            new_id, old_id = body.take(body.number(1)), body.take(body.number(1))
            self.agreed.transaction = new_id.ljust(8, b"\0")
            name = {tokens.BEGUN: "begin", tokens.COMMITTED: "commit"}.get(kind, "rollback")
            return TransactionChanged(name, int.from_bytes(new_id or old_id, "little"))
        return None

    def _features(self, reader: Reader) -> None:
        while reader.number(1) != 0xFF:
            reader.take(reader.number(4))

    def _columns(self, reader: Reader) -> Answer | None:
        rows = Rows.described(reader)
        self._rows = rows
        if not rows.columns:
            return None
        return ResultSet(rows.columns, self._batches(rows))

    def _batches(self, rows: Rows) -> Iterator[pa.RecordBatch]:
        while True:
            self._at = rows.read(self._data, self._at)
            if rows.full:
                yield rows.batch()
                continue
            if self._at < len(self._data) and self._data[self._at] not in (
                tokens.ROW, tokens.NULLS_ROW,
            ):  # fmt: skip
                break
            if rows.count and not self.line.ready():
                yield rows.batch()  # nobody knows when the next will come
            self._more()
        if rows.count:
            yield rows.batch()

    def _value(self, reader: Reader) -> Answer | None:
        ordinal, name = reader.number(2), reader.b_text()
        reader.take(7)
        kind = described(reader)
        value, reader.at = kind.read(reader.data, reader.at)
        return OutputValue(ordinal, name, kind.sql, value)

    def _done(self, reader: Reader) -> Answer | None:
        status, command, rows = DONE_BODY.unpack(reader.take(DONE_BODY.size))
        if status & tokens.ATTENTION:
            self.agreed.acknowledged = True
            return None
        if status & tokens.FAILED:
            return None  # the error itself was told
        return Finished(rows if status & tokens.COUNTED else None, command)

    def _done_procedure(self, reader: Reader) -> None:
        self._done(reader)
