"""Asks uv which releases would be installed, without installing any; decides nothing itself."""

from __future__ import annotations

import datetime
import re
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from emulators.machinelearning.engine.runtime.builder import run_uv
from emulators.machinelearning.engine.runtime.problems import BuildFailed


@dataclass(frozen=True, slots=True)
class Pin:
    """One release that a resolution chose."""

    name: str
    version: Version | None  # None for one from a URL
    uploaded: datetime.date | None  # None where the index does not say


_NEVER = "2100-01-01"  # a date after every release


@dataclass(frozen=True, slots=True)
class Dated:
    """A bound on the dates of releases; an index that tells none then offers nothing."""

    as_of: datetime.date | None = None
    ageless: tuple[str, ...] = ()  # names that it does not hold for

    def options(self) -> list[str]:
        """Return it as uv is told."""
        if self.as_of is None:
            return []
        words = ["--exclude-newer", self.as_of.isoformat()]
        for name in self.ageless:
            words += ["--exclude-newer-package", f"{name}={_NEVER}"]
        return words


UNDATED = Dated()

_WHEELLESS = re.compile(
    r"Wheels are required for `([\w.-]+)`|Because ([\w.-]+?)[<>=!~][^ ]* has no usable wheels"
)
_MOST_BUILT = 8  # packages without wheels in one resolution
COMPILED = frozenset(
    {
        "azureml-dataprep-rslex",
        "cryptography",
        "fastparquet",
        "grpcio",
        "h5py",
        "lightgbm",
        "llvmlite",
        "lxml",
        "matplotlib",
        "numba",
        "numpy",
        "onnx",
        "onnxruntime",
        "pandas",
        "pillow",
        "psutil",
        "psycopg2",
        "pyarrow",
        "pymssql",
        "pyodbc",
        "pyzmq",
        "scikit-learn",
        "scipy",
        "shap",
        "statsmodels",
        "tensorflow",
        "torch",
        "xgboost",
    }
)
"""Packages that take a compiler and long minutes to build: only their wheels are considered."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A set of releases that fit together."""

    pins: tuple[Pin, ...]
    built: tuple[str, ...]  # names of those that have no wheels and are built from source

    def options(self) -> list[str]:
        """Return what uv must be told to install just this way."""
        return wheels_but(self.built)


def wheels_but(built: Iterable[str]) -> list[str]:
    """Return uv's options for wheels only, with exceptions."""
    return ["--only-binary", ":all:", *(word for one in built for word in ("--no-binary", one))]


class Unresolvable(Exception):
    """No set of releases meets the requirements; the message is uv's explanation."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolutions for one interpreter and one set of index options."""

    interpreter: str
    options: tuple[str, ...] = ()
    offline: bool = False  # only what uv's own cache holds

    async def resolve(
        self,
        requirements: Sequence[str],
        *,
        dated: Dated = UNDATED,
        lowest: bool = False,
    ) -> Resolution:
        """Return what would be installed, dependencies included.

        Packages that have no wheels at all are built from source, those that need a compiler
        excepted.

        Args:
            requirements: lines of a requirements file.
            dated: nothing published later counts.
            lowest: of what is required directly, take the lowest release that is allowed.

        Raises:
            Unresolvable: there is no such set.
        """
        arguments = ["pip", "compile", "--quiet", "--no-header", "--format", "pylock.toml"]
        arguments += ["--python", self.interpreter, "--no-python-downloads"]
        arguments += dated.options()
        arguments += ["--offline"] if self.offline else []
        arguments += ["--resolution", "lowest-direct"] if lowest else []
        built: list[str] = []
        while True:
            try:
                pins = await self._compile([*arguments, *wheels_but(built)], requirements)
            except Unresolvable as problem:
                lacking = {one or other for one, other in _WHEELLESS.findall(str(problem))}
                lacking -= {*built, *COMPILED}
                if not lacking or len(built) >= _MOST_BUILT:
                    raise
                built += sorted(lacking)
            else:
                return Resolution(pins, tuple(built))

    async def _compile(self, arguments: list[str], requirements: Sequence[str]) -> tuple[Pin, ...]:
        with tempfile.TemporaryDirectory() as folder:
            wanted, lock = Path(folder, "requirements.in"), Path(folder, "pylock.toml")
            wanted.write_text("\n".join([*self.options, *requirements]) + "\n", encoding="utf-8")
            try:
                await run_uv([*arguments, "-o", str(lock), str(wanted)], lambda line: None)
            except BuildFailed as failed:
                raise Unresolvable(failed.what) from None
            document = tomllib.loads(lock.read_text(encoding="utf-8"))
        return tuple(_pin(package) for package in document.get("packages", []))


def _pin(package: dict[str, Any]) -> Pin:
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    dates = [file["upload-time"].date() for file in files if "upload-time" in file]
    version = package.get("version")
    return Pin(package["name"], Version(version) if version else None, min(dates, default=None))
