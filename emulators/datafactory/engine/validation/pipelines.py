"""All checks of one pipeline, in the order in which a reader wants the problems."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from emulators.datafactory.engine.definitions import BadDefinition, pipeline_of
from emulators.datafactory.engine.references import Finds
from emulators.datafactory.engine.validation import expressions, fields, graph, mentions, shape
from emulators.datafactory.engine.validation.problems import Problem, every, tree


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides where Azure's own pages and practice differ, and what else is known.

    `nested_choices`: an If or a Switch may contain another container. The pages say no, and so
    does the authoring page. `ancestors`: an expression may read only what its activity waits for.
    The authoring page says so; what is published by other ways runs, and may fail then.
    """

    nested_choices: bool = False
    ancestors: bool = False
    global_parameters: Collection[str] | None = None  # None: not known, not checked


def validate(
    pipeline: Mapping[str, Any], published: Finds | None, rules: Rules | None = None
) -> list[Problem]:
    """Every problem of a pipeline given as `{"name", "properties"}`.

    Args:
        published: what the pipeline may name; None leaves names of other resources unchecked.

    Source: learn.microsoft.com/azure/data-factory (concepts-pipelines-activities,
    concepts-nested-activities, naming-rules, limits of the subscription).
    """
    chosen, name = rules or Rules(), str(pipeline.get("name", ""))
    properties = pipeline.get("properties")
    if not isinstance(properties, Mapping):
        return [Problem("properties", "it must be an object.", "InvalidRequestContent")]
    scope = tree(properties)
    nodes = list(every(scope))
    found = [
        *shape.check(name, properties, nodes),
        *graph.check(scope, nodes, nested_choices=chosen.nested_choices),
        *(one for node in nodes if not node.inactive for one in fields.check(node)),
        *expressions.check(properties, nodes, chosen.global_parameters, ancestors=chosen.ancestors),
    ]
    if published is not None:
        found += mentions.check(name, properties, nodes, published)
    return found or _unread(name, properties)


def _unread(name: str, properties: Mapping[str, Any]) -> list[Problem]:
    """What only the reader of definitions finds."""
    try:
        pipeline_of(name, properties)
    except BadDefinition as wrong:
        return [Problem(wrong.place, f"it {wrong.message}.")]
    return []
