"""The Copy activity: files to files, byte by byte or row by row, and rows of tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from emulators.datafactory.engine.activities.base import RUNTIME, Call, Done
from emulators.datafactory.engine.activities.failing import connecting
from emulators.datafactory.engine.activities.requests import caller_of
from emulators.datafactory.engine.activities.service_fields import billing, runtime
from emulators.datafactory.engine.connections import moving
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.files import Tally
from emulators.datafactory.engine.connections.moving import Job
from emulators.datafactory.engine.connections.places import is_true
from emulators.datafactory.engine.connections.resolving import Dataset, dataset_of
from emulators.kernel.context import Context

FAILED = "2200"
SWITCHES = ("enableStaging", "enableSkipIncompatibleRow")
REFUSED = (
    "redirectIncompatibleRowSettings", "skipErrorFile", "preserve", "preserveRules",
    "logStorageSettings", "logSettings",
)  # fmt: skip
UNITS = 4
"""Data integration units, as the service takes where none are asked for."""


async def run(call: Call) -> Done:
    """Copy; a file is written whole or not at all.

    Source: learn.microsoft.com/azure/data-factory/copy-activity-overview.

    Raises:
        ActivityFailed: something cannot be read or written, or what is asked for is not emulated.
    """
    ctx, began = call.ctx, call.ctx.clock.now()
    started = ctx.clock.monotonic()
    with connecting(call, FAILED):
        _check(call)
        source = dataset_of(call.published, _only(call.activity.inputs, "input"), call.scope)
        sink = dataset_of(call.published, _only(call.activity.outputs, "output"), call.scope)
        job = Job(
            caller_of(call),
            source,
            sink,
            call.value("source") or {},
            call.value("sink") or {},
            call.value("translator"),
        )
        tally = await moving.move(job)
    spent_s = ctx.clock.monotonic() - started
    verified = is_true(call.value("validateDataConsistency"))
    output = _output(ctx, job, tally, began, spent_s)
    result = "Verified" if verified else "NotVerified"
    output["dataConsistencyVerification"] = {"VerificationResult": result}
    output["durationInQueue"] = {"integrationRuntimeQueue": 0}
    seen = {"source": job.source, "sink": job.sink}
    return Done(output, seen, (RUNTIME,))


def _only(references: tuple[Mapping[str, Any], ...], word: str) -> Mapping[str, Any]:
    if len(references) != 1:
        raise ConnectionFailed(
            "UserErrorInvalidCopy", f"A copy has one {word}, this one has {len(references)}."
        )
    return references[0]


def _check(call: Call) -> None:
    for name in SWITCHES:
        if is_true(call.value(name)):
            raise NotEmulated(f"the copy setting '{name}'")
    for name in REFUSED:
        if call.value(name):
            raise NotEmulated(f"the copy setting '{name}'")


def _output(
    ctx: Context, job: Job, tally: Tally, began: datetime, spent_s: float
) -> dict[str, Any]:
    duration = max(1, round(spent_s))
    output: dict[str, Any] = {"dataRead": tally.bytes_read, "dataWritten": tally.bytes_written}
    if not job.source_is_sql:
        output["filesRead"] = tally.files_read
    if not job.sink_is_sql:
        output["filesWritten"] = tally.files_written
    output |= {"sourcePeakConnections": 1, "sinkPeakConnections": 1}
    if not job.is_binary:
        output |= {"rowsRead": tally.rows_read, "rowsCopied": tally.rows_written, "rowsSkipped": 0}
    profile = {
        "queue": {"status": "Completed", "duration": 0},
        "transfer": {"status": "Completed", "duration": duration},
    }
    details = {
        "source": {"type": _kind(job.source_set)},
        "sink": {"type": _kind(job.sink_set)},
        "status": "Succeeded",
        "start": began.isoformat(),
        "duration": duration,
        "usedDataIntegrationUnits": UNITS,
        "usedParallelCopies": 1,
        "profile": profile,
        "detailedDurations": {"queuingDuration": 0, "transferDuration": duration},
    }
    output |= {
        "copyDuration": duration,
        "throughput": round(tally.bytes_read / 1024 / duration, 3),
        "errors": [],
        "effectiveIntegrationRuntime": runtime(ctx),
        "usedDataIntegrationUnits": UNITS,
        "billingReference": billing("DataMovement", spent_s, "DIUHours", UNITS),
        "usedParallelCopies": 1,
        "executionDetails": [details],
    }
    return output


def _kind(dataset: Dataset) -> str:
    return dataset.linked.type
