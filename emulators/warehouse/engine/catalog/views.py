"""System views: what sys.* and INFORMATION_SCHEMA.* answer, over the catalog's own tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from emulators.warehouse.engine.catalog.catalog import SCHEMA, named
from emulators.warehouse.engine.catalog.shapes import Shape, parse_shape

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.plans import LoweringEnv

TOPICS = ("objects", "columns", "keys", "pool", "security", "server", "information")
LIVE = (
    "dm_pdw_exec_requests", "dm_pdw_exec_sessions", "dm_exec_sessions", "dm_exec_requests",
    "dm_pdw_nodes_exec_sessions",
)  # fmt: skip
"""Views that the interpreter makes from the server's memory."""

ORDER = (
    "object_id", "schema_id", "database_id", "index_id", "stats_id", "column_id", "parameter_id",
    "index_column_id", "stats_column_id", "partition_number", "TABLE_SCHEMA", "TABLE_NAME",
    "SPECIFIC_SCHEMA", "SPECIFIC_NAME", "ORDINAL_POSITION",
)  # fmt: skip
"""Columns that rows come ordered by, as clients that do not ask for an order rely on."""


@dataclass(frozen=True, slots=True)
class SystemView:
    """A view of every database; its query is written for DuckDB."""

    schema: str
    name: str
    columns: Shape
    query: str

    def sql(self, env: LoweringEnv) -> str:
        """The query, its columns in order and of the DuckDB types that theirs lie in."""
        from emulators.warehouse.engine.catalog import written
        from emulators.warehouse.engine.lowering.kinds import duck

        listed = ", ".join(
            f"CAST({named(name)} AS {duck(kind)}) AS {named(name)}" for name, kind in self.columns
        )
        body = written.filled(self.query, env).replace("$catalog", SCHEMA)
        names = {name for name, _ in self.columns}
        order = ", ".join(named(name) for name in ORDER if name in names)
        return f"SELECT {listed} FROM ({body}){' ORDER BY ' + order if order else ''}"


@cache
def all_views() -> Mapping[tuple[str, str], SystemView]:
    """Every view by schema and name in lower case."""
    found: dict[tuple[str, str], SystemView] = {}
    for topic in TOPICS:
        module = import_module(f"{__package__}.views_{topic}")
        schema = "INFORMATION_SCHEMA" if topic == "information" else "sys"
        for name, (shape, query) in module.VIEWS.items():
            columns = parse_shape(shape)
            found[schema.lower(), name.lower()] = SystemView(schema, name, columns, query)
    return found


def system_view(schema: str, name: str) -> SystemView | None:
    """The view of that name; None when there is none."""
    return all_views().get((schema.lower(), name.lower()))


def empty(shape: str) -> tuple[str, str]:
    """A view that never has a row here."""
    listed = ", ".join(f"NULL AS {named(name)}" for name, _ in parse_shape(shape))
    return shape, f"SELECT {listed} WHERE false"
