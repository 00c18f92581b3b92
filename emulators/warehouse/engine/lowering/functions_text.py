"""Functions of text."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.converting import text_of
from emulators.warehouse.engine.lowering.functions import Called, Function
from emulators.warehouse.engine.lowering.kinds import (
    BIGINT,
    BINARIES,
    FLOAT,
    INT,
    STRINGS,
    WIDE,
    Typed,
    joined,
    quoted,
)
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.lowering.operators import LARGEST
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError

CHAR1, NCHAR1 = SqlType("char", 1), SqlType("nchar", 1)
NAME = SqlType("nvarchar", 258)


def _text(called: Called, at: int) -> Typed:
    """The argument as text; its own type where it is text."""
    return text_of(called.values[at])


def _int(called: Called, at: int) -> str:
    return convert(called.values[at], BIGINT).sql


def _nullable(called: Called) -> bool:
    return any(one.nullable for one in called.values)


def _varying(kind: SqlType, length: int | None = None) -> SqlType:
    """The varying type of the same letters; `length` None keeps its own."""
    name = "nvarchar" if kind.name in WIDE else "varchar"
    own = kind.length or MAX
    return SqlType(name, own if length is None else length, collation=kind.collation)


def _length(called: Called) -> Typed:
    (value,) = called.need(1)
    kind = BIGINT if value.type.length == MAX else INT
    sql = f"{SCHEMA}.len({_text(called, 0).sql})"
    if value.type.name in BINARIES:
        sql = f"CAST(octet_length({value.sql}) AS INTEGER)"
    return convert(Typed(sql, INT, value.nullable), kind)


def _datalength(called: Called) -> Typed:
    (value,) = called.need(1)
    sizes = {
        "bit": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "real": 4, "float": 8,
        "money": 8, "smallmoney": 4, "date": 3, "time": 5, "datetime": 8, "smalldatetime": 4,
        "datetime2": 8, "datetimeoffset": 10, "uniqueidentifier": 16,
    }  # fmt: skip
    name = value.type.name
    if name in STRINGS:
        sql = f"{SCHEMA}.wide_bytes({value.sql})" if name in WIDE else f"length({value.sql})"
    elif name in BINARIES:
        sql = f"octet_length({value.sql})"
    elif name == "decimal":
        size = 5 + 4 * sum(value.type.precision > edge for edge in (9, 19, 28))
        sql = f"(CASE WHEN ({value.sql}) IS NULL THEN NULL ELSE {size} END)"
    else:
        sql = f"(CASE WHEN ({value.sql}) IS NULL THEN NULL ELSE {sizes.get(name, 4)} END)"
    kind = BIGINT if value.type.length == MAX else INT
    return Typed(
        f"CAST({sql} AS {'BIGINT' if kind is BIGINT else 'INTEGER'})", kind, value.nullable
    )


def _same(function: str) -> Function:
    """Text in, text of the same type out."""

    def write(called: Called) -> Typed:
        called.need(1)
        value = _text(called, 0)
        return Typed(f"{function}({value.sql})", _varying(value.type), value.nullable)

    return write


def _trimmed(function: str) -> Function:
    def write(called: Called) -> Typed:
        called.need(1, 2)
        value = _text(called, 0)
        marks = _text(called, 1).sql if len(called.values) > 1 else "' '"
        return Typed(f"{function}({value.sql}, {marks})", _varying(value.type), _nullable(called))

    return write


def _trim(called: Called) -> Typed:
    called.need(1, 2)
    function = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(called.asked.word, "trim")
    marks = "' '"
    value = _text(called, 0)
    if len(called.values) == 2:
        # `TRIM(marks FROM text)` is read with the text first.
        marks = _text(called, 1).sql
    return Typed(f"{function}({value.sql}, {marks})", _varying(value.type), _nullable(called))


def _side(macro: str) -> Function:
    def write(called: Called) -> Typed:
        called.need(2)
        value, count = _text(called, 0), called.values[1]
        kind = _varying(value.type)
        if count.digits and count.sql.isdigit():
            kind = _varying(
                value.type,
                min(int(count.sql) or 1, kind.length)
                if kind.length > 0
                else max(1, int(count.sql)),
            )
        sql = f"{SCHEMA}.{macro}({value.sql}, {_int(called, 1)})"
        return Typed(sql, kind, _nullable(called))

    return write


def _substring(called: Called) -> Typed:
    called.need(3)
    value = called.values[0]
    start, count = _int(called, 1), _int(called, 2)
    if value.type.name in BINARIES:
        sql = f"{SCHEMA}.part_bytes({value.sql}, {start}, {count})"
        return Typed(sql, SqlType("varbinary", value.type.length or MAX), _nullable(called))
    text = _text(called, 0)
    sql = f"{SCHEMA}.part({text.sql}, {start}, {count})"
    kind = _varying(text.type)
    size = called.values[2]
    if size.digits and size.sql.isdigit() and kind.length > 0:
        kind = _varying(text.type, max(1, min(int(size.sql), kind.length)))
    return Typed(sql, kind, _nullable(called))


def _charindex(called: Called) -> Typed:
    called.need(2, 3)
    start = _int(called, 2) if len(called.values) == 3 else "1"
    sql = f"{SCHEMA}.charindex({_text(called, 0).sql}, {_text(called, 1).sql}, {start})"
    kind = BIGINT if called.values[1].type.length == MAX else INT
    return Typed(
        f"CAST({sql} AS {'BIGINT' if kind is BIGINT else 'INTEGER'})", kind, _nullable(called)
    )


def _patindex(called: Called) -> Typed:
    called.need(2)
    sql = f"rehearsal_patindex({_text(called, 0).sql}, {_text(called, 1).sql})"
    kind = BIGINT if called.values[1].type.length == MAX else INT
    return convert(Typed(sql, INT, _nullable(called)), kind)


def _replace(called: Called) -> Typed:
    called.need(3)
    texts = [_text(called, at) for at in range(3)]
    sql = f"{SCHEMA}.replace_of({', '.join(one.sql for one in texts)})"
    longest = 4000 if any(one.type.name in WIDE for one in texts) else 8000
    kind = joined(texts[0].type, texts[2].type, MAX)
    length = MAX if any(one.type.length == MAX for one in texts) else longest
    return Typed(sql, SqlType(kind.name, length), _nullable(called))


def _stuff(called: Called) -> Typed:
    called.need(4)
    value, other = _text(called, 0), _text(called, 3)
    sql = f"{SCHEMA}.stuff({value.sql}, {_int(called, 1)}, {_int(called, 2)}, {other.sql})"
    length = (
        MAX
        if MAX in (value.type.length, other.type.length)
        else min(
            value.type.length + other.type.length, LARGEST[joined(value.type, other.type, 1).name]
        )
    )
    return Typed(sql, _varying(joined(value.type, other.type, 1), length), True)


def _replicate(called: Called) -> Typed:
    called.need(2)
    value = _text(called, 0)
    if value.type.length == MAX:
        sql = f"{SCHEMA}.repeat_of({value.sql}, {_int(called, 1)})"
        return Typed(sql, _varying(value.type, MAX), True)
    length = LARGEST[_varying(value.type).name]
    sql = f"{SCHEMA}.repeat_short({value.sql}, {_int(called, 1)}, {length})"
    return Typed(sql, _varying(value.type, length), True)


def _space(called: Called) -> Typed:
    called.need(1)
    sql = f"{SCHEMA}.repeat_short(' ', {_int(called, 0)}, {LARGEST['varchar']})"
    return Typed(sql, SqlType("varchar", LARGEST["varchar"]), True)


def _concat(called: Called) -> Typed:
    values = called.need(2, 254)
    return _put_together(values)


ROOM = {"null": 1, "bit": 1, "tinyint": 3, "smallint": 6, "int": 12, "bigint": 24, "decimal": 41}
"""Characters that CONCAT counts for what is no text."""


def _put_together(values: list[Typed]) -> Typed:
    """Text of all of them, NULL as nothing."""
    texts = [text_of(one) for one in values]
    parts = [f"coalesce({one.sql}, '')" for one in texts]
    wide = any(one.type.name in WIDE for one in values)
    lengths = [
        one.type.length or MAX if one.type.name in STRINGS else ROOM.get(one.type.name, 40)
        for one in values
    ]
    name = "nvarchar" if wide else "varchar"
    length = MAX if MAX in lengths else min(sum(lengths) or 1, LARGEST[name])
    return Typed(f"({' || '.join(parts)})", SqlType(name, length), False)


def _concat_ws(called: Called) -> Typed:
    values = called.need(3, 254)
    texts = [text_of(one) for one in values]
    sql = f"concat_ws({', '.join(one.sql for one in texts)})"
    between = [values[0]] * (len(values) - 2)
    made = _put_together([*values[1:], *between])
    return Typed(sql, made.type, False)


def _ascii(called: Called) -> Typed:
    called.need(1)
    return Typed(f"CAST({SCHEMA}.initial({_text(called, 0).sql}) AS INTEGER)", INT, True)


def _char(kind: SqlType, most: int) -> Function:
    def write(called: Called) -> Typed:
        called.need(1)
        code = _int(called, 0)
        sql = f"(CASE WHEN {code} BETWEEN 0 AND {most} THEN chr(CAST({code} AS INTEGER)) END)"
        return Typed(sql, kind, True)

    return write


def _quotename(called: Called) -> Typed:
    called.need(1, 2)
    mark = _text(called, 1).sql if len(called.values) == 2 else quoted("[")
    return Typed(f"rehearsal_quotename({_text(called, 0).sql}, {mark})", NAME, True)


def _str(called: Called) -> Typed:
    called.need(1, 3)
    number = convert(called.values[0], FLOAT).sql
    length = _int(called, 1) if len(called.values) > 1 else "10"
    places = _int(called, 2) if len(called.values) > 2 else "0"
    sql = f"{SCHEMA}.str_of({number}, CAST({length} AS INTEGER), CAST({places} AS INTEGER))"
    return Typed(sql, SqlType("varchar", 40), _nullable(called))


def _translate(called: Called) -> Typed:
    called.need(3)
    texts = [_text(called, at) for at in range(3)]
    same = f"length({texts[1].sql}) <> length({texts[2].sql})"
    failed = f"{SCHEMA}.fail(9828, 16, 1, 'The second and third arguments of the TRANSLATE built-in function must contain an equal number of characters.')"
    sql = f"(CASE WHEN {same} THEN {failed} ELSE translate({', '.join(t.sql for t in texts)}) END)"
    return Typed(sql, _varying(texts[0].type), _nullable(called))


def _soundex(called: Called) -> Typed:
    called.need(1)
    return Typed(f"rehearsal_soundex({_text(called, 0).sql})", SqlType("varchar", 4), True)


def _difference(called: Called) -> Typed:
    called.need(2)
    a, b = (f"rehearsal_soundex({_text(called, at).sql})" for at in (0, 1))
    parts = " + ".join(
        f"CAST(substring({a}, {n}, 1) = substring({b}, {n}, 1) AS INTEGER)" for n in (1, 2, 3, 4)
    )
    return Typed(f"({parts})", INT, True)


def _format(called: Called) -> Typed:
    called.need(2, 3)
    value = called.values[0]
    culture = _text(called, 2).sql if len(called.values) == 3 else "'en-US'"
    pattern = _text(called, 1).sql
    from emulators.warehouse.engine.lowering.kinds import DATETIME2, INSTANTS, NUMBERS, decimal

    if value.type.name in INSTANTS:
        stamp = convert(value, DATETIME2).sql
        sql = f"rehearsal_format_instant({stamp}, {pattern}, {culture})"
    elif value.type.name in NUMBERS:
        number = convert(value, decimal(38, 10)).sql
        sql = f"rehearsal_format_number({number}, {pattern}, {culture})"
    else:
        raise called.bad(1)
    return Typed(sql, SqlType("nvarchar", 4000), True)


def _string_escape(called: Called) -> Typed:
    called.need(2)
    if (called.values[1].literal or "").lower() != "json":
        raise SqlError(
            1, 16, 1, "An invalid value was specified for argument 2.", called.asked.line
        )
    sql = f"substring(CAST(to_json({_text(called, 0).sql}) AS VARCHAR), 2, length(CAST(to_json({_text(called, 0).sql}) AS VARCHAR)) - 2)"
    return Typed(sql, SqlType("nvarchar", MAX), True)


FUNCTIONS: dict[str, Function] = {
    "LEN": _length, "DATALENGTH": _datalength, "UPPER": _same("upper"), "LOWER": _same("lower"),
    "LTRIM": _trimmed("ltrim"), "RTRIM": _trimmed("rtrim"), "TRIM": _trim,
    "LEFT": _side("left_of"), "RIGHT": _side("right_of"), "SUBSTRING": _substring,
    "CHARINDEX": _charindex, "PATINDEX": _patindex, "REPLACE": _replace, "STUFF": _stuff,
    "REPLICATE": _replicate, "SPACE": _space, "REVERSE": _same("reverse"), "CONCAT": _concat,
    "CONCAT_WS": _concat_ws, "ASCII": _ascii, "UNICODE": _ascii, "CHAR": _char(CHAR1, 255),
    "NCHAR": _char(NCHAR1, 65535), "QUOTENAME": _quotename, "STR": _str, "TRANSLATE": _translate,
    "SOUNDEX": _soundex, "DIFFERENCE": _difference, "FORMAT": _format,
    "STRING_ESCAPE": _string_escape,
}  # fmt: skip
