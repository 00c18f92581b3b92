"""Time zones by Windows name, and the conversions between wall time and UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from emulators.datafactory.engine.expressions.dates.moment import (
    DAY,
    LAST_TICK,
    SECOND,
    Kind,
    Moment,
)


class UnknownZone(ValueError):
    """A name that is no time zone."""


class NoSuchWallTime(ValueError):
    """A wall time that the clocks of the zone skip, or show twice."""


@lru_cache(maxsize=256)
def find_zone(name: str) -> ZoneInfo:
    """A zone by Windows name, in any case; IANA names work as well.

    Raises:
        UnknownZone: there is none of that name.
    """
    if found := _windows().get(name.lower()):
        return ZoneInfo(found)
    known = _cities().get(name.lower())
    if known is None:
        raise UnknownZone(name)
    return ZoneInfo(known)


@lru_cache(maxsize=1)
def _windows() -> dict[str, str]:
    from tzlocal.windows_tz import win_tz

    return {windows.lower(): iana for windows, iana in win_tz.items()}


@lru_cache(maxsize=1)
def _cities() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


def is_utc(zone: ZoneInfo) -> bool:
    return zone.key in ("Etc/UTC", "UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu")


def to_wall(ticks: int, zone: ZoneInfo) -> Moment:
    """What the clocks of a zone show at a UTC time; the first or last there is, beyond them."""
    if is_utc(zone):
        return Moment(ticks, Kind.UTC)
    return Moment(_bounded(ticks + _offset(_aware(ticks, UTC).astimezone(zone))), Kind.UNSPECIFIED)


def _bounded(ticks: int) -> int:
    return min(max(ticks, 0), LAST_TICK)


def from_wall(ticks: int, zone: ZoneInfo) -> Moment:
    """The UTC time at which the clocks of a zone show a wall time.

    Raises:
        NoSuchWallTime: they skip it or show it twice.
    """
    wall = _aware(ticks, zone)
    early, late = _offset(wall), _offset(wall.replace(fold=1))
    if early != late:
        raise NoSuchWallTime(str(wall))
    return Moment(_bounded(ticks - early), Kind.UTC)


def _aware(ticks: int, zone: ZoneInfo | timezone) -> datetime:
    # Zone rules never depend on less than a second. The extreme days would overflow in a zone.
    whole = max(min(ticks // SECOND, 315_537_811_199), 2 * DAY // SECOND)
    return datetime(1, 1, 1, tzinfo=zone) + timedelta(seconds=whole)


def _offset(wall: datetime) -> int:
    offset = wall.utcoffset()
    return int(offset.total_seconds()) * SECOND if offset else 0
