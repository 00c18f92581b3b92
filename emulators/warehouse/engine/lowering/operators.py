"""T-SQL's operators on typed values: arithmetic, joining of text, comparison, LIKE."""

from __future__ import annotations

from collections.abc import Callable

from emulators.warehouse.engine.lowering.casts import convert
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
    duck,
    higher,
    invalid_operator,
    joined,
    unify,
)
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.lowering.native import like_pattern
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError

APPROXIMATE = frozenset({"float", "real"})
DATETIMES = frozenset({"datetime", "smalldatetime"})
NARROW = 18
"""Digits of DuckDB's 64-bit decimals, which overflow rather than become wider ones."""
LARGEST = {"varchar": 8000, "char": 8000, "nvarchar": 4000, "nchar": 4000, "varbinary": 8000}


def unary(operator: str, value: Typed) -> Typed:
    """`+`, `-` or `~` before a value."""
    kind = value.type
    if kind.name in STRINGS and operator != "+":
        value, kind = convert(value, INT), INT
    if kind.name not in NUMBERS and kind.name != "null" and operator != "+":
        word = {"-": "minus", "~": "'~'"}[operator]
        raise SqlError(
            8117, 16, 1, f"Operand data type {kind.name} is invalid for {word} operator."
        )
    if operator == "+":
        return value
    if operator == "~":
        if kind.name == "bit":
            return Typed(f"(NOT {value.sql})", kind, value.nullable)
        if kind.name not in WHOLE:
            text = f"Operand data type {kind.name} is invalid for '~' operator."
            raise SqlError(8117, 16, 1, text)
        return Typed(f"CAST(~({value.sql}) AS {duck(kind)})", kind, value.nullable)
    if kind.name in ("bit", "tinyint"):
        value, kind = convert(value, INT), INT
    return Typed(f"(-({value.sql}))", kind, value.nullable, None, value.digits)


def binary(operator: str, left: Typed, right: Typed) -> Typed:
    """A value of two.

    Raises:
        SqlError: 402, 8117, 206: the operator does not take such operands.
    """
    names = {left.type.name, right.type.name}
    nullable = left.nullable or right.nullable
    if operator == "||":
        return _joined(left, right)
    if names == {"null"}:
        return Typed("CAST(NULL AS INTEGER)", INT)
    if operator == "+" and names <= STRINGS | {"null"}:
        return _joined(left, right)
    if operator == "+" and names <= BINARIES | {"null"}:
        kind = unify(left.type, right.type)
        length = _added(left.type, right.type, "varbinary")
        sql = f"({convert(left, kind).sql} || {convert(right, kind).sql})"
        return Typed(sql, SqlType("varbinary", length), nullable)
    if names & INSTANTS:
        return _instants(operator, left, right)
    kind = _operand_kind(operator, left, right)
    if operator in "&|^":
        return _bits(operator, left, right, kind)
    if kind.name in APPROXIMATE:
        return _approximate(operator, left, right, kind)
    if kind.name in ("decimal", "money", "smallmoney"):
        return _exact(operator, left, right, kind)
    return _whole(operator, left, right, kind)


def _operand_kind(operator: str, left: Typed, right: Typed) -> SqlType:
    a, b = left.type, right.type
    kind = higher(a, b)
    allowed = NUMBERS | STRINGS | {"null"} | (BINARIES if operator not in "+/" else frozenset())
    if (
        a.name not in allowed
        or b.name not in allowed
        or not {a.name, b.name} & (NUMBERS | BINARIES)
    ):
        raise invalid_operator(operator, a, b)
    if kind.name in STRINGS | BINARIES:
        kind = a if a.name in NUMBERS else b
    if kind.name == "bit" and operator not in "&|^":
        if a.name == b.name == "bit":
            raise invalid_operator(operator, a, b)
        return INT
    return kind


def _numeric(value: Typed, kind: SqlType) -> Typed:
    """A number as it is; text or NULL as the other operand's type."""
    return (
        value if value.type.name in NUMBERS and value.type.name != "bit" else convert(value, kind)
    )


def _whole(operator: str, left: Typed, right: Typed, kind: SqlType) -> Typed:
    a, b = convert(left, kind).sql, convert(right, kind).sql
    sign = "//" if operator == "/" else operator
    return Typed(f"CAST(({a} {sign} {b}) AS {duck(kind)})", kind, left.nullable or right.nullable)


