"""How columns of system views are declared, and the numbers that types have in catalogs."""

from __future__ import annotations

import re

from emulators.warehouse.engine.types import MAX, SqlType

COLLATION = "SQL_Latin1_General_CP1_CI_AS"

TYPES: tuple[tuple[str, int, int, int, int], ...] = (
    ("image", 34, 16, 0, 0), ("text", 35, 16, 0, 0), ("uniqueidentifier", 36, 16, 0, 0),
    ("date", 40, 3, 10, 0), ("time", 41, 5, 16, 7), ("datetime2", 42, 8, 27, 7),
    ("datetimeoffset", 43, 10, 34, 7), ("tinyint", 48, 1, 3, 0), ("smallint", 52, 2, 5, 0),
    ("int", 56, 4, 10, 0), ("smalldatetime", 58, 4, 16, 0), ("real", 59, 4, 24, 0),
    ("money", 60, 8, 19, 4), ("datetime", 61, 8, 23, 3), ("float", 62, 8, 53, 0),
    ("sql_variant", 98, 8016, 0, 0), ("ntext", 99, 16, 0, 0), ("bit", 104, 1, 1, 0),
    ("decimal", 106, 17, 38, 38), ("numeric", 108, 17, 38, 38), ("smallmoney", 122, 4, 10, 4),
    ("bigint", 127, 8, 19, 0), ("varbinary", 165, 8000, 0, 0), ("varchar", 167, 8000, 0, 0),
    ("binary", 173, 8000, 0, 0), ("char", 175, 8000, 0, 0), ("rowversion", 189, 8, 0, 0),
    ("nvarchar", 231, 8000, 0, 0), ("nchar", 239, 8000, 0, 0), ("xml", 241, -1, 0, 0),
)  # fmt: skip
"""Name, number, longest in bytes, precision, scale. Source: learn.microsoft.com, sys.types."""

TEXTS = ("char", "varchar", "text", "nchar", "nvarchar", "ntext")
_COLUMN = re.compile(r"(\w+)\s+(\w+)(?:\((max|\d+)(?:\s*,\s*(\d+))?\))?")
Shape = tuple[tuple[str, SqlType], ...]


def parse_shape(text: str) -> Shape:
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


def measured(rows: str) -> str:
    """`rows` (type, length, prec, scale, …) with what sys.columns tells of their types.

    Added are type_id, user_id, max_length, digits, places, textual.
    """
    digits = "CASE WHEN c.scale > 0 THEN 1 + c.scale ELSE 0 END"
    return f"""SELECT c.*, t.id AS type_id, t.user_id, t.textual,
 CASE WHEN c.type IN ('nvarchar', 'nchar') THEN CASE WHEN c.length < 0 THEN -1 ELSE c.length * 2 END
  WHEN c.type IN ('varchar', 'char', 'varbinary', 'binary') THEN c.length
  WHEN c.type = 'decimal' THEN CASE WHEN c.prec <= 9 THEN 5 WHEN c.prec <= 19 THEN 9
   WHEN c.prec <= 28 THEN 13 ELSE 17 END
  WHEN c.type IN ('time', 'datetime2', 'datetimeoffset') THEN t.bytes
   - CASE WHEN c.scale <= 2 THEN 2 WHEN c.scale <= 4 THEN 1 ELSE 0 END
  ELSE t.bytes END AS max_length,
 CASE c.type WHEN 'decimal' THEN c.prec WHEN 'time' THEN 8 + {digits}
  WHEN 'datetime2' THEN 19 + {digits} WHEN 'datetimeoffset' THEN 26 + {digits}
  ELSE t.prec END AS digits,
 CASE WHEN c.type IN ('decimal', 'time', 'datetime2', 'datetimeoffset') THEN c.scale
  ELSE t.scale END AS places
 FROM ({rows}) c JOIN $catalog.system_types t ON t.name = c.type"""
