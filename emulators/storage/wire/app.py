"""The Blob service as an ASGI app: address, caller, operation, answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import suppress
from functools import cache

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from emulators.kernel.catalogue import rows
from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError, Unsupported
from emulators.kernel.http import Call, Operation, Reply, call_of
from emulators.kernel.public_data import read_through
from emulators.storage import errors
from emulators.storage.engine import access, accounts, naming, permissions
from emulators.storage.engine.vault import Vault, vault_of
from emulators.storage.wire import ask as asking
from emulators.storage.wire.ask import META, Ask
from emulators.storage.wire.bodies import Download
from emulators.storage.wire.dfs import query_of as dfs_query
from emulators.storage.wire.routes import Route, query_of

VERSION = re.compile(r"20\d\d-\d\d-\d\d")
SERVER = "Windows-Azure-Blob/1.0 Rehearsal"


@cache
def routes(kind: str) -> dict[tuple[str, str, str], Route]:
    """Every operation that the Blob or the DFS endpoint serves."""
    from emulators.storage.wire import account, batch, blobs, containers, dfs, leasing, reading

    modules = [dfs] if kind == "dfs" else [account, batch, containers, leasing, blobs, reading]
    made: dict[tuple[str, str, str], Route] = {}
    for module in modules:
        for route in module.ROUTES:
            key = (route.level, route.method, route.query)
            assert key not in made, f"{key} is routed twice"
            made[key] = route
    return made


class _Cased(bytes):
    """A metadata name that the HTTP server leaves as it is when it lowers names of headers."""

    def lower(self) -> bytes:
        return self


class UnknownAccount(Exception):
    """An account that this state folder does not hold."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class StorageApp:
    """Answers every request to an account's Blob and DFS hosts."""

    def __init__(self, ctx: Context) -> None:
        self._vault: Vault = vault_of(ctx)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        version = request.headers.get("x-ms-version") or asking.NEWEST
        try:
            reply = await self._answer(request)
        except errors.NotModified as same:
            reply = Reply(304, headers={"x-ms-error-code": same.code, **same.headers})
        except ServiceError as error:
            error.headers.setdefault("x-ms-version", version)
            error.headers.setdefault("Server", SERVER)
            error.headers.setdefault("x-ms-error-code", error.code)
            raise
        await _send(reply, request, call_of(request), version, send)

    async def _answer(self, request: Request) -> Reply:
        try:
            return await served(self._vault, request)
        except UnknownAccount as unknown:
            if unknown.name in QUIET_ACCOUNTS:
                raise errors.ResourceNotFound from None
            call_of(request).operation = "PublicData"
            return await read_through(request)


async def served(
    vault: Vault, request: Request, *, only: Collection[str] = (), within: str = ""
) -> Reply:
    """Answer a request, whether it came by itself or in a batch.

    `only`: the operations it may be, where not empty; `within`: the container it must be about.

    Raises:
        UnknownAccount: this state folder does not hold the account.
        ServiceError: any of the service's.
    """
    ask = ask_of(vault, request)
    if not VERSION.fullmatch(ask.version):
        raise asking.bad_header("x-ms-version", ask.version)
    route = find(ask)
    if (only and route.name not in only) or (within and ask.container != within):
        raise errors.InvalidInput
    call = call_of(request)
    call.operation = ask.operation = route.name
    about = ask.blob or (ask.values.get("directory", "") if ask.kind == "dfs" else "")
    ask.caller = access.authenticate(ask.ctx, ask.signable(), ask.account, ask.container, about)
    access.authorize(ask.ctx, ask.caller, route.need, ask.account, ask.container, ask.asked_version)
    caller = permissions.responsible(ask.caller, ask.values)
    permissions.check(ask.ctx, caller, route.name, ask.account, ask.container)
    if ask.blob:
        naming.check_blob(ask.blob)
    reply = await route.handler(ask)
    call.operation = ask.operation
    return reply


def ask_of(vault: Vault, request: Request) -> Ask:
    """What a request addresses, and what it says.

    Raises:
        UnknownAccount: this state folder does not hold the account.
    """
    scope = request.scope
    name, _, rest = str(scope["azure_host"]).partition(".")
    query = asking.raw_query(scope["query_string"].decode("latin-1"))
    values = asking.query_values(query)
    account = accounts.find(vault.ctx, name)
    if account is None:
        raise UnknownAccount(name)
    container, blob = asking.address(str(scope["azure_path"]))
    kind = rest.partition(".")[0]
    about_container = kind == "dfs" or values.get("restype", "").lower() in _ABOUT_CONTAINERS
    if container and not blob and not about_container:
        container, blob = "$root", container
    return Ask(
        vault=vault,
        request=request,
        account=account,
        kind=kind,
        container=container,
        blob=blob,
        query=query,
        values=values,
        headers=tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in scope["headers"]
        ),
    )


