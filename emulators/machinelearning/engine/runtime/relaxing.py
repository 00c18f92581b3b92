"""The nearest environment that can be had where the one asked for cannot; says each change."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from emulators.machinelearning.engine.runtime import requirements
from emulators.machinelearning.engine.runtime.definition import Progress
from emulators.machinelearning.engine.runtime.problems import BuildFailed
from emulators.machinelearning.engine.runtime.resolver import Dated, Pin, Resolver, Unresolvable

GRACE = datetime.timedelta(days=180)  # after the newest release that a pin names
_LATER = datetime.timedelta(days=365)  # a second try, for pins of very different ages
_AT_ONCE = 4  # resolutions side by side

SERVER = "the inference server that it is wanted for is Rehearsal's own"
DATA = "the job's data is made ready by Rehearsal"
STAND_INS: dict[str, tuple[tuple[str, ...], str]] = {
    "azureml-defaults": (("inference-schema",), SERVER),
    "azureml-inference-server-http": (("inference-schema",), SERVER),
    "azureml-dataset-runtime": ((), DATA),
    "azureml-dataprep": ((), DATA),
    "azureml-monitoring": ((), "data collection is Rehearsal's own"),
}
"""Packages whose wheels stop at some Python: what is installed instead, and why that will do."""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """Requirements that can be met, and how they came about."""

    requirements: tuple[str, ...]
    dated: Dated
    options: tuple[str, ...]  # for uv: which of them are built from source
    notes: tuple[str, ...]


async def relax(wanted: tuple[str, ...], resolver: Resolver, progress: Progress) -> Relaxed:
    """Find the nearest requirements that resolve for an interpreter.

    Raises:
        BuildFailed: not even the bare package names can be resolved.
    """
    progress("Relaxing: looking for the nearest releases that this Python has.")
    lines = await _each(wanted, resolver)
    notes = [line.note for line in lines if line.note]
    kept = [text for line in lines for text in line.texts]
    named = [line.date for line in lines if line.date and not line.changed]
    named = named or [line.date for line in lines if line.date]
    ageless = tuple(sorted({name for line in lines if line.changed for name in _names(line)}))
    as_of = max(named) + GRACE if named else None
    if named == [] and any(_lower(text) for text in kept):
        notes.append("The package index tells no release dates: the newest that fit are taken.")
    why = "no requirement"
    for texts, date, note in _attempts(kept, as_of):
        dated = Dated(date, ageless)
        try:
            found = await resolver.resolve(texts, dated=dated)
        except Unresolvable as problem:
            why = str(problem)
            continue
        if found.built:
            note.append(f"Built from source, for want of wheels: {', '.join(found.built)}.")
        if date:
            note.append(f"No release after {date} is taken, to keep to one time.")
        return Relaxed(tuple(texts), dated, tuple(found.options()), (*notes, *note))
    raise BuildFailed(f"Even relaxed, the environment cannot be resolved:\n{why}\n", what=why)


def _attempts(
    kept: list[str], as_of: datetime.date | None
) -> Iterator[tuple[list[str], datetime.date | None, list[str]]]:
    """Yield requirement lines and dates to try, the nearest to what was asked for first."""
    loose = [_without_upper(text) for text in kept]
    dates: list[datetime.date | None] = [None]
    if as_of is not None:
        dates = [as_of, as_of + _LATER, None]
    for date in dates:
        yield kept, date, []
    for date in dates if loose != kept else []:
        yield loose, date, ["All upper bounds are dropped."]
    yield [_name_only(text) for text in kept], None, ["All version constraints are dropped."]


@dataclass(frozen=True, slots=True)
class _Line:
    """What became of one requirement line."""

    texts: tuple[str, ...]
    note: str = ""
    date: datetime.date | None = None  # of the release that it names
    changed: bool = False  # to one that may be younger than what is asked for


def _names(line: _Line) -> list[str]:
    return [name for name in map(requirements.name_of, line.texts) if name]


async def _each(wanted: tuple[str, ...], resolver: Resolver) -> list[_Line]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(text: str) -> _Line:
        async with gate:
            return await _relax_line(text, resolver)

    return list(await asyncio.gather(*(one(text) for text in wanted)))


async def _relax_line(text: str, resolver: Resolver) -> _Line:
    name = requirements.name_of(text)
    if name is None:
        return _Line((text,))
    lower = _lower(text)
    if lower is None and name not in STAND_INS:
        return _Line((text,))
    found = await _lowest(text, name, resolver)
    if found:
        return _Line((text,), date=found.uploaded if lower else None)
    if name in STAND_INS:
        instead, why = STAND_INS[name]
        left = f"taken as {', '.join(instead)}" if instead else "left out"
        return _Line(instead, f"{text}: {left}, {why}.", changed=True)
    return await _nearest(text, name, resolver)


async def _nearest(text: str, name: str, resolver: Resolver) -> _Line:
    found = await _lowest(_without_upper(text), name, resolver)
    if found and found.version:
        near = _rewritten(text, f"~={_compatible(found.version)}")
        note = f"{text}: taken as {near}, the nearest for this Python."
        return _Line((near,), note, found.uploaded, changed=True)
    bare = _name_only(text)
    note = f"{text}: taken as {bare}, no release near it is for this Python."
    return _Line((bare,), note, changed=True)


async def _lowest(text: str, name: str, resolver: Resolver) -> Pin | None:
    try:
        pins = (await resolver.resolve([text], lowest=True)).pins
    except Unresolvable:
        return None
    absent = Pin(name, None, None)  # its marker excludes this Python
    return next((pin for pin in pins if pin.name == name), absent)


def _lower(text: str) -> Version | None:
    """Return the release that a requirement names, None for one without a lower bound."""
    try:
        clauses = Requirement(text).specifier
    except InvalidRequirement:
        return None
    for clause in clauses:
        if clause.operator in {"==", "~=", ">=", ">"}:
            try:
                return Version(clause.version.removesuffix(".*"))
            except InvalidVersion:
                return None
    return None


def _compatible(version: Version) -> str:
    return ".".join(
        map(str, version.release if len(version.release) > 1 else (*version.release, 0))
    )


def _without_upper(text: str) -> str:
    lower = _lower(text)
    return _rewritten(text, f">={lower}" if lower else None)


def _name_only(text: str) -> str:
    return _rewritten(text, "")


def _rewritten(text: str, specifier: str | None) -> str:
    if specifier is None:
        return text
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return text
    requirement.specifier = SpecifierSet(specifier)
    return str(requirement)
