"""One type's values as another's: explicit, implicit, and into a column."""

from __future__ import annotations

from collections.abc import Callable

from emulators.warehouse.engine.lowering.kinds import (
    BINARIES,
    EXACT,
    INSTANTS,
    NUMBERS,
    STRINGS,
    WHOLE,
    WIDE,
    Typed,
    duck,
    length_of,
    operand_clash,
    quoted,
)
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError

Writer = Callable[[Typed, SqlType, bool], str]
"""A value, the type it becomes, whether NULL stands for a failure -> DuckDB's SQL."""

_INTS = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "bit": 1}


def convert(value: Typed, target: SqlType, tried: bool = False) -> Typed:
    """`CAST(value AS target)`; with `tried`, NULL where it fails.

    Raises:
        SqlError: 529 when T-SQL has no conversion between the types.
    """
    source = value.type
    if source == target:
        return value
    if source.name == "null":
        return Typed(f"CAST(NULL AS {duck(target)})", target)
    writer = _writer(source, target)
    sql = writer(value, target, tried)
    nullable = value.nullable or tried
    literal = value.literal if target.name in STRINGS and source.name in STRINGS else None
    if literal is not None and 0 <= target.length < len(literal):
        literal = None
    return Typed(sql, target, nullable, literal)


def implicit(value: Typed, target: SqlType) -> Typed:
    """The value where an operator or function wants `target`."""
    if value.type.name in STRINGS and target.name in STRINGS:
        return value
    return convert(value, target)


def assign(value: Typed, target: SqlType, place: tuple[str, str] | None = None) -> Typed:
    """The value on its way into a column: too long a text fails instead of being cut.

    Args:
        value: what is stored.
        target: the column's type.
        place: table and column, where errors tell them.

    Raises:
        SqlError: 206 or 257 when it cannot be stored there without a CAST.
    """
    source = value.type
    _storable(source, target)
    if source.name in STRINGS and target.name in STRINGS:
        if target.length > 0 and (
            source.length == MAX or source.length > target.length or not source.length
        ):
            told = "(" if place is None else f"_in({quoted(place[0])}, {quoted(place[1])}, "
            sql = f"{SCHEMA}.fit{told}{value.sql}, {target.length})"
        else:
            sql = value.sql
        if target.name in ("char", "nchar"):
            sql = f"{SCHEMA}.pad({sql}, {target.length})"
        return Typed(sql, target, value.nullable)
    both = source.name in BINARIES and target.name in BINARIES and target.length > 0
    if both and (source.length == MAX or source.length > target.length):
        told = "(" if place is None else f"_in({quoted(place[0])}, {quoted(place[1])}, "
        fitted = f"{SCHEMA}.fit_bytes{told}{value.sql}, {target.length})"
        return Typed(fitted, target, value.nullable)
    if source.name in ("decimal", "float", "real") and target.name in STRINGS and target.length > 0:
        text = convert(value, SqlType("varchar", MAX)).sql
        return Typed(f"{SCHEMA}.short({text}, {target.length})", target, value.nullable)
    return convert(value, target)


def _storable(source: SqlType, target: SqlType) -> None:
    if source.name in STRINGS and target.name in BINARIES:
        text = f"Implicit conversion from data type {source.name} to {target.name} is not allowed. Use the CONVERT function to run this query."
        raise SqlError(257, 16, 3, text)
    bad = (
        (source.name in NUMBERS and target.name in ("date", "time", "datetime2", "datetimeoffset"))
        or (source.name in INSTANTS and target.name in NUMBERS)
        or (source.name in NUMBERS and target.name == "uniqueidentifier")
        or (target.name in NUMBERS and source.name == "uniqueidentifier")
        or (source.name == "time" and target.name == "date")
        or (source.name == "date" and target.name == "time")
        or (source.name in INSTANTS and target.name in BINARIES)
    )
    if bad:
        raise operand_clash(source, target)


def _writer(source: SqlType, target: SqlType) -> Writer:
    for sources, targets, writer in _TABLE:
        if source.name in sources and target.name in targets:
            return writer
    text = f"Explicit conversion from data type {source.name} to {target.name} is not allowed."
    raise SqlError(529, 16, 2, text)


def _plain(sql: str, target: SqlType, tried: bool) -> str:
    return f"{'TRY_CAST' if tried else 'CAST'}({sql} AS {duck(target)})"


def _macro(name: str, tried: bool, *arguments: str) -> str:
    return f"{SCHEMA}.{'try_' if tried else ''}{name}({', '.join(arguments)})"


def _number_to_number(value: Typed, target: SqlType, tried: bool) -> str:
    if target.name == "bit":
        return f"({value.sql} <> 0)"
    if (
        target.name in WHOLE
        and value.type.name not in WHOLE
        and value.type.name not in ("money", "smallmoney")
    ):
        return _plain(f"trunc({value.sql})", target, tried)
    if target.name == "decimal" and value.type.name == "bit":
        return _plain(f"CAST({value.sql} AS INTEGER)", target, tried)
    return _plain(value.sql, target, tried)


