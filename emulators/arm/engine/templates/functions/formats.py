""".NET's format strings for numbers, as `format()` uses them."""

from __future__ import annotations

import re

from emulators.arm.engine.templates.functions.checks import invalid
from emulators.arm.engine.templates.values import Value, text_of
from emulators.kernel.errors import Unsupported

_STANDARD = re.compile(r"([DdNnFfXxGgPpEeCc])(\d{0,2})\Z")
_ZEROS = re.compile(r"0+\Z")


def written(value: Value, pattern: str) -> str:
    """A value in a format: a number's if it is one, otherwise as `string()` writes it.

    Raises:
        Unsupported: a format that Azure has and this does not.
    """
    if not pattern or isinstance(value, bool) or not isinstance(value, int | float):
        return text_of(value)
    if _ZEROS.match(pattern):
        sign = "-" if value < 0 else ""
        return f"{sign}{abs(round(value)):0{len(pattern)}}"
    found = _STANDARD.match(pattern)
    if found is None or found[1] in "EeCc":
        raise Unsupported(
            f"the number format '{pattern}' in the template function 'format'",
            tracked='emulators/arm/README.md, "Template deployments"',
        )
    return _standard(value, found[1], int(found[2]) if found[2] else None)


def _standard(value: int | float, letter: str, digits: int | None) -> str:
    kind = letter.upper()
    if kind in "DX":
        if not isinstance(value, int):
            raise invalid("format", f"The format '{letter}' is for integers")
        if kind == "D":
            return f"{'-' if value < 0 else ''}{abs(value):0{digits or 1}}"
        return f"{value & (2**64 - 1) if value < 0 else value:0{digits or 1}{letter}}"
    if kind == "G":
        return text_of(value) if digits is None else f"{value:.{max(1, digits)}g}"
    places = 2 if digits is None else digits
    if kind == "P":
        return f"{value * 100:,.{places}f} %"
    return f"{value:,.{places}f}" if kind == "N" else f"{value:.{places}f}"
