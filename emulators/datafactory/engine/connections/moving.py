"""A copy's work: which file becomes which, what a row becomes, and how much was moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from emulators.datafactory.engine.connections import blobs, files, sql_tables, writing
from emulators.datafactory.engine.connections.blobs import Store
from emulators.datafactory.engine.connections.credentials import Caller
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.files import Source, Tally
from emulators.datafactory.engine.connections.formats import packing
from emulators.datafactory.engine.connections.mapping import Plan, Translator, translator_of
from emulators.datafactory.engine.connections.places import Found, Place, place_of
from emulators.datafactory.engine.connections.resolving import Dataset
from emulators.datafactory.engine.connections.tables import Batch, Piece

HIERARCHY, FLAT, MERGED = "preservehierarchy", "flattenhierarchy", "mergefiles"


@dataclass(frozen=True, slots=True)
class Job:
    """A copy as it is asked for; `source`, `sink` and `translator` are evaluated."""

    caller: Caller
    source_set: Dataset
    sink_set: Dataset
    source: Mapping[str, Any]
    sink: Mapping[str, Any]
    translator: Any = None

    @property
    def is_binary(self) -> bool:
        """Whether bytes are copied as they are."""
        return self.source_set.kind == "binary"

    @property
    def source_is_sql(self) -> bool:
        """Whether the source is a database."""
        return sql_tables.is_sql(self.source_set.linked)

    @property
    def sink_is_sql(self) -> bool:
        """Whether the sink is a database."""
        return sql_tables.is_sql(self.sink_set.linked)


async def move(job: Job) -> Tally:
    """Copy everything; what was moved.

    Raises:
        ConnectionFailed: something cannot be read or written.
        NotEmulated: a format or a setting that is not honoured.
    """
    if job.is_binary != (job.sink_set.kind == "binary"):
        raise ConnectionFailed(
            "UserErrorBinaryMismatch",
            "A Binary dataset can be copied only to a Binary dataset, and nothing else to one.",
        )
    tally = Tally()
    translator = translator_of(job.translator)
    if not job.sink_is_sql and not job.is_binary:
        writing.check_sink(job.sink_set, job.sink.get("formatSettings") or {})
    async with _sink(job, tally, translator) as sink:
        if job.source_is_sql:
            source_set = job.source_set
            async with sql_tables.rows(job.caller, source_set, job.source) as pieces:
                await sink.all_rows(_counted(pieces, tally))
        else:
            opened = files.opened(job.caller, job.source_set, job.source, tally)
            async with opened as source:
                await _from_files(job, source, sink)
    return tally


async def _counted(pieces: AsyncIterator[Piece], tally: Tally) -> AsyncIterator[Piece]:
    async for piece in pieces:
        if isinstance(piece, Batch):
            tally.rows_read += len(piece.rows)
        yield piece


async def _from_files(job: Job, source: Source, sink: Sink) -> None:
    behaviour = str((job.sink.get("storeSettings") or job.sink).get("copyBehavior") or HIERARCHY)
    behaviour = behaviour.lower()
    if behaviour not in (HIERARCHY, FLAT, MERGED):
        raise NotEmulated(f"the copy behaviour '{behaviour}'")
    if sink.store is None:
        await sink.all_rows(source.every_row())
        return
    if behaviour == MERGED:
        if job.is_binary:
            await sink.file_of(_every_byte(source), sink.name_of(None))
        else:
            await sink.all_rows(source.every_row())
        return
    count = 0
    async for found in source.files():
        count += 1
        if count > 1 and sink.place.file:
            raise NotEmulated("copying several files to one that is named, unless they are merged")
        name = sink.name_of(None if behaviour == FLAT else found, source)
        if job.is_binary:
            async with source.read(found) as chunks:
                await sink.file_of(_repacked(job, chunks), name)
        else:
            await sink.rows_of(source.rows(found), name)
        if source.delete_after and source.store is not None:
            await source.store.delete(source.place.container, found.blob.name)


async def _every_byte(source: Source) -> AsyncIterator[bytes]:
    async for found in source.files():
        async with source.read(found) as chunks:
            async for chunk in chunks:
                yield chunk


def _repacked(job: Job, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Bytes unpacked where only the source is compressed, packed where only the sink is."""
    was = packing.codec_of(job.source_set.properties)
    becomes = packing.codec_of(job.sink_set.properties)
    if was == becomes:
        return chunks
    fastest = packing.is_fastest(job.sink_set.properties)
    return packing.packed(packing.unpacked(chunks, was), becomes, fastest=fastest)


