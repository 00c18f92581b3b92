"""Functions of numbers."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.functions import Called, Function
from emulators.warehouse.engine.lowering.kinds import (
    BIGINT,
    FLOAT,
    INT,
    NUMBERS,
    STRINGS,
    Typed,
    decimal,
    duck,
)
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.types import SqlType


def _number(called: Called, at: int = 0) -> Typed:
    """The argument as a number; text becomes a float."""
    value = called.values[at]
    if value.type.name in STRINGS | {"null"}:
        return convert(value, FLOAT)
    if value.type.name in ("bit", "tinyint", "smallint"):
        return convert(value, INT)
    if value.type.name not in NUMBERS:
        raise called.bad(at + 1)
    return value


def _as_float(function: str, domain: str = "") -> Function:
    """A function whose result is a float; outside `domain` it is error 3623."""

    def write(called: Called) -> Typed:
        called.need(1)
        value = convert(_number(called), FLOAT)
        sql = f"{function}({value.sql})"
        if domain:
            failed = f"{SCHEMA}.fail(3623, 16, 1, 'An invalid floating point operation occurred.')"
            sql = f"(CASE WHEN {domain.format(value.sql)} THEN {failed} ELSE {sql} END)"
        return Typed(f"{SCHEMA}.finite({sql})", FLOAT, value.nullable)

    return write


def _abs(called: Called) -> Typed:
    called.need(1)
    value = _number(called)
    return Typed(f"CAST(abs({value.sql}) AS {duck(value.type)})", value.type, value.nullable)


def _whole(function: str) -> Function:
    """CEILING, FLOOR: a decimal loses its scale."""

    def write(called: Called) -> Typed:
        called.need(1)
        value = _number(called)
        kind = decimal(value.type.precision, 0) if value.type.name == "decimal" else value.type
        return Typed(f"CAST({function}({value.sql}) AS {duck(kind)})", kind, value.nullable)

    return write


def _round(called: Called) -> Typed:
    values = called.need(2, 3)
    value = _number(called)
    places = convert(values[1], INT).sql
    cut = len(values) == 3 and not (values[2].digits and values[2].sql == "0")
    if value.type.name in ("float", "real"):
        scaled = f"power(10e0, {places})"
        rounded = (
            f"(trunc({value.sql} * {scaled}) / {scaled})"
            if cut
            else f"round({value.sql}, {places})"
        )
    elif cut:
        exact = f"CAST({value.sql} AS DOUBLE)"
        rounded = f"(trunc({exact} * power(10e0, {places})) / power(10e0, {places}))"
    elif value.type.name in ("int", "bigint"):
        step = f"CAST(power(10e0, greatest(0, -({places}))) AS BIGINT)"
        half = f"(CASE WHEN {value.sql} < 0 THEN -({step} // 2) ELSE {step} // 2 END)"
        rounded = f"((({value.sql} + {half}) // {step}) * {step})"
    else:
        rounded = f"round({value.sql}, {places})"
    nullable = any(one.nullable for one in values)
    return Typed(f"CAST({rounded} AS {duck(value.type)})", value.type, nullable)


def _power(called: Called) -> Typed:
    values = called.need(2)
    base, exponent = _number(called), convert(_number(called, 1), FLOAT)
    sql = f"{SCHEMA}.finite(power(CAST({base.sql} AS DOUBLE), {exponent.sql}))"
    kind = base.type
    nullable = any(one.nullable for one in values)
    if kind.name in ("int", "bigint"):
        sql = f"trunc({sql})"
    if kind.name == "decimal":
        kind = decimal(38, kind.scale)
    return Typed(f"CAST({sql} AS {duck(kind)})", kind, nullable)


def _sign(called: Called) -> Typed:
    called.need(1)
    value = _number(called)
    return Typed(f"CAST(sign({value.sql}) AS {duck(value.type)})", value.type, value.nullable)


def _square(called: Called) -> Typed:
    called.need(1)
    value = convert(_number(called), FLOAT)
    return Typed(f"{SCHEMA}.finite({value.sql} * {value.sql})", FLOAT, value.nullable)


def _log(called: Called) -> Typed:
    values = called.need(1, 2)
    value = convert(_number(called), FLOAT)
    failed = f"{SCHEMA}.fail(3623, 16, 1, 'An invalid floating point operation occurred.')"
    sql = f"ln({value.sql})"
    if len(values) == 2:
        sql = f"(ln({value.sql}) / ln({convert(_number(called, 1), FLOAT).sql}))"
    sql = f"(CASE WHEN {value.sql} <= 0 THEN {failed} ELSE {sql} END)"
    return Typed(sql, FLOAT, any(one.nullable for one in values))


def _pi(called: Called) -> Typed:
    called.need(0)
    return Typed("pi()", FLOAT, False)


def _rand(called: Called) -> Typed:
    values = called.need(0, 1)
    if values:
        # The same seed gives the same number.
        seed = convert(values[0], BIGINT).sql
        return Typed(f"((hash({seed}) % 1000000007) / 1000000007e0)", FLOAT, False)
    return Typed("random()", FLOAT, False)


def _atn2(called: Called) -> Typed:
    called.need(2)
    a, b = (convert(_number(called, at), FLOAT) for at in (0, 1))
    return Typed(f"atan2({a.sql}, {b.sql})", FLOAT, a.nullable or b.nullable)


def _angle(function: str) -> Function:
    def write(called: Called) -> Typed:
        called.need(1)
        value = _number(called)
        kind = value.type
        if kind.name == "decimal":
            kind = SqlType("decimal", 0, 38, max(kind.scale, 18))
        sql = f"{function}(CAST({value.sql} AS DOUBLE))"
        return Typed(f"CAST({sql} AS {duck(kind)})", kind, value.nullable)

    return write


FUNCTIONS: dict[str, Function] = {
    "ABS": _abs, "CEILING": _whole("ceil"), "FLOOR": _whole("floor"), "ROUND": _round,
    "POWER": _power, "SIGN": _sign, "SQUARE": _square, "SQRT": _as_float("sqrt", "{0} < 0"),
    "EXP": _as_float("exp"), "LOG": _log, "LOG10": _as_float("log10", "{0} <= 0"), "PI": _pi,
    "RAND": _rand, "SIN": _as_float("sin"), "COS": _as_float("cos"), "TAN": _as_float("tan"),
    "COT": _as_float("cot"), "ASIN": _as_float("asin", "abs({0}) > 1"),
    "ACOS": _as_float("acos", "abs({0}) > 1"), "ATAN": _as_float("atan"), "ATN2": _atn2,
    "DEGREES": _angle("degrees"), "RADIANS": _angle("radians"),
}  # fmt: skip
