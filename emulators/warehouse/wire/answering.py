"""What a session says, as tokens: which DONE ends what, and which of them is the last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

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
from emulators.warehouse.errors import SqlError
from emulators.warehouse.wire import tokens
from emulators.warehouse.wire.rows import encoded, value_of, widened
from emulators.warehouse.wire.types_write import type_info

Bytes = bytes | memoryview
SELECT = 0xC1


def _unsaid(bug: Exception) -> None:
    raise bug


@dataclass(frozen=True, slots=True)
class Style:
    """How a connection's answers are written, and who is told of a mistake of ours."""

    server: str
    utf8: bool = False
    bug: Callable[[Exception], None] = _unsaid


class AnswerWriter:
    """Writes one answer: of a batch, or of one call among others in a message.

    The last DONE says that nothing follows, so each is kept back until the next thing is known.
    """

    def __init__(self, style: Style, *, call: bool = False, last: bool = True) -> None:
        self._style, self._call, self._last = style, call, last
        self._kept: tuple[int, int, int | None] | None = None
        self._failed = False
        self._status: int | None = None
        self._values: list[bytes] = []

    def written(self, answers: Iterable[Answer]) -> Iterator[Bytes]:
        """The whole answer; whatever fails becomes an error of it."""
        try:
            for answer in answers:
                yield from self._one(answer)
        except SqlError as wrong:
            yield from self._one(failed(wrong))
        except Exception as bug:
            self._style.bug(bug)
            yield from self._one(ours(bug))
        yield self._end()

    def refused(self, number: int, text: str, severity: int = 16) -> bytes:
        """An answer that is one error."""
        return b"".join(bytes(part) for part in self.written([Failed(number, text, severity)]))

    def _one(self, answer: Answer) -> Iterator[Bytes]:
        if isinstance(answer, ResultSet):
            yield from self._rows(answer)
        elif isinstance(answer, Finished):
            yield self._release()
            self._kept = (0, answer.command, answer.rows)
        elif isinstance(answer, Failed):
            self._failed = True
            yield self._release() + tokens.message(answer, self._style.server)
            self._kept = (tokens.FAILED, 0, None)
        elif isinstance(answer, OutputValue):
            self._values.append(self._value(answer))
        elif isinstance(answer, ReturnStatus):
            self._status = answer.value
            if not self._call:
                yield self._release() + tokens.return_status(answer.value)
        else:
            yield self._release() + self._told(answer)

    def _told(self, answer: Message | DatabaseChanged | TransactionChanged) -> bytes:
        if isinstance(answer, Message):
            return tokens.message(answer, self._style.server)
        if isinstance(answer, DatabaseChanged):
            return database_changed(answer.new, answer.old, self._style.server)
        name = answer.id.to_bytes(8, "little")
        if answer.kind == "begin":
            return tokens.changed_bytes(tokens.BEGUN, name)
        kind = tokens.COMMITTED if answer.kind == "commit" else tokens.ROLLED_BACK
        return tokens.changed_bytes(kind, b"", name)

    def _rows(self, result: ResultSet) -> Iterator[Bytes]:
        batches = iter(result.batches)
        first = next(batches, None)
        columns = result.columns if first is None else widened(result.columns, first)
        yield self._release() + tokens.columns(columns, utf8=self._style.utf8)
        for batch in batches if first is None else chain((first,), batches):
            yield from encoded(columns, batch, utf8=self._style.utf8)
        # Kept so that a failure among the rows still closes them with a DONE of its own.
        self._kept = None

    def _value(self, answer: OutputValue) -> bytes:
        try:
            value = value_of(answer.type, answer.value, utf8=self._style.utf8)
        except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, ArithmeticError) as wrong:
            raise SqlError(
                8114,
                16,
                5,
                f"Error converting the value of {answer.name} to {answer.type}: {wrong}",
            ) from wrong
        info = type_info(answer.type, utf8=self._style.utf8)
        return tokens.return_value(answer.ordinal, answer.name, info, value)

    def _release(self) -> bytes:
        """The DONE that was kept back, with more to follow."""
        if self._kept is None:
            return b""
        status, command, rows = self._kept
        self._kept = None
        token = tokens.DONE_IN_PROC if self._call else tokens.DONE
        return tokens.done(token, status | tokens.MORE, command, rows)

    def _end(self) -> bytes:
        if not self._call:
            status, command, rows = self._kept or (0, 0, None)
            return tokens.done(tokens.DONE, status, command, rows)
        status = tokens.FAILED if self._failed and self._status is None else 0
        if not self._last:
            # A call among others says so, or the Rust driver takes its end for the message's.
            status |= tokens.MORE | tokens.RPC_IN_BATCH
        said = self._release()
        if self._status is not None or not self._failed:
            said += tokens.return_status(self._status or 0)
        return said + b"".join(self._values) + tokens.done(tokens.DONE_PROC, status)


def database_changed(new: str, old: str, server: str) -> bytes:
    """ENVCHANGE, and the message that goes with it."""
    text = f"Changed database context to '{new}'."
    return tokens.changed(tokens.DATABASE, new, old) + tokens.message(
        Message(5701, text, severity=0, state=2), server
    )


def ours(bug: Exception) -> Failed:
    """A mistake of ours, as an answer that says so."""
    return Failed(50000, f"Rehearsal failed, not your statement: {type(bug).__name__}: {bug}", 16)


def failed(wrong: SqlError) -> Failed:
    """An error as an answer."""
    return Failed(
        wrong.number, wrong.text, max(wrong.severity, 11), wrong.state, wrong.procedure, wrong.line
    )
