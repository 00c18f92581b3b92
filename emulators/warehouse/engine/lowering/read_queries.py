"""Reads queries: SELECT with all its clauses, FROM with all its sources."""

from __future__ import annotations

from collections.abc import Sequence

from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.read_expressions import condition, expression, order_by
from emulators.warehouse.engine.tsql.lexing import Token
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError, refused

_HINTS = frozenset(
    [
        "NOLOCK",
        "READUNCOMMITTED",
        "READCOMMITTED",
        "REPEATABLEREAD",
        "SERIALIZABLE",
        "HOLDLOCK",
        "ROWLOCK",
        "PAGLOCK",
        "TABLOCK",
        "TABLOCKX",
        "UPDLOCK",
        "XLOCK",
        "READPAST",
        "NOEXPAND",
        "FORCESEEK",
        "FORCESCAN",
        "NOWAIT",
        "SNAPSHOT",
        "READCOMMITTEDLOCK",
        "KEEPIDENTITY",
        "KEEPDEFAULTS",
        "IGNORE_TRIGGERS",
        "IGNORE_CONSTRAINTS",
    ]
)


def begins_query(cursor: Cursor) -> bool:
    """Whether a query (not an expression) comes next, inside parentheses."""
    return cursor.here.upper in ("SELECT", "WITH")


def query(cursor: Cursor, commons: tuple[tree.Common, ...] = ()) -> tree.Query:
    """`[WITH …] SELECT … [UNION …] [ORDER BY …] [OFFSET …] [FOR …]`, without OPTION."""
    commons = commons or common_tables(cursor)
    body = _union(cursor)
    order: tuple[tree.Ordering, ...] = ()
    offset = fetch = None
    if cursor.looks("ORDER", "BY"):
        order = order_by(cursor)
        if cursor.take("OFFSET"):
            offset = expression(cursor)
            _rows(cursor)
            if cursor.take("FETCH"):
                if not cursor.one_of("NEXT", "FIRST"):
                    raise cursor.unexpected()
                fetch = expression(cursor)
                _rows(cursor)
                cursor.need("ONLY")
    if cursor.looks("FOR"):
        kind = cursor.ahead().upper
        if kind == "BROWSE":
            cursor.take("FOR", "BROWSE")
        elif kind in ("XML", "JSON"):
            raise refused(f"FOR {kind}", cursor.line)
        else:
            raise cursor.unexpected()
    return tree.Query(body, commons, order, offset, fetch)


def _rows(cursor: Cursor) -> None:
    if not cursor.one_of("ROW", "ROWS"):
        raise cursor.unexpected()


def common_tables(cursor: Cursor) -> tuple[tree.Common, ...]:
    """`WITH a AS (…), b (x, y) AS (…)`; nothing when no WITH is next."""
    if not cursor.take("WITH"):
        return ()
    if cursor.looks("XMLNAMESPACES"):
        raise refused("WITH XMLNAMESPACES", cursor.line)
    found: list[tree.Common] = []
    while True:
        name = cursor.name()
        columns = cursor.names() if cursor.here.text == "(" else ()
        cursor.need("AS", "(")
        found.append(tree.Common(name, columns, query(cursor)))
        cursor.need(")")
        if not cursor.take(","):
            return tuple(found)


def options(cursor: Cursor) -> str:
    """`OPTION (…)`: the label, if one is there; hints change nothing here.

    Raises:
        SqlError: 102 where an option is malformed.
    """
    label = ""
    if not cursor.take("OPTION"):
        return label
    for part in _split(cursor.group()):
        if part[0].upper == "LABEL":
            if len(part) != 3 or part[2].kind != "string":
                raise cursor.unexpected()
            label = part[2].value
    return label


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens between commas that stand in no parentheses."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        if token.upper == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [p for p in parts if p]


def _union(cursor: Cursor) -> tree.Body:
    left = _intersect(cursor)
    while operator := cursor.one_of("UNION", "EXCEPT"):
        every = operator == "UNION" and cursor.take("ALL")
        left = tree.SetOperation(left.line, operator, every, left, _intersect(cursor))
    return left


def _intersect(cursor: Cursor) -> tree.Body:
    left = _term(cursor)
    while cursor.take("INTERSECT"):
        left = tree.SetOperation(left.line, "INTERSECT", False, left, _term(cursor))
    return left


def _term(cursor: Cursor) -> tree.Body:
    line = cursor.line
    if cursor.take("("):
        inner = query(cursor)
        cursor.need(")")
        return tree.Nested(line, inner)
    if cursor.looks("SELECT"):
        return select(cursor)
    if cursor.looks("VALUES"):
        return values(cursor)
    raise cursor.unexpected()


