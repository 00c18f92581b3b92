"""INSERT, UPDATE, DELETE and MERGE."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emulators.warehouse.engine.catalog.model import Table, TableColumn
from emulators.warehouse.engine.lowering import operators, tree
from emulators.warehouse.engine.lowering.casts import assign, convert
from emulators.warehouse.engine.lowering.changing import Change, Into, owner_of
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.kinds import BIGINT, Typed, named
from emulators.warehouse.engine.lowering.queries import Columns, Made
from emulators.warehouse.engine.lowering.read_expressions import expression
from emulators.warehouse.engine.lowering.scopes import Field, Origin, Scope
from emulators.warehouse.engine.lowering.sources import fields_of
from emulators.warehouse.errors import SqlError, no_object, refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.lowering import Lowering


def _target(lowering: Lowering, name: tree.Name, action: str) -> Table:
    """The table that is changed.

    Raises:
        SqlError: 208 there is none; a view or an external table is refused.
    """
    if name.parts[-1][:1] in ("#", "@"):
        return lowering.queries.sources.temporary(name)
    schema, plain = lowering.queries.sources.place(name)
    found = lowering.env.catalog.table(schema, plain)
    if found is None:
        module = lowering.env.catalog.module(schema, plain)
        if module is not None and module.kind == "V":
            raise refused(f"{action} through the view {name.text}", name.line)
        raise no_object(name.text)
    if found.kind == "ET":
        text = "DML Operation is not supported with external tables."
        raise SqlError(46519, 16, 16, text, name.line)
    lowering.touches(found.schema, found.name, action)
    return found


def _column(table: Table, name: str, line: int) -> TableColumn:
    found = table.column(name)
    if found is None:
        raise SqlError(207, 16, 1, f"Invalid column name '{name}'.", line)
    return found


def stored(lowering: Lowering, value: Typed, table: Table, column: TableColumn) -> Typed:
    """A value on its way into a column.

    Raises:
        SqlError: it cannot be stored there.
    """
    told = lowering.env.flavor != "synapse"  # which table and column would cut a text
    place = (owner_of(lowering, table), column.name) if told else None
    return assign(value, column.type, place)


def default_of(lowering: Lowering, column: TableColumn) -> Typed:
    """A column's default, on its way into the column; NULL without one."""
    if not column.default:
        return assign(
            Typed("CAST(NULL AS INTEGER)", replace(column.type, name="null")), column.type
        )
    cursor = Cursor(column.default)
    asked = expression(cursor)
    cursor.finish()
    return assign(lowering.binder.value(asked, Scope()), column.type)


# INSERT.


def insert(lowering: Lowering, asked: tree.Insert) -> Change:
    """INSERT … VALUES, SELECT or DEFAULT VALUES.

    Raises:
        SqlError: columns and values do not fit each other, or a value its column.
    """
    scope = Scope()
    prefix = lowering.queries.commons(asked.commons, scope)
    table = _target(lowering, asked.target, "INSERT")
    columns = _insert_columns(lowering, table, asked)
    missing = [
        one
        for one in table.columns
        if one.name not in {c.name for c in columns} and not one.identity
    ]
    filled = [default_of(lowering, one).sql for one in missing]
    names = ", ".join(named(one.name) for one in [*columns, *missing])
    body = _insert_body(lowering, asked, scope, table, columns, filled)
    sql = f"INSERT INTO {table.source} ({names}) {prefix}{body}"
    identity = next((one for one in table.columns if one.identity), None)
    owner = owner_of(lowering, table)
    if asked.output is not None:
        return _insert_output(lowering, asked, table, sql)
    if identity is not None:
        return Change(f"{sql} RETURNING {named(identity.name)}", owner, "INSERT", identity=True)
    return Change(sql, owner, "INSERT")


def _insert_columns(lowering: Lowering, table: Table, asked: tree.Insert) -> list[TableColumn]:
    explicit = bool(lowering.env.session.fact("identity_insert"))
    if not asked.columns:
        return [one for one in table.columns if explicit or not one.identity]
    found = [_column(table, name, asked.line) for name in asked.columns]
    if len({one.name for one in found}) < len(found):
        twice = next(
            n for n in asked.columns if [c.lower() for c in asked.columns].count(n.lower()) > 1
        )
        text = f"The column name '{twice}' is specified more than once in the SET clause or column list of an INSERT. A column cannot be assigned more than one value in the same clause. Modify the clause to make sure that a column is updated only once. If this statement updates or inserts columns into a view, column aliasing can conceal the duplication in your code."
        raise SqlError(264, 16, 1, text, asked.line)
    for one in found:
        if one.identity and not explicit:
            text = f"Cannot insert explicit value for identity column in table '{table.name}' when IDENTITY_INSERT is set to OFF."
            raise SqlError(544, 16, 1, text, asked.line)
    return found


