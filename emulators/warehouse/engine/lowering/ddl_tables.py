"""CREATE TABLE, CREATE TABLE AS SELECT, SELECT INTO's table; DROP, TRUNCATE, RENAME."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.catalog.model import PartColumn, Table, TableColumn
from emulators.warehouse.engine.lowering import ddl_checks, ddl_plans, read_ddl, tree
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.ddl_parts import add_constraint
from emulators.warehouse.engine.lowering.ddl_plans import (
    cannot_drop,
    cannot_find,
    defining,
    exists,
    no_schema,
    place,
    rights,
    table_at,
)
from emulators.warehouse.engine.lowering.kinds import NULL, duck, named
from emulators.warehouse.engine.lowering.plans import DDL, LoweringEnv, Plan
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.lowering.lowering import Lowering
    from emulators.warehouse.engine.lowering.queries import Columns

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def create_table(cursor: Cursor, lowering: Lowering) -> Plan:
    """CREATE TABLE, with columns or AS SELECT.

    Raises:
        SqlError: it cannot be read, or the flavor has no such table.
    """
    cursor.need("CREATE", "TABLE")
    asked = read_ddl.create_table(cursor)
    schema, name = place(lowering, asked.name)
    if asked.query is not None:
        return _create_as(asked, schema, name, lowering)
    columns = ddl_checks.columns_of(asked, lowering.env)
    options = ddl_checks.options_of(asked, columns, lowering.env)

    def work(con: DuckDBPyConnection) -> None:
        made = make(lowering.env, schema, name, columns, options)
        for defined in asked.columns:
            for constraint in defined.constraints:
                add_constraint(lowering.env, made, constraint)
        for constraint in asked.constraints:
            add_constraint(lowering.env, made, constraint)

    return defining(rights(schema, name, "CREATE TABLE"), work)


def _create_as(asked: read_ddl.Created, schema: str, name: str, lowering: Lowering) -> Plan:
    from emulators.warehouse.engine.lowering.statements import Runner

    assert asked.query is not None
    made = lowering.queries.query(asked.query, None, top_level=True)
    names = list(asked.names) or [column for column, _, _ in made.columns]
    if len(names) != len(made.columns):
        text = "The number of columns in the column list does not match the query's."
        raise SqlError(8158 if len(names) < len(made.columns) else 8159, 16, 1, text)
    columns = _selected(
        tuple((n, k, null) for n, (_, k, null) in zip(names, made.columns, strict=True))
    )
    ddl_checks.distinct(name, [c.name for c in columns])
    options = ddl_checks.options_of(asked, columns, lowering.env, selected=True)
    for right in rights(schema, name, "CREATE TABLE"):
        lowering.touches(*right)
    run = Runner(lowering, made.sql)

    def execute(con: DuckDBPyConnection, values: Mapping[str, Any]) -> int:
        table = make(lowering.env, schema, name, columns, options)
        return run.count(con, values, f"INSERT INTO {table.source} {made.named(names)}")

    return Plan(
        "ddl", DDL, made.sql, lowering.parameters, None, lowering.objects, execute, False,
        asked.label,
    )  # fmt: skip


def _selected(columns: Columns) -> tuple[TableColumn, ...]:
    """A query's columns as a table's.

    Raises:
        SqlError: 1038: one has no name.
    """
    if any(not name for name, _, _ in columns):
        text = (
            "An object or column name is missing or empty. For SELECT INTO statements, verify each"
            " column has a name. For other statements, look for empty alias names. Aliases defined"
            ' as "" or [] are not allowed. Change the alias to a valid name.'
        )
        raise SqlError(1038, 15, 5, text)
    return tuple(
        TableColumn(name, SqlType("int") if kind == NULL else kind, nullable)
        for name, kind, nullable in columns
    )


def create_from(lowering: Lowering, name: tree.Name, columns: Columns) -> str:
    """Make the table of SELECT INTO now; what names it in DuckDB.

    Raises:
        SqlError: 2714, 2760, 2705, 1038.
    """
    schema, plain = place(lowering, name)
    made = _selected(columns)
    ddl_checks.distinct(plain, [c.name for c in made])
    asked = read_ddl.Created(name.line, name)
    options = ddl_checks.options_of(asked, made, lowering.env, selected=True)
    return make(lowering.env, schema, plain, made, options).source


def make(
    env: LoweringEnv,
    schema: str,
    name: str,
    columns: Sequence[TableColumn],
    options: Mapping[str, Any],
) -> Table:
    """Put a table into DuckDB and into the catalog.

    Raises:
        SqlError: 2714: the name is taken; 2760: there is no such schema.
    """
    identity = next((c for c in columns if c.identity), None)
    options = dict(options)
    temporary = name.startswith("#")
    spelled = None if temporary else env.catalog.schema(schema)
    if temporary:
        if name.lower() in env.temp_tables:
            raise exists(name)
    else:
        if spelled is None or spelled in ("sys", "INFORMATION_SCHEMA"):
            raise no_schema(schema)
        if env.catalog.object(spelled, name) or env.catalog.constraint(spelled, name):
            raise exists(name)
    if identity is not None:
        options["sequence"] = make_sequence(env, identity, temporary)
    if temporary:
        made = Table(-env.catalog.next_id(), "", name, tuple(columns), f"temp.{named(name.lower())}",
                     "U", options)  # fmt: skip
        ddl_plans.remember(env, name, None)
        env.temp_tables[name.lower()] = made
    else:
        assert spelled is not None
        made = env.catalog.create_table(spelled, name, columns, options=options)
        _base_index(env, made)
    listed = ", ".join(column_sql(c, options.get("sequence", "")) for c in columns)
    kind = "TEMP TABLE" if temporary else "TABLE"
    env.con.execute(f"CREATE {kind} {made.source} ({listed})")
    return made


def make_sequence(env: LoweringEnv, column: TableColumn, temporary: bool = False) -> str:
    """The sequence that numbers an identity column; its name in DuckDB."""
    place = "temp" if temporary else "rehearsal_catalog"
    name = f"{place}.identity_{env.catalog.next_id()}"
    _make_sequence(env.con, name, column, temporary)
    return name


def _make_sequence(
    con: DuckDBPyConnection, name: str, column: TableColumn, temporary: bool
) -> None:
    con.execute(
        f"CREATE {'TEMP ' if temporary else ''}SEQUENCE {name} INCREMENT {column.increment}"
        f" MINVALUE {_SMALLEST} MAXVALUE {_LARGEST} START {column.seed}"
    )


def column_sql(column: TableColumn, sequence: str = "") -> str:
    """A column as DuckDB's CREATE TABLE has it."""
    parts = [named(column.name), duck(column.type)]
    if not column.nullable:
        parts.append("NOT NULL")
    if column.identity:
        parts.append(f"DEFAULT CAST(nextval('{sequence}') AS {duck(column.type)})")
    return " ".join(parts)


