"""The values of the language: their types, when two are the same, and how they read as text."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import threading
from collections.abc import Hashable, Mapping
from typing import Any, TypeGuard

from emulators.datafactory.engine.expressions.errors import ExpressionError

LARGEST_WORK = 16 * 2**20  # characters and items that one string's expressions may produce
DEEPEST_VALUE = 128  # objects and arrays within each other
CONTENT, CONTENT_TYPE = "$content", "$content-type"
# char.IsWhiteSpace; Python's own idea also has the separators U+001C to U+001F.
BLANKS = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
INT64 = range(-(2**63), 2**63)
INT32 = range(-(2**31), 2**31)


_MEDIA = re.compile(r"\s*[\w.+*-]+/[\w.+*-]+\s*(;|$)")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)


class _Budget(threading.local):
    left = LARGEST_WORK


_BUDGET = _Budget()


def refill() -> None:
    """Begin the evaluation of a string: nothing has been produced yet."""
    _BUDGET.left = LARGEST_WORK


def spend(size: int) -> None:
    """Account for `size` characters or items about to be produced.

    Raises:
        ExpressionError: `too_large`.
    """
    _BUDGET.left -= size
    if _BUDGET.left < 0:
        raise ExpressionError(
            "too_large", f"The expression produces more than {LARGEST_WORK} characters and items."
        )


def to_int32(value: int) -> int:
    """The low 32 bits: where .NET takes an int, Azure's engine drops the rest without a check."""
    return (value + 2**31) % 2**32 - 2**31


