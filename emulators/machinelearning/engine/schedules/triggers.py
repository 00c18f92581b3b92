"""Triggers as the wire states them, read into instants; refused where they cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.schedules import cron
from emulators.machinelearning.engine.schedules.beats import (
    Beat,
    Clocks,
    Periods,
    months,
    weekday,
    weeks,
)
from emulators.machinelearning.engine.schedules.zones import instants, zone
from emulators.machinelearning.errors import ValidationError

README = "emulators/machinelearning/README.md, schedules"
PERIODS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
LONGEST = {"minute": 72_000, "hour": 12_000, "day": 500, "week": 71, "month": 16}
"""Largest interval of each frequency. Source: learn.microsoft.com/azure/connectors/
connectors-native-recurrence: schedules are Logic Apps."""

INSTANT = timedelta(microseconds=1)
YEARS = (1970, 9000)  # of a start or an end


@dataclass(frozen=True)
class Trigger:
    """When a schedule fires."""

    start: datetime  # UTC; nothing fires before
    end: datetime | None  # UTC; nothing fires after
    beat: Beat
    ignored: bool = False  # a cron expression named days or months, which Azure takes for `*`

    def after(self, moment: datetime) -> datetime | None:
        """The first firing (UTC) later than `moment`; None when none will come."""
        found = self.beat.after(max(moment, self.start - INSTANT))
        return None if found is None or (self.end is not None and found > self.end) else found


def read(given: Any, made: datetime) -> Trigger:
    """Read a trigger.

    Args:
        made: when the schedule was made (UTC): its start where none is given.

    Raises:
        ValidationError: it cannot be as it is stated.
        Unsupported: Azure's answer to it is not known.

    Source: learn.microsoft.com/azure/machine-learning/how-to-schedule-pipeline-job.
    """
    if not isinstance(given, Mapping):
        raise ValidationError("A schedule needs a trigger.", target="trigger")
    where = zone(_text(given, "timeZone"))
    start = _instant(given, "startTime", where) or made
    end = _instant(given, "endTime", where)
    if end is not None and end <= start:
        raise ValidationError("The endTime must be after the startTime.", target="endTime")
    kind = str(given.get("triggerType", "")).lower()
    if kind == "cron":
        found = cron.parse(_text(given, "expression") or "")
        times = _times(found.hours, found.minutes)
        beat = Clocks(where, times, lambda day: weekday(day) in found.weekdays)
        return Trigger(start, end, beat, found.ignored)
    if kind == "recurrence":
        return Trigger(start, end, _recurrence(given, start, where))
    raise ValidationError(
        f"The triggerType '{given.get('triggerType')}' is not known.", target="triggerType"
    )


def _recurrence(given: Mapping[str, Any], start: datetime, where: ZoneInfo) -> Beat:
    frequency = str(given.get("frequency", "")).lower()
    longest = LONGEST.get(frequency)
    if longest is None:
        raise ValidationError(
            f"The frequency '{given.get('frequency')}' is not known: one of Minute, Hour, Day,"
            " Week, Month.",
            target="frequency",
        )
    every = given.get("interval")
    if not isinstance(every, int) or isinstance(every, bool) or not 1 <= every <= longest:
        raise ValidationError(
            f"The interval of the frequency {frequency} must be 1 to {longest}.", target="interval"
        )
    pattern = _pattern(given.get("schedule"))
    if frequency in PERIODS:
        if any(pattern.values()):
            raise ValidationError(
                f"A schedule of hours, minutes or days cannot be given with the frequency"
                f" {frequency}.",
                target="schedule",
            )
        return Periods(start, every * PERIODS[frequency])
    return _of_days(frequency, every, pattern, start.astimezone(where))


def _of_days(
    frequency: str, every: int, pattern: Mapping[str, list[int]], start: datetime
) -> Clocks:
    """Some days at some times; what the pattern leaves open is as at the start.

    Source: learn.microsoft.com/azure/logic-apps/
    concepts-schedule-automated-recurring-tasks-workflows (hours and minutes of the first run).
    Assumed: weeks begin on Monday where the interval skips some.
    """
    first, weekdays, monthdays = start.date(), pattern["weekDays"], pattern["monthDays"]
    if frequency == "day" and (weekdays or monthdays):
        raise ValidationError(
            "Days can be given with the frequencies Week and Month only.", target="schedule"
        )
    if frequency == "week" and monthdays:
        raise ValidationError(
            "monthDays can be given with the frequency Month only.", target="schedule"
        )
    if weekdays and monthdays:
        raise Unsupported("schedules with both weekDays and monthDays", tracked=README)

    def on(day: date) -> bool:
        if frequency == "day":
            return (day - first).days % every == 0
        if frequency == "week":
            return (weeks(day) - weeks(first)) % every == 0 and (
                weekday(day) in (weekdays or [weekday(first)])
            )
        return (months(day) - months(first)) % every == 0 and (
            weekday(day) in weekdays if weekdays else day.day in (monthdays or [first.day])
        )

    if not pattern["hours"] and not pattern["minutes"]:
        times: tuple[time, ...] = (start.time(),)
    else:
        times = _times(pattern["hours"] or [start.hour], pattern["minutes"] or [start.minute])
    zone_of = start.tzinfo
    assert isinstance(zone_of, ZoneInfo)
    return Clocks(zone_of, times, on)


def _times(hours: Iterable[int], minutes: Iterable[int]) -> tuple[time, ...]:
    return tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))


def _pattern(given: Any) -> dict[str, list[int]]:
    if not isinstance(given, Mapping | None):
        raise ValidationError("The schedule of a recurrence must be an object.", target="schedule")
    values = given or {}
    names = {name: number for number, name in enumerate(cron.DAYS)}
    days = [names.get(str(day).lower(), -1) for day in _list(values, "weekDays")]
    if -1 in days:
        raise ValidationError("weekDays must name days of the week.", target="weekDays")
    return {
        "hours": _numbers(values, "hours", 0, 23),
        "minutes": _numbers(values, "minutes", 0, 59),
        "monthDays": _numbers(values, "monthDays", 1, 31),
        "weekDays": days,
    }


def _numbers(values: Mapping[str, Any], name: str, low: int, high: int) -> list[int]:
    found = _list(values, name)
    if not all(isinstance(n, int) and not isinstance(n, bool) and low <= n <= high for n in found):
        raise ValidationError(f"{name} must be whole numbers, {low} to {high}.", target=name)
    return sorted(set(found))


def _list(values: Mapping[str, Any], name: str) -> list[Any]:
    found = values.get(name)
    if not isinstance(found, list | None):
        raise ValidationError(f"{name} must be a list.", target=name)
    return found or []


def _text(given: Mapping[str, Any], name: str) -> str | None:
    found = given.get(name)
    if not isinstance(found, str | None):
        raise ValidationError(f"The field '{name}' must be text.", target=name)
    return found


def _instant(given: Mapping[str, Any], name: str, where: ZoneInfo) -> datetime | None:
    """A time of the trigger: in its zone, unless an offset is written with it."""
    text = _text(given, name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        if not YEARS[0] <= found.year <= YEARS[1]:
            raise ValueError
        if found.tzinfo is None:
            return next(iter(instants(found, where)))
        return found.astimezone(UTC)
    except ValueError:
        raise ValidationError(
            f"The {name} '{text[:60]}' is no time such as 2026-06-01T00:00:01.", target=name
        ) from None
