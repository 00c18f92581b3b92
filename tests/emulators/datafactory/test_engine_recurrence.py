"""When schedule triggers fire: the documented examples, time zones, clocks that change."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.datafactory.engine.triggers.recurrence import BadRecurrence, Recurrence, read

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday


def firings(given: dict[str, Any], count: int, since: str = "") -> list[str]:
    """The first firings after an instant, by default after all time, as texts in UTC."""
    rule = read(given, START)
    moment = datetime.fromisoformat(since) if since else datetime(1900, 1, 1, tzinfo=UTC)
    found: list[str] = []
    while len(found) < count and (after := rule.after(moment)) is not None:
        moment = after
        found.append(moment.strftime("%Y-%m-%d %H:%M"))
    return found


def rule(frequency: str, start: str = "2024-01-01T08:30:00Z", **more: Any) -> dict[str, Any]:
    interval = more.pop("interval", 1)
    schedule = more.pop("schedule", None)
    return {
        "frequency": frequency, "interval": interval, "startTime": start, **more,
        **({"schedule": schedule} if schedule else {}),
    }  # fmt: skip


FIRST = [{"day": "friday", "occurrence": 1}]
# Source: the table of examples in
# learn.microsoft.com/azure/data-factory/how-to-create-schedule-trigger
EXAMPLES: list[tuple[dict[str, Any], list[str]]] = [
    (
        rule("Day", schedule={"hours": [5], "minutes": [0]}),
        ["2024-01-02 05:00", "2024-01-03 05:00"],
    ),
    (rule("Day", schedule={"minutes": [15], "hours": [5]}), ["2024-01-02 05:15"]),
    (
        rule("Day", schedule={"minutes": [0], "hours": [5, 17]}),
        ["2024-01-01 17:00", "2024-01-02 05:00", "2024-01-02 17:00"],
    ),
    (
        rule("Day", schedule={"minutes": [0, 15, 30, 45], "hours": [5, 17]}),
        ["2024-01-01 17:00", "2024-01-01 17:15", "2024-01-01 17:30", "2024-01-01 17:45",
         "2024-01-02 05:00"],
    ),
    (
        rule("Hour", schedule={"minutes": [0, 15, 30, 45]}),
        ["2024-01-01 08:30", "2024-01-01 08:45", "2024-01-01 09:00"],
    ),
    (
        rule("Day", schedule={"hours": list(range(24))}),  # at the minute of the start
        ["2024-01-01 08:30", "2024-01-01 09:30", "2024-01-01 10:30"],
    ),
    (rule("Hour", schedule={"minutes": [0]}), ["2024-01-01 09:00", "2024-01-01 10:00"]),
    (rule("Hour", schedule={"minutes": [15]}), ["2024-01-01 09:15", "2024-01-01 10:15"]),
    (
        rule("Week", schedule={"hours": [17], "minutes": [0], "weekDays": ["saturday"]}),
        ["2024-01-06 17:00", "2024-01-13 17:00"],
    ),
    (
        rule("Week", schedule={"hours": [17], "minutes": [0],
                               "weekDays": ["monday", "wednesday", "friday"]}),
        ["2024-01-01 17:00", "2024-01-03 17:00", "2024-01-05 17:00", "2024-01-08 17:00"],
    ),
    (
        rule("Week", schedule={"minutes": [15, 45], "hours": [17],
                               "weekDays": ["Monday", "Wednesday", "Friday"]}),
        ["2024-01-01 17:15", "2024-01-01 17:45", "2024-01-03 17:15"],
    ),
    (
        rule("Week", "2024-01-05T22:30:00Z", schedule={"minutes": [0, 30], "weekDays": ["friday"]}),
        ["2024-01-05 22:30", "2024-01-05 23:00", "2024-01-05 23:30", "2024-01-12 00:00"],
    ),
    (
        rule("Week", schedule={"weekDays": ["tuesday", "thursday"]}),
        ["2024-01-02 08:30", "2024-01-04 08:30", "2024-01-09 08:30"],
    ),
    (
        rule("Month", schedule={"minutes": [0], "hours": [6], "monthDays": [28]}),
        ["2024-01-28 06:00", "2024-02-28 06:00"],
    ),
    (
        rule("Month", schedule={"minutes": [0], "hours": [6], "monthDays": [-1]}),
        ["2024-01-31 06:00", "2024-02-29 06:00", "2024-03-31 06:00"],
    ),
    (
        rule("Month", schedule={"minutes": [0], "hours": [6], "monthDays": [1, -1]}),
        ["2024-01-31 06:00", "2024-02-01 06:00", "2024-02-29 06:00"],
    ),
    (
        rule("Month", schedule={"monthDays": [1, 14]}),
        ["2024-01-01 08:30", "2024-01-14 08:30", "2024-02-01 08:30"],
    ),
    (rule("Month", schedule={"monthDays": [31]}), ["2024-01-31 08:30", "2024-03-31 08:30"]),
    (
        rule("Month", schedule={"minutes": [0], "hours": [5], "monthlyOccurrences": FIRST}),
        ["2024-01-05 05:00", "2024-02-02 05:00"],
    ),
    (
        rule("Month", schedule={"monthlyOccurrences": [{"day": "friday", "occurrence": -3}]}),
        ["2024-01-12 08:30", "2024-02-09 08:30"],
    ),
    (
        rule("Month", schedule={"monthlyOccurrences": [*FIRST, {"day": "friday", "occurrence": -1}],
                                "minutes": [15], "hours": [5]}),
        ["2024-01-05 05:15", "2024-01-26 05:15", "2024-02-02 05:15"],
    ),
    (
        rule("Month", schedule={"monthlyOccurrences": [{"day": "Sunday"}]}),
        ["2024-01-07 08:30", "2024-01-14 08:30", "2024-01-21 08:30", "2024-01-28 08:30"],
    ),
    (
        rule("Month", schedule={"monthlyOccurrences": [{"day": "thursday", "occurrence": 5}]}),
        ["2024-02-29 08:30", "2024-05-30 08:30"],
    ),
    # without a schedule
    (rule("Minute", interval=15), ["2024-01-01 08:30", "2024-01-01 08:45"]),
    (rule("Hour", interval=7), ["2024-01-01 08:30", "2024-01-01 15:30", "2024-01-01 22:30"]),
    (rule("Day", interval=2), ["2024-01-01 08:30", "2024-01-03 08:30"]),
    (rule("Week", interval=2), ["2024-01-01 08:30", "2024-01-15 08:30"]),
    (
        rule("Month", "2024-01-31T00:00:00Z"),
        ["2024-01-31 00:00", "2024-02-29 00:00", "2024-03-31 00:00", "2024-04-30 00:00"],
    ),
    (rule("Year", "2024-02-29T00:00:00Z"), ["2024-02-29 00:00", "2025-02-28 00:00"]),
    # intervals with a schedule
    (
        rule("Day", interval=3, schedule={"hours": [6, 18], "minutes": [0]}),
        ["2024-01-01 18:00", "2024-01-04 06:00", "2024-01-04 18:00", "2024-01-07 06:00"],
    ),
    (
        rule("Week", interval=2, schedule={"weekDays": ["Monday", "Sunday"]}),
        ["2024-01-01 08:30", "2024-01-07 08:30", "2024-01-15 08:30", "2024-01-21 08:30"],
    ),
    (rule("Month", interval=12, schedule={"monthDays": [31]}), ["2024-01-31 08:30",
                                                                "2025-01-31 08:30"]),
    # an end
    (rule("Day", endTime="2024-01-02T08:30:00Z"), ["2024-01-01 08:30", "2024-01-02 08:30"]),
    (rule("Day", endTime="2024-01-02T08:29:59Z"), ["2024-01-01 08:30"]),
    (rule("Month", "2024-02-01T00:00:00Z", interval=12, schedule={"monthDays": [30]}), []),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), EXAMPLES)
def test_documented_examples(given: dict[str, Any], expected: list[str]) -> None:
    limited = "endTime" in given or not expected
    assert firings(given, len(expected) + (1 if limited else 0)) == expected


def test_a_start_in_the_past_counts_from_itself() -> None:
    """The page's own example: every two days from 2017-04-07 14:00, seen on the 8th at 13:00."""
    every = rule("Day", "2017-04-07T14:00:00Z", interval=2)
    assert firings(every, 2, "2017-04-08T13:00:00+00:00") == ["2017-04-09 14:00",
                                                              "2017-04-11 14:00"]  # fmt: skip


