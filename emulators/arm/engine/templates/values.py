"""Values of the template language: JSON, with names that match in any case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from emulators.arm.engine.templates import relaxed
from emulators.arm.errors import ExpressionInvalid

Value = Any  # None, bool, int, float, str, list, dict
LONGEST_STRING = 4 << 20  # characters; a template and all it becomes must fit in 4 MiB
_TITLES: dict[type, str] = {
    bool: "Boolean", int: "Integer", float: "Float", str: "String", list: "Array", dict: "Object",
    type(None): "Null",
}  # fmt: skip


def title(value: Value) -> str:
    """The type of a value as messages name it."""
    return _TITLES.get(type(value), "Function")


def whole(value: Value) -> int | None:
    """`value` as a whole number, or None."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def key_of(where: Mapping[str, Value], name: str) -> str | None:
    """The key that means `name`, in any case; an exact match comes first."""
    if name in where:
        return name
    lower = name.lower()
    return next((key for key in where if key.lower() == lower), None)


def look_up(where: Value, name: str, default: Value = None) -> Value:
    """What is under `name` in any case; the default where there is nothing or no object."""
    key = key_of(where, name) if isinstance(where, dict) else None
    return default if key is None else where[key]


def same(left: Value, right: Value) -> bool:
    """Deep equality that tells a Boolean from a number."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    return bool(left == right)


def text_of(value: Value) -> str:
    """A value as `string()` writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "True" if value else "False"
    if value is None:
        return ""
    if isinstance(value, list | dict):
        try:
            return orjson.dumps(value).decode()
        except TypeError:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def from_json(text: str) -> Value:
    """JSON as the service reads it, relaxed.

    Raises:
        ExpressionInvalid: it cannot be read.
    """
    try:
        return relaxed.read(text)
    except relaxed.Unreadable as wrong:
        raise ExpressionInvalid(
            "The template language function 'json' parameter is not valid. The provided value"
            f" '{text[:200]}' cannot be parsed: {wrong}. Please see"
            " https://aka.ms/arm-functions#json for usage details."
        ) from None


def without_nulls(value: Value) -> Value:
    """A value without the properties that are null, which templates take for absent ones."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [without_nulls(one) for one in value]
    return value
