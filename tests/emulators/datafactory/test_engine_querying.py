"""The query language of runs against a plain reading of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.datafactory.engine.querying import PAGE, Subject, ask
from emulators.datafactory.errors import InvalidQuery

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    id: str
    name: str
    at: datetime
    latest: bool = True


SUBJECT = Subject(
    operands={
        "PipelineName": lambda run: run.name,
        "RunStart": lambda run: run.at,
        "LatestOnly": lambda run: run.latest,
    },
    orders=frozenset({"PipelineName", "RunStart"}),
    updated=lambda run: run.at,
    key=lambda run: run.id,
    default_order=("RunStart", True),
)
WINDOW = {"lastUpdatedAfter": "2025-12-31T00:00:00Z", "lastUpdatedBefore": "2027-01-01T00:00:00Z"}
RUNS = [Run(f"r{i:03}", "ABC"[i % 3], BEGIN + timedelta(seconds=i), i % 2 == 0) for i in range(250)]


def every(**more: Any) -> list[Run]:
    """All pages of a query."""
    body, found = {**WINDOW, **more}, []
    while True:
        page = ask(SUBJECT, body, RUNS)
        assert len(page.items) <= PAGE
        found += page.items
        if page.token is None:
            return found
        body["continuationToken"] = page.token


def where(operand: str, operator: str, *values: str) -> list[Run]:
    return every(filters=[{"operand": operand, "operator": operator, "values": list(values)}])


def test_pages_hold_everything_once_and_in_order() -> None:
    assert [run.id for run in every()] == [run.id for run in reversed(RUNS)]
    ordered = every(orderBy=[{"orderBy": "PipelineName", "order": "ASC"}])
    assert [run.name for run in ordered] == sorted(run.name for run in RUNS)


@given(
    st.sampled_from(["Equals", "NotEquals", "In", "NotIn"]),
    st.lists(st.sampled_from(["a", "B", "c", "d"]), min_size=1, max_size=3, unique=True),
)
def test_filters_are_what_they_say(operator: str, values: list[str]) -> None:
    if operator.endswith("Equals"):
        values = values[:1]
    lower = {value.lower() for value in values}
    meant = operator in ("Equals", "In")
    wanted = {run.id for run in RUNS if (run.name.lower() in lower) == meant}
    assert {run.id for run in where("pipelineName", operator, *values)} == wanted


def test_times_are_compared_to_the_millisecond_and_bounds_hold() -> None:
    assert [run.id for run in where("RunStart", "Equals", "2026-01-01T00:00:05.0000000Z")] == [
        "r005"
    ]
    late = {"lastUpdatedAfter": "2026-01-01T00:04:08+00:00"}
    assert [run.id for run in every(**late)] == ["r249", "r248"]


def test_the_latest_only() -> None:
    assert len(where("LatestOnly", "Equals", "true")) == len([run for run in RUNS if run.latest])
    assert len(where("LatestOnly", "Equals", "false")) == len(RUNS)


def test_a_run_that_ends_between_pages_neither_repeats_nor_hides_others() -> None:
    first = ask(SUBJECT, dict(WINDOW), RUNS)
    newer = [*RUNS, Run("new", "A", BEGIN + timedelta(days=1))]
    second = ask(SUBJECT, {**WINDOW, "continuationToken": first.token}, newer)
    assert first.items[-1].id == "r150"
    assert second.items[0].id == "r149"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**WINDOW, "lastUpdatedAfter": "yesterday"},
        {**WINDOW, "filters": [{"operand": "Colour", "operator": "Equals", "values": ["x"]}]},
        {**WINDOW, "filters": [{"operand": "RunStart", "operator": "Like", "values": ["x"]}]},
        {**WINDOW, "filters": [{"operand": "RunStart", "operator": "Equals", "values": []}]},
        {
            **WINDOW,
            "filters": [{"operand": "RunStart", "operator": "Equals", "values": ["a", "b"]}],
        },
        {**WINDOW, "orderBy": [{"orderBy": "RunStart", "order": "UP"}]},
        {**WINDOW, "continuationToken": "%%%"},
        {**WINDOW, "filters": "all"},
    ],
)
def test_what_is_not_known_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidQuery):
        ask(SUBJECT, body, RUNS)
