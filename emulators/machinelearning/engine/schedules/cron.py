"""Five-field crontab expressions as Azure's schedules read them. Pure text to numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from emulators.machinelearning.errors import ValidationError

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
SHORTEST_NAME = 3


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five: its bounds, and names that may stand for its numbers."""

    name: str
    first: int
    last: int
    names: Sequence[str] = ()


FIELDS = (
    Field("minutes", 0, 59),
    Field("hours", 0, 23),
    Field("days", 1, 31),
    Field("months", 1, 12, MONTHS),
    Field("days of week", 0, 6, DAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """When an expression fires, by the clocks of some zone."""

    minutes: frozenset[int]
    hours: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    ignored: bool = False  # it named days or months, which Azure takes for `*`


def parse(expression: str) -> Cron:
    """Read an expression.

    Days and months must be well formed and are then treated as `*`, as Azure does.

    Raises:
        ValidationError: it is no five-field crontab expression.

    Source: learn.microsoft.com/azure/machine-learning/how-to-schedule-pipeline-job (fields, and
    what is ignored); the NCrontab wiki it refers to (syntax of a field).
    """
    parts = expression.split()
    if len(parts) != len(FIELDS):
        raise _bad(expression, f"it has {len(parts)} fields, not five")
    minutes, hours, days, months, weekdays = (
        frozenset(_numbers(expression, field, part))
        for field, part in zip(FIELDS, parts, strict=True)
    )
    named = len(days) < 31 or len(months) < 12
    return Cron(minutes, hours, weekdays, ignored=named)


def _numbers(expression: str, field: Field, text: str) -> Iterator[int]:
    for item in text.split(","):
        span, slash, step = item.partition("/")
        if span == "*":
            first, last = field.first, field.last
        else:
            low, dash, high = span.partition("-")
            first = _number(expression, field, low)
            last = _number(expression, field, high) if dash else first
            if slash and not dash:
                last = field.last
        if first > last:
            raise _bad(expression, f"'{item}' of the {field.name} goes backwards")
        if slash and not (step.isascii() and step.isdigit() and int(step[:9]) > 0):
            raise _bad(expression, f"'{item}' of the {field.name} has no step")
        yield from range(first, last + 1, int(step[:9]) if slash else 1)


def _number(expression: str, field: Field, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 9:
        found = int(text)
        if field.first <= found <= field.last:
            return found
    elif len(text) >= SHORTEST_NAME:
        for place, name in enumerate(field.names):
            if name.startswith(text.lower()):
                return field.first + place
    raise _bad(
        expression, f"'{text}' is not one of the {field.name} ({field.first} to {field.last})"
    )


def _bad(expression: str, why: str) -> ValidationError:
    return ValidationError(
        f"The cron expression '{expression[:100]}' is not valid: {why}. It has the form"
        " 'MINUTES HOURS DAYS MONTHS DAYS-OF-WEEK'.",
        target="expression",
    )
