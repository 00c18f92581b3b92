"""Truth and comparison. Source: template-functions-logical, template-functions-comparison."""

from __future__ import annotations

from collections.abc import Callable

from emulators.arm.engine.templates.frames import Frame
from emulators.arm.engine.templates.functions.checks import (
    Evaluate,
    Function,
    boolean,
    invalid,
    wrong_type,
)
from emulators.arm.engine.templates.syntax import Call
from emulators.arm.engine.templates.values import Value, same
from emulators.arm.errors import ExpressionInvalid


def _if(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    test, then, otherwise = call.arguments
    return evaluate(then if boolean("if", evaluate(test, frame)) else otherwise, frame)


def _and(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    return all(boolean("and", evaluate(one, frame)) for one in call.arguments)


def _or(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    return any(boolean("or", evaluate(one, frame)) for one in call.arguments)


def _coalesce(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    values = (evaluate(one, frame) for one in call.arguments)
    return next((value for value in values if value is not None), None)


def _not(frame: Frame, value: Value) -> bool:
    return not boolean("not", value)


def _bool(frame: Frame, value: Value) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false", "1", "0"):
        return value.strip().lower() in ("true", "1")
    if isinstance(value, bool | int):
        return bool(value)
    raise invalid("bool", f"The value '{str(value)[:100]}' cannot be converted to a boolean")


def _equals(frame: Frame, left: Value, right: Value) -> bool:
    return same(left, right)


def _ordered(name: str, test: Callable[[Value, Value], bool]) -> Function:
    def run(frame: Frame, left: Value, right: Value) -> bool:
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (left, right))
        if not numbers and not (isinstance(left, str) and isinstance(right, str)):
            odd = right if isinstance(left, str | int | float) else left
            raise wrong_type(name, "an integer or a string, as the other one", odd)
        return test(left, right)

    return Function(name, 2, 2, run)


def _fail(frame: Frame, message: Value) -> Value:
    raise ExpressionInvalid(str(message))


FUNCTIONS = [
    Function("if", 3, 3, lazy=_if),
    Function("and", 2, None, lazy=_and),
    Function("or", 2, None, lazy=_or),
    Function("coalesce", 1, None, lazy=_coalesce),
    Function("not", 1, 1, _not),
    Function("bool", 1, 1, _bool),
    Function("true", 0, 0, lambda frame: True),
    Function("false", 0, 0, lambda frame: False),
    Function("null", 0, 0, lambda frame: None),
    Function("equals", 2, 2, _equals),
    Function("fail", 1, 1, _fail),
    _ordered("greater", lambda left, right: bool(left > right)),
    _ordered("greaterOrEquals", lambda left, right: bool(left >= right)),
    _ordered("less", lambda left, right: bool(left < right)),
    _ordered("lessOrEquals", lambda left, right: bool(left <= right)),
]
