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


class TableLoad:
    """Each batch goes into a staging table of its columns' own types; `finish` inserts it all."""

    def __init__(self, session: Session, table: str, columns: Sequence[Column]) -> None:
        self._session, self._table = session, table
        self.columns: Sequence[Column] = columns
        self._batches: list[pa.RecordBatch] = []

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
        return cls(session, target, columns or [c for c in table if not c.identity])

    def write(self, batch: pa.RecordBatch) -> None:
        """Keep rows; they are columns of Arrow and small beside their text."""
        self._batches.append(batch)

    def finish(self) -> Iterator[Answer]:
        """Insert what came, as one statement.

        Raises:
            SqlError: a row does not fit the table; then none is inserted.
        """
        rows = sum(batch.num_rows for batch in self._batches)
        batches, self._batches = self._batches, []
        if rows:
            self._session.change(lambda: self._insert(batches))
        self._session.rowcount, self._session.error = rows, 0
        yield Finished(rows, 0xC3)

    def abandon(self) -> None:
        """Forget the rows."""
        self._batches = []

    def _insert(self, batches: list[pa.RecordBatch]) -> None:
        session = self._session
        listed = ", ".join(quote(c.name) for c in self.columns)
        text = f"INSERT INTO {self._table} ({listed}) SELECT {listed} FROM [{_STAGED}]"
        staged = session.plans.staged(_STAGED, tuple(self.columns), batches)
        with staged:
            fragment = cut(tokenize(text), text)
            plan: Any = session.plans.statement(fragment, {})
            plan.execute(session.con, {})
