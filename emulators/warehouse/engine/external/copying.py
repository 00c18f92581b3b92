"""COPY INTO: blobs into a table, the fields converted by the lowering's own casts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.catalog.model import Table, TableColumn
from emulators.warehouse.engine.external import reading
from emulators.warehouse.engine.external.fetching import Credential, Fetcher, credential_of
from emulators.warehouse.engine.external.places import Place, place_of
from emulators.warehouse.engine.external.statement import Copy, CopyColumn, read
from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.binding import literal
from emulators.warehouse.engine.lowering.casts import assign, convert
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.failures import from_duckdb
from emulators.warehouse.engine.lowering.kinds import BINARIES, STRINGS, Typed, named
from emulators.warehouse.engine.lowering.plans import INSERT, LoweringEnv, Plan
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError, no_object, refused

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_STAGE = "~rehearsal_copy"
BULK = "ADMINISTER DATABASE BULK OPERATIONS"
"""What COPY INTO needs of the database, beside INSERT on the table."""
_TEXT = SqlType("nvarchar", MAX)


def lower_copy(cursor: Cursor, env: LoweringEnv) -> Plan:
    """The plan of a COPY INTO statement.

    Raises:
        SqlError: it is malformed, its table is not there, an option is not served.
    """
    asked = read(cursor)
    table = _table(asked.target, env)
    kind = _kind(asked, env)
    how = _csv(asked, env) if kind == "CSV" else None
    columns = _targets(table, asked)
    errors = int(asked.options.get("MAXERRORS", "0"))
    if "ERRORFILE" in asked.options:
        raise refused("COPY INTO … ERRORFILE (rejected rows are counted, not kept)")
    if asked.options.get("DATEFORMAT", "mdy").lower() not in ("mdy", "ymd"):
        raise refused("COPY INTO … DATEFORMAT other than mdy and ymd")
    fetcher: Fetcher | None = env.external
    if fetcher is None:
        raise refused("COPY INTO without a storage emulator")
    who = credential_of(*asked.credential) if asked.credential else Credential("identity")
    places = [place_of(one) for one in asked.files]

    def execute(con: DuckDBPyConnection, values: Mapping[str, Any]) -> int:
        load = _Load(con, table, columns, errors)
        for batch in _batches(fetcher, places, who, kind, how, columns):
            load.add(batch)
        return load.rows

    objects = ((table.schema, table.name, "INSERT"), ("", "", BULK))
    return Plan("count", INSERT, "", (), None, objects, execute, False, asked.label)


def _table(name: tree.Name, env: LoweringEnv) -> Table:
    if name.parts[-1].startswith("#"):
        raise refused("COPY INTO a temporary table", name.line)
    if len(name.parts) > 2 and name.parts[0].lower() != env.database.lower():
        raise no_object(name.text, name.line)
    schema = name.parts[-2] if len(name.parts) > 1 and name.parts[-2] else env.schema
    found = env.catalog.table(schema, name.parts[-1])
    if found is None or found.kind != "U":
        raise no_object(name.text, name.line)
    return found


def _format(asked: Copy, env: LoweringEnv) -> Mapping[str, Any]:
    name = asked.options.get("FILE_FORMAT", "").strip("[]")
    if not name:
        return {}
    found = env.catalog.external("format", name)
    if found is None:
        text = f"Cannot find the external file format '{name}', because it does not exist or you do not have permission."  # noqa: E501
        raise SqlError(15151, 16, 1, text)
    return found


def _kind(asked: Copy, env: LoweringEnv) -> str:
    kind = asked.options.get("FILE_TYPE", "").upper()
    if not kind:
        named_format = str(_format(asked, env).get("FORMAT_TYPE", "DELIMITEDTEXT")).upper()
        kind = "CSV" if named_format == "DELIMITEDTEXT" else named_format
    if kind not in ("CSV", "PARQUET"):
        raise refused(f"COPY INTO … FILE_TYPE = '{kind}'")
    return kind


def terminator(text: str) -> str:
    """A terminator as SQL writes it: itself, or `0x…` and `\\t`, `\\n`, `\\r`."""
    if text.lower().startswith("0x") and len(text) > 2:
        try:
            return bytes.fromhex(text[2:]).decode("latin-1")
        except ValueError:
            raise SqlError(102, 15, 1, f"Incorrect syntax near '{text}'.") from None
    return text.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r")


def _csv(asked: Copy, env: LoweringEnv) -> reading.Csv:
    shape, given = _format(asked, env), asked.options
    encoding = given.get("ENCODING", str(shape.get("ENCODING", "UTF8"))).lower().replace("-", "")
    if encoding not in ("utf8", "utf16"):
        raise refused(f"COPY INTO … ENCODING = '{encoding}'")
    row = terminator(given.get("ROWTERMINATOR", "\n"))
    codec = str(shape.get("DATA_COMPRESSION", "")).lower()
    packed = given.get("COMPRESSION", "gzip" if "gzip" in codec else "").lower()
    return reading.Csv(
        separator=terminator(given.get("FIELDTERMINATOR", str(shape.get("FIELD_TERMINATOR", ",")))),
        quote=terminator(given.get("FIELDQUOTE", str(shape.get("STRING_DELIMITER", '"')))),
        row=row,
        first_row=max(1, int(given.get("FIRSTROW", str(shape.get("FIRST_ROW", "1"))))),
        encoding=encoding,
        compression=packed,
    )


Target = tuple[TableColumn, CopyColumn]


def _targets(table: Table, asked: Copy) -> tuple[Target, ...]:
    """The columns that are filled, each with the field it is filled from."""
    if not asked.columns:
        plain = [c for c in table.columns if not c.computed and not c.identity]
        return tuple((c, CopyColumn(c.name, None, n)) for n, c in enumerate(plain, 1))
    found: list[Target] = []
    for at, one in enumerate(asked.columns, 1):
        column = table.column(one.name)
        if column is None:
            raise SqlError(207, 16, 1, f"Invalid column name '{one.name}'.", asked.target.line)
        found.append((column, replace(one, number=one.number or at)))
    return tuple(found)


def _batches(
    fetcher: Fetcher, places: list[Place], who: Credential, kind: str, how: reading.Csv | None,
    columns: tuple[Target, ...],
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    fields = max(one.number for _, one in columns)
    for place in places:
        for blob in fetcher.files(place, who):
            path = fetcher.fetch(place, blob, who)
            try:
                if kind == "PARQUET":
                    yield from reading.parquet_batches(path)
                else:
                    assert how is not None
                    yield from reading.csv_batches(path, how, fields)
            finally:
                path.unlink(missing_ok=True)


class _Load:
    """Rows on their way into a table, batch by batch in the session's transaction."""

    def __init__(
        self, con: DuckDBPyConnection, table: Table, columns: tuple[Target, ...], errors: int
    ) -> None:
        self._con, self._table, self._columns, self._errors = con, table, columns, errors
        self.rows = self._rejected = self._seen = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Convert and insert a batch.

        Raises:
            SqlError: 4864 with the first row that does not fit, when more fail than may.
        """
        import duckdb
        import pyarrow as pa

        kinds = [reading.type_of(f.type) for f in batch.schema]
        self._con.register(_STAGE, pa.Table.from_batches([batch]))
        try:
            checks = self._checks(kinds) if self._errors else []
            where = f" WHERE {' AND '.join(checks)}" if checks else ""
            listed = ", ".join(named(c.name) for c, _ in self._columns)
            written = ", ".join(self._value(c, one, kinds).sql for c, one in self._columns)
            sql = f"INSERT INTO {self._table.source} ({listed}) SELECT {written} FROM {named(_STAGE)}{where}"  # noqa: E501
            ((made,),) = self._con.execute(sql).fetchall()
        except duckdb.Error as failure:
            raise self._told(from_duckdb(failure)) from None
        finally:
            with suppress(duckdb.Error):  # a failed transaction has forgotten it already
                self._con.unregister(_STAGE)
        self._rejected += batch.num_rows - made
        self._seen += batch.num_rows
        self.rows += made
        if self._rejected > self._errors:
            text = f"Bulk load failed: {self._rejected} rows were rejected, {self._errors} may be (MAXERRORS)."  # noqa: E501
            raise SqlError(4865, 16, 1, text)

    def _told(self, error: SqlError) -> SqlError:
        if error.number in (515, 4832):
            return error
        text = (
            "Bulk load data conversion error (type mismatch or invalid character for the specified"
            f" codepage) in the rows after row {self._seen}: {error.text}"
        )
        return SqlError(4864, 16, 1, text)

    def _field(self, one: CopyColumn, kinds: list[SqlType]) -> Typed:
        if one.number > len(kinds):
            text = (
                f"Bulk load: the file has {len(kinds)} columns, field {one.number} was asked for."
            )
            raise SqlError(4832, 16, 1, text)
        kind = kinds[one.number - 1]
        return Typed(f"{named(_STAGE)}.c{one.number}", kind)

    def _value(self, column: TableColumn, one: CopyColumn, kinds: list[SqlType]) -> Typed:
        source = self._field(one, kinds)
        made = into(source, column.type)
        if isinstance(one.default, tree.Literal) and one.default.kind != "default":
            preset = assign(literal(one.default), column.type)
            return Typed(f"coalesce({made.sql}, {preset.sql})", column.type)
        if one.default is not None and not isinstance(one.default, tree.Literal):
            raise refused("COPY INTO … DEFAULT that is no constant")
        return made

    def _checks(self, kinds: list[SqlType]) -> list[str]:
        """What every row that is kept fulfils."""
        fields = [(column, self._field(one, kinds)) for column, one in self._columns]
        filled = {column.name for column, one in self._columns if one.default is not None}
        return fields_that_fit(
            [(replace(c, nullable=c.nullable or c.name in filled), v) for c, v in fields]
        )


def fields_that_fit(fields: Iterable[tuple[TableColumn, Typed]]) -> list[str]:
    """Conditions, all true of a row whose fields become their columns' values."""
    found: list[str] = []
    for column, source in fields:
        text = source.type.name in STRINGS
        if text and column.type.name in STRINGS:
            if column.type.length > 0:
                found.append(
                    f"coalesce(length(rtrim({source.sql}, ' ')) <= {column.type.length}, true)"
                )
        elif text and column.type.name not in BINARIES:
            tried = convert(source, column.type, True).sql
            found.append(f"({source.sql} IS NULL OR {tried} IS NOT NULL)")
        if not column.nullable:
            found.append(f"{source.sql} IS NOT NULL")
    return found


def into(source: Typed, target: SqlType) -> Typed:
    """A field as a column's value: hexadecimal text becomes bytes, with `0x` or without."""
    if source.type.name in STRINGS and target.name in BINARIES:
        bare = f"CASE WHEN starts_with(lower({source.sql}), '0x') THEN substring({source.sql}, 3) ELSE {source.sql} END"  # noqa: E501
        return assign(Typed(f"rehearsal.unhexed_bare({bare})", SqlType("varbinary", MAX)), target)
    return assign(source, target)