def values(cursor: Cursor) -> tree.Values:
    """`VALUES (a, b), (c, d)`."""
    line = cursor.line
    cursor.need("VALUES")
    rows: list[tuple[tree.Expression, ...]] = []
    while True:
        cursor.need("(")
        row = [expression(cursor)]
        while cursor.take(","):
            row.append(expression(cursor))
        cursor.need(")")
        rows.append(tuple(row))
        if not cursor.take(","):
            break
    if any(len(row) != len(rows[0]) for row in rows):
        text = "All the rows in a VALUES list, or all the expressions, must have the same number of columns."
        raise SqlError(10709, 16, 1, text, line)
    return tree.Values(line, tuple(rows))


def select(cursor: Cursor) -> tree.Select:
    """One SELECT, to its HAVING."""
    line = cursor.line
    cursor.need("SELECT")
    distinct = bool(cursor.take("DISTINCT"))
    if not distinct:
        cursor.take("ALL")
    limit = top(cursor)
    items = select_list(cursor)
    into = cursor.object_name() if cursor.take("INTO") else None
    sources = from_clause(cursor) if cursor.take("FROM") else ()
    where = condition(cursor) if cursor.take("WHERE") else None
    group, grouping, sets = _grouping(cursor)
    having = condition(cursor) if cursor.take("HAVING") else None
    return tree.Select(
        line, items, sources, distinct, limit, into, where, group, grouping, sets, having
    )


def top(cursor: Cursor) -> tree.Top | None:
    """`TOP (n) [PERCENT] [WITH TIES]`."""
    if not cursor.take("TOP"):
        return None
    if cursor.take("("):
        count = expression(cursor)
        cursor.need(")")
    elif cursor.here.kind in ("number", "variable"):
        token = cursor.next()
        if token.kind == "variable":
            count = tree.Variable(token.line, token.text[1:].lower())
        else:
            count = tree.Literal(token.line, "int" if token.text.isdigit() else "float", token.text)
    else:
        raise cursor.unexpected()
    percent = bool(cursor.take("PERCENT"))
    return tree.Top(count, percent, bool(cursor.take("WITH", "TIES")))


def select_list(cursor: Cursor) -> tuple[tree.Item, ...]:
    """`a, b AS c, d = e, t.*`."""
    found = [_item(cursor)]
    while cursor.take(","):
        found.append(_item(cursor))
    return tuple(found)


def _item(cursor: Cursor) -> tree.Item:
    line = cursor.line
    if cursor.take("*"):
        return tree.Item(tree.Star(line, ()))
    star = _qualified_star(cursor)
    if star is not None:
        return tree.Item(star)
    if (cursor.is_name() or cursor.here.kind == "string") and cursor.ahead().text == "=":
        alias = cursor.next()
        cursor.need("=")
        name = alias.value if alias.kind == "string" else alias.name
        return tree.Item(expression(cursor), name)
    found = expression(cursor)
    if cursor.take("AS"):
        return tree.Item(found, _alias(cursor))
    if cursor.is_name() or cursor.here.kind == "string":
        return tree.Item(found, _alias(cursor))
    return tree.Item(found)


def _alias(cursor: Cursor) -> str:
    return cursor.string() if cursor.here.kind == "string" else cursor.name()


def _qualified_star(cursor: Cursor) -> tree.Star | None:
    """`a.b.*`, looked for ahead of anything else."""
    at, parts = 0, []
    if not cursor.is_name() and cursor.here.upper not in ("INSERTED", "DELETED"):
        return None
    while cursor.ahead(at).kind in ("word", "quoted") and cursor.ahead(at + 1).text == ".":
        parts.append(cursor.ahead(at).name)
        at += 2
    if not parts or cursor.ahead(at).text != "*":
        return None
    line = cursor.line
    cursor.at += at + 1
    return tree.Star(line, tuple(parts))


def _grouping(
    cursor: Cursor,
) -> tuple[tuple[tree.Expression, ...], str, tuple[tuple[tree.Expression, ...], ...]]:
    if not cursor.take("GROUP", "BY"):
        return (), "", ()
    if cursor.looks("GROUPING", "SETS"):
        cursor.need("GROUPING", "SETS", "(")
        sets = [_set(cursor)]
        while cursor.take(","):
            sets.append(_set(cursor))
        cursor.need(")")
        return (), "SETS", tuple(sets)
    if cursor.here.upper in ("ROLLUP", "CUBE") and cursor.ahead().text == "(":
        kind = cursor.next().upper
        cursor.need("(")
        group = _expressions(cursor)
        cursor.need(")")
        return group, kind, ()
    group = _expressions(cursor)
    if cursor.take("WITH"):
        kind = cursor.one_of("ROLLUP", "CUBE")
        if not kind:
            raise cursor.unexpected()
        return group, kind, ()
    return group, "", ()