def _insert_body(
    lowering: Lowering,
    asked: tree.Insert,
    scope: Scope,
    table: Table,
    columns: list[TableColumn],
    filled: list[str],
) -> str:
    if asked.query is None:
        return f"VALUES ({', '.join([*(default_of(lowering, c).sql for c in columns), *filled])})"
    body = asked.query.body
    if isinstance(body, tree.Values):
        rows = [_row(lowering, row, table, columns, asked) for row in body.rows]
        return "VALUES " + ", ".join(f"({', '.join([*row, *filled])})" for row in rows)
    made = lowering.queries.query(asked.query, scope, top_level=True)
    _check_count(len(made.columns), columns, asked, values=False)
    items = [
        stored(lowering, Typed(f"q.c{at}", kind, nullable), table, column).sql
        for at, ((_, kind, nullable), column) in enumerate(
            zip(made.columns, columns, strict=True), 1
        )
    ]
    return f"SELECT {', '.join([*items, *filled])} FROM ({made.sql}) AS q"


def _row(
    lowering: Lowering,
    row: tuple[tree.Expression, ...],
    table: Table,
    columns: list[TableColumn],
    asked: tree.Insert,
) -> list[str]:
    scope = Scope()
    _check_count(len(row), columns, asked, values=True)
    made = []
    for value, column in zip(row, columns, strict=True):
        if isinstance(value, tree.Literal) and value.kind == "default":
            made.append(default_of(lowering, column).sql)
        else:
            made.append(stored(lowering, lowering.binder.value(value, scope), table, column).sql)
    return made


def _check_count(
    count: int, columns: list[TableColumn], asked: tree.Insert, *, values: bool
) -> None:
    if count == len(columns):
        return
    if not asked.columns:
        text = "Column name or number of supplied values does not match table definition."
        raise SqlError(213, 16, 1, text, asked.line)
    more = count < len(columns)
    if values:
        text = f"There are {'more' if more else 'fewer'} columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement."
        raise SqlError(109 if more else 110, 15, 1, text, asked.line)
    text = f"The select list for the INSERT statement contains {'fewer' if more else 'more'} items than the insert list. The number of SELECT values must match the number of INSERT columns."
    raise SqlError(120 if more else 121, 15, 1, text, asked.line)


def _insert_output(lowering: Lowering, asked: tree.Insert, table: Table, sql: str) -> Change:
    output = asked.output
    assert output is not None
    scope = Scope(origins=[Origin("inserted", fields_of(table, ""))])
    items, _ = lowering.queries.items(output.items, scope)
    listed = ", ".join(f"{value.sql} AS c{at}" for at, (_, value) in enumerate(items, 1))
    columns = tuple((name, value.type, value.nullable) for name, value in items)
    returning = f"{sql} RETURNING {listed}"
    return Change(
        returning, owner_of(lowering, table), "INSERT", Made(returning, columns), returning=True,
        into=_into(lowering, output, columns),
    )  # fmt: skip


def _into(lowering: Lowering, output: tree.Output | None, columns: Columns) -> Into | None:
    """Where OUTPUT … INTO puts its rows.

    Raises:
        SqlError: 213, 120, 121: they do not fit its columns.
    """
    if output is None or output.into is None:
        return None
    table = _target(lowering, output.into, "INSERT")
    asked = tree.Insert(output.into.line, output.into, output.columns, None)
    targets = _insert_columns(lowering, table, asked)
    _check_count(len(columns), targets, asked, values=False)
    given = {one.name for one in targets}
    missing = [one for one in table.columns if not one.identity and one.name not in given]
    relation = lowering.alias("rehearsal_output_")
    values = [
        stored(lowering, Typed(f"c{at}", kind, nullable), table, column).sql
        for at, ((_, kind, nullable), column) in enumerate(zip(columns, targets, strict=True), 1)
    ]
    values += [default_of(lowering, one).sql for one in missing]
    names = ", ".join(named(one.name) for one in [*targets, *missing])
    sql = f"INSERT INTO {table.source} ({names}) SELECT {', '.join(values)} FROM {relation}"
    return Into(relation, sql, owner_of(lowering, table))


# UPDATE and DELETE.


@dataclass(slots=True)
class _Tree:
    """The rows that a change is about: the target joined with the other sources."""

    table: Table
    scope: Scope
    own: str  # the target's alias in DuckDB
    sql: str  # FROM … WHERE …
    prefix: str
    limit: str


