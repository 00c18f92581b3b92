"""Values with expressions in them to plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.datafactory.engine.expressions.compiling import compiled
from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.scope import Scope
from emulators.datafactory.engine.expressions.syntax import Literal
from emulators.datafactory.engine.expressions.values import refill, whole

_SCALARS = frozenset((int, float, bool, type(None)))


def evaluate(value: Any, scope: Scope, *, lenient: bool = False) -> Any:
    """The value with every expression in it evaluated, at any depth.

    `{"type": "Expression", "value": …}` (or `content`) gives what its text evaluates to; an object
    of type SecureString is left as it is. `lenient` also allows the functions that Azure's engine
    has and Data Factory's pages do not list.

    Raises:
        ExpressionError: an expression cannot be parsed or evaluated.
    """
    try:
        return _evaluate(value, scope, lenient)
    except RecursionError:
        raise ExpressionError("too_large", "A value nests too deeply.") from None


def _evaluate(value: Any, scope: Scope, lenient: bool) -> Any:
    if isinstance(value, str):
        return _evaluate_text(value, scope, lenient) if "@" in value else value
    if isinstance(value, Mapping):
        kind = value.get("type")
        if kind == "SecureString":
            return dict(value)
        if kind == "Expression" and len(value) == 2 and ("value" in value or "content" in value):
            held = value["value"] if "value" in value else value["content"]
            return _evaluate(held, scope, lenient)
        return {key: _evaluate(member, scope, lenient) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_evaluate(member, scope, lenient) for member in value]
    return value


def _evaluate_text(text: str, scope: Scope, lenient: bool) -> Any:
    run = compiled(text, lenient)
    if isinstance(run, Literal):
        return run.value
    refill()
    return _own(run(scope))


def _own(value: Any) -> Any:
    """A copy that shares nothing with the scope: plain lists, plain dicts, whole characters."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, str):
        return value if value.isascii() else whole(value)
    if isinstance(value, Mapping):
        return {key: _own(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_own(member) for member in value]
    return value
