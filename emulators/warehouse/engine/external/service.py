"""External tables: what lies in the files, as a relation that a query reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.catalog.model import Table
from emulators.warehouse.engine.external import reading
from emulators.warehouse.engine.external.copying import fields_that_fit, into, terminator
from emulators.warehouse.engine.external.defining import missing
from emulators.warehouse.engine.external.fetching import Credential, Fetcher, credential_of
from emulators.warehouse.engine.external.places import Place, place_of
from emulators.warehouse.engine.lowering.kinds import Typed, named
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    import pyarrow as pa

    from emulators.warehouse.engine.catalog.catalog import Catalog
    from emulators.warehouse.engine.lowering.lowering import Lowering


class External(Fetcher):
    """What the lowering asks where a statement reaches files."""

    def relation(self, lowering: Lowering, table: Table) -> str:
        """A query over the files' rows, its columns those of the table.

        The files are read now and kept for this session under the table's own name, so the
        statement that asked is lowered anew each time.

        Raises:
            SqlError: the files are not there or do not fit; too many rows were rejected.
        """
        env = lowering.env
        lowering.cacheable = False
        place, who, shape = location_of(env.catalog, table.options)
        rows = self._rows(place, who, shape, len(table.columns))
        name = f"~external_{table.id}"
        env.con.register(name, rows)
        kinds = [reading.type_of(field.type) for field in rows.schema]
        fields = [
            (column, Typed(f"{named(name)}.c{at}", kind))
            for at, (column, kind) in enumerate(zip(table.columns, kinds, strict=False), 1)
        ]
        where = self._rejecting(env.con, table, fields, name, rows.num_rows)
        listed = ", ".join(f"{into(v, c.type).sql} AS {named(c.name)}" for c, v in fields)
        return f"SELECT {listed} FROM {named(name)}{where}"

    def _rejecting(self, con: Any, table: Table, fields: Any, name: str, total: int) -> str:
        limit = float(table.options.get("reject_value") or 0)
        if limit <= 0:
            return ""
        checks = fields_that_fit(fields)
        if not checks:
            return ""
        where = f" WHERE {' AND '.join(checks)}"
        ((fitting,),) = con.execute(f"SELECT count(*) FROM {named(name)}{where}").fetchall()
        rejected = total - int(fitting)
        percent = table.options.get("reject_type") == "percentage"
        share = 100.0 * rejected / total if percent and total else float(rejected)
        if share > limit:
            text = (
                "Query aborted-- the maximum reject threshold "
                f"({limit:g}{' %' if percent else ' rows'}) was reached while reading from an"
                f" external source: {rejected} rows rejected out of total {total} rows processed."
            )
            raise SqlError(107090, 16, 1, text)
        return where

    def _rows(
        self, place: Place, who: Credential, shape: Mapping[str, Any], columns: int
    ) -> pa.Table:
        import pyarrow as pa

        batches = list(self._batches(place, who, shape, columns))
        if not batches:
            names = [f"c{at}" for at in range(1, columns + 1)]
            return pa.table({name: pa.array([], pa.string()) for name in names})
        found = pa.Table.from_batches(batches)
        if found.num_columns != columns:
            text = (
                f"The external file has {found.num_columns} columns, the external table {columns}."
            )
            raise SqlError(107090, 16, 1, text)
        return found

    def _batches(
        self, place: Place, who: Credential, shape: Mapping[str, Any], columns: int
    ) -> Iterator[pa.RecordBatch]:
        parquet = str(shape.get("FORMAT_TYPE", "")).upper() == "PARQUET"
        for blob in self.files(place, who):
            path = self.fetch(place, blob, who)
            try:
                if parquet:
                    yield from reading.parquet_batches(path)
                else:
                    yield from reading.csv_batches(path, csv_of(shape), columns)
            finally:
                path.unlink(missing_ok=True)


def csv_of(shape: Mapping[str, Any]) -> reading.Csv:
    """How a file format says its CSV is written."""
    codec = str(shape.get("DATA_COMPRESSION", "")).lower()
    return reading.Csv(
        separator=terminator(str(shape.get("FIELD_TERMINATOR", "|"))),
        quote=terminator(str(shape.get("STRING_DELIMITER", ""))),
        first_row=max(1, int(shape.get("FIRST_ROW", 1))),
        encoding=str(shape.get("ENCODING", "UTF8")).lower().replace("-", ""),
        compression="gzip" if "gzip" in codec else "defaultcodec" if "default" in codec else "",
    )


def location_of(
    catalog: Catalog, options: Mapping[str, Any]
) -> tuple[Place, Credential, Mapping[str, Any]]:
    """Where an external table's files lie, who reads them, and how they are written.

    Raises:
        SqlError: 15151: its source, format or credential is gone.
    """
    source = catalog.external("source", options["source"])
    shape = catalog.external("format", options["format"])
    if source is None:
        raise missing("source", options["source"])
    if shape is None:
        raise missing("format", options["format"])
    root = place_of(source["LOCATION"])
    path = "/".join(
        p for p in (root.path.strip("/"), options["location"].strip("/")) if p not in ("", ".")
    )
    if options["location"].endswith("/") and path:
        path += "/"
    who = Credential("identity")
    if source.get("CREDENTIAL"):
        known = catalog.external("credential", source["CREDENTIAL"])
        if known is None:
            raise missing("credential", source["CREDENTIAL"])
        who = credential_of(known.get("IDENTITY", ""), known.get("SECRET", ""))
    return Place(root.account, root.container, path), who, shape
