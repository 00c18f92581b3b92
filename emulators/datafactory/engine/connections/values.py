"""Values between stores: interim types, how one becomes another, how each is shown as text.

Source: learn.microsoft.com/azure/data-factory/copy-activity-schema-and-type-mapping.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any
from uuid import UUID

from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated

INTEGERS = {
    "byte": (0, 255),
    "sbyte": (-128, 127),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
FLOATS = ("single", "double")
DATES = ("datetime", "datetimeoffset")
_ALIASES = {"integer": "int64", "long": "int64", "int": "int32", "bool": "boolean", "guid": "guid"}


def type_of(value: Any) -> str:
    """The interim type of a value, as messages name it."""
    for kind, name in (
        (bool, "Boolean"), (int, "Int64"), (float, "Double"), (Decimal, "Decimal"),
        (datetime, "DateTime"), (date, "DateTime"), (bytes, "ByteArray"), (UUID, "Guid"),
        (time, "TimeSpan"), (timedelta, "TimeSpan"),
    ):  # fmt: skip
        if isinstance(value, kind):
            return name
    return "String"


def as_text(value: Any) -> str | None:
    """A value in a text file: .NET's spelling, invariant culture.

    Assumed: date and time as `yyyy-MM-dd HH:mm:ss.fffffff`, the documented default of text sinks.
    """
    if value is None or isinstance(value, str):
        return value
    return _TEXTS.get(type(value), str)(value)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=as_text)


def _float_text(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value).upper()


def _instant_text(value: datetime) -> str:
    text = value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond:06d}0"
    offset = value.strftime("%z")
    return f"{text} {offset[:3]}:{offset[3:5]}" if offset else text


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


_TEXTS: dict[type, Callable[[Any], str]] = {
    bool: str,
    float: _float_text,
    datetime: _instant_text,
    date: lambda value: value.strftime("%Y-%m-%d 00:00:00.0000000"),
    bytes: _base64,
    dict: _compact,
    list: _compact,
}


def as_json(value: Any, *, decimals_as_text: bool = False) -> Any:
    """A value as an output or a JSON file holds it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(k): as_json(v, decimals_as_text=decimals_as_text) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each, decimals_as_text=decimals_as_text) for each in value]
    if isinstance(value, Decimal) and decimals_as_text:
        return str(value)
    return _JSONS.get(type(value), str)(value)


def _instant_json(value: datetime) -> str:
    text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
    text = text.rstrip("0").rstrip(".")
    return value.isoformat() if value.utcoffset() else f"{text}Z"


def _number(value: Decimal) -> int | float | str:
    if not value.is_finite():
        return str(value)
    return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)


_JSONS: dict[type, Callable[[Any], Any]] = {
    float: lambda value: value if isfinite(value) else str(value),
    Decimal: _number,
    datetime: _instant_json,
    date: lambda value: f"{value.isoformat()}T00:00:00Z",
    bytes: _base64,
}


def converter(kind: str, *, truncate: bool = True) -> Callable[[Any], Any]:
    """What turns any value into the interim type `kind`; null stays null.

    The callable raises ValueError where the value does not fit.

    Args:
        truncate: whether a fraction may be dropped, as `allowDataTruncation` says.

    Raises:
        NotEmulated: no such type is known.
    """
    lower = kind.lower().replace("system.", "")
    name = _ALIASES.get(lower, lower)
    if name in INTEGERS:
        return lambda value: None if value is None else _integer(value, INTEGERS[name], truncate)
    found = _CONVERTERS.get(name)
    if found is None:
        raise NotEmulated(f"the type '{kind}' in mappings")
    return lambda value: None if value is None else found(value)


def convert(value: Any, change: Callable[[Any], Any], column: str, kind: str) -> Any:
    """`change(value)`.

    Raises:
        ConnectionFailed: the value does not fit, in the copy engine's words.
    """
    try:
        return change(value)
    except (ValueError, TypeError, ArithmeticError, OverflowError) as wrong:
        raise ConnectionFailed(
            "TypeConversionFailure",
            f"Exception occurred when converting value '{as_text(value)}' for column name"
            f" '{column}' from type '{type_of(value)}' (precision:, scale:) to type '{kind}'"
            f" (precision:, scale:). Additional info: {wrong}",
        ) from None


def _integer(value: Any, bounds: tuple[int, int], truncate: bool) -> int:
    if isinstance(value, str):
        try:
            found = Decimal(value.strip().replace(",", ""))
        except InvalidOperation:
            raise ValueError("Input string was not in a correct format.") from None
    elif isinstance(value, bool | int | float | Decimal):
        found = Decimal(value)
    else:
        raise ValueError("Invalid cast.")
    if not truncate and found != found.to_integral_value():
        raise ValueError("The value has a fraction, and data truncation is not allowed.")
    whole = int(found)
    if not bounds[0] <= whole <= bounds[1]:
        raise ValueError("Value was either too large or too small.")
    return whole


def _boolean(value: Any) -> bool:
    if isinstance(value, bool | int | float | Decimal):
        return bool(value)
    text = str(value).strip().lower()
    if text not in ("true", "false", "1", "0"):
        raise ValueError("String was not recognized as a valid Boolean.")
    return text in ("true", "1")


def _float(value: Any) -> float:
    if isinstance(value, bool | int | float | Decimal):
        return float(value)
    try:
        return float(str(value).strip().replace(",", ""))
    except ValueError:
        raise ValueError("Input string was not in a correct format.") from None


def _decimal(value: Any) -> Decimal:
    text = repr(value) if isinstance(value, float) else str(value).strip().replace(",", "")
    try:
        found = Decimal(value if isinstance(value, int | Decimal) else text)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise ValueError("Input string was not in a correct format.")
    return found


def _datetime(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).replace(tzinfo=None)
    text = str(value).strip()
    for form in ("", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y", "%Y/%m/%d"):
        try:
            return datetime.strptime(text, form) if form else _iso(text)  # noqa: DTZ007
        except ValueError:
            continue
    raise ValueError("String was not recognized as a valid DateTime.")


def _plain_datetime(value: Any) -> datetime:
    """Without a zone: what has one is given in UTC."""
    found = _datetime(value)
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def _datetime_offset(value: Any) -> datetime:
    """With a zone: what has none is UTC."""
    found = _datetime(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _iso(text: str) -> datetime:
    whole, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    text = f"{whole}.{digits[:6]:0<6}{rest[len(digits) :]}" if dot and digits else text
    return datetime.fromisoformat(text.replace("Z", "+00:00").replace(" +", "+"))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(str(value), validate=True)


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "string": as_text,
    "boolean": _boolean,
    "single": _float,
    "double": _float,
    "decimal": _decimal,
    "datetime": _plain_datetime,
    "datetimeoffset": _datetime_offset,
    "guid": lambda value: str(UUID(str(value))),
    "timespan": as_text,
    "time": as_text,
    "date": _plain_datetime,
    "object": lambda value: value,
    "array": lambda value: value,
    "bytearray": _bytes,
    "byte[]": _bytes,
}
