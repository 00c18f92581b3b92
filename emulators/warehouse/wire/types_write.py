"""TYPE_INFO of what is sent, and how wide a fixed value is. Source: [MS-TDS] 2.2.5.4."""

from __future__ import annotations

from emulators.warehouse.engine.types import MAX, SqlType

LATIN = bytes.fromhex("0904d00034")
"""SQL_Latin1_General_CP1_CI_AS."""
LATIN_UTF8 = bytes.fromhex("0904d02400")
"""Latin1_General_100_CI_AS_SC_UTF8."""

LARGEST_NATIONAL, LARGEST_BYTES = 4000, 8000
PLP = 0xFFFF

INTS = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
FLOATS = {"real": 4, "float": 8}
MONEYS = {"smallmoney": 4, "money": 8}
DATETIMES = {"smalldatetime": 4, "datetime": 8}
SCALED = {"time": 0x29, "datetime2": 0x2A, "datetimeoffset": 0x2B}
NATIONAL = {"nvarchar": 0xE7, "nchar": 0xEF, "sysname": 0xE7}
SINGLE = {"varchar": 0xA7, "char": 0xAF}
BYTES = {"varbinary": 0xA5, "binary": 0xAD}
LARGE_BYTES = frozenset(("image",))

_ONE_BYTE_FAMILIES = ((INTS, 0x26), (FLOATS, 0x6D), (MONEYS, 0x6E), (DATETIMES, 0x6F))
_FIXED = {
    "bit": b"\x68\x01", "date": b"\x28", "uniqueidentifier": b"\x24\x10",
}  # fmt: skip


def type_info(sql: SqlType, *, utf8: bool = False) -> bytes:
    """A column's type as COLMETADATA and RETURNVALUE say it.

    Args:
        utf8: the client takes UTF-8 collations; else such columns go as `nvarchar`.
    """
    name = sql.name
    if name in _FIXED:
        return _FIXED[name]
    for family, token in _ONE_BYTE_FAMILIES:
        if name in family:
            return bytes((token, family[name]))
    if name in ("decimal", "numeric"):
        return bytes((0x6A, 17, sql.precision or 18, sql.scale))
    if name in SCALED:
        return bytes((SCALED[name], sql.scale))
    if name in BYTES or name in LARGE_BYTES:
        return bytes((_token(BYTES, sql, 0xA5),)) + length_of(sql).to_bytes(2, "little")
    code = charset(sql, utf8=utf8)
    token = _token(NATIONAL if code == "utf-16-le" else SINGLE, sql, 0xE7)
    collation = LATIN_UTF8 if code == "utf-8" else LATIN
    return bytes((token,)) + length_of(sql, utf8=utf8).to_bytes(2, "little") + collation


def _token(family: dict[str, int], sql: SqlType, default: int) -> int:
    """The token of a type with a length; a fixed one can carry only what is short."""
    if is_large(sql):
        return next(iter(family.values()))
    found = family.get(sql.name)
    if found is None:
        return default if default in family.values() else next(iter(family.values()))
    return found


def charset(sql: SqlType, *, utf8: bool = False) -> str:
    """How a column's texts are written: `utf-16-le`, `cp1252` or `utf-8`."""
    if sql.name not in SINGLE:
        return "utf-16-le"
    if (sql.collation or "").upper().endswith("UTF8"):
        return "utf-8" if utf8 else "utf-16-le"
    return "cp1252"


def is_bytes(sql: SqlType) -> bool:
    """Whether the values are bytes."""
    return sql.name in BYTES or sql.name in LARGE_BYTES


def is_text(sql: SqlType) -> bool:
    """Whether the values are texts, whatever the type is called."""
    known = (
        INTS,
        FLOATS,
        MONEYS,
        DATETIMES,
        SCALED,
        _FIXED,
        BYTES,
        ("decimal", "numeric", "image"),
    )
    return not any(sql.name in family for family in known)


def is_large(sql: SqlType) -> bool:
    """Whether values come in chunks: `(max)`, or of a length that is not known or too long."""
    if is_bytes(sql):
        return not 0 < sql.length <= LARGEST_BYTES or sql.name in LARGE_BYTES
    if sql.name == "sysname":
        return False
    most = LARGEST_BYTES if sql.name in SINGLE else LARGEST_NATIONAL
    if sql.name in SINGLE and (sql.collation or "").upper().endswith("UTF8"):
        most = LARGEST_NATIONAL  # it may have to go as nvarchar
    return is_text(sql) and not 0 < sql.length <= most


def length_of(sql: SqlType, *, utf8: bool = False) -> int:
    """The length in bytes that TYPE_INFO says; PLP for a large type."""
    if is_large(sql) or sql.length == MAX:
        return PLP
    if is_bytes(sql):
        return sql.length
    if sql.name == "sysname":
        return 256
    return 2 * sql.length if charset(sql, utf8=utf8) == "utf-16-le" else sql.length


def time_size(scale: int) -> int:
    """Bytes of a time of `scale` digits of a second."""
    return 3 if scale <= 2 else 4 if scale <= 4 else 5


def fixed_size(sql: SqlType) -> int:
    """Bytes of a value of a type of fixed width, without its length byte; 0 for others."""
    name = sql.name
    for family in (INTS, FLOATS, MONEYS, DATETIMES):
        if name in family:
            return family[name]
    if name in SCALED:
        extra = {"time": 0, "datetime2": 3, "datetimeoffset": 5}[name]
        return time_size(sql.scale) + extra
    return {"bit": 1, "date": 3, "uniqueidentifier": 16, "decimal": 17, "numeric": 17}.get(name, 0)
