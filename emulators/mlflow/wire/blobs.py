"""Files in the workspace's storage, over the storage service's own wire; nothing is buffered."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import httpx

from emulators.kernel.context import Context
from emulators.kernel.sas import sign_service_sas
from emulators.mlflow.engine.locations import Place
from emulators.mlflow.engine.logged import settled
from emulators.mlflow.errors import InvalidParameter, ResourceMissing, ServerFailed
from emulators.mlflow.wire.arm import arm, checked
from emulators.mlflow.wire.workspaces import Container, Workspace, blob_url, container_of

API_VERSION = "2023-11-03"
BLOCK_BYTES = 8 << 20
PAGE = 5000
TIMEOUT_S = 900.0
SIGNED_FOR = timedelta(hours=4)
HEADERS = {"x-ms-version": API_VERSION}
PASSED_ON = ("content-type", "content-length", "content-range", "etag", "last-modified")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of a listing."""

    path: str  # below what was listed
    folder: bool
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Download:
    """A file being read; `chunks` ends the exchange when it is used up or closed."""

    status: int
    headers: dict[str, str]
    chunks: AsyncIterator[bytes]


_MADE: set[tuple[Path, Container]] = set()


async def _ensure(ctx: Context, http: httpx.AsyncClient, container: Container) -> None:
    """Make the container where the workspace was never given one."""
    if (ctx.state, container) in _MADE:
        return
    answer = await http.put(f"{container.url}?restype=container", headers=HEADERS)
    if answer.status_code not in (201, 409):
        raise _refused(answer, container.url)
    _MADE.add((ctx.state, container))


async def upload(
    ctx: Context,
    workspace: Workspace,
    place: Place,
    chunks: AsyncIterator[bytes],
    *,
    size_bytes: int | None,
    media: str = "application/octet-stream",
) -> None:
    """Write a file, replacing what was there; seen by others only once it is whole.

    `size_bytes` None: the sender did not say how much comes, so it goes up in blocks.

    Raises:
        ServerFailed: storage refuses.
    """
    place = settled(ctx, workspace.key, place)
    url = await blob_url(ctx, workspace, place)
    container = await container_of(ctx, workspace, place.datastore)
    async with ctx.peers.client(TIMEOUT_S) as http:
        await _ensure(ctx, http, container)
        if size_bytes is None:
            await _in_blocks(http, url, chunks, media)
            return
        await _at_once(http, url, chunks, size_bytes, media)


async def _at_once(
    http: httpx.AsyncClient,
    url: str,
    content: AsyncIterator[bytes] | bytes,
    size_bytes: int,
    media: str,
) -> None:
    head = {"x-ms-blob-type": "BlockBlob", "content-length": str(size_bytes)}
    answer = await http.put(
        url, content=content, headers={**HEADERS, **head, "content-type": media}
    )
    if answer.status_code != 201:
        raise _refused(answer, url)


async def _in_blocks(
    http: httpx.AsyncClient, url: str, chunks: AsyncIterator[bytes], media: str
) -> None:
    names: list[str] = []

    async def send(block: bytes) -> None:
        names.append(base64.b64encode(f"{len(names):08}".encode()).decode())
        query = f"?comp=block&blockid={quote(names[-1])}"
        answer = await http.put(url + query, content=block, headers=HEADERS)
        if answer.status_code != 201:
            raise _refused(answer, url)

    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        while len(waiting) >= BLOCK_BYTES:
            await send(bytes(waiting[:BLOCK_BYTES]))
            del waiting[:BLOCK_BYTES]
    if not names:  # little or nothing came: a block may not be empty, a blob may
        await _at_once(http, url, bytes(waiting), len(waiting), media)
        return
    if waiting:
        await send(bytes(waiting))
    listed = "".join(f"<Latest>{name}</Latest>" for name in names)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
    headers = {**HEADERS, "x-ms-blob-content-type": media}
    answer = await http.put(f"{url}?comp=blocklist", content=body.encode(), headers=headers)
    if answer.status_code != 201:
        raise _refused(answer, url)


async def download(
    ctx: Context, workspace: Workspace, place: Place, *, byte_range: str | None = None
) -> Download:
    """Begin to read a file.

    Raises:
        ResourceMissing: there is no such file.
        ServerFailed: storage refuses.
    """
    url = await blob_url(ctx, workspace, settled(ctx, workspace.key, place))
    stack = AsyncExitStack()
    try:
        http = await stack.enter_async_context(ctx.peers.client(TIMEOUT_S))
        wanted = {"range": byte_range} if byte_range else {}
        request = http.build_request("GET", url, headers={**HEADERS, **wanted})
        answer = await http.send(request, stream=True)
        stack.push_async_callback(answer.aclose)
        if answer.status_code >= 400:
            await answer.aread()
            raise _refused(answer, url)
    except BaseException:
        await stack.aclose()
        raise

    async def read() -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.aiter_raw():
                yield chunk
        finally:
            await stack.aclose()

    headers = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
    return Download(answer.status_code, headers, read())


