"""Triggers against walks over every minute, against worked examples, and where clocks change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.schedules import cron, triggers
from emulators.machinelearning.engine.schedules.zones import WINDOWS, instants, zone
from emulators.machinelearning.errors import ValidationError

MINUTE = timedelta(minutes=1)
MADE = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY = datetime(2026, 1, 1)  # noqa: DTZ001  (a wall time)
WALLS = st.datetimes(JANUARY, JANUARY + timedelta(days=60))
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


def firings(trigger: triggers.Trigger, after: datetime) -> Iterator[datetime]:
    moment: datetime | None = after
    while moment is not None and (moment := trigger.after(moment)) is not None:
        yield moment


def read(made: datetime = MADE, **given: Any) -> triggers.Trigger:
    return triggers.read(given, made)


def first(count: int, trigger: triggers.Trigger, after: datetime = MADE) -> list[str]:
    return [f"{at:%Y-%m-%d %H:%M}" for at in islice(firings(trigger, after), count)]


def at_cron(expression: str, zone_name: str = "UTC", **more: Any) -> triggers.Trigger:
    return read(triggerType="Cron", expression=expression, timeZone=zone_name, **more)


def every(frequency: str, interval: int = 1, **more: Any) -> triggers.Trigger:
    return read(triggerType="Recurrence", frequency=frequency, interval=interval, **more)


def walked(
    where: ZoneInfo,
    begin: datetime,
    minutes: int,
    fires: Callable[[datetime], bool],
    *,
    twice: bool,
) -> list[datetime]:
    """The rule for clocks that change, stated the slow way: minute by minute of real time.

    A minute fires when its wall time does, the first time the clocks show it. Or when it is as
    much after a jump forward as a firing wall time is into what the jump left out.
    """
    found = []
    for number in range(minutes):
        instant = begin + number * MINUTE
        wall = instant.astimezone(where)
        shown = wall.replace(tzinfo=None)
        before = (instant - timedelta(hours=2)).astimezone(where).utcoffset()
        now = wall.utcoffset()
        assert before is not None
        assert now is not None
        skipped = shown - (now - before)
        left_out = now > before and not _exists(skipped, where)
        if (fires(shown) and (twice or wall.fold == 0)) or (
            left_out and not twice and fires(skipped)
        ):
            found.append(instant)
    return found


def _exists(shown: datetime, where: ZoneInfo) -> bool:
    back = shown.replace(tzinfo=where).astimezone(UTC).astimezone(where)
    return back.replace(tzinfo=None) == shown


@st.composite
def crons(draw: st.DrawFn) -> str:
    def item(low: int, high: int) -> str:
        kind = draw(st.sampled_from(["number", "span", "star", "step"]))
        if kind == "star":
            return "*"
        if kind == "step":
            return f"*/{draw(st.integers(1, high + 5))}"
        ends = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
        return str(ends[0]) if kind == "number" else f"{ends[0]}-{ends[1]}"

    def field(low: int, high: int) -> str:
        return ",".join(item(low, high) for _ in range(draw(st.integers(1, 2))))

    return " ".join(field(*bounds) for bounds in ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6)))


def slow_fields(expression: str) -> list[set[int]]:
    """The numbers of each field, by asking of each number whether an item takes it."""
    found = []
    for text, (low, high) in zip(
        expression.split(), ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6)), strict=True
    ):
        taken = set()
        for number in range(low, high + 1):
            for item in text.split(","):
                span, _, step = item.partition("/")
                start, _, end = span.partition("-")
                bottom = low if span == "*" else int(start)
                top = high if span == "*" else int(end or start)
                if bottom <= number <= top and (number - bottom) % int(step or 1) == 0:
                    taken.add(number)
        found.append(taken)
    return found


# A fortnight around each change of clocks in 2026 of some zone above, and one without.
BEGINS = st.sampled_from(
    [datetime(2026, m, d, tzinfo=UTC) for m, d in ((3, 7), (3, 28), (4, 3), (7, 1), (10, 3),
                                                   (10, 24), (10, 31))]
)  # fmt: skip


@given(crons(), st.sampled_from(ZONES), BEGINS, st.integers(0, 1439))
def test_cron_is_what_a_walk_over_every_minute_finds(
    expression: str, zone_name: str, begin: datetime, minute: int
) -> None:
    begin += minute * MINUTE
    where = ZoneInfo(zone_name)
    minutes, hours, _, _, weekdays = slow_fields(expression)

    def fires(shown: datetime) -> bool:
        return (
            shown.minute in minutes and shown.hour in hours and shown.isoweekday() % 7 in weekdays
        )

    slow = walked(where, begin, 2 * 1440, fires, twice=len(hours) == 24)
    trigger = at_cron(expression, zone_name)
    fast = []
    for instant in firings(trigger, begin - MINUTE):
        if instant >= begin + 2 * 1440 * MINUTE:
            break
        fast.append(instant)
    assert fast == slow


@given(
    st.sampled_from(["Day", "Week", "Month"]),
    st.integers(1, 3),
    st.lists(st.integers(0, 23), max_size=3),
    st.lists(st.integers(0, 59), max_size=3),
    st.lists(st.sampled_from(cron.DAYS), max_size=3),
    WALLS,
    st.sampled_from(ZONES),
)
def test_recurrence_is_what_a_walk_over_every_day_finds(
    frequency: str,
    interval: int,
    hours: list[int],
    minutes: list[int],
    days: list[str],
    start: datetime,
    zone_name: str,
) -> None:
    start, where = start.replace(microsecond=0), ZoneInfo(zone_name)
    days = [] if frequency == "Day" else days
    pattern = {"hours": hours, "minutes": minutes, "weekDays": days}
    trigger = every(
        frequency, interval, schedule=pattern, startTime=start.isoformat(), timeZone=zone_name
    )
    expected: set[datetime] = set()
    monday = start.date() - timedelta(days=start.weekday())
    for number in range(200):
        day = start.date() + timedelta(days=number)
        named = [cron.DAYS[day.isoweekday() % 7]]
        if frequency == "Day":
            fires = number % interval == 0
        elif frequency == "Week":
            in_week = (day - monday).days // 7 % interval == 0
            fires = in_week and (named[0] in days if days else day.weekday() == start.weekday())
        else:
            in_month = (day.month - start.month + 12 * (day.year - start.year)) % interval == 0
            fires = in_month and (named[0] in days if days else day.day == start.day)
        if not fires:
            continue
        plain = not hours and not minutes
        for hour in set(hours) or {start.hour}:
            for minute in set(minutes) or {start.minute}:
                at = datetime.combine(day, time(hour, minute))
                at += timedelta(seconds=start.second if plain else 0)
                expected |= set(instants(at, where))
    begin = next(iter(instants(start, where)))
    limit = begin + timedelta(days=190)
    found = []
    for instant in firings(trigger, begin - MINUTE):
        if instant > limit:
            break
        found.append(instant)
    assert found == sorted(at for at in expected if begin <= at <= limit)


@given(WALLS, st.integers(1, 100))
def test_periods_keep_step_from_the_start(moment: datetime, interval: int) -> None:
    found = every("Minute", interval).after(moment.replace(tzinfo=UTC))
    assert found is not None
    assert timedelta(0) < found - moment.replace(tzinfo=UTC) <= interval * MINUTE
    assert (found - MADE) % (interval * MINUTE) == timedelta(0)


def test_worked_crons() -> None:
    assert first(2, at_cron("15 16 * * 1")) == ["2026-01-05 16:15", "2026-01-12 16:15"]
    assert first(2, at_cron("0 9 * * Mon-Fri")) == ["2026-01-01 09:00", "2026-01-02 09:00"]
    assert first(1, at_cron("0 9 * * sunday")) == ["2026-01-04 09:00"]
    assert first(3, at_cron("50-59/5 23 * * *")) == [
        "2026-01-01 23:50", "2026-01-01 23:55", "2026-01-02 23:50",
    ]  # fmt: skip
    assert first(1, at_cron("0 0 * * 0", "Tokyo Standard Time")) == ["2026-01-03 15:00"]


def test_days_and_months_of_a_cron_expression_are_ignored_as_in_azure() -> None:
    monthly = at_cron("0 0 1 6 *")
    assert monthly.ignored
    assert first(2, monthly) == ["2026-01-02 00:00", "2026-01-03 00:00"]
    assert not at_cron("0 0 * * *").ignored


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *",
     "* * * * 7", "5-1 * * * *", "*/0 * * * *", "*/x * * * *", "a * * * *", "* * * * mo",
     "@daily", "1,,2 * * * *", "-1 * * * *", "* * L * *", "² * * * *", "* * * * Mon#2"],
)  # fmt: skip
def test_what_is_no_cron_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValidationError):
        at_cron(expression)


@given(st.text(alphabet="0123456789*/,-? MonLW#@²", max_size=30))
def test_any_text_is_a_cron_expression_or_refused(text: str) -> None:
    try:
        found = cron.parse(text)
    except ValidationError:
        return
    assert found.minutes
    assert found.hours
    assert found.weekdays


def test_a_night_that_loses_an_hour_still_runs_and_one_that_repeats_it_runs_once() -> None:
    berlin = "W. Europe Standard Time"
    spring = first(3, at_cron("30 2 * * *", berlin), datetime(2026, 3, 28, tzinfo=UTC))
    assert spring == ["2026-03-28 01:30", "2026-03-29 01:30", "2026-03-30 00:30"]
    autumn = first(3, at_cron("30 2 * * *", berlin), datetime(2026, 10, 24, tzinfo=UTC))
    assert autumn == ["2026-10-24 00:30", "2026-10-25 00:30", "2026-10-26 01:30"]


def test_what_runs_every_hour_goes_on_every_hour_when_clocks_change() -> None:
    for begin in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        found = list(islice(firings(at_cron("30 * * * *", "Europe/Berlin"), begin), 5))
        assert [b - a for a, b in pairwise(found)] == [timedelta(hours=1)] * 4


def test_a_day_that_a_zone_left_out() -> None:
    # Apia had no 30 December 2011.
    early = triggers.read(
        {"triggerType": "Cron", "expression": "0 8 * * *", "timeZone": "Pacific/Apia"},
        datetime(2011, 12, 29, tzinfo=UTC),
    )
    found = [f"{at:%d %H}" for at in islice(firings(early, early.start), 3)]
    assert found == ["29 18", "30 18", "31 18"]


def test_worked_recurrences() -> None:
    assert first(2, every("Day", schedule={"hours": [8, 16], "minutes": [30]})) == [
        "2026-01-01 08:30", "2026-01-01 16:30",
    ]  # fmt: skip
    fortnight = every("Week", 2, schedule={"hours": [9], "minutes": [0], "weekDays": ["Monday"]})
    assert first(2, fortnight) == ["2026-01-12 09:00", "2026-01-26 09:00"]
    saved = every("Day", schedule={"hours": [8], "minutes": []}, startTime="2026-01-01T05:17:00")
    assert first(2, saved) == ["2026-01-01 08:17", "2026-01-02 08:17"]


def test_the_31st_is_skipped_where_a_month_has_none() -> None:
    last = every("Month", startTime="2026-01-31T10:00:00")
    assert first(3, last) == ["2026-01-31 10:00", "2026-03-31 10:00", "2026-05-31 10:00"]
    both = every("Month", schedule={"hours": [6], "minutes": [0], "monthDays": [1, 30]})
    assert first(3, both) == ["2026-01-01 06:00", "2026-01-30 06:00", "2026-02-01 06:00"]
    never = every("Month", 12, schedule={"hours": [6], "minutes": [0], "monthDays": [30]},
                  startTime="2026-02-01T00:00:00")  # fmt: skip
    assert never.after(MADE) is None


def test_a_start_in_the_past_counts_from_there_and_runs_next() -> None:
    past = every("Day", 2, startTime="2017-09-07T14:00:00")
    assert first(2, past, datetime(2017, 9, 8, 13, tzinfo=UTC)) == [
        "2017-09-09 14:00", "2017-09-11 14:00",
    ]  # fmt: skip


def test_without_start_a_plain_interval_fires_when_it_is_made_and_a_pattern_waits() -> None:
    assert every("Hour", 3).after(MADE - MINUTE) == MADE
    assert every("Week").after(MADE - MINUTE) == MADE
    found = at_cron("30 * * * *").after(MADE - MINUTE)
    assert found == MADE + timedelta(minutes=30)


def test_start_and_end_are_in_the_zone_unless_they_say_otherwise() -> None:
    zoned = every("Day", startTime="2026-06-01 10:15:00", timeZone="Europe/Berlin",
                  endTime="2026-06-02T10:15:00")  # fmt: skip
    assert first(9, zoned) == ["2026-06-01 08:15", "2026-06-02 08:15"]
    offset = every("Day", startTime="2026-06-01T10:15:00-04:00", timeZone="Europe/Berlin")
    assert first(1, offset) == ["2026-06-01 14:15"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"triggerType": "Event"},
        {"triggerType": "Cron"},
        {"triggerType": "Cron", "expression": 5},
        {"triggerType": "Cron", "expression": "* * * * *", "timeZone": "Mars"},
        {"triggerType": "Cron", "expression": "* * * * *", "startTime": "soon"},
        {"triggerType": "Cron", "expression": "* * * * *", "startTime": "0001-01-01T00:00:00"},
        {"triggerType": "Cron", "expression": "* * * * *", "startTime": "9999-12-31T23:59:59"},
        {"triggerType": "Cron", "expression": "* * * * *", "endTime": "2025-01-01T00:00:00"},
        {"triggerType": "Recurrence", "frequency": "Second", "interval": 1},
        {"triggerType": "Recurrence", "frequency": "Day", "interval": 0},
        {"triggerType": "Recurrence", "frequency": "Day", "interval": True},
        {"triggerType": "Recurrence", "frequency": "Month", "interval": 17},
        {"triggerType": "Recurrence", "frequency": "Hour", "interval": 1,
         "schedule": {"hours": [], "minutes": [5]}},
        {"triggerType": "Recurrence", "frequency": "Day", "interval": 1,
         "schedule": {"hours": [24], "minutes": []}},
        {"triggerType": "Recurrence", "frequency": "Day", "interval": 1,
         "schedule": {"hours": [1], "minutes": [], "weekDays": ["Monday"]}},
        {"triggerType": "Recurrence", "frequency": "Week", "interval": 1,
         "schedule": {"hours": [1], "minutes": [], "monthDays": [1]}},
        {"triggerType": "Recurrence", "frequency": "Week", "interval": 1,
         "schedule": {"hours": 1, "minutes": []}},
        {"triggerType": "Recurrence", "frequency": "Week", "interval": 1,
         "schedule": {"weekDays": ["Mon"]}},
    ],
)  # fmt: skip
def test_triggers_that_cannot_be_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        triggers.read(given, MADE)


def test_what_azure_would_do_with_both_kinds_of_days_is_not_guessed() -> None:
    with pytest.raises(Unsupported):
        every("Month", schedule={"weekDays": ["Monday"], "monthDays": [1]})


def test_every_windows_zone_is_a_place_and_the_clients_are_all_there() -> None:
    from azure.ai.ml.constants import TimeZone

    assert {one.value for one in TimeZone} <= set(WINDOWS)
    for name, city in WINDOWS.items():
        assert zone(name.upper()).key == city
    assert zone("europe/berlin").key == "Europe/Berlin"
    assert zone(None).key == "UTC"
    on = datetime.combine(date(2026, 1, 15), datetime.min.time(), UTC)
    offsets = {name: on.astimezone(zone(name)).utcoffset() for name in WINDOWS}
    assert offsets["Line Islands Standard Time"] == timedelta(hours=14)
    assert offsets["Dateline Standard Time"] == -timedelta(hours=12)
    assert offsets["India Standard Time"] == timedelta(hours=5, minutes=30)
