"""Plans of a session's statements: asked of the lowering once, kept while the catalog stays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from emulators.warehouse.engine.answers import Column
from emulators.warehouse.engine.catalog.model import Table, TableColumn
from emulators.warehouse.engine.lowering import LoweringEnv, Plan, lower, lower_expression
from emulators.warehouse.engine.tsql.facts import Types
from emulators.warehouse.engine.tsql.nodes import Fragment
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError, no_object

if TYPE_CHECKING:
    import pyarrow as pa

    from emulators.warehouse.engine.tsql.session import Session

KEPT = 512
"""Plans a session keeps."""

LONGEST = 50_000
"""Characters of a statement up to which its plan is kept."""


class Plans:
    """Answers with a plan from its memory, or lowers."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: OrderedDict[object, Plan] = OrderedDict()
        self._temporary = 0

    def statement(self, fragment: Fragment, types: Mapping[str, SqlType]) -> Plan:
        """The plan of a data statement."""
        return self._plan(lower, fragment.text, types)

    def expression(self, fragment: Fragment, types: Mapping[str, SqlType]) -> Plan:
        """The plan of a scalar expression."""
        return self._plan(lower_expression, fragment.text, types)

    def forget(self) -> None:
        """Temporary tables changed, or the database did: no plan holds any more."""
        self._kept.clear()

    def check_view(self, text: str, name: str, columns: tuple[str, ...]) -> None:
        """Lower a view's query once, so that what is wrong is told when it is made.

        Raises:
            SqlError: its query names what is not there, or its columns have no names.
        """
        plan = lower(text, self.env({}))
        found = plan.columns or ()
        unnamed = [at for at, column in enumerate(found, 1) if not column.name]
        if unnamed and not columns:
            why = (
                "Create View or Function failed because no column name was specified for column"
                f" {unnamed[0]}."
            )
            raise SqlError(4511, 16, 1, why)
        if columns and len(columns) != len(found):
            few = len(columns) < len(found)
            why = (
                f"View or function '{name}' has {'fewer' if few else 'more'} column names specified"
                " than columns defined."
            )
            raise SqlError(8158 if few else 8159, 16, 1, why)

    def env(self, types: Mapping[str, SqlType]) -> LoweringEnv:
        """What the lowering is told of this session."""
        session = self._session
        return LoweringEnv(
            con=session.con,
            database=session.database,
            catalog=session.catalog,
            session=session,
            schema=session.schema,
            variables=Types(types),
            flavor=session.flavor,
            temp_tables=session.temporary,
            external=session.external,
        )

    def table(self, schema: str, name: str) -> tuple[Column, ...]:
        """The columns of a table, a temporary one by its `#`.

        Raises:
            SqlError: 208: there is none.
        """
        session = self._session
        found = (
            session.temporary.get(name.lower())
            if name.startswith("#")
            else session.catalog.table(schema, name)
        )
        if found is None:
            raise no_object(name if name.startswith("#") else f"{schema}.{name}")
        return tuple(Column(c.name, c.type, c.nullable, c.identity) for c in found.columns)

    @contextmanager
    def staged(
        self, name: str, columns: tuple[Column, ...], batches: list[pa.RecordBatch]
    ) -> Iterator[None]:
        """Rows in memory as a temporary table of this session, for one statement."""
        import duckdb
        import pyarrow as pa

        session = self._session
        schema = pa.schema([pa.field(c.name, c.type.arrow) for c in columns])
        rows = pa.Table.from_batches([pa.record_batch(b.columns, schema) for b in batches], schema)
        session.con.register(name, rows)
        try:
            with self.known(name, columns):
                yield
        finally:
            with suppress(duckdb.Error):  # a failed transaction has forgotten it already
                session.con.unregister(name)

    @contextmanager
    def known(self, name: str, columns: tuple[Column, ...]) -> Iterator[None]:
        """Let statements see what DuckDB has under `name` as a temporary table."""
        session = self._session
        made = tuple(TableColumn(c.name, c.type, c.nullable) for c in columns)
        session.temporary[name.lower()] = Table(0, "", name, made, _ident(name))
        try:
            yield
        finally:
            del session.temporary[name.lower()]
            self.forget()

    def _plan(
        self,
        how: Callable[[str, LoweringEnv], Plan],
        text: str,
        types: Mapping[str, SqlType],
    ) -> Plan:
        session = self._session
        key = (how is lower, text, tuple(types.items()), session.catalog.version, session.schema)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        plan = how(text, self.env(types))
        if plan.cacheable and len(text) <= LONGEST:
            self._kept[key] = plan
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return plan


def _ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
