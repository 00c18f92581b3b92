"""Tables and queries as sources and sinks of rows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

from emulators.datafactory.engine.connections import sql
from emulators.datafactory.engine.connections.credentials import Caller
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.resolving import Dataset, LinkedService
from emulators.datafactory.engine.connections.sql import Database, SqlFailed, quoted
from emulators.datafactory.engine.connections.tables import Batch, Column, Documents, Piece
from emulators.datafactory.engine.connections.values import convert, converter

NO_SUCH_OBJECT = 208
PARAMETERS = 2000
"""Values of one INSERT: the protocol allows 2,100."""
ROWS = 1000
CREATED = {
    "boolean": "bit", "byte": "tinyint", "sbyte": "smallint", "int16": "smallint",
    "int32": "int", "int64": "bigint", "single": "real", "double": "float",
    "decimal": "decimal(38,18)", "datetime": "datetime2", "date": "datetime2",
    "datetimeoffset": "datetimeoffset", "timespan": "time", "guid": "uniqueidentifier",
    "byte[]": "varbinary(8000)", "bytearray": "varbinary(8000)",
}  # fmt: skip
"""Interim types -> the column types of tables that a copy makes."""


def is_sql(linked: LinkedService) -> bool:
    """Whether a linked service is a database."""
    return sql.is_sql(linked)


def table_of(dataset: Dataset) -> str:
    """The table that a dataset names, in brackets; "" when it names none."""
    table, schema = dataset.get("table"), dataset.get("schema")
    if table:
        return f"{quoted(str(schema))}.{quoted(str(table))}" if schema else quoted(str(table))
    name = str(dataset.get("tableName") or "")
    if not name or "[" in name:
        return name
    return ".".join(quoted(part) for part in name.split("."))


@asynccontextmanager
async def rows(
    caller: Caller, dataset: Dataset, source: Mapping[str, Any]
) -> AsyncIterator[AsyncIterator[Piece]]:
    """The rows of a query, of a procedure or of the dataset's table.

    Raises:
        ConnectionFailed: the database refuses.
        NotEmulated: a setting that is not honoured.
    """
    partition = str(source.get("partitionOption") or "None").lower()
    if partition not in ("none", "physicalpartitionsoftable"):
        raise NotEmulated("reading a table by dynamic ranges")
    text, values = _asked(dataset, source)
    timeout_s = _seconds(source.get("queryTimeout"))
    async with (
        sql.opened(caller, dataset.linked, timeout_s=timeout_s) as database,
        aclosing(_pieces(database, text, values)) as pieces,
    ):
        yield pieces


async def _pieces(database: Database, text: str, values: Sequence[Any]) -> AsyncGenerator[Piece]:
    async for result in database.streamed(text, values):
        yield Batch(result.columns, result.rows)


def _seconds(given: Any) -> float:
    from emulators.datafactory.engine.definitions import seconds_of

    try:
        return seconds_of(given) if given else 7200.0
    except ValueError:
        raise ConnectionFailed(
            "UserErrorInvalidTimeout", f"'{given}' is not a time span."
        ) from None


def _asked(dataset: Dataset, source: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
    query = source.get("sqlReaderQuery") or source.get("query")
    if query:
        return str(query), ()
    procedure = source.get("sqlReaderStoredProcedureName")
    if procedure:
        values = parameters_of(source.get("storedProcedureParameters"))
        return call_text(str(procedure), values), tuple(values.values())
    table = table_of(dataset)
    if not table:
        raise ConnectionFailed(
            "UserErrorMissingTable", "Neither the source has a query nor the dataset a table."
        )
    return f"SELECT * FROM {table}", ()


def call_text(name: str, values: Mapping[str, Any]) -> str:
    """The call of a procedure whose values follow as parameters."""
    target = name if "[" in name else ".".join(quoted(part) for part in name.split("."))
    given = ", ".join(f"@{one.lstrip('@')} = %s" for one in values)
    return f"EXEC {target} {given}".rstrip()


def parameters_of(given: Any) -> dict[str, Any]:
    """`storedProcedureParameters`: values by name, each of its declared type.

    Raises:
        ConnectionFailed: a value does not fit its type.
    """
    values = {}
    for name, one in (given or {}).items():
        value, kind = (
            (one.get("value"), one.get("type")) if isinstance(one, Mapping) else (one, None)
        )
        values[str(name)] = typed(value, str(kind or ""), str(name))
    return values


def typed(value: Any, kind: str, name: str) -> Any:
    """A parameter's value as its declared type.

    Raises:
        ConnectionFailed: it does not fit.
    """
    if value is None or not kind:
        return value
    made = convert(value, converter(kind), name, kind)
    return made.total_seconds() if isinstance(made, timedelta) else made


async def columns(caller: Caller, dataset: Dataset) -> list[Column] | None:
    """The columns of the dataset's table; None when there is none of that name.

    Raises:
        ConnectionFailed: the database refuses.
    """
    async with sql.opened(caller, dataset.linked) as database:
        return await _columns(database, table_of(dataset))


async def _columns(database: Database, table: str) -> list[Column] | None:
    try:
        results = await database.run(f"SELECT TOP 0 * FROM {table}")
    except SqlFailed as failed:
        if failed.number == NO_SUCH_OBJECT or "Invalid object name" in failed.said:
            return None
        raise
    return list(results[0].columns)


async def write(
    caller: Caller, dataset: Dataset, sink: Mapping[str, Any], pieces: AsyncIterator[Piece]
) -> int:
    """Insert rows into the dataset's table; how many.

    Raises:
        ConnectionFailed: the database refuses.
        NotEmulated: a setting that is not honoured.
    """
    check_sink(sink)
    table = table_of(dataset)
    if not table:
        raise ConnectionFailed("UserErrorMissingTable", "The sink's dataset names no table.")
    count = 0
    async with sql.opened(caller, dataset.linked) as database:
        if sink.get("preCopyScript"):
            await database.run(str(sink["preCopyScript"]))
        known: list[Column] | None = None
        async for piece in pieces:
            assert not isinstance(piece, Documents)
            if known is None and piece.columns:
                known = await _target(database, table, sink, piece.columns)
            if piece.rows and known is not None:
                count += await _insert(database, table, _fitting(piece, known))
    return count


def _fitting(batch: Batch, known: Sequence[Column]) -> Batch:
    """The rows as the table's columns have them.

    Raises:
        ConnectionFailed: a value does not fit its column.
    """
    types = {column.name.lower(): column.type for column in known}
    wanted = [types[column.name.lower()] for column in batch.columns]
    changes = [
        None if kind == column.type else (column.name, kind, converter(kind))
        for column, kind in zip(batch.columns, wanted, strict=True)
    ]
    if not any(changes):
        return batch
    rows = [
        [
            value if change is None else convert(value, change[2], change[0], change[1])
            for value, change in zip(row, changes, strict=True)
        ]
        for row in batch.rows
    ]
    columns = [Column(c.name, kind) for c, kind in zip(batch.columns, wanted, strict=True)]
    return Batch(tuple(columns), rows)


def check_sink(sink: Mapping[str, Any]) -> None:
    """Let pass the settings of a sink that are honoured.

    Raises:
        NotEmulated: one is not.
    """
    if str(sink.get("writeBehavior") or "insert").lower() != "insert":
        raise NotEmulated(f"the write behaviour '{sink.get('writeBehavior')}' of SQL sinks")
    for name in ("sqlWriterStoredProcedureName", "sqlWriterTableType", "upsertSettings"):
        if sink.get(name):
            raise NotEmulated(f"the sink setting '{name}'")


async def _target(
    database: Database, table: str, sink: Mapping[str, Any], given: tuple[Column, ...]
) -> list[Column]:
    """The table's columns; it is made where the sink says so."""
    found = await _columns(database, table)
    if found is None and str(sink.get("tableOption") or "").lower() == "autocreate":
        made = ", ".join(
            f"{quoted(c.name)} {CREATED.get(c.type.lower(), 'nvarchar(4000)')} NULL" for c in given
        )
        await database.run(f"CREATE TABLE {table} ({made})")
        return [Column(c.name, c.type if c.type.lower() in CREATED else "String") for c in given]
    if found is None:
        raise ConnectionFailed("UserErrorTableNotExist", f"The table {table} does not exist.")
    known = {column.name.lower() for column in found}
    missing = [column.name for column in given if column.name.lower() not in known]
    if missing:
        raise ConnectionFailed(
            "UserErrorInvalidColumnName", f"The column {missing[0]} is not found in target side."
        )
    return found


async def _insert(database: Database, table: str, batch: Batch) -> int:
    names = ", ".join(quoted(column.name) for column in batch.columns)
    one = f"({', '.join(['%s'] * len(batch.columns))})"
    at_once = max(1, min(ROWS, PARAMETERS // max(1, len(batch.columns))))
    for at in range(0, len(batch.rows), at_once):
        rows = batch.rows[at : at + at_once]
        values = [value for row in rows for value in row]
        lines = ", ".join([one] * len(rows))
        await database.run(f"INSERT INTO {table} ({names}) VALUES {lines}", values)
    return len(batch.rows)
