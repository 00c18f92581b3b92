"""A session's transaction as T-SQL counts it, over DuckDB's own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING

from emulators.warehouse.engine.answers import Answer, TransactionChanged
from emulators.warehouse.errors import SqlError, aborted_transaction, refused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SYNAPSE = "synapse"
_IDS = count(1)


class Transactions:
    """`count` is @@TRANCOUNT. A `doomed` one can only be rolled back; its changes are gone already.

    Source: learn.microsoft.com/azure/synapse-analytics/sql-data-warehouse/
    sql-data-warehouse-develop-transactions (transaction state -2, 111233, limitations).
    """

    def __init__(self, con: DuckDBPyConnection, flavor: str, committing: Lock) -> None:
        self._con, self._flavor, self._committing = con, flavor, committing
        self.count = 0
        self.doomed = False
        self.id = 0
        self.defined = False  # DDL happened in it

    @property
    def state(self) -> int:
        """XACT_STATE()."""
        if not self.count:
            return 0
        if not self.doomed:
            return 1
        return -2 if self._flavor == SYNAPSE else -1

    def begin(self) -> Iterator[Answer]:
        """BEGIN TRANSACTION."""
        if self.count:
            if self._flavor == SYNAPSE:
                text = "111212;Operation cannot be performed within a transaction."
                raise SqlError(111212, 16, 1, text)
            self.count += 1
            return
        self._con.begin()
        self.count, self.doomed, self.id, self.defined = 1, False, next(_IDS), False
        yield TransactionChanged("begin", self.id)

    def commit(self) -> Iterator[Answer]:
        """COMMIT TRANSACTION; only the outermost one makes changes last."""
        if not self.count:
            raise self._missing("COMMIT", 3902)
        if self.doomed:
            raise self.dead(commit=True)
        if self.count > 1:
            self.count -= 1
            return
        try:
            with self._committing:
                self._con.commit()
        except Exception:
            self.doomed = True
            self._undo()
            raise
        self.count = 0
        yield TransactionChanged("commit", self.id)

    def rollback(self) -> Iterator[Answer]:
        """ROLLBACK TRANSACTION: everything, however deep."""
        if not self.count:
            raise self._missing("ROLLBACK", 3903)
        yield self.abandon()

    def abandon(self) -> TransactionChanged:
        """Roll back what is open."""
        if not self.doomed:
            self._undo()
        self.count, self.doomed = 0, False
        return TransactionChanged("rollback", self.id)

    def save(self, name: str) -> None:
        """SAVE TRANSACTION: DuckDB has no savepoints, a dedicated pool has none either."""
        raise refused(f"savepoints (SAVE TRANSACTION {name})")

    def doom(self) -> None:
        """An error happened in it: undo now, count until ROLLBACK."""
        if self.count and not self.doomed:
            self.doomed = True
            self._undo()

    def check(self) -> None:
        """Refuse work in a transaction that can only be rolled back."""
        if self.count and self.doomed:
            raise self.dead()

    def dead(self, *, commit: bool = False) -> SqlError:
        """The error of touching a doomed transaction."""
        if self._flavor == SYNAPSE:
            return aborted_transaction()
        if commit:
            rest = "be committed and cannot be rolled back to a savepoint. Roll back the entire"
            return SqlError(3930, 16, 1, f"The current transaction cannot {rest} transaction.")
        rest = "cannot be committed and cannot support operations that write to the log file."
        return SqlError(3930, 16, 1, f"The current transaction {rest} Roll back the transaction.")

    def _missing(self, verb: str, number: int) -> SqlError:
        if self._flavor == SYNAPSE:
            text = (
                "111214;An attempt to complete a transaction has failed. No corresponding "
                "transaction found."
            )
            return SqlError(111214, 16, 1, text)
        text = f"The {verb} TRANSACTION request has no corresponding BEGIN TRANSACTION."
        return SqlError(number, 16, 1, text)

    def _undo(self) -> None:
        import duckdb

        try:
            self._con.rollback()
        except duckdb.Error:
            return  # DuckDB had ended it by itself
