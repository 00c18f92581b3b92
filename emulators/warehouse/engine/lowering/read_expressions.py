"""Reads expressions and conditions."""

from __future__ import annotations

from collections.abc import Callable

from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.errors import SqlError, refused, syntax

Reader = Callable[[Cursor, int], tree.Expression]
"""Reads what follows a special word, whose line it is given."""

_DEEP = 400
_COMPARE = ("=", "<>", "!=", "<", ">", "<=", ">=", "!<", "!>")
_SAME = {"!=": "<>", "!<": ">=", "!>": "<="}
_PART_FIRST = frozenset(
    ["DATEADD", "DATEDIFF", "DATEDIFF_BIG", "DATENAME", "DATEPART", "DATETRUNC", "DATE_BUCKET"]
)
_BARE = frozenset(
    ["CURRENT_TIMESTAMP", "CURRENT_USER", "SESSION_USER", "SYSTEM_USER", "USER", "CURRENT_DATE"]
)
_RESERVED_CALLS = frozenset(["LEFT", "RIGHT", "COALESCE", "NULLIF", "CONVERT", "TRY_CONVERT"])


def expression(cursor: Cursor) -> tree.Expression:
    """`a + b` and weaker: + - & | ^."""
    cursor.depth += 1
    if cursor.depth > _DEEP:
        text = "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up into smaller queries."
        raise SqlError(191, 15, 1, text, cursor.line)
    left = _product(cursor)
    while sign := cursor.one_of("+", "-", "&", "|", "^", "||"):
        left = tree.Binary(left.line, sign, left, _product(cursor))
    cursor.depth -= 1
    return left


def _product(cursor: Cursor) -> tree.Expression:
    left = _unary(cursor)
    while sign := cursor.one_of("*", "/", "%"):
        left = tree.Binary(left.line, sign, left, _unary(cursor))
    return left


def _unary(cursor: Cursor) -> tree.Expression:
    line = cursor.line
    if sign := cursor.one_of("-", "+", "~"):
        cursor.depth += 1
        if cursor.depth > _DEEP:
            raise syntax(sign, line)
        operand = _unary(cursor)
        cursor.depth -= 1
        return tree.Unary(line, sign, operand)
    found = _primary(cursor)
    while True:
        if cursor.take("COLLATE"):
            found = tree.Collate(found.line, found, cursor.any_word())
        elif cursor.take("AT", "TIME", "ZONE"):
            found = tree.AtTimeZone(found.line, found, _primary(cursor))
        else:
            return found


def _primary(cursor: Cursor) -> tree.Expression:
    token, line = cursor.here, cursor.line
    if token.kind == "number":
        cursor.next()
        return _number(token.text, line)
    if token.kind == "string":
        cursor.next()
        return tree.Literal(line, "nstring" if token.text[0] in "Nn" else "string", token.value)
    if token.kind == "hex":
        cursor.next()
        digits = "".join(c for c in token.text[2:] if c.isalnum())
        return tree.Literal(line, "hex", digits if len(digits) % 2 == 0 else "0" + digits)
    if token.kind == "variable":
        cursor.next()
        return tree.Variable(line, token.text[1:].lower())
    if token.text == "$":
        return _money(cursor)
    if token.text == "(":
        return _parenthesis(cursor)
    if token.text == "{":
        return _escape(cursor)
    if token.kind in ("word", "quoted"):
        return _word(cursor)
    raise cursor.unexpected()


def _number(text: str, line: int) -> tree.Literal:
    kind = "float" if "e" in text.lower() else "decimal" if "." in text else "int"
    if kind == "float" and text[-1] in "eE":
        text += "0"
    return tree.Literal(line, kind, text)


def _money(cursor: Cursor) -> tree.Expression:
    line = cursor.next().line
    if cursor.here.kind == "word" and cursor.here.upper in ("ACTION", "IDENTITY", "ROWGUID"):
        return tree.Name(line, ("$" + cursor.next().text.lower(),))
    sign = "-" if cursor.take("-") else ""
    if cursor.here.kind != "number":
        return tree.Literal(line, "money", "0")
    return tree.Literal(line, "money", sign + cursor.next().text)


