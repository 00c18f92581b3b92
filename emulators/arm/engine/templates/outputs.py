"""Outputs of a template: evaluated after its resources, secrets left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.arm.engine.templates.evaluate import resolve, unroll
from emulators.arm.engine.templates.frames import Frame
from emulators.arm.engine.templates.parameters import (
    SECURE,
    TYPES,
    Parameter,
    checked,
    failed,
    section,
)
from emulators.arm.engine.templates.values import Value, look_up


def declared(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The outputs that a template declares.

    Raises:
        InvalidTemplate: one without a type or a value.
    """
    found = section(template, "outputs")
    for name, one in found.items():
        kind = str(one.get("type", "")).lower() if isinstance(one, dict) else ""
        loop = one.get("copy") if isinstance(one, dict) else None
        looped = isinstance(loop, dict) and "input" in loop
        if kind not in TYPES or not (looped or ("value" in one and loop is None)):
            raise failed(f"The template output '{name}' is not valid: it has no type and value")
    return found


def evaluated(outputs: Mapping[str, dict[str, Any]], frame: Frame) -> dict[str, dict[str, Value]]:
    """Outputs as a deployment shows them.

    Raises:
        ExpressionInvalid: as the language says.
        InvalidTemplate: a value that is not of the declared type.
        Wanted: something has to be fetched first.
    """
    found: dict[str, dict[str, Value]] = {}
    for name, one in outputs.items():
        kind = str(one["type"]).lower()
        if resolve(look_up(one, "condition", True), frame) is not True:
            continue
        found[name] = {"type": TYPES[kind]}
        value = unroll(one["copy"], frame) if one.get("copy") else resolve(one["value"], frame)
        if value is not None or one.get("nullable") is not True:
            value = checked(Parameter(name, kind, {}), value)
        if kind not in SECURE:
            found[name]["value"] = value
    return found
