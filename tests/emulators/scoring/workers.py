"""One worker pool for a test: any script text, any interpreter, asked directly."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from emulators.kernel.workers import Request, Response, WorkerPool
from emulators.scoring.wire.serve import WORKER

T = TypeVar("T")
JSON = [("content-type", "application/json")]


@dataclass
class Asked:
    """A running pool, and its log when the pool has ended."""

    pool: WorkerPool
    log: Path

    async def post(self, body: bytes | Any, headers: Any = JSON) -> Response:
        """POST /score; values that are not bytes as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.pool.call(Request("POST", "/score", headers, content))

    def lines(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def with_worker(
    work: Callable[[Asked], Coroutine[Any, Any, T]],
    *,
    root: Path,
    arguments: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> T:
    """Run `work` with one worker whose code root is `root`.

    Raises:
        WorkerFailed: it does not boot.
    """

    async def run() -> T:
        with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as sockets:
            pool = WorkerPool(
                [python, str(WORKER), *arguments],
                env={**os.environ, "AML_APP_ROOT": str(root), **(env or {})},
                cwd=root,
                count=1,
                log=root / "worker.log",
                sockets=Path(sockets),
            )
            await pool.start(60)
            try:
                return await work(Asked(pool, root / "worker.log"))
            finally:
                await pool.stop()

    return asyncio.run(run())