def _parenthesis(cursor: Cursor) -> tree.Expression:
    from emulators.warehouse.engine.lowering.read_queries import begins_query, query

    line = cursor.line
    cursor.need("(")
    if begins_query(cursor):
        found: tree.Expression = tree.Scalar(line, query(cursor))
    else:
        found = expression(cursor)
    cursor.need(")")
    return found


def _escape(cursor: Cursor) -> tree.Expression:
    """ODBC's `{fn …}`, `{d '…'}`, `{ts '…'}`, `{t '…'}`, `{guid '…'}`."""
    line = cursor.next().line
    word = cursor.any_word().upper()
    if word == "FN":
        found = _primary(cursor)
    else:
        from emulators.warehouse.engine.types import SqlType

        kinds = {"D": "datetime", "TS": "datetime", "T": "datetime", "GUID": "uniqueidentifier"}
        if word not in kinds:
            raise syntax(word, line)
        text = tree.Literal(line, "string", cursor.string())
        found = tree.Cast(line, text, SqlType(kinds[word]))
    cursor.need("}")
    return found


def _word(cursor: Cursor) -> tree.Expression:
    token, line = cursor.here, cursor.line
    if token.kind == "word":
        special = _SPECIAL.get(token.upper)
        if special is not None and (
            cursor.ahead().text == "(" or token.upper in ("CASE", "NULL", "DEFAULT")
        ):
            cursor.next()
            return special(cursor, line)
        if token.upper in _BARE and cursor.ahead().text != "(":
            cursor.next()
            return tree.Call(line, (token.upper,), ())
        if token.upper in _RESERVED_CALLS and cursor.ahead().text == "(":
            cursor.next()
            return _call(cursor, tree.Name(line, (token.upper,)))
        if token.upper == "NEXT" and cursor.looks("NEXT", "VALUE", "FOR"):
            raise refused("sequences (NEXT VALUE FOR)", line)
    name = cursor.object_name()
    if cursor.take("::"):
        raise refused("methods of CLR types", line)
    if cursor.here.text == "(":
        return _call(cursor, name)
    return name


def _null(cursor: Cursor, line: int) -> tree.Expression:
    return tree.Literal(line, "null", "NULL")


def _default(cursor: Cursor, line: int) -> tree.Expression:
    return tree.Literal(line, "default", "DEFAULT")


def _case(cursor: Cursor, line: int) -> tree.Expression:
    operand = None if cursor.looks("WHEN") else expression(cursor)
    branches: list[tuple[tree.Expression | tree.Condition, tree.Expression]] = []
    while cursor.take("WHEN"):
        test = condition(cursor) if operand is None else expression(cursor)
        cursor.need("THEN")
        branches.append((test, expression(cursor)))
    if not branches:
        raise cursor.unexpected()
    otherwise = expression(cursor) if cursor.take("ELSE") else None
    cursor.need("END")
    return tree.Case(line, operand, tuple(branches), otherwise)


def _cast(tried: bool, parsed: bool = False) -> Reader:
    def read(cursor: Cursor, line: int) -> tree.Expression:
        cursor.need("(")
        operand = expression(cursor)
        cursor.need("AS")
        kind = cursor.cast_type()
        style = expression(cursor) if parsed and cursor.take("USING") else None
        cursor.need(")")
        return tree.Cast(line, operand, kind, tried, style, parsed)

    return read


def _convert(tried: bool) -> Reader:
    def read(cursor: Cursor, line: int) -> tree.Expression:
        cursor.need("(")
        kind = cursor.cast_type()
        cursor.need(",")
        operand = expression(cursor)
        style = expression(cursor) if cursor.take(",") else None
        cursor.need(")")
        return tree.Cast(line, operand, kind, tried, style)

    return read