def _set(cursor: Cursor) -> tuple[tree.Expression, ...]:
    if not cursor.take("("):
        return (expression(cursor),)
    if cursor.take(")"):
        return ()
    found = _expressions(cursor)
    cursor.need(")")
    return found


def _expressions(cursor: Cursor) -> tuple[tree.Expression, ...]:
    found = [expression(cursor)]
    while cursor.take(","):
        found.append(expression(cursor))
    return tuple(found)


def from_clause(cursor: Cursor) -> tuple[tree.Source, ...]:
    """The sources after FROM, those between commas apart."""
    found = [_joined(cursor)]
    while cursor.take(","):
        found.append(_joined(cursor))
    return tuple(found)


def _joined(cursor: Cursor) -> tree.Source:
    left = source(cursor)
    while kind := _join_kind(cursor):
        right = source(cursor)
        test = None
        if kind in ("INNER", "LEFT", "RIGHT", "FULL"):
            # `a JOIN b JOIN c ON … ON …`: the inner join comes first.
            right = _nested_join(cursor, right)
            cursor.need("ON")
            test = condition(cursor)
        left = tree.Join(left.line, kind, left, right, test)
    return left


def _nested_join(cursor: Cursor, right: tree.Source) -> tree.Source:
    while not cursor.looks("ON"):
        kind = _join_kind(cursor)
        if not kind:
            raise cursor.unexpected()
        inner, test = source(cursor), None
        if kind in ("INNER", "LEFT", "RIGHT", "FULL"):
            inner = _nested_join(cursor, inner)
            cursor.need("ON")
            test = condition(cursor)
        right = tree.Join(right.line, kind, right, inner, test)
    return right


def _join_kind(cursor: Cursor) -> str:
    if cursor.take("CROSS", "JOIN"):
        return "CROSS"
    if cursor.take("CROSS", "APPLY"):
        return "CROSS APPLY"
    if cursor.take("OUTER", "APPLY"):
        return "OUTER APPLY"
    if cursor.take("JOIN"):
        return "INNER"
    at = 0
    kind = cursor.here.upper
    if kind not in ("INNER", "LEFT", "RIGHT", "FULL"):
        return ""
    at = 1
    if kind != "INNER" and cursor.ahead(at).upper == "OUTER":
        at += 1
    if cursor.ahead(at).upper in ("LOOP", "HASH", "MERGE", "REMOTE", "REDUCE", "REDISTRIBUTE"):
        at += 1
    if cursor.ahead(at).upper != "JOIN":
        return ""
    cursor.at += at + 1
    return kind


def source(cursor: Cursor) -> tree.Source:
    """One source with what is attached to it (alias, hints, PIVOT)."""
    found = _source(cursor)
    while True:
        if cursor.looks("PIVOT", "("):
            found = _pivot(cursor, found)
        elif cursor.looks("UNPIVOT", "("):
            found = _unpivot(cursor, found)
        else:
            return found


def _source(cursor: Cursor) -> tree.Source:
    line = cursor.line
    if cursor.here.text == "(":
        return _in_parentheses(cursor, line)
    if cursor.here.kind == "variable":
        name = tree.Name(line, (cursor.next().text,))
        return tree.Relation(line, name, _optional_alias(cursor))
    if cursor.looks("PREDICT", "("):
        return _predict(cursor, line)
    name = cursor.object_name()
    if cursor.here.text == "(" and not _old_hints(cursor):
        return _function(cursor, name, line)
    hints(cursor)
    alias = _optional_alias(cursor)
    if cursor.looks("TABLESAMPLE"):
        raise refused("TABLESAMPLE", cursor.line)
    if cursor.looks("FOR", "SYSTEM_TIME"):
        raise refused("temporal tables (FOR SYSTEM_TIME)", cursor.line)
    hints(cursor)
    return tree.Relation(line, name, alias)


def _old_hints(cursor: Cursor) -> bool:
    """`t (NOLOCK)`."""
    return cursor.ahead().upper in _HINTS and cursor.ahead(2).text in (")", ",")


def hints(cursor: Cursor) -> None:
    """`WITH (NOLOCK, …)`: locks are the engine's; what is no hint is an error."""
    if cursor.here.text == "(" and _old_hints(cursor):
        pass
    elif not cursor.take("WITH"):
        return
    for part in _split(cursor.group()):
        word = part[0].upper
        if word == "INDEX" or word in _HINTS:
            continue
        text = f'"{part[0].text}" is not a recognized table hints option.'
        raise SqlError(321, 15, 1, text, part[0].line)