BERLIN: dict[str, Any] = {"timeZone": "W. Europe Standard Time"}
NEW_YORK: dict[str, Any] = {"timeZone": "Eastern Standard Time"}


def test_days_and_above_keep_to_the_clocks_of_their_zone() -> None:
    daily = rule("Day", "2024-03-30T08:00:00", **BERLIN)
    assert firings(daily, 3) == ["2024-03-30 07:00", "2024-03-31 06:00", "2024-04-01 06:00"]
    autumn = rule("Day", "2024-10-26T08:00:00", **BERLIN)
    assert firings(autumn, 3) == ["2024-10-26 06:00", "2024-10-27 07:00", "2024-10-28 07:00"]
    weekly = rule("Week", "2024-03-04T09:00:00", schedule={"weekDays": ["Monday"]}, **NEW_YORK)
    assert firings(weekly, 2) == ["2024-03-04 14:00", "2024-03-11 13:00"]
    monthly = rule("Month", "2024-02-01T00:30:00", schedule={"monthDays": [-1]}, **BERLIN)
    assert firings(monthly, 3) == ["2024-02-28 23:30", "2024-03-30 23:30", "2024-04-29 22:30"]


def test_hours_and_minutes_follow_each_other_evenly() -> None:
    hourly = rule("Hour", "2024-03-31T00:30:00", interval=2, **BERLIN)
    assert firings(hourly, 4) == ["2024-03-30 23:30", "2024-03-31 01:30", "2024-03-31 03:30",
                                  "2024-03-31 05:30"]  # fmt: skip


