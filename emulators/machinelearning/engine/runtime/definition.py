"""What somebody asks an environment to be, and what comes of it: plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["host", "venv", "docker"]
Progress = Callable[[str], None]  # gets one line, without its newline, for the job's log


@dataclass(frozen=True, slots=True)
class Definition:
    """An environment as a job or a deployment states it; everything is optional."""

    conda: str | None = None  # text of a conda file
    image: str | None = None  # container image; only its Python counts without Docker
    context: Path | None = None  # folder of a build context
    dockerfile: str = "Dockerfile"  # path below `context`
    curated: str | None = None  # name in the system registry "azureml", such as "sklearn-1.5"
    requirements: tuple[str, ...] = ()  # pip requirement lines, added to what the others ask for
    python: str | None = None  # "3.9", or a specifier as ">=3.9,<3.12"
    runtime: Kind | None = None  # None: what the façade was made with
    relax: bool | None = None  # None: what the façade was made with


@dataclass(frozen=True, slots=True)
class Wanted:
    """A definition boiled down to a Python and what pip would install."""

    python: str | None = None  # PEP 440 specifier such as "==3.8.*"; None: any
    requirements: tuple[str, ...] = ()  # lines of a requirements file
    options: tuple[str, ...] = ()  # its index options, such as "--extra-index-url ..."
    notes: tuple[str, ...] = ()  # sentences for the job's log


@dataclass(frozen=True, slots=True)
class Prepared:
    """An interpreter that is ready to run the user's code."""

    python: Path  # never resolved: a virtual environment is known by its own path
    version: str  # "3.8.18"
    runtime: Kind
    key: str  # content hash; "host" for Rehearsal's own interpreter
    notes: tuple[str, ...] = ()  # what differs from what was asked for, in sentences
    folder: Path | None = None  # the virtual environment; None for "host"
    packages: dict[str, str] = field(default_factory=dict)  # installed: name -> version
    cached: bool = False  # nothing had to be built
    image: str | None = None  # id of the container image that `python` is in; None without Docker
