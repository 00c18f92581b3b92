"""When a schedule trigger fires: its recurrence read, and the instants that follow. Pure.

Source: learn.microsoft.com/azure/data-factory/how-to-create-schedule-trigger (schema, startTime,
schedule examples) and concepts-pipeline-execution-triggers.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from emulators.datafactory.engine.expressions.dates.zones import UnknownZone, find_zone
from emulators.datafactory.engine.triggers.times import add_months, instant, on_clocks

UTC_ZONE = ZoneInfo("UTC")
FREQUENCIES = ("minute", "hour", "day", "week", "month", "year")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SEARCHED = {"minute": 20_000, "hour": 9_000, "day": 1_000, "week": 10, "month": 500, "year": 500}
"""Periods looked through for one that is not empty; an emptier recurrence never fires."""


class BadRecurrence(ValueError):
    """A recurrence that means nothing; `field` is where."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A recurrence, read. Instants are UTC; what a schedule says is by the clocks of `zone`."""

    frequency: str
    interval: int
    start: datetime
    end: datetime | None = None
    zone: ZoneInfo = UTC_ZONE
    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()  # 0 is Monday
    month_days: tuple[int, ...] = ()  # -1 is the last one
    occurrences: tuple[tuple[int, int | None], ...] = ()  # weekday, which one; None is every one

    def after(self, moment: datetime) -> datetime | None:
        """The first firing later than `moment`; None when there is none."""
        floor = max(moment, self.start - timedelta(microseconds=1))
        if self.end is not None and floor >= self.end:
            return None
        first = max(0, self._period(floor) - 1)
        for number in range(first, first + SEARCHED[self.frequency]):
            # What clocks move may come later than the first of the next period.
            near = (*self._firings(number), *self._firings(number + 1))
            later = [one for one in near if one > floor]
            if later:
                found = min(later)
                return found if self.end is None or found <= self.end else None
        return None

    @property
    def _wall(self) -> datetime:
        """The start as clocks of the zone show it."""
        return self.start.astimezone(self.zone).replace(tzinfo=None)

    def _period(self, moment: datetime) -> int:
        """The number of the period that `moment` is in, or that of the one before or after."""
        if self.frequency in ("minute", "hour"):
            return (moment - self.start) // self._step
        wall, begun = moment.astimezone(self.zone).date(), self._wall.date()
        if self.frequency in ("day", "week"):
            each = self.interval * (1 if self.frequency == "day" else 7)
            return (wall - begun).days // each
        months = (wall.year - begun.year) * 12 + wall.month - begun.month
        return months // (self.interval * (1 if self.frequency == "month" else 12))

    @property
    def _step(self) -> timedelta:
        one = timedelta(minutes=1) if self.frequency == "minute" else timedelta(hours=1)
        return one * self.interval

    def _firings(self, number: int) -> Iterable[datetime]:
        """The firings of one period, counted from that of the start."""
        try:
            if self.frequency == "minute":
                found = self._of_minute(self.start + number * self._step)
            elif self.frequency == "hour":
                found = self._of_hour(self.start + number * self._step)
            else:
                days = self._days(number)
                found = {one for day in days for one in self._of_day(day)}
        except (OverflowError, ValueError):  # after the year 9999
            return ()
        return sorted(one for one in found if one >= self.start)

    def _of_minute(self, at: datetime) -> set[datetime]:
        wall = at.astimezone(self.zone)
        fits = (not self.hours or wall.hour in self.hours) and (
            not self.minutes or wall.minute in self.minutes
        )
        return {at} if fits else set()

    def _of_hour(self, at: datetime) -> set[datetime]:
        """Hours follow each other evenly, whatever clocks do; minutes are those of the clock."""
        wall = at.astimezone(self.zone)
        if self.hours and wall.hour not in self.hours:
            return set()
        if not self.minutes:
            return {at}
        top = at - timedelta(
            minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond
        )
        return {top + timedelta(minutes=minute) for minute in self.minutes}

    def _of_day(self, day: date) -> set[datetime]:
        times, every_hour = self._times()
        return {
            one
            for at in times
            for one in on_clocks(datetime.combine(day, at), self.zone, twice=every_hour)
        }

    def _times(self) -> tuple[list[time], bool]:
        """The times of a day, and whether they are those of every hour.

        Minutes alone mean every hour; hours alone are at the minute of the start.
        """
        start = self._wall.time()
        if not self.minutes and not self.hours:
            return [start], False
        hours = self.hours or tuple(range(24))
        if self.minutes:
            times = [time(hour, minute) for hour in hours for minute in self.minutes]
        else:
            times = [start.replace(hour=hour) for hour in hours]
        return times, len(set(hours)) == 24

    def _days(self, number: int) -> Iterable[date]:
        begun = self._wall
        if self.frequency == "day":
            return [begun.date() + timedelta(days=number * self.interval)]
        if self.frequency == "week":
            # Assumed: weeks are counted from Monday; the pages do not say.
            monday = begun.date() - timedelta(days=begun.weekday())
            monday += timedelta(weeks=number * self.interval)
            wanted = self.weekdays or (begun.weekday(),)
            return [monday + timedelta(days=day) for day in wanted]
        if self.frequency == "year":
            return [add_months(begun, 12 * number * self.interval).date()]
        month = add_months(begun.replace(day=1), number * self.interval).date()
        if self.month_days or self.occurrences:
            return [*self._of_month_days(month), *self._of_occurrences(month)]
        # Assumed: a month that is too short has its last day instead.
        return [add_months(begun, number * self.interval).date()]

    def _of_month_days(self, month: date) -> Iterable[date]:
        length = calendar.monthrange(month.year, month.month)[1]
        for day in self.month_days:
            actual = day if day > 0 else length + 1 + day
            if 1 <= actual <= length:
                yield month.replace(day=actual)

    def _of_occurrences(self, month: date) -> Iterable[date]:
        length = calendar.monthrange(month.year, month.month)[1]
        for weekday, which in self.occurrences:
            first = 1 + (weekday - month.weekday()) % 7
            days = list(range(first, length + 1, 7))
            if which is None:
                yield from (month.replace(day=day) for day in days)
            elif -len(days) <= which <= len(days):
                yield month.replace(day=days[which - 1 if which > 0 else which])


