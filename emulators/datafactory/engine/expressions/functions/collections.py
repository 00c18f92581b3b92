"""Collection functions over arrays, objects and strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulators.datafactory.engine.expressions.calls import (
    Functions,
    integer_argument,
    text_argument,
    wrong_type,
    wrong_value,
)
from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.values import (
    cut,
    identity,
    is_array,
    is_object,
    member,
    spend,
    to_int32,
    to_text,
    type_name,
    units,
)

TABLE = Functions()
_SEQUENCE = "an array or a string"


@TABLE.add("contains", 2)
def contains(collection: Any, wanted: Any) -> bool:
    if is_array(collection):
        key = identity(wanted)
        return any(identity(element) == key for element in collection)
    if type(collection) is str and type(wanted) is str:
        return wanted in collection
    if is_object(collection) and type(wanted) is str:
        return member(collection, wanted)[0]
    raise ExpressionError(
        "argument_type",
        "The template language function 'contains' expects an object and a key, an array and a"
        " value, or a string and a string. The provided types"
        f" '{type_name(collection)}' and '{type_name(wanted)}' do not go together.",
    )


@TABLE.add("empty", 1)
def empty(collection: Any) -> bool:
    if collection is None:
        return True
    if type(collection) is str or is_array(collection) or is_object(collection):
        return not collection
    raise wrong_type("empty", 1, "an object, an array or a string", collection)


@TABLE.add("first", 1)
def first(collection: Any) -> Any:
    if type(collection) is str:
        return cut(collection, 0, 1)
    if is_array(collection):
        return collection[0] if collection else None
    raise wrong_type("first", 1, _SEQUENCE, collection)


@TABLE.add("last", 1)
def last(collection: Any) -> Any:
    if type(collection) is str:
        size = units(collection)
        return cut(collection, max(size - 1, 0), size)
    if is_array(collection):
        return collection[-1] if collection else None
    raise wrong_type("last", 1, _SEQUENCE, collection)


@TABLE.add("length", 1)
def length(collection: Any) -> int:
    if type(collection) is str:
        return units(collection)
    if is_array(collection):
        return len(collection)
    raise wrong_type("length", 1, _SEQUENCE, collection)


@TABLE.add("join", 2)
def join(collection: Any, separator: Any) -> str:
    if not is_array(collection):
        raise wrong_type("join", 1, "an array", collection)
    text_argument("join", 2, separator)
    texts = [to_text(element) for element in collection]
    spend(sum(map(len, texts)) + len(separator) * len(texts))
    return str(separator.join(texts))


@TABLE.add("skip", 2)
def skip(collection: Any, count: Any) -> Any:
    return _part("skip", collection, count, lambda count, size: (min(count, size), size))


@TABLE.add("take", 2)
def take(collection: Any, count: Any) -> Any:
    return _part("take", collection, count, lambda count, size: (0, min(count, size)))


def _part(
    name: str, collection: Any, count: Any, bounds: Callable[[int, int], tuple[int, int]]
) -> Any:
    text = type(collection) is str
    if not text and not is_array(collection):
        raise wrong_type(name, 1, _SEQUENCE, collection)
    integer_argument(name, 2, count)
    count = to_int32(count)
    if count < 0:
        raise wrong_value(name, f"The count must not be negative. The provided value is '{count}'.")
    if text:
        return cut(collection, *bounds(count, units(collection)))
    start, stop = bounds(count, len(collection))
    spend(stop - start)
    return list(collection[start:stop])


@TABLE.add("intersection", 2, None)
def intersection(*collections: Any) -> Any:
    if _kind("intersection", collections) == "Array":
        return _common_elements(collections)
    shared = dict(collections[0])
    for other in collections[1:]:
        shared = {
            key: value
            for key, value in other.items()
            if key in shared and identity(shared[key]) == identity(value)
        }
    return shared


def _common_elements(collections: tuple[Any, ...]) -> list[Any]:
    shared = {identity(element): element for element in collections[0]}
    for other in collections[1:]:
        found: dict[Any, Any] = {}
        for element in other:
            key = identity(element)
            if key in shared:
                found.setdefault(key, element)
        shared = {key: found[key] for key in shared if key in found}
    return list(shared.values())


@TABLE.add("union", 2, None)
def union(*collections: Any) -> Any:
    spend(sum(len(one) for one in collections if hasattr(one, "__len__")))
    if _kind("union", collections) == "Array":
        seen: dict[Any, Any] = {}
        for collection in collections:
            for element in collection:
                seen.setdefault(identity(element), element)
        return list(seen.values())
    merged: dict[str, Any] = {}
    for collection in collections:
        merged.update(collection)
    return merged


def _kind(name: str, collections: tuple[Any, ...]) -> str:
    kinds = {type_name(one): None for one in collections}
    if len(kinds) == 1 and (kind := next(iter(kinds))) in ("Array", "Object"):
        return kind
    raise ExpressionError(
        "argument_type",
        f"The template language function '{name}' expects either arrays or objects. The function"
        f" was invoked with parameters of type '{', '.join(kinds)}'.",
    )