def is_object(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return type(value) is dict or isinstance(value, Mapping)


def is_array(value: Any) -> TypeGuard[list[Any]]:
    return type(value) is list or isinstance(value, tuple)


def is_scalar(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def is_number(value: Any) -> TypeGuard[int | float]:
    return type(value) is int or type(value) is float


def type_name(value: Any) -> str:
    """The type in the words that error messages use."""
    names = {bool: "Boolean", int: "Integer", float: "Float", str: "String", type(None): "Null"}
    if known := names.get(type(value)):
        return known
    return "Array" if is_array(value) else "Object"


def is_content(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether a value is binary or XML: an object with `$content-type` and `$content`."""
    return is_object(value) and CONTENT in value and CONTENT_TYPE in value


def content_bytes(value: Mapping[str, Any]) -> bytes:
    """The bytes of a binary or XML value.

    Raises:
        ExpressionError: `argument_value`, it is not well formed.
    """
    media, held = value[CONTENT_TYPE], value[CONTENT]
    if isinstance(media, str) and isinstance(held, str) and _MEDIA.match(media):
        try:
            return base64.b64decode("".join(held.split()), validate=True)
        except (binascii.Error, ValueError):
            pass
    raise ExpressionError(
        "argument_value", "The value has a content type or a content that is not well formed."
    )


def content_text(value: Mapping[str, Any]) -> str:
    """The text of a binary or XML value, in the charset it names; UTF-8 when it names none.

    Raises:
        ExpressionError: `argument_value`, it is not well formed or its charset is unknown.
    """
    data = content_bytes(value)
    named = _CHARSET.search(value[CONTENT_TYPE])
    try:
        return data.decode(named[1] if named else "utf-8", errors="replace")
    except LookupError:
        raise ExpressionError("argument_value", "The charset is not known.") from None


def content(media: str, data: bytes) -> dict[str, str]:
    """A binary value as the language carries it."""
    return {CONTENT_TYPE: media, CONTENT: base64.b64encode(data).decode()}


def to_text(value: Any) -> str:
    """A value as string(), concat() and interpolation render it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, int):  # of a boolean this is True or False
        return str(value)
    return content_text(value) if is_content(value) else to_json(value)


def float_text(value: float) -> str:
    """A float in .NET's shortest round-trip form: 1, 0.1, 1E-05, 1E+21, -0, NaN."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "e" not in text:
        return text
    digits, _, exponent = text.partition("e")
    if exponent == "+16":  # Python changes to exponents at 16, .NET at 17
        sign, mantissa = ("-", digits[1:]) if digits[0] == "-" else ("", digits)
        return sign + mantissa.replace(".", "").ljust(17, "0")
    return f"{digits}E{exponent[0]}{exponent[1:].zfill(2)}"


def to_json(value: Any) -> str:
    """Compact JSON: non-ASCII as it is, floats keep their fraction.

    Raises:
        ExpressionError: `too_large`.
    """
    pieces: list[str] = []
    _write(value, pieces, 0)
    text = "".join(pieces)
    spend(len(text))
    return text


def _write(value: Any, pieces: list[str], depth: int) -> None:
    if depth > DEEPEST_VALUE:
        raise ExpressionError("too_large", f"A value nests deeper than {DEEPEST_VALUE} levels.")
    if is_object(value):
        mark = "{"
        for key, member in value.items():
            pieces.append(mark + _quoted(str(key)) + ":")
            _write(member, pieces, depth + 1)
            mark = ","
        pieces.append("}" if mark == "," else "{}")
    elif is_array(value):
        mark = "["
        for member in value:
            pieces.append(mark)
            _write(member, pieces, depth + 1)
            mark = ","
        pieces.append("]" if mark == "," else "[]")
    else:
        pieces.append(_scalar(value))


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return f'"{float_text(value)}"'
        text = float_text(value)
        return text if "E" in text or "." in text else f"{text}.0"
    return str(value)


_ESCAPED = re.compile("[\x85\u2028\u2029]")


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isascii():
        return quoted
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def identity(value: Any) -> Hashable:
    """A key that two values share when they are deeply equal; 1 and 1.0 are not."""
    if is_object(value):
        return ("o", frozenset((key, identity(member)) for key, member in value.items()))
    if is_array(value):
        return ("a", tuple(identity(member) for member in value))
    if isinstance(value, float) and math.isnan(value):
        return ("nan",)
    return (type(value), value)


def equal(first: Any, second: Any) -> bool:
    """equals(): numbers compare across integer and float at the top, not inside collections."""
    if is_number(first) and is_number(second):
        if type(first) is type(second):
            return first == second
        return float(first) == float(second)
    if type(first) is not type(second) and type_name(first) != type_name(second):
        return False
    if is_object(first) or is_array(first):
        return identity(first) == identity(second)
    return bool(first == second)


def units(text: str) -> int:
    """The length in UTF-16 code units."""
    if text.isascii():
        return len(text)
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, start: int, stop: int | None = None) -> str:
    """The part between two offsets counted in UTF-16 code units."""
    if text.isascii() or max(text, default="") <= "\uffff":
        return text[start:stop]
    raw = text.encode("utf-16-le", "surrogatepass")
    end = None if stop is None else 2 * stop
    return raw[2 * start : end].decode("utf-16-le", "surrogatepass")


def fold(text: str) -> str:
    """Text for comparison without case, ordinal: each character's simple upper case."""
    return text.upper() if text.isascii() else "".join(map(_upper, text))


def _upper(character: str) -> str:
    # Dotless i keeps its form in the invariant culture, and what grows (ß) has no simple form.
    upper = character.upper()
    if len(upper) > 1:
        upper = character.title()
    return upper if len(upper) == 1 and character != "\u0131" else character


def member(value: Mapping[str, Any], name: str) -> tuple[bool, Any]:
    """Whether an object has a property and its value; by exact name, else in any case."""
    if name in value:
        return True, value[name]
    wanted = fold(name)
    for key in value:
        if isinstance(key, str) and len(key) == len(name) and fold(key) == wanted:
            return True, value[key]
    return False, None


def encoded(text: str) -> bytes:
    """Text as UTF-8; half of a surrogate pair becomes U+FFFD, as .NET writes it."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return whole(text).encode()


def whole(text: str) -> str:
    """Text without halves of surrogate pairs: joined where they belong together, else U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
