"""Stored procedures of a database, and of a dedicated SQL pool of the workspace."""

from __future__ import annotations

from emulators.datafactory.engine.activities.base import RUNTIME, ActivityFailed, Call, Done
from emulators.datafactory.engine.activities.failing import connecting
from emulators.datafactory.engine.activities.requests import caller_of, text_value
from emulators.datafactory.engine.activities.service_fields import fields
from emulators.datafactory.engine.connections import sql, sql_tables
from emulators.datafactory.engine.connections.credentials import masked
from emulators.datafactory.engine.connections.resolving import (
    LinkedService,
    linked_service_of,
    pool_of,
)
from emulators.datafactory.engine.connections.sql import SqlFailed

FAILED = "2402"


async def run_linked(call: Call) -> Done:
    """Call a procedure of the linked service's database; its results are dropped.

    Source: learn.microsoft.com/azure/data-factory/transform-data-using-stored-procedure.

    Raises:
        ActivityFailed: the database refuses.
    """
    with connecting(call, FAILED):
        linked = linked_service_of(call.published, call.activity.linked_service, call.scope)
    return await _run(call, linked)


async def run_pool(call: Call) -> Done:
    """Call a procedure of the workspace's SQL pool that the activity names.

    Raises:
        ActivityFailed: no pool is named, or the database refuses.
    """
    pool = call.activity.raw.get("sqlPool") or call.activity.properties.get("sqlPool") or {}
    with connecting(call, FAILED):
        linked = pool_of(pool, call.scope)
    return await _run(call, linked)


async def _run(call: Call, linked: LinkedService) -> Done:
    started = call.ctx.clock.monotonic()
    name = text_value(call, "storedProcedureName")
    given = call.value("storedProcedureParameters") or {}
    with connecting(call, FAILED):
        values = sql_tables.parameters_of(given)
        async with sql.opened(caller_of(call), linked) as database:
            try:
                text = sql_tables.call_text(name, values)
                await database.run(text, tuple(values.values()), limit=1)
            except SqlFailed as failed:
                raise ActivityFailed(
                    FAILED,
                    f"Execution failed against SQL Server. SQL error number:"
                    f" {failed.number or 0}. Error Message: {failed.said}",
                ) from failed
    seen = {"storedProcedureName": name, "storedProcedureParameters": masked(given)}
    served = fields(call.ctx, started, "ExternalActivity")
    return Done(served, seen, (RUNTIME,))