def _base_index(env: LoweringEnv, table: Table) -> None:
    """Every table is a heap or lies in its clustered index: sys.indexes tells which."""
    kind = str(table.options.get("index", "HEAP"))
    if kind == "HEAP":
        env.catalog.put_part("index", table.id, "", {"type": "HEAP", "number": 0})
        return
    keys = [PartColumn(n, bool(d)) for n, d in table.options.get("key", [])]
    if kind == "CLUSTERED COLUMNSTORE":
        keys = [PartColumn(c.name, included=True) for c in table.columns]
    name = f"ClusteredIndex_{table.id:08x}"
    env.catalog.put_part("index", table.id, name, {"type": kind, "number": 1}, keys)


def drop_table(cursor: Cursor, lowering: Lowering) -> Plan:
    """DROP TABLE [IF EXISTS] names."""
    cursor.need("DROP", "TABLE")
    if_exists = cursor.take("IF", "EXISTS")
    names = [cursor.object_name()]
    while cursor.take(","):
        names.append(cursor.object_name())
    cursor.finish()
    places = [(place(lowering, name), name.text) for name in names]
    env = lowering.env

    def work(con: DuckDBPyConnection) -> None:
        for (schema, name), text in places:
            found = table_at(env, schema, name)
            if found is not None and found.kind == "U":
                _drop(env, found)
            elif not if_exists or (schema and env.catalog.object(schema, name)):
                raise _not_droppable(env, schema, name, text)

    objects = tuple(right for at, _ in places for right in _alter_rights(env, *at))
    return defining(objects, work)


def _alter_rights(env: LoweringEnv, schema: str, name: str) -> ddl_plans.Objects:
    """The right to alter what is there; nothing is asked for what is not."""
    return rights(schema, name, "ALTER") if table_at(env, schema, name) is not None else ()


