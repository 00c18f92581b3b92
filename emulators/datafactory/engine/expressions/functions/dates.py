"""Date functions: text in, text out, formatted as `o` unless a format is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulators.datafactory.engine.expressions.calls import (
    Functions,
    integer_argument,
    text_argument,
    wrong_value,
)
from emulators.datafactory.engine.expressions.dates.formats import BadFormat, format_moment
from emulators.datafactory.engine.expressions.dates.moment import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Kind,
    Moment,
    OutOfRange,
    of_datetime,
)
from emulators.datafactory.engine.expressions.dates.parsing import BadDate, parse_moment
from emulators.datafactory.engine.expressions.dates.zones import (
    NoSuchWallTime,
    UnknownZone,
    find_zone,
    from_wall,
    is_utc,
    to_wall,
)
from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.scope import Scope
from emulators.datafactory.engine.expressions.values import to_int32

TABLE = Functions()
_LOCALES = ("", "en", "en-us")
_FIXED = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY}
_MONTHS = {"month": 1, "year": 12}


def moment(name: str, scope: Scope, value: Any) -> Moment:
    """The first argument as a moment.

    Raises:
        ExpressionError: `argument_type`, `argument_value`.
    """
    text_argument(name, 1, value)

    def today() -> tuple[int, int, int]:
        day = of_datetime(scope.now()).date
        return day.year, day.month, day.day

    try:
        return parse_moment(value, today)
    except BadDate:
        raise ExpressionError(
            "argument_value",
            f"In function '{name}', the value provided for date time string '{value}' was not"
            " valid. The datetime string must match ISO 8601 format.",
        ) from None


def _texts(name: str, first: int, values: tuple[Any, ...]) -> None:
    for place, value in enumerate(values, first):
        text_argument(name, place, value)


def show(name: str, value: Moment, place: int, form: tuple[Any, ...]) -> str:
    """A moment in the optional format of argument `place`, and the optional locale after it.

    Raises:
        ExpressionError: `argument_type`, `argument_value`.
    """
    pattern = text_argument(name, place, form[0]) if form else "o"
    if len(form) > 1 and text_argument(name, place + 1, form[1]).lower() not in _LOCALES:
        raise wrong_value(name, f"Dates are only written in en-US here, not in '{form[1]}'.")
    try:
        return format_moment(value, pattern)
    except BadFormat:
        raise wrong_value(name, f"The format '{pattern}' is not valid.") from None


def moved(name: str, value: Moment, count: int, unit: str) -> Moment:
    """A moment moved by whole units.

    Raises:
        ExpressionError: `argument_value`, an unknown unit or beyond year 1 or 9999.
    """
    try:
        if months := _MONTHS.get(unit.lower()):
            return value.plus_months(count * months)
        return value.plus(count * _FIXED[unit.lower()])
    except KeyError:
        units = "Second, Minute, Hour, Day, Week, Month, Year"
        raise wrong_value(name, f"The time unit '{unit}' is not one of {units}.") from None
    except OutOfRange:
        raise wrong_value(name, "The date leaves the years 1 to 9999.") from None


def _adder(name: str, unit: str) -> None:
    @TABLE.add(name, 2, 3, scoped=True)
    def add(scope: Scope, value: Any, count: Any, *form: Any) -> str:
        text_argument(name, 1, value)
        integer_argument(name, 2, count)
        start = moment(name, scope, value)
        _texts(name, 3, form)
        return show(name, moved(name, start, count, unit), 3, form)


for _name in ("Days", "Hours", "Minutes", "Seconds"):
    _adder(f"add{_name}", _name[:-1])


def _shifter(name: str, direction: int) -> None:
    @TABLE.add(name, 3, 4, scoped=True)
    def shift(scope: Scope, value: Any, count: Any, unit: Any, *form: Any) -> str:
        text_argument(name, 1, value)
        integer_argument(name, 2, count)
        _texts(name, 3, (unit, *form))
        start = moment(name, scope, value)
        return show(name, moved(name, start, to_int32(count) * direction, unit), 4, form)


_shifter("addToTime", 1)
_shifter("subtractFromTime", -1)


def _from_now(name: str, direction: int) -> None:
    @TABLE.add(name, 2, 3, scoped=True)
    def shift(scope: Scope, count: Any, unit: Any, *form: Any) -> str:
        integer_argument(name, 1, count)
        _texts(name, 2, (unit, *form))
        start = of_datetime(scope.now())
        return show(name, moved(name, start, to_int32(count) * direction, unit), 3, form)


_from_now("getFutureTime", 1)
_from_now("getPastTime", -1)


@TABLE.add("utcNow", 0, 1, scoped=True)
def utc_now(scope: Scope, *form: Any) -> str:
    return show("utcNow", of_datetime(scope.now()), 1, form)


@TABLE.add("formatDateTime", 1, 3, scoped=True)
def format_date_time(scope: Scope, value: Any, *form: Any) -> str:
    return show("formatDateTime", moment("formatDateTime", scope, value), 2, form)


def _starter(name: str, start: Callable[[Moment], int]) -> None:
    @TABLE.add(name, 1, 2, scoped=True)
    def begin(scope: Scope, value: Any, *form: Any) -> str:
        at = moment(name, scope, value)
        return show(name, Moment(start(at), at.kind), 2, form)


_starter("startOfHour", lambda at: at.ticks - at.ticks % HOUR)
_starter("startOfDay", lambda at: at.ticks - at.ticks % DAY)
_starter("startOfMonth", lambda at: at.ticks - at.ticks % DAY - (at.date.day - 1) * DAY)


def _part(name: str, take: Callable[[Moment], int]) -> None:
    @TABLE.add(name, 1, scoped=True)
    def part(scope: Scope, value: Any) -> int:
        return take(moment(name, scope, value))


_part("dayOfWeek", lambda at: at.date.isoweekday() % 7)
_part("dayOfMonth", lambda at: at.date.day)
_part("dayOfYear", lambda at: at.date.timetuple().tm_yday)
_part("ticks", lambda at: at.ticks)


@TABLE.add("convertFromUtc", 2, 3, scoped=True)
def convert_from_utc(scope: Scope, value: Any, zone: Any, *form: Any) -> str:
    _texts("convertFromUtc", 1, (value, zone, *form))
    at = moment("convertFromUtc", scope, value)
    if at.kind is not Kind.UTC:
        raise wrong_value(
            "convertFromUtc", "The time has to say that it is UTC, by a Z at its end."
        )
    return show("convertFromUtc", _convert("convertFromUtc", at, "UTC", zone), 3, form)


@TABLE.add("convertToUtc", 2, 3, scoped=True)
def convert_to_utc(scope: Scope, value: Any, zone: Any, *form: Any) -> str:
    _texts("convertToUtc", 1, (value, zone, *form))
    at = moment("convertToUtc", scope, value)
    if at.kind is Kind.LOCAL or (at.kind is Kind.UTC and not is_utc(_zone("convertToUtc", zone))):
        raise wrong_value("convertToUtc", f"The time says itself that it is not one of '{zone}'.")
    return show("convertToUtc", _convert("convertToUtc", at, zone, "UTC"), 3, form)


@TABLE.add("convertTimeZone", 3, 4, scoped=True)
def convert_time_zone(scope: Scope, value: Any, source: Any, target: Any, *form: Any) -> str:
    _texts("convertTimeZone", 1, (value, source, target, *form))
    at = moment("convertTimeZone", scope, value)
    return show("convertTimeZone", _convert("convertTimeZone", at, source, target), 4, form)


def _zone(name: str, zone: str) -> Any:
    try:
        return find_zone(zone)
    except UnknownZone:
        raise wrong_value(name, f"The time zone id '{zone}' is not valid.") from None


def _convert(name: str, at: Moment, source: str, target: str) -> Moment:
    """A time of `source`, or of UTC when it says so itself, as the clocks of `target` show it."""
    from_zone, to_zone = _zone(name, source), _zone(name, target)
    try:
        utc = at if at.kind is not Kind.UNSPECIFIED else from_wall(at.ticks, from_zone)
        return to_wall(utc.ticks, to_zone)
    except NoSuchWallTime:
        raise wrong_value(
            name, f"The clocks of '{source}' skip that time or show it twice."
        ) from None
    except OutOfRange:
        raise wrong_value(name, "The date leaves the years 1 to 9999.") from None
