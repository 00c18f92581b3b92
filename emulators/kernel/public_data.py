"""Public blobs of the real world, read through and kept: anonymous GET and HEAD, nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from emulators.kernel.errors import PreconditionFailed, ServiceError, Unsupported
from emulators.kernel.http import Reply, context_of
from emulators.kernel.settings import client_environment_of_process
from emulators.kernel.upstream import Upstream

if TYPE_CHECKING:
    import httpx
    from starlette.requests import Request

LARGEST_KEPT = 256 << 20  # bytes; what is larger is passed on without being kept
LARGEST_CACHE = 4 << 30  # bytes; the copies that were read longest ago go first
CHUNK = 256 << 10
WAIT_S = 60.0  # for each step of talking to the real service
TRACKED = '"Public data" in the storage emulator\'s README'

_HOST = re.compile(r"[a-z0-9]{3,24}\.(?:blob|dfs)\.core\.windows\.net\Z")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)\Z")
_SIGNATURE = {"sig", "se", "sp", "sv", "skoid"}
_SENT = ("x-ms-version", "accept")  # of the client's headers, all that the real service is told
_MARK = "x-rehearsal-read-through"  # in a request of ours that came back to us
_DROPPED = {
    "connection", "date", "keep-alive", "server", "transfer-encoding",
    "x-ms-client-request-id", "x-ms-request-id",
}  # fmt: skip


class InvalidRange(ServiceError):
    """A range that begins after the blob's end; Storage's wording."""

    status = 416
    code = "InvalidRange"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request for public data. `target` is the raw path and query; header names lower case."""

    method: str
    host: str
    target: str
    headers: Mapping[str, str]

    @property
    def url(self) -> str:
        """What identifies the data: the URL without how long the client would wait."""
        path, _, query = self.target.partition("?")
        kept = "&".join(p for p in query.split("&") if p and not p.startswith("timeout="))
        return f"https://{self.host}{path}" + (f"?{kept}" if kept else "")


