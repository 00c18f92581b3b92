"""Values of variables: what fits a declared type as it is, and what must be converted first."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from uuid import UUID

from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError

RANGES = {
    "tinyint": (0, 255),
    "smallint": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
_CHARACTERS = frozenset({"varchar", "nvarchar", "text", "ntext", "xml", "sql_variant"})
_WIDE = Context(prec=60)


class Unfit(Exception):
    """The value is of another kind than the type: CAST must make it one."""


def overflow(kind: SqlType) -> SqlError:
    """8115: a number is too large for its type."""
    return SqlError(
        8115, 16, 2, f"Arithmetic overflow error converting expression to data type {kind.name}."
    )


def fit(value: Any, kind: SqlType) -> Any:
    """`value` as a variable of type `kind` keeps it: truncated, padded, rounded.

    Raises:
        Unfit: it needs a conversion.
        SqlError: 8115, 220: the number is out of range.
    """
    if value is None:
        return None
    how = _FITS.get(kind.name)
    if how is not None:
        return how(value, kind)
    if kind.name in _CHARACTERS or kind.name in ("char", "nchar"):
        return _text(value, kind)
    raise Unfit


def _integer(value: Any, kind: SqlType) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unfit
    low, high = RANGES[kind.name]
    if not low <= value <= high:
        if kind.name in ("tinyint", "smallint") and -(2**31) <= value < 2**31:
            text = f"Arithmetic overflow error for data type {kind.name}, value = {value}."
            raise SqlError(220, 16, 2, text)
        raise overflow(kind)
    return value


def _bit(value: Any, kind: SqlType) -> bool:
    if isinstance(value, int):  # bool, too
        return bool(value)
    raise Unfit


def _float(value: Any, kind: SqlType) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Unfit
    number = float(value)
    if kind.name == "real":
        try:
            return float(struct.unpack("<f", struct.pack("<f", number))[0])
        except OverflowError:
            raise SqlError(
                232, 16, 3, f"Arithmetic overflow error for type real, value = {number:.6f}."
            ) from None
    return number


def _decimal(value: Any, kind: SqlType) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unfit
    scale, precision = kind.scale, kind.precision
    if kind.name in ("money", "smallmoney"):
        scale, precision = 4, 19 if kind.name == "money" else 10
    made = _WIDE.create_decimal(value).quantize(
        Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP, context=_WIDE
    )
    if abs(made) >= Decimal(10) ** (precision - scale):
        spelled = "numeric" if kind.name == "decimal" else kind.name
        source = "int" if isinstance(value, int) else "numeric"
        text = f"Arithmetic overflow error converting {source} to data type {spelled}."
        raise SqlError(8115, 16, 8, text)
    return made


def _text(value: Any, kind: SqlType) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value}"
        if 0 < kind.length < len(value):
            raise Unfit
    if not isinstance(value, str):
        raise Unfit
    made: str = value
    if kind.length > 0:
        made = made[: kind.length]
        if kind.name in ("char", "nchar"):
            made = made.ljust(kind.length)
    return made


def _binary(value: Any, kind: SqlType) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise Unfit
    made = bytes(value)
    if kind.length not in (0, MAX):
        made = made[: kind.length]
        if kind.name == "binary":
            made = made.ljust(kind.length, b"\0")
    return made


def _guid(value: Any, kind: SqlType) -> str:
    if isinstance(value, UUID):
        return str(value).upper()
    if isinstance(value, str) and len(value) == 36:
        return value.upper()
    raise Unfit


def _date(value: Any, kind: SqlType) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    raise Unfit


def _time(value: Any, kind: SqlType) -> time:
    if isinstance(value, datetime):
        value = value.time()
    if isinstance(value, time):
        return value.replace(tzinfo=None)
    raise Unfit


def _instant(value: Any, kind: SqlType) -> datetime:
    """`datetime` and `smalldatetime` have their own grain; CAST knows it."""
    if isinstance(value, datetime) and value.tzinfo is None:
        if kind.name == "datetime2" and kind.scale >= 6:
            return value
        if kind.name == "datetime":
            return _ticks(value)
    raise Unfit


def _ticks(value: datetime) -> datetime:
    """Rounded to 1/300 s, as `datetime` keeps it (and shows in milliseconds)."""
    ticks = round(value.microsecond * 300 / 1_000_000)
    if ticks == 300:
        raise Unfit
    return value.replace(microsecond=round(ticks * 10 / 3) * 1000)


def _offset(value: Any, kind: SqlType) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise Unfit


_FITS: dict[str, Callable[[Any, SqlType], Any]] = {
    **dict.fromkeys(RANGES, _integer),
    "bit": _bit,
    "real": _float,
    "float": _float,
    "decimal": _decimal,
    "numeric": _decimal,
    "money": _decimal,
    "smallmoney": _decimal,
    "binary": _binary,
    "varbinary": _binary,
    "image": _binary,
    "rowversion": _binary,
    "uniqueidentifier": _guid,
    "date": _date,
    "time": _time,
    "datetime": _instant,
    "datetime2": _instant,
    "datetimeoffset": _offset,
}
