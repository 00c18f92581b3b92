"""Sessions that know just enough to hold a conversation: what the wire is tested against."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from emulators.warehouse.engine.answers import (
    Answer,
    Argument,
    BulkLoad,
    Column,
    DatabaseChanged,
    Failed,
    Finished,
    Login,
    LoginFailed,
    Message,
    OutputValue,
    ResultSet,
    ReturnStatus,
    Session,
    TransactionChanged,
)
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError

NAMES = {
    "INTEGER": SqlType("int"), "BIGINT": SqlType("bigint"), "SMALLINT": SqlType("smallint"),
    "UTINYINT": SqlType("tinyint"), "DOUBLE": SqlType("float"), "FLOAT": SqlType("real"),
    "BOOLEAN": SqlType("bit"), "DATE": SqlType("date"), "TIMESTAMP": SqlType("datetime2", scale=6),
    "TIME": SqlType("time", scale=6), "BLOB": SqlType("varbinary", MAX),
    "UUID": SqlType("uniqueidentifier"), "HUGEINT": SqlType("bigint"),
}  # fmt: skip


def sql_type(name: str) -> SqlType:
    """DuckDB's type as ours."""
    found = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", name)
    if found:
        return SqlType("decimal", precision=int(found[1]), scale=int(found[2]))
    return NAMES.get(name, SqlType("nvarchar", MAX))


@dataclass
class FakeLoad:
    columns: Sequence[Column] = ()
    batches: list[pa.RecordBatch] = field(default_factory=list)
    abandoned: bool = False
    rows: int = 0
    fail_after: int | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        if self.fail_after is not None and self.rows > self.fail_after:
            raise SqlError(2627, 14, 1, "Violation of a constraint.")
        self.batches.append(batch)

    def finish(self) -> Iterator[Answer]:
        yield Finished(self.rows, 0xC3)

    def abandon(self) -> None:
        self.abandoned = True


