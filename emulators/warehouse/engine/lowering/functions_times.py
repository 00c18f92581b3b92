"""Functions of dates and times."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.functions import Called, Function
from emulators.warehouse.engine.lowering.kinds import (
    BIGINT,
    DATE,
    DATETIME,
    DATETIME2,
    DATETIMEOFFSET,
    INSTANTS,
    INT,
    STRINGS,
    TIME,
    Typed,
)
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError, refused

PARTS = {
    "year": "year", "yy": "year", "yyyy": "year", "quarter": "quarter", "qq": "quarter", "q": "quarter",
    "month": "month", "mm": "month", "m": "month", "dayofyear": "dayofyear", "dy": "dayofyear", "y": "dayofyear",
    "day": "day", "dd": "day", "d": "day", "week": "week", "ww": "week", "wk": "week",
    "weekday": "weekday", "dw": "weekday", "w": "weekday", "hour": "hour", "hh": "hour",
    "minute": "minute", "mi": "minute", "n": "minute", "second": "second", "ss": "second", "s": "second",
    "millisecond": "millisecond", "ms": "millisecond", "microsecond": "microsecond", "mcs": "microsecond",
    "nanosecond": "nanosecond", "ns": "nanosecond", "iso_week": "iso_week", "isowk": "iso_week",
    "isoww": "iso_week", "tzoffset": "tzoffset", "tz": "tzoffset",
}  # fmt: skip
"""Date parts and their abbreviations."""

FINE = frozenset({"hour", "minute", "second", "millisecond", "microsecond", "nanosecond"})


def _part(called: Called) -> str:
    """The date part a call names.

    Raises:
        SqlError: 155: there is none by that name.
    """
    found = PARTS.get(called.asked.word.lower())
    if found is None:
        text = f"'{called.asked.word}' is not a recognized {called.name.lower()} option."
        raise SqlError(155, 15, 1, text, called.asked.line)
    return found


def _instant(called: Called, at: int) -> Typed:
    """The argument as an instant: text and numbers become one."""
    value = called.values[at]
    if value.type.name in INSTANTS:
        return value
    if value.type.name in STRINGS:
        return convert(value, DATETIME2)
    return convert(value, DATETIME)


def _stamp(value: Typed) -> str:
    """An instant as DuckDB's TIMESTAMP; a time is of 1900-01-01."""
    if value.type.name in ("datetime", "datetime2", "smalldatetime"):
        return value.sql
    return convert(value, DATETIME2).sql


def _now(sql: str, kind: SqlType) -> Function:
    def write(called: Called) -> Typed:
        called.need(0)
        return Typed(sql, kind, False)

    return write


UTC_NOW = "CAST(now() AS TIMESTAMP)"


def _datepart(called: Called) -> Typed:
    called.need(1)
    part = _part(called)
    value = _instant(called, 0)
    if value.type.name == "date" and part in FINE:
        return Typed(f"(CASE WHEN {value.sql} IS NOT NULL THEN 0 END)", INT, value.nullable)
    return Typed(f"CAST({_part_of(part, _stamp(value))} AS INTEGER)", INT, value.nullable)


def _part_of(part: str, stamp: str) -> str:
    plain = {"year", "quarter", "month", "day", "hour", "minute"}
    if part in plain:
        return f"{part}({stamp})"
    others = {
        "dayofyear": f"dayofyear({stamp})",
        "week": f"{SCHEMA}.week({stamp})",
        "weekday": f"(dayofweek({stamp}) + 1)",
        "second": f"second({stamp})",
        "millisecond": f"(millisecond({stamp}) % 1000)",
        "microsecond": f"(microsecond({stamp}) % 1000000)",
        "nanosecond": f"((microsecond({stamp}) % 1000000) * 1000)",
        "iso_week": f"weekofyear({stamp})",
        "tzoffset": f"(CASE WHEN {stamp} IS NOT NULL THEN 0 END)",
    }
    return others[part]


def _named_part(name: str) -> Function:
    def write(called: Called) -> Typed:
        called.need(1)
        value = _instant(called, 0)
        return Typed(f"CAST({name}({_stamp(value)}) AS INTEGER)", INT, value.nullable)

    return write


def _datename(called: Called) -> Typed:
    called.need(1)
    part, value = _part(called), _instant(called, 0)
    stamp = _stamp(value)
    if part == "month":
        sql = f"monthname({stamp})"
    elif part == "weekday":
        sql = f"dayname({stamp})"
    else:
        sql = f"CAST({_part_of(part, stamp)} AS VARCHAR)"
    return Typed(sql, SqlType("nvarchar", 30), value.nullable)


