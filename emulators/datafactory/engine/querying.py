"""The query language of runs: a window of time, filters, an order, pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from emulators.datafactory.errors import InvalidQuery

T = TypeVar("T")
Field = Callable[[T], Any]
OPERATORS = ("Equals", "NotEquals", "In", "NotIn")
PAGE = 100


@dataclass(frozen=True, slots=True)
class Subject:
    """What a kind of run can be asked by: operand -> its value; operands that order."""

    operands: Mapping[str, Callable[[Any], Any]]
    orders: frozenset[str]
    updated: Callable[[Any], datetime | None]
    key: Callable[[Any], str]
    default_order: tuple[str, bool]  # operand, descending


@dataclass(frozen=True, slots=True)
class Page:
    """Part of an answer, and the token by which the rest is asked for."""

    items: list[Any]
    token: str | None


def ask(subject: Subject, body: Mapping[str, Any], runs: Iterable[Any]) -> Page:
    """The runs that a query's body asks for.

    Raises:
        InvalidQuery: something in it is not known.
    """
    after, before = _bound(body, "lastUpdatedAfter"), _bound(body, "lastUpdatedBefore")
    tests = [_test(subject, one) for one in _list(body, "filters")]
    chosen = [
        run
        for run in runs
        if (moment := subject.updated(run)) is not None
        and after <= moment <= before
        and all(test(run) for test in tests)
    ]
    for operand, descending in reversed(_orders(subject, body)):
        field = subject.operands[operand]
        chosen.sort(key=lambda run: _sortable(field(run)), reverse=descending)
    start = _start(subject, body.get("continuationToken"), chosen)
    items = chosen[start : start + PAGE]
    rest = start + PAGE < len(chosen)
    return Page(items, _token(start + PAGE, subject.key(items[-1])) if rest else None)


def _bound(body: Mapping[str, Any], name: str) -> datetime:
    given = body.get(name)
    try:
        found = datetime.fromisoformat(_trimmed(str(given)))
    except ValueError:
        raise InvalidQuery(
            f"The query needs '{name}', a time in ISO 8601, not {given!r}.", target=name
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _trimmed(text: str) -> str:
    """A time without the seventh digit of its fraction, which Python does not read."""
    head, dot, tail = text.partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return head + dot + tail[: min(digits, 6)] + tail[digits:]


def _list(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    given = body.get(name) or []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise InvalidQuery(f"'{name}' must be a list of objects.", target=name)
    return given


def _operand(subject: Subject, given: object) -> str:
    for known in subject.operands:
        if known.lower() == str(given).lower():
            return known
    raise InvalidQuery(
        f"The operand '{given}' is not one of {', '.join(subject.operands)}.", target="operand"
    )


def _test(subject: Subject, one: Mapping[str, Any]) -> Callable[[Any], bool]:
    operand = _operand(subject, one.get("operand"))
    operator = {known.lower(): known for known in OPERATORS}.get(str(one.get("operator")).lower())
    values = one.get("values")
    if operator is None:
        raise InvalidQuery(
            f"The operator '{one.get('operator')}' is not one of {', '.join(OPERATORS)}.",
            target="operator",
        )
    if not isinstance(values, list) or not values:
        raise InvalidQuery(f"The filter on '{operand}' has no values.", target="values")
    if operator in ("Equals", "NotEquals") and len(values) > 1:
        raise InvalidQuery(
            f"The operator '{operator}' takes one value; {len(values)} were given for '{operand}'.",
            target="values",
        )
    wanted, field = {_comparable(value) for value in values}, subject.operands[operand]
    meant = operator in ("Equals", "In")
    if operand == "LatestOnly":  # a switch: asking for what is not the latest lifts the filter
        latest = ("true" in wanted) == meant
        return lambda run: not latest or bool(field(run))
    return lambda run: (_comparable(field(run)) in wanted) == meant


def _comparable(value: Any) -> str:
    """A value as filters compare it: text in any case, times to the millisecond."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    text = str(value)
    if len(text) >= len("2026-01-01T00:00:00") and text[10:11] == "T":
        try:
            found = datetime.fromisoformat(_trimmed(text))
        except ValueError:
            return text.lower()
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return found.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.lower()


def _orders(subject: Subject, body: Mapping[str, Any]) -> list[tuple[str, bool]]:
    found = []
    for one in _list(body, "orderBy"):
        operand, order = _operand(subject, one.get("orderBy")), str(one.get("order")).upper()
        if operand not in subject.orders or order not in ("ASC", "DESC"):
            raise InvalidQuery(
                f"'{one.get('orderBy')}' '{one.get('order')}' is no order: one of"
                f" {', '.join(sorted(subject.orders))} and ASC or DESC.",
                target="orderBy",
            )
        found.append((operand, order == "DESC"))
    return found or [subject.default_order]


def _sortable(value: Any) -> tuple[bool, Any]:
    """What is not there yet comes last in ascending order."""
    if value is None:
        return True, 0
    return False, value.timestamp() if isinstance(value, datetime) else str(value).lower()


def _token(start: int, last: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([start, last])).decode()


def _start(subject: Subject, token: object, chosen: Sequence[Any]) -> int:
    """Where the next page begins: behind the last run that was shown, wherever it is now."""
    if not token:
        return 0
    try:
        start, last = orjson.loads(base64.urlsafe_b64decode(str(token).encode()))
        start = int(start)
    except (ValueError, TypeError, binascii.Error, UnicodeEncodeError):
        raise InvalidQuery("The continuationToken is not valid.", target="continuationToken") from (
            None
        )
    for index, run in enumerate(chosen):
        if subject.key(run) == last:
            return index + 1
    return max(start, 0)
