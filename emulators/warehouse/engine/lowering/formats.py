"""FORMAT: .NET's patterns for numbers and instants, in the invariant culture's English form."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

_STANDARD = {
    "d": "M/d/yyyy", "D": "dddd, MMMM d, yyyy", "t": "h:mm tt", "T": "h:mm:ss tt",
    "f": "dddd, MMMM d, yyyy h:mm tt", "F": "dddd, MMMM d, yyyy h:mm:ss tt", "g": "M/d/yyyy h:mm tt",
    "G": "M/d/yyyy h:mm:ss tt", "m": "MMMM d", "M": "MMMM d", "y": "MMMM yyyy", "Y": "MMMM yyyy",
    "s": "yyyy-MM-ddTHH:mm:ss", "u": "yyyy-MM-dd HH:mm:ssZ", "o": "yyyy-MM-ddTHH:mm:ss.fffffff",
    "O": "yyyy-MM-ddTHH:mm:ss.fffffff", "r": "ddd, dd MMM yyyy HH:mm:ss GMT",
    "R": "ddd, dd MMM yyyy HH:mm:ss GMT",
}  # fmt: skip
_TOKENS = re.compile(
    r"d{1,4}|M{1,4}|y{1,5}|h{1,2}|H{1,2}|m{1,2}|s{1,2}|f{1,7}|F{1,7}|t{1,2}|'[^']*'|\"[^\"]*\"|\\.|.",
    re.DOTALL,
)


def instant(value: datetime, pattern: str) -> str | None:
    """A datetime by a standard or custom pattern; None where the pattern is none."""
    if len(pattern) == 1:
        custom = _STANDARD.get(pattern)
        if custom is None:
            return None
        pattern = custom
    return "".join(_piece(value, token) for token in _TOKENS.findall(pattern.removeprefix("%")))


def _piece(at: datetime, token: str) -> str:
    if token[0] in "'\"":
        return token[1:-1]
    if token[0] == "\\":
        return token[1:]
    hour = (at.hour + 11) % 12 + 1
    known = {
        "d": str(at.day), "dd": f"{at.day:02}", "ddd": at.strftime("%a"), "dddd": at.strftime("%A"),
        "M": str(at.month), "MM": f"{at.month:02}", "MMM": at.strftime("%b"), "MMMM": at.strftime("%B"),
        "y": str(at.year % 100), "yy": f"{at.year % 100:02}", "h": str(hour), "hh": f"{hour:02}",
        "H": str(at.hour), "HH": f"{at.hour:02}", "m": str(at.minute), "mm": f"{at.minute:02}",
        "s": str(at.second), "ss": f"{at.second:02}", "t": at.strftime("%p")[:1], "tt": at.strftime("%p"),
    }  # fmt: skip
    if token in known:
        return known[token]
    if token[0] == "y":
        return f"{at.year:0{len(token)}}"
    if token[0] in "fF":
        digits = f"{at.microsecond:06}0"[: len(token)]
        return digits if token[0] == "f" else digits.rstrip("0")
    return token


def number(value: Any, pattern: str, culture: str) -> str | None:
    """A number by a standard or custom pattern; None where the pattern is none.

    `culture` en-US and the invariant one only: others would need their own signs.
    """
    if culture.lower() not in ("en-us", "", "en", "en-gb"):
        return None
    exact = Decimal(value)
    standard = re.fullmatch(r"([A-Za-z])(\d{0,2})", pattern)
    if standard:
        places = int(standard[2]) if standard[2] else None
        return _standard(exact, standard[1].upper(), places)
    return _custom(exact, pattern)


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _standard(value: Decimal, kind: str, places: int | None) -> str | None:
    two = 2 if places is None else places
    if kind == "N":
        return f"{_rounded(value, two):,.{two}f}"
    if kind == "F":
        return f"{_rounded(value, two):.{two}f}"
    if kind == "C":
        text = f"${abs(_rounded(value, two)):,.{two}f}"
        return f"-{text}" if value < 0 else text
    if kind == "P":
        return f"{_rounded(value * 100, two):,.{two}f}%"
    if kind == "D" and value == value.to_integral_value():
        return f"{'-' if value < 0 else ''}{abs(int(value)):0{places or 1}d}"
    if kind == "X" and value == value.to_integral_value():
        return f"{int(value) & 0xFFFFFFFFFFFFFFFF:0{places or 1}X}"
    if kind == "E":
        mantissa, _, power = f"{value:.{6 if places is None else places}E}".partition("E")
        return f"{mantissa}E{int(power):+04d}"
    if kind == "G":
        return f"{value.normalize():f}"
    return None


def _custom(value: Decimal, pattern: str) -> str:
    """Zeros, hashes, a point, commas, a per cent; sections for negative numbers and zero."""
    sections = pattern.split(";")
    if value < 0 and len(sections) > 1:
        return _section(-value, sections[1])
    if value == 0 and len(sections) > 2:
        return sections[2]
    return ("-" if value < 0 else "") + _section(abs(value), sections[0])


def _section(value: Decimal, pattern: str) -> str:
    found = re.search(r"[0#][0#,.]*", pattern)
    if not found:
        return pattern
    if "%" in pattern:
        value *= 100
    body = found[0]
    whole, _, fraction = body.partition(".")
    rounded = f"{_rounded(value, len(fraction)):f}"
    digits, _, decimals = rounded.partition(".")
    least = whole.replace(",", "").count("0")
    digits = digits.lstrip("0").rjust(least, "0")
    if "," in whole.strip(","):
        digits = f"{int(digits or 0):,}".rjust(least, "0") if digits else ""
    needed = len(fraction) - len(fraction) + len(fraction.rstrip("#"))
    decimals = decimals.rstrip("0").ljust(needed, "0") if fraction else ""
    text = digits + (f".{decimals}" if decimals else "")
    return pattern[: found.start()] + text + pattern[found.end() :]
