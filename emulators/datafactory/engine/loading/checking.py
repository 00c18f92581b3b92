"""A folder checked as a whole, before anything of it is put, and the order of putting."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from emulators.datafactory.engine import resources
from emulators.datafactory.engine.expressions import ExpressionError, references
from emulators.datafactory.engine.loading.folder import FOLDERS, FileProblem, Item
from emulators.datafactory.engine.references import references_of
from emulators.datafactory.engine.triggers import kinds
from emulators.datafactory.engine.validation import Rules, validate
from emulators.datafactory.engine.validation.expressions import is_function, texts
from emulators.datafactory.errors import InvalidName
from emulators.kernel.errors import ServiceError

RANK = {kind: at for at, kind in enumerate(FOLDERS.values())}
RANK["managedprivateendpoints"] = RANK["managedvirtualnetworks"]
UNTYPED = ("pipelines", "managedvirtualnetworks", "managedprivateendpoints")
ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""Where a schedule begins that says no start: its rules do not depend on it."""


class Shelf:
    """The items of a folder as published resources."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._by_key = {one.key: one.properties for one in items}

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        return self._by_key.get((kind.lower(), name.lower()))


def check(items: Sequence[Item], global_parameters: Collection[str]) -> list[FileProblem]:
    """Every problem of every file."""
    shelf, rules = Shelf(items), Rules(global_parameters=global_parameters)
    return [problem for one in items for problem in _of(one, shelf, rules)]


def doubts(items: Sequence[Item]) -> list[FileProblem]:
    """What runs, but Azure's authoring page would not publish."""
    strict = Rules(ancestors=True)
    return [
        FileProblem(one.file, problem.message, problem.place, problem.activity)
        for one in items
        if one.kind == "pipelines"
        for problem in validate({"name": one.name, "properties": one.properties}, None, strict)
    ]


def _of(one: Item, shelf: Shelf, rules: Rules) -> Iterator[FileProblem]:
    try:
        resources.check_name(one.kind, one.name)
    except InvalidName as wrong:
        yield FileProblem(one.file, wrong.message, "name")
    if one.kind == "pipelines":
        for problem in validate({"name": one.name, "properties": one.properties}, shelf, rules):
            yield FileProblem(one.file, problem.message, problem.place, problem.activity)
        return
    if one.kind not in UNTYPED and not isinstance(one.properties.get("type"), str):
        yield FileProblem(one.file, "it says no type.", "type")
    if one.kind == "datasets" and not isinstance(one.properties.get("linkedServiceName"), dict):
        yield FileProblem(one.file, "a dataset needs a linked service.", "linkedServiceName")
    if one.kind == "triggers":
        yield from _trigger(one)
    if one.kind in ("datasets", "linkedservices"):
        yield from _expressions(one)
    for reference in references_of(one.properties):
        if not resources.is_there(shelf, reference):
            yield FileProblem(
                one.file,
                f"'{reference.name}' is not in the folder ({reference.kind}).",
                f"{reference.place}.referenceName",
            )


def _expressions(one: Item) -> Iterator[FileProblem]:
    """Expressions of a dataset or a linked service: syntax and functions."""
    for place, text in texts(one.properties.get("typeProperties"), "typeProperties"):
        try:
            found = references(text)
        except ExpressionError as wrong:
            yield FileProblem(one.file, wrong.message, place)
            continue
        for name in (word for word in found.functions if not is_function(word)):
            message = f"The template function '{name}' is not defined."
            yield FileProblem(one.file, message, place)


def _trigger(one: Item) -> Iterator[FileProblem]:
    if str(one.properties.get("type", "")).lower() in kinds.REFUSED:
        return  # kept, and refused when it is started
    try:
        kinds.read(one.name, one.properties, ANY_TIME)
    except ServiceError as wrong:
        yield FileProblem(one.file, wrong.message, wrong.target or "")


def ordered(items: Sequence[Item]) -> list[Item]:
    """Items so that each comes after those that it names.

    What goes in circles comes in the order of its kind and name; the service refuses it.
    """
    by_key = {one.key: one for one in items}
    waits = {
        one.key: {
            (ref.kind, ref.name.lower())
            for ref in references_of(one.properties)
            if (ref.kind, ref.name.lower()) in by_key
        }
        - {one.key}
        for one in items
    }
    left = sorted(by_key, key=lambda key: (RANK[key[0]], key[1]))
    found: list[Item] = []
    while left:
        ready = [key for key in left if not waits[key] & set(left)] or left[:1]
        found += [by_key[key] for key in ready]
        left = [key for key in left if key not in set(ready)]
    return found
