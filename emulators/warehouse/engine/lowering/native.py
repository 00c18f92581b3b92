"""Functions in Python that DuckDB calls where SQL has no words for it."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def _encode(text: str | None, codec: str) -> bytes | None:
    if text is None:
        return None
    if codec == "utf16":
        return text.encode("utf-16-le", "surrogatepass")
    return text.encode("cp1252", "replace")


def _decode(data: bytes | None, codec: str) -> str | None:
    if data is None:
        return None
    if codec == "utf16":
        return data[: len(data) // 2 * 2].decode("utf-16-le", "replace")
    return data.decode("cp1252", "replace")


def _int(data: bytes | None, width: int) -> int | None:
    if data is None:
        return None
    return int.from_bytes(data[-width:], "big", signed=width > 1 and len(data) >= width)


def _guid_bytes(value: uuid.UUID | str | None) -> bytes | None:
    return None if value is None else uuid.UUID(str(value)).bytes_le


def _guid_from(data: bytes | None) -> uuid.UUID | None:
    return None if data is None else uuid.UUID(bytes_le=data[:16].ljust(16, b"\0"))


def like_pattern(pattern: str, escape: str = "") -> str:
    """A LIKE pattern as a regular expression of RE2."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if escape and char == escape and at + 1 < len(pattern):
            out.append(re.escape(pattern[at + 1]))
            at += 2
            continue
        at += 1
        if char == "%":
            out.append(".*")
        elif char == "_":
            out.append(".")
        elif char == "[" and (end := pattern.find("]", at)) > at:
            out.append(_class(pattern[at:end]))
            at = end + 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _class(inside: str) -> str:
    negated = inside.startswith("^")
    body = inside[1:] if negated else inside
    safe = "".join("\\" + c if c in "\\[]^" else c for c in body)
    return f"[{'^' if negated else ''}{safe}]" if body else ""


def _like(pattern: str | None, escape: str | None) -> str | None:
    return None if pattern is None else like_pattern(pattern, escape or "")


def _patindex(pattern: str | None, text: str | None) -> int | None:
    if pattern is None or text is None:
        return None
    head, tail = not pattern.startswith("%"), not pattern.endswith("%")
    core = like_pattern(
        pattern.strip("%")
        if not head and not tail
        else pattern.lstrip("%")
        if not head
        else pattern
    )
    if not head and not tail and not pattern.strip("%"):
        return 1 if text else 0
    found = re.search(("^" if head else "") + core + ("$" if tail else ""), text, re.I | re.S)
    return found.start() + 1 if found else 0


def _hash(kind: str | None, data: bytes | None) -> bytes | None:
    if kind is None or data is None:
        return None
    names = {
        "md5": "md5",
        "sha": "sha1",
        "sha1": "sha1",
        "sha2_256": "sha256",
        "sha2_512": "sha512",
    }
    name = names.get(kind.lower())
    return hashlib.new(name, data, usedforsecurity=False).digest() if name else None


def _checksum(data: bytes | None) -> int:
    if data is None:
        return 0x7FFFFFFF
    return int.from_bytes(hashlib.blake2b(data.lower(), digest_size=4).digest(), "big", signed=True)


def _soundex(text: str | None) -> str | None:
    if text is None:
        return None
    codes = {c: d for d, cs in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), 1) for c in cs}
    letters = text.upper()
    if not letters or not letters[0].isalpha():
        return "0000"
    out, last = letters[0], codes.get(letters[0])
    for char in letters[1:]:
        if not char.isalpha():
            break
        code = codes.get(char)
        if code and code != last:
            out += str(code)
        if char not in "HW":
            last = code
    return (out + "000")[:4]


def _quotename(text: str | None, mark: str | None) -> str | None:
    if text is None or len(text) > 128:
        return None
    pairs = {"[": "[]", "]": "[]", "'": "''", '"': '""', "(": "()", ")": "()", "<": "<>", ">": "<>",
             "{": "{}", "}": "{}", "`": "``"}  # fmt: skip
    pair = pairs.get((mark or "[")[:1])
    if pair is None:
        return None
    return pair[0] + text.replace(pair[1], pair[1] * 2) + pair[1]


def _format_number(value: Any, pattern: str | None, culture: str | None) -> str | None:
    from emulators.warehouse.engine.lowering.formats import number

    return None if value is None or pattern is None else number(value, pattern, culture or "en-US")


def _format_instant(value: Any, pattern: str | None, culture: str | None) -> str | None:
    from emulators.warehouse.engine.lowering.formats import instant

    return None if value is None or pattern is None else instant(value, pattern)


_FUNCTIONS: tuple[tuple[str, Callable[..., Any], list[str], str], ...] = (
    ("rehearsal_encode", _encode, ["VARCHAR", "VARCHAR"], "BLOB"),
    ("rehearsal_decode", _decode, ["BLOB", "VARCHAR"], "VARCHAR"),
    ("rehearsal_int", _int, ["BLOB", "INTEGER"], "BIGINT"),
    ("rehearsal_guid_bytes", _guid_bytes, ["UUID"], "BLOB"),
    ("rehearsal_guid_from", _guid_from, ["BLOB"], "UUID"),
    ("rehearsal_like", _like, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("rehearsal_patindex", _patindex, ["VARCHAR", "VARCHAR"], "INTEGER"),
    ("rehearsal_hash", _hash, ["VARCHAR", "BLOB"], "BLOB"),
    ("rehearsal_checksum", _checksum, ["BLOB"], "INTEGER"),
    ("rehearsal_soundex", _soundex, ["VARCHAR"], "VARCHAR"),
    ("rehearsal_quotename", _quotename, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    (
        "rehearsal_format_number",
        _format_number,
        ["DECIMAL(38,10)", "VARCHAR", "VARCHAR"],
        "VARCHAR",
    ),
    ("rehearsal_format_instant", _format_instant, ["TIMESTAMP", "VARCHAR", "VARCHAR"], "VARCHAR"),
)


def install(con: DuckDBPyConnection) -> None:
    """Make the functions known; they stay with the DuckDB instance, not with the file."""
    from typing import cast

    for name, function, takes, gives in _FUNCTIONS:
        con.create_function(
            name, function, cast(Any, takes), cast(Any, gives), null_handling=cast(Any, "special")
        )
