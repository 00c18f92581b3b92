"""Any graph of activities with any outcomes, against a plain model of the documented rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.datafactory.engine.activities.base import ActivityFailed, Call, Done
from emulators.datafactory.engine.definitions import BadDefinition, pipeline_of
from emulators.datafactory.engine.runs.graph import Graph
from tests.emulators.datafactory.running import activity, after, desk

CONDITIONS = ("Succeeded", "Failed", "Completed", "Skipped")


@dataclass(frozen=True)
class Node:
    """An activity of the model: who it waits for and on which conditions, and how it would end."""

    waits: Mapping[int, frozenset[str]]
    succeeds: bool
    seconds: int
    mark: str | None  # inactive, and seen so


nodes = st.lists(
    st.tuples(
        st.dictionaries(
            st.integers(0, 10), st.frozensets(st.sampled_from(CONDITIONS), min_size=1), max_size=3
        ),
        st.booleans(),
        st.integers(0, 3),
        st.sampled_from([None] * 6 + ["Succeeded", "Failed", "Skipped"]),
    ),
    min_size=1,
    max_size=12,
)


def graph_of(drawn: list[Any]) -> list[Node]:
    """Nodes that wait only for earlier ones."""
    return [
        Node({p: c for p, c in waits.items() if p < at}, succeeds, seconds, mark)
        for at, (waits, succeeds, seconds, mark) in enumerate(drawn)
    ]


def modelled(graph: list[Node]) -> tuple[list[str], bool]:
    """Outcome of each node, and whether the whole succeeds: the rules in their plainest form."""
    outcomes: list[str] = []
    for node in graph:
        met = True
        for parent, conditions in node.waits.items():
            seen = outcomes[parent]
            completed = "Completed" in conditions and seen != "Skipped"
            met = met and (seen in conditions or completed)
        if not met:
            outcomes.append("Skipped")
        elif node.mark is not None:
            outcomes.append(node.mark)
        else:
            outcomes.append("Succeeded" if node.succeeds else "Failed")

    def good(at: int) -> bool:
        if outcomes[at] == "Skipped":
            return all(good(parent) for parent in graph[at].waits)
        return outcomes[at] == "Succeeded"

    awaited = {parent for node in graph for parent in node.waits}
    return outcomes, all(good(at) for at in range(len(graph)) if at not in awaited)


def raw(graph: list[Node]) -> list[dict[str, Any]]:
    """The nodes as activities."""
    found = []
    for at, node in enumerate(graph):
        depends = [after(f"N{parent}", *sorted(c)) for parent, c in node.waits.items()]
        one = activity(f"N{at}", "Stubbed", *depends)
        if node.mark is not None:
            one |= {"state": "Inactive", "onInactiveMarkAs": node.mark}
        found.append(one)
    return found


@settings(max_examples=250, deadline=None)
@given(nodes)
def test_any_graph_obeys_the_rules_of_dependencies_and_leaves(drawn: list[Any]) -> None:
    graph = graph_of(drawn)
    outcomes, succeeds = modelled(graph)
    with desk() as d:

        async def stub(call: Call) -> Done:
            node = graph[int(call.activity.name[1:])]
            await d.ctx.clock.sleep(node.seconds)
            if not node.succeeds:
                raise ActivityFailed("1", "no")
            return Done({})

        d.stubs = {f"N{at}": stub for at in range(len(graph))}
        d.publish("p", *raw(graph))
        run = d.run()
        statuses = d.statuses(run)
        rows = {row.name: row for row in d.rows(run)}
    assert run.status == ("Succeeded" if succeeds else "Failed")
    for at, node in enumerate(graph):
        ran = outcomes[at] != "Skipped" or node.mark is not None
        shown = "Inactive" if node.mark and statuses[f"N{at}"] != "Skipped" else outcomes[at]
        assert statuses[f"N{at}"] == (shown if ran else "Skipped")
        for parent in node.waits:
            # What runs starts when all that it waits for have ended.
            if statuses[f"N{at}"] not in ("Skipped",):
                end = rows[f"N{parent}"].end
                assert end is not None
                assert end <= rows[f"N{at}"].start


@pytest.mark.parametrize(
    ("activities", "text"),
    [
        ([activity("A", "Wait"), activity("a", "Wait")], "same name"),
        ([activity("A", "Wait", after("B"))], "not in its scope"),
        ([activity("A", "Wait", after("B")), activity("B", "Wait", after("A"))], "circle"),
        ([activity("A", "Wait", after("A"))], "circle"),
    ],
)
def test_what_is_no_graph_is_refused(activities: list[dict[str, Any]], text: str) -> None:
    pipeline = pipeline_of("p", {"activities": activities})
    with pytest.raises(BadDefinition, match=text):
        Graph(pipeline.activities)
