"""The chart of a run: every activity run is in it, inside its container, pass by pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.dom import minidom

from emulators.datafactory.engine import gantt
from emulators.datafactory.store import FACTORIES, ActivityRun, PipelineRun
from emulators.datafactory.wire.runs import encode_activity, encode_run
from tests.emulators.datafactory.running import (
    FACTORY,
    activity,
    after,
    desk,
    fails,
    wait,
)

EACH = activity(
    "Each",
    "ForEach",
    after("A"),
    items="@range(0, 3)",
    batchCount=2,
    activities=[
        wait("In", 20),
        activity(
            "If",
            "IfCondition",
            after("In"),
            expression="@equals(item(), 1)",
            ifTrueActivities=[fails("Bad", message="<no & way>")],
            ifFalseActivities=[wait("Good", 7)],
        ),
    ],
)
ACTIVITIES = [
    wait("A", 10),
    EACH,
    wait("OnOk", 3, after("Each")),
    wait("OnErr", 5, after("Each", "Failed")),
    {**wait("Off", 3, after("A")), "state": "Inactive"},
]
LABELS = [
    (0, "A"),
    (0, "Each"),
    (1, "In[0]"),
    (1, "If[0]"),
    (2, "Good[0]"),
    (1, "In[1]"),
    (1, "If[1]"),
    (2, "Bad[1]"),
    (1, "In[2]"),
    (1, "If[2]"),
    (2, "Good[2]"),
    (0, "Off"),
    (0, "OnOk"),
    (0, "OnErr"),
]


def played() -> tuple[PipelineRun, list[ActivityRun], dict[str, Any], list[dict[str, Any]]]:
    """A run with its rows, as stored and as the service shows them."""
    with desk() as d:
        d.publish("p", *ACTIVITIES)
        run = d.run()
        factory = d.ctx.store.get(FACTORIES, FACTORY)
        assert factory is not None
        rows = d.rows(run)
        shown = [encode_activity(factory, run, row) for row in rows]
        return run, rows, encode_run(factory, run), shown


def labels(run: PipelineRun, rows: list[ActivityRun]) -> list[tuple[int, str]]:
    return [(line.depth, line.label) for line in gantt.laid_out(run, rows).lines]


def test_what_is_inside_comes_under_its_container_pass_by_pass() -> None:
    run, rows, _, _ = played()
    assert labels(run, rows) == LABELS


def test_from_what_the_service_shows_it_is_the_same_chart() -> None:
    run, rows, shown, activities = played()
    definition: Mapping[str, Any] = {"activities": ACTIVITIES}
    again = gantt.of_wire(shown, activities, definition)
    assert labels(*again) == LABELS
    assert str(gantt.text(*again)) == str(gantt.text(run, rows))
    flat = gantt.of_wire(shown, activities, {})
    assert len(gantt.laid_out(*flat).lines) == len(LABELS)


def test_the_text_has_a_line_for_each_within_its_width() -> None:
    run, rows, _, _ = played()
    for width in (60, 100, 200):
        lines = str(gantt.text(run, rows, width)).splitlines()
        assert lines[0].startswith("p Failed 1 min 2 s")
        charted = lines[2:-1]
        assert len(charted) == len(LABELS)
        assert max(map(len, charted)) <= width
    assert "✗" in charted[7]
    assert charted[12].endswith("skipped")


def test_the_svg_is_well_formed_and_stands_alone() -> None:
    run, rows, _, _ = played()
    drawn = gantt.svg(run, rows)
    root = minidom.parseString(drawn).documentElement
    assert root is not None
    bars = [e for e in root.getElementsByTagName("rect") if e.hasAttribute("rx")][1:]
    assert len(bars) == len(LABELS) - 2
    right = gantt.LEFT + gantt.AREA + 2
    for bar in bars:
        assert float(bar.getAttribute("x")) + float(bar.getAttribute("width")) <= right
    assert "&lt;no &amp; way&gt;" in drawn
    assert "prefers-color-scheme" in drawn
    assert not re.search(r"(href|src|url\()", drawn)


def test_a_run_under_way_or_empty_can_be_drawn() -> None:
    run, rows, _, _ = played()
    running = replace(run, end=None, status="InProgress")
    assert "InProgress" in str(gantt.text(running, rows[:3]))
    assert labels(running, [row for row in rows if "/" in row.path])
    assert gantt.svg(replace(run, start=None, end=None), [])
    assert str(gantt.text(replace(run, end=run.start), []))


def test_lengths_of_time_are_for_people() -> None:
    said = [gantt.span(s) for s in (0, 0.256, 59, 60, 270, 3600, 7500, 400000)]
    assert said == [
        "0 s", "0.26 s", "59 s", "1 min", "4 min 30 s", "1 h", "2 h 5 min", "4 d 15 h 6 min",
    ]  # fmt: skip
