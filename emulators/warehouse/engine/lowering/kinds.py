"""Rules of types: which wins, how wide results are, and how each lies in DuckDB."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError

NULL = SqlType("null")
BIT, TINYINT, SMALLINT = SqlType("bit"), SqlType("tinyint"), SqlType("smallint")
INT, BIGINT = SqlType("int"), SqlType("bigint")
REAL, FLOAT, MONEY = SqlType("real"), SqlType("float"), SqlType("money")
DATE, DATETIME, DATETIME2 = SqlType("date"), SqlType("datetime"), SqlType("datetime2", scale=7)
TIME, DATETIMEOFFSET = SqlType("time", scale=7), SqlType("datetimeoffset", scale=7)
GUID = SqlType("uniqueidentifier")
NVARCHAR_MAX, VARCHAR_MAX = SqlType("nvarchar", MAX), SqlType("varchar", MAX)
VARBINARY_MAX = SqlType("varbinary", MAX)

ORDER = [
    "sql_variant",
    "xml",
    "datetimeoffset",
    "datetime2",
    "datetime",
    "smalldatetime",
    "date",
    "time",
    "float",
    "real",
    "decimal",
    "money",
    "smallmoney",
    "bigint",
    "int",
    "smallint",
    "tinyint",
    "bit",
    "ntext",
    "text",
    "image",
    "rowversion",
    "uniqueidentifier",
    "nvarchar",
    "nchar",
    "varchar",
    "char",
    "varbinary",
    "binary",
    "null",
]
"""From the winner down; an operand of a lower type becomes the higher one."""

STRINGS = frozenset({"nvarchar", "nchar", "varchar", "char", "text", "ntext", "xml", "sql_variant"})
WIDE = frozenset({"nvarchar", "nchar", "ntext", "xml", "sql_variant"})
BINARIES = frozenset({"varbinary", "binary", "image", "rowversion"})
WHOLE = frozenset({"bit", "tinyint", "smallint", "int", "bigint"})
EXACT = WHOLE | {"decimal", "money", "smallmoney"}
NUMBERS = EXACT | {"real", "float"}
INSTANTS = frozenset({"datetime", "smalldatetime", "datetime2", "datetimeoffset", "date", "time"})

_DUCK = {
    "bit": "BOOLEAN", "tinyint": "UTINYINT", "smallint": "SMALLINT", "int": "INTEGER",
    "bigint": "BIGINT", "real": "FLOAT", "float": "DOUBLE", "money": "DECIMAL(19,4)",
    "smallmoney": "DECIMAL(10,4)", "date": "DATE", "time": "TIME", "datetime": "TIMESTAMP",
    "smalldatetime": "TIMESTAMP", "datetime2": "TIMESTAMP", "datetimeoffset": "TIMESTAMPTZ",
    "uniqueidentifier": "UUID", "binary": "BLOB", "varbinary": "BLOB", "image": "BLOB",
    "rowversion": "BLOB", "null": "INTEGER",
}  # fmt: skip
_DIGITS = {"bit": 1, "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression written for DuckDB, whose value there has the type `duck(type)`.

    `literal` is the text of a string constant, `digits` the precision of a whole constant.
    """

    sql: str
    type: SqlType
    nullable: bool = True
    literal: str | None = None
    digits: int = 0


def duck(kind: SqlType) -> str:
    """The DuckDB type in which values of `kind` lie."""
    if kind.name == "decimal":
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _DUCK.get(kind.name, "VARCHAR")


def decimal(precision: int, scale: int) -> SqlType:
    return SqlType("decimal", 0, precision, scale)


def as_decimal(value: Typed | SqlType) -> SqlType:
    """The decimal type that holds every value of an exact type."""
    kind = value.type if isinstance(value, Typed) else value
    if isinstance(value, Typed) and value.digits:
        return decimal(value.digits, 0)
    if kind.name == "money":
        return decimal(19, 4)
    if kind.name == "smallmoney":
        return decimal(10, 4)
    if kind.name in _DIGITS:
        return decimal(_DIGITS[kind.name], 0)
    return kind


def higher(left: SqlType, right: SqlType) -> SqlType:
    """The one that wins by precedence, as it stands."""
    return left if ORDER.index(left.name) <= ORDER.index(right.name) else right


