"""Selectors: `.name` and `[key]` on objects and arrays, and what `?` forgives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emulators.datafactory.engine.expressions.errors import ExpressionError, Kind
from emulators.datafactory.engine.expressions.scope import Scope
from emulators.datafactory.engine.expressions.values import (
    CONTENT_TYPE,
    is_array,
    is_content,
    is_object,
    member,
    to_int32,
    to_text,
    type_name,
)


@dataclass(frozen=True, slots=True)
class Selector:
    """A key that is known, or `computed` when it has to be evaluated; `optional` after `?`."""

    key: Any
    computed: Callable[[Scope], Any] | None
    optional: bool


def select(value: Any, selector: Selector, scope: Scope, source: str) -> Any:
    """The part of a value that a selector names; `source` is the expression that errors quote.

    Raises:
        ExpressionError: `missing_property`, `index_out_of_range` or `bad_selection`.
    """
    key = selector.key if selector.computed is None else selector.computed(scope)
    if type(key) is str:
        if type(value) is dict and key in value:
            return value[key]
        if is_object(value):
            found, chosen = member(value, key)
            if found or selector.optional:
                return chosen
            raise _missing(source, value, key)
    elif type(key) is int and is_array(value):
        key = to_int32(key)
        if 0 <= key < len(value):
            return value[key]
        if selector.optional:
            return None
        raise _outside(source, key, len(value))
    raise _not_selectable(source, value, key)


def _missing(source: str, value: Mapping[str, Any], key: str) -> ExpressionError:
    why = f", available properties are '{', '.join(map(str, value))}'"
    if is_content(value):
        media = value[CONTENT_TYPE]
        why = f". Property selection is not supported on content of type '{media}'"
    return _error("missing_property", source, f"property '{key}' doesn't exist{why}")


def _outside(source: str, key: int, size: int) -> ExpressionError:
    where = (
        f"is outside bounds (0, {size - 1}) of array"
        if size
        else "cannot be selected from empty array"
    )
    return _error("index_out_of_range", source, f"array index '{key}' {where}")


def _not_selectable(source: str, value: Any, key: Any) -> ExpressionError:
    why = ""
    if is_array(value):
        why = ". Array elements can only be selected using an integer index"
    elif is_object(value):
        why = ". Object properties can only be selected by names"
    elif value is not None:
        why = f". Property selection is not supported on values of type '{type_name(value)}'"
    return _error("bad_selection", source, f"property '{to_text(key)}' cannot be selected{why}")


def _error(kind: Kind, source: str, why: str) -> ExpressionError:
    return ExpressionError(
        kind,
        f"The template language expression '{source}' cannot be evaluated because {why}."
        " Please see https://aka.ms/logicexpressions for usage details.",
    )
