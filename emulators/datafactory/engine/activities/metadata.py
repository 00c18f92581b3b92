"""The GetMetadata activity: what is known of a file, a folder or a table, field by field."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from emulators.datafactory.engine.activities.base import RUNTIME, ActivityFailed, Call, Done
from emulators.datafactory.engine.activities.failing import connecting
from emulators.datafactory.engine.activities.requests import caller_of
from emulators.datafactory.engine.activities.service_fields import fields
from emulators.datafactory.engine.connections import blobs, files, sql_tables
from emulators.datafactory.engine.connections.blobs import Blob, Store
from emulators.datafactory.engine.connections.failing import ConnectionFailed
from emulators.datafactory.engine.connections.files import Tally
from emulators.datafactory.engine.connections.places import (
    Found,
    Place,
    missing,
    place_of,
    selection_of,
)
from emulators.datafactory.engine.connections.resolving import Dataset, dataset_of
from emulators.datafactory.engine.connections.tables import Batch, Column

FAILED = "2011"
OF_FILES = frozenset(
    {"exists", "itemname", "itemtype", "size", "created", "lastmodified", "contentmd5"}
)
OF_FOLDERS = frozenset({"exists", "itemname", "itemtype", "created", "lastmodified", "childitems"})
OF_TABLES = frozenset({"exists", "structure", "columncount"})
SHAPED = frozenset({"delimitedtext", "parquet"})
SPELLED = {
    name.lower(): name
    for name in (
        "exists", "itemName", "itemType", "size", "created", "lastModified", "childItems",
        "contentMD5", "structure", "columnCount",
    )
}  # fmt: skip


async def run(call: Call) -> Done:
    """Give the fields that are asked for, and no others.

    Source: learn.microsoft.com/azure/data-factory/control-flow-get-metadata-activity.

    Raises:
        ActivityFailed: what is asked about is not there, and `exists` was not asked for; or a
            field does not apply to it.
    """
    started = call.ctx.clock.monotonic()
    wanted = [str(one).lower() for one in call.value("fieldList") or []]
    unknown = [one for one in wanted if one not in SPELLED]
    if unknown or not wanted:
        raise ActivityFailed(
            "2104",
            f"The type of the property 'fieldList' is incorrect: {unknown or 'it is empty'}.",
        )
    with connecting(call, FAILED):
        dataset = dataset_of(call.published, call.activity.properties.get("dataset"), call.scope)
        found = await _found(call, dataset, wanted)
    output = {SPELLED[name]: value for name, value in found.items()}
    served = fields(call.ctx, started, "PipelineActivity", "DIUHours")
    seen = {"dataset": call.activity.properties.get("dataset"), "fieldList": wanted}
    return Done({**output, **served}, seen, (RUNTIME,))


async def _found(call: Call, dataset: Dataset, wanted: list[str]) -> dict[str, Any]:
    caller = caller_of(call)
    if sql_tables.is_sql(dataset.linked):
        columns = await sql_tables.columns(caller, dataset)
        _applicable(wanted, OF_TABLES, "a table")
        return _described(columns, wanted, f"The table of the dataset '{dataset.name}'")
    async with blobs.opened(caller, dataset.linked) as store:
        place = place_of(dataset)
        if place.file:
            return await _of_file(call, dataset, store, place, wanted)
        return await _of_folder(call, store, place, wanted)


def _described(columns: list[Column] | None, wanted: list[str], what: str) -> dict[str, Any]:
    if columns is None:
        if "exists" in wanted:
            return {"exists": False}
        raise ConnectionFailed("UserErrorTableNotExist", f"{what} does not exist.")
    structure = [{"name": column.name, "type": column.type} for column in columns]
    every = {"exists": True, "structure": structure, "columncount": len(columns)}
    return {name: every[name] for name in wanted}


def _applicable(wanted: list[str], known: frozenset[str], what: str) -> None:
    wrong = [SPELLED[name] for name in wanted if name not in known]
    if wrong:
        raise ConnectionFailed(
            "UserErrorUnsupportedMetadataField",
            f"The metadata field '{wrong[0]}' is not supported of {what}.",
        )


async def _of_file(
    call: Call, dataset: Dataset, store: Store, place: Place, wanted: list[str]
) -> dict[str, Any]:
    blob = await store.look(place.container, place.path)
    if blob is None or blob.folder:
        if "exists" in wanted:
            return {"exists": False}
        raise missing(store, place)
    shaped = OF_TABLES if dataset.kind in SHAPED else frozenset()
    _applicable(wanted, OF_FILES | shaped, f"a file of a {dataset.type} dataset")
    every = {**_facts(blob), "itemtype": "File", "itemname": place.file.rpartition("/")[2]}
    if {"structure", "columncount"} & set(wanted):
        settings = {"formatSettings": call.value("formatSettings") or {}}
        async with files.opened(caller_of(call), dataset, settings, Tally()) as source:
            columns = await _columns(source, Found(blob, place.file))
        every |= _described(columns, ["structure", "columncount"], place.path)
    return {name: every[name] for name in wanted}


async def _columns(source: files.Source, found: Found) -> list[Column]:
    async with aclosing(source.rows(found)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Batch) and piece.columns:
                return list(piece.columns)
    return []


def _facts(blob: Blob) -> dict[str, Any]:
    return {
        "exists": True,
        "size": blob.size_bytes,
        "created": _instant(blob.created),
        "lastmodified": _instant(blob.modified),
        "contentmd5": blob.md5,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _of_folder(call: Call, store: Store, place: Place, wanted: list[str]) -> dict[str, Any]:
    chosen = selection_of(call.value("storeSettings"))
    prefix = f"{place.folder}/" if place.folder else ""
    children, any_below = [], False
    if await store.has_container(place.container):
        any_below = not place.folder
        async for blob in store.listed(place.container, prefix, flat=False):
            any_below = True
            name = blob.name[len(prefix) :].rstrip("/")
            since, until = chosen.since, chosen.until
            outside = (
                not blob.folder
                and blob.modified is not None
                and (
                    (since is not None and blob.modified < since)
                    or (until is not None and blob.modified >= until)
                )
            )
            if name and not outside:
                children.append({"name": name, "type": "Folder" if blob.folder else "File"})
    itself = None
    if place.folder and not any_below:
        itself = await store.look(place.container, place.folder)
        any_below = itself is not None and itself.folder
    if not any_below:
        if "exists" in wanted:
            return {"exists": False}
        raise missing(store, place)
    of_virtual = OF_FOLDERS - {"created", "lastmodified"}
    _applicable(wanted, of_virtual, "a folder")
    every = {
        "exists": True,
        "itemtype": "Folder",
        "itemname": place.folder.rpartition("/")[2] or place.container,
        "childitems": children,
    }
    return {name: every[name] for name in wanted}
