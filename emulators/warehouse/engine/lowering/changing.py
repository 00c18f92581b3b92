"""A change of rows as it is run: its count, what it shows, where that goes, how it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Column, ResultSet
from emulators.warehouse.engine.lowering.plans import Facts
from emulators.warehouse.engine.lowering.queries import Made
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.catalog.model import Table
    from emulators.warehouse.engine.lowering.lowering import Lowering
    from emulators.warehouse.engine.lowering.statements import Runner

_NULL = re.compile(r"NOT NULL constraint failed: .*\.(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Into:
    """OUTPUT … INTO: `sql` inserts what `relation` shows."""

    relation: str
    sql: str
    owner: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change of rows for DuckDB.

    `owner` and `verb` are for errors. `shown` is what OUTPUT shows: a query to run before the
    change, or, with `returning`, what the change itself returns. `identity`: the change returns
    the numbers of an identity column.
    """

    sql: str
    owner: str
    verb: str
    shown: Made | None = None
    returning: bool = False
    identity: bool = False
    into: Into | None = None


def owner_of(lowering: Lowering, table: Table) -> str:
    """A table by its three names, as errors tell it."""
    if table.name.startswith("#"):
        return f"tempdb.dbo.{table.name}"
    return f"{lowering.env.database}.{table.schema}.{table.name}"


@contextmanager
def constrained(owner: str, verb: str) -> Iterator[None]:
    """NULL where there must be a value is told with the table's full name.

    Raises:
        SqlError: 515.
    """
    import duckdb

    try:
        yield
    except duckdb.ConstraintException as why:
        found = _NULL.search(str(why))
        if found is None:
            raise
        text = (
            f"Cannot insert the value NULL into column '{found[1].strip()}', table '{owner}';"
            f" column does not allow nulls. {verb} fails."
        )
        raise SqlError(515, 16, 2, text) from why


class Changing:
    """Makes one change, over and over."""

    def __init__(
        self, change: Change, runner: Runner, first: Runner | None, session: Facts
    ) -> None:
        self._change, self._runner, self._first, self._session = change, runner, first, session
        shown = () if change.shown is None else change.shown.columns
        self.columns = tuple(Column(name, kind, nullable) for name, kind, nullable in shown)

    def execute(self, con: DuckDBPyConnection, values: Mapping[str, Any]) -> ResultSet | int:
        """Make the change: the number of rows, or what OUTPUT shows.

        Raises:
            SqlError: 515 and whatever the rows fail with.
        """
        change = self._change
        with constrained(change.owner, change.verb):
            if change.shown is None or self._first is None:
                return self._count(con, values)
            if change.returning:
                rows = list(self._runner.rows(con, values))
            else:
                rows = list(self._first.rows(con, values))  # as they are before the change
                self._count(con, values)
        if change.into is None:
            return ResultSet(self.columns, rows)
        return self._keep(con, change.into, rows)

    def _count(self, con: DuckDBPyConnection, values: Mapping[str, Any]) -> int:
        if not self._change.identity:
            return self._runner.count(con, values)
        rows = self._runner.returned(con, values)
        if rows:
            self._session.identity(int(rows[-1][0]))
        return len(rows)

    def _keep(self, con: DuckDBPyConnection, into: Into, rows: list[pa.RecordBatch]) -> int:
        import pyarrow as pa

        if not rows:
            return 0
        table = pa.Table.from_batches(rows)
        con.register(into.relation, table)
        try:
            with constrained(into.owner, "INSERT"):
                con.execute(into.sql)
        finally:
            con.unregister(into.relation)
        return int(table.num_rows)
