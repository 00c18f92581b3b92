"""The data collector beside deployments: HTTP on a loopback port, a login for each of them."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from emulators.kernel.context import Context
from emulators.kernel.errors import BadRequest, NotFound, ServiceError, TooLarge, Unauthorized
from emulators.machinelearning.engine.collection.events import Posted
from emulators.machinelearning.engine.collection.keeper import Keeper, keeper_of

PATH = "/modeldata/log"
LOOPBACK = "127.0.0.1"


class Sidecar:
    """The ASGI app that the collector package posts to."""

    def __init__(self, keeper: Keeper, limit_bytes: int) -> None:
        self._keeper, self._limit = keeper, limit_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            status, text = await self._answer(scope, receive)
        except ServiceError as refused:
            status, text = refused.status, refused.message
        except OSError as why:  # the disk is full: the script is told, and knows it is not kept
            status, text = 507, f"It cannot be kept: {why}"
        body = text.encode()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any, receive: Any) -> tuple[int, str]:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        if scope["path"] != PATH or scope["method"] != "POST":
            raise NotFound(f"There is only POST {PATH} here.")
        collector = self._keeper.of(_secret(headers.get("authorization", "")))
        if collector is None:
            raise Unauthorized("No deployment of this host has that login.")
        self._keeper.take(collector, Posted(headers, await self._body(receive)))
        return 200, "OK"

    async def _body(self, receive: Any) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("The request did not come to its end.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limit:
                raise TooLarge(f"The payload is larger than {self._limit} bytes.")
            if not message.get("more_body"):
                return b"".join(parts)


def _secret(authorization: str) -> str:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[None]:
    """Listen on a free loopback port while the service is up."""
    keeper = keeper_of(ctx)
    config = Config(
        Sidecar(keeper, ctx.settings.max_body_mib << 20),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpToolsProtocol(config, state, {}), LOOPBACK, 0)
    keeper.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