def _not_droppable(env: LoweringEnv, schema: str, name: str, text: str) -> SqlError:
    module = env.catalog.module(schema, name) if schema else None
    if module is not None:
        words = {"V": "VIEW", "P": "PROCEDURE"}.get(module.kind, "FUNCTION")
        told = f"Cannot use DROP TABLE with '{text}' because '{text}' is a {words.lower()}. Use DROP {words}."
        return SqlError(3705, 16, 1, told)
    return cannot_drop("table", text)


def _drop(env: LoweringEnv, table: Table) -> None:
    env.con.execute(f"DROP TABLE {table.source}")
    if table.sequence:
        env.con.execute(f"DROP SEQUENCE {table.sequence}")
    if table.name.startswith("#"):
        ddl_plans.remember(env, table.name, table)
        env.temp_tables.pop(table.name.lower(), None)
        return
    env.catalog.drop_table(table)
    env.catalog.forget_grants(table.schema, table.name)
    ddl_plans.settled_later(env)


def truncate_table(cursor: Cursor, lowering: Lowering) -> Plan:
    """TRUNCATE TABLE: no rows, identity begins anew."""
    cursor.need("TRUNCATE", "TABLE")
    name = cursor.object_name()
    if cursor.looks("WITH", "("):
        raise refused("TRUNCATE TABLE … WITH (PARTITIONS …)", cursor.line)
    cursor.finish()
    schema, plain = place(lowering, name)
    env = lowering.env

    def work(con: DuckDBPyConnection) -> None:
        table = table_at(env, schema, plain)
        if table is None:
            raise cannot_find(4701, plain)
        if table.kind != "U":
            text = f"Cannot truncate table '{plain}' because it is an external table."
            raise SqlError(46518, 16, 1, text)
        con.execute(f"DELETE FROM {table.source}")
        column = next((c for c in table.columns if c.identity), None)
        if column is not None:
            _restart(con, table, column)

    return defining(_alter_rights(env, schema, plain), work)


def _restart(con: DuckDBPyConnection, table: Table, column: TableColumn) -> None:
    at = f"ALTER TABLE {table.source} ALTER COLUMN {named(column.name)}"
    con.execute(f"{at} DROP DEFAULT")
    con.execute(f"DROP SEQUENCE {table.sequence}")
    _make_sequence(con, table.sequence, column, table.sequence.startswith("temp."))
    con.execute(f"{at} SET DEFAULT CAST(nextval('{table.sequence}') AS {duck(column.type)})")


def rename_object(cursor: Cursor, lowering: Lowering) -> Plan:
    """`RENAME OBJECT [::] schema.table TO name`."""
    cursor.need("RENAME", "OBJECT")
    cursor.take("::") or cursor.take(":", ":")
    name = cursor.object_name()
    if cursor.take("COLUMN"):
        raise refused("RENAME OBJECT … COLUMN", cursor.line)
    cursor.need("TO")
    to = cursor.name()
    cursor.finish()
    schema, plain = place(lowering, name)
    if not schema:
        raise refused("RENAME OBJECT of a temporary table", name.line)
    env = lowering.env
    if env.flavor != "synapse":
        raise cursor.unexpected()

    def work(con: DuckDBPyConnection) -> None:
        table = env.catalog.table(schema, plain)
        if table is None or table.kind != "U":
            text = f"Either the object {name.text} does not exist or you do not have permission to rename it."
            raise SqlError(15225, 11, 1, text)
        if env.catalog.object(table.schema, to) is not None:
            raise exists(to)
        con.execute(f"ALTER TABLE {table.source} RENAME TO {named(to)}")
        env.catalog.move(table.id, table.schema, to)
        env.catalog.move_grants(table.schema, table.name, to)
        ddl_plans.settled_later(env)

    return defining(_alter_rights(env, schema, plain), work)


def copied(env: LoweringEnv, table: Table, schema: str) -> None:
    """Move a table to another schema: DuckDB has no word for it, so it is made anew."""
    target = f"{named(schema)}.{named(table.name)}"
    listed = ", ".join(column_sql(c, table.sequence) for c in table.columns)
    env.con.execute(f"CREATE TABLE {target} ({listed})")
    env.con.execute(f"INSERT INTO {target} SELECT * FROM {table.source}")
    env.con.execute(f"DROP TABLE {table.source}")
