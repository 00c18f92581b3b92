"""Functions that Azure's engine has and Data Factory does not document; only for `lenient`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from emulators.datafactory.engine.expressions.calls import (
    Functions,
    integer_argument,
    object_argument,
    text_argument,
    wrong_type,
    wrong_value,
)
from emulators.datafactory.engine.expressions.dates.moment import DAY, HOUR, MINUTE, SECOND
from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.functions.conversion import floating, integer
from emulators.datafactory.engine.expressions.functions.dates import moment, show
from emulators.datafactory.engine.expressions.functions.surroundings import activity
from emulators.datafactory.engine.expressions.number_formats import BadNumberFormat, format_number
from emulators.datafactory.engine.expressions.scope import Scope
from emulators.datafactory.engine.expressions.values import (
    cut,
    fold,
    is_array,
    is_number,
    is_object,
    member,
    spend,
    to_int32,
    type_name,
    units,
)

TABLE = Functions()
_PORTS = {"http": 80, "https": 443, "ftp": 21}


@TABLE.add("formatNumber", 2, 3, documented=False)
def show_number(value: Any, form: Any, *locale: Any) -> str:
    if not is_number(value):
        raise wrong_type("formatNumber", 1, "a number", value)
    text_argument("formatNumber", 2, form)
    if locale and text_argument("formatNumber", 3, locale[0]).lower() not in ("", "en", "en-us"):
        raise wrong_value("formatNumber", f"Numbers are only written in en-US, not '{locale[0]}'.")
    try:
        return format_number(value, form)
    except BadNumberFormat:
        raise wrong_value("formatNumber", f"The format '{form}' is not valid.") from None


@TABLE.add("reverse", 1, documented=False)
def reverse(value: Any) -> list[Any]:
    return _array("reverse", value)[::-1]


def _array(name: str, value: Any) -> list[Any]:
    if not is_array(value):
        raise wrong_type(name, 1, "an array", value)
    return list(value)


@TABLE.add("sort", 1, 2, documented=False)
def sort(value: Any, *by: Any) -> list[Any]:
    elements = _array("sort", value)
    if by:
        name = text_argument("sort", 2, by[0])
        found = [member(one, name) if is_object(one) else (False, None) for one in elements]
        if not all(there for there, _ in found):
            raise wrong_value("sort", f"Not every element has the property '{name}'.")
        keys = [key for _, key in found]
    else:
        keys = elements
    kinds = {"Number" if is_number(key) else type_name(key) for key in keys if key is not None}
    if len(kinds) > 1 or kinds & {"Array", "Object"}:
        raise wrong_value("sort", "The elements cannot be compared with each other.")
    order = sorted(range(len(keys)), key=lambda at: (keys[at] is not None, keys[at] or 0))
    if kinds == {"String"}:
        order = sorted(range(len(keys)), key=lambda at: keys[at] or "")
    return [elements[at] for at in order]


@TABLE.add("chunk", 2, documented=False)
def chunk(value: Any, size: Any) -> list[Any]:
    text = type(value) is str
    if not text and not is_array(value):
        raise wrong_type("chunk", 1, "an array or a string", value)
    length = to_int32(integer_argument("chunk", 2, size))
    if length < 1:
        raise wrong_value("chunk", "The size must be positive.")
    total = units(value) if text else len(value)
    spend(total)
    starts = range(0, total, length)
    if text:
        return [cut(value, at, at + length) for at in starts]
    return [list(value[at : at + length]) for at in starts]


@TABLE.add("slice", 2, 3, documented=False)
def part(text: Any, start: Any, *end: Any) -> str:
    size = units(text_argument("slice", 1, text))
    low = _place(to_int32(integer_argument("slice", 2, start)), size)
    high = _place(to_int32(integer_argument("slice", 3, end[0])), size) if end else size
    return cut(text, low, max(low, high))


def _place(at: int, size: int) -> int:
    return max(at + size, 0) if at < 0 else min(at, size)


@TABLE.add("nthIndexOf", 3, documented=False)
def nth_index_of(text: Any, wanted: Any, nth: Any) -> int:
    folded = fold(text_argument("nthIndexOf", 1, text))
    searched = fold(text_argument("nthIndexOf", 2, wanted))
    count = to_int32(integer_argument("nthIndexOf", 3, nth))
    if not searched:
        return 0
    if count == 0:
        raise wrong_value("nthIndexOf", "The occurrence must not be 0.")
    found = [place.start() for place in re.finditer(f"(?={re.escape(searched)})", folded)]
    index = count - 1 if count > 0 else count
    return units(text[: found[index]]) if -len(found) <= index < len(found) else -1


@TABLE.add("isInt", 1, documented=False)
def is_int(text: Any) -> bool:
    text_argument("isInt", 1, text)
    return bool(re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text))


@TABLE.add("isFloat", 1, 2, documented=False)
def is_float(text: Any, *_locale: Any) -> bool:
    text_argument("isFloat", 1, text)
    for culture in _locale:
        if text_argument("isFloat", 2, culture).lower() not in ("", "en", "en-us"):
            raise wrong_value("isFloat", "Numbers are only read in en-US here.")
    try:
        floating(text)
    except ExpressionError:
        return False
    return True


@TABLE.add("decimal", 1, documented=False)
def decimal(value: Any) -> float:
    # A float stands in for .NET's decimal: 28 digits are not kept.
    return floating(integer(value) if type(value) is int else value)


@TABLE.add("addProperty", 3, documented=False)
def add_property(value: Any, name: Any, content: Any) -> dict[str, Any]:
    made = object_argument("addProperty", 1, value)
    if member(made, text_argument("addProperty", 2, name))[0]:
        raise wrong_value("addProperty", f"The property '{name}' exists already.")
    return {**made, name: content}


@TABLE.add("setProperty", 3, documented=False)
def set_property(value: Any, name: Any, content: Any) -> dict[str, Any]:
    made = object_argument("setProperty", 1, value)
    return {**made, _spelled(made, text_argument("setProperty", 2, name)): content}


@TABLE.add("removeProperty", 2, documented=False)
def remove_property(value: Any, name: Any) -> dict[str, Any]:
    made = object_argument("removeProperty", 1, value)
    made.pop(_spelled(made, text_argument("removeProperty", 2, name)), None)
    return made


def _spelled(value: dict[str, Any], name: str) -> str:
    """The name as the object has it, when it has it in another case."""
    return name if name in value else next((key for key in value if fold(key) == fold(name)), name)


@TABLE.add("dateDifference", 2, scoped=True, documented=False)
def date_difference(scope: Scope, start: Any, end: Any) -> str:
    text_argument("dateDifference", 1, start)
    text_argument("dateDifference", 2, end)
    first = moment("dateDifference", scope, start)
    ticks = moment("dateDifference", scope, end).ticks - first.ticks
    sign, ticks = "-" if ticks < 0 else "", abs(ticks)
    days = f"{ticks // DAY}." if ticks >= DAY else ""
    clock = f"{ticks % DAY // HOUR:02d}:{ticks % HOUR // MINUTE:02d}:{ticks % MINUTE // SECOND:02d}"
    fraction = f".{ticks % SECOND:07d}" if ticks % SECOND else ""
    return f"{sign}{days}{clock}{fraction}"


@TABLE.add("parseDateTime", 1, 3, scoped=True, documented=False)
def parse_date_time(scope: Scope, value: Any, *more: Any) -> str:
    for place, text in enumerate((value, *more), 1):
        text_argument("parseDateTime", place, text)
    if (more and more[0].lower() not in ("", "en", "en-us")) or len(more) > 1:
        raise wrong_value("parseDateTime", "Dates are only read in en-US, and not by a format.")
    return show("parseDateTime", moment("parseDateTime", scope, value), 2, ())


def _uri_part(name: str, take: Callable[[SplitResult], Any]) -> None:
    @TABLE.add(name, 1, documented=False)
    def part_of(value: Any) -> Any:
        text_argument(name, 1, value)
        try:
            split = urlsplit(value)
            if split.scheme and split.hostname:
                return take(split)
        except ValueError:
            pass
        raise wrong_value(name, f"The value '{value}' is not an absolute URI.")


def _query(split: SplitResult) -> str:
    return f"?{split.query}" if split.query else ""


_uri_part("uriHost", lambda split: split.hostname)
_uri_part("uriPath", lambda split: split.path or "/")
_uri_part("uriPathAndQuery", lambda split: (split.path or "/") + _query(split))
_uri_part("uriPort", lambda split: split.port or _PORTS.get(split.scheme, -1))
_uri_part("uriQuery", _query)
_uri_part("uriScheme", lambda split: split.scheme)


def _of_action(name: str, wrap: Callable[[Any], Any]) -> None:
    """Names of Azure Logic Apps for what activity() gives, as the engine nests it."""

    @TABLE.add(name, 1, scoped=True, documented=False)
    def of(scope: Scope, action: Any) -> Any:
        return wrap(activity(scope, action))


_of_action("body", lambda result: result)
_of_action("outputs", lambda result: {"body": result})
_of_action("actions", lambda result: {"outputs": {"body": result}})
