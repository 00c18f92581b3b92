"""Names, declarations and limits of a pipeline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emulators.datafactory.engine.activities.catalogue import KNOWN_TYPES
from emulators.datafactory.engine.validation.problems import Node, Problem

MOST_ACTIVITIES = 120
MOST_PARAMETERS = 50
MOST_USER_PROPERTIES = 5
LONGEST_NAME = 55
PARAMETER_TYPES = frozenset({"object", "string", "int", "float", "bool", "array", "securestring"})
VARIABLE_TYPES = frozenset({"string", "bool", "boolean", "array", "integer", "int"})
"""Compared without case; the authoring page has Integer, too, where the SDK has not."""
_BAD = re.compile(r"[.+?/<>*%&:\\]")
_START = re.compile(r"[A-Za-z0-9_]")
_BASES = frozenset({"execution", "container"})


def check(name: str, properties: Mapping[str, Any], nodes: Sequence[Node]) -> Iterator[Problem]:
    """Problems of the pipeline as a whole and of each activity's head."""
    if not isinstance(properties.get("activities"), list | None):
        yield Problem("activities", "it must be a list.")
    if len(nodes) > MOST_ACTIVITIES:
        yield Problem(
            "activities",
            f"the pipeline '{name}' has {len(nodes)} activities, inner ones included; at most"
            f" {MOST_ACTIVITIES} are allowed.",
        )
    yield from _declared(properties, "parameters", PARAMETER_TYPES)
    yield from _declared(properties, "variables", VARIABLE_TYPES)
    declared = properties.get("parameters")
    if isinstance(declared, Mapping) and len(declared) > MOST_PARAMETERS:
        yield Problem("parameters", f"{len(declared)} are declared; {MOST_PARAMETERS} are allowed.")
    concurrency = properties.get("concurrency")
    if concurrency is not None and (not _whole(concurrency) or concurrency < 1):
        yield Problem("concurrency", f"it must be a positive number, not {concurrency!r}.")
    annotations = properties.get("annotations")
    for index, one in enumerate(annotations if isinstance(annotations, list) else []):
        if isinstance(one, str) and one.startswith("@"):
            yield Problem(f"annotations[{index}]", "annotations cannot be dynamic.")
    yield from _heads(nodes)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _declared(
    properties: Mapping[str, Any], member: str, types: frozenset[str]
) -> Iterator[Problem]:
    declared = properties.get(member)
    if declared is None:
        return
    if not isinstance(declared, Mapping):
        yield Problem(member, "it must be an object.")
        return
    seen: dict[str, str] = {}
    for name, one in declared.items():
        place, other = f"{member}.{name}", seen.setdefault(name.lower(), name)
        if other != name:
            yield Problem(place, f"'{name}' and '{other}' differ in case only.")
        kind = one.get("type") if isinstance(one, Mapping) else None
        if not isinstance(kind, str) or kind.lower() not in types:
            yield Problem(
                f"{place}.type",
                f"the type {kind!r} of '{name}' is none of {', '.join(sorted(types))}.",
            )


def _heads(nodes: Sequence[Node]) -> Iterator[Problem]:
    seen: dict[str, Node] = {}
    for node in nodes:
        yield from _name(node)
        first = seen.setdefault(node.key, node)
        if first is not node and node.name:
            yield node.problem(
                "name",
                f"the activity name '{node.name}' is taken by {first.place}: names are unique in a"
                " pipeline, containers included.",
            )
        yield from _type(node)
        given = node.raw.get("userProperties")
        if isinstance(given, list) and len(given) > MOST_USER_PROPERTIES:
            yield node.problem(
                "userProperties",
                f"'{node.name}' has {len(given)} user properties; {MOST_USER_PROPERTIES} are"
                " allowed.",
            )


def _name(node: Node) -> Iterator[Problem]:
    name = node.raw.get("name")
    if not isinstance(name, str) or not name:
        yield node.problem("name", "every activity needs a name.")
    elif len(name) > LONGEST_NAME:
        yield node.problem("name", f"'{name}' is longer than {LONGEST_NAME} characters.")
    elif _BAD.search(name) or not _START.match(name):
        yield node.problem(
            "name",
            f"'{name}' must begin with a letter, a digit or _ and have none of"
            " . + ? / < > * % & : \\.",
        )


def _type(node: Node) -> Iterator[Problem]:
    given = node.raw.get("type")
    if isinstance(given, str) and given.lower() in KNOWN_TYPES:
        return
    hint = ""
    if isinstance(given, str) and given.lower() in _BASES:
        hint = (
            " Typed models of azure-mgmt-datafactory 10.0.0 write this for every type: use 9.3.0,"
            " or hand in the pipeline as a plain dict."
        )
    yield node.problem(
        "type", f"the activity type {given!r} of '{node.name}' is not known.{hint}", "BadRequest"
    )
