"""TYPE_INFO and values as clients send them, in parameters and bulk rows. [MS-TDS] 2.2.5.4-5."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, localcontext
from struct import Struct
from typing import Any
from uuid import UUID

from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.wire import framing
from emulators.warehouse.wire.framing import Frame
from emulators.warehouse.wire.packets import BadStream, Reader

PLP = 0xFFFF
UTF8_FLAG = 0x0400_0000
FIRST_DAY = date(1, 1, 1).toordinal()
FIRST_1900 = datetime.combine(date(1900, 1, 1), time())

_U4, _I2, _I4 = Struct("<I"), Struct("<h"), Struct("<i")
_F4, _F8 = Struct("<f"), Struct("<d")
_DATETIME, _SMALL = Struct("<iI"), Struct("<HH")


class UnsupportedType(Exception):
    """A type that is sent by nobody whom we serve; the message names it."""


@dataclass(frozen=True, slots=True)
class Described:
    """A type as it was sent: how its values are framed, and what their bytes mean."""

    sql: SqlType
    frame: Frame
    convert: Callable[[bytes], Any]
    texts: bool = False  # TEXT and its like: COLMETADATA adds a table's name
    code: str = ""  # of texts

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        """The value at a position, and the position behind it.

        Raises:
            NeedMore, IndexError, struct.error: the bytes end within it.
            BadStream: it is malformed.
        """
        raw, at = self.frame.take(data, at)
        return (None if raw is None else self.convert(raw)), at


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=len(data) > 1)


def _float(data: bytes) -> float:
    value: float = (_F4 if len(data) == 4 else _F8).unpack(data)[0]
    return value


def _money(data: bytes) -> Decimal:
    if len(data) == 4:
        number = _I4.unpack(data)[0]
    else:
        number = _I4.unpack_from(data)[0] << 32 | _U4.unpack_from(data, 4)[0]
    return Decimal(number).scaleb(-4)


def _decimal(scale: int) -> Callable[[bytes], Decimal]:
    def convert(data: bytes) -> Decimal:
        number = int.from_bytes(data[1:], "little")
        with localcontext(prec=40):
            return Decimal(number if data[0] else -number).scaleb(-scale)

    return convert


def _datetime(data: bytes) -> datetime:
    try:
        if len(data) == 4:
            days, minutes = _SMALL.unpack(data)
            return FIRST_1900 + timedelta(days=days, minutes=minutes)
        days, ticks = _DATETIME.unpack(data)
        # Milliseconds, as the product shows them: .000, .003, .007.
        return FIRST_1900 + timedelta(days=days, milliseconds=(ticks * 10 + 1) // 3)
    except OverflowError:
        raise BadStream("a date out of the calendar") from None


def _date(data: bytes) -> date:
    try:
        return date.fromordinal(FIRST_DAY + int.from_bytes(data, "little"))
    except (ValueError, OverflowError):
        raise BadStream("a date out of the calendar") from None


def _microseconds(data: bytes, scale: int) -> int:
    units = int.from_bytes(data, "little")
    us = units // 10 if scale == 7 else units * 10 ** (6 - scale)
    if us >= 86_400_000_000:
        raise BadStream("a time of day beyond midnight")
    return us


def _time(scale: int) -> Callable[[bytes], time]:
    def convert(data: bytes) -> time:
        seconds, us = divmod(_microseconds(data, scale), 1_000_000)
        return time(seconds // 3600, seconds // 60 % 60, seconds % 60, us)

    return convert


def _datetime2(scale: int) -> Callable[[bytes], datetime]:
    def convert(data: bytes) -> datetime:
        day = _date(data[-3:])
        us = _microseconds(data[:-3], scale)
        return datetime.combine(day, time()) + timedelta(microseconds=us)

    return convert


def _datetimeoffset(scale: int) -> Callable[[bytes], datetime]:
    read = _datetime2(scale)

    def convert(data: bytes) -> datetime:
        minutes = _I2.unpack(data[-2:])[0]
        try:
            zone = timezone(timedelta(minutes=minutes))
            return read(data[:-2]).replace(tzinfo=UTC).astimezone(zone)
        except (OverflowError, ValueError):
            raise BadStream("an instant out of the calendar") from None

    return convert


def _text(code: str) -> Callable[[bytes], str]:
    return lambda data: data.decode(code, "replace")


_INT_NAMES = {1: "tinyint", 2: "smallint", 4: "int", 8: "bigint"}
_FLOAT_NAMES = {4: "real", 8: "float"}
_MONEY_NAMES = {4: "smallmoney", 8: "money"}
_DATETIME_NAMES = {4: "smalldatetime", 8: "datetime"}
_FAMILIES: dict[int, tuple[dict[int, str], Callable[[bytes], Any]]] = {
    0x26: (_INT_NAMES, _integer),
    0x68: ({1: "bit"}, lambda data: bool(data[0])),
    0x6D: (_FLOAT_NAMES, _float),
    0x6E: (_MONEY_NAMES, _money),
    0x6F: (_DATETIME_NAMES, _datetime),
}
_PLAIN: dict[int, tuple[str, int, Callable[[bytes], Any]]] = {
    0x30: ("tinyint", 1, _integer), 0x32: ("bit", 1, lambda data: bool(data[0])),
    0x34: ("smallint", 2, _integer), 0x38: ("int", 4, _integer), 0x7F: ("bigint", 8, _integer),
    0x3B: ("real", 4, _float), 0x3E: ("float", 8, _float), 0x7A: ("smallmoney", 4, _money),
    0x3C: ("money", 8, _money), 0x3A: ("smalldatetime", 4, _datetime),
    0x3D: ("datetime", 8, _datetime),
}  # fmt: skip
_TEXTS = {0xE7: "nvarchar", 0xEF: "nchar", 0xA7: "varchar", 0xAF: "char",
          0x27: "varchar", 0x2F: "char"}  # fmt: skip
_BINARIES = {0xA5: "varbinary", 0xAD: "binary", 0x25: "varbinary", 0x2D: "binary"}
_LONGS = {0x23: "varchar", 0x63: "nvarchar", 0x22: "varbinary"}
_SCALED: dict[int, tuple[str, Callable[[int], Callable[[bytes], Any]]]] = {
    0x29: ("time", _time),
    0x2A: ("datetime2", _datetime2),
    0x2B: ("datetimeoffset", _datetimeoffset),
}
_UNSUPPORTED = {0x62: "sql_variant", 0xF0: "CLR types", 0xF3: "table-valued parameters"}


def described(reader: Reader, *, in_rows: bool = False) -> Described:
    """Read TYPE_INFO.

    Args:
        in_rows: of a bulk load's column, not of a parameter.

    Raises:
        BadStream: no type, or sizes it cannot have.
        UnsupportedType: a type of SQL Server that is not taken.
    """
    token = reader.number(1)
    if token in _UNSUPPORTED:
        raise UnsupportedType(_UNSUPPORTED[token])
    if token in _LONGS:
        return _of_long(token, reader, in_rows)
    for tokens, make in _MAKERS:
        if token in tokens:
            return make(token, reader)
    raise BadStream(f"no type {token:#x}")


def _of_plain(token: int, _: Reader) -> Described:
    name, size, convert = _PLAIN[token]
    return Described(SqlType(name), framing.fixed(size), convert)


def _of_family(token: int, reader: Reader) -> Described:
    names, convert = _FAMILIES[token]
    size = reader.number(1)
    if size not in names:
        raise BadStream(f"type {token:#x} of {size} bytes")
    return Described(SqlType(names[size]), framing.by_byte(*names), convert)


def _of_guid(_: int, reader: Reader) -> Described:
    reader.take(1)
    return Described(SqlType("uniqueidentifier"), framing.by_byte(16), _guid)


def _of_date(_: int, __: Reader) -> Described:
    return Described(SqlType("date"), framing.by_byte(3), _date)


def _of_null(_: int, __: Reader) -> Described:
    return Described(SqlType("nvarchar", 4000), framing.nothing, bytes)


def _guid(data: bytes) -> UUID:
    return UUID(bytes_le=data)


def _of_decimal(_: int, reader: Reader) -> Described:
    reader.number(1)
    precision, scale = reader.number(1), reader.number(1)
    if not 1 <= precision <= 38 or scale > precision:
        raise BadStream(f"decimal({precision},{scale})")
    sql = SqlType("decimal", precision=precision, scale=scale)
    return Described(sql, framing.by_byte(5, 9, 13, 17), _decimal(scale))


def _of_scaled(token: int, reader: Reader) -> Described:
    scale = reader.number(1)
    if scale > 7:
        raise BadStream(f"a scale of {scale}")
    name, make = _SCALED[token]
    size = (3 if scale <= 2 else 4 if scale <= 4 else 5) + {"time": 0, "datetime2": 3}.get(name, 5)
    return Described(SqlType(name, scale=scale), framing.by_byte(size), make(scale))


def _of_length(token: int, reader: Reader) -> Described:
    old = token < 0x80  # one byte of length, no collation
    size = reader.number(1 if old else 2)
    if token in _BINARIES:
        convert: Callable[[bytes], Any] = bytes
        code = ""
        sql = SqlType(_BINARIES[token], MAX if size == PLP and not old else size)
    else:
        wide = token in (0xE7, 0xEF)
        code = _code(b"" if old else reader.take(5), wide)
        length = MAX if size == PLP and not old else size // 2 if wide else size
        sql = SqlType(_TEXTS[token], length, collation=_collation(code))
        convert = _text(code)
    large = framing.in_chunks if size == PLP else framing.by_short
    return Described(sql, framing.by_byte() if old else large, convert, code=code)


def _code(collation: bytes, wide: bool) -> str:
    if wide:
        return "utf-16-le"
    if collation and _U4.unpack_from(collation)[0] & UTF8_FLAG:
        return "utf-8"
    return "cp1252"


def _collation(code: str) -> str | None:
    return "Latin1_General_100_CI_AS_SC_UTF8" if code == "utf-8" else None


def _of_long(token: int, reader: Reader, in_rows: bool) -> Described:
    reader.take(4)
    code = ""
    if token != 0x22:
        code = _code(reader.take(5), token == 0x63)
    convert = _text(code) if code else bytes
    frame = framing.by_pointer if in_rows else framing.by_long
    return Described(SqlType(_LONGS[token], MAX), frame, convert, texts=True, code=code)


def _of_xml(_: int, reader: Reader) -> Described:
    if reader.number(1):  # a schema is named
        reader.b_text(), reader.b_text(), reader.us_text()
    return Described(SqlType("nvarchar", MAX), framing.in_chunks, _xml)


def _xml(data: bytes) -> str:
    return data.removeprefix(b"\xff\xfe").decode("utf-16-le", "replace")


_MAKERS: tuple[tuple[Collection[int], Callable[[int, Reader], Described]], ...] = (
    (_PLAIN, _of_plain),
    (_FAMILIES, _of_family),
    ((0x6A, 0x6C, 0x37, 0x3F), _of_decimal),
    ((0x24,), _of_guid),
    ((0x28,), _of_date),
    (_SCALED, _of_scaled),
    ((*_TEXTS, *_BINARIES), _of_length),
    ((0xF1,), _of_xml),
    ((0x1F,), _of_null),
)
