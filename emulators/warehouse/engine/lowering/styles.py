"""CONVERT's styles: instants, money and bytes as text, and text as instants."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.kinds import Typed
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError

_DATE = {
    1: "%m/%d/%y", 101: "%m/%d/%Y", 2: "%y.%m.%d", 102: "%Y.%m.%d", 3: "%d/%m/%y", 103: "%d/%m/%Y",
    4: "%d.%m.%y", 104: "%d.%m.%Y", 5: "%d-%m-%y", 105: "%d-%m-%Y", 6: "%d %b %y", 106: "%d %b %Y",
    7: "%b %d, %y", 107: "%b %d, %Y", 10: "%m-%d-%y", 110: "%m-%d-%Y", 11: "%y/%m/%d",
    111: "%Y/%m/%d", 12: "%y%m%d", 112: "%Y%m%d", 23: "%Y-%m-%d",
}  # fmt: skip
_TIME = {8: "%H:%M:%S", 24: "%H:%M:%S", 108: "%H:%M:%S"}
_FULL = {20: "%Y-%m-%d %H:%M:%S", 120: "%Y-%m-%d %H:%M:%S"}
_ISO = {21: ("%Y-%m-%d", " "), 25: ("%Y-%m-%d", " "), 121: ("%Y-%m-%d", " "),
        126: ("%Y-%m-%d", "T"), 127: ("%Y-%m-%d", "T")}  # fmt: skip
_PARSE = {
    101: ["%m/%d/%Y"], 1: ["%m/%d/%y"], 102: ["%Y.%m.%d"], 103: ["%d/%m/%Y"], 3: ["%d/%m/%y"],
    104: ["%d.%m.%Y"], 105: ["%d-%m-%Y"], 106: ["%d %b %Y"], 107: ["%b %d, %Y"], 110: ["%m-%d-%Y"],
    111: ["%Y/%m/%d"], 112: ["%Y%m%d"],
}  # fmt: skip


def bad_style(style: int, source: str, target: str) -> SqlError:
    text = (
        f"{style} is not a valid style number when converting from {source} to a character string."
    )
    return SqlError(281, 16, 1, text)


def instant_text(value: Typed, style: int) -> str:
    """DuckDB's expression for an instant as text in a style.

    Raises:
        SqlError: 281 for an unknown style, 8114-like where the style wants a part it lacks.
    """
    name, sql = value.type.name, value.sql
    if name == "time":
        return _time_text(sql, value.type, style)
    stamp = f"CAST({sql} AS TIMESTAMP)" if name in ("date", "datetimeoffset") else sql
    offset = " || ' +00:00'" if name == "datetimeoffset" else ""
    if style in _DATE:
        return f"strftime({stamp}, '{_DATE[style]}')"
    if name == "date":
        return _date_text(stamp, style)
    made = _stamp_text(stamp, value.type, style)
    if made is None:
        raise bad_style(style, name, "")
    return f"({made}{offset})" if offset else made


def _date_text(stamp: str, style: int) -> str:
    if style in (0, 100, 9, 109):
        return f"(strftime({stamp}, '%b ') || lpad(CAST(day({stamp}) AS VARCHAR), 2, ' ') || strftime({stamp}, ' %Y'))"
    if style in _FULL or style in _ISO:
        return f"strftime({stamp}, '%Y-%m-%d')"
    raise bad_style(style, "date", "")


_PLAIN = {
    **_TIME,
    **_FULL,
    13: "%d %b %Y %H:%M:%S:%g",
    113: "%d %b %Y %H:%M:%S:%g",
    14: "%H:%M:%S:%g",
    114: "%H:%M:%S:%g",
}


def _stamp_text(stamp: str, kind: SqlType, style: int) -> str | None:
    if style in _PLAIN:
        return f"strftime({stamp}, '{_PLAIN[style]}')"
    if style in _ISO:
        return _iso(stamp, kind, style)
    if style in (0, 100):
        return f"{SCHEMA}.style_0({stamp})"
    if style in (9, 109):
        return f"{SCHEMA}.style_9({stamp})"
    if style == 22:
        return f"(strftime({stamp}, '%m/%d/%y ') || lpad(CAST((hour({stamp}) + 11) % 12 + 1 AS VARCHAR), 2, ' ') || strftime({stamp}, ':%M:%S %p'))"
    return None


def _iso(stamp: str, kind: SqlType, style: int) -> str:
    day, between = _ISO[style]
    scale = {"datetime": 3, "smalldatetime": 0}.get(kind.name, kind.scale)
    base = f"strftime({stamp}, '{day}{between}%H:%M:%S')"
    if kind.name == "smalldatetime" and style in (126, 127):
        return base
    if kind.name == "smalldatetime":
        return f"({base} || '.000')"
    if style in (126, 127) and kind.name == "datetime":
        return f"({base} || CASE WHEN strftime({stamp}, '%g') = '000' THEN '' ELSE strftime({stamp}, '.%g') END)"
    return f"({base} || {SCHEMA}.fraction({stamp}, {scale}))"


def _time_text(sql: str, kind: SqlType, style: int) -> str:
    stamp = f"(CAST('1900-01-01' AS DATE) + {sql})"
    if style in _TIME or style in _FULL:
        return f"strftime({stamp}, '%H:%M:%S')"
    if style in (0, 100):
        return f"(lpad(CAST((hour({stamp}) + 11) % 12 + 1 AS VARCHAR), 2, ' ') || strftime({stamp}, ':%M%p'))"
    if style in _ISO or style in (14, 114):
        return f"(strftime({stamp}, '%H:%M:%S') || {SCHEMA}.fraction({stamp}, {kind.scale}))"
    raise bad_style(style, "time", "")


def parse_instant(sql: str, style: int, tried: bool) -> str:
    """DuckDB's expression for text in a style as a timestamp."""
    if style not in _PARSE:
        return f"{SCHEMA}.{'try_' if tried else ''}moment({sql})"
    formats: list[str] = []
    for form in _PARSE[style]:
        formats += [form, form + " %H:%M:%S", form + " %H:%M:%S.%f", form + " %H:%M"]
    listed = ", ".join(f"'{f}'" for f in formats)
    parsed = f"try_strptime(trim({sql}), [{listed}])"
    if tried:
        return parsed
    failed = f"{SCHEMA}.moment(CASE WHEN {sql} IS NULL THEN NULL ELSE '!' || {sql} END)"
    return f"coalesce({parsed}, {failed})"
