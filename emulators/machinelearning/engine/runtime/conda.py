"""Conda environment files, read as a Python version and pip requirements; channels are ignored."""

from __future__ import annotations

import re
from typing import Any

import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from emulators.machinelearning.engine.runtime import conda_names, requirements
from emulators.machinelearning.engine.runtime.definition import Wanted
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused

_SPEC = re.compile(
    r"^(?:[\w./-]+::)?(?P<name>[\w.-]+?)\s*(?P<version>[\s=<>!~].*)?$",
    re.ASCII,
)
_CLAUSE = re.compile(r"^(?P<op>===|==|~=|!=|>=|<=|>|<|=)?\s*(?P<version>[\w.*+!-]+)$", re.ASCII)


def read(text: str) -> Wanted:
    """Turn the text of a conda file into what a virtual environment needs.

    Raises:
        EnvironmentRefused: the text is no conda file, or names a package that PyPI cannot provide.

    Source: docs.conda.io/projects/conda/en/stable/user-guide/concepts/pkg-specs.html (match
        specifications), and docs.conda.io .. /tasks/manage-environments.html (the file).
    """
    found = _Found()
    for entry in _dependencies(text):
        if isinstance(entry, dict):
            found.add_pip(entry)
        else:
            found.add(str(entry))
    return Wanted(
        python=found.python,
        requirements=tuple(found.packages),
        options=tuple(found.options),
        notes=tuple(found.notes),
    )


def _dependencies(text: str) -> list[Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as broken:
        raise EnvironmentRefused(
            f"The conda file is not valid YAML: {str(broken).splitlines()[0]}.", what="conda file"
        ) from None
    if not isinstance(document, dict):
        raise EnvironmentRefused("The conda file is not a mapping.", what="conda file")
    entries = document.get("dependencies") or []
    if not isinstance(entries, list):
        raise EnvironmentRefused(
            "The conda file's `dependencies` are not a list.", what="dependencies"
        )
    return entries


class _Found:
    """What the lines of one file add up to."""

    def __init__(self) -> None:
        self.python: str | None = None
        self.packages: list[str] = []
        self.options: list[str] = []
        self.notes: list[str] = []

    def add_pip(self, section: dict[Any, Any]) -> None:
        """Take a `pip:` section."""
        for key, lines in section.items():
            if key != "pip" or not isinstance(lines, list):
                raise EnvironmentRefused(
                    f"The conda file's section {key!r} is not understood.", what=str(key)
                )
            packages, options = requirements.read(str(line) for line in lines)
            self.packages += packages
            self.options += options

    def add(self, spec: str) -> None:
        """Take one conda package."""
        matched = _SPEC.match(spec.strip())
        if not matched:
            raise EnvironmentRefused(f"The conda package `{spec}` is not understood.", what=spec)
        name, version = matched["name"].lower(), _version(spec, matched["version"] or "")
        if name == "python":
            self.python = version or None
        elif conda_names.absent(name):
            raise EnvironmentRefused(
                f"The conda package `{name}` has no counterpart on PyPI, so a virtual environment "
                "cannot hold it.",
                what=name,
            )
        elif conda_names.comes_along(name):
            if version and name != "pip":
                self.notes.append(f"{spec}: left out, wheels and Python bring their own.")
        else:
            known = conda_names.on_pypi(name)
            if known != name:
                self.notes.append(f"{name}: taken from PyPI as {known}.")
            self.packages.append(f"{known}{version}")


def _version(spec: str, text: str) -> str:
    """Rewrite a conda version constraint as a PEP 440 specifier, "" for any version."""
    text = text.strip()
    build = re.match(r"^(==?\s*[^=<>!~\s,|]+)(?:=|\s+)[\w.*]+$", text)
    if build:  # a third part names a build, which wheels do not have
        text = build[1]
    if not text or text in {"*", "=*", "==*"}:
        return ""
    try:
        return str(SpecifierSet(",".join(_clause(spec, part) for part in text.split(","))))
    except InvalidSpecifier:
        raise _unreadable(spec) from None


def _clause(spec: str, part: str) -> str:
    matched = _CLAUSE.match(part.strip())
    if not matched:
        raise _unreadable(spec)
    op, version = matched["op"] or "", matched["version"].rstrip(".")
    if op in {"", "="}:  # fuzzy: any release that begins with these numbers
        base = version.removesuffix("*").rstrip(".")
        exact = op == "" and not version.endswith("*")
        return f"=={base}" if exact else f"=={base}.*"
    if version.endswith("*") and op not in {"==", "!="}:
        version = version.removesuffix("*").rstrip(".")
    return f"{op}{version}"


def _unreadable(spec: str) -> EnvironmentRefused:
    return EnvironmentRefused(
        f"The version constraint of the conda package `{spec}` is not understood.", what=spec
    )