def test_a_time_that_clocks_leave_out_or_show_twice() -> None:
    nightly = rule("Day", "2024-03-30T02:30:00", **BERLIN)
    assert firings(nightly, 3) == ["2024-03-30 01:30", "2024-03-31 01:30", "2024-04-01 00:30"]
    twice = rule("Day", "2024-10-26T02:30:00", **BERLIN)
    assert firings(twice, 3) == ["2024-10-26 00:30", "2024-10-27 00:30", "2024-10-28 01:30"]
    every_hour = rule("Day", "2024-10-27T00:00:00", schedule={"minutes": [0]}, **BERLIN)
    assert firings(every_hour, 5) == ["2024-10-26 22:00", "2024-10-26 23:00", "2024-10-27 00:00",
                                      "2024-10-27 01:00", "2024-10-27 02:00"]  # fmt: skip


def test_zones_with_half_hours() -> None:
    india = rule("Hour", "2024-01-01T00:00:00", timeZone="India Standard Time",
                 schedule={"minutes": [0, 30]})  # fmt: skip
    assert firings(india, 3) == ["2023-12-31 18:30", "2023-12-31 19:00", "2023-12-31 19:30"]


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"frequency": "Second"},
        rule("Day", interval=0),
        rule("Day", interval="often"),
        rule("Day", "yesterday"),
        rule("Day", timeZone="Middle Earth Standard Time"),
        rule("Day", schedule={"hours": [24]}),
        rule("Day", schedule={"hours": 5}),
        rule("Day", schedule={"minutes": [60]}),
        rule("Day", schedule={"weekDays": ["Monday"]}),
        rule("Week", schedule={"monthDays": [1]}),
        rule("Week", schedule={"weekDays": ["Someday"]}),
        rule("Month", schedule={"monthDays": [0]}),
        rule("Month", schedule={"monthDays": [32]}),
        rule("Month", schedule={"monthlyOccurrences": [{"day": "Monday", "occurrence": 0}]}),
        rule("Month", schedule={"monthlyOccurrences": ["Monday"]}),
    ],
)
def test_what_means_nothing(given: Any) -> None:
    with pytest.raises(BadRecurrence):
        read(given, START)


zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata",
                         "Australia/Lord_Howe", "Asia/Kathmandu"])  # fmt: skip
few = st.lists(st.integers(0, 59), max_size=3, unique=True).map(lambda x: tuple(sorted(x)))
hours = st.lists(st.integers(0, 23), max_size=3, unique=True).map(lambda x: tuple(sorted(x)))
starts = st.integers(0, 60 * 24 * 364).map(lambda minutes: START + timedelta(minutes=minutes))


