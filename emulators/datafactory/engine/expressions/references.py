"""What the expressions in a value refer to, for checks before a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulators.datafactory.engine.expressions.syntax import (
    Call,
    Literal,
    Node,
    Selection,
    Template,
    parse,
)


@dataclass(frozen=True, slots=True)
class References:
    """Names as written, without repeats, in order of appearance; computed names are left out."""

    activities: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    global_parameters: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()


def references(value: Any) -> References:
    """What the expressions in a value, at any depth, refer to.

    Raises:
        ExpressionError: `syntax`.
    """
    found: dict[str, dict[str, None]] = {}
    for text in _strings(value):
        if "@" in text:
            _visit(parse(text), found)
    return References(**{kind: tuple(names) for kind, names in found.items()})


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _strings(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _strings(member)


_NAMED = {"activity": "activities", "variables": "variables"}
_OF_PIPELINE = {"parameters": "parameters", "globalparameters": "global_parameters"}


def _visit(node: Node, found: dict[str, dict[str, None]]) -> None:
    if isinstance(node, Call):
        found.setdefault("functions", {})[node.name] = None
        kind = _NAMED.get(node.name.lower())
        if kind and len(node.arguments) == 1:
            _note(kind, node.arguments[0], found)
        for argument in node.arguments:
            _visit(argument, found)
    elif isinstance(node, Selection):
        _visit(node.base, found)
        for step in node.steps:
            _visit(step.key, found)
        _visit_pipeline(node, found)
    elif isinstance(node, Template):
        for part in node.parts:
            _visit(part, found)


def _visit_pipeline(node: Selection, found: dict[str, dict[str, None]]) -> None:
    if node.base.name.lower() != "pipeline" or len(node.steps) < 2:
        return
    member = node.steps[0].key
    if isinstance(member, Literal) and isinstance(member.value, str):
        kind = _OF_PIPELINE.get(member.value.lower())
        if kind:
            _note(kind, node.steps[1].key, found)


def _note(kind: str, name: Node, found: dict[str, dict[str, None]]) -> None:
    if isinstance(name, Literal) and isinstance(name.value, str):
        found.setdefault(kind, {})[name.value] = None
