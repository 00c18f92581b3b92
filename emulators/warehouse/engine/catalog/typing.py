"""How columns of catalog views are declared, and what types are in the catalog's numbers."""

from __future__ import annotations

import re

from emulators.warehouse.engine.types import MAX, SqlType

SYSTEM_TYPES = {
    "image": 34, "text": 35, "uniqueidentifier": 36, "date": 40, "time": 41, "datetime2": 42,
    "datetimeoffset": 43, "tinyint": 48, "smallint": 52, "int": 56, "smalldatetime": 58,
    "real": 59, "money": 60, "datetime": 61, "float": 62, "sql_variant": 98, "ntext": 99,
    "bit": 104, "decimal": 106, "numeric": 108, "smallmoney": 122, "bigint": 127,
    "varbinary": 165, "varchar": 167, "binary": 173, "char": 175, "rowversion": 189,
    "nvarchar": 231, "nchar": 239, "xml": 241,
}  # fmt: skip
"""Types by the numbers that sys.types gives them. Source: sys.types (public reference)."""

_SIZES = {
    "bit": (1, 1, 0), "tinyint": (1, 3, 0), "smallint": (2, 5, 0), "int": (4, 10, 0),
    "bigint": (8, 19, 0), "real": (4, 24, 0), "float": (8, 53, 0), "money": (8, 19, 4),
    "smallmoney": (4, 10, 4), "date": (3, 10, 0), "datetime": (8, 23, 3),
    "smalldatetime": (4, 16, 0), "uniqueidentifier": (16, 0, 0), "rowversion": (8, 0, 0),
    "text": (16, 0, 0), "ntext": (16, 0, 0), "image": (16, 0, 0), "xml": (-1, 0, 0),
    "sql_variant": (8016, 0, 0),
}  # fmt: skip


def type_values() -> str:
    """A VALUES list: name, number, bytes, precision, scale of types of one size."""
    rows = []
    for name, number in SYSTEM_TYPES.items():
        size, precision, scale = _SIZES.get(name, (0, 0, 0))
        rows.append(f"('{name}', {number}, {size}, {precision}, {scale})")
    return ", ".join(rows)


def bytes_sql(column: str) -> str:
    """DuckDB's expression for max_length of a row of the catalog's `columns`."""
    c = column
    return (
        f"CASE WHEN {c}.type IN ('nvarchar', 'nchar') AND {c}.length > 0 THEN {c}.length * 2"
        f" WHEN {c}.type IN ('varchar', 'char', 'varbinary', 'binary', 'nvarchar', 'nchar')"
        f" THEN {c}.length WHEN {c}.type IN ('decimal', 'numeric') THEN CASE WHEN {c}.prec <= 9"
        f" THEN 5 WHEN {c}.prec <= 19 THEN 9 WHEN {c}.prec <= 28 THEN 13 ELSE 17 END"
        f" WHEN {c}.type = 'time' THEN CASE WHEN {c}.scale <= 2 THEN 3 WHEN {c}.scale <= 4 THEN 4 ELSE 5 END"
        f" WHEN {c}.type = 'datetime2' THEN CASE WHEN {c}.scale <= 2 THEN 6 WHEN {c}.scale <= 4 THEN 7 ELSE 8 END"
        f" WHEN {c}.type = 'datetimeoffset' THEN CASE WHEN {c}.scale <= 2 THEN 8 WHEN {c}.scale <= 4 THEN 9 ELSE 10 END"
        " ELSE t.size END"
    )


def precision_sql(column: str) -> str:
    """DuckDB's expression for a column's precision."""
    c = column
    return (
        f"CASE WHEN {c}.type IN ('decimal', 'numeric') THEN {c}.prec WHEN {c}.type = 'time' THEN"
        f" 8 + {c}.scale + CASE WHEN {c}.scale > 0 THEN 1 ELSE 0 END WHEN {c}.type = 'datetime2' THEN"
        f" 19 + {c}.scale + CASE WHEN {c}.scale > 0 THEN 1 ELSE 0 END WHEN {c}.type = 'datetimeoffset'"
        f" THEN 26 + {c}.scale + CASE WHEN {c}.scale > 0 THEN 1 ELSE 0 END ELSE t.prec END"
    )


def scale_sql(column: str) -> str:
    """DuckDB's expression for a column's scale."""
    c = column
    return (
        f"CASE WHEN {c}.type IN ('decimal', 'numeric', 'time', 'datetime2', 'datetimeoffset')"
        f" THEN {c}.scale ELSE t.scale END"
    )


_COLUMN = re.compile(r"(\w+)\s+(\w+)(?:\((max|\d+)(?:\s*,\s*(\d+))?\))?")


def parse_shape(text: str) -> tuple[tuple[str, SqlType], ...]:
    """Columns from `name type(length), …`."""
    found: list[tuple[str, SqlType]] = []
    for name, kind, length, scale in _COLUMN.findall(text):
        if kind == "sysname":
            found.append((name, SqlType("nvarchar", 128)))
        elif kind == "decimal":
            found.append((name, SqlType("decimal", 0, int(length), int(scale or 0))))
        else:
            size = MAX if length == "max" else int(length or 0)
            found.append((name, SqlType(kind, size)))
    return tuple(found)
