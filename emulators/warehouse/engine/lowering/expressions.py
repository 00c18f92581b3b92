"""Expressions written for DuckDB, each with the type T-SQL gives it."""

from __future__ import annotations

from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.arithmetic import binary, unary
from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.conditions import compare, test
from emulators.warehouse.engine.lowering.kinds import (
    BINARIES,
    INSTANTS,
    INT,
    MONEY,
    NULL,
    STRINGS,
    Typed,
    decimal,
    quoted,
    unify_all,
)
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.lowering.scope import Scope
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError, refused


def value(expression: tree.Expression, scope: Scope) -> Typed:
    """The expression as DuckDB writes it.

    Raises:
        SqlError: it names what is not there, or mixes types that do not mix.
    """
    try:
        return _value(expression, scope)
    except SqlError as error:
        if error.line == 1 and expression.line > 1:
            error.line = expression.line
        raise


def _value(expression: tree.Expression, scope: Scope) -> Typed:
    match expression:
        case tree.Literal():
            return literal(expression)
        case tree.Name():
            return scope.column(expression)
        case tree.Variable():
            return scope.variable(expression.name, expression.line)
        case tree.Unary():
            return unary(expression.operator, value(expression.operand, scope))
        case tree.Binary():
            left, right = value(expression.left, scope), value(expression.right, scope)
            return binary(expression.operator, left, right)
        case tree.Cast():
            return _cast(expression, scope)
        case tree.Case():
            return _case(expression, scope)
        case tree.Choice():
            return choice(
                [(test(expression.condition, scope), value(expression.yes, scope))],
                value(expression.no, scope),
            )
        case tree.Call():
            from emulators.warehouse.engine.lowering.functions import call

            return call(expression, scope)
        case tree.Scalar():
            return _scalar(expression, scope)
        case tree.Collate():
            return _collate(expression, scope)
        case tree.AtTimeZone():
            raise refused("AT TIME ZONE", expression.line)
    raise SqlError(102, 15, 1, "Incorrect syntax near '*'.", expression.line)


def literal(node: tree.Literal) -> Typed:
    """A constant with its type: the shortest that holds it."""
    text = node.text
    if node.kind == "int":
        text = text.lstrip("0") or "0"
        if int(text) <= 2**31 - 1:
            return Typed(text, INT, False, digits=len(text))
        return _decimal(text, 0)
    if node.kind == "decimal":
        whole, _, fraction = text.partition(".")
        return _decimal(f"{whole.lstrip('0')}.{fraction}", len(fraction))
    if node.kind == "float":
        return Typed(f"CAST({quoted(text)} AS DOUBLE)", SqlType("float"), False)
    if node.kind == "money":
        return Typed(f"CAST({quoted(text)} AS DECIMAL(19,4))", MONEY, False)
    if node.kind in ("string", "nstring"):
        limit, wide = (4000, "nvarchar") if node.kind == "nstring" else (8000, "varchar")
        length = len(text) if len(text) <= limit else MAX
        return Typed(quoted(text), SqlType(wide, max(length, 1) if length != MAX else MAX), False, text)
    if node.kind == "hex":
        length = len(text) // 2
        kind = SqlType("varbinary", max(length, 1) if length <= 8000 else MAX)
        return Typed(f"from_hex('{text}')" if text else "''::BLOB", kind, False)
    if node.kind == "null":
        return Typed("NULL", NULL)
    raise SqlError(156, 15, 1, "Incorrect syntax near the keyword 'DEFAULT'.", node.line)


def _decimal(text: str, scale: int) -> Typed:
    digits = len(text.replace(".", ""))
    if digits > 38:
        raise SqlError(1007, 15, 1, f"The number '{text}' is out of the range for numeric representation (maximum precision 38).")  # noqa: E501
    kind = decimal(max(digits, 1), scale)
    return Typed(f"CAST('{text.strip('.') or '0'}' AS DECIMAL({kind.precision},{scale}))" if text.startswith(".") and False else f"CAST('{'0' if text.startswith('.') else ''}{text.rstrip('.')}' AS DECIMAL({kind.precision},{scale}))", kind, False)  # noqa: E501


def choice(branches: list[tuple[str, Typed]], otherwise: Typed | None) -> Typed:
    """A CASE over conditions already written."""
    results = [result for _, result in branches] + ([otherwise] if otherwise is not None else [])
    kind = unify_all(results)
    if kind.name == "null":
        text = "At least one of the result expressions in a CASE specification must be an expression other than the NULL constant."  # noqa: E501
        raise SqlError(8133, 16, 1, text)
    written = " ".join(f"WHEN {when} THEN {widen(then, kind)}" for when, then in branches)
    last = f" ELSE {widen(otherwise, kind)}" if otherwise is not None else ""
    nullable = otherwise is None or any(r.nullable for r in results)
    return Typed(f"CASE {written}{last} END", kind, nullable)


def widen(item: Typed, kind: SqlType) -> str:
    """The item as `kind`, which holds all its values."""
    if item.type.name in STRINGS and kind.name in STRINGS and kind.name not in ("char", "nchar"):
        return item.sql
    return convert(item, kind).sql