def _iif(cursor: Cursor, line: int) -> tree.Expression:
    cursor.need("(")
    test = condition(cursor)
    cursor.need(",")
    yes = expression(cursor)
    cursor.need(",")
    no = expression(cursor)
    cursor.need(")")
    return tree.Choice(line, test, yes, no)


_SPECIAL = {
    "NULL": _null, "DEFAULT": _default, "CASE": _case, "IIF": _iif,
    "CAST": _cast(False), "TRY_CAST": _cast(True), "PARSE": _cast(False, True),
    "TRY_PARSE": _cast(True, True), "CONVERT": _convert(False), "TRY_CONVERT": _convert(True),
}  # fmt: skip


def _call(cursor: Cursor, name: tree.Name) -> tree.Expression:
    cursor.need("(")
    upper = name.parts[-1].upper() if len(name.parts) == 1 else ""
    word, distinct, star = "", False, False
    arguments: list[tree.Expression] = []
    if upper in _PART_FIRST:
        word = cursor.any_word() if cursor.here.kind != "string" else cursor.string()
        cursor.need(",")
    if upper == "TRIM" and cursor.here.upper in ("BOTH", "LEADING", "TRAILING"):
        word = cursor.next().upper
    if cursor.take("*"):
        star = True
    elif not cursor.looks(")"):
        distinct = bool(cursor.take("DISTINCT"))
        if not distinct:
            cursor.take("ALL")
        arguments.append(expression(cursor))
        if upper == "TRIM" and cursor.take("FROM"):
            arguments.insert(0, expression(cursor))
        while cursor.take(","):
            arguments.append(expression(cursor))
    cursor.need(")")
    within: tuple[tree.Ordering, ...] = ()
    if cursor.take("WITHIN", "GROUP"):
        cursor.need("(")
        within = order_by(cursor)
        cursor.need(")")
    if cursor.looks("IGNORE", "NULLS") or cursor.looks("RESPECT", "NULLS"):
        word = cursor.next().upper
        cursor.next()
    over = _window(cursor) if cursor.take("OVER") else None
    return tree.Call(name.line, name.parts, tuple(arguments), distinct, star, within, over, word)


def _window(cursor: Cursor) -> tree.Window:
    cursor.need("(")
    partition: list[tree.Expression] = []
    if cursor.take("PARTITION", "BY"):
        partition.append(expression(cursor))
        while cursor.take(","):
            partition.append(expression(cursor))
    order = order_by(cursor) if cursor.looks("ORDER") else ()
    frame = ""
    if unit := cursor.one_of("ROWS", "RANGE"):
        if cursor.take("BETWEEN"):
            low = _bound(cursor)
            cursor.need("AND")
            frame = f"{unit} BETWEEN {low} AND {_bound(cursor)}"
        else:
            frame = f"{unit} {_bound(cursor)}"
    cursor.need(")")
    return tree.Window(tuple(partition), order, frame)


def _bound(cursor: Cursor) -> str:
    if cursor.take("CURRENT", "ROW"):
        return "CURRENT ROW"
    amount = "UNBOUNDED" if cursor.take("UNBOUNDED") else str(cursor.integer())
    side = cursor.one_of("PRECEDING", "FOLLOWING")
    if not side:
        raise cursor.unexpected()
    return f"{amount} {side}"


def order_by(cursor: Cursor) -> tuple[tree.Ordering, ...]:
    """`ORDER BY a DESC, …`."""
    cursor.need("ORDER", "BY")
    found: list[tree.Ordering] = []
    while True:
        item = expression(cursor)
        found.append(tree.Ordering(item, cursor.one_of("ASC", "DESC") == "DESC"))
        if not cursor.take(","):
            return tuple(found)


def condition(cursor: Cursor) -> tree.Condition:
    """`a OR b`."""
    parts = [_conjunction(cursor)]
    while cursor.take("OR"):
        parts.append(_conjunction(cursor))
    return parts[0] if len(parts) == 1 else tree.Logical(parts[0].line, "OR", tuple(parts))


