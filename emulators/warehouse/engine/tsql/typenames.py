"""Type names as T-SQL writes them, read from tokens."""

from __future__ import annotations

from collections.abc import Sequence

from emulators.warehouse.engine.tsql.lexing import Token, tokenize
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError, syntax

_SYNONYMS = {
    "integer": "int", "dec": "decimal", "numeric": "decimal", "character": "char",
    "nationalcharacter": "nchar", "timestamp": "rowversion", "sysname": "nvarchar",
}  # fmt: skip
_PLAIN = frozenset(
    [
        "bit",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "real",
        "float",
        "money",
        "smallmoney",
        "date",
        "datetime",
        "smalldatetime",
        "uniqueidentifier",
        "text",
        "ntext",
        "image",
        "xml",
        "sql_variant",
    ]
)
_LIMITS = {
    "char": 8000, "varchar": 8000, "binary": 8000, "varbinary": 8000, "nchar": 4000,
    "nvarchar": 4000,
}  # fmt: skip
_FRACTIONS = frozenset({"time", "datetime2", "datetimeoffset"})
KNOWN = _PLAIN | _FRACTIONS | set(_LIMITS) | {"decimal"}


def read_type(tokens: Sequence[Token], at: int) -> tuple[SqlType, int]:
    """The type that begins at `at`, and where it ends.

    Raises:
        SqlError: 2715 for an unknown type, 102 for a malformed one, 131 and 2750 for its size.
    """
    if at >= len(tokens):
        raise syntax(tokens[-1].text if tokens else "", tokens[-1].line if tokens else 1)
    first = tokens[at]
    if first.kind not in ("word", "quoted"):
        raise syntax(first.text, first.line)
    name, at = first.name.lower(), at + 1
    if name == "sys" and at + 1 < len(tokens) and tokens[at].text == ".":
        name, at = tokens[at + 1].name.lower(), at + 2
    if name in ("char", "nchar", "character") and _word(tokens, at) == "VARYING":
        name, at = ("nvarchar" if name == "nchar" else "varchar"), at + 1
    if name == "double" and _word(tokens, at) == "PRECISION":
        return SqlType("float"), at + 1
    spelled, name = name, _SYNONYMS.get(name, name)
    if name not in KNOWN:
        text = f"Column, parameter, or variable #1: Cannot find data type {first.name}."
        raise SqlError(2715, 16, 6, text, first.line)
    sizes, at = _sizes(tokens, at)
    return _sized("sysname" if spelled == "sysname" else name, sizes, first), at


def parse_type(text: str) -> SqlType:
    """The type that `text` spells."""
    tokens = tokenize(text)
    kind, at = read_type(tokens, 0)
    if at != len(tokens):
        raise syntax(tokens[at].text, tokens[at].line)
    return kind


def _word(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].upper if at < len(tokens) else ""


def _sizes(tokens: Sequence[Token], at: int) -> tuple[list[int], int]:
    """`(n)`, `(p, s)` or `(max)`."""
    if at >= len(tokens) or tokens[at].text != "(":
        return [], at
    sizes: list[int] = []
    at += 1
    while at < len(tokens) and tokens[at].text != ")":
        token = tokens[at]
        if token.upper == "MAX":
            sizes.append(MAX)
        elif token.kind == "number" and token.text.isdigit():
            sizes.append(int(token.text))
        elif token.text != ",":
            raise syntax(token.text, token.line)
        at += 1
    if at >= len(tokens):
        raise syntax(tokens[-1].text, tokens[-1].line)
    return sizes, at + 1


def _sized(name: str, sizes: list[int], at: Token) -> SqlType:
    first = sizes[0] if sizes else None
    if name == "sysname":
        return SqlType("nvarchar", 128)
    if name in _LIMITS:
        length = 1 if first is None else first
        if length == 0 or length > _LIMITS[name]:
            text = (
                f"The size ({length}) given to the type '{at.name}' exceeds the maximum allowed"
                f" for any data type (8000)."
            )
            raise SqlError(131, 15, 3, text, at.line)
        return SqlType(name, length)
    if name == "decimal":
        precision, scale = (*sizes, 18, 0)[:2] if not sizes else (*sizes, 0)[:2]
        if not 1 <= precision <= 38 or not 0 <= scale <= precision:
            text = (
                f"Column or parameter #1: Specified column precision {precision} is greater "
                "than the maximum precision of 38."
            )
            raise SqlError(2750, 16, 1, text, at.line)
        return SqlType(name, 0, precision, scale)
    if name == "float":
        return SqlType("real" if first is not None and first <= 24 else "float")
    if name in _FRACTIONS:
        return SqlType(name, 0, 0, 7 if first is None else first)
    return SqlType(name)
