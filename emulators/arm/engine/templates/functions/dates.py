"""Times. Source: template-functions-date; formats are .NET's, of the invariant culture."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from emulators.arm.engine.templates.frames import Frame
from emulators.arm.engine.templates.functions.checks import Function, integer, invalid, string
from emulators.arm.engine.templates.values import Value

DEFAULT = "yyyyMMddTHHmmssZ"
_STANDARD = {
    "d": "MM/dd/yyyy",
    "D": "dddd, dd MMMM yyyy",
    "f": "dddd, dd MMMM yyyy HH:mm",
    "F": "dddd, dd MMMM yyyy HH:mm:ss",
    "g": "MM/dd/yyyy HH:mm",
    "G": "MM/dd/yyyy HH:mm:ss",
    "m": "MMMM dd",
    "M": "MMMM dd",
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffZ",
    "O": "yyyy-MM-ddTHH:mm:ss.fffffffZ",
    "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "t": "HH:mm",
    "T": "HH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ssZ",
    "y": "yyyy MMMM",
    "Y": "yyyy MMMM",
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August",
           "September", "October", "November", "December")  # fmt: skip
_PART = re.compile(r"'[^']*'|\"[^\"]*\"|\\.|%|([yMdHhmsftzKF])\1*|.", re.DOTALL)
_SPAN = re.compile(
    r"(?P<sign>-?)P(?:(?P<Y>\d{1,6})Y)?(?:(?P<M>\d{1,6})M)?(?:(?P<W>\d{1,6})W)?(?:(?P<D>\d{1,7})D)?"
    r"(?:T(?:(?P<h>\d{1,8})H)?(?:(?P<m>\d{1,9})M)?(?:(?P<s>\d{1,9}(?:\.\d{1,7})?)S)?)?\Z"
)
_SHAPES = (
    (re.compile(r"\d{8}T\d{6}Z\Z"), DEFAULT),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ\Z"), "u"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\Z"), "s"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z"), "yyyy-MM-ddTHH:mm:ssZ"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z\Z"), "o"),
    (re.compile(r"\d{4}-\d\d-\d\d\Z"), "yyyy-MM-dd"),
)


def written(moment: datetime, pattern: str) -> str:
    """An instant in a .NET format, standard or custom."""
    pattern = _STANDARD.get(pattern, pattern)
    return "".join(_part(moment, found[0]) for found in _PART.finditer(pattern))


def _part(moment: datetime, part: str) -> str:
    if part[0] in "'\"":
        return part[1:-1] if len(part) > 1 else ""
    if part[0] in "\\%":
        return part[1:]
    size = len(part)
    numbers = {
        "y": moment.year if size > 2 else moment.year % 100, "M": moment.month, "d": moment.day,
        "H": moment.hour, "h": moment.hour % 12 or 12, "m": moment.minute, "s": moment.second,
    }  # fmt: skip
    if part[0] in "Md" and size > 2:
        name = _MONTHS[moment.month - 1] if part[0] == "M" else _DAYS[moment.weekday()]
        return name if size > 3 else name[:3]
    if part[0] in numbers:
        return f"{numbers[part[0]]:0{size}}"
    fraction = f"{moment.microsecond:06}0"
    others = {
        "f": fraction[:size],
        "F": fraction[:size].rstrip("0"),
        "t": ("PM" if moment.hour >= 12 else "AM")[:size],
        "z": "+00:00" if size > 2 else "+00"[-size - 1 :] if size > 1 else "+0",
        "K": "Z",
    }
    return others.get(part[0], part)


def _read(name: str, value: Value) -> datetime:
    text = string(name, value)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(name, f"The value '{text[:100]}' is not an ISO 8601 date and time") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _add(frame: Frame, base: Value, duration: Value, *pattern: Value) -> str:
    moment, span = _read("dateTimeAdd", base), _SPAN.match(string("dateTimeAdd", duration))
    if span is None or span[0].lstrip("-") in ("P", "PT"):
        raise invalid("dateTimeAdd", f"The value '{duration[:100]}' is not an ISO 8601 duration")
    sign = -1 if span["sign"] else 1
    given = {name: float(span[name] or 0) for name in "YMWDhms"}
    step = timedelta(
        days=given["W"] * 7 + given["D"], hours=given["h"], minutes=given["m"], seconds=given["s"]
    )
    try:
        moved = _months(moment, sign * int(given["Y"] * 12 + given["M"])) + sign * step
    except (ValueError, OverflowError):
        raise invalid("dateTimeAdd", "The result is not within the range of dates") from None
    if pattern and pattern[0] is not None:
        return written(moved, string("dateTimeAdd", pattern[0]))
    shape = next((shape for found, shape in _SHAPES if found.match(base)), "o")
    return written(moved, shape)


def _months(moment: datetime, months: int) -> datetime:
    """Some months later, on the same day or the month's last."""
    years, month = divmod(moment.month - 1 + months, 12)
    first = moment.replace(year=moment.year + years, month=month + 1, day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return first.replace(day=min(moment.day, (following - timedelta(days=1)).day))


def _now(frame: Frame, *pattern: Value) -> str:
    if not frame.default:
        raise invalid("utcNow", "The function can only be used in a parameter's default value")
    return written(frame.at.now, string("utcNow", pattern[0]) if pattern else DEFAULT)


def _from_epoch(frame: Frame, seconds: Value) -> str:
    try:
        moment = datetime.fromtimestamp(integer("dateTimeFromEpoch", seconds), UTC)
    except (ValueError, OverflowError, OSError):
        raise invalid("dateTimeFromEpoch", "The value is not within the range of dates") from None
    return written(moment, "yyyy-MM-ddTHH:mm:ssZ")


def _to_epoch(frame: Frame, value: Value) -> int:
    return int(_read("dateTimeToEpoch", value).timestamp())


FUNCTIONS = [
    Function("dateTimeAdd", 2, 3, _add),
    Function("utcNow", 0, 1, _now),
    Function("dateTimeFromEpoch", 1, 1, _from_epoch),
    Function("dateTimeToEpoch", 1, 1, _to_epoch),
]
