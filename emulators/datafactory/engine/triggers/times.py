"""Instants and spans as triggers write them, and months to add. Pure."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_FRACTION = re.compile(r"(\.\d{6})\d+")
_SPAN = re.compile(
    r"(?P<sign>-?)(?:(?P<days>\d+)\.)?(?P<h>\d{1,2}):(?P<m>\d{1,2}):(?P<s>\d{1,2})\Z"
)


def instant(text: object, zone: ZoneInfo) -> datetime:
    """A point in time (UTC); without an offset it is what the clocks of `zone` show.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str) or "T" not in text.upper():
        raise ValueError(f"'{text}' is no date and time")
    found = datetime.fromisoformat(_FRACTION.sub(r"\1", text.strip().upper()))
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def span(text: object) -> timedelta:
    """A span such as `-1.00:30:00` (days, hours, minutes, seconds).

    Raises:
        ValueError: it is none.
    """
    found = _SPAN.match(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"'{text}' is no span of time")
    hours, minutes, seconds = int(found["h"]), int(found["m"]), int(found["s"])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"'{text}' is no span of time")
    length = timedelta(days=int(found["days"] or 0), hours=hours, minutes=minutes, seconds=seconds)
    return -length if found["sign"] else length


def add_months(moment: datetime, months: int) -> datetime:
    """So many months later, on the last day of a month that is too short."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def written(moment: datetime) -> str:
    """An instant as trigger() and the service write it: seven digits of a second's fraction."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def on_clocks(wall: datetime, zone: ZoneInfo, *, twice: bool = False) -> tuple[datetime, ...]:
    """The instants (UTC) at which the clocks of a zone show a wall time (naive).

    A time that clocks leave out comes as much later as they jump; one that they show twice counts
    the first time. With `twice`, which is for what happens every hour, the one counts not at all
    and the other both times.
    """
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        return () if twice else (first,)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return (first, second) if twice and second != first else (first,)