@dataclass
class PublicData:
    """The copies in one folder, and the way to what is not in it yet.

    A copy is never renewed: a run tomorrow reads what it read today. Delete the folder to renew.

    Args:
        folder: shared between state folders and processes; every copy appears whole or not at all.
        verify: how the real service's certificate is checked; None for the machine's own roots.
    """

    folder: Path
    upstream: Upstream = field(default_factory=Upstream)
    policy: Literal["cache", "deny"] = "cache"
    offline: bool = False
    verify: ssl.SSLContext | None = None
    largest_kept: int = LARGEST_KEPT
    largest_cache: int = LARGEST_CACHE

    def __post_init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    async def read(self, wanted: Wanted) -> Reply:
        """Answer from the copy, made first where there is none.

        Raises:
            Unsupported: it carries credentials, would write, or may not or cannot be fetched.
            PreconditionFailed, InvalidRange: as Storage says.
        """
        self._check(wanted)
        copy = _Copy(self.folder, wanted.url)
        lock = self._locks.setdefault(copy.name, asyncio.Lock())
        try:
            async with lock:
                found = copy.headers()
                if found is None and self.offline:
                    raise _refusal(wanted, "it is not kept here yet, and --offline is on")
                answer = await self._fetch(wanted, copy) if found is None else None
                found = found or copy.headers()
        finally:
            self._locks.pop(copy.name, None)
        if answer is not None:
            return answer
        if found is None:  # cleaned away between two steps
            raise _refusal(wanted, "its copy is gone; ask again")
        return _from_copy(wanted, copy, found)

    def _check(self, wanted: Wanted) -> None:
        query = {k.lower() for k, _ in parse_qsl(wanted.target.partition("?")[2])}
        if not _HOST.match(wanted.host):
            raise _refusal(wanted, "it is no storage account's host")
        if "authorization" in wanted.headers or query & _SIGNATURE:
            raise _refusal(wanted, "the request carries credentials, which are never sent away")
        if _MARK in wanted.headers:
            raise _refusal(wanted, "the proxy it is reached through is this front door itself")
        if wanted.method not in ("GET", "HEAD"):
            raise _refusal(wanted, f"{wanted.method} would change it")
        if self.policy == "deny":
            raise _refusal(wanted, "reading public data through is off (--public-data deny)")

    async def _fetch(self, wanted: Wanted, copy: _Copy) -> Reply | None:
        """Make the copy; return the answer where it is not one to keep."""
        import httpx

        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._client(wanted.host))
            try:
                got = await self._ask(client, wanted, {})
                if wanted.method == "HEAD" or got.status_code != 200:
                    return await _small_answer(wanted, got)
                size = got.headers.get("content-length", "")
                fits = not size.isdigit() or int(size) <= self.largest_kept
                if fits and await copy.fill(got, self.largest_kept):
                    await asyncio.to_thread(self._tidy)
                    return None
                await got.aclose()
                got = await self._ask(client, wanted, _range_of(wanted))
            except (httpx.HTTPError, OSError) as failed:
                reason = f"the real one cannot be read ({type(failed).__name__}: {failed})"
                raise _refusal(wanted, reason) from None
            held = stack.pop_all()  # the answer's stream closes it
            return Reply(got.status_code, _passed_on(got, held), _kept(got.headers))

    async def _ask(
        self, client: httpx.AsyncClient, wanted: Wanted, extra: Mapping[str, str]
    ) -> httpx.Response:
        sent = {name: wanted.headers[name] for name in _SENT if name in wanted.headers}
        headers = {**sent, **extra, "accept-encoding": "identity", _MARK: "1"}
        request = client.build_request(wanted.method, wanted.url, headers=headers)
        return await client.send(request, stream=True)

    def _client(self, host: str) -> httpx.AsyncClient:
        import httpx

        proxy = self.upstream.pick(secure=True, host=host, port=443)
        via = None
        if proxy is not None:
            scheme = "https" if proxy.tls else "http"
            via = httpx.Proxy(f"{scheme}://{proxy.host}:{proxy.port}", headers=dict(proxy.headers))
        verify = self.verify or ssl.create_default_context()
        return httpx.AsyncClient(
            proxy=via, verify=verify, trust_env=False, timeout=WAIT_S, follow_redirects=False
        )

    def _tidy(self) -> None:
        """Remove the copies read longest ago while all together are too large."""
        copies = sorted(self.folder.glob("*.bin"), key=lambda p: p.stat().st_mtime)
        total = sum(p.stat().st_size for p in copies)
        for path in copies[:-1]:
            if total <= self.largest_cache:
                return
            total -= path.stat().st_size
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink(missing_ok=True)


class _Copy:
    """One URL's bytes and headers on disk: `<name>.bin`, then `<name>.json` that vouches for it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.name = hashlib.sha256(url.encode()).hexdigest()
        self.bytes = folder / f"{self.name}.bin"
        self._about = folder / f"{self.name}.json"
        self._url = url

    def headers(self) -> dict[str, str] | None:
        """The kept headers; None where there is no whole copy."""
        try:
            about = json.loads(self._about.read_text(encoding="utf-8"))
            if about["url"] != self._url or self.bytes.stat().st_size != about["size"]:
                return None
            self.bytes.touch()
            return dict(about["headers"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    async def fill(self, got: httpx.Response, limit: int) -> bool:
        """Keep an answer; False when it is longer than `limit` bytes after all."""
        self.bytes.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with NamedTemporaryFile(dir=self.bytes.parent, prefix=".part-", delete=False) as file:
            try:
                async for chunk in got.aiter_raw(CHUNK):
                    size += len(chunk)
                    if size > limit:
                        return False
                    await asyncio.to_thread(file.write, chunk)
                file.flush()
                Path(file.name).rename(self.bytes)
            finally:
                Path(file.name).unlink(missing_ok=True)
        headers = {**_kept(got.headers), "content-length": str(size)}
        about = {"url": self._url, "size": size, "headers": headers}
        with NamedTemporaryFile(
            "w", dir=self.bytes.parent, prefix=".part-", delete=False, encoding="utf-8"
        ) as note:
            json.dump(about, note)
        Path(note.name).rename(self._about)
        return True


async def read_through(request: Request) -> Reply:
    """Answer a request for a storage account that does not exist here, by the host's settings."""
    ctx = context_of(request)
    host, path = request.scope["azure_host"], request.scope["azure_path"]
    query = request.scope["query_string"].decode("latin-1")
    wanted = Wanted(
        request.method, host, f"{path}?{query}" if query else path, dict(request.headers)
    )
    folder = (ctx.settings.cache_dir / "public").expanduser()
    return await _shared(folder, ctx.settings.public_data, ctx.settings.offline).read(wanted)


