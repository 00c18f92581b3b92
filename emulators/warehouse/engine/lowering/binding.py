"""Expressions and conditions: typed as T-SQL types them, written as DuckDB computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.lowering import operators, tree
from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.kinds import (
    FLOAT,
    INT,
    MONEY,
    NULL,
    STRINGS,
    VARBINARY_MAX,
    Typed,
    decimal,
    duck,
    quoted,
    unify_all,
)
from emulators.warehouse.engine.lowering.scopes import Scope
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError, refused, undeclared

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.lowering import Lowering

Writer = Callable[[tree.Expression, Scope], Typed]


class Binder:
    """Writes expressions of one statement."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering

    def value(self, asked: tree.Expression, scope: Scope) -> Typed:
        """An expression.

        Raises:
            SqlError: it names what is not there, or its operands do not go together.
        """
        writer = _VALUES.get(type(asked))
        if writer is None:
            raise refused(f"expressions of the kind {type(asked).__name__}", asked.line)
        try:
            return writer(self, asked, scope)
        except SqlError as error:
            if error.line == 1 and error.number != 208:  # an object is missed by the statement
                error.line = asked.line
            raise

    def values(self, asked: tuple[tree.Expression, ...], scope: Scope) -> list[Typed]:
        return [self.value(one, scope) for one in asked]

    def test(self, asked: tree.Condition, scope: Scope) -> str:
        """A condition, as DuckDB's SQL of a boolean."""
        writer = _TESTS.get(type(asked))
        if writer is None:
            raise refused(f"conditions of the kind {type(asked).__name__}", asked.line)
        try:
            return writer(self, asked, scope)
        except SqlError as error:
            if error.line == 1 and error.number != 208:  # an object is missed by the statement
                error.line = asked.line
            raise

    # Values.

    def _literal(self, asked: tree.Literal, scope: Scope) -> Typed:
        return literal(asked)

    def _variable(self, asked: tree.Variable, scope: Scope) -> Typed:
        kind = self.lowering.env.variables.get(asked.name)
        if kind is None:
            raise undeclared(f"@{asked.name}", asked.line)
        return Typed(f"CAST({self.lowering.parameter(asked.name)} AS {duck(kind)})", kind)

    def _name(self, asked: tree.Name, scope: Scope) -> Typed:
        found = scope.resolve(asked)
        if scope.touched is not None:
            scope.touched.add(found.value.sql)
        return found.value

    def _unary(self, asked: tree.Unary, scope: Scope) -> Typed:
        operand = asked.operand
        if asked.operator == "-" and isinstance(operand, tree.Literal):
            negated = _negative(operand)
            if negated is not None:
                return negated
        return operators.unary(asked.operator, self.value(operand, scope))

    def _binary(self, asked: tree.Binary, scope: Scope) -> Typed:
        # A long chain leans to the left: walked, not recursed.
        chain: list[tree.Binary] = []
        at: tree.Expression = asked
        while isinstance(at, tree.Binary):
            chain.append(at)
            at = at.left
        made = self.value(at, scope)
        for link in reversed(chain):
            made = operators.binary(link.operator, made, self.value(link.right, scope))
        return made

    def _case(self, asked: tree.Case, scope: Scope) -> Typed:
        operand = None if asked.operand is None else self.value(asked.operand, scope)
        branches: list[tuple[str, Typed]] = []
        for when, then in asked.branches:
            if operand is None:
                assert isinstance(when, tree.Condition)
                tested = self.test(when, scope)
            else:
                assert isinstance(when, tree.Expression)
                tested = operators.compare("=", operand, self.value(when, scope))
            branches.append((tested, self.value(then, scope)))
        otherwise = null() if asked.otherwise is None else self.value(asked.otherwise, scope)
        results = [value for _, value in branches] + [otherwise]
        if all(one.type.name == "null" for one in results):
            text = "At least one of the result expressions in a CASE specification must be an expression other than the NULL constant."
            raise SqlError(8133, 16, 1, text)
        kind = unify_all(results)
        whens = " ".join(f"WHEN {test} THEN {convert(v, kind).sql}" for test, v in branches)
        sql = f"CASE {whens} ELSE {convert(otherwise, kind).sql} END"
        return Typed(sql, kind, any(one.nullable for one in results))

    def _choice(self, asked: tree.Choice, scope: Scope) -> Typed:
        branches = ((asked.condition, asked.yes),)
        return self._case(tree.Case(asked.line, None, branches, asked.no), scope)

    def _cast(self, asked: tree.Cast, scope: Scope) -> Typed:
        from emulators.warehouse.engine.lowering.converting import cast

        return cast(self, asked, scope)

    def _call(self, asked: tree.Call, scope: Scope) -> Typed:
        from emulators.warehouse.engine.lowering.functions import call

        return call(self, asked, scope)

    def _scalar(self, asked: tree.Scalar, scope: Scope) -> Typed:
        made = self.lowering.queries.query(asked.query, scope)
        if len(made.columns) != 1:
            text = "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS."
            raise SqlError(116, 16, 1, text)
        return Typed(f"({made.sql})", made.columns[0][1], True)

    def _collate(self, asked: tree.Collate, scope: Scope) -> Typed:
        value = self.value(asked.operand, scope)
        if value.type.name not in STRINGS:
            text = f"Expression type {value.type.name} is invalid for COLLATE clause."
            raise SqlError(447, 16, 0, text)
        kind = value.type
        made = SqlType(kind.name, kind.length, collation=operators.known_collation(asked.collation))
        return Typed(value.sql, made, value.nullable, value.literal)

    def _zone(self, asked: tree.AtTimeZone, scope: Scope) -> Typed:
        from emulators.warehouse.engine.lowering.converting import at_time_zone

        return at_time_zone(self.value(asked.operand, scope), asked.zone)

    def _star(self, asked: tree.Star, scope: Scope) -> Typed:
        raise SqlError(102, 15, 1, "Incorrect syntax near '*'.", asked.line)

    # Conditions.

    def _logical(self, asked: tree.Logical, scope: Scope) -> str:
        parts = [f"({self.test(one, scope)})" for one in asked.parts]
        return f" {asked.operator} ".join(parts)

    def _not(self, asked: tree.Not, scope: Scope) -> str:
        return f"NOT ({self.test(asked.operand, scope)})"

    def _comparison(self, asked: tree.Comparison, scope: Scope) -> str:
        left, right = self.value(asked.left, scope), self.value(asked.right, scope)
        return operators.compare(asked.operator, left, right)

    def _quantified(self, asked: tree.Quantified, scope: Scope) -> str:
        left = self.value(asked.left, scope)
        made = self.lowering.queries.query(asked.query, scope)
        (_, kind, _) = self._one_column(made.columns)
        compared = operators.compare_with_column(left, kind)
        sql = f"SELECT {compared[1]('q.c1')} FROM ({made.named(['c1'])}) AS q"
        return f"{compared[0]} {asked.operator} {asked.quantity} ({sql})"

    def _between(self, asked: tree.Between, scope: Scope) -> str:
        value = self.value(asked.operand, scope)
        low = operators.compare(">=", value, self.value(asked.low, scope))
        high = operators.compare("<=", value, self.value(asked.high, scope))
        return f"({low} AND {high})"

    def _in(self, asked: tree.In, scope: Scope) -> str:
        value = self.value(asked.operand, scope)
        if asked.query is not None:
            made = self.lowering.queries.query(asked.query, scope)
            (_, kind, _) = self._one_column(made.columns)
            mine, theirs = operators.compare_with_column(value, kind)
            return f"{mine} IN (SELECT {theirs('q.c1')} FROM ({made.named(['c1'])}) AS q)"
        items = self.values(asked.items, scope)
        kind = unify_all([value, *items])
        mine = operators.key(convert(value, kind))
        listed = ", ".join(operators.key(convert(one, kind)) for one in items)
        return f"{mine} IN ({listed})"

    def _one_column(
        self, columns: tuple[tuple[str, SqlType, bool], ...]
    ) -> tuple[str, SqlType, bool]:
        if len(columns) != 1:
            text = "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS."
            raise SqlError(116, 16, 1, text)
        return columns[0]

    def _like(self, asked: tree.Like, scope: Scope) -> str:
        escape = None if asked.escape is None else self.value(asked.escape, scope)
        return operators.like(
            self.value(asked.operand, scope), self.value(asked.pattern, scope), escape
        )

    def _is_null(self, asked: tree.IsNull, scope: Scope) -> str:
        return f"({self.value(asked.operand, scope).sql}) IS NULL"

    def _exists(self, asked: tree.Exists, scope: Scope) -> str:
        return f"EXISTS ({self.lowering.queries.query(asked.query, scope).sql})"


