"""String functions: offsets count UTF-16 units; searching ignores case, replacing does not."""

from __future__ import annotations

from typing import Any

from emulators.datafactory.engine.expressions.calls import (
    Functions,
    integer_argument,
    text_argument,
    wrong_type,
    wrong_value,
)
from emulators.datafactory.engine.expressions.scope import Scope
from emulators.datafactory.engine.expressions.values import (
    BLANKS,
    cut,
    fold,
    spend,
    to_int32,
    to_text,
    units,
)

TABLE = Functions()


@TABLE.add("concat", 1, None)
def concat(*parts: Any) -> str:
    text = "".join([part if type(part) is str else to_text(part) for part in parts])
    spend(len(text))
    return text


@TABLE.add("endsWith", 2)
def ends_with(text: Any, end: Any) -> bool:
    text_argument("endsWith", 1, text)
    return fold(text).endswith(fold(text_argument("endsWith", 2, end)))


@TABLE.add("startsWith", 2)
def starts_with(text: Any, start: Any) -> bool:
    text_argument("startsWith", 1, text)
    return fold(text).startswith(fold(text_argument("startsWith", 2, start)))


@TABLE.add("indexOf", 2)
def index_of(text: Any, wanted: Any) -> int:
    text_argument("indexOf", 1, text)
    at = fold(text).find(fold(text_argument("indexOf", 2, wanted)))
    return at if at < 0 else units(text[:at])


@TABLE.add("lastIndexOf", 2)
def last_index_of(text: Any, wanted: Any) -> int:
    text_argument("lastIndexOf", 1, text)
    at = fold(text).rfind(fold(text_argument("lastIndexOf", 2, wanted)))
    return at if at < 0 else units(text[:at])


@TABLE.add("replace", 3)
def replace(text: Any, old: Any, new: Any) -> str:
    text_argument("replace", 1, text)
    text_argument("replace", 2, old)
    text_argument("replace", 3, new)
    if not text:
        return ""
    if not old:
        raise wrong_value("replace", "The text to replace must not be empty.")
    found = text.count(old)
    spend(len(text) + found * (len(new) - len(old)))
    return str(text.replace(old, new)) if found else str(text)


@TABLE.add("split", 2)
def split(text: Any, separator: Any) -> list[str]:
    text_argument("split", 1, text)
    text_argument("split", 2, separator)
    spend(len(text))
    return text.split(separator) if separator else [text]


@TABLE.add("substring", 2, 3)
def substring(text: Any, start: Any, *rest: Any) -> str:
    text_argument("substring", 1, text)
    integer_argument("substring", 2, start)
    size, start = units(text), to_int32(start)
    if not 0 <= start < size:
        raise wrong_value("substring", "The start index must be within the string.")
    length = to_int32(integer_argument("substring", 3, rest[0])) if rest else size - start
    if length < 0 or start + length > size:
        raise wrong_value("substring", "The length must not reach beyond the end of the string.")
    return cut(text, start, start + length)


@TABLE.add("toLower", 1)
def to_lower(text: Any) -> str:
    text_argument("toLower", 1, text)
    return text.lower() if text.isascii() else "".join(map(_lower, text))


@TABLE.add("toUpper", 1)
def to_upper(text: Any) -> str:
    return fold(text_argument("toUpper", 1, text))


def _lower(character: str) -> str:
    lower = character.lower()
    return lower if len(lower) == 1 else character


@TABLE.add("trim", 1)
def trim(text: Any) -> str:
    return text_argument("trim", 1, text).strip(BLANKS)


@TABLE.add("guid", 0, 1, scoped=True)
def guid(scope: Scope, *form: Any) -> str:
    plain = scope.new_guid()
    if not form:
        return plain
    if type(form[0]) is not str:
        raise wrong_type("guid", 1, "a string", form[0])
    digits = plain.replace("-", "")
    parts = [digits[:8], digits[8:12], digits[12:16]]
    octets = ",".join(f"0x{digits[at : at + 2]}" for at in range(16, 32, 2))
    shown = {
        "N": digits,
        "D": plain,
        "B": f"{{{plain}}}",
        "P": f"({plain})",
        "X": f"{{{','.join(f'0x{part}' for part in parts)},{{{octets}}}}}",
    }.get(form[0])
    if shown is None:
        raise wrong_value("guid", f"The format '{form[0]}' is not one of N, D, B, P, X.")
    return shown
