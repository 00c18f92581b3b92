"""Relaxed environments: the nearest that can be had, every change said."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from emulators.machinelearning.engine.runtime import builder, interpreters, relaxing
from emulators.machinelearning.engine.runtime.definition import Definition, Prepared
from emulators.machinelearning.engine.runtime.problems import BuildFailed
from emulators.machinelearning.engine.runtime.resolver import (
    Dated,
    Pin,
    Resolution,
    Resolver,
    Unresolvable,
)
from emulators.machinelearning.engine.runtime.runtimes import Runtimes


class Index(Resolver):
    """An index of made-up releases: (name, version, date, has wheels for this Python)."""

    def __init__(self, *releases: tuple[str, str, str | None, bool]) -> None:
        super().__init__("python")
        object.__setattr__(self, "releases", releases)
        object.__setattr__(self, "asked", [])

    async def resolve(self, requirements, *, dated=Dated(), lowest=False):  # type: ignore[no-untyped-def] # noqa: B008
        self.asked.append((tuple(requirements), dated.as_of))  # type: ignore[attr-defined]
        pins = []
        for text in requirements:
            wanted = Requirement(text)
            fitting = [
                Pin(name, Version(version), datetime.date.fromisoformat(at) if at else None)
                for name, version, at, wheels in self.releases  # type: ignore[attr-defined]
                if name == wanted.name and wheels and wanted.specifier.contains(version)
            ]
            if dated.as_of and wanted.name not in dated.ageless:
                fitting = [p for p in fitting if p.uploaded and p.uploaded <= dated.as_of]
            if not fitting:
                raise Unresolvable(f"nothing for {text}")
            pins.append(min(fitting, key=at_version) if lowest else max(fitting, key=at_version))
        return Resolution(tuple(pins), ())


def at_version(pin: Pin) -> Version:
    assert pin.version
    return pin.version


def relax(index: Resolver, *wanted: str) -> relaxing.Relaxed:
    return asyncio.run(relaxing.relax(wanted, index, lambda line: None))


OLD = Index(
    ("numpy", "1.19.5", "2021-01-05", False),
    ("numpy", "1.23.2", "2022-08-14", True),
    ("numpy", "2.0.0", "2024-06-16", True),
    ("pandas", "1.5.2", "2022-11-22", True),
    ("pandas", "2.2.0", "2024-01-20", True),
    ("free", "1.0", "2020-01-01", True),
    ("free", "9.0", "2025-01-01", True),
    ("late", "1.0", "2023-12-01", True),
    ("gone", "1.0", "2020-01-01", False),
    ("gone", "0.9", "2019-01-01", True),
    ("inference-schema", "1.8", "2024-01-01", True),
    ("azureml-defaults", "1.48.0", "2022-12-05", False),
)


def test_pins_that_can_be_had_are_kept_and_date_the_rest() -> None:
    found = relax(OLD, "pandas~=1.5.2", "free")
    assert found.requirements == ("pandas~=1.5.2", "free")
    assert found.dated == Dated(datetime.date(2022, 11, 22) + relaxing.GRACE)
    assert found.notes == (f"No release after {found.dated.as_of} is taken, to keep to one time.",)


def test_a_pin_without_a_wheel_becomes_the_nearest_newer_one() -> None:
    found = relax(OLD, "pandas~=1.5.2", "numpy~=1.19.5")
    assert found.requirements == ("pandas~=1.5.2", "numpy~=1.23.2")
    assert found.dated.ageless == ("numpy",)
    assert "numpy~=1.19.5: taken as numpy~=1.23.2, the nearest for this Python." in found.notes


def test_a_pin_with_nothing_newer_loses_its_version() -> None:
    found = relax(OLD, "gone==1.0")
    assert found.requirements == ("gone",)
    assert found.dated == Dated(None, ("gone",))


def test_what_is_wanted_for_its_server_gets_ours() -> None:
    found = relax(OLD, "azureml-defaults~=1.48.0", "pandas~=1.5.2")
    assert found.requirements == ("inference-schema", "pandas~=1.5.2")
    assert "Rehearsal's own" in found.notes[0]


def test_a_date_that_excludes_too_much_moves() -> None:
    found = relax(OLD, "pandas~=1.5.2", "late")
    assert found.requirements == ("pandas~=1.5.2", "late")
    assert found.dated.as_of == datetime.date(2022, 11, 22) + relaxing.GRACE + datetime.timedelta(
        365
    )


def test_an_index_without_dates_is_said_to_be_one() -> None:
    index = Index(("pandas", "1.5.2", None, True))
    found = relax(index, "pandas~=1.5.2")
    assert found.dated == Dated(None)
    assert "no release dates" in found.notes[0]


def test_what_nobody_has_is_refused() -> None:
    with pytest.raises(BuildFailed, match="nothing for never"):
        relax(OLD, "pandas~=1.5.2", "never==1")


def test_a_relaxed_environment_of_another_python_and_another_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psutil 5.8 has wheels up to Python 3.9, and six is pinned to 2021."""
    known = [
        one
        for one in interpreters.installed(builder.uv_program())
        if one.version >= Version("3.11")
    ]
    monkeypatch.setattr(interpreters, "installed", lambda uv: known)
    conda = "dependencies: [python=3.8.5, pip: [psutil~=5.8.0, six==1.16.0, iniconfig]]"
    conda = conda.replace("pip: [", "{pip: [").replace("iniconfig]]", "iniconfig]}]")
    lines: list[str] = []

    async def work() -> Prepared:
        runtimes = Runtimes(tmp_path, tmp_path / "run", relax=True)
        first = await runtimes.prepare(Definition(conda=conda), lines.append)
        again = await runtimes.prepare(Definition(conda=conda), lines.append)
        assert again.cached
        assert again.notes == first.notes
        return first

    ready = asyncio.run(work())
    assert Version(ready.packages["psutil"]) > Version("5.8.99")
    assert ready.packages["six"] == "1.16.0"
    assert ready.packages["iniconfig"] == "1.1.1"  # the newest of late 2021
    assert any("Python ==3.8.5.* is not on this machine" in note for note in ready.notes)
    assert any("psutil~=5.8.0" in note for note in ready.notes)
    assert set(ready.notes) <= set(lines)
