"""An httpx transport into an ASGI app of this process; streams both ways, buffers nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
from starlette.types import ASGIApp, Message, Scope


class _Exchange(httpx.AsyncByteStream):
    """One request into the app; itself the answer's body, and closing it early stops the app."""

    def __init__(self, app: ASGIApp, request: httpx.Request) -> None:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        self._app, self._scope = app, _scope(request)
        self._body = aiter(request.stream)
        self._sent_all = False
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=4)
        self._finished = asyncio.Event()
        self.head: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(self._call())

    async def _call(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except BaseException as error:
            if not self.head.done():
                self.head.set_exception(error)
            elif isinstance(error, Exception):
                await self._chunks.put(None)  # the reader then sees how the app ended
            raise
        finally:
            self._finished.set()
            if not self.head.done():
                self.head.set_exception(RuntimeError("the app did not answer"))

    async def _receive(self) -> Message:
        if not self._sent_all:
            try:
                return {"type": "http.request", "body": await anext(self._body), "more_body": True}
            except StopAsyncIteration:
                self._sent_all = True
                return {"type": "http.request", "body": b"", "more_body": False}
        await self._finished.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self.head.done():  # its reader may be gone
                self.head.set_result(message)
            return
        if message.get("body"):
            await self._chunks.put(message["body"])
        if not message.get("more_body"):
            await self._chunks.put(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk
        await self._task

    async def aclose(self) -> None:
        if not self._task.done():
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class ASGITransport(httpx.AsyncBaseTransport):
    """Calls `app` without a socket, as if the request had come through the front door."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = _Exchange(self._app, request)
        try:
            head = await exchange.head
        except asyncio.CancelledError:  # whoever asked is gone: so is the app's work for it
            await exchange.aclose()
            raise
        return httpx.Response(head["status"], headers=head["headers"], stream=exchange)


def _scope(request: httpx.Request) -> Scope:
    raw_path, _, query = request.url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https",
        "path": request.url.path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (request.url.host, request.url.port or 443),
        "client": ("127.0.0.1", 0),
        "state": {},
    }
