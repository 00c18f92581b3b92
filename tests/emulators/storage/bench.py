"""Storage in process, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from emulators.kernel.context import Context
from emulators.storage.engine import accounts
from emulators.storage.service import DATA_LAKE, MANAGEMENT, SPEC
from tests.support import client_of, make_app, make_context


class Bench:
    """The app in process, and clients with and without a token."""

    def __init__(self, folder: Path) -> None:
        self.ctx: Context = make_context(folder)
        self.account = accounts.seed(self.ctx).name
        self.app = make_app(self.ctx, [SPEC, DATA_LAKE, MANAGEMENT])
        self.url = f"https://{self.account}.blob.core.windows.net"
        self.dfs = f"https://{self.account}.dfs.core.windows.net"

    def run(self, scenario: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            token = self.ctx.tokens.issue("https://storage.azure.com")
            async with client_of(self.app, token=token) as http:
                return await scenario(http)

        return asyncio.run(whole())

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def scenario(http: httpx.AsyncClient) -> httpx.Response:
            return await http.request(method, f"{self.url}{path}", **more)

        found = self.run(scenario)
        assert isinstance(found, httpx.Response)
        return found
