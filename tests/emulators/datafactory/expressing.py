"""Short words for tests of expressions: `value("@add(1,2)")`, `kind("@add(1)")`."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from emulators.datafactory.engine.expressions import ExpressionError, Scope, evaluate

NOW = datetime(2024, 2, 29, 13, 45, 30, 123456, UTC)
SCOPE = Scope(
    parameters={"s": "foo", "n": None, "arr": [1, 2, 3], "o": {"My Key": "mk", "x": {"y": [10]}}},
    global_parameters={"env": "dev"},
    variables={"v": "vv", "list": ["p", "q"]},
    activities={"Web": {"output": {"id": 1}, "status": "Succeeded", "error": None}},
    pipeline={"RunId": "run-1", "TriggerType": "Manual"},
    item={"name": "n7"},
    now=lambda: NOW,
    new_guid=lambda: "0a1b2c3d-4e5f-4678-9abc-def012345678",
)


def value(text: Any, scope: Scope = SCOPE, *, lenient: bool = False) -> Any:
    return evaluate(text, scope, lenient=lenient)


def kind(text: Any, scope: Scope = SCOPE) -> str:
    """The class of the error that evaluating ends in; "" when it does not."""
    try:
        evaluate(text, scope)
    except ExpressionError as error:
        return error.kind
    return ""


def outcome(text: Any, scope: Scope = SCOPE, *, lenient: bool = False) -> Any:
    """The value, or `!` and the error's class."""
    try:
        return evaluate(text, scope, lenient=lenient)
    except ExpressionError as error:
        return f"!{error.kind}"


def alike(got: Any, expected: Any) -> bool:
    """Equal, and of the same types at any depth."""
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(got, float) and math.isnan(got)
    return repr(got) == repr(expected)


def cases(table: str, read: Callable[[str], Any]) -> list[tuple[str, Any]]:
    """Lines of `expression => expected`; an error's class begins with `!`."""
    rows = [line.rpartition(" => ") for line in table.strip().splitlines() if line.strip()]
    return [(text.strip(), read(told.strip())) for text, _, told in rows]
