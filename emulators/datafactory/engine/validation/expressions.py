"""Expressions: their syntax, their functions, and that what they name is there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulators.datafactory.engine.expressions import ExpressionError, References, references
from emulators.datafactory.engine.validation.graph import parents
from emulators.datafactory.engine.validation.problems import BRANCHES, Node, Problem, every

LONGEST = 8192
_HEAD = ("typeProperties", "policy", "userProperties", "linkedServiceName", "inputs", "outputs")
RETURN_VALUE = "pipelinereturnvalue"


@dataclass(frozen=True, slots=True)
class _Known:
    """What the expressions of a pipeline may name, in lower case."""

    variables: Mapping[str, str]  # name -> type
    parameters: frozenset[str]
    global_parameters: frozenset[str] | None


def check(
    properties: Mapping[str, Any],
    nodes: Sequence[Node],
    global_parameters: Collection[str] | None = None,
    *,
    ancestors: bool = False,
) -> Iterator[Problem]:
    """Problems of every expression of the active activities."""
    all_of_them = frozenset(node.key for node in nodes)
    known = _Known(
        _types(properties),
        _names(properties, "parameters"),
        None if global_parameters is None else frozenset(n.lower() for n in global_parameters),
    )
    for node in nodes:
        if node.inactive:
            continue
        seen = _visible(node) if ancestors else all_of_them
        for place, text in _texts(node):
            yield from _check_one(node, place, text, known, seen)
        yield from _variable(node, known)


def _names(properties: Mapping[str, Any], member: str) -> frozenset[str]:
    declared = properties.get(member)
    return frozenset(n.lower() for n in declared) if isinstance(declared, Mapping) else frozenset()


def _types(properties: Mapping[str, Any]) -> dict[str, str]:
    declared = properties.get("variables")
    return {
        name.lower(): str(one.get("type", "")).lower() if isinstance(one, Mapping) else ""
        for name, one in (declared.items() if isinstance(declared, Mapping) else ())
    }


def _texts(node: Node) -> Iterator[tuple[str, str]]:
    """The texts of an activity with their places, less those of the activities in it."""
    for member in _HEAD:
        value = node.raw.get(member)
        if member == "typeProperties" and isinstance(value, Mapping):
            value = {k: v for k, v in value.items() if k not in BRANCHES.get(node.kind, ())}
            if isinstance(value.get("cases"), list):
                value = {**value, "cases": [_case(one) for one in value["cases"]]}
        yield from texts(value, member)


def _case(one: Any) -> Any:
    return {"value": one.get("value")} if isinstance(one, Mapping) else one


def texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every text in a value with its place; secrets are not expressions."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        if str(value.get("type", "")).lower() == "securestring":
            return
        for key, one in value.items():
            yield from texts(one, f"{place}.{key}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from texts(one, f"{place}[{index}]")


def _check_one(
    node: Node, place: str, text: str, known: _Known, seen: frozenset[str]
) -> Iterator[Problem]:
    if "@" not in text:
        return
    try:
        found = references(text)
    except ExpressionError as wrong:
        yield node.problem(place, wrong.message)
        return
    if found.functions and len(text) > LONGEST:
        yield node.problem(place, f"the expression is longer than {LONGEST} characters.")
    yield from _unknown(node, place, found, known, seen)


def _unknown(
    node: Node, place: str, found: References, known: _Known, seen: frozenset[str]
) -> Iterator[Problem]:
    for name in (one for one in found.functions if not is_function(one)):
        yield node.problem(place, f"The template function '{name}' is not defined or not valid.")
    for name in (one for one in found.activities if one.lower() not in seen):
        yield node.problem(
            place,
            f"The output of activity '{name}' can't be referenced since it is either not an"
            " ancestor to the current activity or does not exist.",
        )
    yield from _variables(node, place, found, known)
    for name in (one for one in found.parameters if one.lower() not in known.parameters):
        yield node.problem(place, f"The pipeline has no parameter '{name}'.")
    if known.global_parameters is not None:
        for name in found.global_parameters:
            if name.lower() not in known.global_parameters:
                yield node.problem(place, f"The factory has no global parameter '{name}'.")


def _variables(node: Node, place: str, found: References, known: _Known) -> Iterator[Problem]:
    for name in found.variables:
        if name.lower() not in known.variables:
            yield node.problem(place, f"The template variable '{name}' cannot be found.")
        elif _sets(node, name) and place.startswith("typeProperties.value"):
            yield node.problem(
                place,
                f"'{node.name}' sets the variable '{name}' and reads it: a self-referencing"
                " expression is not allowed; use a second variable.",
            )


def is_function(name: str) -> bool:
    """Whether the language has a function of that name."""
    from emulators.datafactory.engine.expressions.functions import FUNCTIONS

    function = FUNCTIONS.get(name.lower())
    return function is not None and getattr(function, "documented", True)


def _sets(node: Node, name: str) -> bool:
    variable = node.properties.get("variableName")
    return node.kind == "setvariable" and str(variable).lower() == name.lower()


def _variable(node: Node, known: _Known) -> Iterator[Problem]:
    """That a variable that is set is declared."""
    name = node.properties.get("variableName")
    if node.kind not in ("setvariable", "appendvariable") or not isinstance(name, str):
        return
    if node.properties.get("setSystemVariable") or name.lower() == RETURN_VALUE:
        return
    if name and name.lower() not in known.variables:
        yield node.problem(
            "typeProperties.variableName", f"The template variable '{name}' cannot be found."
        )
    elif name and node.kind == "appendvariable" and known.variables[name.lower()] != "array":
        yield node.problem(
            "typeProperties.variableName",
            f"'{node.name}' appends to the variable '{name}', which is no Array.",
        )


def _visible(node: Node) -> frozenset[str]:
    """The activities whose results an expression of this one may read.

    What it waits for, directly or not, with everything inside; the same of each container around
    it; and for Until, whose condition is read after its body, what is inside itself.
    """
    found = {one.key for scope in node.scopes for one in every(scope)}
    for inner in (node, *node.around()):
        for ancestor in _ancestors(inner):
            found.add(ancestor.key)
            found |= {one.key for scope in ancestor.scopes for one in every(scope)}
        if inner is not node and inner.kind == "until":
            # A pass sees what the one before left.
            found |= {one.key for scope in inner.scopes for one in every(scope)}
    return frozenset(found)


def _ancestors(node: Node) -> Iterator[Node]:
    by_key = {one.key: one for one in node.siblings}
    waiting, done = [node], {node.key}
    while waiting:
        for name, _ in parents(waiting.pop()):
            one = by_key.get(name.lower())
            if one is not None and one.key not in done:
                done.add(one.key)
                waiting.append(one)
                yield one