@lru_cache(maxsize=8)
def _shared(folder: Path, policy: Literal["cache", "deny"], offline: bool) -> PublicData:
    upstream = Upstream.from_environment(client_environment_of_process())
    return PublicData(folder, upstream, policy, offline)


def _from_copy(wanted: Wanted, copy: _Copy, headers: dict[str, str]) -> Reply:
    size = int(headers["content-length"])
    if not _conditions_hold(wanted.headers, headers):
        return Reply(304, None, {k: v for k, v in headers.items() if k != "content-length"})
    first, last, status = 0, size - 1, 200
    asked = _RANGE.match(_range_of(wanted).get("range", ""))
    if asked:
        first, status = int(asked[1]), 206
        last = min(last, int(asked[2])) if asked[2] else last
        if first >= size or last < first:
            raise InvalidRange(
                "The range specified is invalid for the current size of the resource.",
                headers={"Content-Range": f"bytes */{size}"},
            )
        headers = {**headers, "content-range": f"bytes {first}-{last}/{size}"}
        headers["content-length"] = str(last - first + 1)
        # The whole blob's hash would be taken for the range's.
        whole = headers.pop("content-md5", None)
        if whole:
            headers["x-ms-blob-content-md5"] = whole
    headers["accept-ranges"] = "bytes"
    body = None if wanted.method == "HEAD" else _slice(copy.bytes, first, last - first + 1)
    return Reply(status, body, headers)


def _conditions_hold(asked: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    """Whether the data is to be sent; False is "not modified".

    Raises:
        PreconditionFailed: the data is not the one that was asked for.
    """
    etag = headers.get("etag", "")
    tags = asked.get("if-match")
    changed_after = _later(headers.get("last-modified"), asked.get("if-unmodified-since"))
    if (tags not in (None, "*") and etag not in _tags(tags or "")) or changed_after is True:
        raise PreconditionFailed(
            "The condition specified using HTTP conditional header(s) is not met."
        )
    if "if-none-match" in asked:
        return etag not in (given := _tags(asked["if-none-match"])) and "*" not in given
    return _later(headers.get("last-modified"), asked.get("if-modified-since")) is not False


def _tags(text: str) -> list[str]:
    return [t.strip() for t in text.split(",")]


def _later(left: str | None, right: str | None) -> bool | None:
    """Whether the HTTP date `left` is after `right`; None where either is absent or no date."""
    if not left or not right:
        return None
    try:
        return parsedate_to_datetime(left) > parsedate_to_datetime(right)
    except (ValueError, TypeError):
        return None


def _range_of(wanted: Wanted) -> dict[str, str]:
    given = wanted.headers.get("x-ms-range") or wanted.headers.get("range") or ""
    return {"range": given} if _RANGE.match(given) else {}


async def _slice(path: Path, first: int, length: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        while length > 0:
            chunk = await asyncio.to_thread(file.read, min(CHUNK, length))
            if not chunk:
                raise OSError(f"{path} became shorter while it was read")
            length -= len(chunk)
            yield chunk


async def _small_answer(wanted: Wanted, got: httpx.Response) -> Reply:
    """An answer that is not kept: to HEAD, or an error, whose body is small."""
    body = b""
    async for chunk in got.aiter_raw(CHUNK):
        body += chunk
        if len(body) > CHUNK:
            break
    headers = _kept(got.headers)
    if wanted.method != "HEAD":
        headers["content-length"] = str(len(body))
    return Reply(got.status_code, body, headers)


async def _passed_on(got: httpx.Response, held: AsyncExitStack) -> AsyncIterator[bytes]:
    async with held:
        async for chunk in got.aiter_raw(CHUNK):
            yield chunk


def _kept(headers: Any) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k not in _DROPPED and "cookie" not in k}


def _refusal(wanted: Wanted, why: str) -> Unsupported:
    account = wanted.host.partition(".")[0]
    return Unsupported(
        f"the storage account '{account}' ({wanted.method} {wanted.host}): it does not exist "
        f"here, and as public data of the real world: {why}",
        tracked=TRACKED,
    )
