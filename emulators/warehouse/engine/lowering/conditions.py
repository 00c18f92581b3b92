"""Conditions written for DuckDB, with T-SQL's conversions and its comparison of strings."""

from __future__ import annotations

import re

from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.casts import implicit
from emulators.warehouse.engine.lowering.kinds import (
    EXACT,
    STRINGS,
    WHOLE,
    Typed,
    clash,
    quoted,
    unify,
    unify_all,
)
from emulators.warehouse.engine.lowering.native import like_pattern
from emulators.warehouse.engine.lowering.scope import Scope
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError

_COMPARABLE_NOT = frozenset({"text", "ntext", "image", "xml"})


def test(condition: tree.Condition, scope: Scope) -> str:
    """The condition as DuckDB's boolean expression."""
    match condition:
        case tree.Logical():
            parts = [test(part, scope) for part in condition.parts]
            return "(" + f" {condition.operator} ".join(parts) + ")"
        case tree.Not():
            return f"(NOT {test(condition.operand, scope)})"
        case tree.Comparison():
            return _comparison(condition, scope)
        case tree.IsNull():
            return f"({_value(condition.operand, scope).sql} IS NULL)"
        case tree.Between():
            return _between(condition, scope)
        case tree.In():
            return _in(condition, scope)
        case tree.Like():
            return _like(condition, scope)
        case tree.Exists():
            return f"EXISTS ({_query(condition.query, scope).sql})"
        case tree.Quantified():
            return _quantified(condition, scope)
    raise AssertionError(f"{type(condition).__name__} is not a condition")


def _value(expression: tree.Expression, scope: Scope) -> Typed:
    from emulators.warehouse.engine.lowering.expressions import value

    return value(expression, scope)


def _query(query: tree.Query, scope: Scope):  # type: ignore[no-untyped-def]
    from emulators.warehouse.engine.lowering.queries import write

    return write(query, scope)


def compare(operator: str, left: Typed, right: Typed, line: int = 1) -> str:
    """`left operator right` as T-SQL compares the two types."""
    a, b = comparable(left, right, line)
    return f"({a} {operator} {b})"


def comparable(left: Typed, right: Typed, line: int = 1) -> tuple[str, str]:
    """Both sides as DuckDB must compare them."""
    a, b = left.type, right.type
    for kind in (a, b):
        if kind.name in _COMPARABLE_NOT:
            text = f"The data types {a.name} and {b.name} are incompatible in the equal to operator."
            raise SqlError(402, 16, 1, text, line)
    if a.name in STRINGS and b.name in STRINGS:
        collation = sensitive(left, right)
        return text_key(left, collation), text_key(right, collation)
    if a.name == "bit" or b.name == "bit":
        flags = _bits(left, right)
        if flags is not None:
            return flags
    native = a.name in EXACT and b.name in EXACT and "bit" not in (a.name, b.name)
    if native or a.name == "null" or b.name == "null":
        return left.sql, right.sql
    clash(a, b)
    target = unify(left, right)
    return implicit(left, target).sql, implicit(right, target).sql


def _bits(left: Typed, right: Typed) -> tuple[str, str] | None:
    """A bit against 0 or 1 is compared as it lies."""
    for one, other in ((left, right), (right, left)):
        if one.type.name == "bit" and other.digits and other.sql in ("0", "1"):
            flag = "true" if other.sql == "1" else "false"
            return (one.sql, flag) if one is left else (flag, one.sql)
    return None


def sensitive(*values: Typed) -> bool:
    """Whether an explicit collation of any side tells letters' cases apart."""
    return any(is_sensitive(v.type.collation) for v in values)


def is_sensitive(collation: str | None) -> bool:
    upper = (collation or "").upper()
    return "_CS" in upper or "_BIN" in upper


def text_key(value: Typed, exact: bool = False) -> str:
    """A string as it is compared: blanks at its end do not count."""
    if value.literal is not None:
        sql = quoted(value.literal.rstrip(" "))
    else:
        sql = f"rtrim({value.sql}, ' ')"
    return f'{sql} COLLATE "C"' if exact else sql


