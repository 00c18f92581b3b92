"""Statements: read, lowered, and made plans that run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from emulators.warehouse.engine.answers import Column, ResultSet
from emulators.warehouse.engine.lowering import changes, tree
from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.changing import Change, Changing
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.failures import from_duckdb
from emulators.warehouse.engine.lowering.kinds import INT
from emulators.warehouse.engine.lowering.lowering import Lowering
from emulators.warehouse.engine.lowering.plans import (
    DELETE,
    INSERT,
    MERGE,
    SELECT,
    UPDATE,
    LoweringEnv,
    Plan,
)
from emulators.warehouse.engine.lowering.predicting import Prediction, Running
from emulators.warehouse.engine.lowering.queries import Columns, Made
from emulators.warehouse.engine.lowering.read_changes import statement
from emulators.warehouse.engine.lowering.read_expressions import expression
from emulators.warehouse.engine.lowering.scopes import Scope
from emulators.warehouse.errors import SqlError, refused, too_deep

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

FETCH = 8192
"""Rows of a result's batch."""


def lower_statement(text: str, env: LoweringEnv) -> Plan:
    """The plan of one statement.

    Raises:
        SqlError: it cannot be read, names what is not there, or asks what is not emulated.
    """
    lowering = Lowering(env)
    try:
        cursor = Cursor(text)
        if cursor.ended():
            raise cursor.unexpected()
        asked = statement(cursor)
        if asked is None:
            return _definition(text, lowering)
        return _plan(asked, lowering)
    except RecursionError:
        raise too_deep() from None


def lower_scalar(text: str, env: LoweringEnv) -> Plan:
    """The plan of a scalar expression: one row of one column."""
    lowering = Lowering(env)
    try:
        cursor = Cursor(text)
        asked = expression(cursor)
        cursor.finish()
        value = lowering.binder.value(asked, Scope())
    except RecursionError:
        raise too_deep() from None
    if value.type.name == "null":
        value = convert(value, INT)
    made = Made(f"SELECT {value.sql} AS c1", (("", value.type, value.nullable),))
    return rows_plan(lowering, made, SELECT)


def _definition(text: str, lowering: Lowering) -> Plan:
    from emulators.warehouse.engine.lowering import ddl

    cursor = Cursor(text)
    made = ddl.lower_ddl(cursor, lowering)
    if made is None:
        raise Cursor(text).unexpected()
    return made


def _plan(asked: tree.Statement, lowering: Lowering) -> Plan:
    if isinstance(asked, tree.Rows):
        body = asked.query.body
        if isinstance(body, tree.Select) and body.into is not None:
            return _into(asked.query, body.into, lowering)
        made = lowering.queries.query(asked.query, None, top_level=True)
        return rows_plan(lowering, made, SELECT, asked.query.label)
    if isinstance(asked, tree.Insert):
        return _change(lowering, changes.insert(lowering, asked), INSERT, asked.label)
    if isinstance(asked, tree.Update):
        return _change(lowering, changes.update(lowering, asked), UPDATE, asked.label)
    if isinstance(asked, tree.Delete):
        return _change(lowering, changes.delete(lowering, asked), DELETE, asked.label)
    if isinstance(asked, tree.Merge):
        return _change(lowering, changes.merge(lowering, asked), MERGE, asked.label)
    raise refused(f"statements of the kind {type(asked).__name__}", asked.line)


def columns_of(columns: Columns) -> tuple[Column, ...]:
    """A query's columns as an answer has them."""
    return tuple(Column(name, kind, nullable) for name, kind, nullable in columns)


def rows_plan(lowering: Lowering, made: Made, command: int, label: str = "") -> Plan:
    """The plan of a query."""
    columns, run = columns_of(made.columns), Runner(lowering, made.sql)

    def execute(con: DuckDBPyConnection, values: Mapping[str, Any]) -> ResultSet:
        return ResultSet(columns, run.rows(con, values))

    return Plan(
        "rows", command, made.sql, lowering.parameters, columns, lowering.objects, execute,
        lowering.cacheable, label,
    )  # fmt: skip


def _change(lowering: Lowering, change: Change, command: int, label: str) -> Plan:
    first = None if change.shown is None else Runner(lowering, change.shown.sql)
    changing = Changing(change, Runner(lowering, change.sql), first, lowering.env.session)
    shown = change.shown is not None and change.into is None
    return Plan(
        "rows" if shown else "count", command, change.sql, lowering.parameters,
        changing.columns if shown else None, lowering.objects, changing.execute,
        lowering.cacheable, label,
    )  # fmt: skip