class Sink:
    """Where a copy writes: a folder of a storage account, or a table. Made by `_sink`."""

    def __init__(
        self, job: Job, store: Store | None, place: Place, tally: Tally, translator: Translator
    ) -> None:
        self.job, self.store, self.place = job, store, place
        self._tally, self._translator = tally, translator

    async def all_rows(self, pieces: AsyncIterator[Piece]) -> None:
        """Write rows to the table, or to one file."""
        if self.store is not None:
            await self.rows_of(pieces, self.name_of(None))
            return
        planned = self._planned(pieces)
        job = self.job
        await sql_tables.write(job.caller, job.sink_set, job.sink, planned)

    async def rows_of(self, pieces: AsyncIterator[Piece], name: str) -> None:
        """Write rows to the file `name` of the sink's folder."""
        settings = self.job.sink.get("formatSettings") or {}
        chunks = writing.bytes_of(self._planned(pieces), self.job.sink_set, settings)
        await self.file_of(chunks, name)

    async def file_of(self, chunks: AsyncIterator[bytes], name: str) -> None:
        """Write bytes to the file `name` of the sink's folder."""
        assert self.store is not None
        given = (self.job.sink.get("storeSettings") or {}).get("metadata") or []
        metadata = {str(one["name"]): str(one.get("value", "")) for one in given}
        self._tally.bytes_written += await self.store.write(
            self.place.container,
            self.place.inside(name),
            chunks,
            media=writing.media_of(self.job.sink_set),
            metadata=metadata,
        )
        self._tally.files_written += 1

    def name_of(self, found: Found | None, source: Source | None = None) -> str:
        """The name in the sink's folder for a file that is kept by name; None makes one up."""
        if self.place.file:
            return self.place.file
        job, ids = self.job, self.job.caller.ctx.ids
        if job.is_binary:
            made = f"data_{ids.guid()}_{ids.guid()}" if found is None else found.relative
            return _repacked_name(job, made)
        settings = job.sink.get("formatSettings") or {}
        ending = str(settings.get("fileExtension") or writing.ENDINGS.get(job.sink_set.kind, ""))
        if job.sink_set.kind != "parquet":
            ending += packing.ENDINGS.get(packing.codec_of(job.sink_set.properties), "")
        if found is None:
            return f"data_{ids.guid()}_{ids.guid()}{ending}"
        folder, slash, name = found.relative.rpartition("/")
        if (
            source is not None
            and source.dataset.kind == job.sink_set.kind
            and not (settings.get("fileExtension"))
        ):
            return found.relative
        return f"{folder}{slash}{name.partition('.')[0]}{ending}"

    async def _planned(self, pieces: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
        """The rows as they are written; they are counted."""
        plan = Plan(self._translator, documents=self.job.sink_set.kind == "json")
        async for piece in pieces:
            made = plan.apply(piece)
            rows = made.rows if isinstance(made, Batch) else made.documents
            self._tally.rows_written += len(rows)
            yield made


def _repacked_name(job: Job, name: str) -> str:
    was = packing.ENDINGS.get(packing.codec_of(job.source_set.properties), "")
    becomes = packing.ENDINGS.get(packing.codec_of(job.sink_set.properties), "")
    return name if was == becomes else f"{name.removesuffix(was)}{becomes}"


@asynccontextmanager
async def _sink(job: Job, tally: Tally, translator: Translator) -> AsyncIterator[Sink]:
    if job.sink_is_sql:
        sql_tables.check_sink(job.sink)
        yield Sink(job, None, Place(""), tally, translator)
        return
    if job.sink_set.linked.kind == "httpserver":
        raise NotEmulated("writing over HTTP, which Azure cannot either")
    async with blobs.opened(job.caller, job.sink_set.linked) as store:
        yield Sink(job, store, place_of(job.sink_set), tally, translator)
