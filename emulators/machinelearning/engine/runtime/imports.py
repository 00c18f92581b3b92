"""Which third-party modules a code folder imports at its top level; reads, never runs."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_MOST_FILES = 200
_MOST_BYTES = 1 << 20  # of one file
_MOST_MODULES = 60
_NO_CODE = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", "mlruns"})

BESIDES = {
    "mlflow": (
        "git",
        "mlflow.tracking",
        "mlflow.store.tracking.rest_store",
        "mlflow.store.model_registry.rest_store",
    ),
}
"""Modules that a package imports at its first use, whoever uses it."""

_LAZY = frozenset({"lightgbm", "onnx", "pyfunc", "pytorch", "sklearn", "statsmodels", "xgboost"})
"""Modules of MLflow that are imported when code first names them, as in `mlflow.sklearn`."""


_AUTOLOG = "mlflow:autolog"


def third_party(folder: Path) -> frozenset[str]:
    """Return what the code of a folder imports from elsewhere when it is loaded.

    Returns:
        "package.module", or "package.module:name" for names that may be modules too. Empty for
        a folder with more distinct imports than one process should hold.
    """
    files = list(_files(folder))
    local = _local_names(folder, files)
    found: set[str] = set()
    for file in files:
        found.update(_imports_of(file))
    wanted = {
        entry
        for entry in found
        if (top := top_level(entry)) not in local and top not in sys.stdlib_module_names
    }
    tops = set(map(top_level, wanted))
    for top in tops:
        wanted.update(BESIDES.get(top, ()))
    if _AUTOLOG in wanted:  # patches, and draws for, what is imported already
        wanted.remove(_AUTOLOG)
        wanted.update(f"mlflow.{top}" for top in tops & _LAZY)
        wanted.add("matplotlib.pyplot")
    return frozenset(wanted) if len(wanted) <= _MOST_MODULES else frozenset()


def top_level(entry: str) -> str:
    """Return the package that an import belongs to."""
    return entry.partition(":")[0].partition(".")[0]


def _files(folder: Path) -> Iterator[Path]:
    count = 0
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in _NO_CODE and not f.startswith("."))
        for name in sorted(names):
            if name.endswith(".py"):
                count += 1
                if count > _MOST_FILES:
                    return
                yield Path(root, name)


def _local_names(folder: Path, files: list[Path]) -> set[str]:
    names = set()
    for file in files:
        names.add(file.stem)
        names.update(file.relative_to(folder).parts[:-1])
    return names


def _imports_of(file: Path) -> set[str]:
    try:
        if file.stat().st_size > _MOST_BYTES:
            return set()
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found: set[str] = set()
    _walk(tree.body, found)
    return found | _lazily_named(tree) if "mlflow" in found else found


def _lazily_named(tree: ast.Module) -> set[str]:
    """Return what `mlflow.sklearn.log_model(...)` and its like import when they run."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if (
                isinstance(node.value, ast.Name)
                and node.value.id == "mlflow"
                and node.attr in _LAZY
            ):
                found.add(f"mlflow.{node.attr}")
            if node.attr == "autolog":
                found.add(_AUTOLOG)
    return found


def _walk(body: list[ast.stmt], found: set[str]) -> None:
    for statement in body:
        if isinstance(statement, ast.Import):
            found.update(alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            if statement.module and not statement.level:
                found.update(_entry(statement.module, alias.name) for alias in statement.names)
        elif isinstance(statement, ast.If) and _names_type_checking(statement.test):
            _walk(statement.orelse, found)
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            for field in ("body", "orelse", "finalbody"):
                _walk(getattr(statement, field, []), found)


def _entry(module: str, name: str) -> str:
    return module if name == "*" else f"{module}:{name}"


def _names_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
