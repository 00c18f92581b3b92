"""CAST, CONVERT with its styles, PARSE, AT TIME ZONE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.warehouse.engine.lowering import styles, tree
from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.kinds import (
    BINARIES,
    DATETIMEOFFSET,
    INSTANTS,
    NUMBERS,
    STRINGS,
    Typed,
    quoted,
)
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.binding import Binder
    from emulators.warehouse.engine.lowering.scopes import Scope

SIZES = {"varchar": 30, "nvarchar": 30, "char": 30, "nchar": 30, "varbinary": 30, "binary": 30}
"""Lengths of types that CAST and CONVERT are given without one."""


def sized(kind: SqlType) -> SqlType:
    """The type as CAST takes it: text without a length has thirty characters."""
    if kind.name in SIZES and not kind.length:
        return SqlType(kind.name, SIZES[kind.name], collation=kind.collation)
    return kind


def cast(binder: Binder, asked: tree.Cast, scope: Scope) -> Typed:
    """`CAST`, `CONVERT`, `PARSE` and their TRY forms."""
    target = sized(asked.type)
    value = binder.value(asked.operand, scope)
    if asked.parsed:
        if value.type.name not in STRINGS | {"null"}:
            text = (
                f"Argument data type {value.type.name} is invalid for argument 1 of parse function."
            )
            raise SqlError(8116, 16, 1, text)
        return convert(value, target, asked.tried)
    if asked.style is None:
        return convert(value, target, asked.tried)
    style = _style(binder, asked.style, scope)
    return _styled(value, target, style, asked.tried)


def _style(binder: Binder, asked: tree.Expression, scope: Scope) -> int:
    if isinstance(asked, tree.Literal) and asked.kind == "int":
        return int(asked.text)
    if isinstance(asked, tree.Variable):
        raise refused("CONVERT with a style that is a variable", asked.line)
    value = binder.value(asked, scope)
    raise refused(f"CONVERT with a style of type {value.type.name}", asked.line)


def _styled(value: Typed, target: SqlType, style: int, tried: bool) -> Typed:
    source = value.type
    if source.name in INSTANTS and target.name in STRINGS:
        text = Typed(styles.instant_text(value, style), SqlType("varchar", 40))
        return Typed(convert(text, target).sql, target, value.nullable)
    if source.name in STRINGS and target.name in INSTANTS:
        stamp = Typed(styles.parse_instant(value.sql, style, tried), SqlType("datetime2", scale=7))
        return Typed(convert(stamp, target, tried).sql, target, True)
    if {source.name, target.name} & BINARIES and {source.name, target.name} & STRINGS:
        return _bytes_and_text(value, target, style, tried)
    if source.name in ("money", "smallmoney") and target.name in STRINGS and style in (1, 2):
        form = "'{:,.2f}'" if style == 1 else "'{:.4f}'"
        made = Typed(f"format({form}, CAST({value.sql} AS DOUBLE))", SqlType("varchar", 40))
        return Typed(convert(made, target).sql, target, value.nullable)
    if source.name in ("float", "real") and target.name in STRINGS and style in (1, 2, 3):
        digits = {1: 8, 2: 16, 3: 17}[style]
        made = Typed(f"{SCHEMA}.float_text_of({value.sql}, {digits})", SqlType("varchar", 40))
        return Typed(convert(made, target).sql, target, value.nullable)
    return convert(value, target, tried)


def _bytes_and_text(value: Typed, target: SqlType, style: int, tried: bool) -> Typed:
    if style == 0:
        return convert(value, target, tried)
    if style not in (1, 2):
        raise SqlError(
            281,
            16,
            1,
            f"{style} is not a valid style number when converting from {value.type.name} to a character string.",
        )
    if target.name in BINARIES:
        name = "unhexed" if style == 1 else "unhexed_bare"
        sql = f"{SCHEMA}.{'try_' if tried else ''}{name}({value.sql})"
        return convert(Typed(sql, SqlType("varbinary", MAX), True), target, tried)
    prefix = "'0x' || " if style == 1 else ""
    made = Typed(f"({prefix}hex({value.sql}))", SqlType("varchar", MAX), value.nullable)
    return convert(made, target, tried)


def at_time_zone(value: Typed, zone: tree.Expression) -> Typed:
    """`AT TIME ZONE`: only UTC, as an instant here has no offset of its own.

    Raises:
        SqlError: another zone, or no instant.
    """
    if not isinstance(zone, tree.Literal) or zone.text.upper() not in (
        "UTC",
        "COORDINATED UNIVERSAL TIME",
    ):
        raise refused("AT TIME ZONE of another zone than UTC", zone.line)
    if value.type.name not in INSTANTS or value.type.name in ("date", "time"):
        text = f"Argument data type {value.type.name} is invalid for argument 1 of AT TIME ZONE function."
        raise SqlError(8116, 16, 1, text)
    kind = SqlType("datetimeoffset", scale=value.type.scale or DATETIMEOFFSET.scale)
    return Typed(convert(value, kind).sql, kind, value.nullable)


def text_of(value: Typed) -> Typed:
    """A value as text of any length, NULL staying NULL."""
    if value.type.name in STRINGS:
        return value
    if value.type.name in NUMBERS | INSTANTS | BINARIES | {"uniqueidentifier", "null"}:
        return convert(value, SqlType("nvarchar", MAX))
    raise refused(f"{value.type.name} as text")


def constant(text: str) -> Typed:
    """A varchar constant."""
    return Typed(quoted(text), SqlType("varchar", max(1, len(text))), False, text)
