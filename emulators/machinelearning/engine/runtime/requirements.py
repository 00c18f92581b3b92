"""Lines of a pip requirements file: packages, index options, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused

_INDEX_OPTIONS = ("--index-url", "--extra-index-url", "--find-links", "-i", "-f", "--pre")
_IGNORED_OPTIONS = ("--no-cache-dir", "--upgrade", "-U", "--quiet", "-q", "--trusted-host")
_NESTED = re.compile(r"^(?:-r|--requirement)[ =]?\s*(?P<path>.+)$")
_COMMENT = re.compile(r"(^|\s+)#.*$")
_DEPTH = 8  # of files including files


def read(
    lines: Iterable[str], base: Path | None = None, depth: int = 0
) -> tuple[list[str], list[str]]:
    """Split requirement lines into packages and index options.

    Args:
        lines: of a requirements file, or of the pip section of a conda file.
        base: folder that `-r FILE` is relative to; None refuses such lines.

    Raises:
        EnvironmentRefused: a line that cannot be met by an index: an editable or local path, an
            unreadable requirement, a file that is not there.
    """
    packages: list[str] = []
    options: list[str] = []
    for raw in _joined(lines):
        line = _COMMENT.sub("", raw).strip()
        nested = _NESTED.match(line)
        if nested:
            inner = _included(nested["path"].strip(), base, depth)
            more, its_options = read(inner[0], inner[1], depth + 1)
            packages += more
            options += its_options
        elif line.startswith(_INDEX_OPTIONS):
            options.append(line)
        elif line and not line.startswith(_IGNORED_OPTIONS):
            packages.append(_package(line))
    return packages, options


def _joined(lines: Iterable[str]) -> list[str]:
    return re.sub(r"\\\r?\n", " ", "\n".join(lines)).splitlines()


def _included(name: str, base: Path | None, depth: int) -> tuple[list[str], Path]:
    if base is None or depth >= _DEPTH:
        raise EnvironmentRefused(
            f"The requirement line `-r {name}` names a file that the environment does not carry.",
            what=name,
        )
    path = (base / name).resolve()
    if not path.is_relative_to(base.resolve()) or not path.is_file():
        raise EnvironmentRefused(f"The requirements file {name!r} is not there.", what=name)
    return path.read_text(encoding="utf-8-sig").splitlines(), path.parent


def _package(line: str) -> str:
    text = re.split(r"\s--(?:hash|config-settings|global-option)\b", line)[0].strip()
    local = text.startswith(("-e", "--editable", ".", "/", "file:")) or "@ file:" in text
    if local:
        raise EnvironmentRefused(
            f"The requirement `{text}` is a path; an environment can only hold packages from an "
            "index. Put the code into the job's code folder instead.",
            what=text,
        )
    if text.startswith("-"):
        raise EnvironmentRefused(f"The requirement option `{text}` is not understood.", what=text)
    if re.match(r"^(git|hg|svn|bzr)\+|^https?://", text):
        return text
    try:
        return str(Requirement(text))
    except InvalidRequirement as invalid:
        raise EnvironmentRefused(
            f"The requirement `{text}` is not valid: {str(invalid).splitlines()[0]}.", what=text
        ) from None


def name_of(line: str) -> str | None:
    """Return the normalised package name of a requirement line; None for a bare URL."""
    try:
        return re.sub(r"[-_.]+", "-", Requirement(line).name).lower()
    except InvalidRequirement:
        return None