def _comparison(condition: tree.Comparison, scope: Scope) -> str:
    left, right = _value(condition.left, scope), _value(condition.right, scope)
    return compare(condition.operator, left, right, condition.line)


def _between(condition: tree.Between, scope: Scope) -> str:
    operand = _value(condition.operand, scope)
    low, high = _value(condition.low, scope), _value(condition.high, scope)
    at_least = compare(">=", operand, low, condition.line)
    return f"({at_least} AND {compare('<=', operand, high, condition.line)})"


def _in(condition: tree.In, scope: Scope) -> str:
    operand = _value(condition.operand, scope)
    if condition.query is not None:
        return _in_query(operand, condition.query, scope)
    items = [_value(item, scope) for item in condition.items]
    kinds = {item.type.name for item in items} | {operand.type.name}
    if kinds <= STRINGS | {"null"}:
        exact = sensitive(operand, *items)
        keys = [i.sql if i.type.name == "null" else text_key(i, exact) for i in items]
        return f"({text_key(operand, exact)} IN ({', '.join(keys)}))"
    if kinds <= (WHOLE - {"bit"}) | {"decimal", "null"}:
        return f"({operand.sql} IN ({', '.join(i.sql for i in items)}))"
    target = unify_all([operand, *items])
    written = ", ".join(implicit(i, target).sql for i in items)
    return f"({implicit(operand, target).sql} IN ({written}))"


def _in_query(operand: Typed, query: tree.Query, scope: Scope) -> str:
    found = _query(query, scope)
    if len(found.fields) != 1:
        raise many_columns(query)
    column, alias = found.fields[0], scope.work.alias("in")
    key, other = comparable(operand, Typed(f"{alias}.c", column.type))
    if other == f"{alias}.c":
        return f"({key} IN ({found.sql}))"
    return f"({key} IN (SELECT {other} FROM ({found.sql}) AS {alias}(c)))"


def many_columns(query: tree.Query) -> SqlError:
    text = "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS."  # noqa: E501
    return SqlError(116, 16, 1, text, query.body.line)


def _quantified(condition: tree.Quantified, scope: Scope) -> str:
    operand, found = _value(condition.left, scope), _query(condition.query, scope)
    if len(found.fields) != 1:
        raise many_columns(condition.query)
    alias = scope.work.alias("any")
    key, other = comparable(operand, Typed(f"{alias}.c", found.fields[0].type))
    inner = found.sql if other == f"{alias}.c" else f"SELECT {other} FROM ({found.sql}) AS {alias}(c)"
    return f"({key} {condition.operator} {condition.quantity} ({inner}))"


def _like(condition: tree.Like, scope: Scope) -> str:
    from emulators.warehouse.engine.lowering.casts import convert

    operand, pattern = _value(condition.operand, scope), _value(condition.pattern, scope)
    text = operand if operand.type.name in STRINGS else convert(operand, SqlType("nvarchar", -1))
    exact = sensitive(operand, pattern)
    escape = None
    if condition.escape is not None:
        escape = _value(condition.escape, scope)
    if pattern.literal is not None and (escape is None or escape.literal is not None):
        return _like_literal(text.sql, pattern.literal, escape.literal or "" if escape else "", exact)
    written = pattern if pattern.type.name in STRINGS else convert(pattern, SqlType("nvarchar", -1))
    mark = escape.sql if escape is not None else "''"
    flags = "'s'" if exact else "'si'"
    return f"regexp_full_match({text.sql}, rehearsal_like({written.sql}, {mark}), {flags})"


def _like_literal(text: str, pattern: str, escape: str, exact: bool) -> str:
    if "[" in pattern or "]" in pattern:
        expression = quoted(like_pattern(pattern, escape))
        return f"regexp_full_match({text}, {expression}, {quoted('s' if exact else 'si')})"
    word = "LIKE" if exact else "ILIKE"
    if not escape:
        plain = re.fullmatch(r"([^%_]*)%", pattern)
        if plain and exact and plain.group(1):
            return f"starts_with({text}, {quoted(plain.group(1))})"
        return f"({text} {word} {quoted(pattern)})"
    return f"({text} {word} {quoted(pattern)} ESCAPE {quoted(escape[:1])})"
