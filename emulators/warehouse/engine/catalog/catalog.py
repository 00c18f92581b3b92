"""The catalog of one database, as one session sees it: kept in the database's own file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.catalog.model import Module, Parameter, Table, TableColumn
from emulators.warehouse.engine.types import SqlType

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA = "rehearsal_catalog"
SYSTEM_SCHEMAS = ("dbo", "guest", "INFORMATION_SCHEMA", "sys")
FIRST_ID = 581_577_110
"""Object ids begin somewhere; SQL Server's look like this, too."""

_TABLES = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE SEQUENCE IF NOT EXISTS {SCHEMA}.ids START {FIRST_ID} INCREMENT 16;
CREATE TABLE IF NOT EXISTS {SCHEMA}.schemas(id INTEGER, name VARCHAR, owner VARCHAR);
CREATE TABLE IF NOT EXISTS {SCHEMA}.objects(
    id INTEGER, schema VARCHAR, name VARCHAR, kind VARCHAR, options VARCHAR,
    created TIMESTAMP, modified TIMESTAMP);
CREATE TABLE IF NOT EXISTS {SCHEMA}.columns(
    object INTEGER, ordinal INTEGER, name VARCHAR, type VARCHAR, length INTEGER, prec INTEGER,
    scale INTEGER, "collation" VARCHAR, nullable BOOLEAN, preset VARCHAR, seed BIGINT, step BIGINT,
    computed VARCHAR);
CREATE TABLE IF NOT EXISTS {SCHEMA}.modules(
    object INTEGER, text VARCHAR, body VARCHAR, body_line INTEGER, parameters VARCHAR,
    names VARCHAR, returns VARCHAR);
CREATE TABLE IF NOT EXISTS {SCHEMA}.parts(
    kind VARCHAR, object INTEGER, name VARCHAR, options VARCHAR);
CREATE TABLE IF NOT EXISTS {SCHEMA}.externals(kind VARCHAR, name VARCHAR, options VARCHAR);
"""
# `parts` are what belongs to a table and has a name: indexes, statistics, constraints.


def prepare(con: DuckDBPyConnection) -> None:
    """Make the catalog's own tables in a database that is new."""
    for statement in _TABLES.split(";"):
        if statement.strip():
            con.execute(statement)
    for at, name in enumerate(("dbo", "guest", "INFORMATION_SCHEMA", "sys"), 1):
        known = con.execute(f"SELECT 1 FROM {SCHEMA}.schemas WHERE name = ?", [name]).fetchone()
        if known is None:
            con.execute(f"INSERT INTO {SCHEMA}.schemas VALUES (?, ?, 'dbo')", [at, name])
    con.execute('CREATE SCHEMA IF NOT EXISTS "dbo"')