def _into(asked: tree.Query, into: tree.Name, lowering: Lowering) -> Plan:
    """SELECT INTO: the table is made and filled."""
    from emulators.warehouse.engine.lowering import ddl

    made = lowering.queries.query(asked, None, top_level=True)
    names = [name for name, _, _ in made.columns]
    if "" in names:
        text = "An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name."
        raise SqlError(1038, 15, 5, text)
    run = Runner(lowering, made.sql)

    def execute(con: DuckDBPyConnection, values: Mapping[str, Any]) -> int:
        target = ddl.create_from(lowering, into, made.columns)
        return run.count(con, values, f"INSERT INTO {target} {made.named(names)}")

    return Plan(
        "count", SELECT, made.sql, lowering.parameters, None, lowering.objects, execute, False
    )


class Runner:
    """Runs a lowered statement with the values of its variables."""

    def __init__(self, lowering: Lowering, sql: str) -> None:
        self._lowering, self.sql = lowering, sql
        self.names = lowering.parameters
        self._predictions: tuple[Prediction, ...] = tuple(lowering.predictions)

    def given(self, values: Mapping[str, Any], sql: str) -> dict[str, Any]:
        """The variables' values as DuckDB's parameters."""
        names = (
            self.names
            if len(self.names) == len(self._lowering.parameters)
            else self._lowering.parameters
        )
        return {
            f"p{at}": _given(values[name]) for at, name in enumerate(names, 1) if f"$p{at}" in sql
        }

    def rows(self, con: DuckDBPyConnection, values: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
        """The rows, read as they are asked for; the query itself begins at once."""
        given = self.given(values, self.sql)
        running = self._begun(con, values)
        try:
            reader = con.sql(self.sql, params=given or None)
            if reader is None:  # a change with RETURNING whose rows are there already
                raise AssertionError("no rows")
            batches = reader.to_arrow_reader(FETCH)
        except Exception as why:
            self._ended(running, why)
            raise
        return _read(batches, running)

    def count(
        self, con: DuckDBPyConnection, values: Mapping[str, Any], sql: str | None = None
    ) -> int:
        """The number of rows that a change touched."""
        asked = sql or self.sql
        running = self._begun(con, values)
        try:
            rows = con.execute(asked, self.given(values, asked)).fetchall()
        except Exception as why:
            self._ended(running, why)
            raise
        if running is not None:
            running.end()
        return int(rows[0][0]) if rows else 0

    def returned(self, con: DuckDBPyConnection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """What a change with RETURNING gives back."""
        running = self._begun(con, values)
        try:
            rows = con.execute(self.sql, self.given(values, self.sql)).fetchall()
        except Exception as why:
            self._ended(running, why)
            raise
        if running is not None:
            running.end()
        return rows

    def _begun(self, con: DuckDBPyConnection, values: Mapping[str, Any]) -> Running | None:
        if not self._predictions:
            return None
        alone = (
            not self._lowering.env.session.fact("trancount") and not self._lowering.env.temp_tables
        )
        running = Running(con, self._predictions, self.sql, alone=alone)
        whole = " ".join([one.model + one.data for one in self._predictions])
        try:
            running.begin(self.given(values, whole))
        except Exception:
            running.end()
            raise
        return running

    def _ended(self, running: Running | None, why: Exception) -> None:
        if running is None:
            return
        running.end()
        if running.failure is not None:
            raise running.failure from why


def _read(batches: Iterator[pa.RecordBatch], running: Running | None) -> Iterator[pa.RecordBatch]:
    if running is None:
        yield from _told(batches, None)
        return
    try:
        yield from _told(batches, running)
    finally:
        running.end()


def _told(batches: Iterator[pa.RecordBatch], running: Running | None) -> Iterator[pa.RecordBatch]:
    """The batches; Arrow wraps what DuckDB fails with on the way."""
    import duckdb
    import pyarrow as pa

    try:
        yield from batches
    except (OSError, pa.ArrowException) as why:
        if running is not None and running.failure is not None:
            raise running.failure from why
        if "INTERRUPT" in str(why):
            raise duckdb.InterruptException(str(why)) from why
        raise from_duckdb(why) from why


def _given(value: Any) -> Any:
    """A variable's value as DuckDB's client takes it."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return value