def _bits(operator: str, left: Typed, right: Typed, kind: SqlType) -> Typed:
    if kind.name not in WHOLE:
        raise invalid_operator(f"'{operator}'", left.type, right.type)
    nullable = left.nullable or right.nullable
    wide = INT if kind.name == "bit" else kind
    a, b = convert(left, wide).sql, convert(right, wide).sql
    sql = f"xor({a}, {b})" if operator == "^" else f"({a} {operator} {b})"
    return convert(Typed(f"CAST({sql} AS {duck(wide)})", wide, nullable), kind)


def _approximate(operator: str, left: Typed, right: Typed, kind: SqlType) -> Typed:
    if operator == "%":
        raise invalid_operator("%", left.type, right.type)
    a, b = convert(left, FLOAT).sql, convert(right, FLOAT).sql
    sql = f"{SCHEMA}.finite({a} {operator} {b})"
    nullable = left.nullable or right.nullable
    return Typed(f"CAST({sql} AS {duck(kind)})", kind, nullable)


def _exact(operator: str, left: Typed, right: Typed, kind: SqlType) -> Typed:
    """Decimals and money; the result has the precision and scale that T-SQL gives it."""
    nullable = left.nullable or right.nullable
    left, right = _numeric(left, kind), _numeric(right, kind)
    x, y = as_decimal(left), as_decimal(right)
    is_money = kind.name in ("money", "smallmoney")
    target = kind if is_money else arithmetic(operator, x, y)
    a, b = _decimal_sql(left, x), _decimal_sql(right, y)
    if target.precision > NARROW >= max(x.precision, y.precision):
        a = f"CAST({a} AS DECIMAL({NARROW + 1},{x.scale}))"
    if operator == "/":
        return Typed(_quotient(a, x, b, y, target), target, nullable)
    if operator == "*" and x.precision + y.precision > 38:
        sql = f"(CAST({a} AS DOUBLE) * CAST({b} AS DOUBLE))"
    elif operator in "+-" and max(x.precision, y.precision) + abs(x.scale - y.scale) >= 38:
        sql = f"({convert(Typed(a, x), target).sql} {operator} {convert(Typed(b, y), target).sql})"
    else:
        sql = f"({a} {operator} {b})"
    return Typed(f"CAST({sql} AS {duck(target)})", target, nullable)


def _decimal_sql(value: Typed, kind: SqlType) -> str:
    return f"CAST({value.sql} AS {duck(kind)})" if value.type.name != "decimal" else value.sql


def _quotient(a: str, x: SqlType, b: str, y: SqlType, target: SqlType) -> str:
    """Cut, not rounded, as SQL Server divides; by whole numbers where those are wide enough."""
    scale = 4 if target.name in ("money", "smallmoney") else target.scale
    shift = scale - x.scale + y.scale
    if shift < 0 or x.precision + shift > 37 or y.precision > 37:
        return f"CAST((CAST({a} AS DOUBLE) / CAST({b} AS DOUBLE)) AS {duck(target)})"
    over = f"CAST({a} * CAST('1{'0' * x.scale}' AS DECIMAL(38,0)) AS HUGEINT)"
    if x.precision + x.scale > 37 or x.precision > 18:
        over = f"CAST(replace(CAST({a} AS VARCHAR), '.', '') AS HUGEINT)"
    under = f"CAST(replace(CAST({b} AS VARCHAR), '.', '') AS HUGEINT)"
    whole = f"(({over} * CAST('1{'0' * shift}' AS HUGEINT)) // {under})"
    return f"CAST({SCHEMA}.pointed({whole}, {scale}) AS {duck(target)})"


def _joined(left: Typed, right: Typed) -> Typed:
    kinds = [one.type for one in (left, right) if one.type.name != "null"]
    a, b = (kinds * 2)[:2]
    wide = joined(a, b, 1).name
    length = _added(left.type, right.type, wide)
    kind = SqlType(wide if wide in ("nvarchar", "varchar") else "varchar", length)
    if a.name in ("char", "nchar") and joined(a, b, 1).name.startswith("n"):
        kind = SqlType("nvarchar", length)
    x = left.sql if left.type.name in STRINGS else convert(left, kind).sql
    y = right.sql if right.type.name in STRINGS else convert(right, kind).sql
    collation = a.collation or b.collation
    made = SqlType(kind.name, kind.length, collation=collation)
    sql = f"({x} || {y})"
    if 0 < length < a.length + b.length and len(kinds) == 2:  # cut without a word, as T-SQL does
        sql = f"left{sql[:-1]}, {length})"
    return Typed(sql, made, left.nullable or right.nullable)


