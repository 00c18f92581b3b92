"""Constraints, indexes and statistics: noted, visible in the catalog, of no effect on plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.catalog.model import Part, PartColumn, Table
from emulators.warehouse.engine.lowering import ddl_checks, read_ddl
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.ddl_plans import (
    cannot_drop,
    cannot_find,
    defining,
    exists,
    no_column,
    place,
    rights,
    table_at,
)
from emulators.warehouse.engine.lowering.kinds import named
from emulators.warehouse.engine.lowering.plans import LoweringEnv, Plan
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.lowering.lowering import Lowering


# Constraints.


def add_constraint(env: LoweringEnv, table: Table, asked: read_ddl.Constraint) -> None:
    """Note a default or a key of a table that is there.

    Raises:
        SqlError: 2714: the name is taken; 1911: a column is not there.
    """
    if table.name.startswith("#"):
        if asked.type != "D":
            _enforce(env, table, asked.columns, env.catalog.next_id())
        return
    if asked.name and (
        env.catalog.constraint(table.schema, asked.name)
        or env.catalog.object(table.schema, asked.name)
    ):
        raise exists(asked.name)
    check_columns(table, asked.columns)
    number = env.catalog.next_id()
    name = asked.name or _invented(asked, table, number)
    if asked.type == "D":
        options = {"type": "D", "definition": asked.definition, "named": bool(asked.name),
                   "number": 0}  # fmt: skip
        env.catalog.put_part("constraint", table.id, name, options, asked.columns)
        return
    _drop_heap(env, table, asked)
    kind = "CLUSTERED" if asked.clustered and env.flavor != ddl_checks.SYNAPSE else "NONCLUSTERED"
    place_of = {"number": 1} if kind == "CLUSTERED" and not _has_first(env, table) else {}
    key = {"type": kind, "unique": True, "key": asked.type, **place_of}
    index = env.catalog.put_part("index", table.id, name, key, asked.columns)
    options = {"type": asked.type, "number": 0, "index": index.number, "named": bool(asked.name),
               "enforced": env.flavor != ddl_checks.SYNAPSE}  # fmt: skip
    made = env.catalog.put_part("constraint", table.id, name, options, asked.columns)
    _enforce(env, table, asked.columns, made.id)


def _has_first(env: LoweringEnv, table: Table) -> bool:
    return any(p.number == 1 for p in env.catalog.parts(table.id, "index"))


def _drop_heap(env: LoweringEnv, table: Table, asked: read_ddl.Constraint) -> None:
    if asked.clustered and env.flavor != ddl_checks.SYNAPSE:
        for part in env.catalog.parts(table.id, "index"):
            if part.number == 0:
                env.catalog.drop_part(part)


def _enforce(env: LoweringEnv, table: Table, columns: Sequence[PartColumn], number: int) -> None:
    """Keys of a managed instance hold; a dedicated pool's never do."""
    if env.flavor == ddl_checks.SYNAPSE:
        return
    listed = ", ".join(named(c.name) for c in columns)
    name = named(f"key_{number}")
    env.con.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {table.source} ({listed})")


def _holding(env: LoweringEnv, table: Table) -> list[Part]:
    """The parts of a table that hold its rows to something."""
    if env.flavor == ddl_checks.SYNAPSE or table.name.startswith("#"):
        return []
    return [
        part
        for part in env.catalog.parts(table.id)
        if part.options.get("enforced")
        or (part.kind == "index" and part.options.get("unique") and "key" not in part.options)
    ]


def lift(env: LoweringEnv, table: Table) -> None:
    """Let go of a table's keys while it is altered: DuckDB alters no table with an index."""
    for part in _holding(env, table):
        env.con.execute(f"DROP INDEX IF EXISTS {named(table.schema)}.{named(f'key_{part.id}')}")


def hold(env: LoweringEnv, table: Table) -> None:
    """Hold a table's rows to its keys again."""
    for part in _holding(env, table):
        _enforce(env, table, [c for c in part.columns if not c.included], part.id)


