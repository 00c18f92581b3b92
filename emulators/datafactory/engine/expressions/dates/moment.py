"""A point in time as .NET's DateTime has it: ticks since year 1 and what zone they are meant in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum

SECOND = 10_000_000  # ticks of 100 ns
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
LAST_TICK = date.max.toordinal() * DAY - 1


class Kind(Enum):
    """LOCAL is the host's zone, which is UTC here as it is in the service."""

    UNSPECIFIED = 0
    UTC = 1
    LOCAL = 2


class OutOfRange(ValueError):
    """A date before year 1 or after 9999."""


@dataclass(frozen=True, slots=True)
class Moment:
    """`ticks` counts 100 ns from 0001-01-01."""

    ticks: int
    kind: Kind

    def __post_init__(self) -> None:
        if not 0 <= self.ticks <= LAST_TICK:
            raise OutOfRange(str(self.ticks))

    @property
    def date(self) -> date:
        return date.fromordinal(self.ticks // DAY + 1)

    def plus(self, ticks: int) -> Moment:
        """Later by so many ticks.

        Raises:
            OutOfRange: beyond year 1 or 9999.
        """
        return Moment(self.ticks + ticks, self.kind)

    def plus_months(self, count: int) -> Moment:
        """Later by so many months, on the month's last day when the day does not exist.

        Raises:
            OutOfRange: beyond year 1 or 9999.
        """
        day = self.date
        months = day.year * 12 + day.month - 1 + count
        year, month = months // 12, months % 12 + 1
        if not 1 <= year <= 9999:
            raise OutOfRange(str(year))
        moved = ordinal(year, month, min(day.day, days_in_month(year, month)))
        return Moment((moved - 1) * DAY + self.ticks % DAY, self.kind)


def days_in_month(year: int, month: int) -> int:
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 29 if leap else 28
    return 30 if month in (4, 6, 9, 11) else 31


def ordinal(year: int, month: int, day: int) -> int:
    """Days since the day before 0001-01-01.

    Raises:
        OutOfRange: no such day.
    """
    try:
        return date(year, month, day).toordinal()
    except ValueError as error:
        raise OutOfRange(str(error)) from None


def of_datetime(value: datetime) -> Moment:
    """An aware datetime as a UTC moment."""
    value = value.astimezone(UTC)
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    ticks = (value.toordinal() - 1) * DAY + seconds * SECOND + value.microsecond * 10
    return Moment(ticks, Kind.UTC)