def unify(left: Typed | SqlType, right: Typed | SqlType) -> SqlType:
    """The type of a CASE, COALESCE, UNION over both.

    Raises:
        SqlError: 206 when no value of one can become the other.
    """
    a = left.type if isinstance(left, Typed) else left
    b = right.type if isinstance(right, Typed) else right
    if a == b or b.name == "null":
        return a
    if a.name == "null":
        return b
    winner = higher(a, b)
    clash(a, b)
    if winner.name == "decimal":
        x, y = as_decimal(a), as_decimal(b)
        if not {a.name, b.name} <= EXACT:
            return winner
        scale = max(x.scale, y.scale)
        return decimal(min(38, max(x.precision - x.scale, y.precision - y.scale) + scale), scale)
    if (
        winner.name in ("datetime2", "datetimeoffset", "time")
        and b.name in INSTANTS
        and a.name in INSTANTS
    ):
        return SqlType(
            winner.name, scale=max(a.scale, b.scale, 3 if "datetime" in (a.name, b.name) else 0)
        )
    if winner.name in STRINGS and a.name in STRINGS | BINARIES and b.name in STRINGS | BINARIES:
        return joined(a, b, _longest(a, b))
    if winner.name in BINARIES and a.name in BINARIES and b.name in BINARIES:
        fixed = a.name == b.name == "binary" and a.length == b.length
        return SqlType("binary" if fixed else "varbinary", _longest(a, b))
    return winner


def _longest(a: SqlType, b: SqlType) -> int:
    return MAX if MAX in (a.length, b.length) else max(a.length, b.length)


def joined(a: SqlType, b: SqlType, length: int) -> SqlType:
    """The string type of two put together, by their kinds, with that length."""
    wide = a.name in WIDE or b.name in WIDE
    if a.name in ("xml", "sql_variant", "text", "ntext") or b.name in ("xml", "text", "ntext"):
        length = MAX
    fixed = a.name == b.name and a.name in ("char", "nchar") and a.length == b.length == length
    if fixed:
        return a
    return SqlType("nvarchar" if wide else "varchar", length, collation=a.collation or b.collation)


def unify_all(items: Iterable[Typed | SqlType]) -> SqlType:
    """The type over all of them."""
    found: Typed | SqlType = NULL
    for item in items:
        if not (isinstance(found, SqlType) and found.name == "null"):
            found = unify(found, item)
        else:
            found = item
    return found.type if isinstance(found, Typed) else found


def clash(a: SqlType, b: SqlType) -> None:
    """Fail where T-SQL has no implicit conversion between the two."""
    for one, other in ((a.name, b.name), (b.name, a.name)):
        if (
            (one in ("date", "time", "datetime2", "datetimeoffset") and other in NUMBERS)
            or (one == "uniqueidentifier" and other in NUMBERS | INSTANTS)
            or (one == "date" and other == "time")
            or (one in BINARIES and other in ("float", "real"))
        ):
            raise operand_clash(a, b)


def operand_clash(a: SqlType, b: SqlType) -> SqlError:
    return SqlError(206, 16, 2, f"Operand type clash: {a.name} is incompatible with {b.name}")


def invalid_operator(operator: str, a: SqlType, b: SqlType) -> SqlError:
    names = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"}
    word = names.get(operator, operator)
    if a.name != b.name:
        text = f"The data types {a.name} and {b.name} are incompatible in the {word} operator."
        return SqlError(402, 16, 1, text)
    text = f"Operand data type {a.name} is invalid for {word} operator."
    return SqlError(8117, 16, 1, text)


def arithmetic(operator: str, x: SqlType, y: SqlType) -> SqlType:
    """The decimal type of an operation on two decimals."""
    p1, s1, p2, s2 = x.precision, x.scale, y.precision, y.scale
    if operator in "+-":
        scale = max(s1, s2)
        whole = max(p1 - s1, p2 - s2)
        precision = whole + scale + 1
        if precision > 38:
            scale = min(scale, 38 - min(whole, 38))
        return decimal(min(precision, 38), scale)
    if operator == "*":
        precision, scale = p1 + p2 + 1, s1 + s2
    elif operator == "/":
        scale = max(6, s1 + p2 + 1)
        precision = p1 - s1 + s2 + scale
    else:
        scale = max(s1, s2)
        return decimal(min(38, min(p1 - s1, p2 - s2) + scale) or 1, scale)
    if precision <= 38:
        return decimal(precision, scale)
    whole = precision - scale
    if whole <= 32:
        scale = min(scale, 38 - whole)
    elif scale >= 6:
        scale = 6
    return decimal(38, scale)


def length_of(kind: SqlType) -> int:
    """How many characters a value of `kind` may need as text; MAX when unbounded."""
    if kind.name in STRINGS | BINARIES:
        return kind.length if kind.length else MAX
    lengths = {
        "bit": 1, "tinyint": 3, "smallint": 6, "int": 11, "bigint": 20, "real": 24, "float": 24,
        "money": 22, "smallmoney": 13, "date": 10, "time": 16, "datetime": 23, "smalldatetime": 19,
        "datetime2": 27, "datetimeoffset": 34, "uniqueidentifier": 36, "null": 1,
    }  # fmt: skip
    if kind.name == "decimal":
        return kind.precision + 2
    return lengths.get(kind.name, 8000)


def named(text: str) -> str:
    """An identifier for DuckDB."""
    return '"' + text.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """A string literal for DuckDB; a NUL in it is written by chr()."""
    if "\0" in text:
        return "(" + " || chr(0) || ".join(quoted(part) for part in text.split("\0")) + ")"
    return "'" + text.replace("'", "''") + "'"
