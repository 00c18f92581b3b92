"""The folders and files of a factory in git, as values; every problem is kept with its file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDERS: Mapping[str, str] = {
    "integrationruntime": "integrationruntimes",
    "managedvirtualnetwork": "managedvirtualnetworks",
    "credential": "credentials",
    "linkedservice": "linkedservices",
    "dataset": "datasets",
    "dataflow": "dataflows",
    "pipeline": "pipelines",
    "trigger": "triggers",
}
"""Folder in lower case -> kind of what its files are, in the order in which kinds build up."""

ENDPOINTS = "managedprivateendpoint"
"""Folder below a managed virtual network's."""

NOT_LOADED: Mapping[str, str] = {
    "cdc": "change data capture is not emulated",
    "notebook": "notebooks are not part of pipelines here",
    "sqlscript": "SQL scripts are not part of pipelines here",
    "sparkJobDefinition": "Spark job definitions are not part of pipelines here",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One resource of the folder."""

    kind: str
    name: str
    properties: dict[str, Any]
    file: str  # below the folder, with forward slashes

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.name.lower()


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One reason for which the folder cannot be loaded, with its place."""

    file: str
    message: str
    place: str = ""  # a path below `properties`
    activity: str = ""

    def __str__(self) -> str:
        where = [self.file, f"activity '{self.activity}'" if self.activity else "", self.place]
        return f"{', '.join(word for word in where if word)}: {self.message}"


@dataclass(slots=True)
class Folder:
    """What a folder holds."""

    root: Path
    items: list[Item] = field(default_factory=list)
    factories: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # file, body
    problems: list[FileProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(root: Path) -> Folder:
    """Read a folder, or the one folder below it that holds a factory.

    Raises:
        ValueError: it is no folder, or nothing in it is of a factory.
    """
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder.")
    found = Folder(_root(root))
    for folder in sorted(one for one in found.root.iterdir() if one.is_dir()):
        name = folder.name.lower()
        if name in FOLDERS:
            _read_kind(found, folder, FOLDERS[name])
        elif name == "factory":
            _read_factories(found, folder)
        elif (why := _not_loaded(folder.name)) is not None:
            found.notes.append(f"{folder.name}/ is left out: {why}.")
    _same_names(found)
    return found


def _not_loaded(name: str) -> str | None:
    return next((why for word, why in NOT_LOADED.items() if word.lower() == name.lower()), None)


def _root(root: Path) -> Path:
    """The folder with the kinds' folders: the given one, or the only one below that has them."""
    if _holds(root):
        return root
    below = [
        one
        for one in sorted(root.glob("*"))[:200]
        if one.is_dir() and not one.name.startswith(".") and _holds(one)
    ]
    if len(below) == 1:
        return below[0]
    if below:
        names = ", ".join(one.name for one in below)
        raise ValueError(f"{root} holds several factories: name one of {names}.")
    raise ValueError(
        f"{root} holds no factory: none of the folders {', '.join(sorted(FOLDERS))} is in it."
    )


def _holds(folder: Path) -> bool:
    names = {one.name.lower() for one in folder.iterdir() if one.is_dir()}
    return bool(names & {"pipeline", "factory", "linkedservice", "dataset"})


def _files(found: Folder, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The JSON objects of a folder, with their files."""
    for path in sorted(folder.rglob("*.json")):
        file = path.relative_to(found.root).as_posix()
        if (why := _not_loaded(path.parent.name)) is not None:
            found.notes.append(f"{file} is left out: {why}.")
            continue
        try:
            body = json.loads(path.read_text(encoding="utf-8-sig"))
        except json.JSONDecodeError as wrong:
            place = f"line {wrong.lineno}, column {wrong.colno}"
            found.problems.append(FileProblem(file, f"it is no JSON: {wrong.msg}", place))
            continue
        except UnicodeDecodeError:
            found.problems.append(FileProblem(file, "it is no UTF-8 text."))
            continue
        if not isinstance(body, dict):
            found.problems.append(FileProblem(file, "it must be a JSON object."))
            continue
        yield file, body


def _read_kind(found: Folder, folder: Path, kind: str) -> None:
    for file, body in _files(found, folder):
        name, properties = body.get("name"), body.get("properties")
        if not isinstance(name, str) or not name:
            found.problems.append(FileProblem(file, "it has no 'name'."))
        elif not isinstance(properties, dict):
            found.problems.append(FileProblem(file, "it has no 'properties'."))
        elif Path(file).parent.name.lower() == ENDPOINTS:
            network = Path(file).parent.parent.name
            found.items.append(
                Item("managedprivateendpoints", f"{network}/{name}", properties, file)
            )
        else:
            if name.lower() != Path(file).stem.lower():
                found.notes.append(f"{file} holds '{name}': Azure's pages name it by its file.")
            found.items.append(Item(kind, name, properties, file))


def _read_factories(found: Folder, folder: Path) -> None:
    for file, body in _files(found, folder):
        if not isinstance(body.get("name"), str):
            found.problems.append(FileProblem(file, "it has no 'name'."))
        else:
            found.factories.append((file, body))


def _same_names(found: Folder) -> None:
    seen: dict[tuple[str, str], Item] = {}
    for one in found.items:
        first = seen.setdefault(one.key, one)
        if first is not one:
            message = f"the name '{one.name}' is taken by {first.file}."
            found.problems.append(FileProblem(one.file, message))


def choose(found: Folder, name: str | None) -> tuple[str | None, dict[str, Any]]:
    """The factory's name and its file's body; None and {} where neither file nor name says.

    Raises:
        ValueError: several factory files and none is meant.
    """
    bodies = [body for _, body in found.factories]
    named = [one for one in bodies if name and one["name"].lower() == name.lower()]
    if named:
        return named[0]["name"], named[0]
    if len(bodies) > 1:
        names = ", ".join(sorted(one["name"] for one in bodies))
        said = "no factory is named" if not name else f"no factory file is of '{name}'"
        raise ValueError(f"{said}: choose one of {names} with --factory.")
    if bodies:
        if name:
            found.notes.append(
                f"'{name}' is given what {found.factories[0][0]} says of '{bodies[0]['name']}'."
            )
        return name or bodies[0]["name"], bodies[0]
    return name, {}
