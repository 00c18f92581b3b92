"""CREATE, DROP and ALTER SCHEMA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.warehouse.engine.lowering import ddl_parts, ddl_plans
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.ddl_plans import defining, exists, place
from emulators.warehouse.engine.lowering.kinds import named
from emulators.warehouse.engine.lowering.plans import Plan
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.lowering.lowering import Lowering

_TAKEN = frozenset({"temp", "system", "pg_catalog", "rehearsal", "rehearsal_catalog"})
"""Names that DuckDB or this emulator has for itself."""


def create_schema(cursor: Cursor, lowering: Lowering) -> Plan:
    """`CREATE SCHEMA name [AUTHORIZATION owner]`.

    Raises:
        SqlError: it is malformed, or makes what is in it along with it.
    """
    cursor.need("CREATE", "SCHEMA")
    name = cursor.name()
    owner = cursor.name() if cursor.take("AUTHORIZATION") else "dbo"
    if cursor.looks("CREATE") or cursor.looks("GRANT"):
        raise refused("CREATE SCHEMA with what is in it", cursor.line)
    cursor.finish()
    env = lowering.env
    if name.lower() in _TAKEN:
        raise refused(f"a schema of the name {name}", cursor.line)

    def work(con: DuckDBPyConnection) -> None:
        if env.catalog.schema(name) is not None:
            raise exists(name)
        found = env.catalog.rows(
            "SELECT name FROM $catalog.principals WHERE lower(name) = lower(?)", owner
        )
        if not found:
            text = f"Cannot find the user '{owner}', because it does not exist or you do not have permission."
            raise SqlError(15151, 16, 1, text)
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {named(name)}")
        env.catalog.create_schema(name, str(found[0][0]))

    return defining(((name, "", "CREATE SCHEMA"),), work)


def drop_schema(cursor: Cursor, lowering: Lowering) -> Plan:
    """`DROP SCHEMA [IF EXISTS] name`."""
    cursor.need("DROP", "SCHEMA")
    if_exists = cursor.take("IF", "EXISTS")
    name = cursor.name()
    cursor.finish()
    env = lowering.env

    def work(con: DuckDBPyConnection) -> None:
        spelled = env.catalog.schema(name)
        if spelled is None:
            if if_exists:
                return
            text = f"Cannot drop the schema '{name}', because it does not exist or you do not have permission."
            raise SqlError(15151, 16, 1, text)
        if spelled in ("dbo", "guest", "sys", "INFORMATION_SCHEMA"):
            raise SqlError(15150, 16, 1, f"Cannot drop the schema '{spelled}'.")
        held = env.catalog.objects_of(spelled)
        if held:
            text = f"Cannot drop schema '{spelled}' because it is being referenced by object '{held[0]}'."
            raise SqlError(3729, 16, 1, text)
        env.catalog.drop_schema(spelled)
        env.catalog.rows(
            "DELETE FROM $catalog.grants WHERE class = 'SCHEMA' AND lower(schema) = lower(?)",
            spelled,
        )
        con.execute(f"DROP SCHEMA IF EXISTS {named(spelled)}")
        ddl_plans.settled_later(env)

    return defining(((name, "", "ALTER"),), work)


def alter_schema(cursor: Cursor, lowering: Lowering) -> Plan:
    """`ALTER SCHEMA name TRANSFER [OBJECT::]schema.table`."""
    from emulators.warehouse.engine.lowering import ddl_tables

    cursor.need("ALTER", "SCHEMA")
    name = cursor.name()
    cursor.need("TRANSFER")
    if cursor.looks("OBJECT", "::"):
        cursor.take("OBJECT", "::")
    source = cursor.object_name()
    cursor.finish()
    env, (schema, plain) = lowering.env, place(lowering, source)

    def work(con: DuckDBPyConnection) -> None:
        spelled = env.catalog.schema(name)
        if spelled is None:
            text = f"Cannot alter the schema '{name}', because it does not exist or you do not have permission."
            raise SqlError(15151, 16, 1, text)
        table = env.catalog.table(schema, plain)
        if table is None:
            if env.catalog.module(schema, plain) is not None:
                raise refused("ALTER SCHEMA … TRANSFER of views, procedures and functions")
            text = f"Cannot find the object '{plain}', because it does not exist or you do not have permission."
            raise SqlError(15151, 16, 1, text)
        if env.catalog.object(spelled, plain) is not None:
            text = f"The schema '{spelled}' already has an object with name '{plain}'."
            raise SqlError(15530, 16, 1, text)
        if table.kind == "U":
            ddl_tables.copied(env, table, spelled)
        env.catalog.forget_grants(table.schema, table.name)
        env.catalog.move(table.id, spelled, table.name)
        moved = env.catalog.table(spelled, table.name)
        if moved is not None and moved.kind == "U":
            ddl_parts.hold(env, moved)
        ddl_plans.settled_later(env)

    return defining(((name, "", "ALTER"), (schema, plain, "ALTER")), work)
