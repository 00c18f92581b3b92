"""The order of a pipeline's steps: who waits for whom, derived from their bindings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from emulators.machinelearning.engine.jobs.placeholders import Binding
from emulators.machinelearning.errors import InvalidJob


def waits_for(bindings: Mapping[str, Iterable[Binding]]) -> dict[str, set[str]]:
    """For each step the steps whose outputs it reads.

    Args:
        bindings: every binding in a step's inputs, by step.

    Raises:
        InvalidJob: a binding to a step that is not there, or a circle.
    """
    graph: dict[str, set[str]] = {}
    for step, found in bindings.items():
        graph[step] = set()
        for bound in found:
            if bound.step is None:
                continue
            if bound.step not in bindings:
                raise InvalidJob(f"Step '{step}' reads from '{bound.step}', which is no step.")
            graph[step].add(bound.step)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        raise InvalidJob(f"Steps wait for each other: {' -> '.join(circle.args[1])}.") from None
    return graph
