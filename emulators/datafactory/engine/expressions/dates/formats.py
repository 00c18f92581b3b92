"""Moments to text: .NET's standard and custom date formats, en-US."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from emulators.datafactory.engine.expressions.dates.moment import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Kind,
    Moment,
)

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

ROUND_TRIP = "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK"
_LONG_DATE = "dddd, MMMM d, yyyy"
# The blank is U+202F, as in the culture data that .NET takes from ICU.
_SHORT_TIME, _LONG_TIME = "h:mm\u202ftt", "h:mm:ss\u202ftt"
STANDARD = {
    "d": "M/d/yyyy",
    "D": _LONG_DATE,
    "f": f"{_LONG_DATE} {_SHORT_TIME}",
    "F": f"{_LONG_DATE} {_LONG_TIME}",
    "g": f"M/d/yyyy {_SHORT_TIME}",
    "G": f"M/d/yyyy {_LONG_TIME}",
    "m": "MMMM d",
    "M": "MMMM d",
    "o": ROUND_TRIP,
    "O": ROUND_TRIP,
    "r": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "R": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "s": "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
    "t": _SHORT_TIME,
    "T": _LONG_TIME,
    "u": "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
    "U": f"{_LONG_DATE} {_LONG_TIME}",
    "y": "MMMM yyyy",
    "Y": "MMMM yyyy",
}


class BadFormat(ValueError):
    """A format that .NET refuses."""


class _Fields:
    """A moment taken apart once for all the pieces of a format."""

    __slots__ = ("day", "fraction", "hour", "kind", "minute", "month", "second", "weekday", "year")

    def __init__(self, moment: Moment) -> None:
        day, ticks = moment.date, moment.ticks
        self.year, self.month, self.day = day.year, day.month, day.day
        self.weekday = day.isoweekday() % 7
        self.hour, self.minute = ticks % DAY // HOUR, ticks % HOUR // MINUTE
        self.second, self.fraction = ticks % MINUTE // SECOND, ticks % SECOND
        self.kind = moment.kind


_Piece = Callable[[_Fields], str]


def format_moment(moment: Moment, pattern: str) -> str:
    """The text of a moment; an empty pattern is the general one.

    Raises:
        BadFormat: .NET refuses the pattern.
    """
    pieces = _pieces(pattern)
    fields = _Fields(moment)
    text = ""
    for piece in pieces:
        # A fraction without digits takes the dot before it away.
        made = piece(fields)
        text = text[:-1] if made == "\b" and text.endswith(".") else text + made.strip("\b")
    return text


@lru_cache(maxsize=512)
def _pieces(pattern: str) -> tuple[_Piece, ...]:
    if not pattern:
        pattern = STANDARD["G"]
    elif len(pattern) == 1:
        if pattern not in STANDARD:
            raise BadFormat(pattern)
        pattern = STANDARD[pattern]
    pieces: list[_Piece] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        run = 1
        if character in _REPEATABLE:
            while pattern.startswith(character, at + run):
                run += 1
            pieces.append(_field(character, run))
        elif character in "'\"":
            text, run = _quoted(pattern, at)
            pieces.append(_constant(text))
        elif character in "%\\":
            piece, run = _escaped(pattern, at)
            pieces.append(piece)
        elif character == "K":
            pieces.append(_zone_of_kind)
        else:
            pieces.append(_constant(character))
        at += run
    return tuple(pieces)


def _constant(text: str) -> _Piece:
    return lambda fields: text


def _quoted(pattern: str, start: int) -> tuple[str, int]:
    """The text between two quotes and how many characters of the pattern it takes."""
    at, text = start + 1, ""
    while at < len(pattern):
        character = pattern[at]
        if character == pattern[start]:
            return text, at + 1 - start
        if character == "\\":
            at += 1
            if at == len(pattern):
                break
            character = pattern[at]
        text += character
        at += 1
    raise BadFormat(pattern)


def _escaped(pattern: str, at: int) -> tuple[_Piece, int]:
    following = pattern[at + 1 : at + 2]
    if not following or (pattern[at] == "%" and following == "%"):
        raise BadFormat(pattern)
    if pattern[at] == "\\":
        return _constant(following), 2
    if following in _REPEATABLE:
        return _field(following, 1), 2
    if following == "K":
        return _zone_of_kind, 2
    if following in "'\"\\":
        raise BadFormat(pattern)
    return _constant(following), 2


def _field(letter: str, run: int) -> _Piece:
    return _REPEATABLE[letter](run)


def _number(name: str, most: int = 2) -> Callable[[int], _Piece]:
    def make(run: int) -> _Piece:
        width = min(run, most)
        return lambda fields: f"{getattr(fields, name):0{width}d}"

    return make


def _hour12(run: int) -> _Piece:
    width = min(run, 2)
    return lambda fields: f"{fields.hour % 12 or 12:0{width}d}"


def _day(run: int) -> _Piece:
    if run <= 2:
        return _number("day")(run)
    size = 3 if run == 3 else None
    return lambda fields: DAYS[fields.weekday][:size]


def _month(run: int) -> _Piece:
    if run <= 2:
        return _number("month")(run)
    size = 3 if run == 3 else None
    return lambda fields: MONTHS[fields.month - 1][:size]


def _year(run: int) -> _Piece:
    if run <= 2:
        return lambda fields: f"{fields.year % 100:0{run}d}"
    return lambda fields: f"{fields.year:0{run}d}"


def _half(run: int) -> _Piece:
    size = 1 if run == 1 else 2
    return lambda fields: ("AM" if fields.hour < 12 else "PM")[:size]


def _era(run: int) -> _Piece:
    return _constant("AD")


def _fraction(run: int) -> _Piece:
    if run > 7:
        raise BadFormat("f" * run)
    return lambda fields: f"{fields.fraction:07d}"[:run]


def _short_fraction(run: int) -> _Piece:
    if run > 7:
        raise BadFormat("F" * run)
    return lambda fields: f"{fields.fraction:07d}"[:run].rstrip("0") or "\b"


def _offset(run: int) -> _Piece:
    # The host's offset, whatever the kind: the service runs in UTC.
    return _constant("+0" if run == 1 else "+00" if run == 2 else "+00:00")


def _zone_of_kind(fields: _Fields) -> str:
    return {Kind.UTC: "Z", Kind.LOCAL: "+00:00", Kind.UNSPECIFIED: ""}[fields.kind]


_REPEATABLE: dict[str, Callable[[int], _Piece]] = {
    "d": _day,
    "f": _fraction,
    "F": _short_fraction,
    "g": _era,
    "h": _hour12,
    "H": _number("hour"),
    "m": _number("minute"),
    "M": _month,
    "s": _number("second"),
    "t": _half,
    "y": _year,
    "z": _offset,
}
