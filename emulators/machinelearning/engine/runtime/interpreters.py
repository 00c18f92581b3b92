"""Python interpreters of this machine: found in PATH, pyenv's and uv's folders, never fetched."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

_ASK = "import sys; print('%d.%d.%d' % sys.version_info[:3], sys.implementation.name)"
_PROGRAM = re.compile(r"^python3\.\d+$")
_TIMEOUT = 20  # seconds an interpreter may take to say its version
OLDEST = Version("3.8")  # the oldest that what we run inside environments supports


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One CPython of this machine."""

    version: Version
    path: Path


def installed(uv: str) -> list[Interpreter]:
    """List the CPythons of this machine, oldest first, one a patch release.

    Args:
        uv: path of the uv program, which knows the folder of those it fetched.
    """
    found: dict[Version, Path] = {}
    for version, path in [_own(), *_of_pyenv(), *_of_uv(uv), *_of_path()]:
        if version >= OLDEST:
            found.setdefault(version, path)
    return [Interpreter(version, found[version]) for version in sorted(found)]


def _own() -> tuple[Version, Path]:
    base = getattr(sys, "_base_executable", None) or sys.executable
    return Version("{}.{}.{}".format(*sys.version_info[:3])), Path(base)


def _of_path() -> list[tuple[Version, Path]]:
    found = []
    for entry in dict.fromkeys(os.get_exec_path()):
        if Path(entry).name != "shims":  # pyenv's answer slowly, and not all of them work
            for program in sorted(Path(entry).glob("python3.*")):
                if _PROGRAM.match(program.name):
                    with contextlib.suppress(OSError, subprocess.SubprocessError):
                        found.append((ask(program), program))
    return found


def _of_uv(uv: str) -> list[tuple[Version, Path]]:
    try:
        done = subprocess.run(
            [uv, "python", "dir"], capture_output=True, timeout=_TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return _below(Path(done.stdout.decode().strip()), "cpython-*", lambda name: name.split("-")[1])


def _below(
    root: Path, pattern: str, version_of: Callable[[str], str]
) -> list[tuple[Version, Path]]:
    found = []
    for home in sorted(root.glob(pattern)):
        version = _parsed(version_of(home.name))
        program = home / "bin" / f"python{version.major}.{version.minor}" if version else None
        if version and program and os.access(program, os.X_OK):
            found.append((version, program))
    return found


def _of_pyenv() -> list[tuple[Version, Path]]:
    roots = [Path.home() / ".pyenv"]
    roots += [Path(entry).parent for entry in os.get_exec_path() if Path(entry).name == "shims"]
    return [
        one
        for root in dict.fromkeys(roots)
        for one in _below(root, "versions/*", lambda name: name)
    ]


def _parsed(text: str) -> Version | None:
    try:
        version = Version(text)
    except InvalidVersion:
        return None
    return None if version.is_prerelease else version


def choose(wanted: str | None, known: list[Interpreter]) -> Interpreter | None:
    """Pick the interpreter for a specifier; None when no installed one meets it.

    Rehearsal's own minor version is preferred, then the newest. A request for one patch release
    is also met by another patch of the same minor version: they run the same wheels.
    """
    specifier = SpecifierSet(wanted or "")
    fitting = [one for one in known if one.version in specifier]
    if not fitting:
        minors = SpecifierSet(without_patch(wanted or ""))
        fitting = [one for one in known if one.version in minors]
    own = sys.version_info[:2]
    return max(
        fitting,
        key=lambda one: ((one.version.major, one.version.minor) == own, one.version),
        default=None,
    )


def without_patch(wanted: str) -> str:
    """Widen a specifier of one patch release to its minor version."""
    clauses = []
    for clause in SpecifierSet(wanted):
        release = clause.version.removesuffix(".*").split(".")
        exact = clause.operator == "==" and len(release) == 3
        clauses.append(f"=={release[0]}.{release[1]}.*" if exact else str(clause))
    return ",".join(clauses)


def nearest(wanted: str | None, known: list[Interpreter]) -> Interpreter | None:
    """Pick the installed interpreter closest to what a specifier names, newer before older."""
    target = named(wanted)
    if target is None or not known:
        return choose(None, known)

    def distance(one: Interpreter) -> tuple[bool, int, Version]:
        steps = one.version.minor - target.minor
        return steps < 0, abs(steps), one.version

    best = min(known, key=lambda one: distance(one)[:2])
    same = [one for one in known if distance(one)[:2] == distance(best)[:2]]
    return max(same, key=lambda one: one.version)


def named(wanted: str | None) -> Version | None:
    """Return the Python release that a specifier names first, such as 3.8 for "==3.8.*"."""
    for clause in SpecifierSet(wanted or ""):
        if clause.operator in {"==", "~=", ">=", "===", ">"}:
            return Version(clause.version.removesuffix(".*"))
    for clause in SpecifierSet(wanted or ""):
        return Version(clause.version.removesuffix(".*"))
    return None


def ask(path: Path) -> Version:
    """Run an interpreter and return its version.

    Raises:
        OSError: it does not start, or is no CPython.
    """
    done = subprocess.run(
        [str(path), "-I", "-S", "-c", _ASK], capture_output=True, timeout=_TIMEOUT, check=False
    )
    version, _, kind = done.stdout.decode().strip().partition(" ")
    parsed = _parsed(version)
    if done.returncode or parsed is None or kind != "cpython":
        raise OSError(f"{path} is not a CPython that starts")
    return parsed
