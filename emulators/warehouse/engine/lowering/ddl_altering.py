"""ALTER TABLE: columns and constraints added, changed and dropped."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from emulators.warehouse.engine.catalog.model import Table, TableColumn
from emulators.warehouse.engine.lowering import ddl_checks, ddl_plans, read_ddl
from emulators.warehouse.engine.lowering.casts import assign
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.ddl_parts import (
    add_constraint,
    check_columns,
    hold,
    lift,
    release,
)
from emulators.warehouse.engine.lowering.ddl_plans import (
    cannot_find,
    defining,
    place,
    rights,
    table_at,
)
from emulators.warehouse.engine.lowering.ddl_tables import column_sql, make_sequence
from emulators.warehouse.engine.lowering.kinds import Typed, duck, named
from emulators.warehouse.engine.lowering.plans import LoweringEnv, Plan
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.lowering.lowering import Lowering

Change = Callable[["Lowering", Table], None]
_CALLS = re.compile(r"\w\s*\(")


def alter_table(cursor: Cursor, lowering: Lowering) -> Plan:
    """ALTER TABLE.

    Raises:
        SqlError: it cannot be read, or asks what is not emulated.
    """
    cursor.need("ALTER", "TABLE")
    target = cursor.object_name()
    changes = _changes(cursor)
    cursor.finish()
    env, (schema, name) = lowering.env, place(lowering, target)

    def work(con: DuckDBPyConnection) -> None:
        lift(env, _there(env, schema, name, target.text))
        for change in changes:
            change(lowering, _there(env, schema, name, target.text))
        table = _there(env, schema, name, target.text)
        hold(env, table)
        if schema:
            env.catalog.touch(table.id)

    return defining(rights(schema, name, "ALTER"), work)


def _there(env: LoweringEnv, schema: str, name: str, text: str) -> Table:
    """The table as it is now.

    Raises:
        SqlError: 4902: there is none.
    """
    table = table_at(env, schema, name)
    if table is None or table.kind != "U":
        raise cannot_find(4902, text)
    return table


def _changes(cursor: Cursor) -> list[Change]:
    if cursor.looks("WITH", "CHECK") or cursor.looks("WITH", "NOCHECK"):
        cursor.take("WITH")
        cursor.next()
        if not cursor.looks("ADD"):
            raise refused("CHECK and NOCHECK of constraints", cursor.line)
    if cursor.take("ADD"):
        return _added(cursor)
    if cursor.take("ALTER", "COLUMN"):
        return [_altered(cursor)]
    if cursor.take("DROP"):
        return _dropped(cursor)
    if cursor.take("REBUILD"):
        _skip(cursor)
        return [lambda lowering, table: None]
    for word, what in _REFUSED.items():
        if cursor.looks(word):
            raise refused(what, cursor.line)
    raise cursor.unexpected()


_REFUSED = {
    "SWITCH": "ALTER TABLE … SWITCH PARTITION (partitions are recorded, rows are not kept by them)",
    "SPLIT": "ALTER TABLE … SPLIT RANGE (partitions are recorded, rows are not kept by them)",
    "MERGE": "ALTER TABLE … MERGE RANGE (partitions are recorded, rows are not kept by them)",
    "CHECK": "CHECK and NOCHECK of constraints", "NOCHECK": "CHECK and NOCHECK of constraints",
    "ENABLE": "triggers and change tracking", "DISABLE": "triggers and change tracking",
    "SET": "ALTER TABLE … SET",
}  # fmt: skip


def _skip(cursor: Cursor) -> None:
    """PARTITION = ALL WITH (…): a rebuild changes no row."""
    while not cursor.ended() and not cursor.looks(";"):
        if cursor.looks("("):
            cursor.group()
        else:
            cursor.next()


# ADD.


def _added(cursor: Cursor) -> list[Change]:
    found: list[Change] = []
    while True:
        constraint = read_ddl.table_constraint(cursor)
        if constraint is not None:
            found.append(_constraint_added(constraint))
        else:
            found.append(_column_added(read_ddl.column(cursor)))
        if not cursor.take(","):
            return found


def _constraint_added(asked: read_ddl.Constraint) -> Change:
    def change(lowering: Lowering, table: Table) -> None:
        env = lowering.env
        ddl_checks.check_constraint(asked, env)
        check_columns(table, asked.columns)
        if asked.type == "PK":
            _check_primary(env, table, asked)
        if asked.type == "D":
            column = table.column(asked.columns[0].name)
            assert column is not None
            if column.default or column.identity:
                text = "Column already has a DEFAULT bound to it."
                raise SqlError(1781, 16, 1, text)
            _replace(env, table, column.name, replace(column, default=asked.definition))
        add_constraint(env, table, asked)

    return change


def _check_primary(env: LoweringEnv, table: Table, asked: read_ddl.Constraint) -> None:
    known = () if table.name.startswith("#") else env.catalog.parts(table.id, "constraint")
    if any(p.options["type"] == "PK" for p in known):
        text = f"Table '{table.name}' already has a primary key defined on it."
        raise SqlError(1779, 16, 0, text)
    for part in asked.columns:
        column = table.column(part.name)
        if column is not None and column.nullable:
            text = (
                f"Cannot define PRIMARY KEY constraint on nullable column in table '{table.name}'."
            )
            raise SqlError(8111, 16, 1, text)


def _column_added(asked: read_ddl.Defined) -> Change:
    def change(lowering: Lowering, table: Table) -> None:
        env, con = lowering.env, lowering.env.con
        for constraint in asked.constraints:
            ddl_checks.check_constraint(constraint, env)
        primary = any(k.type == "PK" for k in asked.constraints)
        column = ddl_checks.column_of(asked, table.name, env, primary)
        ddl_checks.distinct(table.name, [*(c.name for c in table.columns), column.name], 4)
        if column.identity:
            table = _numbered(env, table, column)
        elif not column.nullable and not column.default and _has_rows(con, table):
            raise _needs_default(table, column)
        with_values = any(k.with_values for k in asked.constraints)
        _add_column(lowering, table, column, with_values)
        _remember(env, table, (*table.columns, column))
        if not table.name.startswith("#"):
            env.catalog.add_column(table.id, column)
        made = replace(table, columns=(*table.columns, column))
        for constraint in asked.constraints:
            add_constraint(env, made, constraint)

    return change


def _numbered(env: LoweringEnv, table: Table, column: TableColumn) -> Table:
    if any(c.identity for c in table.columns):
        text = (
            f"Multiple identity columns specified for table '{table.name}'. Only one identity"
            " column per table is allowed."
        )
        raise SqlError(2744, 16, 2, text)
    temporary = table.name.startswith("#")
    options = {**table.options, "sequence": make_sequence(env, column, temporary)}
    if not temporary:
        env.catalog.set_options(table, options)
    return replace(table, options=options)


def _add_column(lowering: Lowering, table: Table, column: TableColumn, with_values: bool) -> None:
    """Rows that are there get the default of a column that needs one, or its numbers."""
    from emulators.warehouse.engine.lowering.changes import default_of

    con, filled = lowering.env.con, ""
    if column.identity:
        filled = f"CAST(nextval('{table.sequence}') AS {duck(column.type)})"
    elif column.default and (with_values or not column.nullable):
        filled = default_of(lowering, column).sql
    if filled and (column.identity or _CALLS.search(column.default)):
        values = [*(named(c.name) for c in table.columns), filled]
        _rebuild(lowering.env, table, [*table.columns, column], values)
        return
    at = f"ALTER TABLE {table.source}"
    default = f" DEFAULT ({filled})" if filled else ""
    con.execute(f"{at} ADD COLUMN {named(column.name)} {duck(column.type)}{default}")
    if filled:
        con.execute(f"{at} ALTER COLUMN {named(column.name)} DROP DEFAULT")
    if not column.nullable:
        con.execute(f"{at} ALTER COLUMN {named(column.name)} SET NOT NULL")


def _rebuild(env: LoweringEnv, table: Table, columns: list[TableColumn], values: list[str]) -> None:
    """Make the table anew: what DuckDB does not do to one that is there."""
    temporary = table.name.startswith("#")
    place, _, name = table.source.rpartition(".")
    passing = f"{place}.{named(f'~rebuilt {table.id}')}"
    listed = ", ".join(column_sql(c, table.sequence) for c in columns)
    env.con.execute(f"CREATE {'TEMP ' if temporary else ''}TABLE {passing} ({listed})")
    env.con.execute(f"INSERT INTO {passing} SELECT {', '.join(values)} FROM {table.source}")
    env.con.execute(f"DROP TABLE {table.source}")
    env.con.execute(f"ALTER TABLE {passing} RENAME TO {name}")


def _has_rows(con: DuckDBPyConnection, table: Table) -> bool:
    return con.execute(f"SELECT 1 FROM {table.source} LIMIT 1").fetchall() != []


def _needs_default(table: Table, column: TableColumn) -> SqlError:
    text = (
        "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT"
        " definition specified, or the column being added is an identity or timestamp column, or"
        " alternatively if none of the previous conditions are satisfied the table must be empty to"
        f" allow addition of this column. Column '{column.name}' cannot be added to non-empty table"
        f" '{table.name}' because it does not satisfy these conditions."
    )
    return SqlError(4901, 16, 1, text)


# ALTER COLUMN.


def _altered(cursor: Cursor) -> Change:
    asked = read_ddl.column(cursor)
    if asked.constraints or asked.seed is not None or asked.computed:
        raise cursor.unexpected()

    def change(lowering: Lowering, table: Table) -> None:
        env, con = lowering.env, lowering.env.con
        column = _existing(table, asked.name, "ALTER COLUMN")
        kind = ddl_checks.column_type(asked.type, asked.name, env, asked.line)
        if column.default and column.type.name != kind.name:
            raise _depended(env, table, column)
        nullable = asked.nullable is not False and not column.identity
        made = replace(column, type=kind, nullable=nullable)
        if column.nullable and not nullable:
            _check_no_nulls(env, table, column)
        value = assign(Typed(named(column.name), column.type, column.nullable), kind).sql
        if env.flavor != ddl_checks.SYNAPSE or column.identity:
            changed = [made if c is column else c for c in table.columns]
            values = [value if c is column else named(c.name) for c in table.columns]
            _rebuild(env, table, changed, values)
        else:
            _change_in_place(con, table, column, made, value)
        _replace(env, table, column.name, made)

    return change


def _change_in_place(
    con: DuckDBPyConnection, table: Table, column: TableColumn, made: TableColumn, value: str
) -> None:
    place = f"ALTER TABLE {table.source} ALTER COLUMN {named(column.name)}"
    if made.type != column.type:
        con.execute(f"{place} SET DATA TYPE {duck(made.type)} USING ({value})")
    if column.nullable and not made.nullable:
        con.execute(f"{place} SET NOT NULL")
    elif made.nullable and not column.nullable:
        con.execute(f"{place} DROP NOT NULL")


def _check_no_nulls(env: LoweringEnv, table: Table, column: TableColumn) -> None:
    asked = f"SELECT 1 FROM {table.source} WHERE {named(column.name)} IS NULL LIMIT 1"
    if not env.con.execute(asked).fetchall():
        return
    place = f"{env.database}.{table.schema}.{table.name}" if table.schema else table.name
    text = (
        f"Cannot insert the value NULL into column '{column.name}', table '{place}'; column does"
        " not allow nulls. UPDATE fails."
    )
    raise SqlError(515, 16, 2, text)


def _existing(table: Table, name: str, what: str) -> TableColumn:
    found = table.column(name)
    if found is None:
        text = f"ALTER TABLE {what} failed because column '{name}' does not exist in table '{table.name}'."
        raise SqlError(4924, 16, 1, text)
    return found


def _depended(env: LoweringEnv, table: Table, column: TableColumn) -> SqlError:
    """5074: what stands in the way of a change of the column."""
    wanted = column.name.lower()
    for part in () if table.name.startswith("#") else env.catalog.parts(table.id):
        store = "COLUMNSTORE" in str(part.options.get("type", ""))
        if not store and any(c.name.lower() == wanted for c in part.columns):
            what = {"constraint": "object", "index": "index"}.get(part.kind, "statistics")
            return SqlError(
                5074, 16, 1, f"The {what} '{part.name}' is dependent on column '{column.name}'."
            )
    text = f"ALTER TABLE ALTER COLUMN {column.name} failed because one or more objects access this column."
    return SqlError(4922, 16, 9, text)


# DROP.


def _dropped(cursor: Cursor) -> list[Change]:
    found: list[Change] = []
    columns = False
    while True:
        if cursor.take("COLUMN"):
            columns = True
        elif cursor.take("CONSTRAINT"):
            columns = False
        if_exists = cursor.take("IF", "EXISTS")
        name = cursor.name()
        if cursor.looks("WITH", "("):
            cursor.take("WITH")
            cursor.group()
        found.append(
            _column_dropped(name, if_exists) if columns else _constraint_dropped(name, if_exists)
        )
        if not cursor.take(","):
            return found


def _column_dropped(name: str, if_exists: bool) -> Change:
    def change(lowering: Lowering, table: Table) -> None:
        env = lowering.env
        if if_exists and table.column(name) is None:
            return
        column = _existing(table, name, "DROP COLUMN")
        if len(table.columns) == 1:
            text = f"ALTER TABLE DROP COLUMN failed because '{name}' is the only data column in table '{table.name}'. A table must have at least one data column."
            raise SqlError(4923, 16, 1, text)
        _check_free(env, table, column)
        env.con.execute(f"ALTER TABLE {table.source} DROP COLUMN {named(column.name)}")
        if column.identity:
            env.con.execute(f"DROP SEQUENCE {table.sequence}")
        _remember(env, table, tuple(c for c in table.columns if c is not column))
        if not table.name.startswith("#"):
            env.catalog.drop_column(table.id, column.name)

    return change


def _check_free(env: LoweringEnv, table: Table, column: TableColumn) -> None:
    """Nothing that would be left without its column stands in the way.

    Raises:
        SqlError: 5074; rows are distributed or partitioned by it.
    """
    hashed = [str(name).lower() for name in table.options.get("hash", [])]
    partition = table.options.get("partition", {}).get("column", "")
    if column.name.lower() in [*hashed, str(partition).lower()]:
        text = f"ALTER TABLE DROP COLUMN {column.name} failed because rows are distributed or partitioned by this column."
        raise SqlError(4922, 16, 9, text)
    if table.name.startswith("#"):
        return
    wanted = column.name.lower()
    for part in env.catalog.parts(table.id):
        store = "COLUMNSTORE" in str(part.options.get("type", ""))
        if not store and any(c.name.lower() == wanted for c in part.columns):
            raise _depended(env, table, column)


def _constraint_dropped(name: str, if_exists: bool) -> Change:
    def change(lowering: Lowering, table: Table) -> None:
        env = lowering.env
        temporary = table.name.startswith("#")
        found = None if temporary else env.catalog.part("constraint", table.id, name)
        if found is None:
            if if_exists:
                return
            raise SqlError(3728, 16, 1, f"'{name}' is not a constraint.")
        if found.options["type"] == "D":
            column = table.column(found.columns[0].name)
            if column is not None:
                _replace(env, table, column.name, replace(column, default=""))
        release(env, table, found)

    return change


def _replace(env: LoweringEnv, table: Table, name: str, column: TableColumn) -> None:
    """A column is another one now."""
    columns = tuple(column if c.name == name else c for c in table.columns)
    _remember(env, table, columns)
    if not table.name.startswith("#"):
        env.catalog.change_column(table.id, name, column)


def _remember(env: LoweringEnv, table: Table, columns: tuple[TableColumn, ...]) -> None:
    """A temporary table's columns are known by the session only."""
    if table.name.startswith("#"):
        env.temp_tables[table.name.lower()] = replace(table, columns=columns)
        ddl_plans.remember(env, table.name, table)