def _case(node: tree.Case, scope: Scope) -> Typed:
    branches: list[tuple[str, Typed]] = []
    operand = value(node.operand, scope) if node.operand is not None else None
    for when, then in node.branches:
        if operand is not None:
            assert isinstance(when, tree.Expression)
            written = compare("=", operand, value(when, scope), node.line)
        else:
            assert isinstance(when, tree.Condition)
            written = test(when, scope)
        branches.append((written, value(then, scope)))
    last = value(node.otherwise, scope) if node.otherwise is not None else None
    if last is not None and last.type.name == "null" and last.sql == "NULL":
        last = None
    return choice(branches, last)


def _scalar(node: tree.Scalar, scope: Scope) -> Typed:
    from emulators.warehouse.engine.lowering.conditions import many_columns
    from emulators.warehouse.engine.lowering.queries import write

    found = write(node.query, scope)
    if len(found.fields) != 1:
        raise many_columns(node.query)
    return Typed(f"({found.sql})", found.fields[0].type)


def _collate(node: tree.Collate, scope: Scope) -> Typed:
    operand = value(node.operand, scope)
    if operand.type.name not in STRINGS:
        text = f"Expression type {operand.type.name} is invalid for COLLATE clause."
        raise SqlError(447, 16, 0, text, node.line)
    known = known_collation(node.collation, node.line)
    kind = operand.type
    changed = SqlType(kind.name, kind.length, 0, 0, known)
    return Typed(operand.sql, changed, operand.nullable, operand.literal)


def known_collation(name: str, line: int = 1) -> str | None:
    """A collation's name; None for DATABASE_DEFAULT.

    Raises:
        SqlError: 448 for a name no SQL Server has.
    """
    lower = name.lower()
    if lower in ("database_default", "catalog_default"):
        return None
    ends = ("_ci_as", "_cs_as", "_ci_ai", "_cs_ai", "_bin", "_bin2", "_utf8", "_ks", "_ws", "_sc", "_vss")
    if "latin" in lower or lower.endswith(ends):
        return name
    raise SqlError(448, 16, 1, f"Invalid collation '{name}'.", line)


def _cast(node: tree.Cast, scope: Scope) -> Typed:
    operand, target = value(node.operand, scope), node.type
    if node.parsed:
        return _parse(node, operand)
    target = cast_length(target)
    if node.style is not None:
        return _styled(node, operand, target, scope)
    return convert(operand, target, node.tried)


def cast_length(target: SqlType) -> SqlType:
    """`varchar` without a length is 30 characters in CAST and CONVERT, 1 elsewhere."""
    return target


def _parse(node: tree.Cast, operand: Typed) -> Typed:
    culture = node.style.text if isinstance(node.style, tree.Literal) else "en-US"
    if culture.lower() not in ("en-us", "en-gb", "en"):
        raise refused(f"PARSE with culture {culture}", node.line)
    if operand.type.name not in STRINGS:
        raise SqlError(8116, 16, 1, f"Argument data type {operand.type.name} is invalid for argument 1 of parse function.", node.line)  # noqa: E501
    if node.type.name not in INSTANTS:
        bare = Typed(f"replace({operand.sql}, ',', '')", operand.type, operand.nullable)
        return convert(bare, node.type, node.tried)
    return convert(operand, node.type, node.tried)


def _styled(node: tree.Cast, operand: Typed, target: SqlType, scope: Scope) -> Typed:
    from emulators.warehouse.engine.lowering import styles

    style = _style(node.style, scope)
    source = operand.type
    if source.name in INSTANTS and target.name in STRINGS:
        text = Typed(styles.instant_text(operand, style), SqlType("varchar", 40), operand.nullable)
        return convert(text, target)
    if source.name in STRINGS and target.name in INSTANTS and target.name != "datetimeoffset":
        sql = styles.parse_instant(operand.sql, style, node.tried)
        stamp = Typed(sql, SqlType("datetime2", scale=7), True)
        return convert(stamp, target, node.tried)
    if source.name in ("money", "smallmoney") and target.name in STRINGS and style in (1, 2):
        if style == 2:
            return convert(Typed(f"CAST({operand.sql} AS VARCHAR)", SqlType("varchar", 30)), target)
        text = Typed(f"format('{{:,.2f}}', CAST({operand.sql} AS DOUBLE))", SqlType("varchar", 30))
        return convert(text, target)
    if source.name in ("float", "real") and target.name in STRINGS and style in (1, 2, 3):
        digits = {1: 8, 2: 16, 3: 17}[style]
        text = Typed(f"{SCHEMA}.float_text_of({operand.sql}, {digits})", SqlType("varchar", 30))
        return convert(text, target)
    if source.name in BINARIES and target.name in STRINGS and style in (1, 2):
        digits = f"hex({operand.sql})"
        sql = f"('0x' || {digits})" if style == 1 else digits
        return convert(Typed(sql, SqlType("varchar", MAX), operand.nullable), target)
    if source.name in STRINGS and target.name in BINARIES and style in (1, 2):
        name = ("try_" if node.tried else "") + ("unhexed" if style == 1 else "unhexed_bare")
        sql = f"{SCHEMA}.{name}({operand.sql})"
        return convert(Typed(sql, SqlType("varbinary", MAX)), target, node.tried)
    return convert(operand, target, node.tried)


def _style(node: tree.Expression | None, scope: Scope) -> int:
    if isinstance(node, tree.Literal) and node.kind == "int":
        return int(node.text)
    line = node.line if node is not None else 1
    raise refused("CONVERT with a style that is not a constant", line)