# Each takes the node it is found by.
_VALUES: dict[type, Callable[[Binder, Any, Scope], Typed]] = {
    tree.Literal: Binder._literal,
    tree.Variable: Binder._variable,
    tree.Name: Binder._name,
    tree.Unary: Binder._unary,
    tree.Binary: Binder._binary,
    tree.Case: Binder._case,
    tree.Choice: Binder._choice,
    tree.Cast: Binder._cast,
    tree.Call: Binder._call,
    tree.Scalar: Binder._scalar,
    tree.Collate: Binder._collate,
    tree.AtTimeZone: Binder._zone,
    tree.Star: Binder._star,
}

_TESTS: dict[type, Callable[[Binder, Any, Scope], str]] = {
    tree.Logical: Binder._logical,
    tree.Not: Binder._not,
    tree.Comparison: Binder._comparison,
    tree.Quantified: Binder._quantified,
    tree.Between: Binder._between,
    tree.In: Binder._in,
    tree.Like: Binder._like,
    tree.IsNull: Binder._is_null,
    tree.Exists: Binder._exists,
}


def null() -> Typed:
    """The NULL constant."""
    return Typed("CAST(NULL AS INTEGER)", NULL)


def literal(asked: tree.Literal) -> Typed:
    """A constant, typed as T-SQL types it."""
    text = asked.text
    if asked.kind == "int":
        return _whole(text)
    if asked.kind == "decimal":
        return _exact(text)
    if asked.kind == "float":
        return Typed(f"CAST({text} AS DOUBLE)", FLOAT, False)
    if asked.kind in ("string", "nstring"):
        kind = "nvarchar" if asked.kind == "nstring" else "varchar"
        limit = 4000 if kind == "nvarchar" else 8000
        length = MAX if len(text) > limit else max(1, len(text))
        return Typed(quoted(text), SqlType(kind, length), False, text)
    if asked.kind == "hex":
        size = len(text) // 2
        kind_of = SqlType("varbinary", max(1, size)) if size <= 8000 else VARBINARY_MAX
        return Typed(f"unhex('{text}')", kind_of, False)
    if asked.kind == "money":
        return Typed(f"CAST({text} AS DECIMAL(19,4))", MONEY, False)
    if asked.kind == "null":
        return null()
    raise SqlError(156, 15, 1, "Incorrect syntax near the keyword 'DEFAULT'.", asked.line)


