"""Comparisons; `and`, `or` and `if` are here for their arity, the compiler runs them lazily."""

from __future__ import annotations

from typing import Any

from emulators.datafactory.engine.expressions.calls import Functions, wrong_type
from emulators.datafactory.engine.expressions.collation import compare
from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.values import equal, is_number, type_name

TABLE = Functions()


@TABLE.add("and", 1, None)
def every(*conditions: Any) -> bool:
    return all(boolean("and", condition) for condition in conditions)


@TABLE.add("or", 1, None)
def some(*conditions: Any) -> bool:
    return any(boolean("or", condition) for condition in conditions)


@TABLE.add("if", 3)
def choose(condition: Any, yes: Any, no: Any) -> Any:
    return yes if boolean("if", condition) else no


def boolean(name: str, value: Any) -> bool:
    """An argument that has to be a boolean; nothing converts to one by itself.

    Raises:
        ExpressionError: `argument_type`.
    """
    if value is True or value is False:
        return value
    raise wrong_type(name, 1, "a boolean", value)


@TABLE.add("not", 1)
def negate(value: Any) -> bool:
    return not boolean("not", value)


@TABLE.add("equals", 2, None)
def equals(first: Any, second: Any, *more: Any) -> bool:
    # Azure's engine takes more than the two of its pages; all have to be the same.
    return equal(first, second) and all(equal(first, other) for other in more)


@TABLE.add("greater", 2)
def greater(first: Any, second: Any) -> bool:
    if is_number(first) and is_number(second):
        return _numbers(first, second, ">")
    return _texts("greater", first, second) > 0


@TABLE.add("greaterOrEquals", 2)
def greater_or_equals(first: Any, second: Any) -> bool:
    if is_number(first) and is_number(second):
        return _numbers(first, second, ">=")
    return _texts("greaterOrEquals", first, second) >= 0


@TABLE.add("less", 2)
def less(first: Any, second: Any) -> bool:
    if is_number(first) and is_number(second):
        return _numbers(second, first, ">")
    return _texts("less", first, second) < 0


@TABLE.add("lessOrEquals", 2)
def less_or_equals(first: Any, second: Any) -> bool:
    if is_number(first) and is_number(second):
        return _numbers(second, first, ">=")
    return _texts("lessOrEquals", first, second) <= 0


def _numbers(first: float, second: float, how: str) -> bool:
    if type(first) is not type(second):
        # Both become floats, as in .NET; Python would compare a large integer exactly.
        first, second = float(first), float(second)
    return first > second if how == ">" else first >= second


def _texts(name: str, first: Any, second: Any) -> int:
    if type(first) is str and type(second) is str:
        return compare(first, second)
    raise ExpressionError(
        "argument_type",
        f"The template language function '{name}' expects two numbers or two strings. The function"
        f" was invoked with values of type '{type_name(first)}' and '{type_name(second)}'.",
    )
