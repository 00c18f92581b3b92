"""Plans of definitions: what is touched, and what is done when the statement runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.catalog.model import Table
from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.plans import DDL, LoweringEnv, Plan
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.lowering.lowering import Lowering

Objects = tuple[tuple[str, str, str], ...]
Work = Callable[["DuckDBPyConnection"], int | None]


def defining(objects: Objects, work: Work) -> Plan:
    """The plan that does `work`; it looks at the catalog only then."""

    def execute(con: DuckDBPyConnection, values: Mapping[str, Any]) -> int | None:
        return work(con)

    return Plan("ddl", DDL, "", (), None, objects, execute, False)


def nothing(objects: Objects = ()) -> Plan:
    """The plan of what is accepted and changes nothing here."""
    return defining(objects, lambda con: None)


def is_temporary(name: tree.Name) -> bool:
    """Whether the name is a temporary table's.

    Raises:
        SqlError: it is a global one's.
    """
    if name.parts[-1].startswith("##"):
        from emulators.warehouse.errors import refused

        raise refused("global temporary tables", name.line)
    return name.parts[-1].startswith("#")


def place(lowering: Lowering, name: tree.Name) -> tuple[str, str]:
    """Schema and name as the catalog spells the schema; a temporary table has no schema."""
    if is_temporary(name):
        return "", name.parts[-1]
    return lowering.queries.sources.place(name)


def table_at(env: LoweringEnv, schema: str, name: str) -> Table | None:
    """The table of that place, temporary or not."""
    if name.startswith("#"):
        return env.temp_tables.get(name.lower())
    return env.catalog.table(schema, name)


def rights(schema: str, name: str, action: str) -> Objects:
    """What the caller must be allowed to do; temporary tables are their own."""
    return () if name.startswith("#") else ((schema, name, action),)


def settled_later(env: LoweringEnv) -> None:
    """Cached rights are read anew when the transaction has ended."""

    def work() -> None:
        database = getattr(env.session, "place", None)
        if database is not None:
            database.security += 1

    env.catalog.afterwards(work)


def remember(env: LoweringEnv, name: str, before: Table | None) -> None:
    """A temporary table is made or dropped: if that is undone, so is what the session knows."""
    tables, con = env.temp_tables, env.con

    def work() -> None:
        found = con.execute(
            "SELECT 1 FROM duckdb_tables() WHERE temporary AND table_name = ?", [name.lower()]
        ).fetchall()  # a result that is not read to its end blocks the connection
        if not found:
            tables.pop(name.lower(), None)
        elif name.lower() not in tables and before is not None:
            tables[name.lower()] = before

    env.catalog.afterwards(work)


# Errors that several statements share.


def exists(name: str) -> SqlError:
    return SqlError(2714, 16, 6, f"There is already an object named '{name}' in the database.")


def no_schema(name: str) -> SqlError:
    text = (
        f'The specified schema name "{name}" either does not exist or you do not have permission'
        " to use it."
    )
    return SqlError(2760, 16, 1, text)


def cannot_drop(what: str, name: str, state: int = 5) -> SqlError:
    text = (
        f"Cannot drop the {what} '{name}', because it does not exist or you do not have permission."
    )
    return SqlError(3701, 11, state, text)


def cannot_find(number: int, name: str) -> SqlError:
    """4902 ALTER TABLE, 4701 TRUNCATE TABLE, 1088 CREATE INDEX."""
    text = (
        f'Cannot find the object "{name}" because it does not exist or you do not have permissions.'
    )
    return SqlError(number, 16, 1, text)


def no_column(name: str) -> SqlError:
    text = f"Column name '{name}' does not exist in the target table or view."
    return SqlError(1911, 16, 1, text)
