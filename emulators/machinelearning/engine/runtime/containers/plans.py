"""From a definition to what is built: base images, Dockerfiles, keys. Pure: asks no engine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from emulators.machinelearning.engine.runtime import conda, curated, images, requirements
from emulators.machinelearning.engine.runtime.definition import Definition, Wanted
from emulators.machinelearning.engine.runtime.environments import BASICS
from emulators.machinelearning.engine.runtime.interpreters import (
    Interpreter,
    choose,
    without_patch,
)
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused

RULES = 1  # raised when the same definition must be built differently than before
MINORS = range(8, 14)
_AZURE = re.compile(r"^mcr\.microsoft\.com/azureml/")
_FROM = re.compile(
    r"^(?P<before>\s*FROM\s+(?:--\S+\s+)*)(?P<image>\S+)(?P<after>.*)$", re.IGNORECASE
)
_SETUP = "/azureml-environment-setup"  # where Azure ML's own builds put the files of a definition


@dataclass(frozen=True, slots=True)
class Probed:
    """What is in an image: its Python, and what that holds."""

    python: str  # path in the image
    version: str
    conda: str | None  # path in the image
    packages: Mapping[str, str]  # name -> version


@dataclass(frozen=True, slots=True)
class Build:
    """What is handed to the engine to build."""

    dockerfile: str  # its text
    files: Mapping[str, str]  # name in the build context -> text
    notes: tuple[str, ...] = ()


def stand_in(image: str) -> Wanted | None:
    """What takes the place of an Azure ML image that cannot be had; None for any other image."""
    if not _AZURE.match(image):
        return None
    try:
        return images.wanted(image, has_packages=False)
    except EnvironmentRefused:
        return None


def base_for(template: str, python: str | None) -> str:
    """Name the image to build on for a Python.

    Args:
        template: {python} in it is where "3.11" goes.
        python: specifier such as "==3.9.*"; None: any.

    Raises:
        EnvironmentRefused: no Python 3.8 to 3.13 meets it.
    """
    known = [Interpreter(Version(f"3.{minor}.99"), Path()) for minor in MINORS]
    chosen = choose(python, known)
    if chosen is None:
        raise EnvironmentRefused(
            f"The environment asks for Python {python}; code runs in 3.8 to 3.13.",
            what=f"python{python}",
        )
    return template.replace("{python}", f"{chosen.version.major}.{chosen.version.minor}")


def packages_of(definition: Definition, extra: Wanted | None, *, has_conda: bool) -> Wanted:
    """Add up what pip is to install.

    Args:
        definition: all but its image and its build context is read.
        extra: what a stand-in lacks of the image it stands for.
        has_conda: the conda file is conda's own affair.

    Raises:
        EnvironmentRefused: part of it cannot be read.
    """
    lines, options = requirements.read(definition.requirements)
    python = definition.python
    parts = [Wanted(f"=={python}.*" if python and python[0].isdigit() else python)]
    parts.append(Wanted(None, tuple(lines), tuple(options)))
    if definition.conda and not has_conda:
        parts.append(conda.read(definition.conda))
    if definition.curated:
        parts.append(curated.wanted(definition.curated))
    if extra is not None and not definition.conda:
        parts.append(extra)
    return Wanted(
        python=next((part.python for part in parts if part.python), None),
        requirements=tuple(line for part in parts for line in part.requirements),
        options=tuple(line for part in parts for line in part.options),
        notes=tuple(line for part in parts for line in part.notes),
    )


def by_conda(base: str, text: str, key: str) -> Build:
    """Build the environment of a conda file with the conda of the base image."""
    folder = f"/azureml-envs/azureml_{key}"
    setup = f"{_SETUP}/conda.yaml"
    lines = [
        f"FROM {base}",
        "USER root",
        f"COPY conda.yaml {setup}",
        f"RUN conda env create -q -p {folder} -f {setup} && conda clean -qay",
        *_environment(folder),
        f"ENV CONDA_DEFAULT_ENV={folder}",
    ]
    return Build("\n".join(lines) + "\n", {"conda.yaml": text})


def by_pip(base: str, python: str, wanted: Wanted, key: str) -> Build:
    """Build a virtual environment with the Python of the base image.

    Args:
        base: the image.
        python: path in it.
        wanted: what goes in.
        key: makes the folder's name, as in Azure ML.
    """
    folder = f"/azureml-envs/azureml_{key}"
    setup = f"{_SETUP}/requirements.txt"
    pip = f"{folder}/bin/python -m pip install --no-input --no-cache-dir --progress-bar off"
    pip += " --disable-pip-version-check --root-user-action=ignore"
    lines = [
        f"FROM {base}",
        "USER root",
        f"COPY requirements.txt {setup}",
        f"RUN {python} -m venv {folder} || {{ {python} -m pip install -q virtualenv"
        f" && {python} -m virtualenv -q --clear {folder}; }}",
        f"RUN {pip} -U pip && {pip} -r {setup}",
        *_environment(folder),
    ]
    named = {requirements.name_of(line) for line in wanted.requirements}
    basics = [line for line in BASICS if requirements.name_of(line) not in {*named, "pip"}]
    text = "\n".join([*wanted.options, *wanted.requirements, *basics]) + "\n"
    return Build("\n".join(lines) + "\n", {"requirements.txt": text}, wanted.notes)


def _environment(folder: str) -> list[str]:
    return [
        f"ENV AZUREML_CONDA_ENVIRONMENT_PATH={folder}",
        f"ENV PATH={folder}/bin:$PATH",
    ]


def check_python(image: str, found: Probed, python: str | None) -> None:
    """Refuse an image whose Python is not the one that is asked for.

    Raises:
        EnvironmentRefused: it is another.
    """
    if python and Version(found.version) not in SpecifierSet(without_patch(python)):
        raise EnvironmentRefused(
            f"The environment asks for Python {python}; the image {image} has {found.version}, and"
            " no conda to make another.",
            what=f"python{python}",
            relaxable=True,
        )


def bases_in(dockerfile: str) -> list[str]:
    """The images that a Dockerfile builds on, without its own stages."""
    stages: set[str] = set()
    found = []
    for line in dockerfile.splitlines():
        matched = _FROM.match(line)
        if matched is None:
            continue
        image = matched["image"]
        if image.lower() not in stages | {"scratch"} and "$" not in image:
            found.append(image)
        words = matched["after"].split()
        if len(words) == 2 and words[0].lower() == "as":
            stages.add(words[1].lower())
    return found


def rebased(dockerfile: str, instead: Mapping[str, str]) -> str:
    """The Dockerfile on other base images."""
    lines = []
    for line in dockerfile.splitlines():
        matched = _FROM.match(line)
        if matched and matched["image"] in instead:
            lines.append(f"{matched['before']}{instead[matched['image']]}{matched['after']}")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def key_of(build: Build, base_id: str) -> str:
    """The content hash of a build on an image of this id."""
    content = {
        "rules": RULES,
        "base": base_id,
        "dockerfile": build.dockerfile,
        "files": dict(build.files),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def key_of_context(context: Path, dockerfile: str, bases: Mapping[str, str]) -> str:
    """The content hash of a build context.

    Args:
        context: its folder; every file counts, with name, mode and content.
        dockerfile: the text that is built.
        bases: image -> id.
    """
    digest = hashlib.sha256(json.dumps([RULES, dockerfile, dict(bases)], sort_keys=True).encode())
    for path in sorted(context.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        name = path.relative_to(context).as_posix()
        digest.update(f"\0{name}\0{path.stat().st_mode & 0o111}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:24]
