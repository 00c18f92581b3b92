"""Rows of an INSERT BULK on their way into a table: kept aside, then inserted at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Answer, Column, Finished
from emulators.warehouse.engine.tsql.fragments import cut
from emulators.warehouse.engine.tsql.lexing import quote, tokenize
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    import pyarrow as pa

    from emulators.warehouse.engine.tsql.session import Session

_STAGED = "#rehearsal_bulk"
_TABLE = f'temp."{_STAGED}"'
_HELD = 64 * 2**20
"""Bytes of rows held in memory; beyond, they wait in a temporary table of DuckDB's."""


class TableLoad:
    """Rows wait in memory, then in a staging table; `finish` inserts them as one statement."""

    def __init__(self, session: Session, table: str, named: str, columns: Sequence[Column]) -> None:
        self._session, self._table, self._named = session, table, named
        self.columns: Sequence[Column] = columns
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0
        self._staged = False

    @classmethod
    def of(
        cls,
        session: Session,
        schema: str,
        name: str,
        announced: Sequence[tuple[str, SqlType]],
    ) -> TableLoad:
        """The load of a table of the session's database.

        Raises:
            SqlError: 208: no such table; 207: no such column.
        """
        table = session.plans.table(schema, name)
        known = {c.name.lower(): c for c in table}
        columns: list[Column] = []
        for column, kind in announced:
            found = known.get(column.lower())
            if found is None:
                raise SqlError(207, 16, 1, f"Invalid column name '{column}'.")
            columns.append(Column(found.name, kind, found.nullable, found.identity))
        target = quote(name) if name.startswith("#") else f"{quote(schema)}.{quote(name)}"
        named = f"{schema}.{name}".lower()
        return cls(session, target, named, columns or [c for c in table if not c.identity])

    def write(self, batch: pa.RecordBatch) -> None:
        """Keep rows."""
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._bytes > _HELD:
            self._stage()

    def _stage(self) -> None:
        """Hand what is held to DuckDB."""
        session = self._session
        with session.plans.staged(f"{_STAGED}_part", tuple(self.columns), self._batches):
            into = "INSERT INTO {}" if self._staged else "CREATE OR REPLACE TEMP TABLE {} AS"
            session.con.execute(f'{into.format(_TABLE)} FROM "{_STAGED}_part"')
        self._staged, self._batches, self._bytes = True, [], 0

    def finish(self) -> Iterator[Answer]:
        """Insert what came, as one statement.

        Raises:
            SqlError: a row does not fit the table; then none is inserted.
        """
        if self._staged and self._batches:
            self._stage()
        if self._rows:
            self._session.change(self._insert)
        self._session.rowcount, self._session.error = self._rows, 0
        yield Finished(self._rows, 0xC3)
        self.abandon()

    def abandon(self) -> None:
        """Forget the rows."""
        self._batches = []
        if self._staged:
            self._staged = False
            self._session.con.execute(f"DROP TABLE IF EXISTS {_TABLE}")

    def _insert(self) -> None:
        session = self._session
        listed = ", ".join(quote(c.name) for c in self.columns)
        text = f"INSERT INTO {self._table} ({listed}) SELECT {listed} FROM [{_STAGED}]"
        columns = tuple(self.columns)
        source = (
            session.plans.known(_STAGED, columns)
            if self._staged
            else session.plans.staged(_STAGED, columns, self._batches)
        )
        held = session.options.identity_insert
        if any(column.identity for column in columns):  # they came with values of their own
            session.options.identity_insert = self._named
        try:
            with source:
                plan: Any = session.plans.statement(cut(tokenize(text), text), {})
                plan.execute(session.con, {})
        finally:
            session.options.identity_insert = held