_ABOUT_CONTAINERS = {"container", "account"}


QUIET_ACCOUNTS = {"azcliprod": "the az CLI asks it for its newest version at every login"}


def find(ask: Ask) -> Route:
    """The operation a request means.

    Raises:
        Unsupported: it is Azure's and not served here.
        InvalidQueryParameterValue: `comp` or `restype` is none of Azure's.
        InvalidHttpVerb: the resource has no such verb.
    """
    level = "blob" if ask.blob else "container" if ask.container else "service"
    known = routes(ask.kind)
    query = (dfs_query if ask.kind == "dfs" else query_of)(ask.values, level)
    method = ask.request.method
    found = known.get((level, method, query))
    if found is not None:
        return found
    refused = refusals(ask.kind)
    why = refused.get((level, method, query))
    if why is not None:
        raise Unsupported(why, tracked="emulators/storage/operations.toml")
    verbs = {key[1] for key in {**known, **refused} if (key[0], key[2]) == (level, query)}
    if verbs:
        raise errors.InvalidHttpVerb(headers={"Allow": ", ".join(sorted(verbs))})
    named = "comp" if "comp" in ask.values else "restype"
    raise asking.bad_query(named, ask.values.get(named, ""))


@cache
def refusals(kind: str) -> dict[tuple[str, str, str], str]:
    """Operations of the Blob or the DFS endpoint that are known and not served, and why."""
    found = {}
    for row in rows("emulators.storage"):
        if row.status == "refused" and row.host == f"*.{kind}.core.windows.net":
            path, _, query = row.path.partition("?")
            level = {"/": "service", "/{container}": "container"}.get(path, "blob")
            found[level, row.method, query] = f"{row.name} ({row.why})"
    return found


async def _send(reply: Reply, request: Request, call: Call, version: str, send: Send) -> None:
    given = request.headers.get("x-ms-client-request-id", "")
    headers = {
        "Server": SERVER,
        "x-ms-request-id": call.request_id,
        "x-ms-version": version,
        **(
            {"x-ms-client-request-id": given}
            if given.isprintable() and 0 < len(given) <= 1024
            else {}
        ),
        **({"Content-Type": reply.media} if reply.media else {}),
        **reply.headers,
    }
    body = reply.body.encode() if isinstance(reply.body, str) else reply.body
    if not isinstance(body, AsyncIterator):
        assert body is None or isinstance(body, bytes)
        if not any(name.lower() == "content-length" for name in headers):
            headers["Content-Length"] = str(len(body or b""))
    raw = [
        (_Cased(n, "latin-1") if n.startswith(META) else n.lower().encode(), _sendable(value))
        for n, value in headers.items()
    ]
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        if isinstance(body, AsyncIterator):
            await _send_all(body, request, send)
        else:
            sent = body if request.method != "HEAD" else b""
            await send({"type": "http.response.body", "body": sent or b""})
    finally:
        if isinstance(body, Download | AsyncGenerator):
            await body.aclose()


def _sendable(value: str) -> bytes:
    """A header's value without what would end the header."""
    return value.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")


async def _send_all(body: AsyncIterator[bytes], request: Request, send: Send) -> None:
    """Send chunks until they end or the caller has left."""
    left = asyncio.ensure_future(_disconnect(request))
    try:
        async for chunk in body:
            if left.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        left.cancel()
        with suppress(asyncio.CancelledError):
            await left


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def described(kind: str) -> list[Operation]:
    """The served operations, for catalogues; requests never come this way."""

    async def elsewhere(request: Request) -> Reply:
        raise AssertionError("StorageApp answers by itself")

    host = f"*.{kind}.core.windows.net"
    words = {"{container}": "{filesystem}", "{blob}": "{path}"} if kind == "dfs" else {}

    def named(path: str) -> str:
        for blob_word, word in words.items():
            path = path.replace(blob_word, word)
        return path

    return [
        Operation(route.name, route.method, named(route.path), elsewhere, host)
        for route in routes(kind).values()
    ]