def release(env: LoweringEnv, table: Table, part: Part) -> None:
    """Forget a constraint, and the index that a key has."""
    if part.options["type"] in ("PK", "UQ"):
        if part.options.get("enforced"):
            schema = named(table.schema)
            env.con.execute(f"DROP INDEX IF EXISTS {schema}.{named(f'key_{part.id}')}")
        index = env.catalog.part("index", table.id, part.name)
        if index is not None:
            env.catalog.drop_part(index)
            if index.number == 1:
                env.catalog.put_part("index", table.id, "", {"type": "HEAP", "number": 0})
    env.catalog.drop_part(part)


def check_columns(table: Table, columns: Sequence[PartColumn]) -> None:
    """The table has the columns, and each is named once.

    Raises:
        SqlError: 1911, 1909.
    """
    seen: set[str] = set()
    for one in columns:
        if table.column(one.name) is None:
            raise no_column(one.name)
        if one.name.lower() in seen:
            text = f"Cannot use duplicate column names in index. Column name '{one.name}' listed more than once."
            raise SqlError(1909, 16, 1, text)
        seen.add(one.name.lower())


def _invented(asked: read_ddl.Constraint, table: Table, number: int) -> str:
    """A name as SQL Server makes them up."""
    first = asked.columns[0].name if asked.columns else ""
    if asked.type == "D":
        return f"DF__{table.name[:9]}__{first[:5]}__{number:08X}"
    return f"{asked.type}__{table.name[:8]}__{number:016X}"


# Indexes.


def create_index(cursor: Cursor, lowering: Lowering) -> Plan:
    """`CREATE [UNIQUE] [CLUSTERED|NONCLUSTERED] [COLUMNSTORE] INDEX name ON table (…)`."""
    cursor.need("CREATE")
    unique = cursor.take("UNIQUE")
    kind = cursor.one_of("CLUSTERED", "NONCLUSTERED") or "NONCLUSTERED"
    store = cursor.take("COLUMNSTORE")
    cursor.need("INDEX")
    name, line = cursor.name(), cursor.line
    cursor.need("ON")
    target = cursor.object_name()
    columns = read_ddl.ordered_columns(cursor) if cursor.looks("(") else ()
    if cursor.take("INCLUDE"):
        columns += tuple(PartColumn(c, included=True) for c in cursor.names())
    if cursor.take("ORDER"):
        cursor.names()
    if cursor.looks("WHERE"):
        raise refused("filtered indexes", cursor.line)
    rebuilt = _index_options(cursor)
    cursor.finish()
    env, (schema, table_name) = lowering.env, place(lowering, target)
    if not columns and not store:
        raise cursor.unexpected()
    if unique and env.flavor == ddl_checks.SYNAPSE:
        text = (
            "Enforced unique constraints are not supported. To create an unenforced unique"
            " constraint you must include the NOT ENFORCED syntax as part of your statement."
        )
        raise SqlError(104467, 16, 1, text, line)
    options = {"type": f"{kind} COLUMNSTORE" if store else kind, "unique": unique}

    def work(con: DuckDBPyConnection) -> None:
        table = table_at(env, schema, table_name)
        if table is None or table.kind != "U":
            raise cannot_find(1088, target.text)
        check_columns(table, columns)
        if not table.name.startswith("#"):
            _add_index(env, table, name, options, columns, rebuilt)
            hold(env, table)
        elif unique:
            _enforce(env, table, columns, env.catalog.next_id())

    return defining(rights(schema, table_name, "ALTER"), work)


