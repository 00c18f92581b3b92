"""The Script activity: batches of SQL, one after another, their results in the output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from emulators.datafactory.engine.activities.base import RUNTIME, ActivityFailed, Call, Done
from emulators.datafactory.engine.activities.catalogue import not_emulated
from emulators.datafactory.engine.activities.failing import connecting
from emulators.datafactory.engine.activities.plain import plain
from emulators.datafactory.engine.activities.requests import caller_of
from emulators.datafactory.engine.activities.service_fields import fields
from emulators.datafactory.engine.connections import sql, sql_tables
from emulators.datafactory.engine.connections.resolving import linked_service_of
from emulators.datafactory.engine.connections.sql import Database, Result, SqlFailed
from emulators.datafactory.engine.connections.values import as_json
from emulators.datafactory.engine.definitions import seconds_of

FAILED = "2011"
ROWS = 5000
SIZE_BYTES = 4 << 20
TIMEOUT_S = 7200.0


async def run(call: Call) -> Done:
    """Run every script in one session; of each result 5,000 rows are given, 4 MB in all.

    Source: learn.microsoft.com/azure/data-factory/transform-data-using-script.

    Raises:
        ActivityFailed: the database refuses one, or something that is not emulated is asked for.
    """
    started = call.ctx.clock.monotonic()
    scripts = call.value("scripts") or []
    if call.value("logSettings"):
        raise not_emulated(call, "the logs of Script activities")
    results: list[Result] = []
    with connecting(call, FAILED):
        linked = linked_service_of(call.published, call.activity.linked_service, call.scope)
        timeout_s = _timeout(call)
        async with sql.opened(caller_of(call), linked, timeout_s=timeout_s) as database:
            for script in scripts:
                results += await _run(call, database, script)
    served = fields(call.ctx, started, "ExternalActivity")
    return Done({**_output(results), **served}, {"scripts": scripts}, (RUNTIME,))


def _timeout(call: Call) -> float:
    given = call.value("scriptBlockExecutionTimeout")
    try:
        return seconds_of(given) if given else TIMEOUT_S
    except ValueError:
        raise ActivityFailed(
            "2104", "The type of the property 'scriptBlockExecutionTimeout' is incorrect."
        ) from None


async def _run(call: Call, database: Database, script: Mapping[str, Any]) -> list[Result]:
    kind = str(script.get("type") or "Query").lower()
    text, values = str(script.get("text") or ""), dict[str, Any]()
    for one in script.get("parameters") or []:
        if str(one.get("direction") or "Input").lower() != "input":
            raise not_emulated(call, "output parameters of Script activities")
        name = str(one.get("name")).lstrip("@")
        values[name] = sql_tables.typed(one.get("value"), str(one.get("type") or ""), name)
    try:
        found = await _executed(database, text, values)
    except SqlFailed as failed:
        raise ActivityFailed(FAILED, failed.said) from failed
    if kind == "query":
        return found
    return [Result((), [], one.affected) for one in found if not one.columns]


async def _executed(database: Database, text: str, values: Mapping[str, Any]) -> list[Result]:
    """A batch whose parameters are `@name`: as the service does, through sp_executesql."""
    if not values:
        return await database.run(text, limit=ROWS)
    declared = ", ".join(f"@{name} {_declared(value)}" for name, value in values.items())
    given = ", ".join(f"@{name} = %s" for name in values)
    batch = f"EXEC sp_executesql %s, %s, {given}"
    return await database.run(batch, (text, declared, *values.values()), limit=ROWS)


def _declared(value: Any) -> str:
    kinds = {bool: "bit", int: "bigint", float: "float", bytes: "varbinary(8000)"}
    return kinds.get(type(value), "nvarchar(4000)")


def _output(results: list[Result]) -> dict[str, Any]:
    sets: list[dict[str, Any]] = []
    size, truncated = 0, False
    for result in results:
        if not result.columns:
            continue
        names = [column.name for column in result.columns]
        rows: list[Any] = []
        for row in result.rows:
            shown = plain(as_json(dict(zip(names, row, strict=True))))
            size += len(json.dumps(shown))
            if size > SIZE_BYTES:
                truncated = True
                break
            rows.append(shown)
        sets.append({"rowCount": len(rows), "rows": rows})
    output: dict[str, Any] = {
        "resultSetCount": len(sets),
        "recordsAffected": sum(max(0, one.affected) for one in results if not one.columns),
        "resultSets": sets,
        "outputParameters": {},
        "outputLogs": "",
        "outputLogsLocation": "",
    }
    return {**output, "outputTruncated": truncated}
