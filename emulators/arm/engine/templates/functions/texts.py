"""Strings. Source: template-functions-string."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from urllib.parse import quote, unquote, urljoin

from emulators.arm.engine.templates.frames import Frame
from emulators.arm.engine.templates.functions.checks import (
    Function,
    array,
    integer,
    invalid,
    string,
    wrong_type,
)
from emulators.arm.engine.templates.functions.formats import written
from emulators.arm.engine.templates.values import Value, from_json, text_of, whole
from emulators.kernel.errors import Unsupported

GUIDS = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
"""Namespace of `guid()`. Source: bicep-functions-string, "guid"."""
LONGEST_PAD = 65_536
_HOLE = re.compile(r"\{\{|\}\}|\{(\d{1,3})(?:,(-?\d{1,4}))?(?::([^{}]*))?\}|[{}]")


def _to_lower(frame: Frame, value: Value) -> str:
    return string("toLower", value).lower()


def _to_upper(frame: Frame, value: Value) -> str:
    return string("toUpper", value).upper()


def _trim(frame: Frame, value: Value) -> str:
    return string("trim", value).strip()


def _string(frame: Frame, value: Value) -> str:
    return text_of(value)


def _replace(frame: Frame, value: Value, old: Value, new: Value) -> str:
    text, gone = string("replace", value), string("replace", old)
    if not gone:
        raise invalid("replace", "The string to be replaced cannot be empty")
    return text.replace(gone, string("replace", new))


def _split(frame: Frame, value: Value, delimiter: Value) -> list[str]:
    text = string("split", value)
    given = delimiter if isinstance(delimiter, list) else [delimiter]
    marks = [string("split", one) for one in given if one != ""]
    return re.split("|".join(map(re.escape, marks)), text) if marks else [text]


def _join(frame: Frame, values: Value, delimiter: Value) -> str:
    return string("join", delimiter).join(map(text_of, array("join", values)))


def _substring(frame: Frame, value: Value, start: Value = 0, size: Value = None) -> str:
    text, at = string("substring", value), integer("substring", start)
    count = len(text) - at if size is None else integer("substring", size)
    if at < 0 or count < 0 or at + count > len(text):
        raise invalid(
            "substring",
            "The index and length parameters must refer to a location within the string. The index"
            f" parameter: '{at}', the length parameter: '{count}', the length of the string"
            f" parameter: '{len(text)}'",
        )
    return text[at : at + count]


def _folded(name: str, text: Value, part: Value) -> tuple[str, str]:
    """Both strings for a comparison that ignores case, character by character."""
    return tuple(  # type: ignore[return-value]  # of a pair
        "".join(c.lower() if len(c.lower()) == 1 else c for c in string(name, one))
        for one in (text, part)
    )


def _index_of(frame: Frame, value: Value, part: Value) -> int:
    text, what = _folded("indexOf", value, part)
    return text.find(what)


def _last_index_of(frame: Frame, value: Value, part: Value) -> int:
    text, what = _folded("lastIndexOf", value, part)
    return text.rfind(what)


def _starts_with(frame: Frame, value: Value, part: Value) -> bool:
    text, what = _folded("startsWith", value, part)
    return text.startswith(what)


def _ends_with(frame: Frame, value: Value, part: Value) -> bool:
    text, what = _folded("endsWith", value, part)
    return text.endswith(what)


def _pad_left(frame: Frame, value: Value, size: Value, pad: Value = " ") -> str:
    if not isinstance(value, str) and whole(value) is None:
        raise wrong_type("padLeft", "a string or an integer", value)
    width, mark = integer("padLeft", size), string("padLeft", pad)
    if len(mark) != 1 or not 0 <= width <= LONGEST_PAD:
        raise invalid(
            "padLeft", f"The padding must be one character and the length at most '{LONGEST_PAD}'"
        )
    return text_of(value).rjust(width, mark)


def _format(frame: Frame, pattern: Value, *values: Value) -> str:
    def fill(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        if found[1] is None:
            raise invalid("format", "The format string is not in a correct format")
        index = int(found[1])
        if index >= len(values):
            raise invalid("format", f"There is no argument for '{found[0]}'")
        text = written(values[index], found[3] or "")
        width = int(found[2] or 0)
        return text.rjust(width) if width > 0 else text.ljust(-width)

    return _HOLE.sub(fill, string("format", pattern))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _unique_string(frame: Frame, *values: Value) -> str:
    """13 characters that depend on the values alone; not the ones that Azure would make."""
    raw = hashlib.sha256(_bytes("-".join(string("uniqueString", one) for one in values))).digest()
    return base64.b32encode(raw)[:13].decode().lower()


def _guid(frame: Frame, *values: Value) -> str:
    return str(uuid.uuid5(GUIDS, "-".join(string("guid", one) for one in values)))


def _new_guid(frame: Frame) -> str:
    if not frame.default:
        raise invalid("newGuid", "The function can only be used in a parameter's default value")
    return frame.at.guid()


def _base64(frame: Frame, value: Value) -> str:
    return base64.b64encode(string("base64", value).encode("utf-8", "replace")).decode()


def _decoded(name: str, value: Value) -> str:
    try:
        return base64.b64decode(string(name, value), validate=True).decode()
    except ValueError:
        raise invalid(name, "The value is not base64 of UTF-8 text") from None


def _base64_to_string(frame: Frame, value: Value) -> str:
    return _decoded("base64ToString", value)


def _base64_to_json(frame: Frame, value: Value) -> Value:
    return from_json(_decoded("base64ToJson", value))


def _data_uri(frame: Frame, value: Value) -> str:
    return f"data:text/plain;charset=utf8;base64,{_base64(frame, value)}"


def _data_uri_to_string(frame: Frame, value: Value) -> str:
    text = string("dataUriToString", value)
    head, comma, data = text.partition(",")
    if not comma or not head.startswith("data:"):
        raise invalid("dataUriToString", "The value is not a data URI")
    if not head.endswith(";base64"):
        return unquote(data)
    charset = re.search(r";charset=([^;]+)", head)
    if charset and charset[1].lower().replace("-", "") not in ("utf8", "usascii"):
        raise Unsupported(
            f"dataUriToString of the character set {charset[1]}",
            tracked="emulators/arm/README.md",
        )
    return _decoded("dataUriToString", data)


def _uri(frame: Frame, base: Value, relative: Value) -> str:
    try:
        return urljoin(string("uri", base), string("uri", relative))
    except ValueError:
        raise invalid("uri", "The base is not a URI") from None


def _uri_component(frame: Frame, value: Value) -> str:
    return quote(string("uriComponent", value), safe="", errors="replace")


def _uri_component_to_string(frame: Frame, value: Value) -> str:
    return unquote(string("uriComponentToString", value))


FUNCTIONS = [
    Function("toLower", 1, 1, _to_lower),
    Function("toUpper", 1, 1, _to_upper),
    Function("trim", 1, 1, _trim),
    Function("string", 1, 1, _string),
    Function("replace", 3, 3, _replace),
    Function("split", 2, 2, _split),
    Function("join", 2, 2, _join),
    Function("substring", 1, 3, _substring),
    Function("indexOf", 2, 2, _index_of),
    Function("lastIndexOf", 2, 2, _last_index_of),
    Function("startsWith", 2, 2, _starts_with),
    Function("endsWith", 2, 2, _ends_with),
    Function("padLeft", 2, 3, _pad_left),
    Function("format", 1, None, _format),
    Function("uniqueString", 1, None, _unique_string),
    Function("guid", 1, None, _guid),
    Function("newGuid", 0, 0, _new_guid),
    Function("base64", 1, 1, _base64),
    Function("base64ToString", 1, 1, _base64_to_string),
    Function("base64ToJson", 1, 1, _base64_to_json),
    Function("dataUri", 1, 1, _data_uri),
    Function("dataUriToString", 1, 1, _data_uri_to_string),
    Function("uri", 2, 2, _uri),
    Function("uriComponent", 1, 1, _uri_component),
    Function("uriComponentToString", 1, 1, _uri_component_to_string),
]