def _tree(lowering: Lowering, asked: tree.Update | tree.Delete, action: str) -> _Tree:
    scope = Scope()
    prefix = lowering.queries.commons(asked.commons, scope)
    found = _named_in(asked.sources, asked.target)
    name = asked.target if found is None else found.name
    table = _target(lowering, name, action)
    sources = asked.sources
    if found is None:
        sources = (tree.Relation(asked.line, asked.target), *sources)
    before = lowering._aliases
    sql = lowering.queries.from_clause(sources, scope)
    own = _own_alias(sql, table, before)
    if asked.where is not None:
        sql += f" WHERE {lowering.binder.test(asked.where, scope)}"
    limit = ""
    if asked.top is not None:
        if asked.top.percent:
            raise refused(f"{action} TOP … PERCENT", asked.line)
        limit = f" LIMIT {convert(lowering.binder.value(asked.top.count, scope), BIGINT).sql}"
    return _Tree(table, scope, own, sql, prefix, limit)


def _named_in(sources: tuple[tree.Source, ...], target: tree.Name) -> tree.Relation | None:
    """The source that the target's name means: by its alias, else by its own name."""
    relations = [one for source in sources for one in _relations(source)]
    plain = target.parts[-1].lower()
    if len(target.parts) == 1:
        for one in relations:
            if one.alias.lower() == plain:
                return one
    same = [one for one in relations if one.name.parts[-1].lower() == plain]
    return same[0] if len(same) == 1 else None


def _relations(source: tree.Source) -> list[tree.Relation]:
    if isinstance(source, tree.Relation):
        return [source]
    if isinstance(source, tree.Join):
        return [*_relations(source.left), *_relations(source.right)]
    return []


def _own_alias(sql: str, table: Table, before: int) -> str:
    """The alias that the target's source got."""
    import re

    found = re.search(rf"{re.escape(table.source)} AS (s\d+)", sql)
    assert found is not None, "the target is one of the sources"
    return found[1]


def update(lowering: Lowering, asked: tree.Update) -> Change:
    """UPDATE, alone or from a join.

    Raises:
        SqlError: 207 no such column, 8102 an identity column, or a value that does not fit.
    """
    rows = _tree(lowering, asked, "UPDATE")
    values: list[tuple[TableColumn, Typed]] = []
    for one in asked.assignments:
        column = _column(rows.table, one.column, asked.line)
        if column.identity:
            text = f"Cannot update identity column '{column.name}'."
            raise SqlError(8102, 16, 1, text, asked.line)
        if any(column.name == known.name for known, _ in values):
            text = f"The column name '{column.name}' is specified more than once in the SET clause."
            raise SqlError(264, 16, 1, text, asked.line)
        values.append((column, _assigned(lowering, one, column, rows)))
    old = fields_of(rows.table, rows.own)
    shown = _output(lowering, asked, rows, old, _new(old, values))
    into = _into(lowering, asked.output, () if shown is None else shown.columns)
    owner = owner_of(lowering, rows.table)
    if not asked.sources and not rows.limit and not rows.prefix:
        listed = ", ".join(f"{named(c.name)} = {v.sql}" for c, v in values)
        where = rows.sql.partition(" WHERE ")
        tail = f" WHERE {where[2]}" if where[1] else ""
        sql = f"UPDATE {rows.table.source} AS {rows.own} SET {listed}{tail}"
        return Change(sql, owner, "UPDATE", shown, into=into)
    items = ", ".join(f"{v.sql} AS v{at}" for at, (_, v) in enumerate(values, 1))
    found = f"SELECT DISTINCT ON ({rows.own}.rowid) {rows.own}.rowid AS rid, {items} {rows.sql}"
    listed = ", ".join(f"{named(c.name)} = q.v{at}" for at, (c, _) in enumerate(values, 1))
    own = lowering.alias()
    sql = (
        f"UPDATE {rows.table.source} AS {own} SET {listed}"
        f" FROM ({rows.prefix}{found}{rows.limit}) AS q WHERE {own}.rowid = q.rid"
    )
    return Change(sql, owner, "UPDATE", shown, into=into)


def _assigned(lowering: Lowering, one: tree.Assignment, column: TableColumn, rows: _Tree) -> Typed:
    if isinstance(one.value, tree.Literal) and one.value.kind == "default":
        return default_of(lowering, column)
    value = lowering.binder.value(one.value, rows.scope)
    if one.operator:
        old = Typed(f"{rows.own}.{named(column.name)}", column.type, column.nullable)
        value = operators.binary(one.operator, old, value)
    return stored(lowering, value, rows.table, column)


def _new(old: tuple[Field, ...], values: list[tuple[TableColumn, Typed]]) -> tuple[Field, ...]:
    """The row as it will be."""
    made = {column.name: value for column, value in values}
    return tuple(replace(one, value=made.get(one.name, one.value)) for one in old)


