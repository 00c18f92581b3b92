"""One connection's session: its scopes, its transaction, its rights, its place in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from emulators.warehouse.engine.answers import (
    Answer,
    Argument,
    BulkLoad,
    Column,
    DatabaseChanged,
    ResultSet,
)
from emulators.warehouse.engine.catalog.catalog import Catalog
from emulators.warehouse.engine.lowering import from_duckdb
from emulators.warehouse.engine.security import access, changing
from emulators.warehouse.engine.tsql import monitoring, remote, running, telling
from emulators.warehouse.engine.tsql.blocks import parse_batch
from emulators.warehouse.engine.tsql.fragments import cut
from emulators.warehouse.engine.tsql.frames import (
    Breaks,
    Cancelled,
    Continues,
    Frame,
    Jumps,
    Options,
    Returns,
)
from emulators.warehouse.engine.tsql.lexing import Token, quote, tokenize
from emulators.warehouse.engine.tsql.nodes import Fragment
from emulators.warehouse.engine.tsql.planning import Plans
from emulators.warehouse.engine.tsql.transactions import Transactions
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError, denied, too_deep

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from emulators.kernel.clock import Clock
    from emulators.warehouse.engine.catalog.model import Table
    from emulators.warehouse.engine.databases import Database
    from emulators.warehouse.engine.server import Server

T = TypeVar("T")
RETRIES = 200
"""Times an automatic transaction is tried again when another session's commit came between."""


