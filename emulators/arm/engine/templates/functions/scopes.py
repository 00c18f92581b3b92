"""The deployment and its resources. Source: template-functions-resource, -deployment, -scope."""

from __future__ import annotations

import re

from emulators.arm.engine.templates.frames import Frame
from emulators.arm.engine.templates.functions.checks import (
    Evaluate,
    Function,
    invalid,
    string,
)
from emulators.arm.engine.templates.syntax import Call
from emulators.arm.engine.templates.values import Value
from emulators.arm.errors import ExpressionInvalid

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)


def _parameters(frame: Frame, name: Value) -> Value:
    return frame.parameters.get(string("parameters", name))


def _variables(frame: Frame, name: Value) -> Value:
    return frame.variables.get(string("variables", name))


def _fact(name: str) -> Function:
    def run(frame: Frame) -> Value:
        found = frame.at.facts.get(name)
        if found is None:
            raise ExpressionInvalid(
                f"The template function '{name}' is not expected at this location. Please see"
                " https://aka.ms/arm-functions for usage details."
            )
        return found

    return Function(name, 0, 0, run)


def path_of(name: str, kind: str, names: tuple[str, ...]) -> str:
    """`Microsoft.X/a/b` and its names as the part of an id that begins with the provider.

    Raises:
        ExpressionInvalid: as many names as types are needed.
    """
    namespace, *types = kind.strip("/").split("/")
    given = [part for one in names for part in one.split("/")]
    if not types or len(given) != len(types):
        raise invalid(name, f"the type '{kind}' requires '{len(types)}' resource name argument(s)")
    pairs = (f"{one}/{its}" for one, its in zip(types, given, strict=True))
    return "/".join([namespace, *pairs])


def _split_at_type(name: str, values: tuple[Value, ...], most: int) -> int:
    texts = [string(name, value) for value in values]
    at = next((i for i, text in enumerate(texts[: most + 1]) if "/" in text.strip("/")), None)
    if at is None:
        raise invalid(
            name,
            "the resource type must be given with its namespace, as in 'Microsoft.Web/sites',"
            f" after at most '{most}' other argument(s)",
        )
    return at


def _resource_id(frame: Frame, *values: Value) -> str:
    at = _split_at_type("resourceId", values, 2)
    place, before = frame.at.place, values[:at]
    subscription, group = place.subscription, place.group
    if len(before) == 2:
        subscription, group = before
    elif before and (group or not _GUID.match(before[0])):
        group = before[0]
    elif before:
        subscription = before[0]
    if not subscription:
        return _tenant_resource_id(frame, *values[at:])
    inside = f"/resourceGroups/{group}" if group else ""
    rest = path_of("resourceId", values[at], values[at + 1 :])
    return f"/subscriptions/{subscription}{inside}/providers/{rest}"


def _subscription_resource_id(frame: Frame, *values: Value) -> str:
    at = _split_at_type("subscriptionResourceId", values, 1)
    subscription = values[0] if at else frame.at.place.subscription
    rest = path_of("subscriptionResourceId", values[at], values[at + 1 :])
    return f"/subscriptions/{subscription}/providers/{rest}"


def _tenant_resource_id(frame: Frame, *values: Value) -> str:
    at = _split_at_type("tenantResourceId", values, 0)
    return f"/providers/{path_of('tenantResourceId', values[at], values[at + 1 :])}"


def _extension_resource_id(frame: Frame, base: Value, *values: Value) -> str:
    at = _split_at_type("extensionResourceId", values, 0)
    rest = path_of("extensionResourceId", values[at], values[at + 1 :])
    return f"{string('extensionResourceId', base).rstrip('/')}/providers/{rest}"


def _reference(frame: Frame, name: Value, *more: Value) -> Value:
    if frame.runtime is None:
        raise _misplaced("reference")
    version = string("reference", more[0]) if more and more[0] else None
    full = len(more) > 1 and string("reference", more[1]).lower() == "full"
    return frame.runtime.reference(string("reference", name), version, full)


def _list(call: Call, frame: Frame, evaluate: Evaluate) -> Value:
    if frame.runtime is None:
        raise _misplaced(call.name)
    name, version, *rest = [evaluate(argument, frame) for argument in call.arguments]
    return frame.runtime.action(
        call.name,
        string(call.name, name),
        string(call.name, version),
        rest[0] if rest else None,
    )


def _misplaced(name: str) -> ExpressionInvalid:
    return ExpressionInvalid(
        f"The template function '{name}' is not expected at this location. Please see"
        " https://aka.ms/arm-functions for usage details."
    )


FUNCTIONS = [
    Function("parameters", 1, 1, _parameters),
    Function("variables", 1, 1, _variables),
    _fact("resourceGroup"),
    _fact("subscription"),
    _fact("tenant"),
    _fact("deployment"),
    _fact("environment"),
    Function("resourceId", 2, None, _resource_id),
    Function("subscriptionResourceId", 2, None, _subscription_resource_id),
    Function("tenantResourceId", 2, None, _tenant_resource_id),
    Function("extensionResourceId", 3, None, _extension_resource_id),
    Function("reference", 1, 3, _reference),
    Function("list*", 2, 3, lazy=_list),
]
