"""Tumbling windows without a clock: where they lie, and which others they depend on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.datafactory.engine.triggers.times import add_months, span
from emulators.datafactory.engine.triggers.windows import Dependency, Grid

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURLY = Grid("hour", 1, START)
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def test_windows_follow_each_other() -> None:
    grid = Grid("minute", 15, START, START + timedelta(hours=1))
    assert [grid.edge(n) for n in (0, 1, 4)] == [
        START, START + timedelta(minutes=15), START + timedelta(hours=1),
    ]  # fmt: skip
    assert [n for n in range(-1, 6) if grid.is_there(n)] == [0, 1, 2, 3]
    assert not Grid("hour", 1, START, START + timedelta(minutes=59)).is_there(0)


def test_months_are_as_long_as_they_are() -> None:
    grid = Grid("month", 1, at("2024-01-31T00:00"))
    assert [grid.edge(n).date().isoformat() for n in range(4)] == [
        "2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30",
    ]  # fmt: skip


# Source: the pictures in learn.microsoft.com/azure/data-factory/tumbling-window-trigger-dependency
@pytest.mark.parametrize(
    ("dependency", "expected"),
    [
        (Dependency("b"), [10]),
        (Dependency("b", timedelta(hours=-1)), [9]),
        (Dependency("b", timedelta(hours=-1), timedelta(hours=3)), [9, 10, 11]),
        (Dependency("b", timedelta(hours=-3), timedelta(hours=2)), [7, 8]),
        (Dependency("b", timedelta(minutes=30)), [10, 11]),
        (Dependency("b", timedelta(hours=-20), timedelta(hours=12)), [0, 1]),
    ],
)
def test_what_a_window_depends_on(dependency: Dependency, expected: list[int]) -> None:
    window = (HOURLY.edge(10), HOURLY.edge(11))
    assert list(HOURLY.within(*dependency.range_of(*window))) == expected


def test_a_day_depends_on_its_hours() -> None:
    daily = Grid("hour", 24, START)
    span_of = Dependency("hourly").range_of(daily.edge(1), daily.edge(2))
    assert list(HOURLY.within(*span_of)) == list(range(24, 48))


@given(
    st.sampled_from(["minute", "hour", "month"]),
    st.integers(1, 100),
    st.integers(-10_000, 10_000).map(lambda days: START + timedelta(days=days, hours=days % 24)),
    st.integers(0, 2000),
)
def test_a_moment_is_in_one_window(
    frequency: str, interval: int, start: datetime, hours: int
) -> None:
    grid = Grid(frequency, interval, start)
    moment = grid.start + timedelta(hours=hours)
    number = grid.number_at(moment)
    assert grid.edge(number) <= moment < grid.edge(number + 1)
    assert grid.number_at(grid.edge(number)) == number


def test_spans_and_months() -> None:
    assert span("-1.02:03:04") == -timedelta(days=1, hours=2, minutes=3, seconds=4)
    assert span("00:15:00") == timedelta(minutes=15)
    for wrong in ("", "1", "25:00:00", "00:61:00", "1:2", None, 5, "--00:00:01"):
        with pytest.raises(ValueError, match="no span"):
            span(wrong)
    assert add_months(at("2024-01-31T10:00"), 1) == at("2024-02-29T10:00")
    assert add_months(at("2024-03-31T10:00"), -13) == at("2023-02-28T10:00")
