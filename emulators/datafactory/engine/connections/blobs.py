"""Files in a storage account over its own wire: look, list, read, write, delete; streaming."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from emulators.datafactory.engine.connections.accounts import (
    Account,
    account_of,
    decoded,
    http_date,
)
from emulators.datafactory.engine.connections.credentials import Caller
from emulators.datafactory.engine.connections.failing import ConnectionFailed
from emulators.datafactory.engine.connections.resolving import LinkedService
from emulators.kernel import outward
from emulators.kernel.context import Context

API_VERSION = "2023-11-03"
TIMEOUT_S = 600.0
BLOCK_BYTES = 4 << 20
PAGE = 5000
TOKEN_KEPT_S = 1800.0
NOT_HELD = 501
"""What the storage emulator answers a credential for an account that it does not hold."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob, or with `folder` a name that others begin with."""

    name: str  # whole name in its container
    size_bytes: int = 0
    folder: bool = False
    modified: datetime | None = None
    created: datetime | None = None
    md5: str | None = None  # base64


class Store:
    """One account, for as long as a client to it is open. Made by `opened`."""

    def __init__(self, ctx: Context, account: Account, http: Any) -> None:
        self._ctx, self._account, self._http = ctx, account, http
        self._token, self._token_until = "", -1.0
        self._made: set[str] = set()

    @property
    def endpoint(self) -> str:
        """The blob endpoint, without a slash at its end."""
        return self._account.endpoint

    async def look(self, container: str, name: str) -> Blob | None:
        """A blob's facts; None when it is not there.

        Raises:
            ConnectionFailed: the account refuses.
        """
        async with self._asked("HEAD", self._url(container, name)) as answer:
            if answer.status_code == 404:
                return None
            if answer.status_code != 200:
                raise await self._refused(answer, "look at", container, name)
            heads = answer.headers
            if heads.get("x-ms-meta-hdi_isfolder", "").lower() == "true":
                return Blob(name, folder=True, modified=_instant(heads.get("last-modified")))
            return Blob(
                name,
                int(heads.get("content-length") or 0),
                modified=_instant(heads.get("last-modified")),
                created=_instant(heads.get("x-ms-creation-time")),
                md5=heads.get("content-md5"),
            )

    async def has_container(self, container: str) -> bool:
        """Whether the container is there.

        Raises:
            ConnectionFailed: the account refuses.
        """
        async with self._asked("HEAD", self._url(container), {"restype": "container"}) as answer:
            if answer.status_code not in (200, 404):
                raise await self._refused(answer, "look at", container, "")
            return bool(answer.status_code == 200)

    async def listed(
        self, container: str, prefix: str, *, flat: bool = True
    ) -> AsyncIterator[Blob]:
        """Blobs whose names begin with `prefix`, by name; without `flat` folders stay closed.

        Raises:
            ConnectionFailed: no such container, or the account refuses.
        """
        marker = ""
        while True:
            query = {
                "restype": "container", "comp": "list", "prefix": prefix, "maxresults": str(PAGE),
            }  # fmt: skip
            query |= {"marker": marker} if marker else {}
            query |= {} if flat else {"delimiter": "/"}
            async with self._asked("GET", self._url(container), query) as answer:
                if answer.status_code != 200:
                    raise await self._refused(answer, "list", container, prefix)
                root = ElementTree.fromstring(await answer.aread())
            for element in root.iterfind("Blobs/*"):
                yield _listed(element)
            marker = root.findtext("NextMarker") or ""
            if not marker:
                return

    @asynccontextmanager
    async def read(self, container: str, name: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of a blob as they come.

        Raises:
            ConnectionFailed: it is not there, or the account refuses.
        """
        async with self._asked("GET", self._url(container, name)) as answer:
            if answer.status_code != 200:
                raise await self._refused(answer, "read", container, name)
            yield answer.aiter_raw()

    async def write(
        self,
        container: str,
        name: str,
        chunks: AsyncIterator[bytes],
        *,
        media: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Put a blob in place of what is there, whole or not at all; the bytes written.

        Raises:
            ConnectionFailed: the account refuses.
        """
        await self._ensure(container)
        url = self._url(container, name)
        about = {"x-ms-blob-content-type": media}
        about |= {f"x-ms-meta-{key}": value for key, value in (metadata or {}).items()}
        buffer, blocks, size = bytearray(), list[str](), 0
        async for chunk in chunks:
            buffer += chunk
            while len(buffer) >= BLOCK_BYTES:
                blocks.append(base64.b64encode(f"{len(blocks):08d}".encode()).decode())
                piece, buffer = bytes(buffer[:BLOCK_BYTES]), buffer[BLOCK_BYTES:]
                size += len(piece)
                query = {"comp": "block", "blockid": blocks[-1]}
                await self._put(url, query, {}, piece, (container, name))
        if not blocks:
            headers = {**about, "x-ms-blob-type": "BlockBlob"}
            await self._put(url, {}, headers, bytes(buffer), (container, name))
            return len(buffer)
        if buffer:
            blocks.append(base64.b64encode(f"{len(blocks):08d}".encode()).decode())
            query = {"comp": "block", "blockid": blocks[-1]}
            await self._put(url, query, {}, bytes(buffer), (container, name))
        entries = "".join(f"<Latest>{block}</Latest>" for block in blocks)
        listing = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{entries}</BlockList>'
        await self._put(url, {"comp": "blocklist"}, about, listing.encode(), (container, name))
        return size + len(buffer)

    async def delete(self, container: str, name: str) -> bool:
        """Delete a blob and its snapshots; whether it was there.

        Raises:
            ConnectionFailed: the account refuses.
        """
        headers = {"x-ms-delete-snapshots": "include"}
        async with self._asked("DELETE", self._url(container, name), headers=headers) as answer:
            if answer.status_code not in (202, 404):
                raise await self._refused(answer, "delete", container, name)
            return bool(answer.status_code == 202)

    async def _put(
        self,
        url: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        at: tuple[str, str],
    ) -> None:
        async with self._asked("PUT", url, query, headers, body) as answer:
            if answer.status_code != 201:
                raise await self._refused(answer, "write", *at)

    async def _ensure(self, container: str) -> None:
        if container in self._made or self._account.sas:
            return
        if not await self.has_container(container):
            async with self._asked("PUT", self._url(container), {"restype": "container"}) as answer:
                if answer.status_code not in (201, 409):
                    raise ConnectionFailed(
                        "AzureBlobFailedToCreateContainer",
                        f"Unable to create Azure Blob container. Endpoint: {self.endpoint},"
                        f" Container Name: {container}.",
                    )
        self._made.add(container)

    def _url(self, container: str, name: str = "") -> str:
        path = f"{quote(container)}/{quote(name, safe='/~')}" if name else quote(container)
        return f"{self._account.endpoint}/{path}"

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        url: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[Any]:
        try:
            request = await self._request(method, url, query, headers, body)
            answer = await self._http.send(request, stream=True)
            try:
                yield answer
            finally:
                await answer.aclose()
        except outward.FAILURES as failed:
            raise ConnectionFailed(
                "AzureStorageOperationFailed",
                f"Could not reach the storage account {self.endpoint}: {failed}",
            ) from failed

    async def _request(
        self,
        method: str,
        url: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: bytes | None,
    ) -> Any:
        pairs = "&".join(f"{quote(n)}={quote(v, safe='')}" for n, v in (query or {}).items())
        whole = "&".join(part for part in (pairs, self._account.sas) if part)
        given = {
            "x-ms-version": API_VERSION,
            "x-ms-date": http_date(self._ctx.clock.wall()),
            "accept-encoding": "identity",
            **(headers or {}),
        }
        if self._account.token is not None:
            given["authorization"] = f"Bearer {await self._bearer()}"
        if method == "PUT":
            given["content-length"] = str(len(body or b""))
        target = f"{url}?{whole}" if whole else url
        request = self._http.build_request(method, target, headers=given, content=body)
        if self._account.key:
            path = request.url.raw_path.decode("ascii").partition("?")[0]
            names = decoded(request.url.query.decode("ascii"))
            signed = self._account.signature(method, path, names, request.headers)
            request.headers["authorization"] = signed
        return request

    async def _bearer(self) -> str:
        now = self._ctx.clock.monotonic()
        if now >= self._token_until:
            assert self._account.token is not None
            self._token, self._token_until = await self._account.token(), now + TOKEN_KEPT_S
        return self._token

    async def _refused(
        self, answer: Any, doing: str, container: str, name: str
    ) -> ConnectionFailed:
        code = answer.headers.get("x-ms-error-code") or str(answer.status_code)
        where = f"ContainerName: {self.endpoint}/{container}, path: {name}"
        if answer.status_code == 404:
            return ConnectionFailed(
                "UserErrorSourceBlobNotExist", f"The required Blob is missing. {where}."
            )
        text = (await answer.aread()).decode("utf-8", "replace")
        found = re.search(r"<Message>(.*?)</Message>", text, re.DOTALL)
        said = found.group(1).partition("\n")[0] if found else text[:500]
        if answer.status_code in (401, 403):
            return ConnectionFailed(
                "AzureStorageOperationFailedForbidden",
                f"Could not {doing} the blob: the account forbids it ({code}: {said}). {where}.",
            )
        return ConnectionFailed(
            "AzureStorageOperationFailed", f"Could not {doing} the blob ({code}: {said}). {where}."
        )


@asynccontextmanager
async def opened(caller: Caller, linked: LinkedService) -> AsyncIterator[Store]:
    """The account of a linked service.

    Raises:
        ConnectionFailed: the linked service says too little, or its host cannot be called.
        NotEmulated: it uses what is not emulated.
    """
    account = await account_of(caller, linked)
    try:
        client = outward.client_for(caller.ctx, f"{account.endpoint}/", timeout_s=TIMEOUT_S)
        http = await client.__aenter__()
    except outward.NotReachable as failed:
        raise ConnectionFailed("AzureStorageOperationFailed", str(failed)) from failed
    try:
        yield Store(caller.ctx, account, http)
    finally:
        await client.__aexit__(None, None, None)


def _listed(element: ElementTree.Element) -> Blob:
    name = element.findtext("Name") or ""
    if element.tag == "BlobPrefix":
        return Blob(name.rstrip("/"), folder=True)
    at = element.find("Properties")
    assert at is not None
    return Blob(
        name,
        int(at.findtext("Content-Length") or 0),
        folder=at.findtext("ResourceType") == "directory",
        modified=_instant(at.findtext("Last-Modified")),
        created=_instant(at.findtext("Creation-Time")),
        md5=at.findtext("Content-MD5") or None,
    )


def _instant(text: str | None) -> datetime | None:
    return parsedate_to_datetime(text) if text else None


def host_of(store: Store) -> str:
    """The host that the account answers on."""
    return urlsplit(store.endpoint).netloc
