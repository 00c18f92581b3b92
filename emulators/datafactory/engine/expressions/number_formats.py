"""Numbers to text by .NET's standard formats and the plain custom ones, en-US."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext

from emulators.datafactory.engine.expressions.values import INT64, float_text

_STANDARD = re.compile(r"([BCDEFGNPRX])([0-9]{0,2})\Z", re.IGNORECASE | re.ASCII)
_CUSTOM = re.compile(r"([^0#,.%]*)([0#,]*)(?:\.([0#]*))?(%?)([^0#,.%]*)\Z")


class BadNumberFormat(ValueError):
    """A format that .NET refuses, or a custom one that is not known here."""


def format_number(value: int | float, form: str) -> str:
    """The text of a number.

    Raises:
        BadNumberFormat: the format cannot be used.
    """
    if not math.isfinite(value) or not form:
        return float_text(float(value)) if isinstance(value, float) else str(value)
    standard = _STANDARD.match(form)
    if standard is None:
        return _custom(value, form)
    letter, digits = standard[1].upper(), int(standard[2]) if standard[2] else None
    if letter in "DXB":
        return _whole(value, standard[1], digits or 0)
    if letter == "E":
        return _exponent(value, standard[1], 6 if digits is None else digits)
    return _general(value, standard[1], digits) if letter in "GR" else _fixed(value, letter, digits)


def _whole(value: int | float, letter: str, digits: int) -> str:
    if not isinstance(value, int) or value not in INT64:
        raise BadNumberFormat(letter)
    if letter in "Dd":
        return ("-" if value < 0 else "") + str(abs(value)).zfill(digits)
    shown = f"{value % 2**64:{letter.lower()}}".zfill(digits)
    return shown.upper() if letter == "X" else shown


def _exponent(value: int | float, letter: str, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa}{letter}{exponent[0]}{exponent[1:].zfill(3)}"


def _general(value: int | float, letter: str, digits: int | None) -> str:
    if not digits:
        return float_text(value) if isinstance(value, float) else str(value)
    shown = f"{Decimal(value):.{digits}g}"
    if "e" not in shown:
        return shown.rstrip("0").rstrip(".") if "." in shown else shown
    mantissa, _, exponent = shown.partition("e")
    mark = "E" if letter in "GR" else "e"
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}{mark}{exponent[0]}{exponent[1:].zfill(2)}"


def _fixed(value: int | float, letter: str, digits: int | None) -> str:
    places = digits if digits is not None else {"C": 2, "F": 3, "N": 3, "P": 3}[letter]
    number = Decimal(value) * (100 if letter == "P" else 1)
    shown = _rounded(abs(number), places, ROUND_HALF_EVEN)
    if letter != "F":
        whole, dot, decimals = shown.partition(".")
        shown = _grouped(whole) + dot + decimals
    sign = _sign(value)
    return {"C": f"{sign}${shown}", "P": f"{sign}{shown}%"}.get(letter, f"{sign}{shown}")


def _grouped(digits: str) -> str:
    first = len(digits) % 3
    parts = [digits[at : at + 3] for at in range(first, len(digits), 3)]
    return ",".join([digits[:first], *parts] if first else parts)


def _sign(value: int | float) -> str:
    """A negative number keeps its sign when it is rounded to 0, and so does -0.0."""
    return "-" if math.copysign(1, value) < 0 else ""


def _rounded(number: Decimal, places: int, how: str = ROUND_HALF_UP) -> str:
    with localcontext() as context:
        context.prec = 400
        return f"{number.quantize(Decimal(1).scaleb(-places), how):f}"


def _custom(value: int | float, form: str) -> str:
    """One section of digit places, with literal text around it."""
    found = _CUSTOM.match(form)
    if found is None or not (found[2] or found[3]):
        raise BadNumberFormat(form)
    before, whole, fraction, percent, after = found.groups(default="")
    number = Decimal(value) * (100 if percent else 1)
    digits, _, decimals = _rounded(abs(number), len(fraction)).partition(".")
    digits = digits.lstrip("0").zfill(whole.count("0"))
    if "," in whole:
        digits = _grouped(digits)
    while decimals and fraction[len(decimals) - 1] == "#" and decimals.endswith("0"):
        decimals = decimals[:-1]
    shown = digits + (f".{decimals}" if decimals else "")
    return f"{_sign(value) if shown else ''}{before}{shown}{percent}{after}"
