"""Data statements: run in the session's transaction, their rows counted and handed out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Answer, Finished, ResultSet
from emulators.warehouse.engine.tsql import definitions, evaluating, nodes
from emulators.warehouse.engine.tsql.bulk import TableLoad
from emulators.warehouse.engine.tsql.fragments import cut
from emulators.warehouse.engine.tsql.lexing import tokenize
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError, undeclared

if TYPE_CHECKING:
    import pyarrow as pa

    from emulators.warehouse.engine.lowering import Plan
    from emulators.warehouse.engine.tsql.session import Session

SELECT = 0xC1


def data(session: Session, statement: nodes.Sql) -> Iterator[Answer]:
    """Run a data statement: its result set, or its count.

    Raises:
        SqlError: it cannot be lowered, is not permitted, or fails.
    """
    fragment = prepared(session, statement.fragment)
    types, held = evaluating.scope(session, fragment)
    session.transactions.check()
    if session.options.fmtonly:
        yield from _described(session, fragment, types)
        return
    yield from session.begun_implicitly(statement.verb)
    with (
        session.server.requests.noted(session, statement.fragment) as request,
        session.written_out(fragment) as fragment,
    ):
        plan = session.plans.statement(fragment, types)
        request.label = plan.label or None
        session.authorize(plan.objects)
        if plan.kind == "rows" and plan.command == SELECT:
            yield from _rows(session, plan, held)
        elif plan.kind == "rows":
            yield from _written_rows(session, plan, held)
        else:
            yield from _written(session, plan, held)


def prepared(session: Session, fragment: nodes.Fragment) -> nodes.Fragment:
    """The fragment with the database's functions written out."""
    return definitions.expand(session, fragment) if fragment.calls else fragment


def _described(
    session: Session, fragment: nodes.Fragment, types: Mapping[str, SqlType]
) -> Iterator[Answer]:
    """SET FMTONLY ON: the columns, no rows, no changes."""
    plan = session.plans.statement(fragment, types)
    session.authorize(plan.objects)
    if plan.columns is not None:
        yield ResultSet(plan.columns, ())
    yield Finished(0 if plan.columns is not None else None, plan.command)


class Counted:
    """Batches on their way out: counts rows, keeps what fails for the statement to raise."""

    def __init__(self, session: Session, batches: Any) -> None:
        self._session, self._batches = session, iter(batches)
        self.rows = 0
        self.failure: Exception | None = None
        self._over = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        if self._over:
            raise StopIteration
        try:
            batch = next(self._batches)
        except StopIteration:
            self._over = True
            raise
        except Exception as failure:
            self.failure, self._over = failure, True
            raise StopIteration from None
        self.rows += batch.num_rows
        return batch

    def close(self) -> None:
        """Let go of the query: DuckDB does nothing else while its result is open."""
        self._over = True
        close = getattr(self._batches, "close", None)
        self._batches = iter(())
        if close is not None:
            close()

    def finish(self) -> int:
        """Read what the reader left; the number of rows.

        Raises:
            SqlError: the query failed on the way.
        """
        for _ in self:
            pass
        if self.failure is not None:
            raise self._session.translated(self.failure)
        return self.rows


def _rows(session: Session, plan: Plan, held: Mapping[str, Any]) -> Iterator[Answer]:
    result = plan.execute(session.con, held)
    assert isinstance(result, ResultSet)
    counted = Counted(session, result.batches)
    try:
        yield ResultSet(result.columns, counted)
        rows = counted.finish()
    finally:
        counted.close()
    yield done(session, rows, plan.command)


def _written_rows(session: Session, plan: Plan, held: Mapping[str, Any]) -> Iterator[Answer]:
    """A change with OUTPUT: it is made before its rows are shown."""

    def work() -> tuple[ResultSet, list[pa.RecordBatch]]:
        result = plan.execute(session.con, held)
        assert isinstance(result, ResultSet)
        return result, list(result.batches)

    result, batches = session.change(work)
    yield ResultSet(result.columns, batches)
    yield done(session, sum(b.num_rows for b in batches), plan.command)


