"""The control activities that the runner itself carries out, by type; loops are in `containers`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from emulators.datafactory.engine.activities import service_fields
from emulators.datafactory.engine.activities.base import ActivityFailed, Done
from emulators.datafactory.engine.definitions import Declared, inner_text
from emulators.datafactory.engine.expressions import evaluate
from emulators.datafactory.engine.runs import containers
from emulators.datafactory.engine.runs.attempts import Attempt, is_true
from emulators.datafactory.engine.runs.live import Child
from emulators.datafactory.engine.runs.values import coerced, misfit
from emulators.kernel.errors import ServiceError

RETURN_VARIABLE = "pipelineReturnValue"
ITEMS_AT_A_TURN = 200

NO_MESSAGE = "Fail message wasn't provided"
UNREADABLE = "Failed to interpret the fail message or error code"
NO_CODE = "ErrorCodeNotString"


def value_of(attempt: Attempt, name: str, default: Any = None) -> Any:
    """A member of the activity's `typeProperties`, evaluated.

    Raises:
        ExpressionError: it cannot be.
    """
    raw = attempt.activity.properties.get(name)
    return default if raw is None else evaluate(raw, attempt.frame.scope)


def _variable(attempt: Attempt) -> Declared:
    name = value_of(attempt, "variableName")
    declared = attempt.frame.live.pipeline.variables
    found = next((d for n, d in declared.items() if n.lower() == str(name).lower()), None)
    if found is None:
        raise ActivityFailed(
            "InvalidVariableName",
            f"The pipeline '{attempt.frame.live.record.pipeline}' has no variable '{name}'.",
        )
    return found


async def set_variable(attempt: Attempt) -> Done:
    """SetVariable, of a variable or of what the pipeline returns."""
    properties = attempt.activity.properties
    name = inner_text(properties.get("variableName"))
    if is_true(properties.get("setSystemVariable")) or name == RETURN_VARIABLE:
        values = _returned(properties.get("value"), attempt.frame.scope)
        attempt.frame.live.set_return(values)
        said = {"name": RETURN_VARIABLE, "value": values}
        return Done(output=said, input=said)
    declared = _variable(attempt)
    value = value_of(attempt, "value")
    if why := misfit(declared, value):
        raise ActivityFailed("InvalidVariableValue", why)
    attempt.frame.live.set_variable(declared.name, value)
    said = {"name": declared.name, "value": value}
    return Done(output=said, input=said)


def _returned(given: Any, scope: Any) -> dict[str, Any]:
    """What a list of `{"key", "value"}` pairs returns."""
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise ActivityFailed(
            "InvalidReturnValue", "A pipeline's return value must be a list of keys and values."
        )
    return {str(each.get("key")): _typed(each.get("value"), scope) for each in given}


def _typed(value: Any, scope: Any) -> Any:
    """The value of a `{"type", "content"}` pair."""
    if not isinstance(value, Mapping) or "type" not in value:
        return evaluate(value, scope)
    kind, content = str(value["type"]).lower(), value.get("content")
    if kind == "null":
        return None
    if kind == "array":
        if not isinstance(content, list):
            raise ActivityFailed("InvalidReturnValue", "What is returned as an Array must be one.")
        return [_typed(each, scope) for each in content]
    if kind == "object":
        return _returned(content, scope)
    found = evaluate(content, scope)
    kind = {"integer": "int", "boolean": "bool", "number": "float"}.get(kind, kind)
    if kind in ("int", "bool", "float", "string"):
        try:
            return coerced(found, kind)
        except ValueError:
            raise ActivityFailed(
                "InvalidReturnValue", f"The value {found!r} is not of the type '{value['type']}'."
            ) from None
    return found


async def append_variable(attempt: Attempt) -> Done:
    """AppendVariable, of an array."""
    live, declared = attempt.frame.live, _variable(attempt)
    if declared.kind != "array":
        raise ActivityFailed(
            "InvalidVariableType",
            f"Only an Array can be appended to; the variable '{declared.name}' is of type"
            f" '{declared.type}'.",
        )
    value = value_of(attempt, "value")
    live.set_variable(declared.name, [*live.variables[declared.name], value])
    said = {"name": declared.name, "value": value}
    return Done(output=said, input=said)


async def wait(attempt: Attempt) -> Done:
    """Wait; after a restart, for what is left."""
    given = value_of(attempt, "waitTimeInSeconds")
    try:
        seconds = coerced(given, "int")
    except ValueError:
        seconds = None
    if seconds is None or seconds < 0:
        raise ActivityFailed(
            "InvalidWaitTime", f"waitTimeInSeconds must be a whole number of seconds, got {given!r}"
        )
    shown = {"waitTimeInSeconds": seconds}
    attempt.show(shown)
    await attempt.frame.live.ctx.clock.sleep(max(0.0, seconds - attempt.passed_s()))
    return Done(output={}, input=shown)


async def fail(attempt: Attempt) -> Done:
    """Fail, in the author's words where they can be had.

    Source: learn.microsoft.com/azure/data-factory/control-flow-fail-activity
    """
    given = attempt.activity.properties
    message, code = value_of(attempt, "message"), value_of(attempt, "errorCode")
    if given.get("message") is None:
        message = NO_MESSAGE
    elif not isinstance(message, str) or not message.strip():
        message = UNREADABLE
    if not isinstance(code, str) or not code.strip():
        code = NO_CODE
    raise ActivityFailed(code, message)


async def filter_items(attempt: Attempt) -> Done:
    """Filter: the items for which the condition holds."""
    items = containers.array(value_of(attempt, "items"), "items", attempt.activity.name)
    condition = attempt.activity.properties.get("condition")
    kept = []
    for at, item in enumerate(items):
        if at % ITEMS_AT_A_TURN == ITEMS_AT_A_TURN - 1:
            await asyncio.sleep(0)
        found = evaluate(condition, attempt.frame.scope.with_(item=item))
        if containers.boolean(found, "condition", attempt.activity.name):
            kept.append(item)
    output = {"ItemsCount": len(items), "FilteredItemsCount": len(kept), "Value": kept}
    return Done(output=output, input={"ItemsCount": len(items)})


async def execute_pipeline(attempt: Attempt) -> Done:
    """Start another pipeline and, unless told otherwise, wait for its end.

    The child's id is chosen and recorded with it, so that a restart finds it again.
    """
    live, activity = attempt.frame.live, attempt.activity
    began = live.ctx.clock.monotonic()
    child_id = attempt.row.child_run or live.ctx.ids.guid()
    reference = value_of(attempt, "pipeline") or {}
    name = str(reference.get("referenceName") if isinstance(reference, dict) else reference)
    parameters = value_of(attempt, "parameters") or {}
    shown = {"pipelineName": name, "parameters": parameters}
    attempt.show(shown)
    attempt.change(child_run=child_id)
    asked = Child(
        child_id,
        name,
        parameters,
        {
            "id": live.record.id,
            "name": activity.name,
            "invokedByType": "PipelineActivity",
            "pipelineName": live.record.pipeline,
            "pipelineRunId": live.record.id,
        },
    )
    try:
        child = await live.host.start_child(live, asked)
    except ServiceError as why:
        raise ActivityFailed(why.code, why.message) from None
    output: dict[str, Any] = {"pipelineRunId": child.id, "pipelineName": child.pipeline}
    if not is_true(value_of(attempt, "waitOnCompletion", True)):
        output |= service_fields.fields(live.ctx, began, "ExternalActivity")
        return Done(output=output, input=shown)
    child = await live.host.ended(child.factory, child.id)
    if child.return_value:
        output["pipelineReturnValue"] = child.return_value
    output |= service_fields.fields(live.ctx, began, "ExternalActivity")
    if child.status == "Succeeded":
        return Done(output=output, input=shown)
    message = child.message or f"The pipeline run {child.id} was cancelled."
    raise ActivityFailed("ActionFailed", message, output=output)


Controller = Callable[[Attempt], Awaitable[Done]]

CONTROLLERS: Mapping[str, Controller] = {
    "setvariable": set_variable,
    "appendvariable": append_variable,
    "wait": wait,
    "fail": fail,
    "filter": filter_items,
    "executepipeline": execute_pipeline,
    "foreach": containers.for_each,
    "until": containers.until,
    "ifcondition": containers.if_condition,
    "switch": containers.switch,
}
"""Type in lower case -> what carries it out.

Raises:
    ActivityFailed, ExpressionError: the activity failed.
"""
