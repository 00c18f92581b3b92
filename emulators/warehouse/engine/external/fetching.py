"""Reads and writes blobs over the storage emulator's own wire, from a session's thread."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import tempfile
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit
from xml.etree import ElementTree

from emulators.warehouse.engine.external.places import Place
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    import httpx

    from emulators.kernel.context import Context

API_VERSION = "2023-11-03"
PAGE = 5000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credential:
    """Who reads: `kind` is key, sas, identity, principal or none."""

    kind: str = "none"
    identity: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file: its name in the container and its size in bytes."""

    name: str
    size_bytes: int


def credential_of(identity: str, secret: str) -> Credential:
    """A credential as SQL writes it.

    Raises:
        SqlError: 105134-like: an IDENTITY nobody knows.
    """
    word = identity.strip().lower()
    if word == "storage account key":
        return Credential("key", identity, secret)
    if word == "shared access signature":
        return Credential("sas", identity, secret.lstrip("?"))
    if word in ("managed identity", "managed service identity", "user identity", ""):
        return Credential("identity", identity)
    if "@" in identity and "oauth2" in word:
        return Credential("principal", identity, secret)
    # A database scoped credential of a storage key may have any name as its identity.
    if secret:
        return Credential("key", identity, secret)
    raise SqlError(105134, 16, 1, f"The credential's IDENTITY '{identity}' is not supported.")


class Fetcher:
    """Asks the storage account; the calls run on the host's own loop when there is one."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is not None and self._loop.is_running():
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        return asyncio.run(work)

    def files(self, place: Place, credential: Credential) -> list[Blob]:
        """The files at a place, by name.

        Raises:
            SqlError: 13807 when nothing is there, 105215 when the storage account refuses.
        """
        found = self._run(self._list(place, credential))
        if not found:
            text = (
                f"Content of directory on path '{place.path}' cannot be listed: no file is there."
            )
            raise SqlError(13807, 16, 1, text)
        return found

    def fetch(self, place: Place, blob: Blob, credential: Credential) -> Path:
        """A file of our own with the blob's bytes; the caller removes it."""
        return self._run(self._fetch(place, blob, credential))

    def scratch(self) -> Path:
        """A new file of our own inside the state folder; the caller removes it."""
        folder = self._ctx.state / "warehouse" / "loading"
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        os.close(handle)
        return Path(name)

    def store(self, place: Place, name: str, source: Path, credential: Credential) -> None:
        """Write a blob from a file."""
        self._run(self._store(place, name, source, credential))

    async def _list(self, place: Place, credential: Credential) -> list[Blob]:
        found: list[Blob] = []
        marker = ""
        async with self._ctx.peers.client() as http:
            while True:
                url = (
                    f"https://{place.endpoint}/{place.container}?restype=container&comp=list"
                    f"&maxresults={PAGE}&prefix={quote(place.prefix.lstrip('/'), safe='')}"
                )
                if marker:
                    url += f"&marker={quote(marker, safe='')}"
                answer = await self._send(http, "GET", url, credential)
                tree = ElementTree.fromstring(answer.content)
                for item in tree.iter("Blob"):
                    name = item.findtext("Name") or ""
                    folder = (item.findtext("Properties/ResourceType") or "") == "directory"
                    size = int(item.findtext("Properties/Content-Length") or 0)
                    if (
                        place.matches(name)
                        and not folder
                        and not (size == 0 and name.endswith("/"))
                    ):
                        found.append(Blob(name, size))
                marker = tree.findtext("NextMarker") or ""
                if not marker:
                    return sorted(found, key=lambda blob: blob.name)

    async def _fetch(self, place: Place, blob: Blob, credential: Credential) -> Path:
        url = f"https://{place.endpoint}/{place.container}/{quote(blob.name)}"
        target = self.scratch()
        with target.open("wb") as kept:
            async with self._ctx.peers.client() as http:
                headers = await self._headers(http, "GET", url, credential, 0)
                async with http.stream("GET", _signed(url, credential), headers=headers) as answer:
                    if answer.status_code >= 400:
                        await answer.aread()
                        target.unlink(missing_ok=True)
                        raise _refused(answer, url)
                    async for piece in answer.aiter_bytes():
                        kept.write(piece)
        return target

    async def _store(self, place: Place, name: str, source: Path, credential: Credential) -> None:
        url = f"https://{place.endpoint}/{place.container}/{quote(name)}"
        async with self._ctx.peers.client() as http:
            data = source.read_bytes()
            headers = await self._headers(
                http, "PUT", url, credential, len(data), {"x-ms-blob-type": "BlockBlob"}
            )
            answer = await http.put(_signed(url, credential), headers=headers, content=data)
            if answer.status_code >= 400:
                raise _refused(answer, url)

    async def _send(
        self, http: httpx.AsyncClient, method: str, url: str, credential: Credential
    ) -> httpx.Response:
        headers = await self._headers(http, method, url, credential, 0)
        answer = await http.request(method, _signed(url, credential), headers=headers)
        if answer.status_code >= 400:
            raise _refused(answer, url)
        return answer

    async def _headers(
        self, http: httpx.AsyncClient, method: str, url: str, credential: Credential,
        length: int, more: Mapping[str, str] | None = None,
    ) -> dict[str, str]:  # fmt: skip
        now = format_datetime(self._ctx.clock.now(), usegmt=True)
        headers = {"x-ms-version": API_VERSION, "x-ms-date": now, **(more or {})}
        if credential.kind == "key":
            headers["authorization"] = shared_key(method, url, headers, length, credential.secret)
        elif credential.kind == "principal":
            headers["authorization"] = "Bearer " + await self._token(http, credential)
        return headers

    async def _token(self, http: httpx.AsyncClient, credential: Credential) -> str:
        """A token of a service principal: `<client id>@<token endpoint>` and its secret."""
        client, _, endpoint = credential.identity.partition("@")
        url = endpoint if endpoint.startswith("https://") else f"https://{endpoint}"
        newer = "/v2.0/" in url
        answer = await http.post(
            url,
            data={
                "grant_type": "client_credentials",
                "client_id": client,
                "client_secret": credential.secret,
                "scope" if newer else "resource": "https://storage.azure.com/"
                + (".default" if newer else ""),
            },
        )
        if answer.status_code >= 400:
            raise _refused(answer, endpoint)
        return str(answer.json()["access_token"])