def _written(session: Session, plan: Plan, held: Mapping[str, Any]) -> Iterator[Answer]:
    rows = session.change(lambda: plan.execute(session.con, held), ddl=plan.kind == "ddl")
    if not isinstance(rows, int):
        session.error = session.rowcount = 0
        yield Finished(None, plan.command)
        return
    yield done(session, rows, plan.command)


def done(session: Session, rows: int, command: int) -> Finished:
    """The end of a statement that touched `rows`."""
    session.rowcount, session.error = rows, 0
    return Finished(None if session.options.nocount else rows, command)


def select_assign(session: Session, statement: nodes.SelectAssign) -> Iterator[Answer]:
    """`SELECT @a = ...`: the last row's values; nothing changes when there is no row.

    Raises:
        SqlError: a variable is not declared, a value does not fit.
    """
    for target in statement.targets:
        if target.name not in session.frame.types:
            raise undeclared(f"@{target.name}")
    fragment = prepared(session, statement.query)
    if fragment.reads or any(t.upper == "FROM" for t in fragment.tokens):
        session.transactions.check()
    types, held = evaluating.scope(session, fragment)
    with session.written_out(fragment) as fragment:
        plan = session.plans.statement(fragment, types)
        session.authorize(plan.objects)
        result = plan.execute(session.con, held)
        assert isinstance(result, ResultSet)
        kinds = [column.type for column in result.columns]
        fed = any(target.fed is not None for target in statement.targets)
        counted = Counted(session, result.batches)
        rows: list[list[Any]] = []
        for batch in counted:
            if batch.num_rows:
                rows = (rows if fed else []) + _values(batch, whole=fed)
        session.rowcount = counted.finish()
    for row in rows:
        _give(session, statement.targets, kinds, row)
    session.error = 0
    return
    yield


def _values(batch: pa.RecordBatch, *, whole: bool) -> list[list[Any]]:
    """A batch's rows, or its last one."""
    part = batch if whole else batch.slice(batch.num_rows - 1)
    columns = [column.to_pylist() for column in part.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _give(
    session: Session, targets: tuple[nodes.Target, ...], kinds: list[SqlType], row: list[Any]
) -> None:
    """Assign one row's values, from left to right."""
    for target in targets:
        if target.fed is None:
            evaluating.assign(session, target.name, row[target.column], kinds[target.column])
            continue
        for name, column in target.columns:
            session.frame.declare(name, kinds[column], row[column])
        value, kind = evaluating.evaluate(session, target.fed)
        evaluating.assign(session, target.name, value, kind)
        for name, _ in target.columns:
            del session.frame.types[name], session.frame.values[name]


def declare_table(session: Session, item: nodes.Declaration) -> Iterator[Answer]:
    """`DECLARE @t TABLE (...)`: a temporary table of this scope.

    Raises:
        SqlError: a dedicated pool has no table variables.
    """
    if session.flavor == "synapse":
        text = "Parse error at line: 1, column: 1: Incorrect syntax near 'TABLE'."
        raise SqlError(103010, 16, 1, text)
    name = f"#@{item.name}"
    session.drop_temporary(name)
    text = f"CREATE TABLE [{name}] {item.table}"
    plan = session.plans.statement(cut(tokenize(text), text), {})
    session.change(lambda: plan.execute(session.con, {}), ddl=True)
    session.frame.tables.add(name)
    return iter(())


def insert_bulk(session: Session, statement: nodes.InsertBulk) -> Iterator[Answer]:
    """`INSERT BULK`: the rows come next, in a message of their own.

    Raises:
        SqlError: no such table or column, no right to insert.
    """
    session.transactions.check()
    schema, name = definitions.split_name(session, statement.parts)
    if not name.startswith("#"):
        session.permit(schema, name, "INSERT")
    session.bulk = TableLoad.of(session, schema, name, statement.columns)
    yield Finished(None, 0xC3)
