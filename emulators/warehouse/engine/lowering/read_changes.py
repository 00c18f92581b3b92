"""Reads INSERT, UPDATE, DELETE and MERGE."""

from __future__ import annotations

from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.read_expressions import condition, expression
from emulators.warehouse.engine.lowering.read_queries import (
    common_tables,
    from_clause,
    hints,
    options,
    query,
    select_list,
    source,
    top,
)
from emulators.warehouse.errors import refused

_COMPOUND = ("=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=")


def statement(cursor: Cursor) -> tree.Statement | None:
    """A query or a change of rows; None when another kind of statement is next."""
    line, commons = cursor.line, common_tables(cursor)
    word = cursor.here.upper
    found: tree.Statement
    if word in ("SELECT", "(") or (word == "VALUES" and commons):
        asked = query(cursor, commons)
        label = options(cursor)
        found = tree.Rows(line, _labelled(asked, label))
    elif word == "INSERT":
        found = _insert(cursor, commons)
    elif word == "UPDATE" and cursor.ahead().upper != "STATISTICS":
        found = _update(cursor, commons)
    elif word == "DELETE":
        found = _delete(cursor, commons)
    elif word == "MERGE":
        found = _merge(cursor, commons)
    elif commons:
        raise cursor.unexpected()
    else:
        return None
    cursor.finish()
    return found


def _labelled(asked: tree.Query, label: str) -> tree.Query:
    return tree.Query(asked.body, asked.commons, asked.order, asked.offset, asked.fetch, label)


def _target(cursor: Cursor) -> tree.Name:
    line = cursor.line
    if cursor.here.kind == "variable":
        return tree.Name(line, (cursor.next().text,))
    return cursor.object_name()


def _insert(cursor: Cursor, commons: tuple[tree.Common, ...]) -> tree.Insert:
    line = cursor.line
    cursor.need("INSERT")
    if top(cursor) is not None:
        raise refused("INSERT TOP", line)
    cursor.take("INTO")
    target = _target(cursor)
    if cursor.looks("WITH", "("):
        hints(cursor)
    columns: tuple[str, ...] = ()
    if cursor.here.text == "(" and cursor.ahead().upper not in ("SELECT", "WITH", "("):
        columns = cursor.names()
    output = _output(cursor)
    asked: tree.Query | None = None
    if not cursor.take("DEFAULT", "VALUES"):
        if cursor.looks("EXEC") or cursor.looks("EXECUTE"):
            raise refused("INSERT … EXEC", cursor.line)
        asked = query(cursor)
    return tree.Insert(line, target, columns, asked, commons, output, options(cursor))


def _output(cursor: Cursor) -> tree.Output | None:
    if not cursor.take("OUTPUT"):
        return None
    items = select_list(cursor)
    if not cursor.take("INTO"):
        return tree.Output(items)
    into = _target(cursor)
    columns = cursor.names() if cursor.here.text == "(" and cursor.is_name(1) else ()
    return tree.Output(items, into, columns)


def _assignments(cursor: Cursor) -> tuple[tree.Assignment, ...]:
    found: list[tree.Assignment] = []
    while True:
        if cursor.here.kind == "variable":
            raise refused("UPDATE … SET @variable", cursor.line)
        column = cursor.object_name().parts[-1]
        sign = cursor.one_of(*_COMPOUND)
        if not sign:
            raise cursor.unexpected()
        found.append(tree.Assignment(column, sign[:-1], expression(cursor)))
        if not cursor.take(","):
            return tuple(found)


def _update(cursor: Cursor, commons: tuple[tree.Common, ...]) -> tree.Update:
    line = cursor.line
    cursor.need("UPDATE")
    limit = top(cursor)
    target = _target(cursor)
    hints(cursor)
    cursor.need("SET")
    assignments = _assignments(cursor)
    output = _output(cursor)
    sources = from_clause(cursor) if cursor.take("FROM") else ()
    where = _where(cursor)
    return tree.Update(
        line, target, assignments, sources, where, limit, commons, output, options(cursor)
    )


def _where(cursor: Cursor) -> tree.Condition | None:
    if not cursor.take("WHERE"):
        return None
    if cursor.looks("CURRENT", "OF"):
        raise refused("cursors (WHERE CURRENT OF)", cursor.line)
    return condition(cursor)


def _delete(cursor: Cursor, commons: tuple[tree.Common, ...]) -> tree.Delete:
    line = cursor.line
    cursor.need("DELETE")
    limit = top(cursor)
    cursor.take("FROM")
    target = _target(cursor)
    hints(cursor)
    output = _output(cursor)
    sources = from_clause(cursor) if cursor.take("FROM") else ()
    where = _where(cursor)
    return tree.Delete(line, target, sources, where, limit, commons, output, options(cursor))


def _merge(cursor: Cursor, commons: tuple[tree.Common, ...]) -> tree.Merge:
    line = cursor.line
    cursor.need("MERGE")
    if top(cursor) is not None:
        raise refused("MERGE TOP", line)
    cursor.take("INTO")
    target = _target(cursor)
    hints(cursor)
    alias = ""
    if cursor.take("AS") or cursor.here.upper != "USING":
        alias = cursor.name()
    cursor.need("USING")
    using = source(cursor)
    cursor.need("ON")
    test = condition(cursor)
    branches: list[tree.MergeBranch] = []
    while cursor.take("WHEN"):
        branches.append(_branch(cursor))
    output = _output(cursor)
    return tree.Merge(
        line, target, alias, using, test, tuple(branches), commons, output, options(cursor)
    )


def _branch(cursor: Cursor) -> tree.MergeBranch:
    kind = "MATCHED"
    if cursor.take("NOT"):
        kind = "TARGET"
    cursor.need("MATCHED")
    if kind == "TARGET" and cursor.take("BY"):
        kind = cursor.one_of("TARGET", "SOURCE")
        if not kind:
            raise cursor.unexpected()
    test = condition(cursor) if cursor.take("AND") else None
    cursor.need("THEN")
    if kind != "TARGET":
        if cursor.take("DELETE"):
            return tree.MergeBranch(kind, test, "DELETE")
        cursor.need("UPDATE", "SET")
        return tree.MergeBranch(kind, test, "UPDATE", _assignments(cursor))
    cursor.need("INSERT")
    columns = cursor.names() if cursor.here.text == "(" else ()
    if cursor.take("DEFAULT", "VALUES"):
        return tree.MergeBranch(kind, test, "INSERT", (), columns, ())
    cursor.need("VALUES", "(")
    given = [expression(cursor)]
    while cursor.take(","):
        given.append(expression(cursor))
    cursor.need(")")
    return tree.MergeBranch(kind, test, "INSERT", (), columns, tuple(given))
