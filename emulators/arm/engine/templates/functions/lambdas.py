"""Functions that take a piece of the expression. Source: template-functions-lambda."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key

from emulators.arm.engine.templates.frames import Frame
from emulators.arm.engine.templates.functions.checks import (
    Evaluate,
    Function,
    array,
    boolean,
    invalid,
    string,
)
from emulators.arm.engine.templates.syntax import Call, Literal, Node
from emulators.arm.engine.templates.values import Value
from emulators.arm.errors import ExpressionInvalid

Body = Callable[..., Value]


def _body(name: str, node: Node, frame: Frame, evaluate: Evaluate) -> Body:
    """A lambda as a function of one or two values; a second value it does not name is its index."""
    if not isinstance(node, Call) or node.name.lower() != "lambda" or len(node.arguments) < 2:
        raise invalid(name, "A parameter must be a lambda with at least one variable")
    *variables, body = node.arguments
    names = [one.value for one in variables if isinstance(one, Literal)]
    if len(names) != len(variables) or not all(isinstance(one, str) for one in names):
        raise invalid(name, "The variables of a lambda must be string literals")
    keys = [str(one).lower() for one in names]
    return lambda *values: evaluate(
        body, frame.with_lambdas(dict(zip(keys, values, strict=False)))
    )  # fmt: skip


def _map(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    given = array("map", evaluate(call.arguments[0], frame))
    body = _body("map", call.arguments[1], frame, evaluate)
    return [body(one, index) for index, one in enumerate(given)]


def _filter(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    given = array("filter", evaluate(call.arguments[0], frame))
    body = _body("filter", call.arguments[1], frame, evaluate)
    return [one for index, one in enumerate(given) if boolean("filter", body(one, index))]


def _reduce(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    given = array("reduce", evaluate(call.arguments[0], frame))
    found = evaluate(call.arguments[1], frame)
    body = _body("reduce", call.arguments[2], frame, evaluate)
    for index, one in enumerate(given):
        found = body(found, one, index)
    return found


def _sort(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    given = array("sort", evaluate(call.arguments[0], frame))
    body = _body("sort", call.arguments[1], frame, evaluate)

    def compare(left: Value, right: Value) -> int:
        if boolean("sort", body(left, right)):
            return -1
        return 1 if boolean("sort", body(right, left)) else 0

    return sorted(given, key=cmp_to_key(compare))


def _to_object(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    given = array("toObject", evaluate(call.arguments[0], frame))
    key = _body("toObject", call.arguments[1], frame, evaluate)
    last = call.arguments[2:]
    value: Body = _body("toObject", last[0], frame, evaluate) if last else lambda one: one
    return {string("toObject", key(one)): value(one) for one in given}


def _group_by(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    given = array("groupBy", evaluate(call.arguments[0], frame))
    key = _body("groupBy", call.arguments[1], frame, evaluate)
    found: dict[str, list[Value]] = {}
    for one in given:
        found.setdefault(string("groupBy", key(one)), []).append(one)
    return found


def _map_values(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    given = evaluate(call.arguments[0], frame)
    if not isinstance(given, dict):
        raise invalid("mapValues", "The first parameter must be an object")
    body = _body("mapValues", call.arguments[1], frame, evaluate)
    return {name: body(one) for name, one in given.items()}


def _lambda(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    raise invalid("lambda", "The function is not expected at this location")


def _lambda_variables(frame: Frame, name: Value) -> Value:
    key = string("lambdaVariables", name).lower()
    if key not in frame.lambdas:
        raise ExpressionInvalid(f"The template lambda variable '{name}' is not found.")
    return frame.lambdas[key]


FUNCTIONS = [
    Function("map", 2, 2, lazy=_map),
    Function("filter", 2, 2, lazy=_filter),
    Function("reduce", 3, 3, lazy=_reduce),
    Function("sort", 2, 2, lazy=_sort),
    Function("toObject", 2, 3, lazy=_to_object),
    Function("groupBy", 2, 2, lazy=_group_by),
    Function("mapValues", 2, 2, lazy=_map_values),
    Function("lambda", 1, None, lazy=_lambda),
    Function("lambdaVariables", 1, 1, _lambda_variables),
]
