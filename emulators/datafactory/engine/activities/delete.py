"""The Delete activity: files of a folder, or those that match."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from emulators.datafactory.engine.activities.base import RUNTIME, Call, Done
from emulators.datafactory.engine.activities.failing import connecting
from emulators.datafactory.engine.activities.requests import caller_of
from emulators.datafactory.engine.activities.service_fields import runtime
from emulators.datafactory.engine.connections import blobs
from emulators.datafactory.engine.connections.blobs import Store
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.places import (
    Place,
    Selection,
    is_true,
    place_of,
    select,
    selection_of,
)
from emulators.datafactory.engine.connections.resolving import dataset_of, linked_service_of

FAILED = "3704"


async def run(call: Call) -> Done:
    """Delete, and write down what was deleted where `enableLogging` asks for it.

    Source: learn.microsoft.com/azure/data-factory/delete-activity.
    Assumed: a file or folder that is named and not there fails, as reading it would.

    Raises:
        ActivityFailed: something cannot be deleted, or is not there.
    """
    ctx, started = call.ctx, call.ctx.clock.monotonic()
    settings = {"recursive": call.value("recursive"), **(call.value("storeSettings") or {})}
    with connecting(call, FAILED):
        wanted = selection_of(settings)
        dataset = dataset_of(call.published, call.activity.properties.get("dataset"), call.scope)
        if dataset.linked.kind == "httpserver":
            raise NotEmulated("deleting over HTTP, which Azure cannot either")
        place = place_of(dataset)
        async with blobs.opened(caller_of(call), dataset.linked) as store:
            names = await _delete(store, place, wanted)
        log = await _log(call, names) if is_true(call.value("enableLogging")) else None
    output: dict[str, Any] = {
        "datasetName": dataset.name,
        "type": dataset.linked.type,
        "container": place.container,
        "prefix": wanted.prefix or place.path,
        "recursive": wanted.recursive,
        "isWildcardUsed": bool(wanted.wildcard_file or wanted.wildcard_folder),
        "maxConcurrentConnections": int(settings.get("maxConcurrentConnections") or 1),
        "filesDeleted": len(names),
    }
    if log is not None:
        output["logPath"] = log
    output["effectiveIntegrationRuntime"] = runtime(ctx)
    output["executionDuration"] = int(ctx.clock.monotonic() - started)
    return Done(output, {"dataset": call.activity.properties.get("dataset")}, (RUNTIME,))


async def _delete(store: Store, place: Place, wanted: Selection) -> list[str]:
    names = [found.blob.name async for found in select(store, place, wanted)]
    for name in names:
        await store.delete(place.container, name)
    if wanted.recursive and not wanted.is_wild and not place.file and place.folder:
        prefix = f"{place.folder}/"
        listed = store.listed(place.container, prefix)
        folders = [blob.name async for blob in listed if blob.folder or blob.name.endswith("/")]
        for folder in sorted(folders, reverse=True):  # of a Data Lake: they are things there
            await store.delete(place.container, folder)
        itself = await store.look(place.container, place.folder)
        if itself is not None and itself.folder:
            await store.delete(place.container, place.folder)
    return names


async def _log(call: Call, names: list[str]) -> str:
    """Write the log where `logStorageSettings` says; its URL."""
    settings = call.activity.properties.get("logStorageSettings") or {}
    linked = linked_service_of(call.published, settings.get("linkedServiceName"), call.scope)
    path = str((call.value("logStorageSettings") or {}).get("path") or "").strip("/")
    container, _, folder = path.partition("/")
    if not container:
        raise ConnectionFailed(
            "UserErrorMissingLogPath", "logStorageSettings names no path for the log."
        )
    name = "/".join(part for part in (folder, call.id, f"{call.activity.name}.csv") if part)
    rows = "".join(f"{one},File,Deleted,\r\n" for one in names)

    async def text() -> AsyncIterator[bytes]:
        yield f"Name,Category,Status,Error\r\n{rows}".encode()

    async with blobs.opened(caller_of(call), linked) as store:
        await store.write(container, name, text(), media="text/csv")
        host = urlsplit(store.endpoint).netloc
    return f"https://{host}/{container}/{name}"
