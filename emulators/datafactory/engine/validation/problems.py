"""What publishing would reject: each problem with its place, and the tree the checks walk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LOOPS = frozenset({"foreach", "until"})
CHOICES = frozenset({"ifcondition", "switch"})
BRANCHES: Mapping[str, tuple[str, ...]] = {
    "foreach": ("activities",),
    "until": ("activities",),
    "ifcondition": ("ifTrueActivities", "ifFalseActivities"),
    "switch": ("defaultActivities",),
}
"""Container in lower case -> members of its typeProperties that hold activities."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason for which a pipeline cannot be published."""

    place: str  # a path below `properties`, such as activities[2].typeProperties.url
    message: str
    code: str = "InvalidTemplate"
    activity: str = ""  # the name of the activity that `place` is in
    missing: str = ""  # the name of a resource that is not published

    def __str__(self) -> str:
        where = f"activity '{self.activity}', {self.place}" if self.activity else self.place
        return f"{where}: {self.message}"


@dataclass(slots=True)
class Node:
    """One activity in its scope; `parent` is the container around it."""

    raw: Mapping[str, Any]
    place: str
    parent: Node | None = None
    siblings: list[Node] = field(default_factory=list)  # of its scope, itself included
    scopes: list[list[Node]] = field(default_factory=list)  # what it contains, by branch

    @property
    def name(self) -> str:
        found = self.raw.get("name")
        return found if isinstance(found, str) else ""

    @property
    def key(self) -> str:
        return self.name.lower()

    @property
    def kind(self) -> str:
        found = self.raw.get("type")
        return found.lower() if isinstance(found, str) else ""

    @property
    def inactive(self) -> bool:
        """Whether it, or a container around it, is switched off: it is not looked into."""
        off = str(self.raw.get("state", "")).lower() == "inactive"
        return off or (self.parent is not None and self.parent.inactive)

    @property
    def properties(self) -> Mapping[str, Any]:
        found = self.raw.get("typeProperties")
        return found if isinstance(found, Mapping) else {}

    def problem(self, field_name: str, message: str, code: str = "InvalidTemplate") -> Problem:
        """A problem of this activity, at one of its members."""
        place = f"{self.place}.{field_name}" if field_name else self.place
        return Problem(place, message, code, self.name)

    def around(self) -> Iterator[Node]:
        """The containers around it, innermost first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


def tree(properties: Mapping[str, Any]) -> list[Node]:
    """The activities of a pipeline as nodes; what is no object is left out."""
    return _scope(properties.get("activities"), "activities", None)


def every(scope: list[Node]) -> Iterator[Node]:
    """All nodes of a scope, and after each what it contains."""
    for node in scope:
        yield node
        for inner in node.scopes:
            yield from every(inner)


def _scope(value: Any, place: str, parent: Node | None) -> list[Node]:
    found: list[Node] = []
    for index, raw in enumerate(value if isinstance(value, list) else []):
        if isinstance(raw, Mapping):
            node = Node(raw, f"{place}[{index}]", parent, found)
            node.scopes = list(_inner(node))
            found.append(node)
    return found


def _inner(node: Node) -> Iterator[list[Node]]:
    base = f"{node.place}.typeProperties"
    cases = node.properties.get("cases") if node.kind == "switch" else None
    for index, case in enumerate(cases if isinstance(cases, list) else []):
        if isinstance(case, Mapping):
            yield _scope(case.get("activities"), f"{base}.cases[{index}].activities", node)
    for member in BRANCHES.get(node.kind, ()):
        yield _scope(node.properties.get(member), f"{base}.{member}", node)
