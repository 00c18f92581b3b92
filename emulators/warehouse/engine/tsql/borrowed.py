"""What the interpreter takes from the lowering as a whole, found by name when it is needed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LOWERING = "emulators.warehouse.engine.lowering"


def _find(name: str, *modules: str) -> Any:
    for module in modules:
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ModuleNotFoundError:
            continue
        if found is not None:
            return found
    return None


def prepare_database(con: DuckDBPyConnection) -> None:
    """Settings and macros that lowered statements rely on."""
    prepare = _find("prepare_database", _LOWERING)
    if prepare is not None:
        prepare(con)


def from_duckdb(failure: Exception) -> SqlError:
    """DuckDB's failure as T-SQL's error."""
    translate = _find(
        "from_duckdb", _LOWERING, f"{_LOWERING}.failures", "emulators.warehouse.errors"
    )
    if translate is None:
        return SqlError(50000, 16, 1, str(failure))
    made: SqlError = translate(failure)
    return made