class _Versions:
    """How often DDL ended in each database of this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, int] = {}

    def of(self, database: str) -> int:
        return self._counts.get(database, 0)

    def bump(self, database: str) -> None:
        with self._lock:
            self._counts[database] = self.of(database) + 1


_VERSIONS = _Versions()


class Catalog:
    """Reads and writes the metadata with the session's own connection and transaction.

    `version` changes with every DDL of any session of the database. After a transaction that
    did DDL ends, either way, call `settle()`.
    """

    def __init__(self, con: DuckDBPyConnection) -> None:
        self._con = con
        row = con.execute(
            "SELECT coalesce(path, '') || database_name FROM duckdb_databases()"
            " WHERE database_name = current_database()"
        ).fetchone()
        # A database in memory is this connection's own.
        self._database = str(row[0]) if row and row[0] else str(id(con))
        self._own = 0
        self._seen = (-1, -1)
        self._tables: dict[tuple[str, str], Table | None] = {}
        self._modules: dict[tuple[str, str], Module | None] = {}

    @property
    def version(self) -> int:
        """Changes when a plan may have become wrong."""
        return (_VERSIONS.of(self._database) << 32) | self._own

    def settle(self) -> None:
        """Forget what was read: a transaction with DDL in it has ended."""
        _VERSIONS.bump(self._database)
        self._own = 0

    def _changed(self) -> None:
        self._own += 1

    def _fresh(self) -> None:
        seen = (_VERSIONS.of(self._database), self._own)
        if seen != self._seen:
            self._seen = seen
            self._tables.clear()
            self._modules.clear()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the catalog's own tables."""
        return self._con.execute(sql.replace("$catalog", SCHEMA), list(values)).fetchall()

    def _run(self, sql: str, *values: Any) -> None:
        self._con.execute(sql.replace("$catalog", SCHEMA), list(values))
        self._changed()

    def _next_id(self) -> int:
        return int(self.rows("SELECT nextval('rehearsal_catalog.ids')")[0][0])

    # Schemas.

    def schema(self, name: str) -> str | None:
        """A schema's own spelling; None when there is none."""
        found = self.rows("SELECT name FROM $catalog.schemas WHERE name = ?", name)
        return str(found[0][0]) if found else None

    def create_schema(self, name: str, owner: str) -> None:
        """Add a schema."""
        taken = self.rows("SELECT max(id) FROM $catalog.schemas")[0][0]
        self._run(
            "INSERT INTO $catalog.schemas VALUES (?, ?, ?)", max(4, int(taken)) + 1, name, owner
        )

    def drop_schema(self, name: str) -> None:
        """Remove a schema."""
        self._run("DELETE FROM $catalog.schemas WHERE name = ?", name)

    # Objects of every kind.

    def object(self, schema: str, name: str) -> tuple[int, str, str, str] | None:
        """An object's id, kind, schema and name as they are spelled; None when there is none."""
        found = self.rows(
            "SELECT id, trim(kind), schema, name FROM $catalog.objects"
            " WHERE schema = ? AND name = ?",
            schema,
            name,
        )
        return found[0] if found else None  # type: ignore[return-value]

    def objects_of(self, schema: str) -> list[str]:
        """Names of what lies in a schema."""
        return [
            str(r[0])
            for r in self.rows("SELECT name FROM $catalog.objects WHERE schema = ?", schema)
        ]

    def _add_object(self, schema: str, name: str, kind: str, options: Mapping[str, Any]) -> int:
        made = self._next_id()
        self._run(
            "INSERT INTO $catalog.objects VALUES (?, ?, ?, ?, ?, CAST(now() AS TIMESTAMP),"
            " CAST(now() AS TIMESTAMP))",
            made,
            schema,
            name,
            kind,
            json.dumps(dict(options)),
        )
        return made

    def _drop_object(self, number: int) -> None:
        for table in ("columns", "modules", "parts"):
            self._run(f"DELETE FROM $catalog.{table} WHERE object = ?", number)
        self._run("DELETE FROM $catalog.objects WHERE id = ?", number)

    def rename(self, number: int, name: str) -> None:
        """Give an object another name."""
        self._run(
            "UPDATE $catalog.objects SET name = ?, modified = CAST(now() AS TIMESTAMP)"
            " WHERE id = ?",
            name,
            number,
        )

    # Tables.

    def table(self, schema: str, name: str) -> Table | None:
        """The table of that name."""
        self._fresh()
        key = (schema.lower(), name.lower())
        if key not in self._tables:
            self._tables[key] = self._read_table(schema, name)
        return self._tables[key]

    def _read_table(self, schema: str, name: str) -> Table | None:
        found = self.rows(
            "SELECT id, schema, name, trim(kind), options FROM $catalog.objects"
            " WHERE schema = ? AND name = ? AND kind IN ('U', 'ET')",
            schema,
            name,
        )
        if not found:
            return None
        number, schema, name, kind, options = found[0]
        source = f"{named(schema)}.{named(name)}"
        return Table(number, schema, name, self.columns(number), source, kind, json.loads(options))

    def columns(self, number: int) -> tuple[TableColumn, ...]:
        """The columns of a table or view, by its id."""
        rows = self.rows(
            "SELECT name, type, length, prec, scale, \"collation\", nullable, preset, seed, step,"
            " computed FROM $catalog.columns WHERE object = ? ORDER BY ordinal",
            number,
        )
        return tuple(
            TableColumn(
                name=r[0],
                type=SqlType(r[1], r[2], r[3], r[4], r[5]),
                nullable=r[6],
                default=r[7] or "",
                seed=r[8],
                increment=r[9] or 1,
                computed=r[10] or "",
            )
            for r in rows
        )

    def create_table(
        self,
        schema: str,
        name: str,
        columns: Sequence[TableColumn],
        *,
        kind: str = "U",
        options: Mapping[str, Any] | None = None,
    ) -> Table:
        """Note a table; DuckDB's own is made by who calls."""
        number = self._add_object(schema, name, kind, options or {})
        self.put_columns(number, columns)
        source = f"{named(schema)}.{named(name)}"
        return Table(number, schema, name, tuple(columns), source, kind, dict(options or {}))

    def put_columns(self, number: int, columns: Sequence[TableColumn]) -> None:
        """Replace the columns of an object."""
        self._run("DELETE FROM $catalog.columns WHERE object = ?", number)
        for ordinal, one in enumerate(columns, 1):
            self._run(
                "INSERT INTO $catalog.columns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                number, ordinal, one.name, one.type.name, one.type.length, one.type.precision,
                one.type.scale, one.type.collation, one.nullable, one.default, one.seed,
                one.increment, one.computed,
            )  # fmt: skip

    def drop_table(self, table: Table) -> None:
        """Forget a table."""
        self._drop_object(table.id)

    def set_options(self, table: Table, options: Mapping[str, Any]) -> None:
        """Replace a table's options."""
        self._run(
            "UPDATE $catalog.objects SET options = ? WHERE id = ?",
            json.dumps(dict(options)),
            table.id,
        )

    # Modules.

    def module(self, schema: str, name: str) -> Module | None:
        """The procedure, view or function of that name."""
        self._fresh()
        key = (schema.lower(), name.lower())
        if key not in self._modules:
            self._modules[key] = self._read_module(schema, name)
        return self._modules[key]

    def _read_module(self, schema: str, name: str) -> Module | None:
        found = self.rows(
            "SELECT o.id, o.schema, o.name, trim(o.kind), m.text, m.body, m.parameters, m.names,"
            " m.returns, m.body_line FROM $catalog.objects o JOIN $catalog.modules m"
            " ON m.object = o.id WHERE o.schema = ? AND o.name = ?",
            schema,
            name,
        )
        if not found:
            return None
        row = found[0]
        parameters = tuple(
            Parameter(p["name"], SqlType(**p["type"]), p["output"], p["default"])
            for p in json.loads(row[6])
        )
        returns = None if row[8] is None else SqlType(**json.loads(row[8]))
        names = tuple(json.loads(row[7]))
        return Module(
            row[0], row[1], row[2], row[3], row[4], row[5], parameters, names, returns, row[9]
        )

    def put_module(self, module: Module) -> Module:
        """Create or alter it; the id in `module` is ignored and the real one answered."""
        known = self.object(module.schema, module.name)
        if known is None:
            number = self._add_object(module.schema, module.name, module.kind, {})
        else:
            number = known[0]
            self._run("DELETE FROM $catalog.modules WHERE object = ?", number)
            self._run(
                "UPDATE $catalog.objects SET kind = ?, modified = CAST(now() AS TIMESTAMP)"
                " WHERE id = ?",
                module.kind,
                number,
            )
        parameters = json.dumps([asdict(one) for one in module.parameters])
        returns = None if module.returns is None else json.dumps(asdict(module.returns))
        self._run(
            "INSERT INTO $catalog.modules VALUES (?, ?, ?, ?, ?, ?, ?)",
            number, module.text, module.body, module.body_line, parameters,
            json.dumps(list(module.columns)), returns,
        )  # fmt: skip
        return replace(module, id=number)

    def drop_module(self, schema: str, name: str) -> bool:
        """False when there is none."""
        found = self.module(schema, name)
        if found is None:
            return False
        self._drop_object(found.id)
        return True

    # What belongs to a table: indexes, statistics, constraints.

    def put_part(self, kind: str, number: int, name: str, options: Mapping[str, Any]) -> None:
        """Note an index (`index`), `statistics` or `constraint` of a table."""
        self._run(
            "INSERT INTO $catalog.parts VALUES (?, ?, ?, ?)",
            kind,
            number,
            name,
            json.dumps(dict(options)),
        )

    def part(self, kind: str, number: int, name: str) -> Mapping[str, Any] | None:
        """One part's options."""
        found = self.rows(
            "SELECT options FROM $catalog.parts WHERE kind = ? AND object = ? AND name = ?",
            kind,
            number,
            name,
        )
        return json.loads(found[0][0]) if found else None

    def parts(self, kind: str, number: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The parts of a table, by name."""
        for name, options in self.rows(
            "SELECT name, options FROM $catalog.parts WHERE kind = ? AND object = ? ORDER BY name",
            kind,
            number,
        ):
            yield name, json.loads(options)

    def drop_part(self, kind: str, number: int, name: str) -> None:
        """Forget a part."""
        self._run(
            "DELETE FROM $catalog.parts WHERE kind = ? AND object = ? AND name = ?",
            kind,
            number,
            name,
        )

    # External data sources, file formats, credentials.

    def put_external(self, kind: str, name: str, options: Mapping[str, Any]) -> None:
        """Note a `source`, `format` or `credential`, in place of one of that name."""
        self._run("DELETE FROM $catalog.externals WHERE kind = ? AND name = ?", kind, name)
        self._run(
            "INSERT INTO $catalog.externals VALUES (?, ?, ?)", kind, name, json.dumps(dict(options))
        )

    def external(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """Its options; None when there is none."""
        found = self.rows(
            "SELECT options FROM $catalog.externals WHERE kind = ? AND name = ?", kind, name
        )
        return json.loads(found[0][0]) if found else None

    def drop_external(self, kind: str, name: str) -> bool:
        """False when there was none."""
        if self.external(kind, name) is None:
            return False
        self._run("DELETE FROM $catalog.externals WHERE kind = ? AND name = ?", kind, name)
        return True


def named(text: str) -> str:
    """An identifier for DuckDB."""
    return '"' + text.replace('"', '""') + '"'
