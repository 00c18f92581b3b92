"""What deployments say on their consoles, as lines in the ledger: the newest, never a flood."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from emulators.kernel.context import Context

LOOK_S = 1.0  # real seconds: processes write in real time
LINES = 100  # of a deployment at each look; what it says beyond that is in its log only
LINE_CHARS = 4000
READ_BYTES = 256 << 10  # from the end, at each look


class Console:
    """Follows the logs of all deployments of one host."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._root = ctx.state / "endpoints"
        # What was said to an earlier host was noted by it.
        self._read = {log: log.stat().st_size for log in self._logs()}

    def _logs(self) -> list[Path]:
        return sorted(self._root.glob("*/*/*/log.txt"))

    def look(self) -> None:
        """Note what was said since the last look."""
        logs = self._logs()
        self._read = {log: self._read.get(log, 0) for log in logs}
        for log in logs:
            try:
                self._read[log] = self._noted(log, self._read[log])
            except OSError:  # it went with its deployment
                continue

    def _noted(self, log: Path, begin: int) -> int:
        size = log.stat().st_size
        if size == begin:
            return begin
        begin = begin if begin < size else 0  # it was cut, or is another deployment's
        start = max(begin, size - READ_BYTES)
        with log.open("rb") as file:
            file.seek(start)
            data = file.read(size - start)
        end = data.rfind(b"\n") + 1
        if not end:  # half a line, unless it fills all that is read
            return begin if len(data) < READ_BYTES else size
        lines = data[:end].decode("utf-8", "replace").splitlines()
        lines = [line for line in lines if line.strip()]
        workspace, endpoint, deployment = log.parts[-4:-1]
        left_out = len(lines) - LINES
        for line in lines[-LINES:]:
            self._ctx.ledger.record(
                "console",
                workspace=workspace,
                endpoint=endpoint,
                deployment=deployment,
                container="storage-initializer"
                if line.startswith("[rehearsal]")
                else "inference-server",
                message=line[:LINE_CHARS],
            )
        if left_out > 0 or start > begin:
            self._ctx.ledger.record(
                "console",
                workspace=workspace,
                endpoint=endpoint,
                deployment=deployment,
                container="inference-server",
                message=f"[rehearsal] {max(left_out, 0)} lines or more before these are in the log"
                " only",
            )
        return start + end

    async def follow(self) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[Console]:
    """Follow consoles while the service is up."""
    console = Console(ctx)
    task = asyncio.create_task(console.follow(), name="consoles")
    try:
        yield console
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        console.look()
