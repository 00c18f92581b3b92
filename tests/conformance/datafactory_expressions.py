"""The expression corpus: one JSON object per line, evaluated as a library, no server."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulators.datafactory.engine.expressions import UNSET, ExpressionError, Scope, evaluate


def run(path: Path) -> dict[str, Any]:
    """How many lines pass, and each that fails with what was expected and what came."""
    passed, failed = 0, []
    for line in path.read_text(encoding="utf-8").split("\n"):  # texts may hold other line ends
        if not line.strip():
            continue
        case = json.loads(line)
        expected, got = expectation(case), outcome(case)
        if same(expected, got):
            passed += 1
        else:
            failed.append({"id": case["id"], "expected": expected, "got": got})
    return {"passed": passed, "failed": failed}


def expectation(case: Mapping[str, Any]) -> dict[str, Any]:
    """`{"error": kind}` or `{"value": …}`."""
    if "error" in case:
        return {"error": case["error"]}
    return {"value": case["expected"]}


def outcome(case: Mapping[str, Any]) -> dict[str, Any]:
    """What evaluating a case gives, in the same form."""
    # Lines of this category are about functions that are refused unless they are asked for.
    lenient = case.get("cat") == "superset"
    try:
        return {"value": evaluate(case["expr"], scope_of(case.get("context", {})), lenient=lenient)}
    except ExpressionError as error:
        return {"error": error.kind}
    except Exception as broken:  # one case that breaks the evaluator hides no other
        return {"error": f"broke: {type(broken).__name__}: {broken}"}


def scope_of(context: Mapping[str, Any]) -> Scope:
    """A corpus line's context as a scope."""
    scope = Scope(
        parameters=context.get("parameters", {}),
        global_parameters=context.get("globalParameters", {}),
        variables=context.get("variables", {}),
        activities=context.get("activities", {}),
        pipeline=context.get("pipeline", {}),
        item=context.get("item", UNSET),
        dataset=context.get("dataset"),
        linked_service=context.get("linkedService"),
        trigger=context.get("trigger"),
    )
    if "now" in context:
        now = datetime.fromisoformat(context["now"].rstrip("Z")[:26]).replace(tzinfo=UTC)
        return scope.with_(now=lambda: now)
    return scope


def same(expected: Any, got: Any) -> bool:
    """Equal in value and in type, at any depth; non-finite floats are written as text."""
    if isinstance(got, float) and not math.isfinite(got):
        return isinstance(expected, str) and str(got) in (
            {"Infinity": "inf", "-Infinity": "-inf", "NaN": "nan"}.get(expected, expected)
        )
    if type(expected) is not type(got):
        return False
    if isinstance(expected, dict):
        return expected.keys() == got.keys() and all(same(expected[key], got[key]) for key in got)
    if isinstance(expected, list):
        return len(expected) == len(got) and all(map(same, expected, got))
    if isinstance(expected, float):
        return expected == got and math.copysign(1, expected) == math.copysign(1, got)
    return bool(expected == got)