def _number_to_string(value: Typed, target: SqlType, tried: bool) -> str:
    source = value.type.name
    if source in ("float", "real"):
        text = f"{SCHEMA}.float_text({value.sql})"
    elif source == "bit":
        text = f"CAST(CAST({value.sql} AS INTEGER) AS VARCHAR)"
    elif source in ("money", "smallmoney"):
        text = f"CAST(CAST({value.sql} AS DECIMAL(19,2)) AS VARCHAR)"
    else:
        text = f"CAST({value.sql} AS VARCHAR)"
    if 0 < target.length < length_of(value.type):
        if source in WHOLE and target.name in ("varchar", "char"):
            text = f"{SCHEMA}.star({text}, {target.length})"
        else:
            text = _macro("short", tried, text, str(target.length))
    return _padded(text, target)


def _padded(text: str, target: SqlType) -> str:
    if target.name in ("char", "nchar") and target.length > 0:
        return f"{SCHEMA}.pad({text}, {target.length})"
    return text


def _string_to_string(value: Typed, target: SqlType, tried: bool) -> str:
    source = value.type
    if target.name in ("char", "nchar"):
        return _padded(value.sql, target)
    if target.length > 0 and (source.length > target.length or source.length in (MAX, 0)):
        return f"left({value.sql}, {target.length})"
    return value.sql


def _string_to_number(value: Typed, target: SqlType, tried: bool) -> str:
    source = quoted(value.type.name)
    if target.name == "bit":
        return _macro("flag", tried, value.sql, source)
    if target.name in WHOLE:
        return _plain(_macro("whole", tried, value.sql, quoted(target.name), source), target, tried)
    if target.name == "decimal":
        return _plain(_macro("exact", tried, value.sql, source), target, tried)
    if target.name in ("money", "smallmoney"):
        return _plain(_macro("currency", tried, value.sql), target, tried)
    return _plain(
        _macro("approximate", tried, value.sql, source, quoted(target.name)), target, tried
    )


def _string_to_instant(value: Typed, target: SqlType, tried: bool) -> str:
    if target.name == "datetimeoffset":
        return _macro("offset_of", tried, value.sql)
    if target.name == "datetime":
        return _macro("datetime_of", tried, _macro("moment", tried, value.sql))
    return _narrowed(_macro("moment", tried, value.sql), target)


def _narrowed(sql: str, target: SqlType) -> str:
    """A DuckDB timestamp as the target's own precision has it."""
    if target.name == "date":
        return f"CAST({sql} AS DATE)"
    if target.name == "time":
        return _fraction(f"CAST({sql} AS TIME)", target)
    if target.name == "smalldatetime":
        return f"date_trunc('minute', {sql} + to_microseconds(30000000))"
    return _fraction(sql, target)


def _fraction(sql: str, target: SqlType) -> str:
    """Rounded to the scale, where DuckDB's microseconds are finer."""
    if target.name == "datetime2" and target.scale < 6:
        unit = 10 ** (6 - target.scale)
        return f"make_timestamp(((epoch_us({sql}) + {unit // 2}) // {unit}) * {unit})"
    if target.name == "time" and target.scale < 6:
        unit = 10 ** (6 - target.scale)
        return f"(TIME '00:00:00' + to_microseconds(((epoch_us({sql}) + {unit // 2}) // {unit}) * {unit}))"
    return sql


def _instant_to_instant(value: Typed, target: SqlType, tried: bool) -> str:
    source, sql = value.type.name, value.sql
    if (source == "time" and target.name == "date") or (source == "date" and target.name == "time"):
        raise operand_clash(value.type, target)
    if source == "time":
        sql = f"(CAST('1900-01-01' AS DATE) + {sql})"
    elif source == "date":
        sql = f"CAST({sql} AS TIMESTAMP)"
    elif source == "datetimeoffset":
        if target.name == "datetimeoffset":
            return sql
        sql = f"CAST({sql} AS TIMESTAMP)"
    if source == "time" and target.name == "time":
        return _fraction(value.sql, target)
    if target.name == "datetimeoffset":
        return f"CAST({sql} AS TIMESTAMPTZ)"
    if target.name == "datetime":
        return sql if source in ("datetime", "smalldatetime") else _macro("datetime_of", tried, sql)
    if source == "datetime" and target.name in ("datetime2", "time") and target.scale >= 3:
        return f"CAST({sql} AS {duck(target)})"
    return _narrowed(sql, target)


def _instant_to_string(value: Typed, target: SqlType, tried: bool) -> str:
    from emulators.warehouse.engine.lowering.styles import instant_text

    text = instant_text(value, 0 if value.type.name in ("datetime", "smalldatetime") else 121)
    return _string_to_string(Typed(text, SqlType("varchar", 40)), target, tried)


