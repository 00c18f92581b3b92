"""Aggregates, alone or over a window."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.converting import text_of
from emulators.warehouse.engine.lowering.functions import Called, Function
from emulators.warehouse.engine.lowering.kinds import (
    BIGINT,
    FLOAT,
    INT,
    NUMBERS,
    STRINGS,
    WHOLE,
    WIDE,
    Typed,
    decimal,
    duck,
)
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.lowering.operators import key
from emulators.warehouse.engine.lowering.windowing import over
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError, refused


def _count(kind: SqlType) -> Function:
    def write(called: Called) -> Typed:
        if called.asked.star or not called.asked.arguments:
            inner = "count(*)"
        else:
            (value,) = called.need(1)
            what = key(value) if called.asked.distinct else value.sql
            inner = f"count({'DISTINCT ' if called.asked.distinct else ''}{what})"
        return Typed(f"CAST({inner}{over(called)} AS {duck(kind)})", kind, False)

    return write


def _operand(called: Called) -> Typed:
    (value,) = called.need(1)
    if value.type.name not in NUMBERS or value.type.name == "bit":
        word = called.name.lower()
        text = f"Operand data type {_told(value)} is invalid for {word} operator."
        raise SqlError(8117, 16, 1, text, called.asked.line)
    return value


def _told(value: Typed) -> str:
    return "NULL" if value.type.name == "null" else value.type.name


def _sum_type(kind: SqlType) -> SqlType:
    if kind.name in ("tinyint", "smallint", "int"):
        return INT
    if kind.name == "decimal":
        return decimal(38, kind.scale)
    if kind.name in ("money", "smallmoney"):
        return SqlType("money")
    return FLOAT if kind.name == "real" else kind


def _distinct(called: Called) -> str:
    return "DISTINCT " if called.asked.distinct else ""


def _sum(called: Called) -> Typed:
    value = _operand(called)
    kind = _sum_type(value.type)
    return Typed(f"CAST(sum({_distinct(called)}{value.sql}){over(called)} AS {duck(kind)})", kind)


def _avg(called: Called) -> Typed:
    value = _operand(called)
    distinct, window = _distinct(called), over(called)
    total, count = f"sum({distinct}{value.sql}){window}", f"count({distinct}{value.sql}){window}"
    if value.type.name in WHOLE:
        kind = _sum_type(value.type)
        # An empty group has no average.
        return Typed(f"CAST({total} // nullif({count}, 0) AS {duck(kind)})", kind)
    if value.type.name == "decimal":
        kind = decimal(38, max(value.type.scale, 6))
        shift = kind.scale - value.type.scale
        over_all = f"CAST(replace(CAST({total} AS VARCHAR), '.', '') AS HUGEINT)"
        whole = f"(({over_all} * CAST('1{'0' * shift}' AS HUGEINT)) // nullif({count}, 0))"
        return Typed(f"CAST({SCHEMA}.pointed({whole}, {kind.scale}) AS {duck(kind)})", kind)
    kind = SqlType("money") if "money" in value.type.name else FLOAT
    sql = f"avg({distinct}{value.sql}){window}"
    return Typed(f"CAST({sql} AS {duck(kind)})", kind)


def _extreme(function: str) -> Function:
    def write(called: Called) -> Typed:
        (value,) = called.need(1)
        if value.type.name in ("bit", "text", "ntext", "image", "xml"):
            text = f"Operand data type {value.type.name} is invalid for {called.name.lower()} operator."
            raise SqlError(8117, 16, 1, text, called.asked.line)
        return Typed(f"{function}({value.sql}){over(called)}", value.type)

    return write


def _statistic(function: str) -> Function:
    def write(called: Called) -> Typed:
        value = convert(_operand(called), FLOAT)
        return Typed(f"{function}({_distinct(called)}{value.sql}){over(called)}", FLOAT)

    return write


def _string_agg(called: Called) -> Typed:
    value, separator = called.need(2)
    text, between = text_of(value), text_of(separator)
    order = ""
    if called.asked.within:
        order = f" ORDER BY {called.binder.lowering.queries.ordering(called.asked.within, called.scope)}"
    wide = text.type.name in WIDE or between.type.name in WIDE
    if value.type.name not in STRINGS:
        wide = True
    length = (
        MAX if text.type.length == MAX and value.type.name in STRINGS else (4000 if wide else 8000)
    )
    kind = SqlType("nvarchar" if wide else "varchar", length)
    return Typed(f"string_agg({text.sql}, {between.sql}{order})", kind)


def _grouping(called: Called) -> Typed:
    values = called.need(1)
    return Typed(f"CAST(grouping({values[0].sql}) AS UTINYINT)", SqlType("tinyint"), False)


def _grouping_id(called: Called) -> Typed:
    values = called.need(1, 32)
    listed = ", ".join(one.sql for one in values)
    return Typed(f"CAST(grouping({listed}) AS INTEGER)", INT, False)


def _approximate(called: Called) -> Typed:
    (value,) = called.need(1)
    # An exact count is within every error that is allowed.
    return Typed(f"CAST(count(DISTINCT {key(value)}) AS BIGINT)", BIGINT, False)


def _checksum_agg(called: Called) -> Typed:
    (value,) = called.need(1)
    return Typed(f"CAST(bit_xor({convert(value, INT).sql}){over(called)} AS INTEGER)", INT)


def _percentile(function: str) -> Function:
    def write(called: Called) -> Typed:
        (share,) = called.need(1)
        if len(called.asked.within) != 1:
            text = f"The function '{called.name}' must have a WITHIN GROUP clause."
            raise SqlError(10754, 15, 1, text, called.asked.line)
        if called.asked.over is None:
            text = f"The function '{called.name}' must have an OVER clause."
            raise SqlError(10753, 15, 1, text, called.asked.line)
        (order,) = called.asked.within
        value = called.binder.value(order.expression, called.scope)
        if share.type.name not in ("decimal", "float", "int"):
            raise refused("percentiles that are no constant", called.asked.line)
        wanted = f"(1 - {share.sql})" if order.descending else share.sql
        given = convert(value, FLOAT) if function == "quantile_cont" else value
        kind = given.type
        return Typed(f"{function}({given.sql}, CAST({wanted} AS DOUBLE)){over(called)}", kind)

    return write


FUNCTIONS: dict[str, Function] = {
    "COUNT": _count(INT), "COUNT_BIG": _count(BIGINT), "SUM": _sum, "AVG": _avg,
    "MIN": _extreme("min"), "MAX": _extreme("max"), "STDEV": _statistic("stddev_samp"),
    "STDEVP": _statistic("stddev_pop"), "VAR": _statistic("var_samp"),
    "VARP": _statistic("var_pop"), "STRING_AGG": _string_agg, "GROUPING": _grouping,
    "GROUPING_ID": _grouping_id, "APPROX_COUNT_DISTINCT": _approximate,
    "CHECKSUM_AGG": _checksum_agg, "PERCENTILE_CONT": _percentile("quantile_cont"),
    "PERCENTILE_DISC": _percentile("quantile_disc"),
}  # fmt: skip
