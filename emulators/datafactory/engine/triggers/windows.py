"""The windows of a tumbling window trigger, and those that a window depends on. Pure.

Source: learn.microsoft.com/azure/data-factory/how-to-create-tumbling-window-trigger and
tumbling-window-trigger-dependency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from emulators.datafactory.engine.triggers.times import add_months

WIDEST = 100_000
"""Windows that one dependency may reach over."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Windows without gaps from `start` on; those that end after `end` are none."""

    frequency: str  # minute, hour or month
    interval: int
    start: datetime  # UTC
    end: datetime | None = None

    def edge(self, number: int) -> datetime:
        """Where window `number` begins, and the one before ends."""
        if self.frequency == "month":
            return add_months(self.start, number * self.interval)
        unit = timedelta(minutes=1) if self.frequency == "minute" else timedelta(hours=1)
        return self.start + number * self.interval * unit

    def number_at(self, moment: datetime) -> int:
        """The number of the window that `moment` is in; below 0 before the first."""
        if self.frequency == "month":
            months = (moment.year - self.start.year) * 12 + moment.month - self.start.month
            number = months // self.interval
            while self.edge(number) > moment:
                number -= 1
            while self.edge(number + 1) <= moment:
                number += 1
            return number
        return (moment - self.start) // (self.edge(1) - self.start)

    def is_there(self, number: int) -> bool:
        """Whether there is such a window."""
        return number >= 0 and (self.end is None or self.edge(number + 1) <= self.end)

    def within(self, start: datetime, end: datetime) -> Iterator[int]:
        """The windows that share time with [start, end), oldest first."""
        number = max(0, self.number_at(start))
        last = number + WIDEST
        while number < last and self.is_there(number) and self.edge(number) < end:
            yield number
            number += 1


@dataclass(frozen=True, slots=True)
class Dependency:
    """What must have succeeded before a window runs: windows of another trigger, or earlier own.

    `trigger` is None for the trigger itself; `size` None is the size of the window.
    """

    trigger: str | None
    offset: timedelta = timedelta()
    size: timedelta | None = None

    def range_of(self, start: datetime, end: datetime) -> tuple[datetime, datetime]:
        """The time that a window from `start` to `end` depends on."""
        begun = start + self.offset
        return begun, begun + (self.size if self.size is not None else end - start)
