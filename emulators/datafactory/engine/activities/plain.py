"""JSON from outside, made such that it can be kept: what no store of JSON takes is replaced."""

from __future__ import annotations

import json
from typing import Any

import orjson

DEPTH = 200
"""Levels of nesting that are taken; deeper ones are no JSON to us."""


def parsed(text: str) -> Any:
    """A JSON text's value.

    Raises:
        ValueError: it is no JSON, or nested too deep.
    """
    try:
        value = json.loads(text, parse_constant=_refused)
        return plain(value)
    except RecursionError:
        raise ValueError("nested too deep") from None


def plain(value: Any) -> Any:
    """The value with integers of over 64 bits as floats and half surrogates replaced.

    Raises:
        ValueError: it is nested too deep.
    """
    try:
        orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return _replaced(value, 0)
    return value


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _number(value: int) -> bool | int | float | str:
    try:
        return value if -(2**63) <= value < 2**63 else float(value)
    except OverflowError:
        return str(value)


def _replaced(value: Any, depth: int) -> Any:
    if depth > DEPTH:
        raise ValueError("nested too deep")
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int):
        return _number(value)
    if isinstance(value, list):
        return [_replaced(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {_replaced(k, depth): _replaced(v, depth + 1) for k, v in value.items()}
    return value
