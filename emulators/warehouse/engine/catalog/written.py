"""What system views' queries are filled with when they are asked: names, and views' columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emulators.warehouse.engine.catalog.catalog import named
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.plans import LoweringEnv

Row = tuple[int, int, str, str, int, int, int, str | None, bool]
_COLUMNS = (
    "SELECT object, ordinal, name, type, length, prec, scale, collated, nullable, preset, seed,"
    " step, computed FROM $catalog.columns"
)


def filled(query: str, env: LoweringEnv) -> str:
    """The query with the session's database, the columns of views, and counts of rows."""
    from emulators.warehouse.engine.lowering.kinds import quoted

    if "$columns" in query:
        query = query.replace("$columns", f"({_columns(env)})")
    if "$databases" in query:
        rows = ", ".join(f"({quoted(name)}, {at})" for name, at in databases(env).items())
        query = query.replace("$databases", f"(VALUES {rows}) AS d(name, id)")
    if "$logins" in query:
        rows = ", ".join(f"({quoted(name)}, {at})" for at, name in enumerate(logins(env), 1))
        query = query.replace("$logins", f"(VALUES {rows}) AS l(name, id)")
    if "$counts" in query:
        query = query.replace("$counts", f"({_counts(env)})")
    return query.replace("$database", quoted(env.database))


def databases(env: LoweringEnv) -> dict[str, int]:
    """Databases of the server by name, with their ids."""
    server = getattr(env.session, "server", None)
    names: Sequence[str] = server.names() if server is not None else [env.database]
    others = [name for name in names if name.lower() != "master"]
    return {"master": 1} | {name: at for at, name in enumerate(others, 5)}


def logins(env: LoweringEnv) -> list[str]:
    """Logins of the server, the administrator's first."""
    server = getattr(env.session, "server", None)
    names: list[str] = server.logins.names() if server is not None else ["sa"]
    return names


def _columns(env: LoweringEnv) -> str:
    from emulators.warehouse.engine.lowering.kinds import quoted

    rows = view_columns(env)
    if not rows:
        return _COLUMNS
    listed = ", ".join(
        f"({number}, {at}, {quoted(name)}, {quoted(kind)}, {length}, {prec}, {scale},"
        f" {'NULL' if collated is None else quoted(collated)}, {nullable}, '', NULL, NULL, '')"
        for number, at, name, kind, length, prec, scale, collated, nullable in rows
    )
    return f"{_COLUMNS} UNION ALL SELECT * FROM (VALUES {listed})"


def view_columns(env: LoweringEnv) -> list[Row]:
    """The columns of every view: its query is lowered to know them.

    A view that no longer can be, and one over these columns themselves, have none.
    """
    catalog = env.catalog
    version, rows = catalog.view_columns
    if version == catalog.version:
        return rows
    catalog.view_columns = catalog.version, []  # a view over sys.columns asks while it is asked
    rows = [row for schema, name in catalog.views() for row in _columns_of(env, schema, name)]
    catalog.view_columns = catalog.version, rows
    return rows


def _columns_of(env: LoweringEnv, schema: str, name: str) -> list[Row]:
    from emulators.warehouse.engine.lowering.lowering import Lowering

    module = env.catalog.module(schema, name)
    if module is None:
        return []
    try:
        _, columns = Lowering(env).queries.sources.view(module)
    except SqlError:
        return []
    return [
        (module.id, at, column, kind.name if kind.name != "null" else "int", kind.length,
         kind.precision, kind.scale, kind.collation, nullable)
        for at, (column, kind, nullable) in enumerate(columns, 1)
    ]  # fmt: skip


def _counts(env: LoweringEnv) -> str:
    """How many rows each table has."""
    asked = "SELECT id, schema, name FROM $catalog.objects WHERE kind = 'U' ORDER BY id"
    found = [
        f"SELECT {number} AS object, count(*) AS rows FROM {named(schema)}.{named(name)}"
        for number, schema, name in env.catalog.rows(asked)
    ]
    return " UNION ALL ".join(found) or "SELECT 0 AS object, 0 AS rows WHERE false"
