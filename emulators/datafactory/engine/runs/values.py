"""Values of declared types: parameters made to fit, variables held to what they may be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from emulators.datafactory.engine.definitions import Declared
from emulators.datafactory.errors import InvalidParameters

DEFAULTS: Mapping[str, Any] = {"string": "", "bool": False, "array": [], "int": 0, "float": 0.0}
TYPES: Mapping[str, tuple[str, ...]] = {
    "string": ("String",),
    "bool": ("Boolean",),
    "array": ("Array",),
    "int": ("Integer",),
    "float": ("Float", "Integer"),
    "object": ("Object",),
}
"""Kind of a variable -> names of the types of values it takes."""
SHOWN = {"string": "String", "bool": "Boolean", "array": "Array", "int": "Integer"}


def type_name(value: Any) -> str:
    """A JSON value's type as the service names it."""
    names: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "Boolean"),
        (int, "Integer"),
        (float, "Float"),
        (str, "String"),
        ((list, tuple), "Array"),
    ]
    if value is None:
        return "Null"
    return next((name for kind, name in names if isinstance(value, kind)), "Object")


def as_text(value: Any) -> str:
    """A value as runs show it: text as it is, arrays and objects as JSON, `True` and `False`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | dict):
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return str(value)


def coerced(value: Any, kind: str) -> Any:
    """A value made to fit a declared type.

    Raises:
        ValueError: it cannot be.
    """
    if value is None:
        return None
    convert = _COERCIONS.get(kind)
    return value if convert is None else convert(value)


def _to_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("no number")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("no whole number")
    return int(value)


def _to_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("no number")
    return float(value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError("neither true nor false")


def _to_array(value: Any) -> Any:
    return _parsed(value, list)


def _to_object(value: Any) -> Any:
    # An object parameter may hold any JSON; text is read when it is an object's.
    if isinstance(value, str):
        return _parsed(value, dict)
    return value


def _parsed(value: Any, kind: type) -> Any:
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, kind):
        raise ValueError("no array" if kind is list else "no object")
    return value


_COERCIONS: Mapping[str, Callable[[Any], Any]] = {
    "string": as_text,
    "securestring": as_text,
    "int": _to_int,
    "float": _to_float,
    "bool": _to_bool,
    "array": _to_array,
    "object": _to_object,
}


def parameters_of(
    declared: Mapping[str, Declared], given: Mapping[str, Any], pipeline: str
) -> dict[str, Any]:
    """The values a run has, by the spelling of the declaration; names are found in any case.

    Raises:
        InvalidParameters: one is missing or does not fit.

    Assumed: what is given and not declared is dropped; the public pages do not say.
    """
    named = {name.lower(): value for name, value in given.items()}
    found = {}
    for name, each in declared.items():
        value = named.get(name.lower(), each.default)
        if value is None and not each.has_default and name.lower() not in named:
            raise InvalidParameters(
                f"The pipeline '{pipeline}' needs a value for the parameter '{name}' of type"
                f" '{each.type}': it has no default.",
                target=name,
            )
        try:
            found[name] = coerced(value, each.kind)
        except (ValueError, OverflowError):
            raise InvalidParameters(
                f"The value of the parameter '{name}' of the pipeline '{pipeline}' is not of its"
                f" type '{each.type}': {as_text(value)[:200]!r}.",
                target=name,
            ) from None
    return found


def first_value(declared: Declared) -> Any:
    """What a variable holds before anything sets it; never null."""
    if declared.has_default:
        try:
            return coerced(declared.default, declared.kind)
        except ValueError:
            return declared.default
    default = DEFAULTS.get(declared.kind, "")
    return list(default) if isinstance(default, list) else default


def misfit(declared: Declared, value: Any) -> str:
    """Why a variable cannot hold a value; "" when it can."""
    allowed = TYPES.get(declared.kind)
    if allowed is None or type_name(value) in allowed:
        return ""
    shown = SHOWN.get(declared.kind, declared.type)
    return (
        f"The variable '{declared.name}' of type '{shown}' cannot be initialized or updated with"
        f" value of type '{type_name(value)}'. The variable '{declared.name}' only supports values"
        f" of types '{', '.join(allowed)}'."
    )


def global_parameters_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a factory's `globalParameters`, typed."""
    found = {}
    for name, each in (properties.get("globalParameters") or {}).items():
        kind = Declared(name, str(each.get("type", "String"))).kind
        try:
            found[name] = coerced(each.get("value"), kind)
        except ValueError:
            found[name] = each.get("value")
    return found