def _signed(url: str, credential: Credential) -> str:
    if credential.kind != "sas":
        return url
    return f"{url}{'&' if '?' in url else '?'}{credential.secret}"


def shared_key(method: str, url: str, headers: Mapping[str, str], length: int, key: str) -> str:
    """The Authorization header of the account's key. Source: Authorize with Shared Key (public)."""
    parts = urlsplit(url)
    account = (parts.hostname or "").partition(".")[0]
    listed = "".join(f"{n}:{v}\n" for n, v in sorted(headers.items()) if n.startswith("x-ms-"))
    resource = f"/{account}{parts.path}"
    for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True)):
        resource += f"\n{name.lower()}:{value}"
    told = str(length) if length else ""
    text = f"{method}\n\n\n{told}\n\n\n\n\n\n\n\n\n{listed}{resource}"
    try:
        secret = base64.b64decode(key, validate=True)
    except ValueError:
        raise SqlError(105135, 16, 1, "The storage account key is not base64.") from None
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"SharedKey {account}:{base64.b64encode(signature).decode()}"


def _refused(answer: httpx.Response, url: str) -> SqlError:
    place = url.partition("?")[0]
    code = answer.headers.get("x-ms-error-code", "")
    if answer.status_code == 404:
        text = f"Cannot find the container or file '{place}' ({code or 404})."
        return SqlError(13807, 16, 1, text)
    text = (
        "Not able to validate external location because the remote server returned an error:"
        f" ({answer.status_code}) {code} for '{place}'."
    )
    return SqlError(105215, 16, 1, text)
