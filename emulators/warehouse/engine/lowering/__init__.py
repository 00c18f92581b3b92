"""One T-SQL statement becomes DuckDB's SQL: read, typed, written anew, and run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.warehouse.engine.lowering.failures import from_duckdb
from emulators.warehouse.engine.lowering.plans import Facts, LoweringEnv, Plan

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "Facts",
    "LoweringEnv",
    "Plan",
    "from_duckdb",
    "lower",
    "lower_expression",
    "prepare_database",
]

SETTINGS = {
    "default_collation": "'NOCASE'",
    "ieee_floating_point_ops": "false",
    "TimeZone": "'UTC'",
    "preserve_insertion_order": "true",
    "default_null_order": "'nulls_first'",
}
"""How T-SQL differs from DuckDB in what is compared, ordered and divided."""


def lower(text: str, env: LoweringEnv) -> Plan:
    """The plan of one statement without procedural text.

    Raises:
        SqlError: it cannot be read, names what is not there, or asks what is not emulated.
    """
    from emulators.warehouse.engine.lowering.statements import lower_statement

    return lower_statement(text, env)


def lower_expression(text: str, env: LoweringEnv) -> Plan:
    """The plan of a scalar expression: a row set of one row and one column.

    Raises:
        SqlError: as `lower`.
    """
    from emulators.warehouse.engine.lowering.statements import lower_scalar

    return lower_scalar(text, env)


def prepare_database(con: DuckDBPyConnection) -> None:
    """Settings, macros and catalog tables that lowered statements rely on."""
    from emulators.warehouse.engine.catalog import catalog
    from emulators.warehouse.engine.lowering import macros, native

    for setting, value in SETTINGS.items():
        con.execute(f"SET GLOBAL {setting} = {value}")
    catalog.prepare(con)
    native.install(con)
    macros.install(con)
