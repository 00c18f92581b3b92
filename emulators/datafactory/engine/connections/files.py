"""Files of a storage account or behind a URL, as an activity's source selects them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from emulators.datafactory.engine.connections import blobs, credentials
from emulators.datafactory.engine.connections.blobs import Blob, Store
from emulators.datafactory.engine.connections.credentials import Caller
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.places import (
    Found,
    Place,
    is_true,
    place_of,
    select,
    selection_of,
)
from emulators.datafactory.engine.connections.resolving import Dataset
from emulators.datafactory.engine.connections.tables import Batch, Column, Piece, pieces_of
from emulators.kernel import outward

HTTP_TIMEOUT_S = 100.0


@dataclass(slots=True)
class Tally:
    """What has been read and written so far."""

    bytes_read: int = 0
    files_read: int = 0
    rows_read: int = 0
    bytes_written: int = 0
    files_written: int = 0
    rows_written: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """The files that an activity reads, and how to read one."""

    dataset: Dataset
    settings: Mapping[str, Any]  # the activity's `source`, evaluated
    store: Store | None  # None: behind a URL
    caller: Caller
    place: Place
    tally: Tally

    @property
    def is_wild(self) -> bool:
        """Whether several files may be meant by names with wildcards."""
        return selection_of(self._store_settings).is_wild

    @property
    def delete_after(self) -> bool:
        """Whether a file goes once it is copied."""
        return selection_of(self._store_settings).delete_after

    @property
    def _store_settings(self) -> Mapping[str, Any]:
        found = self.settings.get("storeSettings")
        if found is None and "recursive" in self.settings:
            return {"recursive": self.settings["recursive"]}  # as older sources say it
        return found or {}

    async def files(self) -> AsyncIterator[Found]:
        """The files that are meant.

        Raises:
            ConnectionFailed: one that is named is not there.
        """
        if self.store is None:
            name = self.place.file or "data"
            yield Found(Blob(name), name)
            return
        async for found in select(self.store, self.place, selection_of(self._store_settings)):
            yield found

    @asynccontextmanager
    async def read(self, found: Found) -> AsyncIterator[AsyncIterator[bytes]]:
        """A file's bytes; they are counted.

        Raises:
            ConnectionFailed: it cannot be read.
        """
        self.tally.files_read += 1
        async with self._bytes(found) as chunks:
            yield self._counted(chunks)

    def _bytes(self, found: Found) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        if self.store is None:
            return _over_http(self.caller, self.dataset, self._store_settings)
        return self.store.read(self.place.container, found.blob.name)

    async def _counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self.tally.bytes_read += len(chunk)
            yield chunk

    async def rows(self, found: Found) -> AsyncGenerator[Piece]:
        """A file's rows, with the columns that the source adds; they are counted.

        Raises:
            ConnectionFailed: it is not of the dataset's format.
        """
        format_settings = self.settings.get("formatSettings") or {}
        added = additional_columns(self.settings)
        name = found.blob.name
        async with (
            self.read(found) as chunks,
            aclosing(pieces_of(chunks, self.dataset, format_settings, name)) as pieces,
        ):
            async for piece in pieces:
                if isinstance(piece, Batch):
                    self.tally.rows_read += len(piece.rows)
                    yield with_columns(piece, added, name)
                else:
                    self.tally.rows_read += len(piece.documents)
                    yield piece

    async def every_row(self) -> AsyncGenerator[Piece]:
        """The rows of all files, one file after another."""
        async for found in self.files():
            async with aclosing(self.rows(found)) as pieces:
                async for piece in pieces:
                    yield piece


@asynccontextmanager
async def opened(
    caller: Caller, dataset: Dataset, settings: Mapping[str, Any], tally: Tally
) -> AsyncIterator[Source]:
    """A source of files.

    Raises:
        ConnectionFailed: the store cannot be reached as its linked service says.
        NotEmulated: a setting that is not honoured.
    """
    store_settings = settings.get("storeSettings") or {}
    if dataset.linked.kind == "httpserver":
        yield Source(dataset, settings, None, caller, place_of(dataset), tally)
        return
    selection_of(store_settings)
    async with blobs.opened(caller, dataset.linked) as store:
        yield Source(dataset, settings, store, caller, place_of(dataset), tally)


def additional_columns(settings: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """`additionalColumns` of a source: names and values, evaluated."""
    found = settings.get("additionalColumns") or []
    return tuple((str(one.get("name")), one.get("value")) for one in found)


def with_columns(batch: Batch, added: tuple[tuple[str, Any], ...], path: str) -> Batch:
    """The batch with columns added: a text, the file's path, or a copy of another column."""
    if not added:
        return batch
    names = [column.name for column in batch.columns]
    columns = list(batch.columns)
    takers: list[tuple[int | None, Any]] = []
    for name, value in added:
        if isinstance(value, str) and value.startswith("$$COLUMN:"):
            other = value.removeprefix("$$COLUMN:")
            if other not in names:
                raise ConnectionFailed(
                    "UserErrorInvalidAdditionalColumn", f"There is no column '{other}' to copy."
                )
            at = names.index(other)
            columns.append(Column(name, batch.columns[at].type))
            takers.append((at, None))
        else:
            columns.append(Column(name))
            takers.append((None, path if value == "$$FILEPATH" else value))
    rows = [
        [*row, *(fixed if at is None else row[at] for at, fixed in takers)] for row in batch.rows
    ]
    return Batch(tuple(columns), rows)


@asynccontextmanager
async def _over_http(
    caller: Caller, dataset: Dataset, settings: Mapping[str, Any]
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes behind an HttpServer linked service."""
    linked = dataset.linked
    inner = caller.within(linked.scope)
    base = str(linked.get("url") or "")
    location = dataset.get("location") or {}
    url = urljoin(base, str(location.get("relativeUrl") or dataset.get("relativeUrl") or ""))
    headers = {}
    for line in str(settings.get("additionalHeaders") or "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    for name, value in (linked.get("authHeaders") or {}).items():
        headers[str(name)] = await credentials.reveal(inner, value)
    kind = str(linked.get("authenticationType") or "Anonymous").lower()
    if kind == "basic":
        user = await credentials.reveal(inner, linked.get("userName"))
        secret = await credentials.reveal(inner, linked.get("password"))
        headers["Authorization"] = "Basic " + b64encode(f"{user}:{secret}".encode()).decode()
    elif kind != "anonymous":
        raise NotEmulated(f"HttpServer authentication of type '{linked.get('authenticationType')}'")
    method = str(settings.get("requestMethod") or "GET").upper()
    body = settings.get("requestBody")
    verify = linked.get("enableServerCertificateValidation")
    verify = verify is None or is_true(verify)
    try:
        async with (
            outward.client_for(caller.ctx, url, timeout_s=HTTP_TIMEOUT_S, verify=verify) as http,
            http.stream(method, url, headers=headers, content=str(body) if body else None) as got,
        ):
            if got.status_code >= 300:
                raise ConnectionFailed(
                    "HttpFileFailedToRead",
                    f"Failed to read data from http server: {got.status_code} of '{url}'.",
                )
            yield got.aiter_bytes()
    except outward.FAILURES as failed:
        raise ConnectionFailed(
            "HttpFileFailedToRead", f"Failed to read data from http server '{url}': {failed}"
        ) from failed
