"""The Lookup activity: the first row, or all rows, of a file or of a query."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

from emulators.datafactory.engine.activities.base import RUNTIME, ActivityFailed, Call, Done
from emulators.datafactory.engine.activities.failing import connecting
from emulators.datafactory.engine.activities.plain import plain
from emulators.datafactory.engine.activities.requests import caller_of
from emulators.datafactory.engine.activities.service_fields import fields
from emulators.datafactory.engine.connections import files, sql_tables
from emulators.datafactory.engine.connections.files import Tally
from emulators.datafactory.engine.connections.places import is_true
from emulators.datafactory.engine.connections.resolving import Dataset, dataset_of
from emulators.datafactory.engine.connections.tables import Batch, Piece
from emulators.datafactory.engine.connections.values import as_json

ROWS = 5000
SIZE_BYTES = 4 << 20
FAILED = "2100"


async def run(call: Call) -> Done:
    """Read rows; of more than 5,000 the first 5,000 are given.

    Source: learn.microsoft.com/azure/data-factory/control-flow-lookup-activity.

    Raises:
        ActivityFailed: the source cannot be read, or its rows are over 4 MB.
    """
    started = call.ctx.clock.monotonic()
    source = call.value("source") or {}
    only_first = call.value("firstRowOnly")
    only_first = True if only_first is None else is_true(only_first)
    decimals = is_true(call.value("treatDecimalAsString"))
    with connecting(call, FAILED):
        dataset = dataset_of(call.published, call.activity.properties.get("dataset"), call.scope)
        rows = await _taken(call, dataset, source, 1 if only_first else ROWS)
    shown = plain([as_json(row, decimals_as_text=decimals) for row in rows])
    if len(json.dumps(shown)) > SIZE_BYTES:
        raise ActivityFailed(
            FAILED, "The size of the Lookup activity's result is over its limit of 4 MB."
        )
    output: dict[str, Any] = {}
    if not only_first:
        output = {"count": len(shown), "value": shown}
    elif shown:
        output = {"firstRow": shown[0]}
    served = fields(call.ctx, started, "PipelineActivity", "DIUHours")
    seen = {"source": source, "dataset": call.activity.properties.get("dataset")}
    return Done({**output, **served}, {**seen, "firstRowOnly": only_first}, (RUNTIME,))


async def _taken(
    call: Call, dataset: Dataset, source: Mapping[str, Any], count: int
) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    async with pieces(call, dataset, source) as found:
        async for piece in found:
            rows += _as_objects(piece)
            if len(rows) >= count:
                break
    return rows[:count]


@asynccontextmanager
async def pieces(
    call: Call, dataset: Dataset, source: Mapping[str, Any]
) -> AsyncIterator[AsyncIterator[Piece]]:
    """The rows of a dataset, whatever is behind it.

    Raises:
        ConnectionFailed: it cannot be read.
        NotEmulated: a kind or a setting that is not honoured.
    """
    caller = caller_of(call)
    if sql_tables.is_sql(dataset.linked):
        async with sql_tables.rows(caller, dataset, source) as found:
            yield found
        return
    async with (
        files.opened(caller, dataset, source, Tally()) as opened,
        aclosing(opened.every_row()) as found,
    ):
        yield found


def _as_objects(piece: Piece) -> list[Mapping[str, Any]]:
    if not isinstance(piece, Batch):
        return list(piece.documents)
    names = [column.name for column in piece.columns]
    return [dict(zip(names, row, strict=True)) for row in piece.rows]
