"""The house rules that no linter knows: rooms, sizes, catalogues, what start-up imports."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from emulators.kernel import catalogue, registry

ROOT = Path(__file__).parents[2]
EMULATORS = ROOT / "emulators"
OURS = ("emulators", "azure_adapters", "scenarios", "data", "tests", "benchmarks")
ROOMS = {
    "__init__.py", "__main__.py", "service.py", "wire", "engine", "store.py", "store", "errors.py",
    "operations.toml", "README.md", "__pycache__",
    "testing",  # what a user imports to test what they wrote for the service
}  # fmt: skip
NOT_EMULATORS = {"kernel", "commands", "__pycache__"}
LONGEST = 600
HEAVY = ("mlflow", "pandas", "sklearn", "onnxruntime", "duckdb", "sqlglot", "azure", "numpy")


def emulators() -> list[str]:
    return sorted(p.name for p in EMULATORS.iterdir() if p.is_dir() and p.name not in NOT_EMULATORS)


def sources() -> list[Path]:
    return sorted(path for folder in OURS for path in (ROOT / folder).rglob("*.py"))


def contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


@pytest.mark.parametrize("name", emulators())
def test_an_emulator_has_these_rooms_and_no_others(name: str) -> None:
    found = {path.name for path in (EMULATORS / name).iterdir()}
    assert found <= ROOMS
    assert {"__init__.py", "README.md"} <= found


def test_import_contracts_cover_every_emulator() -> None:
    packages = {f"emulators.{name}" for name in emulators()}
    by_name = {contract["name"]: contract for contract in contracts()}
    assert set(by_name["Rooms"]["containers"]) == packages
    assert set(by_name["Emulators never import each other"]["modules"]) == packages
    assert set(by_name["The kernel knows no emulator"]["forbidden_modules"]) == packages


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_can_be_held_in_the_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def served_packages() -> list[str]:
    return list(
        dict.fromkeys(where.rpartition(".service")[0] for where in registry.BUILT_IN.values())
    )


@pytest.mark.parametrize("package", served_packages())
def test_the_catalogue_says_what_is_served(package: str) -> None:
    """Every route has a row, every row that says served has a route, and none is there twice."""
    specs = [
        registry.load(name)
        for name, where in registry.BUILT_IN.items()
        if where.startswith(package + ".")
    ]
    rows = catalogue.rows(package)
    known = [(row.method, row.path.lower()) for row in rows]
    assert len(known) == len(set(known)), "a row stands twice"
    if any(spec.app is not None for spec in specs):
        return  # a raw app is dispatched by query: its own tests hold it to the catalogue
    routed = {
        (op.method, op.path.lower())
        for spec in specs
        for op in spec.operations()
        if ".refuse" not in getattr(op.handler, "__qualname__", "")
    }
    served = {(row.method, row.path.lower()) for row in rows if row.status == "served"}
    assert routed == served


def test_start_up_imports_nothing_heavy() -> None:
    """The command line and every service's spec load before any library of the field does."""
    program = (
        "import sys\n"
        "import emulators.cli, emulators.kernel.host\n"
        "from emulators.kernel import registry\n"
        "[registry.load(name) for name in registry.BUILT_IN]\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_nothing_is_promised_in_comments() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X ", "raise NotImplemented" + "Error")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if any(word in line for word in words)
    ]
    assert not found