def _conjunction(cursor: Cursor) -> tree.Condition:
    parts = [_negation(cursor)]
    while cursor.take("AND"):
        parts.append(_negation(cursor))
    return parts[0] if len(parts) == 1 else tree.Logical(parts[0].line, "AND", tuple(parts))


def _negation(cursor: Cursor) -> tree.Condition:
    line = cursor.line
    if cursor.take("NOT"):
        return tree.Not(line, _negation(cursor))
    return _predicate(cursor)


def _predicate(cursor: Cursor) -> tree.Condition:
    from emulators.warehouse.engine.lowering.read_queries import query

    line = cursor.line
    if cursor.looks("EXISTS", "("):
        cursor.need("EXISTS", "(")
        found = query(cursor)
        cursor.need(")")
        return tree.Exists(line, found)
    if cursor.here.text == "(":
        grouped = _grouped(cursor)
        if grouped is not None:
            return grouped
    return _compared(cursor, expression(cursor), line)


def _grouped(cursor: Cursor) -> tree.Condition | None:
    """A condition in parentheses; None when what stands there is an expression."""
    start, depth = cursor.at, cursor.depth
    if start in cursor.bad:
        return None
    cursor.need("(")
    try:
        found = condition(cursor)
        cursor.need(")")
        return found
    except SqlError:
        cursor.bad.add(start)
        cursor.at, cursor.depth = start, depth
        return None


def _compared(cursor: Cursor, left: tree.Expression, line: int) -> tree.Condition:
    if sign := cursor.one_of(*_COMPARE):
        return _comparison(cursor, left, _SAME.get(sign, sign))
    if cursor.take("IS"):
        return _is(cursor, left, line)
    negated = cursor.take("NOT")
    found: tree.Condition
    if cursor.take("BETWEEN"):
        low = expression(cursor)
        cursor.need("AND")
        found = tree.Between(line, left, low, expression(cursor))
    elif cursor.take("IN"):
        found = _in(cursor, left, line)
    elif cursor.take("LIKE"):
        pattern = expression(cursor)
        escape = expression(cursor) if cursor.take("ESCAPE") else None
        found = tree.Like(line, left, pattern, escape)
    elif cursor.ended():
        text = f"An expression of non-boolean type specified in a context where a condition is expected, near '{cursor.tokens[-1].text}'."
        raise SqlError(4145, 15, 1, text, cursor.line)
    else:
        raise cursor.unexpected()
    return tree.Not(line, found) if negated else found


def _is(cursor: Cursor, left: tree.Expression, line: int) -> tree.Condition:
    negated = cursor.take("NOT")
    if cursor.take("DISTINCT", "FROM"):
        right = expression(cursor)
        found: tree.Condition = tree.Comparison(line, "IS DISTINCT FROM", left, right)
    else:
        cursor.need("NULL")
        found = tree.IsNull(line, left)
    return tree.Not(line, found) if negated else found


def _comparison(cursor: Cursor, left: tree.Expression, sign: str) -> tree.Condition:
    from emulators.warehouse.engine.lowering.read_queries import query

    if quantity := cursor.one_of("ALL", "ANY", "SOME"):
        cursor.need("(")
        found = query(cursor)
        cursor.need(")")
        return tree.Quantified(left.line, sign, left, "ALL" if quantity == "ALL" else "ANY", found)
    return tree.Comparison(left.line, sign, left, expression(cursor))


def _in(cursor: Cursor, left: tree.Expression, line: int) -> tree.Condition:
    from emulators.warehouse.engine.lowering.read_queries import begins_query, query

    cursor.need("(")
    if begins_query(cursor):
        found = tree.In(line, left, (), query(cursor))
    else:
        items = [expression(cursor)]
        while cursor.take(","):
            items.append(expression(cursor))
        found = tree.In(line, left, tuple(items))
    cursor.need(")")
    return found
