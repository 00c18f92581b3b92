"""Arithmetic: 64-bit integers that never wrap, floats as IEEE 754 has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from emulators.datafactory.engine.expressions.calls import (
    Functions,
    integer_argument,
    wrong_type,
    wrong_value,
)
from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.scope import Scope
from emulators.datafactory.engine.expressions.values import (
    INT32,
    INT64,
    is_array,
    is_number,
    spend,
    to_int32,
    type_name,
)

TABLE = Functions()
LONGEST_RANGE = 100_000


def _operands(name: str, first: Any, second: Any) -> bool:
    """Check both operands; True when the calculation is one of integers.

    Raises:
        ExpressionError: `argument_type`.
    """
    for place, value in ((1, first), (2, second)):
        if not is_number(value):
            raise wrong_type(name, place, "a number", value)
    return type(first) is int and type(second) is int


def _in_range(name: str, value: int) -> int:
    if value not in INT64:
        raise ExpressionError(
            "overflow",
            f"The provided parameters for template language function '{name}' caused arithmetic"
            " overflow.",
        )
    return value


def _by_zero(name: str) -> ExpressionError:
    return ExpressionError(
        "divide_by_zero",
        f"Attempt to divide an integral or decimal value by zero in function '{name}'.",
    )


@TABLE.add("add", 2)
def add(first: Any, second: Any) -> float:
    if _operands("add", first, second):
        return _in_range("add", first + second)
    return float(first) + float(second)


@TABLE.add("sub", 2)
def sub(first: Any, second: Any) -> float:
    if _operands("sub", first, second):
        return _in_range("sub", first - second)
    return float(first) - float(second)


@TABLE.add("mul", 2)
def mul(first: Any, second: Any) -> float:
    if _operands("mul", first, second):
        return _in_range("mul", first * second)
    return float(first) * float(second)


@TABLE.add("div", 2)
def div(first: Any, second: Any) -> float:
    whole = _operands("div", first, second)
    if second == 0:
        raise _by_zero("div")
    if whole:
        quotient = abs(first) // abs(second)
        return _in_range("div", quotient if (first < 0) == (second < 0) else -quotient)
    return float(first) / float(second)


@TABLE.add("mod", 2)
def mod(first: Any, second: Any) -> float:
    whole = _operands("mod", first, second)
    if second == 0:
        raise _by_zero("mod")
    if whole:
        if first == -(2**63) and second == -1:
            _in_range("mod", 2**63)
        rest = abs(first) % abs(second)
        return int(rest if first >= 0 else -rest)
    if not math.isfinite(first):
        return math.nan
    return math.fmod(first, second)


@TABLE.add("max", 1, None)
def maximum(*values: Any) -> float:
    return _extreme("max", values, lambda best, value: value > best or math.isnan(best))


@TABLE.add("min", 1, None)
def minimum(*values: Any) -> float:
    # NaN comes before every number.
    return _extreme("min", values, lambda best, value: value < best or math.isnan(value))


def _extreme(name: str, values: tuple[Any, ...], better: Callable[[Any, Any], bool]) -> float:
    numbers = list(values[0]) if len(values) == 1 and is_array(values[0]) else list(values)
    if not numbers:
        raise ExpressionError(
            "argument_count", f"The template language function '{name}' expects a number."
        )
    others = [type_name(value) for value in numbers if not is_number(value)]
    if others:
        raise ExpressionError(
            "argument_type",
            f"The template language function '{name}' expects all of its parameters to be numbers."
            f" Found invalid parameter types: '{', '.join(dict.fromkeys(others))}'.",
        )
    if any(type(value) is float for value in numbers):
        numbers = [float(value) for value in numbers]
    best: float = numbers[0]
    for value in numbers[1:]:
        if better(best, value):
            best = value
    return best


@TABLE.add("range", 2)
def span(start: Any, count: Any) -> list[int]:
    integer_argument("range", 1, start)
    integer_argument("range", 2, count)
    count = to_int32(count)
    if not 0 <= count <= LONGEST_RANGE:
        raise wrong_value("range", f"The count must be 0 to {LONGEST_RANGE}.")
    start = to_int32(start)
    if count and start + count - 1 not in INT32:
        raise wrong_value("range", "The range must stay within 32-bit integers.")
    spend(count)
    return list(range(start, start + count))


@TABLE.add("rand", 2, scoped=True)
def rand(scope: Scope, low: Any, high: Any) -> int:
    integer_argument("rand", 1, low)
    integer_argument("rand", 2, high)
    low, high = to_int32(low), to_int32(high)
    if low > high:
        raise wrong_value("rand", "The lower bound must not exceed the upper bound.")
    return low if low == high else scope.random.randrange(low, high)
