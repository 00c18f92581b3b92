"""The catalog of one database, as one session sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.warehouse.engine.catalog.model import Module, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Catalog:
    """Reads and writes the metadata with the session's own connection and transaction.

    `version` changes with every DDL of any session of the database. After a transaction that
    did DDL ends, either way, call `settle()`.
    """

    def __init__(self, con: DuckDBPyConnection) -> None:
        self._con = con

    @property
    def version(self) -> int:
        """Changes when a plan may have become wrong."""
        return 0

    def settle(self) -> None:
        """Forget what was read: a transaction with DDL in it has ended."""

    def table(self, schema: str, name: str) -> Table | None:
        """The table of that name."""
        return None

    def module(self, schema: str, name: str) -> Module | None:
        """The procedure, view or function of that name."""
        return None

    def put_module(self, module: Module) -> Module:
        """Create or alter it; the id in `module` is ignored and the real one answered."""
        return module

    def drop_module(self, schema: str, name: str) -> bool:
        """False when there is none."""
        return False