async def read_all(ctx: Context, workspace: Workspace, place: Place, limit: int) -> bytes | None:
    """A small file whole, or None when there is none or it is larger than `limit` bytes."""
    try:
        found = await download(ctx, workspace, place)
    except ResourceMissing:
        return None
    body = bytearray()
    chunks = found.chunks
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            await chunks.aclose()  # type: ignore[attr-defined]
            return None
    return bytes(body)


async def listed(
    ctx: Context, workspace: Workspace, place: Place, *, flat: bool
) -> AsyncGenerator[Entry]:
    """What is below a folder: its own entries, or with `flat` every file at any depth.

    Raises:
        ServerFailed: storage refuses.
    """
    place = settled(ctx, workspace.key, place)
    container = await container_of(ctx, workspace, place.datastore)
    prefix = f"{place.path}/" if place.path else ""
    query = {"restype": "container", "comp": "list", "prefix": prefix, "maxresults": str(PAGE)}
    if not flat:
        query["delimiter"] = "/"
    async with ctx.peers.client(TIMEOUT_S) as http:
        marker = ""
        while True:
            more = {"marker": marker} if marker else {}
            url = f"{container.url}?{urlencode({**query, **more})}"
            answer = await http.get(url, headers=HEADERS)
            if answer.status_code == 404:
                return
            if answer.status_code != 200:
                raise _refused(answer, container.url)
            root = ElementTree.fromstring(answer.content)
            for entry in _entries(root):
                yield Entry(entry.path.removeprefix(prefix), entry.folder, entry.size_bytes)
            marker = root.findtext("NextMarker") or ""
            if not marker:
                return


def _entries(root: ElementTree.Element) -> list[Entry]:
    folders = [
        Entry((found.findtext("Name") or "").rstrip("/"), True)
        for found in root.iterfind("Blobs/BlobPrefix")
    ]
    files = [
        Entry(found.findtext("Name") or "", False, int(found.findtext("*/Content-Length") or 0))
        for found in root.iterfind("Blobs/Blob")
    ]
    return [*folders, *files]


async def exists(ctx: Context, workspace: Workspace, place: Place) -> bool:
    """Whether there is a file at exactly this place."""
    url = await blob_url(ctx, workspace, settled(ctx, workspace.key, place))
    async with ctx.peers.client(TIMEOUT_S) as http:
        answer = await http.head(url, headers=HEADERS)
    return answer.status_code == 200


async def any_below(ctx: Context, workspace: Workspace, place: Place) -> bool:
    """Whether a folder holds any file."""
    found = listed(ctx, workspace, place, flat=True)
    async with aclosing(found):
        return await anext(found, None) is not None


async def delete(ctx: Context, workspace: Workspace, place: Place) -> int:
    """Delete a file, and what is below it as a folder; returns how many files went."""
    place = settled(ctx, workspace.key, place)
    paths = [place]
    paths += [place / entry.path async for entry in listed(ctx, workspace, place, flat=True)]
    gone = 0
    async with ctx.peers.client(TIMEOUT_S) as http:
        for path in paths:
            answer = await http.delete(await blob_url(ctx, workspace, path), headers=HEADERS)
            if answer.status_code not in (202, 404):
                raise _refused(answer, path.path)
            gone += answer.status_code == 202
    return gone


async def signature(ctx: Context, workspace: Workspace, place: Place, permissions: str) -> str:
    """The query that lets its holder use one file, and nothing else, for some hours.

    Args:
        permissions: letters in storage's order, such as `r` or `rcw`.

    Raises:
        ServerFailed: the datastore has no credential to sign with.
    """
    place = settled(ctx, workspace.key, place)
    path = f"{workspace.path}/datastores/{place.datastore}/listSecrets"
    body = {"expirableSecret": True, "expireAfterHours": 1}
    secrets = checked(await arm(ctx, "POST", path, body))
    if secrets.get("sasToken"):
        return str(secrets["sasToken"]).lstrip("?")
    if not secrets.get("key"):
        raise ServerFailed(f"The datastore '{place.datastore}' has no credential to sign with.")
    container = await container_of(ctx, workspace, place.datastore)
    now = ctx.clock.now()
    return sign_service_sas(
        container.account,
        str(secrets["key"]),
        f"{container.name}/{place.path}",
        permissions,
        now + SIGNED_FOR,
        now,
    )


def quoted(path: str) -> str:
    """A blob's name as it stands in a URL."""
    return quote(path, safe="/")


def _refused(answer: httpx.Response, what: str) -> Exception:
    code = answer.headers.get("x-ms-error-code", str(answer.status_code))
    if answer.status_code == 404:
        return ResourceMissing(f"No such artifact: '{what}'")
    if code in ("InvalidUri", "InvalidInput", "OutOfRangeInput"):
        return InvalidParameter(f"Invalid path: '{what}'")
    return ServerFailed(f"Storage refused '{what}': {code}")