class FakeSession:
    """T-SQL of a few words, the rest by DuckDB."""

    def __init__(self, database: str = "master") -> None:
        self.database = database
        self.lake = duckdb.connect()
        self.cancelled = threading.Event()
        self.closed = False
        self.resets: list[bool] = []
        self.transactions: list[str] = []
        self.calls: list[tuple[str, Sequence[Argument]]] = []
        self.loads: list[FakeLoad] = []
        self.load_columns: tuple[Column, ...] = ()
        self.fail_load_after: int | None = None
        self._bulk: FakeLoad | None = None
        self._handle = 0
        self._prepared: dict[int, str] = {}

    # What clients ask.

    def batch(self, text: str) -> Iterator[Answer]:
        self.cancelled.clear()
        for statement in (s.strip() for s in text.split(";")):
            if statement:
                yield from self._statement(statement, {})

    def call(self, procedure: str, arguments: Sequence[Argument]) -> Iterator[Answer]:
        self.cancelled.clear()
        self.calls.append((procedure, arguments))
        name = procedure.rpartition(".")[2].strip("[]").lower()
        known: dict[str, Callable[[Sequence[Argument]], Iterator[Answer]]] = {
            "sp_executesql": self._executesql,
            "sp_prepexec": self._prepexec,
            "sp_prepare": self._prepare,
            "sp_execute": self._execute,
            "double": self._double,
        }
        if name in known:
            yield from known[name](arguments)
        elif name == "sp_unprepare":
            yield ReturnStatus(0)
        else:
            yield Failed(2812, f"Could not find stored procedure '{procedure}'.", 16, 62)

    def _executesql(self, arguments: Sequence[Argument]) -> Iterator[Answer]:
        yield from self._statement(arguments[0].value, self._bound(arguments, 1))
        yield ReturnStatus(0)

    def _prepexec(self, arguments: Sequence[Argument]) -> Iterator[Answer]:
        yield from self._prepare([arguments[0], arguments[1], arguments[2]])
        yield from self._statement(arguments[2].value, self._bound(arguments[2:], 1, arguments[1]))

    def _prepare(self, arguments: Sequence[Argument]) -> Iterator[Answer]:
        self._handle += 1
        self._prepared[self._handle] = arguments[2].value
        yield OutputValue(0, arguments[0].name, SqlType("int"), self._handle)

    def _execute(self, arguments: Sequence[Argument]) -> Iterator[Answer]:
        text = self._prepared[arguments[0].value]
        yield from self._statement(text, self._bound(arguments, 1))

    def _double(self, arguments: Sequence[Argument]) -> Iterator[Answer]:
        yield from self._statement("SELECT 'doubling' AS what", {})
        yield ReturnStatus(7)
        out = next(a for a in arguments if a.output)
        yield OutputValue(
            list(arguments).index(out),
            out.name,
            SqlType("int"),
            2 * next(a.value for a in arguments if not a.output),
        )

    def _bound(
        self, arguments: Sequence[Argument], start: int, declared: Argument | None = None
    ) -> dict[str, Any]:
        text = str((declared or arguments[min(1, len(arguments) - 1)]).value or "")
        names = re.findall(r"@(\w+)", text)
        rest = arguments[start:] if declared else arguments[start + 1 :]
        values: dict[str, Any] = {}
        for number, argument in enumerate(rest):
            name = argument.name.lstrip("@") or (
                names[number] if number < len(names) else f"P{number + 1}"
            )
            values[name] = argument.value
        return values

    def _statement(self, text: str, values: dict[str, Any]) -> Iterator[Answer]:
        lower = text.lower()
        if lower.startswith("print "):
            yield Message(0, text[6:].strip("' "))
        elif lower.startswith("use "):
            new, old = text[4:].strip("[] "), self.database
            self.database = new
            yield DatabaseChanged(new, old)
        elif lower.startswith("insert bulk"):
            self._bulk = FakeLoad(self.load_columns, fail_after=self.fail_load_after)
            self.loads.append(self._bulk)
            yield Finished()
        elif lower.startswith("wait"):
            yield from self._wait()
        elif lower.startswith("throw"):
            yield Failed(51234, "Thrown.", 16, 3, "thrower", 4)
        elif lower.startswith("bug"):
            raise ZeroDivisionError("ours")
        elif lower.startswith("begin tran"):
            yield from self.begin()
        elif lower.startswith(("set ", "declare ", "if ")):
            yield Finished()
        else:
            yield from self._query(text, values)

    def _wait(self) -> Iterator[Answer]:
        yield ResultSet((Column("n", SqlType("int")),), self._slow())
        yield Finished(1, 0xC1)

    def _slow(self) -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_arrays([pa.array([1], pa.int32())], ["n"])
        if self.cancelled.wait(30):
            raise SqlError(3617, 16, 1, "The query was cancelled.")

    def _query(self, text: str, values: dict[str, Any]) -> Iterator[Answer]:
        text = re.sub(r"@(\w+)", r"$\1", text)
        text = re.sub(r"\bN'", "'", text)
        used = {k: v for k, v in values.items() if re.search(rf"\${k}\b", text)}
        try:
            if not lower_select(text):
                self.lake.execute(text, used or None)
                yield Finished(1, 0xC3)
                return
            done = self.lake.sql(text, params=used or None)
            columns = tuple(
                Column(name, sql_type(str(kind)))
                for name, kind in zip(done.columns, done.types, strict=True)
            )
            table = done.to_arrow_table()
        except duckdb.Error as wrong:
            raise SqlError(102, 15, 1, str(wrong), 2) from wrong
        yield ResultSet(columns, table.to_batches(max_chunksize=10_000))
        yield Finished(table.num_rows, 0xC1)

    def begin(self, isolation: int = 0) -> Iterator[Answer]:
        self.transactions.append("begin")
        yield TransactionChanged("begin", 42)

    def commit(self) -> Iterator[Answer]:
        self.transactions.append("commit")
        yield TransactionChanged("commit", 42)

    def rollback(self, name: str = "") -> Iterator[Answer]:
        self.transactions.append("rollback")
        yield TransactionChanged("rollback", 42)

    def take_bulk(self) -> BulkLoad | None:
        bulk, self._bulk = self._bulk, None
        return bulk

    def cancel(self) -> None:
        self.cancelled.set()
        self.lake.interrupt()

    def reset(self, keep_transaction: bool = False) -> None:
        self.resets.append(keep_transaction)

    def close(self) -> None:
        self.closed = True
        self.lake.close()


def lower_select(text: str) -> bool:
    return text.lower().lstrip("( ").startswith(("select", "with", "from", "values"))


class FakeSessions:
    """Lets `sa` in by the password `Right_1`, and anybody by the token `good`."""

    def __init__(self) -> None:
        self.opened: list[FakeSession] = []
        self.logins: list[Login] = []
        self.slow_s = 0.0

    def login(self, login: Login) -> Session:
        time.sleep(self.slow_s)
        self.logins.append(login)
        right = login.token == "good" if login.token else login.password == "Right_1"
        if not right:
            raise LoginFailed(18456, f"Login failed for user '{login.user}'.")
        session = FakeSession(login.database or "master")
        self.opened.append(session)
        return session