def _added(a: SqlType, b: SqlType, name: str) -> int:
    lengths = [one.length for one in (a, b) if one.name != "null"]
    if MAX in lengths or 0 in lengths:
        return MAX
    return min(sum(lengths), LARGEST.get(name, 8000))


def _instants(operator: str, left: Typed, right: Typed) -> Typed:
    """datetime plus or minus days; the difference of two datetimes is a datetime since 1900."""
    a, b = left.type, right.type
    nullable = left.nullable or right.nullable
    instant = a if a.name in INSTANTS else b
    other = b if instant is a else a
    if operator not in "+-" or not {a.name, b.name} <= DATETIMES | NUMBERS | STRINGS | {"null"}:
        if other.name in NUMBERS:
            clash(a, b)
        raise invalid_operator(operator, a, b)
    x, y = convert(left, instant).sql, convert(right, instant).sql
    epoch = "TIMESTAMP '1900-01-01'"
    if operator == "+":
        return Typed(f"({x} + ({y} - {epoch}))", instant, nullable)
    return Typed(f"({epoch} + ({x} - {y}))", instant, nullable)


# Comparison.


def known_collation(name: str) -> str:
    """A collation by its name.

    Raises:
        SqlError: 448: there is none.
    """
    lower = name.lower()
    if lower in ("database_default", "catalog_default") or lower.startswith(
        ("latin1_general", "sql_latin1_general", "latin1")
    ):
        return name
    raise SqlError(448, 16, 1, f"Invalid collation '{name}'.")


def is_exact(kind: SqlType) -> bool:
    """Whether text of this type is compared by its letters' case."""
    name = (kind.collation or "").upper()
    return "_CS" in name or "_BIN" in name


def key(value: Typed) -> str:
    """What two values of one type are compared by: text without trailing blanks."""
    if value.type.name not in STRINGS:
        return value.sql
    if value.literal is not None and not value.literal.endswith(" "):
        sql = value.sql
    else:
        sql = f"rtrim({value.sql}, ' ')"
    return f"({sql} COLLATE C)" if is_exact(value.type) else sql


def compare(operator: str, left: Typed, right: Typed) -> str:
    """A comparison of two values, as T-SQL makes them alike first.

    Raises:
        SqlError: 206, 402: they cannot be compared.
    """
    if left.type.name == "null" and right.type.name == "null":
        return "CAST(NULL AS BOOLEAN)"
    names = {left.type.name, right.type.name}
    if names & {"text", "ntext", "image", "xml"} and "null" not in names:
        text = f"The data types {left.type.name} and {right.type.name} are incompatible in the equal to operator."
        raise SqlError(402, 16, 1, text)
    if {left.type.name, right.type.name} <= NUMBERS and "bit" not in (
        left.type.name,
        right.type.name,
    ):
        a, b = left.sql, right.sql
    else:
        a, b = _alike(left, right)
    return f"({a} {operator} {b})"


def _alike(left: Typed, right: Typed) -> tuple[str, str]:
    a, b = left.type, right.type
    if a.name in STRINGS and b.name in STRINGS:
        exact = is_exact(a) or is_exact(b)
        x, y = key(left), key(right)
        return (f"({x} COLLATE C)", f"({y} COLLATE C)") if exact else (x, y)
    kind = unify(left, right)
    if kind.name in EXACT and (a.name in STRINGS or b.name in STRINGS):
        kind = a if a.name in NUMBERS else b
    return key(convert(left, kind)), key(convert(right, kind))


def compare_with_column(value: Typed, kind: SqlType) -> tuple[str, Callable[[str], str]]:
    """A value, and how a column of a subquery is written to be compared with it."""
    common = value.type if value.type == kind else unify(value.type, kind)
    mine = key(convert(value, common))

    def theirs(sql: str) -> str:
        return key(convert(Typed(sql, kind), common))

    return mine, theirs


def like(value: Typed, pattern: Typed, escape: Typed | None) -> str:
    """LIKE, whose pattern becomes a regular expression; without wildcards' classes it is ILIKE."""
    text = _text(value)
    mark = "" if escape is None else (escape.literal or "")
    case = "s" if is_exact(value.type) else "si"
    if pattern.literal is not None and (escape is None or escape.literal is not None):
        regex = like_pattern(pattern.literal, mark).replace("'", "''")
        return f"regexp_full_match({text}, '{regex}', '{case}')"
    given = "''" if escape is None else _text(escape)
    return f"regexp_full_match({text}, rehearsal_like({_text(pattern)}, {given}), '{case}')"


def _text(value: Typed) -> str:
    return value.sql if value.type.name in STRINGS else convert(value, SqlType("nvarchar", MAX)).sql
