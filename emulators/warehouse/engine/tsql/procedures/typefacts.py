"""Numbers that SQL Server, TDS and ODBC have for each type."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.warehouse.engine.types import MAX, SqlType

SYSTEM_IDS = {
    "image": 34, "text": 35, "uniqueidentifier": 36, "date": 40, "time": 41, "datetime2": 42,
    "datetimeoffset": 43, "tinyint": 48, "smallint": 52, "int": 56, "smalldatetime": 58,
    "real": 59, "money": 60, "datetime": 61, "float": 62, "sql_variant": 98, "ntext": 99,
    "bit": 104, "decimal": 106, "numeric": 108, "smallmoney": 122, "bigint": 127,
    "varbinary": 165, "varchar": 167, "binary": 173, "char": 175, "rowversion": 189,
    "nvarchar": 231, "nchar": 239, "xml": 241,
}  # fmt: skip
"""`system_type_id`. Source: learn.microsoft.com, sys.types."""

TDS_IDS = {
    **SYSTEM_IDS, "tinyint": 38, "smallint": 38, "int": 38, "bigint": 38, "real": 109,
    "float": 109, "money": 110, "smallmoney": 110, "datetime": 111, "smalldatetime": 111,
    "rowversion": 173,
}  # fmt: skip
"""Type tokens of the wire. Source: [MS-TDS] 2.2.5.4."""

BYTES = {
    "bit": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "real": 4, "float": 8,
    "money": 8, "smallmoney": 4, "date": 3, "datetime": 8, "smalldatetime": 4,
    "uniqueidentifier": 16, "rowversion": 8, "time": 5, "datetime2": 8, "datetimeoffset": 10,
    "sql_variant": 8016, "text": 16, "ntext": 16, "image": 16, "xml": -1,
}  # fmt: skip
DIGITS = {
    "bit": 1, "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19, "real": 24, "float": 53,
    "money": 19, "smallmoney": 10, "date": 10, "time": 16, "datetime2": 27, "datetimeoffset": 34,
    "datetime": 23, "smalldatetime": 16,
}  # fmt: skip


def max_length(kind: SqlType) -> int:
    """Bytes, -1 for (max)."""
    if kind.name in ("nchar", "nvarchar"):
        return -1 if kind.length == MAX else kind.length * 2
    if kind.name in ("char", "varchar", "binary", "varbinary"):
        return kind.length
    if kind.name in ("decimal", "numeric"):
        return next(
            n for limit, n in ((9, 5), (19, 9), (28, 13), (38, 17)) if kind.precision <= limit
        )
    return BYTES.get(kind.name, 0)


def precision(kind: SqlType) -> int:
    """Digits, 0 of types without."""
    if kind.name in ("decimal", "numeric"):
        return kind.precision
    return DIGITS.get(kind.name, 0)


def scale(kind: SqlType) -> int:
    return {"datetime": 3, "money": 4, "smallmoney": 4}.get(kind.name, kind.scale)


@dataclass(frozen=True, slots=True)
class OdbcType:
    """A row of sp_datatype_info; `concise` and `verbose` as ODBC 3 numbers them."""

    name: str
    concise: int
    precision: int | None
    prefix: str | None = None
    suffix: str | None = None
    create: str | None = None
    searchable: int = 2
    unsigned: int | None = None
    money: int = 0
    minimum: int | None = None
    maximum: int | None = None
    verbose: int | None = None
    sub: int | None = None
    radix: int | None = None
    case: int = 0
    older: int | None = None  # ODBC 2's number, where it is another one


ODBC_TYPES = (
    OdbcType("datetimeoffset", -155, 34, "'", "'", "scale", 3, minimum=0, maximum=7,
             verbose=-155, sub=0),
    OdbcType("time", -154, 16, "'", "'", "scale", 3, minimum=0, maximum=7, verbose=-154, sub=0),
    OdbcType("xml", -152, 0, "N'", "'", None, 0, case=1),
    OdbcType("sql_variant", -150, 8000),
    OdbcType("uniqueidentifier", -11, 36, "'", "'"),
    OdbcType("ntext", -10, 1073741823, "N'", "'", None, 1),
    OdbcType("nvarchar", -9, 4000, "N'", "'", "max length", 3),
    OdbcType("sysname", -9, 128, "N'", "'", None, 3),
    OdbcType("nchar", -8, 4000, "N'", "'", "length", 3),
    OdbcType("bit", -7, 1, unsigned=None),
    OdbcType("tinyint", -6, 3, unsigned=1, minimum=0, maximum=0, radix=10),
    OdbcType("bigint", -5, 19, unsigned=0, minimum=0, maximum=0, radix=10),
    OdbcType("image", -4, 2147483647, "0x", None, None, 0),
    OdbcType("varbinary", -3, 8000, "0x", None, "max length"),
    OdbcType("binary", -2, 8000, "0x", None, "length"),
    OdbcType("timestamp", -2, 8, "0x"),
    OdbcType("text", -1, 2147483647, "'", "'", None, 1),
    OdbcType("char", 1, 8000, "'", "'", "length", 3),
    OdbcType("numeric", 2, 38, create="precision,scale", unsigned=0, minimum=0, maximum=38,
             radix=10),
    OdbcType("decimal", 3, 38, create="precision,scale", unsigned=0, minimum=0, maximum=38,
             radix=10),
    OdbcType("money", 3, 19, "$", unsigned=0, money=1, minimum=4, maximum=4, radix=10),
    OdbcType("smallmoney", 3, 10, "$", unsigned=0, money=1, minimum=4, maximum=4, radix=10),
    OdbcType("int", 4, 10, unsigned=0, minimum=0, maximum=0, radix=10),
    OdbcType("smallint", 5, 5, unsigned=0, minimum=0, maximum=0, radix=10),
    OdbcType("float", 6, 53, unsigned=0, radix=2),
    OdbcType("real", 7, 24, unsigned=0, radix=2),
    OdbcType("varchar", 12, 8000, "'", "'", "max length", 3),
    OdbcType("date", 91, 10, "'", "'", None, 3, verbose=9, sub=1, older=-9),
    OdbcType("datetime2", 93, 27, "'", "'", "scale", 3, minimum=0, maximum=7, verbose=9, sub=3,
             older=-9),
    OdbcType("datetime", 93, 23, "'", "'", None, 3, minimum=3, maximum=3, verbose=9, sub=3,
             older=11),
    OdbcType("smalldatetime", 93, 16, "'", "'", None, 3, minimum=0, maximum=0, verbose=9,
             sub=3, older=11),
)  # fmt: skip
"""What a driver learns of types. Source: learn.microsoft.com,
             sp_datatype_info; ODBC's C headers."""

ODBC_OF = {t.name: t for t in ODBC_TYPES}
