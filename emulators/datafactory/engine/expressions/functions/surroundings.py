"""The functions that reach into the scope: pipeline(), activity(), variables(), item(), ..."""

from __future__ import annotations

from typing import Any

from emulators.datafactory.engine.expressions.calls import Functions, text_argument
from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.scope import UNSET, Scope
from emulators.datafactory.engine.expressions.values import is_object, member

TABLE = Functions()


@TABLE.add("pipeline", 0, scoped=True)
def pipeline(scope: Scope) -> dict[str, Any]:
    return {
        **scope.pipeline,
        "parameters": scope.parameters,
        "globalParameters": scope.global_parameters,
    }


@TABLE.add("variables", 1, scoped=True)
def variables(scope: Scope, name: Any) -> Any:
    text_argument("variables", 1, name)
    found, value = member(scope.variables, name)
    if not found:
        raise ExpressionError(
            "unknown_variable",
            "Template language expression cannot be evaluated: the template variable"
            f" '{name}' cannot be found.",
        )
    return value


@TABLE.add("activity", 1, scoped=True)
def activity(scope: Scope, name: Any) -> Any:
    text_argument("activity", 1, name)
    found, value = member(scope.activities, name)
    if not found:
        raise ExpressionError(
            "unknown_activity",
            "Template language expression cannot be evaluated: the template action"
            f" '{name}' is not defined at current scope.",
        )
    return value


@TABLE.add("item", 0, scoped=True)
def item(scope: Scope) -> Any:
    if scope.item is UNSET:
        raise ExpressionError(
            "item_unavailable", "The template function 'item' is not expected at this location."
        )
    return scope.item


@TABLE.add("dataset", 0, scoped=True)
def dataset(scope: Scope) -> Any:
    return _only_within("dataset", scope.dataset)


@TABLE.add("linkedService", 0, scoped=True)
def linked_service(scope: Scope) -> Any:
    return _only_within("linkedService", scope.linked_service)


@TABLE.add("trigger", 0, scoped=True)
def trigger(scope: Scope) -> Any:
    return _only_within("trigger", scope.trigger)


@TABLE.add("triggerBody", 0, scoped=True)
def trigger_body(scope: Scope) -> Any:
    outputs = _only_within("triggerBody", scope.trigger).get("outputs")
    return outputs.get("body") if is_object(outputs) else None


def _only_within(name: str, value: Any) -> Any:
    if value is None:
        raise ExpressionError(
            "unknown_function", f"The template function '{name}' is not defined or not valid."
        )
    return value
