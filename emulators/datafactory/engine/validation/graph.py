"""Who waits for whom, and what may be inside what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emulators.datafactory.engine.definitions import CONDITIONS
from emulators.datafactory.engine.validation.problems import CHOICES, LOOPS, Node, Problem

MOST_CASES = 25
_CONDITIONS = frozenset(word.lower() for word in CONDITIONS)
_NOWHERE_INSIDE = frozenset({"validation"})


def check(
    scope: Sequence[Node], nodes: Sequence[Node], *, nested_choices: bool
) -> Iterator[Problem]:
    """Problems of dependencies and of nesting."""
    for node in nodes:
        yield from _dependencies(node)
    yield from _cycles(scope)
    for node in nodes:
        for inner in node.scopes:
            yield from _cycles(inner)
        yield from _nesting(node, nested_choices)


def parents(node: Node) -> Iterator[tuple[str, str]]:
    """Each activity that a node waits for, with the place of that entry below the node."""
    given = node.raw.get("dependsOn")
    for index, entry in enumerate(given if isinstance(given, list) else []):
        name = entry.get("activity") if isinstance(entry, dict) else None
        yield (name if isinstance(name, str) else "", f"dependsOn[{index}]")


def _dependencies(node: Node) -> Iterator[Problem]:
    known = {one.key for one in node.siblings}
    for name, place in parents(node):
        if not name:
            yield node.problem(f"{place}.activity", "it must name an activity.")
        elif name.lower() == node.key:
            yield node.problem(f"{place}.activity", f"'{node.name}' depends on itself.")
        elif name.lower() not in known:
            yield node.problem(
                f"{place}.activity",
                f"'{node.name}' depends on '{name}', which is no activity of the same scope.",
            )
    yield from _conditions(node)


def _conditions(node: Node) -> Iterator[Problem]:
    given = node.raw.get("dependsOn")
    for index, entry in enumerate(given if isinstance(given, list) else []):
        conditions = entry.get("dependencyConditions") if isinstance(entry, dict) else None
        for one in conditions if isinstance(conditions, list) else []:
            if str(one).lower() not in _CONDITIONS:
                yield node.problem(
                    f"dependsOn[{index}].dependencyConditions",
                    f"{one!r} is none of {', '.join(CONDITIONS)}.",
                )


def _cycles(scope: Sequence[Node]) -> Iterator[Problem]:
    """One problem for each knot of activities that wait for each other."""
    by_key = {node.key: node for node in scope}
    waits = {
        node.key: [name.lower() for name, _ in parents(node) if name.lower() in by_key]
        for node in scope
    }
    left = set(by_key)
    while ready := {key for key in left if not any(one in left for one in waits[key])}:
        left -= ready
    while left:
        knot = _knot(min(left), waits, left)
        names = [by_key[key].name for key in knot]
        if len(knot) > 1:  # waiting for oneself is told on its own
            yield by_key[knot[0]].problem(
                "dependsOn", f"the activities {' -> '.join([*names, names[0]])} form a cycle."
            )
        left -= set(knot)
        while ready := {key for key in left if not any(one in left for one in waits[key])}:
            left -= ready


def _knot(start: str, waits: dict[str, list[str]], left: set[str]) -> list[str]:
    path: list[str] = [start]
    while (step := next(one for one in waits[path[-1]] if one in left)) not in path:
        path.append(step)
    return path[path.index(step) :]


def _nesting(node: Node, nested_choices: bool) -> Iterator[Problem]:
    around = list(node.around())
    kinds = [one.kind for one in around]
    if node.kind in LOOPS and (outer := next((o for o in around if o.kind in LOOPS), None)):
        yield node.problem(
            "type",
            f"'{node.name}' ({node.raw.get('type')}) is inside '{outer.name}'"
            f" ({outer.raw.get('type')}): loops cannot be nested; use ExecutePipeline.",
        )
    elif node.kind in LOOPS | CHOICES and not nested_choices:
        outer = next((one for one in around if one.kind in CHOICES), None)
        if outer is not None:
            yield node.problem(
                "type",
                f"'{node.name}' ({node.raw.get('type')}) is inside '{outer.name}'"
                f" ({outer.raw.get('type')}), which cannot contain containers; use"
                " ExecutePipeline.",
            )
    if node.kind in _NOWHERE_INSIDE and kinds:
        yield node.problem(
            "type", f"'{node.name}' ({node.raw.get('type')}) cannot be inside a container."
        )
    cases = node.properties.get("cases")
    if node.kind == "switch" and isinstance(cases, list) and len(cases) > MOST_CASES:
        yield node.problem(
            "typeProperties.cases", f"{len(cases)} cases; at most {MOST_CASES} are allowed."
        )
