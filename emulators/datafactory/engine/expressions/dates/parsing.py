"""Text to moments, as lenient as .NET's DateTime.Parse is for en-US."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from emulators.datafactory.engine.expressions.dates.formats import DAYS, MONTHS
from emulators.datafactory.engine.expressions.dates.moment import (
    DAY,
    HOUR,
    LAST_TICK,
    MINUTE,
    SECOND,
    Kind,
    Moment,
    OutOfRange,
    days_in_month,
    ordinal,
)
from emulators.datafactory.engine.expressions.values import BLANKS

Today = Callable[[], tuple[int, int, int]]
"""Year, month and day for what the text leaves open; asked only then."""

_LAST_TWO_DIGIT_YEAR = 2049
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?)?(Z|[+-]\d\d:\d\d)?\Z",
    re.ASCII,
)
_NEVER = frozenset("\x1c\x1d\x1e\x1f")  # blanks to Python's patterns, not to .NET
_NUMBER = re.compile(r"[0-9]+")
_WORD = re.compile(r"[^\W\d_]+")
_CLOCK = re.compile(
    r"([0-9]{1,2})\s*:\s*([0-9]{1,2})(?:\s*:\s*([0-9]{1,2})(?:[.,]([0-9]+))?)?(?![0-9])(?!\s*:)"
)
_STRICT_CLOCK = re.compile(r"\s*([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(?![0-9:.])")
_HALF = re.compile(r"\s*(AM|PM)(?![^\W_])", re.IGNORECASE)
_ZONE = re.compile(r"\s*(?:(?P<utc>Z|GMT)(?![^\W_])|(?P<offset>[+-][0-9:]+))\s*\Z", re.IGNORECASE)
_OFFSET = re.compile(r"([+-])(?:(\d{1,2})(?::(\d{1,2}))?|(\d{1,2})(\d\d))\Z", re.ASCII)
_BETWEEN = re.compile(r"[\s,]*(?:([/-])\s*|[.][\s,]*)?")
_NAMES = {name.lower(): ("month", index + 1) for index, name in enumerate(MONTHS)}
_NAMES |= {name[:3].lower(): ("month", index + 1) for index, name in enumerate(MONTHS)}
_NAMES |= {name.lower(): ("weekday", index) for index, name in enumerate(DAYS)}
_NAMES |= {name[:3].lower(): ("weekday", index) for index, name in enumerate(DAYS)}


class BadDate(ValueError):
    """A text that is no date."""


def parse_moment(text: str, today: Today) -> Moment:
    """The moment a text means; an offset is converted to the host's zone, which is UTC.

    Raises:
        BadDate: .NET would not take it.
    """
    try:
        if iso := _iso(text):
            return iso
        return _Parser(text.strip(BLANKS), today).parse()
    except OutOfRange:
        raise BadDate(text) from None


@lru_cache(maxsize=1024)
def _iso(text: str) -> Moment | None:
    """The commonest forms at once; None for any other."""
    found = _ISO.match(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    clock = _clock_ticks(hour or "0", minute or "0", second, fraction)
    days = ordinal(int(year), int(month), int(day))
    return _zoned((days - 1) * DAY + clock, zone)


def _clock_ticks(hour: str, minute: str, second: str | None, fraction: str | None) -> int:
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        raise OutOfRange(f"{hours}:{minutes}:{seconds}")
    ticks = hours * HOUR + minutes * MINUTE + seconds * SECOND
    if not fraction:
        return ticks
    if len(fraction) <= 7:
        return ticks + int(fraction.ljust(7, "0"))
    return ticks + round(float(f"0.{fraction[:20]}") * SECOND)


def _zoned(ticks: int, zone: str | None) -> Moment:
    if zone is None:
        return Moment(ticks, Kind.UNSPECIFIED)
    if zone.upper() in ("Z", "GMT"):
        return Moment(ticks, Kind.UTC)
    found = _OFFSET.match(zone)
    if found is None:
        raise OutOfRange(zone)
    hours = int(found[2] or found[4])
    minutes = int(found[3] or found[5] or 0)
    offset = hours * HOUR + minutes * MINUTE
    if minutes > 59 or offset > 14 * HOUR:
        raise OutOfRange(zone)
    ticks += offset if found[1] == "-" else -offset
    if ticks > LAST_TICK:
        raise OutOfRange(zone)
    return Moment(ticks + DAY if ticks < 0 else ticks, Kind.LOCAL)


@dataclass(slots=True)
class _Found:
    """What has been read so far."""

    numbers: list[str] = field(default_factory=list)
    month: int = 0
    month_after: int = 0  # how many numbers came before the month's name
    weekday: int = -1
    clock: int = -1
    half: str = ""


class _Parser:
    def __init__(self, text: str, today: Today) -> None:
        self.text, self.today = text, today
        self.at = 0
        self.found = _Found()
        self.zone: str | None = None
        self.date_is_over = False

    def fail(self) -> BadDate:
        return BadDate(self.text)

    def parse(self) -> Moment:
        if not self.text:
            raise self.fail()
        begins = re.match(r"[\s,.]*", self.text)
        self.at = begins.end() if begins else 0
        if set(self.text) & _NEVER:
            raise self.fail()
        while self.at < len(self.text):
            self.step()
        days = self.days()
        clock = max(self.found.clock, 0)
        return _zoned((days - 1) * DAY + clock, self.zone)

    def step(self) -> None:
        if zone := self.find_zone():
            self.zone = zone["utc"] or zone["offset"]
            self.at = len(self.text)
            return
        if self.text[self.at].isdigit():
            self.read_number()
        elif word := _WORD.match(self.text, self.at):
            self.read_word(word[0])
        else:
            raise self.fail()
        self.read_separator()

    def find_zone(self) -> re.Match[str] | None:
        """A zone at the end; `-09` in the middle of a date is none."""
        parts = len(self.found.numbers) + bool(self.found.month)
        if parts == 3 or (parts == 0 and self.found.clock >= 0):
            return _ZONE.match(self.text, self.at)
        return None

    def read_separator(self) -> None:
        if self.find_zone():
            return
        found = _BETWEEN.match(self.text, self.at)
        if found is None:
            return
        self.at = found.end()
        rest = self.text[self.at : self.at + 1]
        if found[1] and (not rest or not rest.isalnum() or _CLOCK.match(self.text, self.at)):
            raise self.fail()

    def read_number(self) -> None:
        if clock := _CLOCK.match(self.text, self.at):
            self.at = clock.end()
            self.set_clock(clock)
            return
        number = _NUMBER.match(self.text, self.at)
        if number is None:
            raise self.fail()
        self.at = number.end()
        if half := _HALF.match(self.text, self.at):
            self.at = half.end()
            self.set_hour(int(number[0]), half[1])
            return
        if self.date_is_over or len(self.found.numbers) == 3 or len(number[0]) > 8:
            raise self.fail()
        self.found.numbers.append(number[0])

    def set_clock(self, clock: re.Match[str]) -> None:
        if self.found.clock >= 0:
            raise self.fail()
        hour, half = int(clock[1]), self.found.half
        if after := _HALF.match(self.text, self.at):
            if half:
                raise self.fail()
            self.at = after.end()
            half = after[1]
        hour = self.in_half(hour, half)
        self.found.clock = _clock_ticks(str(hour), clock[2], clock[3], clock[4])
        self.end_date()

    def set_hour(self, hour: int, half: str) -> None:
        if self.found.clock >= 0:
            raise self.fail()
        self.found.clock = _clock_ticks(str(self.in_half(hour, half)), "0", None, None)
        self.end_date()

    def in_half(self, hour: int, half: str) -> int:
        if half.upper() == "AM":
            if hour > 12:
                raise self.fail()
            return hour % 12
        return hour + 12 if half and hour < 12 else hour

    def end_date(self) -> None:
        """A time ends the date before it, which then has to be whole."""
        if self.found.numbers or self.found.month:
            if len(self.found.numbers) + bool(self.found.month) < 3:
                raise self.fail()
            self.date_is_over = True

    def read_word(self, word: str) -> None:
        kind, value = _NAMES.get(word.lower(), ("", 0))
        if kind == "month" and not self.found.month and not self.date_is_over:
            self.found.month, self.found.month_after = value, len(self.found.numbers)
        elif kind == "weekday" and self.found.weekday < 0:
            self.found.weekday = value
        elif word.upper() in ("AM", "PM") and not self.found.half and self.found.clock < 0:
            self.found.half = word
        elif word.upper() == "AD" and len(self.found.numbers) == 3:
            pass
        elif word.upper() == "T" and self.is_iso_date():
            self.at += 1
            self.read_strict_clock()
            return
        else:
            raise self.fail()
        self.at += len(word)

    def is_iso_date(self) -> bool:
        numbers = self.found.numbers
        year_known = len(numbers) == 3 and (len(numbers[0]) > 2 or len(numbers[1]) > 2)
        return year_known and not self.found.month and self.found.clock < 0

    def read_strict_clock(self) -> None:
        clock = _STRICT_CLOCK.match(self.text, self.at)
        if clock is None:
            raise self.fail()
        self.at = clock.end()
        self.found.clock = _clock_ticks(clock[1], clock[2], clock[3], clock[4])
        zone = _ZONE.match(self.text, self.at)
        if zone and zone["utc"] and zone["utc"].upper() == "GMT":
            raise self.fail()
        if zone is None and self.at < len(self.text):
            raise self.fail()

    def days(self) -> int:
        found = self.found
        if not found.numbers and not found.month:
            if found.clock < 0:
                raise self.fail()
            days = ordinal(*self.today())
        else:
            days = ordinal(*(self.named_month() if found.month else self.numbered_month()))
        if found.weekday >= 0 and days % 7 != found.weekday:
            raise self.fail()
        return days

    def named_month(self) -> tuple[int, int, int]:
        numbers, month = self.found.numbers, self.found.month
        if len(numbers) == 1:
            if len(numbers[0]) > 2 or self.found.month_after == 1:
                return _year(numbers[0]), month, 1
            return self.today()[0], month, int(numbers[0])
        if len(numbers) != 2:
            raise self.fail()
        first, second = numbers
        # The day comes first unless that is no day of this month.
        if len(first) > 2 or int(first) > days_in_month(max(_year(second), 1), month):
            first, second = second, first
        if len(first) > 2:
            raise self.fail()
        return _year(second), month, int(first)

    def numbered_month(self) -> tuple[int, int, int]:
        numbers = self.found.numbers
        if len(numbers) == 3:
            at = next((index for index, one in enumerate(numbers) if len(one) > 2), 2)
            year, month, day = numbers[at], *numbers[:at], *numbers[at + 1 :]
            if len(month) > 2 or len(day) > 2:
                raise self.fail()
            return _year(year), int(month), int(day)
        if len(numbers) != 2:
            raise self.fail()
        first, second = numbers
        if len(first) > 2:
            first, second = second, first
        if len(first) > 2:
            raise self.fail()
        if len(second) > 2:
            return _year(second), int(first), 1
        return self.today()[0], int(first), int(second)


def _year(digits: str) -> int:
    year = int(digits)
    if len(digits) > 2:
        return year
    century = _LAST_TWO_DIGIT_YEAR // 100 * 100
    return year + century if year <= _LAST_TWO_DIGIT_YEAR % 100 else year + century - 100
