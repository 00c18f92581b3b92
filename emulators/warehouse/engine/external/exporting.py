"""CREATE EXTERNAL TABLE … AS SELECT: a query's rows become a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.catalog.model import TableColumn
from emulators.warehouse.engine.external.defining import note
from emulators.warehouse.engine.external.service import External, csv_of, location_of
from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.ddl_plans import rights
from emulators.warehouse.engine.lowering.plans import DDL, Plan
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.lowering.lowering import Lowering


def create_as(
    lowering: Lowering,
    query: tree.Query,
    schema: str,
    name: str,
    kept: Mapping[str, str],
    label: str,
) -> Plan:
    """The plan that writes the rows and notes the table.

    Raises:
        SqlError: 1038: a column has no name.
    """
    from emulators.warehouse.engine.lowering.statements import Runner

    env = lowering.env
    if not isinstance(env.external, External):
        raise refused("CREATE EXTERNAL TABLE AS SELECT without a storage emulator")
    store: External = env.external
    made = lowering.queries.query(query, None, top_level=True)
    if any(not column for column, _, _ in made.columns):
        text = "An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name."  # noqa: E501
        raise SqlError(1038, 15, 5, text)
    columns = tuple(TableColumn(n, k, null) for n, k, null in made.columns)
    for right in rights(schema, name, "CREATE TABLE"):
        lowering.touches(*right)
    run = Runner(lowering, made.sql)

    def execute(con: DuckDBPyConnection, values: Mapping[str, Any]) -> int:
        place, who, shape = location_of(env.catalog, kept)
        parquet = str(shape.get("FORMAT_TYPE", "")).upper() == "PARQUET"
        path = store.scratch()
        try:
            batches = run.rows(con, values)
            rows = (
                _parquet(batches, [c.name for c in columns], path)
                if parquet
                else _csv(batches, shape, path)
            )
            blob = f"{place.path.rstrip('/')}/QID_{name}_0.{'parquet' if parquet else 'txt'}"
            store.store(place, blob.lstrip("/"), path, who)
        finally:
            path.unlink(missing_ok=True)
        note(env, schema, name, columns, kept)
        return rows

    return Plan(
        "ddl", DDL, made.sql, lowering.parameters, None, lowering.objects, execute, False, label
    )


def _parquet(batches: Iterable[pa.RecordBatch], names: list[str], path: Path) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    writer, rows = None, 0
    for batch in batches:
        piece = pa.Table.from_batches([batch]).rename_columns(names)
        if writer is None:
            writer = parquet.ParquetWriter(path, piece.schema)
        writer.write_table(piece)
        rows += batch.num_rows
    if writer is not None:
        writer.close()
    return rows


def _csv(batches: Iterable[pa.RecordBatch], shape: Mapping[str, Any], path: Path) -> int:
    how, rows = csv_of(shape), 0
    if how.compression or how.encoding != "utf8":
        raise refused("CREATE EXTERNAL TABLE AS SELECT into compressed or UTF-16 text")
    with path.open("w", encoding="utf-8", newline="") as file:
        for batch in batches:
            for row in batch.to_pylist():
                file.write(how.separator.join(_field(v, how.quote) for v in row.values()) + "\n")
            rows += batch.num_rows
    return rows


def _field(value: Any, quote: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, bytes):
        return "0x" + value.hex().upper()
    text = str(value)
    return (
        quote + text.replace(quote, quote * 2) + quote if quote and isinstance(value, str) else text
    )
