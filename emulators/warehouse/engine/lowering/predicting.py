"""PREDICT in a FROM clause: what it reads, checked and scored when the statement runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Column
from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.kinds import BINARIES, VARBINARY_MAX, Typed
from emulators.warehouse.engine.lowering.scopes import Field, Origin, Scope
from emulators.warehouse.engine.predict import failures, scoring
from emulators.warehouse.engine.predict.models import Models
from emulators.warehouse.errors import SqlError, refused, syntax

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.lowering.sources import Sources

MODELS = Models()
"""Sessions of this process; a model is the same in every database."""

FETCH = 32_768
"""Rows fetched at once; scoring cuts them smaller."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One PREDICT: `relation` is the name under which the statement selects its rows.

    `model` and `data` are queries of their own; those of `data` are called c1, c2, …
    """

    relation: str
    alias: str
    model: str
    data: str
    columns: tuple[Column, ...]
    wanted: tuple[Column, ...]
    whole: bool  # the rows may be read more than once, so they are kept

    def used(self, sql: str) -> frozenset[int]:
        """Which of DATA's columns (from 0) the statement itself reads."""
        found = re.findall(rf"\b{self.alias}\.d(\d+)\b", sql)
        return frozenset(int(at) - 1 for at in found)


def source(sources: Sources, asked: tree.Predict, scope: Scope) -> str:
    """The source, whose columns go by DATA's alias and by PREDICT's.

    Raises:
        SqlError: RUNTIME is missing or another one, MODEL is no varbinary.
    """
    lowering = sources.lowering
    if asked.runtime.upper() not in ("ONNX", ""):
        raise refused(f"PREDICT with RUNTIME = {asked.runtime}", asked.line)
    if not asked.runtime and lowering.env.flavor == "synapse":
        raise syntax(")", asked.line)
    inner = Scope(commons=_commons(scope))
    data = sources.source(asked.data, inner)
    if len(inner.origins) != 1:
        raise refused("PREDICT over a join: name it in a common table expression", asked.line)
    (origin,) = inner.origins
    model = lowering.binder.value(asked.model, Scope(commons=inner.commons))
    if model.type.name not in BINARIES:
        text = f"Operand type clash: {model.type.name} is incompatible with varbinary(max)"
        raise SqlError(206, 16, 2, text, asked.line)
    own, relation = lowering.alias(), lowering.alias("rehearsal_predict_")
    columns = tuple(Column(one.name, one.value.type, one.value.nullable) for one in origin.fields)
    items = ", ".join(f"{one.value.sql} AS c{at}" for at, one in enumerate(origin.fields, 1))
    prefix = _with(inner.commons)
    wanted = tuple(Column(name, kind, nullable) for name, kind, nullable in asked.columns)
    lowering.predictions.append(
        Prediction(
            relation,
            own,
            f"{prefix}SELECT {convert(model, VARBINARY_MAX).sql}",
            f"{prefix}SELECT {items} FROM {data}",
            columns,
            wanted,
            lowering.common_depth > 0,
        )
    )
    given = tuple(
        Field(one.name, Typed(f"{own}.d{at}", one.value.type, one.value.nullable))
        for at, one in enumerate(origin.fields, 1)
    )
    made = tuple(
        Field(one.name, Typed(f"{own}.p{at}", one.type)) for at, one in enumerate(wanted, 1)
    )
    scope.add(Origin(origin.alias, given))
    scope.add(Origin(asked.alias, made))
    return f"{relation} AS {own}"


def _commons(scope: Scope | None) -> dict[str, Any]:
    """Every common table expression that can be seen, the inner ones over the outer."""
    if scope is None:
        return {}
    return {**_commons(scope.outer), **scope.commons}


def _with(commons: Mapping[str, Any]) -> str:
    written = ", ".join(f"{one.sql} AS ({one.definition})" for one in commons.values())
    return f"WITH {written} " if written else ""


class Running:
    """The predictions of one run of a statement: made readable, and taken away after it."""

    def __init__(
        self,
        con: DuckDBPyConnection,
        predictions: tuple[Prediction, ...],
        sql: str,
        *,
        alone: bool,
    ) -> None:
        self._con, self._predictions, self._sql, self._alone = con, predictions, sql, alone
        self._cursors: list[DuckDBPyConnection] = []
        self.failure: SqlError | None = None

    def begin(self, parameters: Mapping[str, Any]) -> None:
        """Check every model against its data, and register what will be read.

        Raises:
            SqlError: as `Models.get` and `scoring.prepare`.
        """
        for one in self._predictions:
            self._begin(one, parameters)

    def _begin(self, one: Prediction, parameters: Mapping[str, Any]) -> None:
        import pyarrow as pa

        found = self._con.execute(one.model, _used(one.model, parameters)).fetchall()
        content = found[0][0] if found else None
        if content is None:
            raise failures.corrupt()
        work = scoring.prepare(MODELS.get(bytes(content)), one.columns, one.wanted)
        needed = sorted(one.used(self._sql) | {at for at, _ in work.feeds})
        place = {at: position for position, at in enumerate(needed)}
        narrow = scoring.Scoring(
            work.model, tuple((place[at], given) for at, given in work.feeds), work.outputs
        )
        fields = [pa.field(f"d{at + 1}", one.columns[at].type.arrow) for at in needed]
        fields += [pa.field(f"p{n}", c.type.arrow) for n, c in enumerate(one.wanted, 1)]
        listed = ", ".join(f"c{at + 1} AS d{at + 1}" for at in needed) or "1 AS nothing"
        batches = self._batches(f"SELECT {listed} FROM ({one.data})", parameters, one.whole)
        schema = pa.schema(fields)
        scored = self._guarded(scoring.score(narrow, batches), schema)
        if one.whole or not self._alone:
            self._con.register(one.relation, pa.Table.from_batches(list(scored), schema))
        else:
            self._con.register(one.relation, pa.RecordBatchReader.from_batches(schema, scored))

    def _batches(
        self, sql: str, parameters: Mapping[str, Any], whole: bool
    ) -> Iterator[pa.RecordBatch]:
        """DATA's rows. A running reader keeps its connection busy, so it has one of its own,
        which does not see what the open transaction wrote: then the rows are read before."""
        given = _used(sql, parameters)
        if self._alone and not whole:
            cursor = self._con.cursor()
            self._cursors.append(cursor)
            return iter(cursor.sql(sql, params=given or None).to_arrow_reader(FETCH))
        table = self._con.sql(sql, params=given or None).to_arrow_table()
        return iter(table.to_batches(max_chunksize=FETCH))

    def _guarded(
        self, batches: Iterator[pa.RecordBatch], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """Batches under the relation's names; what fails is kept, as DuckDB tells it otherwise."""
        import pyarrow as pa

        try:
            for batch in batches:
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        except SqlError as failure:
            self.failure = failure
            raise

    def end(self) -> None:
        """Forget the relations."""
        import duckdb

        for one in self._predictions:
            try:
                self._con.unregister(one.relation)
            except duckdb.Error:
                continue  # a failed transaction has forgotten it already
        for cursor in self._cursors:
            cursor.close()


def _used(sql: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters a query has; DuckDB refuses others."""
    return {name: value for name, value in parameters.items() if re.search(rf"\${name}\b", sql)}
