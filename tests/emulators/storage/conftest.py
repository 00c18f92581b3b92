"""Storage alone behind a loopback socket, for clients that need one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from emulators.kernel.app import App
from emulators.kernel.clock import RealClock
from emulators.kernel.context import Context
from emulators.kernel.store_sqlite import SqliteStore
from emulators.storage.service import MANAGEMENT, SPEC
from tests.support import make_app, make_context


@dataclass
class Stand:
    """A running storage emulator and how its own account is reached over plain HTTP."""

    ctx: Context
    app: App
    port: int

    @property
    def account(self) -> str:
        return str(self.ctx.secrets.values["default_account"])

    @property
    def key(self) -> str:
        return self.ctx.secrets.key(f"storage/{self.account}/key1")

    @property
    def url(self) -> str:
        """By the explicit door: the account is the first segment of the path."""
        return f"http://127.0.0.1:{self.port}/{self.account}.blob.core.windows.net"

    @property
    def credential(self) -> dict[str, str]:
        return {"account_name": self.account, "account_key": self.key}


class Thread(threading.Thread):
    """uvicorn in a thread, with the service's own life span around it."""

    def __init__(self, ctx: Context, app: App) -> None:
        super().__init__(daemon=True)
        config = uvicorn.Config(
            app, port=0, lifespan="off", log_config=None, access_log=False, http="httptools"
        )
        self.ctx, self.server = ctx, uvicorn.Server(config)

    def run(self) -> None:
        import asyncio

        async def serve() -> None:
            async with AsyncExitStack() as stack:
                assert SPEC.lifespan is not None
                await stack.enter_async_context(SPEC.lifespan(self.ctx))
                await self.server.serve()

        asyncio.run(serve())

    def port(self) -> int:
        deadline = time.monotonic() + 20
        while not self.server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        port: Any = self.server.servers[0].sockets[0].getsockname()[1]
        return int(port)


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder: Path = tmp_path_factory.mktemp("storage")
    ctx = make_context(folder, clock=RealClock(), store=SqliteStore(folder / "rehearsal.db"))
    app = make_app(ctx, [SPEC, MANAGEMENT])
    thread = Thread(ctx, app)
    thread.start()
    yield Stand(ctx, app, thread.port())
    thread.server.should_exit = True
    thread.join(10)
