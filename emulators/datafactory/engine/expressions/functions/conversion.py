"""Conversions between the scalar types, arrays and JSON."""

from __future__ import annotations

import math
import re
from typing import Any

from emulators.datafactory.engine.expressions.calls import Functions, wrong_type, wrong_value
from emulators.datafactory.engine.expressions.lenient_json import BadJson, read_json
from emulators.datafactory.engine.expressions.values import (
    BLANKS,
    CONTENT_TYPE,
    INT64,
    content_text,
    is_array,
    is_content,
    is_scalar,
    spend,
    to_text,
)
from emulators.datafactory.engine.expressions.xmls.bridge import json_of_xml
from emulators.datafactory.engine.expressions.xmls.dom import XML_MEDIA, BadXml, parse_xml

TABLE = Functions()
_CANNOT = "The value cannot be converted to the target type."
_DIGITS = r"(?:[0-9][0-9,]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_SIGNED = re.compile(rf"[+-]?{_DIGITS}\Z")
_SIGNED_BEHIND = re.compile(rf"({_DIGITS})\s*([+-])\Z")


@TABLE.add("array", 1)
def array(value: Any) -> list[Any]:
    return value if is_array(value) else [value]


@TABLE.add("createArray", 1, None)
def create_array(*values: Any) -> list[Any]:
    return list(values)


@TABLE.add("coalesce", 1, None)
def coalesce(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


@TABLE.add("bool", 1)
def boolean(value: Any) -> bool:
    if isinstance(value, bool | int | float):
        return value != 0
    word = value.strip(BLANKS + "\0").lower() if type(value) is str else ""
    if word in ("true", "false"):
        return bool(word == "true")
    raise wrong_value("bool", _CANNOT)


@TABLE.add("int", 1)
def integer(value: Any) -> int:
    if type(value) is bool:
        return int(value)
    # Integers go through a float as well: beyond 2**53 they lose digits, as in Azure's engine.
    number = _parsed(value, trailing_sign=False) if type(value) is str else None
    if type(value) is float or (type(value) is int and value in INT64):
        number = float(value)
    if number is not None and math.isnan(number):
        return INT64[0]  # an unchecked conversion of .NET
    if number is None or math.isinf(number) or number != int(number) or int(number) not in INT64:
        raise wrong_value("int", _CANNOT)
    return int(number)


@TABLE.add("float", 1, 2)
def floating(value: Any, *culture: Any) -> float:
    if culture and type(value) is not str and is_scalar(culture[0]):
        raise wrong_type("float", 1, "a string when a culture is given", value)
    if culture and (type(culture[0]) is not str or culture[0].lower() not in ("", "en", "en-us")):
        raise wrong_value("float", "Numbers are only read in en-US here.")
    if type(value) in (bool, float) or (type(value) is int and value in INT64):
        return float(value)
    number = _parsed(value, trailing_sign=True) if type(value) is str else None
    if number is None:
        raise wrong_value("float", _CANNOT)
    return number


def _parsed(text: str, *, trailing_sign: bool) -> float | None:
    """A number as double.Parse reads it with thousands separators, which may be anywhere."""
    text = text.strip("\t\n\v\f\r ")
    special = {"nan": math.nan, "∞": math.inf, "-∞": -math.inf, "+∞": math.inf}
    if (word := text.lower()) in special:
        return special[word]
    if (behind := _SIGNED_BEHIND.match(text)) and trailing_sign:
        text = behind[2] + behind[1]
    return float(text.replace(",", "")) if _SIGNED.match(text) else None


@TABLE.add("string", 1)
def string(value: Any) -> str:
    if type(value) is int and value not in INT64:
        raise wrong_value("string", "The value cannot be converted to a string.")
    text = to_text(value)
    spend(len(text))
    return text


@TABLE.add("json", 1)
def json(value: Any) -> Any:
    text = value
    if is_content(value):
        text = content_text(value)
        if str(value[CONTENT_TYPE]).strip().lower().startswith(XML_MEDIA):
            try:
                return json_of_xml(parse_xml(text))
            except BadXml as error:
                raise wrong_value("json", str(error)) from None
    if type(text) is not str:
        raise wrong_type("json", 1, "a string or an XML", value)
    try:
        return read_json(text)
    except BadJson as error:
        shown = text if len(text) <= 256 else f"{text[:256]}…"
        raise wrong_value("json", f"The value '{shown}' cannot be parsed: {error}") from None