def _dateadd(called: Called) -> Typed:
    called.need(2)
    part = _part(called)
    value = _instant(called, 1)
    if called.values[1].type.name in STRINGS:
        value = convert(called.values[1], DATETIME)
    count = called.values[0]
    amount = f"CAST(trunc({convert(count, BIGINT).sql}) AS BIGINT)"
    if part in ("tzoffset", "iso_week"):
        text = f"The datepart {called.asked.word} is not supported by date function dateadd for data type {value.type.name}."
        raise SqlError(9810, 16, 1, text, called.asked.line)
    if (value.type.name == "date" and part in FINE) or (
        value.type.name == "time" and part not in FINE
    ):
        text = f"The datepart {part} is not supported by date function dateadd for data type {value.type.name}."
        raise SqlError(9810, 16, 1, text, called.asked.line)
    if value.type.name == "time":
        sql = f"({value.sql} + {_interval(part, amount)})"
    else:
        sql = f"({value.sql} + {_interval(part, amount)})"
    made = (
        convert(Typed(f"CAST({sql} AS TIMESTAMP)", DATETIME2), value.type)
        if value.type.name != "time"
        else Typed(sql, value.type)
    )
    return Typed(made.sql, value.type, value.nullable or count.nullable)


def _interval(part: str, amount: str) -> str:
    units = {
        "year": f"to_years(CAST({amount} AS INTEGER))",
        "quarter": f"to_months(CAST({amount} * 3 AS INTEGER))",
        "month": f"to_months(CAST({amount} AS INTEGER))",
        "week": f"to_days(CAST({amount} * 7 AS INTEGER))",
        "hour": f"to_hours({amount})",
        "minute": f"to_minutes({amount})",
        "second": f"to_seconds({amount})",
        "millisecond": f"to_milliseconds({amount})",
        "microsecond": f"to_microseconds({amount})",
        "nanosecond": f"to_microseconds(CAST(round({amount} / 1000e0) AS BIGINT))",
    }
    return units.get(part, f"to_days(CAST({amount} AS INTEGER))")


def _datediff(kind: SqlType) -> Function:
    def write(called: Called) -> Typed:
        called.need(2)
        part = _part(called)
        first, second = _instant(called, 0), _instant(called, 1)
        sql = _difference(part, _stamp(first), _stamp(second), called)
        sql = f"{SCHEMA}.difference({sql})" if kind is INT else f"CAST({sql} AS BIGINT)"
        return Typed(sql, kind, first.nullable or second.nullable)

    return write


def _difference(part: str, first: str, second: str, called: Called) -> str:
    """Boundaries crossed between two instants."""
    if part in ("tzoffset", "iso_week"):
        text = f"The datepart {called.asked.word} is not supported by date function datediff for data type datetime2."
        raise SqlError(9810, 16, 1, text, called.asked.line)
    if part == "week":
        return f"{SCHEMA}.weeks({first}, {second})"
    if part == "nanosecond":
        return f"(date_diff('microsecond', {first}, {second}) * CAST(1000 AS HUGEINT))"
    unit = "day" if part in ("dayofyear", "weekday") else part
    return f"date_diff('{unit}', {first}, {second})"


def _from_parts(kind: SqlType) -> Function:
    """DATEFROMPARTS and its sisters."""
    counts = {"date": 3, "datetime": 7, "smalldatetime": 5, "datetime2": 8, "time": 5}

    def write(called: Called) -> Typed:
        values = called.need(counts[kind.name])
        numbers = [convert(one, BIGINT).sql for one in values]
        nullable = any(one.nullable for one in values)
        if kind.name == "time":
            clock, target = numbers, kind
            day = "DATE '1900-01-01'"
        else:
            day = f"{SCHEMA}.date_of({', '.join(numbers[:3])})"
            clock, target = numbers[3:], kind
        if kind.name == "date":
            return Typed(day, kind, nullable)
        return _clocked(called, day, clock, target, nullable)

    return write