def _number_to_instant(value: Typed, target: SqlType, tried: bool) -> str:
    if target.name not in ("datetime", "smalldatetime"):
        text = (
            f"Explicit conversion from data type {value.type.name} to {target.name} is not allowed."
        )
        raise SqlError(529, 16, 2, text)
    days = f"CAST(round(CAST({value.sql} AS DOUBLE) * 86400000) AS BIGINT)"
    return f"(TIMESTAMP '1900-01-01' + to_milliseconds({days}))"


def _instant_to_number(value: Typed, target: SqlType, tried: bool) -> str:
    if value.type.name not in ("datetime", "smalldatetime"):
        text = (
            f"Explicit conversion from data type {value.type.name} to {target.name} is not allowed."
        )
        raise SqlError(529, 16, 2, text)
    days = f"((epoch_us({value.sql}) - epoch_us(TIMESTAMP '1900-01-01')) / 86400000000e0)"
    rounded = f"round({days})" if target.name in WHOLE else days
    return _plain(rounded, target, tried)


def _string_to_binary(value: Typed, target: SqlType, tried: bool) -> str:
    codec = "utf16" if value.type.name in WIDE else "cp1252"
    return _cut(f"rehearsal_encode({value.sql}, '{codec}')", target)


def _cut(sql: str, target: SqlType) -> str:
    if target.name == "binary":
        return f"{SCHEMA}.bytes_pad({sql}, {target.length})"
    if target.length > 0:
        return f"unhex(left(hex({sql}), {target.length * 2}))"
    return sql


def _binary_to_string(value: Typed, target: SqlType, tried: bool) -> str:
    codec = "utf16" if target.name in WIDE else "cp1252"
    text = f"rehearsal_decode({value.sql}, '{codec}')"
    return _string_to_string(Typed(text, SqlType("varchar", MAX)), target, tried)


def _binary_to_binary(value: Typed, target: SqlType, tried: bool) -> str:
    fits = 0 < value.type.length <= target.length and target.name != "binary"
    return value.sql if fits else _cut(value.sql, target)


def _number_to_binary(value: Typed, target: SqlType, tried: bool) -> str:
    width = _INTS.get(value.type.name)
    if width is None:
        text = (
            f"Explicit conversion from data type {value.type.name} to {target.name} is not allowed."
        )
        raise SqlError(529, 16, 2, text)
    length = target.length if target.name == "binary" or 0 < target.length < width else width
    return f"{SCHEMA}.int_bytes(CAST({value.sql} AS BIGINT), {length})"


def _binary_to_number(value: Typed, target: SqlType, tried: bool) -> str:
    if target.name not in _INTS:
        text = (
            f"Explicit conversion from data type {value.type.name} to {target.name} is not allowed."
        )
        raise SqlError(529, 16, 2, text)
    whole = f"rehearsal_int({value.sql}, {_INTS[target.name]})"
    return f"({whole} <> 0)" if target.name == "bit" else _plain(whole, target, tried)


def _guid_to_string(value: Typed, target: SqlType, tried: bool) -> str:
    if 0 < target.length < 36:
        text = "Insufficient result space to convert uniqueidentifier value to char."
        raise SqlError(8170, 16, 2, text)
    return _padded(f"upper(CAST({value.sql} AS VARCHAR))", target)


def _string_to_guid(value: Typed, target: SqlType, tried: bool) -> str:
    return _macro("guid_of", tried, value.sql)


def _guid_to_binary(value: Typed, target: SqlType, tried: bool) -> str:
    return _cut(f"rehearsal_guid_bytes({value.sql})", target)


def _binary_to_guid(value: Typed, target: SqlType, tried: bool) -> str:
    return f"rehearsal_guid_from({value.sql})"


def _same(value: Typed, target: SqlType, tried: bool) -> str:
    return value.sql


_GUIDS = frozenset({"uniqueidentifier"})
_TABLE = (
    (NUMBERS, NUMBERS, _number_to_number), (NUMBERS, STRINGS, _number_to_string),
    (STRINGS, STRINGS, _string_to_string), (STRINGS, NUMBERS, _string_to_number),
    (STRINGS, INSTANTS, _string_to_instant), (INSTANTS, INSTANTS, _instant_to_instant),
    (INSTANTS, STRINGS, _instant_to_string), (EXACT | {"float", "real"}, INSTANTS, _number_to_instant),
    (INSTANTS, NUMBERS, _instant_to_number), (STRINGS, BINARIES, _string_to_binary),
    (BINARIES, STRINGS, _binary_to_string), (BINARIES, BINARIES, _binary_to_binary),
    (NUMBERS, BINARIES, _number_to_binary), (BINARIES, NUMBERS, _binary_to_number),
    (_GUIDS, STRINGS, _guid_to_string), (STRINGS, _GUIDS, _string_to_guid),
    (_GUIDS, BINARIES, _guid_to_binary), (BINARIES, _GUIDS, _binary_to_guid), (_GUIDS, _GUIDS, _same),
)  # fmt: skip
