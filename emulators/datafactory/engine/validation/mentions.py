"""The other resources that a pipeline names: that they are there, and no circle of pipelines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emulators.datafactory.engine import resources
from emulators.datafactory.engine.references import Finds, references_of
from emulators.datafactory.engine.validation.problems import Node, Problem, every, tree

_WORDS = {
    "pipelines": "pipeline",
    "datasets": "dataset",
    "linkedservices": "linked service",
    "dataflows": "data flow",
    "integrationruntimes": "integration runtime",
    "credentials": "credential",
}


def check(
    name: str, properties: Mapping[str, Any], nodes: Sequence[Node], published: Finds
) -> Iterator[Problem]:
    """Problems of the names of other resources."""
    for node in nodes:
        if node.inactive:
            continue
        for one in references_of(_own(node)):
            if one.kind == "pipelines" and one.name.lower() == name.lower():
                continue
            if not resources.is_there(published, one):
                yield Problem(
                    f"{node.place}.{one.place}.referenceName",
                    f"invalid reference '{one.name}': there is no"
                    f" {_WORDS.get(one.kind, one.kind)} of that name.",
                    "BadRequest",
                    node.name,
                    one.name,
                )
    yield from _circle(name, nodes, published)


def _own(node: Node) -> dict[str, Any]:
    """An activity without those in it, which are looked at by themselves."""
    inner = {"activities", "ifTrueActivities", "ifFalseActivities", "defaultActivities", "cases"}
    members = {k: v for k, v in node.properties.items() if k not in inner or not node.scopes}
    return {**node.raw, "typeProperties": members}


def _called(nodes: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    """Each pipeline that is executed, with the activity that does."""
    for node in nodes:
        if node.kind == "executepipeline" and not node.inactive:
            given = node.properties.get("pipeline")
            name = given.get("referenceName") if isinstance(given, Mapping) else None
            if isinstance(name, str):
                yield node, name


def _circle(name: str, nodes: Sequence[Node], published: Finds) -> Iterator[Problem]:
    for node, called in _called(nodes):
        path = _way_back(name.lower(), called, published, [])
        if path is not None:
            names = " -> ".join([name, *path])
            yield node.problem(
                "typeProperties.pipeline",
                f"Pipelines cannot execute each other in a circle: {names}.",
                "BadRequest",
            )


def _way_back(start: str, at: str, published: Finds, path: list[str]) -> list[str] | None:
    """The pipelines from `at` back to the one that is checked, or None."""
    here = [*path, at]
    if at.lower() == start:
        return here
    if at.lower() in (one.lower() for one in path):
        return None
    found = published.find("pipelines", at)
    inner = list(every(tree(found))) if found is not None else []
    for _, called in _called(inner):
        back = _way_back(start, called, published, here)
        if back is not None:
            return back
    return None
