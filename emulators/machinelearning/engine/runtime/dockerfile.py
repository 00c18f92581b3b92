"""Dockerfiles that only install Python packages, read as requirements; anything else is refused."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from emulators.machinelearning.engine.runtime import conda, images, requirements
from emulators.machinelearning.engine.runtime.definition import Wanted
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused

_NO_EFFECT = frozenset(
    {
        "LABEL",
        "MAINTAINER",
        "EXPOSE",
        "USER",
        "SHELL",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "VOLUME",
        "ARG",
    }
)
_AFTERWARDS = frozenset(["CMD", "ENTRYPOINT"])  # Azure ML runs a job's command instead
_HARMLESS = re.compile(
    r"^(conda clean|conda config|conda init|conda activate|rm -rf|echo|set -|true)"
)
_SYSTEM = re.compile(r"^(apt-get|apt|yum|apk)\s")
_PIP = re.compile(r"^(?:python3?(?:\.\d+)? -m )?pip3? install\b")
_SKIPPED = frozenset(
    {
        "-U",
        "--upgrade",
        "-q",
        "--quiet",
        "--no-cache-dir",
        "--no-input",
        "-y",
        "--yes",
        "--user",
    }
)
_WITH_VALUE = frozenset(
    {
        "-r",
        "--requirement",
        "-i",
        "--index-url",
        "--extra-index-url",
        "-f",
        "--find-links",
    }
)


@dataclass(slots=True)
class _State:
    """What the lines so far add up to."""

    context: Path
    copied: dict[str, Path] = field(default_factory=dict)  # path in the image -> file
    base: Wanted = field(default_factory=Wanted)
    python: str | None = None
    packages: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(context: Path, name: str) -> Wanted:
    """Turn a build context into what a virtual environment needs.

    Args:
        context: folder of the build context.
        name: the Dockerfile's path below it.

    Raises:
        EnvironmentRefused: it does what only Docker can do; the line is named.
    """
    path = (context / name).resolve()
    if not path.is_relative_to(context.resolve()) or not path.is_file():
        raise EnvironmentRefused(f"The build context has no {name!r}.", what=name)
    state = _State(context)
    for line in _lines(path.read_text(encoding="utf-8-sig")):
        _instruction(state, line)
    state.notes = [*state.base.notes, *state.notes]
    return Wanted(
        python=state.python or state.base.python,
        requirements=(*state.base.requirements, *state.packages),
        options=tuple(state.options),
        notes=tuple(state.notes),
    )


def _lines(text: str) -> list[str]:
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [line.strip() for line in re.sub(r"\\\n", " ", kept).splitlines() if line.strip()]


def _instruction(state: _State, line: str) -> None:
    word, _, rest = line.partition(" ")
    kind = word.upper()
    if kind == "FROM":
        state.base = images.wanted(rest.split(" ")[0], has_packages=False)
    elif kind in {"COPY", "ADD"}:
        _copy(state, line, rest)
    elif kind == "RUN":
        for command in re.split(r"\s*(?:&&|;)\s*", rest.strip()):
            _run(state, command, line)
    elif kind == "ENV":
        state.notes.append(f"{line}: not set; give the job environment variables instead.")
    elif kind not in _NO_EFFECT | _AFTERWARDS | {"WORKDIR"}:
        raise _only_docker(line)


def _copy(state: _State, line: str, rest: str) -> None:
    words = [word for word in shlex.split(rest) if not word.startswith("--")]
    if len(words) < 2 or rest.startswith("["):
        raise _only_docker(line)
    *sources, target = words
    for source in sources:
        file = (state.context / source).resolve()
        if not file.is_relative_to(state.context.resolve()) or not file.exists():
            raise EnvironmentRefused(
                f"The build context has no {source!r} (`{line}`).", what=source
            )
        for one in [file, *file.glob("*")] if file.is_dir() else [file]:
            state.copied[PurePosixPath(one.name).name] = one
        state.copied[PurePosixPath(target).name or file.name] = file


def _run(state: _State, command: str, line: str) -> None:
    if not command or _HARMLESS.match(command):
        return
    if _SYSTEM.match(command):
        if " install" in command:
            state.notes.append(f"`{command}`: system packages are not installed without Docker.")
        return
    try:
        words = shlex.split(command)
    except ValueError:
        raise _only_docker(line) from None
    if _PIP.match(command):
        _pip(state, words[words.index("install") + 1 :], line)
    elif words[:3] in (["conda", "env", "create"], ["conda", "env", "update"]):
        _conda_file(state, words[3:], line)
    elif words[:2] == ["conda", "install"]:
        specs = [word for word in words[2:] if not word.startswith("-") and word != "conda-forge"]
        _add(state, conda.read("dependencies: [" + ", ".join(map(repr, specs)) + "]"))
    else:
        raise _only_docker(line)


def _pip(state: _State, words: list[str], line: str) -> None:
    ahead = iter(words)
    for word in ahead:
        name, _, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word in _SKIPPED:
            continue
        if name in _WITH_VALUE:
            value = value or next(ahead, "")
            if name in {"-r", "--requirement"}:
                _requirements_file(state, value, line)
            else:
                state.options.append(f"{name} {value}")
        elif word.startswith("-"):
            raise _only_docker(line)
        else:
            packages, _ = requirements.read([word])
            state.packages += packages


def _requirements_file(state: _State, name: str, line: str) -> None:
    file = _file(state, name, line)
    packages, options = requirements.read(
        file.read_text(encoding="utf-8-sig").splitlines(), file.parent
    )
    state.packages += packages
    state.options += options


def _conda_file(state: _State, words: list[str], line: str) -> None:
    for flag, value in zip(words, [*words[1:], ""], strict=True):
        name, _, joined = flag.partition("=")
        if name in {"-f", "--file"}:
            _add(state, conda.read(_file(state, joined or value, line).read_text("utf-8-sig")))
            return
    raise _only_docker(line)


def _add(state: _State, wanted: Wanted) -> None:
    state.python = wanted.python or state.python
    state.packages += wanted.requirements
    state.options += wanted.options
    state.notes += wanted.notes


def _file(state: _State, name: str, line: str) -> Path:
    found = state.copied.get(PurePosixPath(name).name)
    if found is None or not found.is_file():
        raise EnvironmentRefused(f"`{line}` reads {name!r}, which was not copied.", what=name)
    return found


def _only_docker(line: str) -> EnvironmentRefused:
    return EnvironmentRefused(
        f"The Dockerfile's line `{line}` needs the docker runtime: only packages can be installed "
        "without it.",
        what=line,
    )
