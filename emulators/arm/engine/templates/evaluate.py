"""Expressions to values: the evaluator, and whole JSON values with expressions in them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from emulators.arm.engine.templates import syntax
from emulators.arm.engine.templates.frames import Frame, Names, nothing
from emulators.arm.engine.templates.functions import REFUSED, TABLE, Function
from emulators.arm.engine.templates.functions.checks import invalid
from emulators.arm.engine.templates.syntax import Call, Index, Literal, Member, Node
from emulators.arm.engine.templates.values import LONGEST_STRING, Value, key_of, title, whole
from emulators.arm.errors import ExpressionInvalid
from emulators.kernel.errors import Unsupported

MOST_COPIES = 800  # turns of a loop, the documented limit
TRACKED = 'emulators/arm/README.md, "Template deployments"'


def evaluate(node: Node, frame: Frame) -> Value:
    """The value of an expression.

    Raises:
        ExpressionInvalid: as the language says.
        Wanted: something has to be fetched first.
        Unsupported: a function that Azure has and this does not.
    """
    match node:
        case Literal(value):
            return value
        case Call():
            return _call(node, frame)
        case Member(of, name, safe):
            return _property(evaluate(of, frame), name, safe)
        case Index(of, at, safe):
            return _element(evaluate(of, frame), evaluate(at, frame), safe)


def text(value: str, frame: Frame) -> Value:
    """What a string of a template means."""
    if not syntax.is_expression(value):
        return syntax.literal_of(value)
    return evaluate(_parsed(value), frame)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Node:
    """The tree of an expression whose functions exist, in branches that are never taken too."""
    node = syntax.parse(text)
    for call in syntax.calls(node):
        if "." not in call.name:
            function = _function(call.name)
            if function is not None:
                _check_count(call, function)
    return node


def resolve(value: Value, frame: Frame) -> Value:
    """A JSON value with every expression in it replaced by what it means, loops unrolled."""
    if isinstance(value, str):
        return text(value, frame)
    if isinstance(value, list):
        return [resolve(one, frame) for one in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Value] = {}
    for key, one in value.items():
        if key == "copy" and is_property_copy(one):
            for loop in one:
                found[loop["name"]] = unroll(loop, frame)
            continue
        name = text(key, frame)
        if not isinstance(name, str):
            raise ExpressionInvalid(
                f"The template property name '{key}' evaluates to a value of type"
                f" '{title(name)}'. Property names must be strings."
            )
        found[name] = resolve(one, frame)
    return found


def is_property_copy(value: Value) -> bool:
    """Whether a `copy` is a loop that makes properties, and not a property of that name."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and {"name", "count", "input"} <= one.keys() for one in value)
        and all(isinstance(one["name"], str) for one in value)
    )


def unroll(loop: dict[str, Any], frame: Frame) -> list[Value]:
    """The array that a property's, variable's or output's loop makes."""
    name = str(loop.get("name", ""))
    count = count_of(loop, frame)
    turns = (frame.in_loop(name, index, named_only=bool(name)) for index in range(count))
    return [resolve(loop["input"], turn) for turn in turns]


def count_of(loop: dict[str, Any], frame: Frame) -> int:
    """How often a loop turns.

    Raises:
        ExpressionInvalid: not a number of turns.
    """
    count = whole(resolve(loop.get("count"), frame))
    if count is None or not 0 <= count <= MOST_COPIES:
        raise ExpressionInvalid(
            f"The copy count '{count if count is not None else loop.get('count')}' is not valid."
            f" The value must be an integer from '0' to '{MOST_COPIES}'. Please see"
            " https://aka.ms/arm-copy for usage details."
        )
    return count


def _call(call: Call, frame: Frame) -> Value:
    key = call.name.lower()
    if key in frame.functions:
        return _user_function(call, frame)
    function = _function(call.name)
    if function is None:
        raise Unsupported(f"the template function '{call.name}'", tracked=TRACKED)
    if function.lazy is not None:
        return function.lazy(call, frame, evaluate)
    assert function.run is not None
    arguments = [evaluate(argument, frame) for argument in call.arguments]
    found = function.run(frame, *arguments)
    if isinstance(found, str) and len(found) > LONGEST_STRING:
        raise invalid(call.name, f"The result is longer than '{LONGEST_STRING}' characters")
    return found


def _function(name: str) -> Function | None:
    """A function by its name in any case; None for one that Azure has and this does not.

    Raises:
        ExpressionInvalid: nobody has it.
    """
    key = name.lower()
    found = TABLE.get(key)
    if found is None and key.startswith("list") and "." not in key:
        found = TABLE["list*"]
    if found is None and key not in REFUSED:
        raise ExpressionInvalid(
            f"The template function '{name}' is not valid. Please see"
            " https://aka.ms/arm-functions for usage details."
        )
    return found


def _check_count(call: Call, function: Function) -> None:
    given = len(call.arguments)
    if given >= function.least and (function.most is None or given <= function.most):
        return
    if function.most == function.least:
        wanted = f"requires '{function.least}' argument(s)"
    elif function.most is None or given < function.least:
        wanted = f"requires at least '{function.least}' argument(s)"
    else:
        wanted = f"accepts at most '{function.most}' argument(s)"
    raise ExpressionInvalid(
        f"Unable to evaluate template language function '{call.name}': function {wanted} while"
        f" '{given}' were provided. Please see https://aka.ms/arm-functions#{call.name.lower()}"
        " for usage details."
    )


def _user_function(call: Call, frame: Frame) -> Value:
    function = frame.functions[call.name.lower()]
    if len(call.arguments) != len(function.parameters):
        raise ExpressionInvalid(
            f"Unable to evaluate template function '{call.name}': it has"
            f" '{len(function.parameters)}' parameter(s) while '{len(call.arguments)}' were given."
        )
    given = {
        name.lower(): evaluate(argument, frame)
        for name, argument in zip(function.parameters, call.arguments, strict=True)
    }
    names = Names("parameter", function.parameters, lambda name: given[name.lower()])
    others = {name: one for name, one in frame.functions.items() if one is not function}
    inside = Frame(frame.at, names, nothing("variable"), others)
    return resolve(function.output, inside)


def _property(value: Value, name: str, safe: bool) -> Value:
    if isinstance(value, dict):
        key = key_of(value, name)
        if key is not None:
            return value[key]
        if safe:
            return None
        known = ", ".join(value)
        raise ExpressionInvalid(
            f"The language expression property '{name}' doesn't exist, available properties are"
            f" '{known}'."
        )
    if safe and value is None:
        return None
    raise ExpressionInvalid(
        f"The language expression property '{name}' can't be evaluated: it is a property of a"
        f" value of type '{title(value)}', and not of an object."
    )


def _element(value: Value, at: Value, safe: bool) -> Value:
    if isinstance(value, dict) and isinstance(at, str):
        return _property(value, at, safe)
    if safe and value is None:
        return None
    if not isinstance(value, list):
        raise ExpressionInvalid(
            "The language expression property index is not valid: a value of type"
            f" '{title(value)}' cannot be indexed by one of type '{title(at)}'."
        )
    index = whole(at)
    if index is None:
        raise ExpressionInvalid(
            f"The language expression property '{at}' can't be evaluated, an array index must be"
            " an integer."
        )
    if 0 <= index < len(value):
        return value[index]
    if safe:
        return None
    raise ExpressionInvalid(
        f"The language expression property array index '{index}' is out of bounds."
    )