def read(given: object, default_start: datetime) -> Recurrence:
    """Read a recurrence as a trigger has it; without a start it begins at `default_start`.

    Raises:
        BadRecurrence: it means nothing.
    """
    if not isinstance(given, Mapping):
        raise BadRecurrence("A schedule trigger needs a recurrence.", "recurrence")
    frequency = str(given.get("frequency", "")).lower()
    if frequency not in FREQUENCIES:
        raise BadRecurrence(
            f"The frequency '{given.get('frequency')}' is not known: one of Minute, Hour, Day,"
            " Week, Month and Year.",
            "recurrence.frequency",
        )
    interval = given.get("interval")
    interval = 1 if interval is None else interval
    if isinstance(interval, bool) or not isinstance(interval, int) or not 1 <= interval <= 1000:
        raise BadRecurrence(
            f"The interval '{interval}' is no whole number from 1 to 1000.", "recurrence.interval"
        )
    zone = _zone(given.get("timeZone"))
    start = _instant(given.get("startTime"), zone, "startTime") or default_start
    schedule = given.get("schedule")
    if schedule is not None and not isinstance(schedule, Mapping):
        raise BadRecurrence("The schedule is no object.", "recurrence.schedule")
    return Recurrence(
        frequency,
        interval,
        start.astimezone(UTC),
        _instant(given.get("endTime"), zone, "endTime"),
        zone,
        **_schedule(schedule or {}, frequency),
    )


def _zone(name: object) -> ZoneInfo:
    try:
        return find_zone(str(name or "UTC"))
    except UnknownZone:
        raise BadRecurrence(
            f"The time zone '{str(name)[:80]}' is not known. Give a name of Windows such as"
            " 'W. Europe Standard Time'.",
            "recurrence.timeZone",
        ) from None


def _instant(text: object, zone: ZoneInfo, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        return instant(text, zone)
    except (ValueError, OverflowError):
        raise BadRecurrence(
            f"The {name} '{text}' is no date and time.", f"recurrence.{name}"
        ) from (None)


def _schedule(given: Mapping[str, Any], frequency: str) -> dict[str, Any]:
    """The parts of a schedule that the frequency allows."""
    allowed = {"weekDays": "week", "monthDays": "month", "monthlyOccurrences": "month"}
    for name, only in allowed.items():
        if given.get(name) and frequency != only:
            raise BadRecurrence(
                f"The schedule has {name}, which only the frequency {only.capitalize()} may have.",
                f"recurrence.schedule.{name}",
            )
    days = _list(given, "monthDays")
    if not all(_whole(one) and one and -31 <= one <= 31 for one in days):
        raise _unfit("monthDays", "from 1 to 31, or from -1 to -31")
    return {
        "minutes": _numbers(given, "minutes", 59),
        "hours": _numbers(given, "hours", 23),
        "weekdays": tuple(sorted({_weekday(one, "weekDays") for one in _list(given, "weekDays")})),
        "month_days": tuple(days),
        "occurrences": tuple(_occurrence(one) for one in _list(given, "monthlyOccurrences")),
    }


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    found = given.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise _unfit(name, "in an array")
    return found


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _numbers(given: Mapping[str, Any], name: str, most: int) -> tuple[int, ...]:
    found = _list(given, name)
    if not all(_whole(one) and 0 <= one <= most for one in found):
        raise _unfit(name, f"from 0 to {most}")
    return tuple(sorted(set(found)))


def _weekday(name: object, field: str) -> int:
    if str(name).lower() not in DAYS:
        raise _unfit(field, "names of days, such as Monday")
    return DAYS.index(str(name).lower())


def _occurrence(given: object) -> tuple[int, int | None]:
    if not isinstance(given, Mapping):
        raise _unfit("monthlyOccurrences", "objects with a day and an occurrence")
    which = given.get("occurrence")
    if which is not None and not (_whole(which) and which and -5 <= which <= 5):
        raise _unfit("monthlyOccurrences", "with an occurrence from 1 to 5, or from -1 to -5")
    return _weekday(given.get("day"), "monthlyOccurrences"), which


def _unfit(name: str, what: str) -> BadRecurrence:
    return BadRecurrence(f"{name} of a schedule must be {what}.", f"recurrence.schedule.{name}")
