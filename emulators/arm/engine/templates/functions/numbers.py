"""Numbers. Source: template-functions-numeric."""

from __future__ import annotations

import math
import re

from emulators.arm.engine.templates.frames import Frame
from emulators.arm.engine.templates.functions.checks import (
    Function,
    fitting,
    integer,
    invalid,
    wrong_type,
)
from emulators.arm.engine.templates.values import Value, whole

_DIGITS = re.compile(r"[+-]?[0-9]{1,40}\Z")
LONGEST_RANGE = 10_000
LARGEST_START = 2_147_483_647


def _add(frame: Frame, left: Value, right: Value) -> int:
    return fitting("add", integer("add", left) + integer("add", right))


def _sub(frame: Frame, left: Value, right: Value) -> int:
    return fitting("sub", integer("sub", left) - integer("sub", right))


def _mul(frame: Frame, left: Value, right: Value) -> int:
    return fitting("mul", integer("mul", left) * integer("mul", right))


def _divided(name: str, left: Value, right: Value) -> tuple[int, int]:
    """Quotient towards zero and the remainder that goes with it, as the service computes them."""
    top, bottom = integer(name, left), integer(name, right)
    if bottom == 0:
        raise invalid(name, "The second parameter cannot be zero")
    quotient = abs(top) // abs(bottom) * (1 if (top < 0) == (bottom < 0) else -1)
    return fitting(name, quotient), top - bottom * quotient


def _div(frame: Frame, left: Value, right: Value) -> int:
    return _divided("div", left, right)[0]


def _mod(frame: Frame, left: Value, right: Value) -> int:
    return _divided("mod", left, right)[1]


def _int(frame: Frame, value: Value) -> int:
    if isinstance(value, bool):
        raise wrong_type("int", "an integer or a string", value)
    if isinstance(value, float) and abs(value) < 2**63:
        return int(value)
    if isinstance(value, str):
        if not _DIGITS.match(value.strip()):
            raise invalid("int", f"The value '{value[:100]}' is not an integer")
        return fitting("int", int(value))
    return integer("int", value)


def _float(frame: Frame, value: Value) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise invalid("float", "The value is not a number")
    return found


def _numbers(name: str, values: tuple[Value, ...]) -> list[int]:
    given = values[0] if len(values) == 1 and isinstance(values[0], list) else list(values)
    found = [integer(name, value) for value in given]
    if not found:
        raise invalid(name, "The array is empty")
    return found


def _min(frame: Frame, *values: Value) -> int:
    return min(_numbers("min", values))


def _max(frame: Frame, *values: Value) -> int:
    return max(_numbers("max", values))


def _range(frame: Frame, start: Value, count: Value) -> list[int]:
    first, size = integer("range", start), integer("range", count)
    if not 0 <= size <= LONGEST_RANGE:
        raise invalid("range", f"The count '{size}' must be from '0' to '{LONGEST_RANGE}'")
    if first + size > LARGEST_START:
        raise invalid("range", f"The sum of start and count must not exceed '{LARGEST_START}'")
    return list(range(first, first + size))


def _copy_index(frame: Frame, *given: Value) -> int:
    offset, name = 0, frame.loop
    for value in given:
        if isinstance(value, str):
            name = value.lower()
        elif whole(value) is not None:
            offset = integer("copyIndex", value)
        else:
            raise wrong_type("copyIndex", "a string or an integer", value)
    if name not in frame.loops:
        raise invalid(
            "copyIndex",
            "The function can only be used where a copy loop"
            + (f" named '{name}' is in effect" if name else " is in effect"),
        )
    return frame.loops[name] + offset


FUNCTIONS = [
    Function("add", 2, 2, _add),
    Function("sub", 2, 2, _sub),
    Function("mul", 2, 2, _mul),
    Function("div", 2, 2, _div),
    Function("mod", 2, 2, _mod),
    Function("int", 1, 1, _int),
    Function("float", 1, 1, _float),
    Function("min", 1, None, _min),
    Function("max", 1, None, _max),
    Function("range", 2, 2, _range),
    Function("copyIndex", 0, 2, _copy_index),
]
