"""Values with expressions in them to plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.scope import Scope
from emulators.datafactory.engine.expressions.syntax import Literal, parse


def evaluate(value: Any, scope: Scope, *, lenient: bool = False) -> Any:
    """The value with every expression in it evaluated, at any depth.

    `lenient` also allows the functions that Azure's engine has and Data Factory does not document.

    Raises:
        ExpressionError: an expression cannot be parsed or evaluated.
    """
    if isinstance(value, str):
        node = parse(value)
        if isinstance(node, Literal):
            return node.value
        raise ExpressionError("unknown_function", "The functions are not there yet.")
    if isinstance(value, Mapping):
        if value.get("type") == "Expression" and "value" in value:
            return evaluate(value["value"], scope, lenient=lenient)
        return {key: evaluate(member, scope, lenient=lenient) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [evaluate(member, scope, lenient=lenient) for member in value]
    return value
