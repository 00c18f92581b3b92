"""Stand-in: what the schema decorators recorded, by function."""

from __future__ import annotations

import copy
from typing import Any, Dict, List

ALL_SUPPORTED_VERSIONS = ["2.0", "3.0", "3.1"]
__functions_schema__: Dict[str, Any] = {}
__versions__: Dict[str, Any] = {}


def _innermost(func: Any) -> Any:
    while hasattr(func, "__wrapped__"):
        func = func.__wrapped__
    return func


def _get_function_full_qual_name(func: Any) -> str:
    inner = _innermost(func)
    module = getattr(inner, "__module__", "<unknown>")
    return f"{module}.{getattr(inner, '__name__', '<unknown>')}"


def is_schema_decorated(func: Any) -> bool:
    """Tell whether a decorator of ours recorded a schema for it."""
    return _get_function_full_qual_name(func) in __functions_schema__


def get_input_schema(func: Any) -> Any:
    """The schema of its arguments: one object."""
    return _schema(func, "input_schema")


def get_output_schema(func: Any) -> Any:
    """The schema of what it returns."""
    return _schema(func, "output_schema")


def _schema(func: Any, kind: str) -> Any:
    found = __functions_schema__.get(_get_function_full_qual_name(func), {})
    return found.get(kind, {"type": "object"})


def get_supported_versions(func: Any) -> List[str]:
    """Swagger versions that all of its decorators allow."""
    found = __versions__.get(_get_function_full_qual_name(func), {})
    allowed = set(ALL_SUPPORTED_VERSIONS)
    for versions in found.values():
        if versions:
            allowed &= set(versions)
    return sorted(allowed)


def get_schemas_dict() -> Dict[str, Any]:
    """A copy of everything recorded."""
    return copy.deepcopy(__functions_schema__)