@st.composite
def recurrences(draw: st.DrawFn) -> Recurrence:
    frequency = draw(st.sampled_from(["minute", "hour", "day", "week", "month"]))
    most = {"minute": 90, "hour": 30, "day": 10, "week": 3, "month": 3}[frequency]
    of_week = frequency == "week"
    of_month = frequency == "month"
    return Recurrence(
        frequency,
        draw(st.integers(1, most)),
        draw(starts),
        None,
        ZoneInfo(draw(zones)),
        draw(few) if frequency != "minute" else (),
        draw(hours) if frequency not in ("minute", "hour") else (),
        draw(st.lists(st.integers(0, 6), max_size=3, unique=True).map(tuple)) if of_week else (),
        draw(st.lists(st.sampled_from([1, 15, 28, 31, -1, -31]), max_size=2).map(tuple))
        if of_month else (),
        draw(st.lists(st.tuples(st.integers(0, 6), st.sampled_from([None, 1, 5, -1, -5])),
                      max_size=1).map(tuple)) if of_month else (),
    )  # fmt: skip


def is_firing(one: Recurrence, minute: datetime) -> bool:
    """A plain model: whether a recurrence fires at this minute, by the words of the rules."""
    if minute < one.start:
        return False
    begun = one.start.astimezone(one.zone)
    wall = minute.astimezone(one.zone)
    if one.frequency in ("minute", "hour"):
        return _fires_evenly(one, minute)
    days = (wall.date() - begun.date()).days
    if not _is_day(one, wall, begun, days):
        return False
    listed = {begun.hour} if not one.hours and not one.minutes else set(one.hours or range(24))
    times = one.minutes or (begun.minute,)
    return wall.hour in listed and wall.minute in times


def _fires_evenly(one: Recurrence, minute: datetime) -> bool:
    since = int((minute - one.start).total_seconds() // 60)
    if one.frequency == "minute":
        return since % one.interval == 0
    if not one.minutes:
        return since % (60 * one.interval) == 0
    top = one.start - timedelta(minutes=one.start.astimezone(one.zone).minute)
    wall = minute.astimezone(one.zone)
    whole = (minute - timedelta(minutes=wall.minute) - top).total_seconds() / 3600
    return whole % one.interval == 0 and wall.minute in one.minutes


def _is_day(one: Recurrence, wall: datetime, begun: datetime, days: int) -> bool:
    if one.frequency == "day":
        return days % one.interval == 0
    if one.frequency == "week":
        weeks = (days + begun.weekday()) // 7
        return weeks % one.interval == 0 and wall.weekday() in (one.weekdays or (begun.weekday(),))
    months = (wall.year - begun.year) * 12 + wall.month - begun.month
    if months % one.interval:
        return False
    length = calendar.monthrange(wall.year, wall.month)[1]
    if not one.month_days and not one.occurrences:
        return wall.day == min(begun.day, length)
    if any(wall.day == (day if day > 0 else length + 1 + day) for day in one.month_days):
        return True
    first, last = (wall.day - 1) // 7 + 1, -((length - wall.day) // 7 + 1)
    return any(
        wall.weekday() == day and which in (None, first, last) for day, which in one.occurrences
    )


def steady(zone: ZoneInfo, since: datetime, until: datetime) -> bool:
    """Whether the clocks of a zone do not change in a time."""
    at, offsets = since - timedelta(days=2), set()
    while at < until + timedelta(days=2):
        offsets.add(at.astimezone(zone).utcoffset())
        at += timedelta(hours=6)
    return len(offsets) == 1


@given(recurrences(), st.integers(0, 60 * 24 * 45))
def test_the_next_firing_is_the_first_that_a_plain_model_knows(
    one: Recurrence, minutes: int
) -> None:
    moment = one.start + timedelta(minutes=minutes - 60)
    found = one.after(moment)
    until = min(found or moment + timedelta(days=4), moment + timedelta(days=4))
    if not steady(one.zone, moment, until):
        return
    minute, model = moment, None
    while minute < until:
        minute += timedelta(minutes=1)
        if is_firing(one, minute):
            model = minute
            break
    assert model == (found if found is not None and found <= until else None)


@given(recurrences())
def test_firings_only_ever_go_forward(one: Recurrence) -> None:
    moment, count = one.start - timedelta(days=1), 0
    while count < 12 and (after := one.after(moment)) is not None:
        assert after > moment
        assert after >= one.start
        assert one.after(after - timedelta(microseconds=1)) == after
        moment, count = after, count + 1