def _output(
    lowering: Lowering,
    asked: tree.Update | tree.Delete,
    rows: _Tree,
    old: tuple[Field, ...],
    new: tuple[Field, ...],
) -> Made | None:
    """What OUTPUT shows, as a query over the rows before they change."""
    if asked.output is None:
        return None
    origins = [Origin("deleted", old), Origin("inserted", new), *rows.scope.origins]
    scope = Scope(origins=origins, commons=rows.scope.commons)
    items, _ = lowering.queries.items(asked.output.items, scope)
    listed = ", ".join(f"{value.sql} AS c{at}" for at, (_, value) in enumerate(items, 1))
    columns = tuple((name, value.type, value.nullable) for name, value in items)
    return Made(f"{rows.prefix}SELECT {listed} {rows.sql}{rows.limit}", columns)


def delete(lowering: Lowering, asked: tree.Delete) -> Change:
    """DELETE, alone or from a join."""
    rows = _tree(lowering, asked, "DELETE")
    old = fields_of(rows.table, rows.own)
    shown = _output(lowering, asked, rows, old, ())
    into = _into(lowering, asked.output, () if shown is None else shown.columns)
    sql = f"DELETE FROM {rows.table.source}"
    if asked.where is not None or asked.sources or rows.limit:
        found = f"{rows.prefix}SELECT {rows.own}.rowid {rows.sql}{rows.limit}"
        sql = f"{sql} WHERE rowid IN ({found})"
    return Change(sql, owner_of(lowering, rows.table), "DELETE", shown, into=into)


# MERGE.


def merge(lowering: Lowering, asked: tree.Merge) -> Change:
    """MERGE with all its branches.

    Raises:
        SqlError: 207 no such column, or a value that does not fit.
    """
    scope = Scope()
    prefix = lowering.queries.commons(asked.commons, scope)
    if prefix:
        raise refused("MERGE after a common table expression", asked.line)
    table = _target(lowering, asked.target, "UPDATE")
    for branch in asked.branches:
        lowering.touches(table.schema, table.name, branch.action)
    own = lowering.alias()
    alias = asked.alias or asked.target.parts[-1]
    target = Origin(alias, fields_of(table, own), "" if asked.alias else table.schema)
    using = lowering.queries.sources.source(asked.source, scope)
    both = Scope(origins=[target, *scope.origins])
    source = Scope(origins=list(scope.origins))
    alone = Scope(origins=[target])
    parts = [_branch(lowering, one, table, both, source, alone) for one in asked.branches]
    test = lowering.binder.test(asked.condition, both)
    sql = f"MERGE INTO {table.source} AS {own} USING {using} ON {test} {' '.join(parts)}"
    if asked.output is not None:
        raise refused("MERGE … OUTPUT", asked.line)
    return Change(sql, owner_of(lowering, table), "MERGE")


def _branch(
    lowering: Lowering,
    one: tree.MergeBranch,
    table: Table,
    both: Scope,
    source: Scope,
    alone: Scope,
) -> str:
    when = {"MATCHED": "MATCHED", "TARGET": "NOT MATCHED", "SOURCE": "NOT MATCHED BY SOURCE"}[
        one.kind
    ]
    scope = {"MATCHED": both, "TARGET": source, "SOURCE": alone}[one.kind]
    also = "" if one.condition is None else f" AND {lowering.binder.test(one.condition, scope)}"
    if one.action == "DELETE":
        return f"WHEN {when}{also} THEN DELETE"
    if one.action == "UPDATE":
        own = both.origins[0]
        listed = []
        for part in one.assignments:
            column = _column(table, part.column, 1)
            value = lowering.binder.value(part.value, scope)
            if part.operator:
                old = own.find(column.name)
                assert old is not None
                value = operators.binary(part.operator, old.value, value)
            listed.append(f"{named(column.name)} = {stored(lowering, value, table, column).sql}")
        return f"WHEN {when}{also} THEN UPDATE SET {', '.join(listed)}"
    return f"WHEN {when}{also} THEN INSERT {_merged(lowering, one, table, source)}"


def _merged(lowering: Lowering, one: tree.MergeBranch, table: Table, source: Scope) -> str:
    columns = [_column(table, name, 1) for name in one.columns] or [
        c for c in table.columns if not c.identity
    ]
    if len(one.values) != len(columns):
        text = "Column name or number of supplied values does not match table definition."
        raise SqlError(213, 16, 1, text)
    values = []
    for value, column in zip(one.values, columns, strict=True):
        if isinstance(value, tree.Literal) and value.kind == "default":
            values.append(default_of(lowering, column).sql)
        else:
            values.append(stored(lowering, lowering.binder.value(value, source), table, column).sql)
    listed = {column.name for column in columns}
    for column in table.columns:
        if column.name not in listed and column.default:
            columns.append(column)
            values.append(default_of(lowering, column).sql)
    names = ", ".join(named(column.name) for column in columns)
    return f"({names}) VALUES ({', '.join(values)})"
