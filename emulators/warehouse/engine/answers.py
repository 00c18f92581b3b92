"""What a session says while it runs: result sets, counts, messages, changes, returned values.

The engine yields these from a worker thread; the wire turns each into tokens as it comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from emulators.warehouse.engine.types import SqlType

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result set or of a bulk load."""

    name: str
    type: SqlType
    nullable: bool = True
    identity: bool = False


@dataclass(frozen=True, slots=True)
class ResultSet:
    """Rows, as record batches whose fields have `column.type.arrow`; read them before going on."""

    columns: tuple[Column, ...]
    batches: Iterable[pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of one statement; `rows` is None where the count is not told (NOCOUNT, DDL)."""

    rows: int | None = None
    command: int = 0  # TDS's number of the statement's kind; 0xC1 SELECT, 0xC3 INSERT, ...


@dataclass(frozen=True, slots=True)
class Message:
    """PRINT and other information; `severity` is at most 10."""

    number: int
    text: str
    severity: int = 0
    state: int = 1
    procedure: str = ""
    line: int = 1


@dataclass(frozen=True, slots=True)
class Failed:
    """A statement failed and nobody caught it; `severity` is at least 11."""

    number: int
    text: str
    severity: int = 16
    state: int = 1
    procedure: str = ""
    line: int = 1


@dataclass(frozen=True, slots=True)
class DatabaseChanged:
    """`USE`: the session's database is another one."""

    new: str
    old: str


@dataclass(frozen=True, slots=True)
class TransactionChanged:
    """A transaction began, or ended; `id` is what the client names it by."""

    kind: str  # begin, commit, rollback
    id: int


@dataclass(frozen=True, slots=True)
class ReturnStatus:
    """What a procedure returned."""

    value: int


@dataclass(frozen=True, slots=True)
class OutputValue:
    """An output parameter's last value; `ordinal` counts the call's parameters from 0."""

    ordinal: int
    name: str
    type: SqlType
    value: Any


Answer = (
    ResultSet | Finished | Message | Failed | DatabaseChanged | TransactionChanged
    | ReturnStatus | OutputValue
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a remote call. `value` is a Python value of the type's natural kind."""

    name: str  # with its `@`; "" when by position
    type: SqlType
    value: Any  # int, float, bool, str, bytes, Decimal, date, time, datetime, UUID or None
    output: bool = False
    default: bool = False  # sent as "use the default"


class BulkLoad(Protocol):
    """Rows on their way into a table by `INSERT BULK`."""

    columns: Sequence[Column]

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows; may be called from a worker thread, one call at a time."""
        ...

    def finish(self) -> Iterator[Answer]:
        """Make the rows part of the table."""
        ...

    def abandon(self) -> None:
        """Forget the rows."""
        ...


class Session(Protocol):
    """One connection's state. All calls but `cancel` come from one worker thread at a time."""

    database: str

    def batch(self, text: str) -> Iterator[Answer]:
        """Run the statements of a batch. After `INSERT BULK` the session's `bulk` is set."""
        ...

    def call(self, procedure: str, arguments: Sequence[Argument]) -> Iterator[Answer]:
        """Call a procedure: a user's, or `sp_executesql` and the like by its name."""
        ...

    def begin(self, isolation: int = 0) -> Iterator[Answer]: ...

    def commit(self) -> Iterator[Answer]: ...

    def rollback(self, name: str = "") -> Iterator[Answer]: ...

    def take_bulk(self) -> BulkLoad | None:
        """The bulk load that the last batch announced, once."""
        ...

    def cancel(self) -> None:
        """Interrupt what runs; from any thread."""
        ...

    def reset(self, keep_transaction: bool = False) -> None:
        """Begin anew, as a pooled connection does."""
        ...

    def close(self) -> None: ...


class LoginFailed(Exception):
    """Nobody by that name and password, or the database is not theirs: 18456, 4060 and the like."""

    def __init__(self, number: int, text: str, state: int = 1, severity: int = 14) -> None:
        super().__init__(text)
        self.number, self.text, self.state, self.severity = number, text, state, severity


@dataclass(frozen=True, slots=True)
class Login:
    """Who wants in: by name and password, or by an Entra token."""

    user: str = ""
    password: str = ""
    token: str = ""
    database: str = ""
    application: str = ""
    host: str = ""


class Sessions(Protocol):
    """Opens sessions; the engine's one entrance for the wire."""

    def login(self, login: Login) -> Session:
        """Check who it is and open a session.

        Raises:
            LoginFailed: refused.
        """
        ...
