"""The Validation activity: it waits until a file or a folder is as wanted."""

from __future__ import annotations

from typing import Any

from emulators.datafactory.engine.activities.base import RUNTIME, ActivityFailed, Call, Done
from emulators.datafactory.engine.activities.failing import connecting
from emulators.datafactory.engine.activities.metadata import FAILED
from emulators.datafactory.engine.activities.requests import caller_of
from emulators.datafactory.engine.activities.service_fields import fields
from emulators.datafactory.engine.connections import blobs
from emulators.datafactory.engine.connections.blobs import Store
from emulators.datafactory.engine.connections.places import Place, is_true, place_of
from emulators.datafactory.engine.connections.resolving import dataset_of
from emulators.datafactory.engine.definitions import seconds_of

TIMEOUT_S = 12 * 3600.0
SLEEP_S = 10.0


async def run(call: Call) -> Done:
    """Look again and again, until it is there, or the time is over.

    Source: learn.microsoft.com/azure/data-factory/control-flow-validation-activity.

    Raises:
        ActivityFailed: the time is over, or the dataset cannot be looked at.
    """
    started = call.ctx.clock.monotonic()
    limit_s = _timeout(call)
    pause_s = float(call.value("sleep") or SLEEP_S)
    minimum = int(call.value("minimumSize") or 0)
    children = call.value("childItems")
    with connecting(call, FAILED):
        dataset = dataset_of(call.published, call.activity.properties.get("dataset"), call.scope)
        place = place_of(dataset)
        while True:
            async with blobs.opened(caller_of(call), dataset.linked) as store:
                found = (
                    await _file(store, place, minimum)
                    if place.file
                    else await _folder(
                        store, place, None if children is None else is_true(children)
                    )
                )
            if found is not None:
                break
            left_s = limit_s - (call.ctx.clock.monotonic() - started)
            if left_s <= 0:
                raise ActivityFailed(
                    "ActivityTimeout", "The validation timed out: the dataset is not as wanted."
                )
            await call.ctx.clock.sleep(min(pause_s, left_s))
    served = fields(call.ctx, started, "PipelineActivity")
    seen = {"dataset": call.activity.properties.get("dataset"), "minimumSize": minimum}
    return Done({**found, **served}, seen, (RUNTIME,))


def _timeout(call: Call) -> float:
    given = call.value("timeout")
    if given is None:
        return TIMEOUT_S
    try:
        return seconds_of(given)
    except ValueError:
        raise ActivityFailed("2104", "The type of the property 'timeout' is incorrect.") from None


async def _file(store: Store, place: Place, minimum: int) -> dict[str, Any] | None:
    blob = await store.look(place.container, place.path)
    if blob is None or blob.folder or blob.size_bytes < minimum:
        return None
    assert blob.modified is not None
    return {
        "exists": True,
        "itemName": place.file,
        "itemType": "File",
        "lastModified": blob.modified.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "size": blob.size_bytes,
    }


async def _folder(store: Store, place: Place, filled: bool | None) -> dict[str, Any] | None:
    """Facts of a folder; `filled` says whether it must have files, or must have none."""
    if not await store.has_container(place.container):
        return None
    prefix = f"{place.folder}/" if place.folder else ""
    children = [
        {"name": name, "type": "Folder" if blob.folder else "File"}
        async for blob in store.listed(place.container, prefix, flat=False)
        if (name := blob.name[len(prefix) :].rstrip("/"))
    ]
    if place.folder and not children:
        itself = await store.look(place.container, place.folder)
        if itself is None or not itself.folder:
            return None
    if filled is not None and filled != bool(children):
        return None
    name = place.folder.rpartition("/")[2] or place.container
    output: dict[str, Any] = {"exists": True, "itemName": name, "itemType": "Folder"}
    return output if filled is None else {**output, "childItems": children}
