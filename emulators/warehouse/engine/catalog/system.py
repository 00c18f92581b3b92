"""Objects that every database has: system views and their columns, and the types."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def fill(con: DuckDBPyConnection) -> None:
    """Note them in a database's file."""
