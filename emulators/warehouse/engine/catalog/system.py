"""Objects that every database has: system views and their columns, and the types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.catalog.shapes import TEXTS, TYPES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FIRST = -103
"""Ids of system views are negative, as SQL Server's."""

_PROCEDURES = (
    "sp_executesql", "sp_prepare", "sp_execute", "sp_unprepare", "sp_tables", "sp_columns",
    "sp_helptext", "sp_stored_procedures", "sp_databases", "sp_pkeys", "sp_datatype_info",
    "sp_describe_first_result_set", "sp_describe_undeclared_parameters",
    "sp_set_session_context", "sp_addrolemember", "sp_droprolemember",
)  # fmt: skip


def fill(con: DuckDBPyConnection) -> None:
    """Note them in a database's file; what an older version noted is replaced."""
    types, objects, columns = _types(), *_objects()
    known = con.execute(
        "SELECT (SELECT count(*) FROM rehearsal_catalog.system_types),"
        " (SELECT count(*) FROM rehearsal_catalog.system_objects),"
        " (SELECT count(*) FROM rehearsal_catalog.system_columns)"
    ).fetchall()
    if known == [(len(types), len(objects), len(columns))]:
        return
    for table, rows in (
        ("system_types", types),
        ("system_objects", objects),
        ("system_columns", columns),
    ):
        con.execute(f"DELETE FROM rehearsal_catalog.{table}")
        listed = ", ".join(f"({', '.join(_written(cell) for cell in row)})" for row in rows)
        con.execute(f"INSERT INTO rehearsal_catalog.{table} VALUES {listed}")


def _written(cell: Any) -> str:
    return f"'{cell}'" if isinstance(cell, str) else str(cell)


def _types() -> list[tuple[Any, ...]]:
    return [(name, number, number, size, precision, scale, name in TEXTS)
            for name, number, size, precision, scale in TYPES]  # fmt: skip


def _objects() -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    from emulators.warehouse.engine.catalog import views

    objects: list[tuple[Any, ...]] = []
    columns: list[tuple[Any, ...]] = []
    number = _FIRST
    for view in views.all_views().values():
        number -= 1
        objects.append((number, view.schema, view.name, "V"))
        for at, (name, kind) in enumerate(view.columns, 1):
            columns.append((number, at, name, kind.name, kind.length, kind.precision, kind.scale))
    for name in views.LIVE:
        number -= 1
        objects.append((number, "sys", name, "V"))
    for name in _PROCEDURES:
        number -= 1
        objects.append((number, "sys", name, "P"))
    return objects, columns