def _add_index(
    env: LoweringEnv,
    table: Table,
    name: str,
    options: dict[str, Any],
    columns: tuple[PartColumn, ...],
    rebuilt: bool,
) -> None:
    parts = list(env.catalog.parts(table.id))
    held = next(
        (p for p in parts if p.name.lower() == name.lower() and p.kind != "constraint"), None
    )
    if held is not None and not (rebuilt and held.kind == "index"):
        text = f"The operation failed because an index or statistics with name '{name}' already exists on table '{table.name}'."
        raise SqlError(1913, 16, 1, text)
    if held is not None:
        lift(env, table)
        env.catalog.drop_part(held)
        parts.remove(held)
    if not options["type"].startswith("CLUSTERED"):
        env.catalog.put_part("index", table.id, name, options, columns)
        return
    base = next((p for p in parts if p.kind == "index" and p.number in (0, 1)), None)
    if base is not None and base.number == 1:
        text = (
            f"Cannot create more than one clustered index on table '{table.name}'. Drop the"
            f" existing clustered index '{base.name}' before creating another."
        )
        raise SqlError(1902, 16, 3, text)
    if base is not None:
        env.catalog.drop_part(base)
    if not columns:
        columns = tuple(PartColumn(c.name, included=True) for c in table.columns)
    env.catalog.put_part("index", table.id, name, {**options, "number": 1}, columns)
    env.catalog.set_options(table, {**table.options, "index": options["type"]})


def _index_options(cursor: Cursor) -> bool:
    """`WITH (…)`, `ON place`; whether DROP_EXISTING is ON."""
    rebuilt = False
    if cursor.take("WITH"):
        words = [token.upper for token in cursor.group()]
        rebuilt = words[:3] == ["DROP_EXISTING", "=", "ON"] or "DROP_EXISTING" in words
    if cursor.take("ON"):
        cursor.any_word()
        if cursor.looks("("):
            cursor.names()
    return rebuilt


def alter_index(cursor: Cursor, lowering: Lowering) -> Plan:
    """`ALTER INDEX name|ALL ON table REBUILD|REORGANIZE|DISABLE`: there is nothing to rebuild."""
    cursor.need("ALTER", "INDEX")
    name = "" if cursor.take("ALL") else cursor.name()
    cursor.need("ON")
    target = cursor.object_name()
    if not cursor.one_of("REBUILD", "REORGANIZE"):
        raise refused("ALTER INDEX of anything but REBUILD and REORGANIZE", cursor.line)
    if cursor.take("PARTITION", "="):
        cursor.next()
    if cursor.take("WITH"):
        cursor.group()
    cursor.finish()
    env, (schema, table_name) = lowering.env, place(lowering, target)

    def work(con: DuckDBPyConnection) -> None:
        table = table_at(env, schema, table_name)
        if table is None:
            raise cannot_find(1088, target.text)
        if name and env.catalog.part("index", table.id, name) is None:
            text = f"Cannot find index '{name}'."
            raise SqlError(2727, 11, 1, text)

    return defining(rights(schema, table_name, "ALTER"), work)


def drop_index(cursor: Cursor, lowering: Lowering) -> Plan:
    """`DROP INDEX [IF EXISTS] name ON table`, or `table.name`."""
    cursor.need("DROP", "INDEX")
    if_exists = cursor.take("IF", "EXISTS")
    first = cursor.object_name()
    if cursor.take("ON"):
        target, name = cursor.object_name(), first.parts[-1]
    else:
        name = first.parts[-1]
        target = type(first)(first.line, first.parts[:-1] or first.parts)
    if cursor.looks("WITH"):
        cursor.take("WITH")
        cursor.group()
    if cursor.looks(","):
        raise refused("DROP INDEX of several", cursor.line)
    cursor.finish()
    env, (schema, table_name) = lowering.env, place(lowering, target)

    def work(con: DuckDBPyConnection) -> None:
        table = table_at(env, schema, table_name)
        found = None if table is None else env.catalog.part("index", table.id, name)
        if table is None or found is None or not found.name:
            if not if_exists:
                raise cannot_drop("index", f"{target.text}.{name}", 6)
            return
        if "key" in found.options:
            text = (
                f"An explicit DROP INDEX is not allowed on index '{table.schema}.{table.name}."
                f"{name}'. It is being used for {_WORDS[found.options['key']]} constraint"
                " enforcement."
            )
            raise SqlError(3723, 16, 4, text)
        lift(env, table)
        env.catalog.drop_part(found)
        hold(env, table)
        if found.number == 1:
            env.catalog.put_part("index", table.id, "", {"type": "HEAP", "number": 0})
            env.catalog.set_options(table, {**table.options, "index": "HEAP"})

    return defining(rights(schema, table_name, "ALTER"), work)


