"""Arrays and objects. Source: template-functions-array, template-functions-object."""

from __future__ import annotations

from emulators.arm.engine.templates.frames import Frame
from emulators.arm.engine.templates.functions.checks import (
    Function,
    array,
    integer,
    invalid,
    obj,
    string,
    wrong_type,
)
from emulators.arm.engine.templates.values import Value, from_json, key_of, same, text_of, whole


def _array(frame: Frame, value: Value) -> Value:
    return value if isinstance(value, list) else [value]


def _create_array(frame: Frame, *values: Value) -> Value:
    return list(values)


def _create_object(frame: Frame, *values: Value) -> Value:
    if len(values) % 2:
        raise invalid("createObject", "The number of parameters must be even")
    return {
        string("createObject", key): value
        for key, value in zip(values[::2], values[1::2], strict=True)
    }


def _concat(frame: Frame, *values: Value) -> Value:
    if all(isinstance(value, list) for value in values):
        return [one for value in values for one in value]
    for value in values:
        if isinstance(value, list | dict) or value is None:
            raise wrong_type("concat", "a string, an integer, or an array among arrays", value)
    return "".join(map(text_of, values))


def _contains(frame: Frame, where: Value, what: Value) -> Value:
    if isinstance(where, str):
        if isinstance(what, list | dict) or what is None:
            raise wrong_type("contains", "a string or an integer", what)
        return text_of(what) in where
    if isinstance(where, dict):
        return key_of(where, text_of(what)) is not None
    if isinstance(where, list):
        return any(same(one, what) for one in where)
    raise wrong_type("contains", "an array, an object or a string", where)


def _empty(frame: Frame, value: Value) -> Value:
    if value is None or isinstance(value, str | list | dict):
        return not value
    raise wrong_type("empty", "an array, an object or a string", value)


def _length(frame: Frame, value: Value) -> Value:
    if isinstance(value, str | list | dict):
        return len(value)
    raise wrong_type("length", "an array, an object or a string", value)


def _end(name: str, at: int) -> Function:
    def run(frame: Frame, value: Value) -> Value:
        if not isinstance(value, str | list):
            raise wrong_type(name, "an array or a string", value)
        if not value:
            return "" if isinstance(value, str) else None
        return value[at]

    return Function(name, 1, 1, run)


def _skip(frame: Frame, value: Value, count: Value) -> Value:
    if not isinstance(value, str | list):
        raise wrong_type("skip", "an array or a string", value)
    return value[max(0, integer("skip", count)) :]


def _take(frame: Frame, value: Value, count: Value) -> Value:
    if not isinstance(value, str | list):
        raise wrong_type("take", "an array or a string", value)
    return value[: max(0, integer("take", count))]


def _alike(name: str, values: tuple[Value, ...]) -> bool:
    """Whether all are objects; all must be, or all arrays."""
    if all(isinstance(value, dict) for value in values):
        return True
    odd = next((value for value in values if not isinstance(value, list)), None)
    if odd is not None or not all(isinstance(value, list) for value in values):
        raise wrong_type(name, "an array among arrays or an object among objects", odd)
    return False


def _union(frame: Frame, *values: Value) -> Value:
    if _alike("union", values):
        merged: dict[str, Value] = {}
        for value in values:
            merged = _merged(merged, value)
        return merged
    found: list[Value] = []
    for value in values:
        found += [one for one in value if not any(same(one, had) for had in found)]
    return found


def _merged(left: dict[str, Value], right: dict[str, Value]) -> dict[str, Value]:
    """Objects within each other merge; anything else is replaced by the later one."""
    found = dict(left)
    for name, value in right.items():
        key = key_of(found, name) or name
        had = found.get(key)
        both = isinstance(had, dict) and isinstance(value, dict)
        found[key] = _merged(had, value) if both and had is not None else value
    return found


def _intersection(frame: Frame, *values: Value) -> Value:
    first, *others = values
    if _alike("intersection", values):
        return {
            name: value
            for name, value in first.items()
            if all(name in other and same(other[name], value) for other in others)
        }
    return [
        one for index, one in enumerate(first)
        if not any(same(one, had) for had in first[:index])
        and all(any(same(one, had) for had in other) for other in others)
    ]  # fmt: skip


def _items(frame: Frame, value: Value) -> Value:
    given = obj("items", value)
    return [{"key": key, "value": given[key]} for key in sorted(given)]


def _object_keys(frame: Frame, value: Value) -> Value:
    return sorted(obj("objectKeys", value))


def _shallow_merge(frame: Frame, values: Value) -> Value:
    found: dict[str, Value] = {}
    for value in array("shallowMerge", values):
        found |= obj("shallowMerge", value)
    return found


def _flatten(frame: Frame, values: Value) -> Value:
    return [one for value in array("flatten", values) for one in array("flatten", value)]


def _index_from_end(frame: Frame, values: Value, index: Value) -> Value:
    given, at = array("indexFromEnd", values), integer("indexFromEnd", index)
    if not 1 <= at <= len(given):
        raise invalid("indexFromEnd", f"The index '{at}' is out of bounds")
    return given[-at]


def _try_index_from_end(frame: Frame, values: Value, index: Value) -> Value:
    at = whole(index)
    if not isinstance(values, list) or at is None or not 1 <= at <= len(values):
        return None
    return values[-at]


def _try_get(frame: Frame, value: Value, *path: Value) -> Value:
    for step in path:
        at = whole(step)
        if isinstance(value, dict) and isinstance(step, str):
            key = key_of(value, step)
            value = None if key is None else value[key]
        elif isinstance(value, list) and at is not None and 0 <= at < len(value):
            value = value[at]
        else:
            return None
    return value


def _json(frame: Frame, value: Value) -> Value:
    return from_json(string("json", value))


FUNCTIONS = [
    Function("array", 1, 1, _array),
    Function("createArray", 0, None, _create_array),
    Function("createObject", 0, None, _create_object),
    Function("concat", 0, None, _concat),
    Function("contains", 2, 2, _contains),
    Function("empty", 1, 1, _empty),
    Function("length", 1, 1, _length),
    Function("skip", 2, 2, _skip),
    Function("take", 2, 2, _take),
    Function("union", 1, None, _union),
    Function("intersection", 2, None, _intersection),
    Function("items", 1, 1, _items),
    Function("objectKeys", 1, 1, _object_keys),
    Function("shallowMerge", 1, 1, _shallow_merge),
    Function("flatten", 1, 1, _flatten),
    Function("indexFromEnd", 2, 2, _index_from_end),
    Function("tryIndexFromEnd", 2, 2, _try_index_from_end),
    Function("tryGet", 2, None, _try_get),
    Function("json", 1, 1, _json),
    _end("first", 0),
    _end("last", -1),
]
