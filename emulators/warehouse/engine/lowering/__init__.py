"""One T-SQL statement becomes DuckDB's SQL: read, typed, written anew, and run."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.plans import Facts, LoweringEnv, Plan

__all__ = ["Facts", "LoweringEnv", "Plan", "lower", "lower_expression"]


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
