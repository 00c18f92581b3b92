"""What each type of activity needs, and the ranges of what it may say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from emulators.datafactory.engine.definitions import seconds_of
from emulators.datafactory.engine.validation.problems import Node, Problem

NEEDED: Mapping[str, tuple[str, ...]] = {
    "webactivity": ("url", "method"),
    "webhook": ("url", "method"),
    "executepipeline": ("pipeline",),
    "foreach": ("items", "activities"),
    "until": ("expression", "activities"),
    "ifcondition": ("expression",),
    "setvariable": ("variableName",),
    "appendvariable": ("variableName",),
    "wait": ("waitTimeInSeconds",),
    "filter": ("items", "condition"),
    "lookup": ("source", "dataset"),
    "copy": ("source", "sink"),
    "getmetadata": ("dataset",),
    "delete": ("dataset",),
    "validation": ("dataset",),
    "sqlserverstoredprocedure": ("storedProcedureName",),
    "sqlpoolstoredprocedure": ("storedProcedureName",),
    "azurefunctionactivity": ("functionName", "method"),
}
"""Type in lower case -> members of typeProperties without which it cannot be published."""

LINKED = frozenset(
    {"azuremlexecutepipeline", "azurefunctionactivity", "sqlserverstoredprocedure", "script"}
)
LONGEST_UNTIL_S = 90 * 86400
LONGEST_TIMEOUT_S = 90 * 86400


def check(node: Node) -> Iterator[Problem]:
    """Problems of an active activity's own members."""
    given = node.raw.get("typeProperties")
    if given is not None and not isinstance(given, Mapping):
        yield node.problem("typeProperties", "it must be an object.")
        return
    for member in NEEDED.get(node.kind, ()):
        if node.properties.get(member) in (None, "", []):
            yield node.problem(
                f"typeProperties.{member}", f"'{node.name}' needs a value for '{member}'."
            )
    if node.kind == "switch" and not (
        node.properties.get("on") or node.properties.get("expression")
    ):
        yield node.problem("typeProperties.on", f"'{node.name}' needs a value for 'on'.")
    if node.kind in LINKED and not node.raw.get("linkedServiceName"):
        yield node.problem("linkedServiceName", f"'{node.name}' needs a linked service.")
    yield from _policy(node)
    yield from _numbers(node)


def _policy(node: Node) -> Iterator[Problem]:
    policy = node.raw.get("policy")
    if policy is None:
        return
    if not isinstance(policy, Mapping):
        yield node.problem("policy", "it must be an object.")
        return
    yield from _range(node, "policy.retry", policy.get("retry"), 0, None)
    interval = policy.get("retryIntervalInSeconds")
    yield from _range(node, "policy.retryIntervalInSeconds", interval, 30, 86400)
    yield from _span(node, "policy.timeout", policy.get("timeout"), LONGEST_TIMEOUT_S)


def _numbers(node: Node) -> Iterator[Problem]:
    given = node.properties
    if node.kind == "foreach":
        yield from _range(node, "typeProperties.batchCount", given.get("batchCount"), 1, 50)
    if node.kind == "until":
        yield from _span(node, "typeProperties.timeout", given.get("timeout"), LONGEST_UNTIL_S)
    if node.kind == "wait":
        value = given.get("waitTimeInSeconds")
        yield from _range(node, "typeProperties.waitTimeInSeconds", value, 0, None)


def _dynamic(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, str) and value.startswith("@"))


def _range(node: Node, place: str, value: Any, least: int, most: int | None) -> Iterator[Problem]:
    if value is None or _dynamic(value):
        return
    name = place.rpartition(".")[2]
    try:
        number = int(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError):
        number = None
    if number is None or number < least or (most is not None and number > most):
        bounds = f"at least {least}" if most is None else f"from {least} to {most}"
        yield node.problem(
            place, f"'{name}' of '{node.name}' must be a number {bounds}, not {value!r}."
        )


def _span(node: Node, place: str, value: Any, longest_s: float) -> Iterator[Problem]:
    if value is None or _dynamic(value):
        return
    try:
        seconds = seconds_of(value)
    except ValueError:
        yield node.problem(
            place, f"the timeout of '{node.name}' must be d.hh:mm:ss or hh:mm:ss, not {value!r}."
        )
        return
    if seconds > longest_s:
        yield node.problem(
            place, f"the timeout of '{node.name}' is longer than {longest_s / 86400:.0f} days."
        )
