"""PRINT, RAISERROR, THROW, WAITFOR."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Answer, Message
from emulators.warehouse.engine.tsql import evaluating, nodes
from emulators.warehouse.engine.tsql.frames import Cancelled
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

LONGEST = 2047
"""Characters of a RAISERROR message. Source: its page."""

_PLACE = re.compile(
    r"%(?P<flags>[-+0# ]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d+))?"
    r"(?P<size>h|l|I64)?(?P<kind>[diosuxX%])"
)


def say(session: Session, statement: nodes.Print) -> Iterator[Answer]:
    """PRINT: NULL and the empty string are one space."""
    text = evaluating.text_of(session, statement.value)
    session.error = session.rowcount = 0
    yield Message(0, (text or " ")[:4000], 0, 1, session.frame.procedure, statement.line)


def throw(session: Session, statement: nodes.Throw) -> Iterator[Answer]:
    """THROW: an error of severity 16; alone in a CATCH, the caught one again.

    Raises:
        SqlError: always.
    """
    if not statement.arguments:
        if not session.caught:
            text = (
                "To rethrow an error, a THROW statement must be used inside a CATCH block. "
                "Insert the THROW statement inside a CATCH block, or add error parameters to "
                "the THROW statement."
            )
            raise SqlError(10704, 15, 1, text)
        raise again(session.caught[-1])
    number = evaluating.int_of(session, statement.arguments[0]) or 0
    message = evaluating.text_of(session, statement.arguments[1]) or ""
    state = evaluating.int_of(session, statement.arguments[2]) or 0
    if number < 50000:
        text = (
            f"Error number {number} in the THROW statement is outside the valid range. "
            "Specify an error number in the valid range of 50000 to 2147483647."
        )
        raise SqlError(35100, 16, 10, text)
    if session.flavor == "synapse" and 100000 <= number <= 150000:
        raise refused("THROW of a number from 100000 to 150000, which a dedicated pool keeps")
    raise SqlError(number, 16, state & 0xFF, message[:LONGEST])
    yield


def again(error: SqlError) -> SqlError:
    """The same error anew, where it first happened."""
    made = SqlError(error.number, error.severity, error.state, error.text, error.line)
    made.procedure, made.placed, made.level = error.procedure, True, -1
    return made


def raise_error(session: Session, statement: nodes.RaisError) -> Iterator[Answer]:
    """RAISERROR(text | number, severity, state, arguments...) [WITH NOWAIT, LOG, SETERROR].

    Raises:
        SqlError: the severity is over 10.
    """
    message, _ = evaluating.evaluate(session, statement.arguments[0])
    severity = evaluating.int_of(session, statement.arguments[1]) or 0
    state = evaluating.int_of(session, statement.arguments[2]) or 0
    given = [evaluating.evaluate(session, f) for f in statement.arguments[3:]]
    if isinstance(message, int):
        text = (
            f"Error {message}, severity {severity}, state {state} was raised, but no message "
            "with that error number was found in sys.messages. If error is larger than "
            "50000, make sure the user-defined message is added using sp_addmessage."
        )
        raise SqlError(18054, 16, 1, text)
    text = formatted(str(message or ""), [_plain(value) for value, _ in given])
    state = state if 0 <= state <= 255 else 1
    severity = min(max(severity, 0), 25)
    if severity > 18 and ("LOG" not in statement.options or not session.is_admin):
        text = (
            "Error severity levels greater than 18 can only be specified by members of the "
            "sysadmin role, using the WITH LOG option."
        )
        raise SqlError(2754, 16, 1, text)
    number = 50000
    if severity <= 10:
        session.error = number if "SETERROR" in statement.options else 0
        session.rowcount = 0
        yield Message(number, text, severity, state, session.frame.procedure, statement.line)
        return
    error = SqlError(number, severity, state, text)
    error.raised = True
    raise error


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def formatted(message: str, given: list[Any]) -> str:
    """printf as RAISERROR does it: d i o u x X s, with flags, width and precision.

    Raises:
        SqlError: 2787: a malformed place; 2786: an argument of another kind.

    Source: learn.microsoft.com/sql/t-sql/language-elements/raiserror-transact-sql.
    """
    rest = iter(given)
    taken = 0

    def fill(place: re.Match[str]) -> str:
        nonlocal taken
        if place["kind"] == "%":
            return "%"
        width = next(rest, 0) if place["width"] == "*" else int(place["width"] or 0)
        precision = place["precision"]
        exact = next(rest, 0) if precision == "*" else int(precision) if precision else None
        taken += 1
        value = next(rest, None)
        if value is None:
            return "(null)".rjust(width)
        return _written(place["flags"], place["kind"], int(width), exact, value, taken)

    checked = _PLACE.sub("", message)
    if "%" in checked:
        text = f"Invalid format specification: '{checked[checked.index('%') :]}'."
        raise SqlError(2787, 16, 1, text)
    return _PLACE.sub(fill, message)[:LONGEST]


def _written(flags: str, kind: str, width: int, exact: int | None, value: Any, place: int) -> str:
    if kind == "s":
        if not isinstance(value, str):
            raise _mismatch(place)
        text = value if exact is None else value[:exact]
        return text.ljust(width) if "-" in flags else text.rjust(width)
    if not isinstance(value, int):
        raise _mismatch(place)
    spec = {"i": "d", "u": "d"}.get(kind, kind)
    number = value + 2**32 if kind in "ouxX" and value < 0 else value
    if "#" in flags and spec in "oxX" and number:
        text = {"o": "0", "x": "0x", "X": "0X"}[spec] + format(number, spec)
    else:
        text = format(number, ("+" if "+" in flags else " " if " " in flags else "") + spec)
    if exact is not None:
        digits = text.lstrip("+- ")
        text = text[: len(text) - len(digits)] + digits.rjust(exact, "0")
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and exact is None:
        digits = text.lstrip("+- ")
        sign = text[: len(text) - len(digits)]
        return sign + digits.rjust(width - len(sign), "0")
    return text.rjust(width)


def _mismatch(place: int) -> SqlError:
    text = (
        f"The data type of substitution parameter {place} does not match the expected type of "
        "the format specification."
    )
    return SqlError(2786, 16, 1, text)


_SPAN = re.compile(r"^\s*(\d{1,3}):(\d{1,2})(?::(\d{1,2})(?:[.:](\d{1,7}))?)?\s*$")


def wait(session: Session, statement: nodes.WaitFor) -> Iterator[Answer]:
    """WAITFOR DELAY 'hh:mm[:ss[.mmm]]' and WAITFOR TIME, by the clock of the context.

    Raises:
        SqlError: 148: that is no time.
    """
    value, _ = evaluating.evaluate(session, statement.value)
    seconds = _seconds(value)
    if seconds is None or seconds >= 86400:
        text = f"Incorrect time syntax in time string '{value}' used with WAITFOR."
        raise SqlError(148, 15, 1, text)
    clock = session.clock
    if statement.kind == "TIME":
        now = clock.now()
        passed = (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
        seconds = (seconds - passed) % 86400
    until = clock.monotonic() + seconds
    while (left := until - clock.monotonic()) > 0:
        if session.cancelled.wait(min(left, 0.02)):
            raise Cancelled
    session.error = 0
    return
    yield


def _seconds(value: Any) -> float | None:
    if isinstance(value, datetime | time):
        span = timedelta(
            hours=value.hour, minutes=value.minute, seconds=value.second,
            microseconds=value.microsecond,
        )  # fmt: skip
        return span.total_seconds()
    found = _SPAN.match(value) if isinstance(value, str) else None
    if found is None:
        return None
    hours, minutes, seconds, fraction = found.groups()
    if int(minutes) > 59 or int(seconds or 0) > 59:
        return None
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0) + float(f"0.{fraction or 0}")