def _optional_alias(cursor: Cursor) -> str:
    if cursor.take("AS"):
        return cursor.name()
    return cursor.next().name if cursor.is_name() and not _clause(cursor) else ""


def _clause(cursor: Cursor) -> bool:
    """Words that are not reserved and yet begin a clause after a source."""
    word = cursor.here.upper
    if cursor.here.kind == "quoted":
        return False
    return word in ("APPLY", "OFFSET", "OUTPUT", "USING") or (
        word in ("OPTION", "WITH") and cursor.ahead().text == "("
    )


def _in_parentheses(cursor: Cursor, line: int) -> tree.Source:
    start = cursor.at
    cursor.need("(")
    if begins_query(cursor) or cursor.looks("VALUES"):
        inner = query(cursor)
        cursor.need(")")
        return _derived(cursor, inner, line)
    if cursor.here.text == "(":
        # `((SELECT …) UNION …) t` or `((a JOIN b …) JOIN c …)`: a query first, a join else.
        try:
            inner = query(cursor)
            cursor.need(")")
            return _derived(cursor, inner, line)
        except SqlError:
            cursor.at = start + 1
    found = _joined(cursor)
    cursor.need(")")
    return found


def _derived(cursor: Cursor, inner: tree.Query, line: int) -> tree.Source:
    cursor.take("AS")
    alias = cursor.name()
    columns = cursor.names() if cursor.here.text == "(" else ()
    return tree.Derived(line, inner, alias, columns)


def _function(cursor: Cursor, name: tree.Name, line: int) -> tree.Source:
    cursor.need("(")
    arguments: tuple[tree.Expression, ...] = ()
    if not cursor.looks(")"):
        arguments = _expressions(cursor)
    cursor.need(")")
    shape: list[tuple[str, SqlType, str]] = []
    if name.parts[-1].upper() == "OPENJSON" and cursor.take("WITH", "("):
        while True:
            column = cursor.name()
            kind = cursor.type()
            path = cursor.string() if cursor.here.kind == "string" else ""
            if cursor.take("AS"):
                cursor.need("JSON")
                kind = SqlType("nvarchar", -1)
                path += "|json"
            shape.append((column, kind, path))
            if not cursor.take(","):
                break
        cursor.need(")")
    alias = _optional_alias(cursor)
    columns = cursor.names() if alias and cursor.here.text == "(" else ()
    return tree.Function(line, name, arguments, alias, columns, tuple(shape))


def _pivot(cursor: Cursor, inner: tree.Source) -> tree.Source:
    line = cursor.line
    cursor.need("PIVOT", "(")
    aggregate = expression(cursor)
    if not isinstance(aggregate, tree.Call):
        raise cursor.unexpected()
    cursor.need("FOR")
    column = cursor.object_name().parts[-1]
    cursor.need("IN")
    wanted = cursor.names()
    cursor.need(")")
    cursor.take("AS")
    return tree.Pivot(line, inner, aggregate, column, wanted, cursor.name())


def _unpivot(cursor: Cursor, inner: tree.Source) -> tree.Source:
    line = cursor.line
    cursor.need("UNPIVOT", "(")
    value = cursor.name()
    cursor.need("FOR")
    column = cursor.name()
    cursor.need("IN")
    wanted = cursor.names()
    cursor.need(")")
    cursor.take("AS")
    return tree.Unpivot(line, inner, value, column, wanted, cursor.name())


def _predict(cursor: Cursor, line: int) -> tree.Source:
    """`PREDICT(MODEL = …, DATA = t AS d [, RUNTIME = ONNX]) WITH (…) AS p`."""
    cursor.need("PREDICT", "(", "MODEL", "=")
    model = expression(cursor)
    cursor.need(",", "DATA", "=")
    data = source(cursor)
    runtime = ""
    if cursor.take(",", "RUNTIME", "="):
        runtime = cursor.any_word()
    cursor.need(")", "WITH", "(")
    columns: list[tuple[str, SqlType, bool]] = []
    while True:
        name, kind = cursor.name(), cursor.type()
        if cursor.take("COLLATE"):
            cursor.any_word()
        nullable = not cursor.take("NOT", "NULL")
        if nullable:
            cursor.take("NULL")
        columns.append((name, kind, nullable))
        if not cursor.take(","):
            break
    cursor.need(")")
    return tree.Predict(line, model, data, runtime, tuple(columns), _optional_alias(cursor))
