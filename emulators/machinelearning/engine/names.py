"""Names and versions that Azure ML accepts; everything else is refused before it is stored."""

from __future__ import annotations

import re

from emulators.machinelearning.errors import ValidationError

ASSET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z")
VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,254}\Z")
WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}\Z")
REGISTRY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,31}\Z")
DATASTORE = re.compile(r"[A-Za-z0-9_]{1,255}\Z")
COMPUTE = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,22}[A-Za-z0-9])?\Z")
CONNECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}\Z")
NUMBER = re.compile(r"[0-9]{1,18}\Z", re.ASCII)

RULES = {
    "asset": (ASSET, "letters, digits, '_', '-' and '.', at most 255, not '-' or '.' first"),
    "version": (VERSION, "letters, digits, '_', '-', '+' and '.', at most 255, not '.' first"),
    "workspace": (WORKSPACE, "3 to 33 letters, digits, '-' and '_', a letter or digit first"),
    "registry": (REGISTRY, "2 to 32 letters, digits, '-' and '_', a letter or digit first"),
    "datastore": (DATASTORE, "letters, digits and '_', at most 255"),
    "compute": (COMPUTE, "a letter first, then letters, digits and '-', at most 24 in all"),
    "connection": (CONNECTION, "2 to 64 letters, digits, '_', '-' and '.'"),
}


def check(kind: str, name: str) -> str:
    """`name` where it is one that Azure ML takes.

    Raises:
        ValidationError: it is not.
    """
    pattern, rule = RULES[kind]
    if not pattern.match(name):
        word = kind if kind == "version" else f"{kind} name"
        raise ValidationError(
            f"The {word} '{name[:300]}' is invalid. It may consist of {rule}.", target="name"
        )
    return name


def as_number(version: str) -> int | None:
    """The integer a version is, or None."""
    return int(version) if NUMBER.match(version) else None
