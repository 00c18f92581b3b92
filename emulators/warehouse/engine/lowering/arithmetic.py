"""Operators between two values: numbers, strings, instants, bytes."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.casts import convert, implicit
from emulators.warehouse.engine.lowering.kinds import (
    BINARIES,
    EXACT,
    FLOAT,
    INSTANTS,
    INT,
    NUMBERS,
    STRINGS,
    WHOLE,
    Typed,
    arithmetic,
    as_decimal,
    clash,
    decimal,
    duck,
    higher,
    invalid_operator,
    joined,
    length_of,
)
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError


def unary(operator: str, operand: Typed) -> Typed:
    """`-x`, `+x`, `~x`."""
    kind = operand.type
    if kind.name == "null":
        return operand
    if operator == "+":
        return operand
    if operator == "~":
        if kind.name == "bit":
            return Typed(f"(NOT {operand.sql})", kind, operand.nullable)
        if kind.name not in WHOLE:
            raise invalid_operator("'~'", kind, kind)
        return Typed(f"(~{operand.sql})", kind, operand.nullable)
    if kind.name in STRINGS:
        operand = convert(operand, INT)
        kind = INT
    if kind.name not in NUMBERS or kind.name == "bit":
        raise invalid_operator("minus", kind, kind)
    if kind.name == "tinyint":
        return Typed(f"(-CAST({operand.sql} AS SMALLINT))", SqlType("smallint"), operand.nullable)
    return Typed(f"(-{operand.sql})", kind, operand.nullable, digits=operand.digits)


def binary(operator: str, left: Typed, right: Typed) -> Typed:
    """`left operator right`.

    Raises:
        SqlError: 402, 8117, 206 where the operator does not exist for the types.
    """
    a, b = left.type, right.type
    if operator in ("&", "|", "^"):
        return _bitwise(operator, left, right)
    if operator == "||" or (operator == "+" and _texts(a, b)):
        return concatenated(left, right)
    if operator == "+" and _bytes(a, b):
        return _bytes_joined(left, right)
    if a.name in INSTANTS or b.name in INSTANTS:
        return _instants(operator, left, right)
    if a.name in STRINGS | {"null"} and b.name in STRINGS | {"null"}:
        if a.name in STRINGS or b.name in STRINGS:
            raise invalid_operator(operator, a, b)
        return Typed(f"CAST(NULL AS INTEGER)", INT)
    if a.name == "null":
        left = convert(left, b)
    elif b.name == "null":
        right = convert(right, a)
    elif a.name in STRINGS:
        left = convert(left, b)
    elif b.name in STRINGS:
        right = convert(right, a)
    elif a.name in BINARIES and b.name in WHOLE:
        left = convert(left, b)
    elif b.name in BINARIES and a.name in WHOLE:
        right = convert(right, a)
    return _numbers(operator, left, right)


def _texts(a: SqlType, b: SqlType) -> bool:
    names = {a.name, b.name}
    return bool(names & STRINGS) and names <= STRINGS | {"null"}


def _bytes(a: SqlType, b: SqlType) -> bool:
    names = {a.name, b.name}
    return bool(names & BINARIES) and names <= BINARIES | {"null"}


def concatenated(left: Typed, right: Typed) -> Typed:
    """Strings one after the other; NULL when either is."""
    x, y = left, right
    if x.type.name not in STRINGS:
        x = convert(x, SqlType("varchar", length_of(x.type)))
    if y.type.name not in STRINGS:
        y = convert(y, SqlType("varchar", length_of(y.type)))
    kind = joined(x.type, y.type, 1)
    limit = 4000 if kind.name in ("nvarchar", "nchar") else 8000
    unbounded = MAX in (x.type.length, y.type.length) or not (x.type.length and y.type.length)
    length = MAX if unbounded else min(limit, x.type.length + y.type.length)
    wide = "nvarchar" if kind.name in ("nvarchar", "nchar") else "varchar"
    literal = None
    if x.literal is not None and y.literal is not None:
        literal = x.literal + y.literal
    return Typed(
        f"({x.sql} || {y.sql})",
        SqlType(wide, length, collation=kind.collation),
        x.nullable or y.nullable,
        literal,
    )


def _bytes_joined(left: Typed, right: Typed) -> Typed:
    unbounded = MAX in (left.type.length, right.type.length)
    length = MAX if unbounded else min(8000, left.type.length + right.type.length)
    kind = SqlType("varbinary", length)
    a, b = (f"CAST({v.sql} AS BLOB)" if v.type.name == "null" else v.sql for v in (left, right))
    return Typed(f"({a} || {b})", kind, left.nullable or right.nullable)


def _bitwise(operator: str, left: Typed, right: Typed) -> Typed:
    for one in (left, right):
        if one.type.name not in WHOLE | STRINGS | {"null"}:
            raise invalid_operator(f"'{operator}'", left.type, right.type)
    kind = higher(left.type, right.type)
    if kind.name == "null" or kind.name in STRINGS:
        kind = INT
    both = left.nullable or right.nullable
    if kind.name == "bit":
        words = {"&": "AND", "|": "OR", "^": "<>"}
        return Typed(f"({left.sql} {words[operator]} {right.sql})", kind, both)
    a, b = convert(left, kind).sql, convert(right, kind).sql
    sql = f"xor({a}, {b})" if operator == "^" else f"({a} {operator} {b})"
    return Typed(sql, kind, both)


def _instants(operator: str, left: Typed, right: Typed) -> Typed:
    old = ("datetime", "smalldatetime")
    a, b = left.type, right.type
    clash(a, b)
    if operator not in "+-" or not {a.name, b.name} & set(old):
        if operator in "+-" and "null" in (a.name, b.name):
            kind = a if b.name == "null" else b
            return Typed(f"CAST(NULL AS {duck(kind)})", kind)
        raise invalid_operator(operator, a, b)
    both = left.nullable or right.nullable
    if a.name in old and b.name in NUMBERS:
        return Typed(_days(left.sql, right, operator), a, both)
    if b.name in old and a.name in NUMBERS and operator == "+":
        return Typed(_days(right.sql, left, "+"), b, both)
    x, y = convert(left, SqlType("datetime")).sql, convert(right, SqlType("datetime")).sql
    if operator == "-":
        return Typed(f"(TIMESTAMP '1900-01-01' + ({x} - {y}))", SqlType("datetime"), both)
    return Typed(f"({x} + ({y} - TIMESTAMP '1900-01-01'))", SqlType("datetime"), both)


def _days(stamp: str, days: Typed, sign: str) -> str:
    if days.type.name in WHOLE:
        return f"({stamp} {sign} to_days(CAST({days.sql} AS INTEGER)))"
    ticks = f"CAST(round(CAST({days.sql} AS DOUBLE) * 86400000) AS BIGINT)"
    return f"({stamp} {sign} to_milliseconds({ticks}))"


def _numbers(operator: str, left: Typed, right: Typed) -> Typed:
    a, b = left.type, right.type
    if a.name not in NUMBERS or b.name not in NUMBERS:
        raise invalid_operator(operator, a, b)
    if a.name == "bit" and b.name == "bit":
        raise invalid_operator(operator, a, b)
    nullable = left.nullable or right.nullable
    kind = higher(a, b)
    if kind.name in ("float", "real"):
        return _floats(operator, left, right, kind, nullable)
    if kind.name == "decimal":
        return decimals(operator, left, right, nullable)
    if kind.name in ("money", "smallmoney"):
        return _money(operator, left, right, kind, nullable)
    x, y = _as(left, kind), _as(right, kind)
    sign = "//" if operator == "/" else operator
    sql = f"({x} {sign} {y})"
    if kind.name == "smallint" and operator in "+-*":
        sql = f"CAST({sql} AS SMALLINT)"
    return Typed(sql, kind, nullable)


def _as(value: Typed, kind: SqlType) -> str:
    return value.sql if value.type.name == kind.name else implicit(value, kind).sql


def _floats(operator: str, left: Typed, right: Typed, kind: SqlType, nullable: bool) -> Typed:
    if operator == "%":
        raise invalid_operator("%", left.type, right.type)
    x, y = _as(left, kind), _as(right, kind)
    sql = f"({x} {operator} {y})"
    if operator == "*":
        sql = f"{SCHEMA}.finite({sql})"
    return Typed(sql, kind, nullable)


def _money(operator: str, left: Typed, right: Typed, kind: SqlType, nullable: bool) -> Typed:
    x, y = _as(left, kind), _as(right, kind)
    if operator == "/":
        divided = quotient(Typed(x, decimal(19, 4)), Typed(y, decimal(19, 4)), decimal(38, 4))
        return Typed(f"CAST({divided} AS {duck(kind)})", kind, nullable)
    return Typed(f"CAST({x} {operator} {y} AS {duck(kind)})", kind, nullable)


def decimals(operator: str, left: Typed, right: Typed, nullable: bool = True) -> Typed:
    """Exact arithmetic, with the precision and scale that T-SQL gives the result."""
    dx, dy = as_decimal(left), as_decimal(right)
    kind = arithmetic(operator, dx, dy)
    if operator == "/":
        return Typed(quotient(left, right, kind), kind, nullable)
    x, y = _exact(left, dx), _exact(right, dy)
    if operator == "*":
        if dx.scale + dy.scale > 38:
            return Typed(f"CAST(CAST({x} AS DOUBLE) * CAST({y} AS DOUBLE) AS {duck(kind)})", kind, nullable)
        return Typed(f"CAST({x} * {y} AS {duck(kind)})", kind, nullable)
    if operator == "%":
        scale = max(dx.scale, dy.scale)
        return Typed(f"CAST(CAST({x} AS DECIMAL(38,{scale})) % CAST({y} AS DECIMAL(38,{scale})) AS {duck(kind)})", kind, nullable)  # noqa: E501
    return Typed(f"CAST({x} {operator} {y} AS {duck(kind)})", kind, nullable)


def _exact(value: Typed, kind: SqlType) -> str:
    if value.type.name == "decimal" or value.type.name in ("money", "smallmoney"):
        return value.sql
    return convert(value, kind).sql


def quotient(left: Typed, right: Typed, kind: SqlType) -> str:
    """An exact division, digits after `kind.scale` cut off.

    Both sides become whole numbers; where 38 digits do not hold them, floats answer.
    """
    dx, dy = as_decimal(left), as_decimal(right)
    shift = kind.scale - dx.scale + dy.scale
    x, y = _exact(left, dx), _exact(right, dy)
    if shift < 0 or dx.precision + shift > 38:
        if dx.precision - dx.scale + kind.scale + dy.scale > 38 or shift < 0:
            return f"CAST(CAST({x} AS DOUBLE) / CAST({y} AS DOUBLE) AS {duck(kind)})"
    over, under = _whole(x, dx, kind.scale + dy.scale), _whole(y, dy, dy.scale)
    unit = f"CAST('{'0.' + '0' * (kind.scale - 1) + '1' if kind.scale else '1'}' AS DECIMAL({max(kind.scale, 1)},{kind.scale}))"  # noqa: E501
    return f"CAST(CAST({over} // {under} AS DECIMAL(38,0)) * {unit} AS {duck(kind)})"


def _whole(sql: str, kind: SqlType, digits: int) -> str:
    """`sql` times ten to the `digits`, as HUGEINT; nothing of it is lost."""
    if digits == 0:
        return f"CAST({sql} AS HUGEINT)"
    if kind.scale == 0:
        return f"(CAST({sql} AS HUGEINT) * CAST('1{'0' * digits}' AS HUGEINT))"
    if kind.precision + kind.scale <= 37:
        ten = f"CAST('1{'0' * kind.scale}' AS DECIMAL({kind.scale + 1},0))"
        whole = f"CAST({sql} * {ten} AS HUGEINT)"
    else:
        whole = f"CAST(replace(CAST({sql} AS VARCHAR), '.', '') AS HUGEINT)"
    rest = digits - kind.scale
    return whole if rest == 0 else f"({whole} * CAST('1{'0' * rest}' AS HUGEINT))"


def average(total: str, count: str, kind: SqlType) -> str:
    """AVG of exact numbers: the quotient of their sum and count, cut off at the scale."""
    whole = _whole(total, decimal(38, kind.scale), kind.scale)
    grown = max(6, kind.scale)
    extra = grown - kind.scale
    if extra:
        whole = f"({whole} * CAST('1{'0' * extra}' AS HUGEINT))"
    unit = f"CAST('{'0.' + '0' * (grown - 1) + '1'}' AS DECIMAL({grown},{grown}))"
    return f"CAST(CAST({whole} // {count} AS DECIMAL(38,0)) * {unit} AS DECIMAL(38,{grown}))"


__all__ = ["EXACT", "FLOAT", "average", "binary", "concatenated", "decimals", "quotient", "unary"]
