"""Files of storage accounts, over the storage service's own wire: list, read, fetch, send."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote
from xml.etree import ElementTree

from emulators.kernel.context import Context
from emulators.machinelearning.errors import PathNotFound, StorageFailed

T = TypeVar("T")
Http = Any  # the client that peers hand out; the engine does not know its library

API_VERSION = "2023-11-03"
PARALLEL = 8
SINGLE_PUT_BYTES = 8 << 20
BLOCK_BYTES = 4 << 20
PIECE_BYTES = 256 << 10
"""Bytes of a block that are in memory at a time."""
PAGE = 5000
TIMEOUT_S = 600.0
NOT_HELD = 501
"""What the storage service answers for an account that it does not hold, to a credential."""


@dataclass(frozen=True, slots=True)
class DatastorePath:
    """A place in a storage account: a blob, or every blob below `path` when it is a folder."""

    account: str
    container: str
    path: str = ""  # no leading slash; a folder may end in one

    @property
    def url(self) -> str:
        """The blob URL, percent-encoded."""
        return f"https://{self.account}.blob.core.windows.net/{self.container}/{quote(self.path)}"

    def below(self, name: str) -> DatastorePath:
        """The path `name` inside this folder."""
        folder = self.path.rstrip("/")
        return DatastorePath(self.account, self.container, f"{folder}/{name}" if folder else name)


@dataclass(frozen=True, slots=True)
class Entry:
    """A blob that a listing found."""

    path: str  # whole name in its container
    size_bytes: int
    etag: str = ""


@asynccontextmanager
async def _client(ctx: Context) -> AsyncIterator[Http]:
    async with ctx.peers.client(TIMEOUT_S) as http:
        http.headers["x-ms-version"] = API_VERSION
        yield http


def _refused(answer: Any, doing: str, where: DatastorePath) -> Exception:
    code = answer.headers.get("x-ms-error-code", str(answer.status_code))
    if answer.status_code == 404:
        return PathNotFound(f"Could not {doing} '{where.url}': {code}.")
    return StorageFailed(f"Could not {doing} '{where.url}': {code}.")


@asynccontextmanager
async def _reading(
    http: Http, where: DatastorePath, url: str, query: Mapping[str, str] | None = None
) -> AsyncIterator[Any]:
    """The answer to a GET, its body not read yet.

    An account that is not held here may be public data of the real world: it is asked again
    without credentials, which is how such data is read through.
    """
    async with http.stream("GET", url, params=query) as answer:
        if answer.status_code != NOT_HELD:
            yield answer
            return
    async with http.stream("GET", url, params=query, auth=None) as answer:
        if answer.status_code == NOT_HELD:
            said = (await answer.aread()).decode("utf-8", "replace")
            raise StorageFailed(f"Could not read '{where.url}': {_message(said)}")
        yield answer


def _message(xml: str) -> str:
    try:
        return ElementTree.fromstring(xml.lstrip("\ufeff")).findtext("Message") or xml
    except ElementTree.ParseError:
        return xml[:500]


async def ensure_container(ctx: Context, account: str, container: str) -> None:
    """Make the container unless it is there.

    Raises:
        StorageFailed: the account refuses, for example because it does not exist.
    """
    async with _client(ctx) as http:
        url = f"https://{account}.blob.core.windows.net/{container}?restype=container"
        answer = await http.put(url)
        if answer.status_code not in (201, 409):
            raise _refused(answer, "create the container", DatastorePath(account, container))


async def list_paths(ctx: Context, where: DatastorePath) -> list[Entry]:
    """The blob at `where`, if there is one, and every blob below it as a folder, by name.

    `where.path` "a/b" lists the blob `a/b` and `a/b/…`, never `a/bc`; "" lists the container.

    Raises:
        PathNotFound: no such account or container.
        StorageFailed: the account refuses.
    """
    prefix = where.path
    folder = prefix.rstrip("/") + "/" if prefix else ""
    async with _client(ctx) as http:
        return [
            entry
            async for entry in _listed(http, where, prefix.rstrip("/"))
            if entry.path == prefix or entry.path.startswith(folder)
        ]


async def _listed(http: Http, where: DatastorePath, prefix: str) -> AsyncIterator[Entry]:
    marker = ""
    url = f"https://{where.account}.blob.core.windows.net/{where.container}"
    while True:
        query = {"restype": "container", "comp": "list", "prefix": prefix, "maxresults": str(PAGE)}
        if marker:
            query["marker"] = marker
        async with _reading(http, where, url, query) as answer:
            if answer.status_code != 200:
                raise _refused(answer, "list", where)
            root = ElementTree.fromstring(await answer.aread())
        for blob in root.iterfind("Blobs/Blob"):
            name = blob.findtext("Name") or ""
            if blob.findtext("Properties/ResourceType") == "directory":
                continue
            size = int(blob.findtext("Properties/Content-Length") or 0)
            yield Entry(name, size, blob.findtext("Properties/Etag") or "")
        marker = root.findtext("NextMarker") or ""
        if not marker:
            return


async def exists(ctx: Context, where: DatastorePath) -> bool:
    """Whether a blob is at `where`, or any below it."""
    try:
        return bool(await list_paths(ctx, where))
    except PathNotFound:
        return False


async def read(ctx: Context, where: DatastorePath, limit_bytes: int = 16 << 20) -> bytes:
    """The bytes of one small blob.

    Raises:
        PathNotFound: it does not exist.
        StorageFailed: the account refuses, or the blob is over `limit_bytes`.
    """
    async with _client(ctx) as http, _reading(http, where, where.url) as answer:
        if answer.status_code != 200:
            raise _refused(answer, "read", where)
        data = bytearray()
        async for chunk in answer.aiter_raw():
            data += chunk
            if len(data) > limit_bytes:
                raise StorageFailed(f"'{where.url}' is larger than {limit_bytes} bytes.")
        return bytes(data)


async def write(ctx: Context, where: DatastorePath, data: bytes) -> None:
    """Store one small blob, replacing what was there.

    Raises:
        PathNotFound: no such account or container.
        StorageFailed: the account refuses.
    """
    async with _client(ctx) as http:
        await _put(http, where, data)


async def delete(ctx: Context, where: DatastorePath) -> int:
    """Delete the blob at `where` and every blob below it; the number of blobs deleted.

    Raises:
        StorageFailed: the account refuses.
    """
    try:
        found = await list_paths(ctx, where)
    except PathNotFound:
        return 0
    async with _client(ctx) as http:
        for entry in found:
            at = DatastorePath(where.account, where.container, entry.path)
            answer = await http.delete(at.url, headers={"x-ms-delete-snapshots": "include"})
            if answer.status_code not in (202, 404):
                raise _refused(answer, "delete", at)
    return len(found)


async def download(ctx: Context, where: DatastorePath, to: Path) -> Path:
    """Fetch a blob to the file `to`, or a folder's blobs into the folder `to`.

    What `where` is, storage decides: a blob of exactly that name makes `to` a file; blobs below
    it make `to` a folder with their relative names. Large blobs are streamed to disk.

    Returns:
        `to`.

    Raises:
        PathNotFound: nothing is there.
        StorageFailed: the account refuses, or a blob's name would leave `to`.
    """
    found = await _found(ctx, where)
    if not found:
        raise PathNotFound(f"'{where.url}' holds no files.")
    single = [entry for entry in found if entry.path == where.path and not entry.path.endswith("/")]
    if single and len(found) == 1:
        to.parent.mkdir(parents=True, exist_ok=True)
        async with _client(ctx) as http:
            await _fetch(http, DatastorePath(where.account, where.container, where.path), to)
        return to
    prefix = where.path.rstrip("/") + "/" if where.path else ""
    wanted = [
        (entry, to / _inside(entry.path[len(prefix) :]))
        for entry in found
        if entry not in single and not entry.path.endswith("/")
    ]
    for folder in {target.parent for _, target in wanted} | {to}:
        folder.mkdir(parents=True, exist_ok=True)
    gate = asyncio.Semaphore(PARALLEL)

    async with _client(ctx) as http:

        async def one(entry: Entry, target: Path) -> None:
            async with gate:
                at = DatastorePath(where.account, where.container, entry.path)
                await _fetch(http, at, target)

        await _together(one(entry, target) for entry, target in wanted)
    return to


async def _found(ctx: Context, where: DatastorePath) -> list[Entry]:
    """What is at `where`; one blob where nobody but its owner may list the container."""
    try:
        return await list_paths(ctx, where)
    except (PathNotFound, StorageFailed):
        async with _client(ctx) as http, _reading(http, where, where.url) as answer:
            if answer.status_code != 200 or not where.path:
                raise
            return [Entry(where.path, int(answer.headers.get("content-length", 0)))]


async def _together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results; the first error stops the rest and is raised as it is."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _inside(name: str) -> Path:
    parts = re.split(r"[/\\]", name)
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise StorageFailed(f"The blob name '{name}' cannot be a local path.")
    return Path(*parts)


async def _fetch(http: Http, where: DatastorePath, to: Path) -> None:
    async with _reading(http, where, where.url) as answer:
        if answer.status_code != 200:
            raise _refused(answer, "read", where)
        partial = to.with_name(to.name + ".partial")
        with partial.open("wb") as file:
            async for chunk in answer.aiter_raw():
                file.write(chunk)
        partial.replace(to)


async def upload(ctx: Context, source: Path, where: DatastorePath) -> int:
    """Send a file to the blob `where`, or a folder's files below `where`; the bytes sent.

    Symbolic links to files are followed, those to folders are not; empty folders leave nothing,
    as blobs have no folders. Files over 8 MiB go in blocks.

    Raises:
        PathNotFound: no such account or container, or no such local path.
        StorageFailed: the account refuses.
    """
    if source.is_file():
        wanted = [(source, where)]
    elif source.is_dir():
        wanted = [(file, where.below(name)) for file, name in _files(source)]
    else:
        raise PathNotFound(f"There is no file or folder '{source.name}' to upload.")
    gate = asyncio.Semaphore(PARALLEL)
    async with _client(ctx) as http:

        async def one(file: Path, at: DatastorePath) -> int:
            async with gate:
                return await _send(http, file, at)

        return sum(await _together(one(file, at) for file, at in wanted))


async def copy(
    ctx: Context, source: DatastorePath, pairs: Iterable[tuple[Entry, DatastorePath]], bearer: str
) -> None:
    """Copy blobs of `source`'s container where they are to be, by the storage service itself.

    Args:
        bearer: a token that reads the source.

    Raises:
        PathNotFound: a blob, account or container is gone.
        StorageFailed: an account refuses.
    """
    gate = asyncio.Semaphore(PARALLEL)
    async with _client(ctx) as http:

        async def one(entry: Entry, target: DatastorePath) -> None:
            blob = DatastorePath(source.account, source.container, entry.path)
            headers = {
                "x-ms-copy-source": blob.url,
                "x-ms-copy-source-authorization": f"Bearer {bearer}",
                "x-ms-requires-sync": "true",
            }
            async with gate:
                answer = await http.put(target.url, headers=headers)
            if answer.status_code not in (201, 202):
                raise _refused(answer, "copy", blob)

        await _together(one(entry, target) for entry, target in pairs)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    for at, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(at) / name
            if path.is_file():
                yield path, path.relative_to(folder).as_posix()


async def _send(http: Http, file: Path, where: DatastorePath) -> int:
    size = file.stat().st_size
    if size <= SINGLE_PUT_BYTES:
        data = file.read_bytes()
        await _put(http, where, data)
        return len(data)
    names: list[str] = []
    sent = 0
    with file.open("rb") as source:
        while sent < size:
            name = base64.b64encode(f"{len(names):08}".encode()).decode()
            query = {"comp": "block", "blockid": name}
            length = min(BLOCK_BYTES, size - sent)
            headers = {"Content-Length": str(length)}
            body = _pieces(source, length)
            answer = await http.put(where.url, params=query, content=body, headers=headers)
            if answer.status_code != 201:
                raise _refused(answer, "write", where)
            names.append(name)
            sent += length
    listed = "".join(f"<Latest>{name}</Latest>" for name in names)
    order = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
    answer = await http.put(where.url, params={"comp": "blocklist"}, content=order.encode())
    if answer.status_code != 201:
        raise _refused(answer, "write", where)
    return sent


async def _pieces(source: BinaryIO, length: int) -> AsyncIterator[bytes]:
    """The file's next `length` bytes; fewer, which storage refuses, when it became shorter."""
    while length and (piece := source.read(min(PIECE_BYTES, length))):
        length -= len(piece)
        yield piece


async def _put(http: Http, where: DatastorePath, data: bytes) -> None:
    answer = await http.put(where.url, content=data, headers={"x-ms-blob-type": "BlockBlob"})
    if answer.status_code != 201:
        raise _refused(answer, "write", where)
