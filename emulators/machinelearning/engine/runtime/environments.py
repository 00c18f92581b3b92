"""From a definition to a ready interpreter: what it asks for, where it is cached, who builds it."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import platform
import sys
from pathlib import Path

from packaging.specifiers import SpecifierSet

from emulators.machinelearning.engine.runtime import (
    builder,
    conda,
    curated,
    dockerfile,
    images,
    interpreters,
    relaxing,
    requirements,
)
from emulators.machinelearning.engine.runtime.builder import Built, Recipe
from emulators.machinelearning.engine.runtime.definition import (
    Definition,
    Kind,
    Prepared,
    Progress,
    Wanted,
)
from emulators.machinelearning.engine.runtime.problems import BuildFailed, EnvironmentRefused
from emulators.machinelearning.engine.runtime.resolver import Resolver

RULES = 1  # raised when the same definition must be built differently than before
BASICS = ("pip", "setuptools<81", "wheel")  # what a conda Python has; newer setuptools lacks
# pkg_resources, which code and packages of that time import


def wanted_by(definition: Definition) -> Wanted:
    """Boil a definition down to a Python and pip requirements.

    Raises:
        EnvironmentRefused: part of it cannot be met by a virtual environment.
    """
    lines, options = requirements.read(definition.requirements)
    parts = [Wanted(_specifier(definition.python), tuple(lines), tuple(options))]
    if definition.conda:
        parts.append(conda.read(definition.conda))
    if definition.curated:
        parts.append(curated.wanted(definition.curated))
    if definition.context:
        parts.append(dockerfile.read(definition.context, definition.dockerfile))
    if definition.image:
        packages = bool(definition.conda or definition.curated or lines)
        parts.append(images.wanted(definition.image, has_packages=packages))
    return Wanted(
        python=next((part.python for part in parts if part.python), None),
        requirements=tuple(line for part in parts for line in part.requirements),
        options=tuple(line for part in parts for line in part.options),
        notes=tuple(line for part in parts for line in part.notes),
    )


def _specifier(python: str | None) -> str | None:
    return f"=={python}.*" if python and python[0].isdigit() else python


def key_of(wanted: Wanted, *, relax: bool) -> str:
    """Return the content hash that an environment is cached by."""
    content = {
        "rules": RULES,
        "machine": [sys.platform, platform.machine()],
        "python": wanted.python or "{}.{}".format(*sys.version_info[:2]),
        "requirements": sorted(set(wanted.requirements)),
        "options": list(wanted.options),
        "relax": relax,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


class Environments:
    """The cache of virtual environments below one folder, shared by all state folders."""

    def __init__(
        self,
        cache: Path,
        *,
        relax: bool = False,
        allow_download: bool = False,
        offline: bool = False,
    ) -> None:
        self._folder = cache / "envs"
        self._relax = relax
        self._allow_download = allow_download and not offline
        self._offline = offline

    async def prepare(self, definition: Definition, kind: Kind, progress: Progress) -> Prepared:
        """Return a ready interpreter for a definition, building its environment if need be.

        Raises:
            EnvironmentRefused: it cannot be had as asked; the message says what is in the way.
        """
        if kind == "host":
            return host(definition)
        relax = self._relax if definition.relax is None else definition.relax
        wanted = wanted_by(definition)
        key = key_of(wanted, relax=relax)
        folder = self._folder / key
        found = builder.read_record(folder)
        cached = found is not None
        if found is None:
            async with builder.sole_builder(folder, progress):
                found = builder.read_record(folder)  # the builder before us may have made it
                cached = found is not None
                if found is None:
                    found = await self._build(folder, wanted, relax, progress)
        if cached:
            for note in found.notes:
                progress(note)
        return _prepared(folder, key, found, cached=cached)

    async def _build(self, folder: Path, wanted: Wanted, relax: bool, progress: Progress) -> Built:
        recipe = await self._recipe(wanted, relax, progress)
        for note in recipe.notes:
            progress(note)
        try:
            return await builder.build(folder, recipe, progress)
        except BuildFailed as failed:
            if self._offline:
                raise BuildFailed(
                    f"{failed}\nRehearsal is up with --offline, so only packages that uv keeps in"
                    " its cache can be had: build this environment once without --offline.",
                    what=failed.what,
                    relaxable=False,
                ) from None
            raise BuildFailed(str(failed), what=failed.what, relaxable=not relax) from None

    async def _recipe(self, wanted: Wanted, relax: bool, progress: Progress) -> Recipe:
        known = await asyncio.to_thread(interpreters.installed, builder.uv_program())
        chosen = interpreters.choose(wanted.python, known)
        notes = list(wanted.notes)
        path = str(chosen.path) if chosen else ""
        if chosen is None and not self._allow_download:
            chosen = interpreters.nearest(wanted.python, known) if relax else None
            if chosen is None:
                raise _no_python(wanted.python, known, relaxable=not relax)
            path = str(chosen.path)
            notes.append(
                f"Python {wanted.python} is not on this machine: {chosen.version} is the nearest."
            )
        elif chosen is None:
            path = str(interpreters.named(wanted.python))
        elif wanted.python and chosen.version not in SpecifierSet(wanted.python):
            notes.append(f"Python {chosen.version} stands in for {wanted.python}: same wheels.")
        recipe = Recipe(
            interpreter=path,
            requirements=(*wanted.requirements, *_basics(wanted)),
            options=wanted.options,
            download=chosen is None,
            notes=tuple(notes),
            offline=self._offline,
        )
        if relax and wanted.requirements and chosen is not None:
            return await self._relaxed(recipe, wanted, progress)
        return recipe

    async def _relaxed(self, recipe: Recipe, wanted: Wanted, progress: Progress) -> Recipe:
        found = await relaxing.relax(
            wanted.requirements,
            Resolver(recipe.interpreter, recipe.options, recipe.offline),
            progress,
        )
        basics = tuple(requirements.name_of(line) or line for line in BASICS)
        dated = dataclasses.replace(found.dated, ageless=(*found.dated.ageless, *basics))
        return dataclasses.replace(
            recipe,
            requirements=(*found.requirements, *_basics(wanted)),
            restrictions=(*found.options, *dated.options()),
            notes=(*recipe.notes, *found.notes),
        )


def _basics(wanted: Wanted) -> tuple[str, ...]:
    named = {requirements.name_of(line) for line in wanted.requirements}
    return tuple(line for line in BASICS if requirements.name_of(line) not in named)


def _no_python(
    wanted: str | None, known: list[interpreters.Interpreter], *, relaxable: bool
) -> EnvironmentRefused:
    have = ", ".join(str(one.version) for one in known)
    return EnvironmentRefused(
        f"The environment asks for Python {wanted}, which this machine does not have "
        f"(it has {have}).",
        what=f"python{wanted}",
        relaxable=relaxable,
    )


def host(definition: Definition) -> Prepared:
    """Return Rehearsal's own interpreter, whatever the definition asks for."""
    asks = bool(definition.conda or definition.requirements or definition.image)
    note = "The environment's packages are not looked at: `host` runs in Rehearsal's interpreter."
    return Prepared(
        python=Path(sys.executable),
        version="{}.{}.{}".format(*sys.version_info[:3]),
        runtime="host",
        key="host",
        notes=(note,) if asks else (),
        cached=True,
    )


def _prepared(folder: Path, key: str, built: Built, *, cached: bool) -> Prepared:
    return dataclasses.replace(
        Prepared(builder.python_of(folder), built.python_version, "venv", key),
        notes=built.notes,
        folder=folder,
        packages=built.packages,
        cached=cached,
    )