_WORDS = {"PK": "PRIMARY KEY", "UQ": "UNIQUE KEY"}


# Statistics.


def create_statistics(cursor: Cursor, lowering: Lowering) -> Plan:
    """`CREATE STATISTICS name ON table (columns) [WHERE …] [WITH …]`."""
    cursor.need("CREATE", "STATISTICS")
    name = cursor.name()
    cursor.need("ON")
    target = cursor.object_name()
    columns = tuple(PartColumn(c) for c in cursor.names())
    if cursor.take("WHERE"):
        from emulators.warehouse.engine.lowering.read_expressions import condition

        condition(cursor)
    _statistics_options(cursor)
    cursor.finish()
    env, (schema, table_name) = lowering.env, place(lowering, target)

    def work(con: DuckDBPyConnection) -> None:
        table = table_at(env, schema, table_name)
        if table is None:
            raise cannot_find(1088, target.text)
        check_columns(table, columns)
        if table.name.startswith("#"):
            return
        if any(p.name.lower() == name.lower() for p in env.catalog.parts(table.id)):
            text = f"There are already statistics on table '{target.text}' named '{name}'."
            raise SqlError(1927, 16, 1, text)
        env.catalog.put_part("statistics", table.id, name, {}, columns)

    return defining(rights(schema, table_name, "ALTER"), work)


def _statistics_options(cursor: Cursor) -> None:
    """`WITH FULLSCAN | SAMPLE n PERCENT | …`: counts are exact here anyway."""
    if not cursor.take("WITH"):
        return
    while not cursor.ended() and not cursor.looks(";"):
        if cursor.looks("("):
            cursor.group()
        else:
            cursor.next()


def update_statistics(cursor: Cursor, lowering: Lowering) -> Plan:
    """`UPDATE STATISTICS table [(names)|name] [WITH …]`."""
    cursor.need("UPDATE", "STATISTICS")
    target = cursor.object_name()
    names: tuple[str, ...] = ()
    if cursor.looks("("):
        names = cursor.names()
    elif cursor.is_name():
        names = (cursor.name(),)
    _statistics_options(cursor)
    cursor.finish()
    env, (schema, table_name) = lowering.env, place(lowering, target)

    def work(con: DuckDBPyConnection) -> None:
        table = table_at(env, schema, table_name)
        if table is None:
            text = f"Table '{target.text}' does not exist."
            raise SqlError(2706, 16, 6, text)
        for name in names:
            known = [env.catalog.part(kind, table.id, name) for kind in ("statistics", "index")]
            if known == [None, None]:
                text = f"Cannot find index '{name}'."
                raise SqlError(2767, 16, 1, text)

    return defining(rights(schema, table_name, "ALTER"), work)


def drop_statistics(cursor: Cursor, lowering: Lowering) -> Plan:
    """`DROP STATISTICS [schema.]table.name, …`."""
    cursor.need("DROP", "STATISTICS")
    names = [cursor.object_name()]
    while cursor.take(","):
        names.append(cursor.object_name())
    cursor.finish()
    env = lowering.env
    asked = []
    for name in names:
        if len(name.parts) < 2:
            raise SqlError(126, 15, 1, "Invalid pseudocolumn. Statistics are named by table.name.")
        table = type(name)(name.line, name.parts[:-1])
        asked.append((place(lowering, table), name.parts[-1], name.text))

    def work(con: DuckDBPyConnection) -> None:
        for at, plain, text in asked:
            table = table_at(env, *at)
            found = None if table is None else env.catalog.part("statistics", table.id, plain)
            if found is None:
                raise cannot_drop("statistics", text, 6)
            env.catalog.drop_part(found)

    return defining(tuple(r for at, _, _ in asked for r in rights(*at, "ALTER")), work)
