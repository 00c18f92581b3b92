"""The catalog of one database, as one session sees it: kept in the database's own file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.catalog.files import (
    FIRST_ROLE,
    SCHEMA,
    SYSTEM_SCHEMAS,
    prepare,
)
from emulators.warehouse.engine.catalog.model import (
    Module,
    Parameter,
    Part,
    PartColumn,
    Table,
    TableColumn,
)
from emulators.warehouse.engine.types import SqlType

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["SCHEMA", "SYSTEM_SCHEMAS", "Catalog", "named", "prepare"]

_NOW = "date_trunc('millisecond', CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP))"


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
    did DDL ends, either way, call `settle()`. Names are found in any case of letters.
    """

    def __init__(self, con: DuckDBPyConnection) -> None:
        self._con = con
        [row] = con.execute(
            "SELECT coalesce(path, '') || database_name FROM duckdb_databases()"
            " WHERE database_name = current_database()"
        ).fetchall()
        # A database in memory is this connection's own.
        self._database = str(row[0]) if row[0] else str(id(con))
        self._own = 0
        self._seen = (-1, -1)
        self._tables: dict[tuple[str, str], Table | None] = {}
        self._modules: dict[tuple[str, str], Module | None] = {}
        self._afterwards: list[Callable[[], None]] = []
        self.view_columns: tuple[int, list[Any]] = (-1, [])  # of this version; see `written`

    @property
    def version(self) -> int:
        """Changes when a plan may have become wrong."""
        return (_VERSIONS.of(self._database) << 32) | self._own

    def settle(self) -> None:
        """Forget what was read: a transaction with DDL in it has ended."""
        _VERSIONS.bump(self._database)
        self._own = 0
        waiting, self._afterwards = self._afterwards, []
        for work in waiting:
            work()

    def afterwards(self, work: Callable[[], None]) -> None:
        """Do this when the transaction has ended, either way."""
        self._afterwards.append(work)

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

    def next_id(self) -> int:
        """A number that no object of the database has."""
        return int(self.rows("SELECT nextval('rehearsal_catalog.ids')")[0][0])

    # Schemas.

    def schema(self, name: str) -> str | None:
        """A schema's own spelling; None when there is none."""
        found = self.rows("SELECT name FROM $catalog.schemas WHERE lower(name) = lower(?)", name)
        return str(found[0][0]) if found else None

    def create_schema(self, name: str, owner: str) -> None:
        """Add a schema."""
        asked = f"SELECT max(id) FROM $catalog.schemas WHERE id < {FIRST_ROLE}"
        taken = int(self.rows(asked)[0][0])
        self._run("INSERT INTO $catalog.schemas VALUES (?, ?, ?)", max(4, taken) + 1, name, owner)

    def drop_schema(self, name: str) -> None:
        """Remove a schema."""
        self._run("DELETE FROM $catalog.schemas WHERE lower(name) = lower(?)", name)

    # Objects of every kind.

    def object(self, schema: str, name: str) -> tuple[int, str, str, str] | None:
        """An object's id, kind, schema and name as they are spelled; None when there is none."""
        found = self.rows(
            "SELECT id, kind, schema, name FROM $catalog.objects"
            " WHERE lower(schema) = lower(?) AND lower(name) = lower(?)",
            schema,
            name,
        )
        return found[0] if found else None

    def objects_of(self, schema: str) -> list[str]:
        """Names of what lies in a schema."""
        asked = "SELECT name FROM $catalog.objects WHERE lower(schema) = lower(?) ORDER BY id"
        return [str(r[0]) for r in self.rows(asked, schema)]

    def _add_object(self, schema: str, name: str, kind: str, options: Mapping[str, Any]) -> int:
        made = self.next_id()
        self._run(
            f"INSERT INTO $catalog.objects VALUES (?, ?, ?, ?, ?, {_NOW}, {_NOW})",
            made,
            schema,
            name,
            kind,
            json.dumps(dict(options)),
        )
        return made

    def _drop_object(self, number: int) -> None:
        self._run(
            "DELETE FROM $catalog.part_columns WHERE part IN"
            " (SELECT id FROM $catalog.parts WHERE object = ?)",
            number,
        )
        for table in ("columns", "modules", "parameters", "parts"):
            self._run(f"DELETE FROM $catalog.{table} WHERE object = ?", number)
        self._run("DELETE FROM $catalog.objects WHERE id = ?", number)

    def move(self, number: int, schema: str, name: str) -> None:
        """Give an object another name, or another schema."""
        self._run(
            f"UPDATE $catalog.objects SET schema = ?, name = ?, modified = {_NOW} WHERE id = ?",
            schema,
            name,
            number,
        )

    def touch(self, number: int) -> None:
        """An object was altered now."""
        self._run(f"UPDATE $catalog.objects SET modified = {_NOW} WHERE id = ?", number)

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
            "SELECT id, schema, name, kind, options FROM $catalog.objects"
            " WHERE lower(schema) = lower(?) AND lower(name) = lower(?) AND kind IN ('U', 'ET')",
            schema,
            name,
        )
        if not found:
            return None
        number, schema, name, kind, options = found[0]
        source = f"{named(schema)}.{named(name)}"
        return Table(number, schema, name, self.columns(number), source, kind, json.loads(options))

    def columns(self, number: int) -> tuple[TableColumn, ...]:
        """The columns of a table, by its id."""
        rows = self.rows(
            "SELECT name, type, length, prec, scale, collated, nullable, preset, seed, step,"
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
        for ordinal, one in enumerate(columns, 1):
            self._put_column(number, ordinal, one)
        source = f"{named(schema)}.{named(name)}"
        return Table(number, schema, name, tuple(columns), source, kind, dict(options or {}))

    def _put_column(self, number: int, ordinal: int, one: TableColumn) -> None:
        self._run(
            "INSERT INTO $catalog.columns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            number, ordinal, one.name, one.type.name, one.type.length, one.type.precision,
            one.type.scale, one.type.collation, one.nullable, one.default, one.seed,
            one.increment, one.computed,
        )  # fmt: skip

    def add_column(self, number: int, column: TableColumn) -> None:
        """Add a column at the end."""
        asked = "SELECT coalesce(max(ordinal), 0) + 1 FROM $catalog.columns WHERE object = ?"
        self._put_column(number, int(self.rows(asked, number)[0][0]), column)

    def change_column(self, number: int, name: str, column: TableColumn) -> None:
        """Replace what is known of a column; it keeps its place."""
        where = "FROM $catalog.columns WHERE object = ? AND lower(name) = lower(?)"
        ordinal = int(self.rows(f"SELECT ordinal {where}", number, name)[0][0])
        self._run(f"DELETE {where}", number, name)
        self._put_column(number, ordinal, column)

    def drop_column(self, number: int, name: str) -> None:
        """Forget a column; the others keep their numbers."""
        self._run(
            "DELETE FROM $catalog.columns WHERE object = ? AND lower(name) = lower(?)", number, name
        )

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

    def views(self) -> list[tuple[str, str]]:
        """Schema and name of every view."""
        asked = "SELECT schema, name FROM $catalog.objects WHERE kind = 'V' ORDER BY id"
        return [(str(s), str(n)) for s, n in self.rows(asked)]

    def _read_module(self, schema: str, name: str) -> Module | None:
        found = self.rows(
            "SELECT o.id, o.schema, o.name, o.kind, m.text, m.body, m.parameters, m.names,"
            " m.returns, m.body_line FROM $catalog.objects o JOIN $catalog.modules m"
            " ON m.object = o.id WHERE lower(o.schema) = lower(?) AND lower(o.name) = lower(?)",
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
            spelled = self.schema(module.schema) or module.schema
            number = self._add_object(spelled, module.name, module.kind, {})
        else:
            number = known[0]
            for table in ("modules", "parameters"):
                self._run(f"DELETE FROM $catalog.{table} WHERE object = ?", number)
            self._run(
                f"UPDATE $catalog.objects SET kind = ?, modified = {_NOW} WHERE id = ?",
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
        self._put_parameters(number, module)
        return replace(module, id=number)

    def _put_parameters(self, number: int, module: Module) -> None:
        listed = list(enumerate(module.parameters, 1))
        if module.returns is not None:
            listed.insert(0, (0, Parameter("", module.returns, True)))
        for ordinal, one in listed:
            self._run(
                "INSERT INTO $catalog.parameters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                number, ordinal, one.name, one.type.name, one.type.length, one.type.precision,
                one.type.scale, one.output, one.default,
            )  # fmt: skip

    def drop_module(self, schema: str, name: str) -> bool:
        """False when there is none."""
        found = self.module(schema, name)
        if found is None:
            return False
        self._drop_object(found.id)
        return True

    # What belongs to a table: indexes, statistics, constraints.

    def put_part(
        self,
        kind: str,
        number: int,
        name: str,
        options: Mapping[str, Any],
        columns: Sequence[PartColumn] = (),
    ) -> Part:
        """Note an index (`index`), `statistics` or `constraint` of a table.

        `options["number"]`, where it is given, is the id of an index or statistics in its table.
        """
        made = self.next_id()
        place = options.get("number")
        if place is None:
            asked = "SELECT greatest(max(number), 1) + 1 FROM $catalog.parts WHERE object = ?"
            place = int(self.rows(asked, number)[0][0])
        self._run(
            f"INSERT INTO $catalog.parts VALUES (?, ?, ?, ?, ?, ?, {_NOW})",
            made, kind, number, name, place, json.dumps(dict(options)),
        )  # fmt: skip
        for ordinal, one in enumerate(columns, 1):
            self._run(
                "INSERT INTO $catalog.part_columns VALUES (?, ?, ?, ?, ?)",
                made, ordinal, one.name, one.descending, one.included,
            )  # fmt: skip
        return Part(made, kind, number, name, place, dict(options), tuple(columns))

    def part(self, kind: str, number: int, name: str) -> Part | None:
        """The part of that name."""
        wanted = name.lower()
        return next((p for p in self.parts(number, kind) if p.name.lower() == wanted), None)

    def parts(self, number: int, kind: str = "") -> Iterator[Part]:
        """The parts of a table, in the order they were made."""
        rows = self.rows(
            "SELECT id, kind, object, name, number, options FROM $catalog.parts"
            " WHERE object = ? AND (? = '' OR kind = ?) ORDER BY id",
            number,
            kind,
            kind,
        )
        for row in rows:
            asked = (
                "SELECT name, descending, included FROM $catalog.part_columns WHERE part = ?"
                " ORDER BY ordinal"
            )
            columns = tuple(PartColumn(*r) for r in self.rows(asked, row[0]))
            known, kind_, owner, name, place, options = row
            yield Part(known, kind_, owner, name, place, json.loads(options), columns)

    def constraint(self, schema: str, name: str) -> int | None:
        """The id of the constraint of that name in a schema."""
        found = self.rows(
            "SELECT p.id FROM $catalog.parts p JOIN $catalog.objects o ON o.id = p.object"
            " WHERE p.kind = 'constraint' AND lower(p.name) = lower(?)"
            " AND lower(o.schema) = lower(?)",
            name,
            schema,
        )
        return int(found[0][0]) if found else None

    def drop_part(self, part: Part) -> None:
        """Forget a part."""
        self._run("DELETE FROM $catalog.part_columns WHERE part = ?", part.id)
        self._run("DELETE FROM $catalog.parts WHERE id = ?", part.id)

    # External data sources, file formats, credentials.

    def put_external(self, kind: str, name: str, options: Mapping[str, Any]) -> None:
        """Note a `source`, `format` or `credential`, in place of one of that name."""
        self.drop_external(kind, name)
        self._run(
            "INSERT INTO $catalog.externals VALUES (?, ?, ?)", kind, name, json.dumps(dict(options))
        )

    def external(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """Its options; None when there is none."""
        found = self.rows(
            "SELECT options FROM $catalog.externals WHERE kind = ? AND lower(name) = lower(?)",
            kind,
            name,
        )
        return json.loads(found[0][0]) if found else None

    def drop_external(self, kind: str, name: str) -> bool:
        """False when there was none."""
        if self.external(kind, name) is None:
            return False
        self._run(
            "DELETE FROM $catalog.externals WHERE kind = ? AND lower(name) = lower(?)", kind, name
        )
        return True

    # Rights on what is gone or is called otherwise.

    def forget_grants(self, schema: str, name: str) -> None:
        """Rights on an object go with it."""
        self._run(
            "DELETE FROM $catalog.grants WHERE class = 'OBJECT' AND lower(schema) = lower(?)"
            " AND lower(name) = lower(?)",
            schema,
            name,
        )

    def move_grants(self, schema: str, name: str, to: str) -> None:
        """Rights on an object follow its new name."""
        self._run(
            "UPDATE $catalog.grants SET name = ? WHERE class = 'OBJECT'"
            " AND lower(schema) = lower(?) AND lower(name) = lower(?)",
            to,
            schema,
            name,
        )


def named(text: str) -> str:
    """An identifier for DuckDB."""
    return '"' + text.replace('"', '""') + '"'
