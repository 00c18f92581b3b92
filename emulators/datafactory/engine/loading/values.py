"""Global parameters from files and words, and words put in the place of a resource's values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emulators.datafactory.engine import factories
from emulators.datafactory.engine.loading.folder import Item
from emulators.datafactory.errors import InvalidPayload

MARK = "_properties_"


def global_parameters(
    body: Mapping[str, Any], file: Path | None, words: Mapping[str, str]
) -> dict[str, Any]:
    """The factory file's, those of a `…_GlobalParameters.json` over them, single words last.

    Raises:
        ValueError: a file is not a map of `{"type", "value"}`, or a word is of no parameter.
    """
    properties = body.get("properties") or {}
    found: dict[str, Any] = dict(properties.get("globalParameters") or {})
    if file is not None:
        found |= _read(file)
    keys = {name.lower(): name for name in found}
    for name, text in words.items():
        key = keys.get(name.lower())
        if key is None:
            names = ", ".join(sorted(found)) or "none"
            raise ValueError(f"--param {name}: the global parameters are {names}.")
        found[key] = {**found[key], "value": typed(text, str(found[key].get("type")))}
    try:
        factories.check_global_parameters(found)
    except InvalidPayload as wrong:
        raise ValueError(wrong.message) from None
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        given = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as wrong:
        raise ValueError(f"{file}: {wrong}") from None
    for wrapper in ("globalParameters", "properties"):
        inner = given.get(wrapper) if isinstance(given, dict) else None
        if isinstance(inner, dict) and "value" not in inner:
            given = inner
    if not isinstance(given, dict):
        raise ValueError(f"{file} must be a JSON object of global parameters.")
    return given


def typed(text: str, kind: str) -> Any:
    """A word as a value of a parameter's type.

    Raises:
        ValueError: it is none.
    """
    lower = kind.lower()
    if lower in ("string", "securestring"):
        return text
    try:
        value = json.loads(text.lower() if lower in ("bool", "boolean") else text)
    except ValueError:
        raise ValueError(f"'{text}' is no {kind}.") from None
    wanted: Mapping[str, type | tuple[type, ...]] = {
        "int": int, "float": (int, float), "bool": bool, "boolean": bool, "array": list,
        "object": dict,
    }  # fmt: skip
    fits = isinstance(value, wanted.get(lower, object))
    if not fits or (lower in ("int", "float") and isinstance(value, bool)):
        raise ValueError(f"'{text}' is no {kind}.")
    return value


def replaced(items: Sequence[Item], words: Mapping[str, str]) -> list[Item]:
    """Items with the values that `<resource>_properties_<path>` names put in their places.

    The names are those of an exported ARM template's parameters.

    Raises:
        ValueError: a name is of no value that is there.
    """
    found = list(items)
    for name, text in words.items():
        at = next((i for i, one in enumerate(found) if _is_of(one, name)), None)
        if at is None:
            raise ValueError(f"--param {name}: no resource of the folder is meant.")
        path = name[len(found[at].name) + len(MARK) :].split("_")
        properties = json.loads(json.dumps(found[at].properties))
        if not _set(properties, path, text):
            raise ValueError(f"--param {name}: {found[at].file} has no such value.")
        found[at] = replace(found[at], properties=properties)
    return found


def _is_of(one: Item, name: str) -> bool:
    return name.lower().startswith(f"{one.name.lower()}{MARK}")


def _set(value: Any, path: list[str], text: str) -> bool:
    """Follow a path whose names may themselves hold underscores."""
    for size in range(len(path), 0, -1):
        key: Any = "_".join(path[:size])
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            key = int(key)
        elif not isinstance(value, dict) or key not in value:
            continue
        if size == len(path):
            was = value[key]
            value[key] = text if isinstance(was, str | dict | None) else json.loads(text)
            return True
        if _set(value[key], path[size:], text):
            return True
    return False