def _clocked(called: Called, day: str, clock: list[str], kind: SqlType, nullable: bool) -> Typed:
    hour, minute = clock[0], clock[1]
    second = clock[2] if len(clock) > 2 else "0"
    micros = "0"
    target = kind
    if kind.name == "datetime":
        micros = f"({clock[3]} * 1000)"
    elif kind.name in ("datetime2", "time"):
        given = called.values[-1].sql
        if not given.isdigit() or int(given) > 7:
            raise refused("a precision that is no constant from 0 to 7", called.asked.line)
        scale = int(given)
        target = SqlType(kind.name, scale=scale)
        micros = f"(({clock[3]} * {10 ** (7 - scale)}) // 10)"
    bad = f"{hour} NOT BETWEEN 0 AND 23 OR {minute} NOT BETWEEN 0 AND 59 OR {second} NOT BETWEEN 0 AND 59"
    failed = f"{SCHEMA}.fail(289, 16, 1, 'Cannot construct data type {kind.name}, some of the arguments have values which are not valid.')"
    stamp = f"(CAST({day} AS TIMESTAMP) + to_hours({hour}) + to_minutes({minute}) + to_seconds({second}) + to_microseconds({micros}))"
    sql = f"(CASE WHEN {bad} THEN {failed} ELSE {stamp} END)"
    return Typed(convert(Typed(sql, DATETIME2), target).sql, target, nullable)


def _eomonth(called: Called) -> Typed:
    called.need(1, 2)
    value = _instant(called, 0)
    stamp = _stamp(value)
    if len(called.values) == 2:
        stamp = f"({stamp} + to_months(CAST({convert(called.values[1], INT).sql} AS INTEGER)))"
    return Typed(f"last_day({stamp})", DATE, True)


def _isdate(called: Called) -> Typed:
    called.need(1)
    value = called.values[0]
    if value.type.name in INSTANTS:
        return Typed("1", INT, False)
    made = convert(value, DATETIME, tried=True) if value.type.name in STRINGS else None
    if made is None:
        return Typed("0", INT, False)
    return Typed(f"(CASE WHEN {made.sql} IS NULL THEN 0 ELSE 1 END)", INT, False)


def _datetrunc(called: Called) -> Typed:
    called.need(1)
    part, value = _part(called), _instant(called, 0)
    stamp = _stamp(value)
    if part == "week":
        sql = f"(date_trunc('day', {stamp}) - to_days(CAST(dayofweek({stamp}) AS INTEGER)))"
    elif part in ("dayofyear", "day", "weekday"):
        sql = f"date_trunc('day', {stamp})"
    elif part == "iso_week":
        sql = f"date_trunc('week', {stamp})"
    else:
        sql = f"date_trunc('{part}', {stamp})"
    made = convert(Typed(f"CAST({sql} AS TIMESTAMP)", DATETIME2), value.type)
    return Typed(made.sql, value.type, value.nullable)


def _todatetimeoffset(called: Called) -> Typed:
    called.need(2)
    value = _instant(called, 0)
    offset = called.values[1].literal
    if offset not in ("+00:00", "-00:00", "Z"):
        raise refused("time zone offsets other than +00:00", called.asked.line)
    return Typed(convert(value, DATETIMEOFFSET).sql, DATETIMEOFFSET, value.nullable)


FUNCTIONS: dict[str, Function] = {
    "GETDATE": _now(f"{SCHEMA}.datetime_of({UTC_NOW})", DATETIME),
    "GETUTCDATE": _now(f"{SCHEMA}.datetime_of({UTC_NOW})", DATETIME),
    "CURRENT_TIMESTAMP": _now(f"{SCHEMA}.datetime_of({UTC_NOW})", DATETIME),
    "SYSDATETIME": _now(UTC_NOW, DATETIME2), "SYSUTCDATETIME": _now(UTC_NOW, DATETIME2),
    "SYSDATETIMEOFFSET": _now("now()", DATETIMEOFFSET),
    "CURRENT_DATE": _now(f"CAST({UTC_NOW} AS DATE)", DATE),
    "CURRENT_TIMEZONE": _now("'(UTC) Coordinated Universal Time'", SqlType("nvarchar", 128)),
    "DATEPART": _datepart, "DATENAME": _datename, "YEAR": _named_part("year"),
    "MONTH": _named_part("month"), "DAY": _named_part("day"), "DATEADD": _dateadd,
    "DATEDIFF": _datediff(INT), "DATEDIFF_BIG": _datediff(BIGINT), "DATETRUNC": _datetrunc,
    "DATEFROMPARTS": _from_parts(DATE), "DATETIMEFROMPARTS": _from_parts(DATETIME),
    "SMALLDATETIMEFROMPARTS": _from_parts(SqlType("smalldatetime")),
    "DATETIME2FROMPARTS": _from_parts(DATETIME2), "TIMEFROMPARTS": _from_parts(TIME),
    "EOMONTH": _eomonth, "ISDATE": _isdate, "TODATETIMEOFFSET": _todatetimeoffset,
    "SWITCHOFFSET": _todatetimeoffset,
}  # fmt: skip