class SqlSession:
    """What `answers.Session` promises; one worker thread at a time runs it, any may cancel."""

    def __init__(
        self, server: Server, database: Database, principal: access.Principal, number: int
    ) -> None:
        self.server: Server = server
        self.id: int = number
        self.principal: access.Principal = principal
        self.flavor: str = server.flavor
        self.clock: Clock = server.clock
        self.entered = server.clock.now()
        self.server_name: str = server.name
        self.application: str = ""
        self.host: str = ""
        self.cancelled = Event()
        self.bulk: BulkLoad | None = None
        self.handles: dict[int, remote.Prepared] = {}
        self.external: Any = server.external
        self._begin_anew()
        self._enter(database)

    def _enter(self, database: Database) -> None:
        """Take a place in a database; what belongs to the place before is let go."""
        self.place = database
        self.database: str = database.name
        self.con: DuckDBPyConnection = database.cursor()
        self.scratch: DuckDBPyConnection = database.cursor()
        self.catalog = Catalog(self.con)
        self.access: access.Access = access.Access(self.con, database)
        self.home: str = self.access.default_schema(self.principal)
        self.temporary: dict[str, Table] = {}
        self.transactions: Transactions = Transactions(self.con, self.flavor, database.committing)
        self.plans: Plans = Plans(self)

    def _begin_anew(self) -> None:
        self.options: Options = Options()
        self.frames = [Frame()]
        self.caught: list[SqlError] = []
        self.context: dict[str, Any] = {}
        self.tries: int = 0
        self.error: int = 0
        self.rowcount: int = 0
        self.last_identity: int | None = None

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    @property
    def schema(self) -> str:
        """Where names without a schema are looked for."""
        return self.frame.schema or self.home

    @property
    def depth(self) -> int:
        """How deep calls are nested: @@NESTLEVEL."""
        return len(self.frames) - 1

    @property
    def is_admin(self) -> bool:
        return self.principal.admin

    def fact(self, name: str) -> Any:
        """A fact by its name, for the lowering and for expressions."""
        return telling.fact(self, name)

    def identity(self, value: int) -> None:
        """A row got this value in its identity column."""
        self.last_identity = value

    # What the wire calls.

    def batch(self, text: str) -> Iterator[Answer]:
        """Run a batch: parse it whole, then statement by statement."""
        self._start()
        self.frames = [Frame()]
        yield from self._told(self._batch(text))

    def _batch(self, text: str) -> Iterator[Answer]:
        try:
            yield from running.run(self, parse_batch(text))
        except (Returns, Breaks, Continues):
            return
        except Jumps as jump:
            text = (
                f"A GOTO statement references the label '{jump.label}' but the label has not "
                "been declared."
            )
            raise SqlError(133, 15, 1, text) from None

    def call(self, procedure: str, arguments: Sequence[Argument]) -> Iterator[Answer]:
        """Run a remote call."""
        self._start()
        self.frames = [Frame()]
        yield from self._told(remote.call(self, procedure, arguments))

    def _start(self) -> None:
        self.cancelled.clear()
        self.bulk = None
        self.tries = 0
        self.caught = []

    def _told(self, answers: Iterator[Answer]) -> Iterator[Answer]:
        """The answers; an error that nothing caught is the last of them."""
        try:
            yield from answers
        except Cancelled:
            if self.transactions.count and self.broken():
                self.transactions.doom()
        except (SqlError, RecursionError) as failure:
            error = failure if isinstance(failure, SqlError) else too_deep()
            running.settle(self, error)
            yield running.failed(error)
        finally:
            for name in list(self.frame.tables):
                self.drop_temporary(name)
        if self.transactions.doomed and self.flavor != "synapse":
            yield self.transactions.abandon()
            text = (
                "Uncommittable transaction is detected at the end of the batch. The "
                "transaction is rolled back."
            )
            yield running.failed(SqlError(3998, 16, 1, text))

    def begin(self, isolation: int = 0) -> Iterator[Answer]:
        self.cancelled.clear()
        yield from self.transactions.begin()

    def commit(self) -> Iterator[Answer]:
        self.cancelled.clear()
        yield from self.ended(self.transactions.commit())

    def rollback(self, name: str = "") -> Iterator[Answer]:
        """Roll back; without a transaction there is nothing to do, and drivers ask for it."""
        self.cancelled.clear()
        if self.transactions.count:
            yield from self.ended(self.transactions.rollback())

    def take_bulk(self) -> BulkLoad | None:
        taken, self.bulk = self.bulk, None
        return taken

    def cancel(self) -> None:
        self.cancelled.set()
        self.con.interrupt()
        self.scratch.interrupt()

    def reset(self, keep_transaction: bool = False) -> None:
        if not keep_transaction and self.transactions.count:
            self.transactions.abandon()
            self.catalog.settle()
        for name in list(self.temporary):
            self.drop_temporary(name)
        self.handles.clear()
        self._begin_anew()

    def close(self) -> None:
        if self.transactions.count:
            self.transactions.abandon()
        for con in (self.con, self.scratch):
            con.close()
        self.server.left(self)

    # What statements call.

    def translated(self, failure: Exception) -> BaseException:
        """DuckDB's failure as T-SQL's error; ours stay.

        Rows come through Arrow, which tells what DuckDB says as an error of its own.
        """
        import duckdb

        if not isinstance(failure, duckdb.Error | OSError):
            return failure
        if isinstance(failure, duckdb.InterruptException) or "Interrupted!" in str(failure):
            return Cancelled()
        return from_duckdb(failure)

    def guarded(
        self, how: Callable[[SqlSession, Any], Iterator[Answer]], what: Any
    ) -> Iterator[Answer]:
        """What `how` answers, DuckDB's failures on the way made T-SQL's.

        Raises:
            SqlError: in place of DuckDB's error.
        """
        import duckdb

        try:
            yield from how(self, what)
        except (duckdb.Error, OSError) as failure:
            raise self.translated(failure) from failure

    def broken(self) -> bool:
        """Whether DuckDB will do nothing more in the open transaction."""
        import duckdb

        try:
            self.con.execute("SELECT 1").fetchall()
        except duckdb.Error:
            return True
        return False

    def change(self, work: Callable[[], T], *, ddl: bool = False) -> T:
        """Do what writes: in the open transaction, or in one of its own, tried again on conflict.

        Raises:
            SqlError: it fails; what it did alone is undone.
        """
        import duckdb

        for attempt in range(RETRIES):
            try:
                with self.writing(ddl=ddl):
                    return work()
            except duckdb.TransactionException as conflict:
                if "onflict" not in str(conflict):
                    raise
                last = attempt == RETRIES - 1
                if self.transactions.count or last or self.cancelled.wait(0.002 * min(attempt, 10)):
                    raise self.conflict(conflict) from conflict
        raise AssertionError

    def conflict(self, why: Exception) -> BaseException:
        """Another session changed the same rows first."""
        text = (
            "Snapshot isolation transaction aborted due to update conflict. Retry the "
            f"transaction. ({why})"
        )
        return SqlError(3960, 16, 2, text)

    @contextmanager
    def writing(self, *, ddl: bool = False) -> Iterator[None]:
        """A transaction of this statement's own, unless one is open."""
        import duckdb

        alone = not self.transactions.count
        self.transactions.check()
        if ddl and not alone and self.server.strict:
            text = "111212;Operation cannot be performed within a transaction."
            raise SqlError(111212, 16, 1, text)
        version = self.catalog.version
        if alone:
            self.con.begin()
        try:
            yield
            if alone:
                with self.place.committing:
                    self.con.commit()
        except BaseException as failure:
            if alone:
                self._undo()
            conflict = isinstance(failure, duckdb.TransactionException)
            if isinstance(failure, duckdb.Error | OSError) and not conflict:
                raise self.translated(failure) from failure
            raise
        finally:
            changed = ddl or self.catalog.version != version
            self.transactions.defined |= changed
            if alone and changed:
                self.catalog.settle()

    def _undo(self) -> None:
        import duckdb

        try:
            self.con.rollback()
        except duckdb.Error:
            return  # DuckDB had ended it by itself

    def ended(self, answers: Iterator[Answer]) -> Iterator[Answer]:
        """The end of a transaction, either way: what DDL in it changed is read anew."""
        import duckdb

        try:
            yield from answers
        except duckdb.Error as failure:
            raise self.conflict(failure) from failure
        finally:
            if self.transactions.defined and not self.transactions.count:
                self.catalog.settle()
                self.plans.forget()

    def begun_implicitly(self, verb: str) -> Iterator[Answer]:
        """SET IMPLICIT_TRANSACTIONS ON: a data statement begins one."""
        if self.options.implicit and not self.transactions.count:
            yield from self.transactions.begin()

    def use(self, name: str) -> Iterator[Answer]:
        """USE: the same database, or another of a managed instance.

        Raises:
            SqlError: 40508 in a dedicated pool, 911 when there is none.
        """
        if name.lower() != self.database.lower():
            if self.flavor == "synapse":
                text = (
                    "USE statement is not supported to switch between databases. Use a new "
                    "connection to connect to a different database."
                )
                raise SqlError(40508, 16, 1, text)
            self.server.move(self, name)
            yield DatabaseChanged(self.database, name)
            return
        yield DatabaseChanged(self.database, self.database)

    def moved(self, database: Database) -> None:
        """Leave for another database."""
        old = (self.con, self.scratch)
        self._enter(database)
        for con in old:
            con.close()

    def secure(self, tokens: tuple[Token, ...]) -> Iterator[Answer]:
        """CREATE LOGIN, GRANT and the like."""
        yield from changing.run(self, tokens)

    def authorize(self, objects: Sequence[tuple[str, str, str]]) -> None:
        """Check the rights to what a plan touches, unless a procedure's owner answers for it.

        Raises:
            SqlError: 229: one is not given.
        """
        if self.principal.admin or self.frame.trusted:
            return
        for schema, name, action in objects:
            self.permit(schema, name, action)

    def permit(self, schema: str, name: str, action: str) -> None:
        """Check one right.

        Raises:
            SqlError: 229: it is not given.
        """
        if self.principal.admin or self.frame.trusted or name.startswith("#"):
            return
        action = action.upper()
        if self.access.allows(self.principal, action, schema, name):
            return
        if action.startswith("CREATE ") or not name:
            text = f"{action} permission denied in database '{self.database}'."
            raise SqlError(262, 14, 1, text)
        raise denied(action, name, self.database, schema)

    @contextmanager
    def written_out(self, fragment: Fragment) -> Iterator[Fragment]:
        """The fragment with views of the server's made tables, while it runs."""
        with ExitStack() as held:
            if monitoring.asks(fragment):
                fragment = held.enter_context(monitoring.shown(self, fragment))
            yield fragment

    def drop_temporary(self, name: str) -> None:
        """Drop a temporary table if it is there."""
        if name.lower() not in self.temporary or (
            self.transactions.count and self.transactions.doomed
        ):
            return
        text = f"DROP TABLE [{name}]"
        plan = self.plans.statement(cut(tokenize(text), text), {})
        self.change(lambda: plan.execute(self.con, {}), ddl=True)
        self.plans.forget()

    def insert_rows(
        self, head: str, columns: tuple[Column, ...], batches: list[pa.RecordBatch]
    ) -> int:
        """`head` (INSERT INTO t [(...)]) of rows in memory; how many."""
        names = tuple(
            Column(f"c{at}", column.type, column.nullable) for at, column in enumerate(columns)
        )
        text = f"{head} SELECT * FROM [#rehearsal_rows]"

        def work() -> int:
            with self.plans.staged("#rehearsal_rows", names, batches):
                plan = self.plans.statement(cut(tokenize(text), text), {})
                self.authorize(plan.objects)
                made = plan.execute(self.con, {})
            return made if isinstance(made, int) else 0

        return self.change(work)

    def query(self, text: str, **values: str) -> list[tuple[Any, ...]]:
        """The rows of a query of our own, with the session's transaction and all rights."""
        fragment = cut(tokenize(text), text)
        plan = self.plans.statement(fragment, {name: SqlType("nvarchar", 128) for name in values})
        result = plan.execute(self.con, values)
        if not isinstance(result, ResultSet):
            return []
        return [tuple(row.values()) for batch in result.batches for row in batch.to_pylist()]

    def columns(self, schema: str, name: str) -> tuple[Column, ...]:
        """The columns of a table, temporary table or view.

        Raises:
            SqlError: 208: there is none.
        """
        try:
            return self.plans.table(schema, name)
        except SqlError:
            text = f"SELECT * FROM {quote(schema)}.{quote(name)}"
            return self.plans.statement(cut(tokenize(text), text), {}).columns or ()


Session = SqlSession