def _negative(operand: tree.Literal) -> Typed | None:
    """A minus and a number as one constant: -2147483648 is an int."""
    if operand.kind not in ("int", "decimal", "float", "money"):
        return None
    made = literal(operand)
    if operand.kind == "int" and int(operand.text) == 2**31:
        return Typed("CAST(-2147483648 AS INTEGER)", INT, False, None, 10)
    return Typed(f"(-{made.sql})", made.type, False, None, made.digits)


def _whole(text: str) -> Typed:
    value = int(text)
    digits = len(str(value))
    if value < 2**31:
        return Typed(str(value), INT, False, None, digits)
    if digits > 38:
        told = f"The number '{text}' is out of the range for numeric representation (maximum precision 38)."
        raise SqlError(1007, 15, 1, told)
    return Typed(f"CAST({value} AS DECIMAL({digits},0))", decimal(digits, 0), False, None, digits)


def _exact(text: str) -> Typed:
    whole, _, fraction = text.partition(".")
    digits = len(whole.lstrip("0")) + len(fraction)
    if digits > 38:
        told = f"The number '{text}' is out of the range for numeric representation (maximum precision 38)."
        raise SqlError(1007, 15, 1, told)
    kind = decimal(max(1, digits), len(fraction))
    return Typed(f"CAST('{text}' AS {duck(kind)})", kind, False)
