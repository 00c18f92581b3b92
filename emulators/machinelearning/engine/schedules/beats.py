"""The instants of a recurrence: by periods of time, or by the clocks of a zone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from emulators.machinelearning.engine.schedules.zones import instants

HORIZON_DAYS = 366 * 9
"""The rarest date there is: the 29th of February, around the year 2100."""

EVERY_HOUR = 24


class Beat(Protocol):
    """What fires again and again."""

    def after(self, moment: datetime) -> datetime | None:
        """The first instant (UTC) later than `moment`; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Periods:
    """Every so much time from a first instant on; clocks that change do not matter."""

    first: datetime  # UTC
    step: timedelta

    def after(self, moment: datetime) -> datetime:
        """The first instant (UTC) later than `moment`."""
        if moment < self.first:
            return self.first
        return self.first + ((moment - self.first) // self.step + 1) * self.step


@dataclass(frozen=True)
class Clocks:
    """Some times of some days, as a zone's clocks show them."""

    zone: ZoneInfo
    times: tuple[time, ...]
    on: Callable[[date], bool]
    _days: dict[date, tuple[datetime, ...]] = field(default_factory=dict, compare=False)

    def after(self, moment: datetime) -> datetime | None:
        """The first instant (UTC) later than `moment`; None when there is none for years."""
        day = moment.astimezone(self.zone).date() - timedelta(days=2)
        for _ in range(HORIZON_DAYS):
            # A day that clocks left out runs later than it is, so the next one is looked at, too.
            near = (*self._of(day), *self._of(day + timedelta(days=1)))
            later = [instant for instant in near if instant > moment]
            if later:
                return min(later)
            day += timedelta(days=1)
        return None

    def _of(self, day: date) -> tuple[datetime, ...]:
        if not self.on(day):
            return ()
        if day not in self._days:
            if len(self._days) > 8:
                self._days.clear()
            twice = len({at.hour for at in self.times}) == EVERY_HOUR
            self._days[day] = tuple(
                instant
                for at in self.times
                for instant in instants(datetime.combine(day, at), self.zone, twice=twice)
            )
        return self._days[day]


def weekday(day: date) -> int:
    """0 for Sunday to 6 for Saturday."""
    return day.isoweekday() % 7


def months(day: date) -> int:
    """Months since the year 0, to count intervals of months."""
    return day.year * 12 + day.month


def weeks(day: date) -> int:
    """Weeks that begin on Monday, to count intervals of weeks."""
    return (day.toordinal() - 1) // 7
