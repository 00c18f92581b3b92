"""What a statement is lowered in, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from emulators.warehouse.engine.answers import Column, ResultSet
from emulators.warehouse.engine.types import SqlType

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.catalog.catalog import Catalog
    from emulators.warehouse.engine.catalog.model import Table

SELECT, INSERT, UPDATE, DELETE, MERGE, DDL = 0xC1, 0xC3, 0xC5, 0xC4, 0x117, 0xC6
"""TDS's numbers of statement kinds, as DONE tokens carry them."""


class Facts(Protocol):
    """What only the session knows: the values behind @@ROWCOUNT, ERROR_NUMBER() and the like."""

    def fact(self, name: str) -> object:
        """The present value by lower-case name; names and types are in `facts.py`."""
        ...

    def identity(self, value: int) -> None:
        """A row was inserted whose identity column got this value."""
        ...


@dataclass(slots=True)
class LoweringEnv:
    """Where a statement stands. `variables` has lower-case names without `@`.

    `temp_tables` maps "#name" in lower case to the table; DDL on temporary tables changes it.
    `external` does what reaches storage: COPY INTO, external tables, CETAS (engine/external).
    `predict` answers the PREDICT table source; None refuses it.
    """

    con: DuckDBPyConnection
    database: str
    catalog: Catalog
    session: Facts
    schema: str = "dbo"
    variables: Mapping[str, SqlType] = field(default_factory=dict)
    flavor: str = "synapse"
    temp_tables: dict[str, Table] = field(default_factory=dict)
    authorize: Callable[[str, str], None] | None = None
    external: Any = None
    predict: Any = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement ready to run, over and over, while the catalog's version stays.

    `kind`: rows (a ResultSet), count (an int: rows affected), ddl (None). `parameters` are the
    variables that `execute` reads from its mapping (lower-case, without `@`). `objects` are what
    the statement touches, as (schema, name, SELECT|INSERT|UPDATE|DELETE|EXECUTE|REFERENCES|ALTER|
    CREATE TABLE|CREATE VIEW|...). A plan belongs to the session it was lowered in. `cacheable` is
    False for statements with a value baked in.
    """

    kind: str
    command: int
    sql: str
    parameters: tuple[str, ...]
    columns: tuple[Column, ...] | None
    objects: tuple[tuple[str, str, str], ...]
    execute: Callable[[DuckDBPyConnection, Mapping[str, Any]], ResultSet | int | None]
    cacheable: bool = True
    label: str = ""
