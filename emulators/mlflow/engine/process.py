"""The one MLflow server process of a state folder: started, watched, restarted, ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from emulators.kernel.context import Context
from emulators.kernel.settings import client_environment_of_process
from emulators.mlflow.engine.launch import server_command, server_environment
from emulators.mlflow.errors import ServerNotReady

log = logging.getLogger("rehearsal.mlflow")

READY_WITHIN_S = 120.0
GIVE_UP_AFTER = 5
RESTART_FIRST_S, RESTART_LAST_S = 0.2, 10.0
STOP_WITHIN_S = 5.0
TAIL_BYTES = 2000
LOG_LIMIT_BYTES = 8 << 20
SOCKET_PATH_LIMIT = 100


@dataclass(slots=True)
class Server:
    """The process and what is known about it. Every method belongs to one event loop."""

    ctx: Context
    socket: Path = field(default_factory=Path)
    pid: int | None = None
    starts: int = 0
    reason: str = "it has not been started"
    _process: asyncio.subprocess.Process | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _given_up: asyncio.Event = field(default_factory=asyncio.Event)
    _guard: asyncio.Task[None] | None = None
    _private: str = ""  # a folder of our own for the socket, where the state's path is too long

    @property
    def log_path(self) -> Path:
        """Where the server's own output is kept."""
        return self.ctx.state / "run" / "mlflow.log"

    @property
    def is_ready(self) -> bool:
        """Whether requests are taken now."""
        return self._ready.is_set()

    def start(self) -> None:
        """Start the process in the background; starting it twice is harmless."""
        if self._guard is None:
            self.socket = self._place()
            self._guard = asyncio.create_task(self._watch())

    async def ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Wait until the server takes requests.

        Raises:
            ServerNotReady: it is switched off, cannot start, or did not in time.
        """
        if self._ready.is_set():
            return
        if not self.ctx.settings.mlflow:
            raise ServerNotReady("The MLflow server is switched off (REHEARSAL_MLFLOW=false).")
        self.start()
        waits = [asyncio.create_task(e.wait()) for e in (self._ready, self._given_up)]
        try:
            # Real time, not ctx.clock: a process takes as long as it takes.
            await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._ready.is_set():
            raise ServerNotReady(f"The MLflow server is not ready: {self.reason}.")

    async def stop(self) -> None:
        """End the process and wait until it is gone."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.cancel()
            await asyncio.gather(guard, return_exceptions=True)
            self.socket.unlink(missing_ok=True)
        self._ready.clear()
        if self._private:
            with contextlib.suppress(OSError):
                Path(self._private).rmdir()
            self._private = ""

    def _place(self) -> Path:
        """A socket path that fits into a socket address."""
        path = self.ctx.state / "run" / "mlflow.sock"
        if len(os.fsencode(path)) >= SOCKET_PATH_LIMIT:
            self._private = self._private or tempfile.mkdtemp(prefix="rehearsal-")
            path = Path(self._private) / "mlflow.sock"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    async def _watch(self) -> None:
        """Keep one process running until it cannot be started several times in a row."""
        failures, delay_s = 0, RESTART_FIRST_S
        while failures < GIVE_UP_AFTER:
            self.reason = "it is starting"
            try:
                await self._spawn()
                assert self._process is not None
                code = await self._process.wait()
                served = self._ready.is_set()
                failures = 0 if served else failures + 1
                delay_s = RESTART_FIRST_S if served else min(delay_s * 2, RESTART_LAST_S)
                self.reason = f"it ended with {_ending(code)}: {self._tail()}"
            except OSError as error:
                failures += 1
                self.reason = f"it cannot be started: {error}"
            finally:
                self._ready.clear()
                await self._end()
            log.warning("mlflow server: %s", self.reason)
            await asyncio.sleep(delay_s)
        self._given_up.set()

    async def _spawn(self) -> None:
        state = self.ctx.state
        settings = self.ctx.settings
        command = server_command(
            state / "mlflow",
            settings.cache_dir.expanduser() / "mlflow",
            self.socket,
            durable=settings.durable,
        )
        read, write = os.pipe()
        self.socket.unlink(missing_ok=True)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT_BYTES:
            self.log_path.unlink()
        try:
            with self.log_path.open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    *("--parent", str(os.getpid()), "--ready-fd", str(write)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=server_environment(client_environment_of_process(), state / "mlflow"),
                    pass_fds=(write,),
                    start_new_session=True,
                )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        self.pid, self.starts = self._process.pid, self.starts + 1
        (state / "run" / "mlflow.pid").write_text(f"{self.pid}\n")
        self.ctx.ledger.record("process", name="mlflow", pid=self.pid, event="started")
        await self._until_ready(read)

    async def _until_ready(self, read: int) -> None:
        """Wait for the word on the pipe; its end without the word means the process is gone."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        pipe = os.fdopen(read, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            if await reader.readline() == b"ready\n":
                self.reason = ""
                self._ready.set()
                self.ctx.ledger.record("process", name="mlflow", pid=self.pid, event="ready")
        finally:
            transport.close()

    async def _end(self) -> None:
        process, self._process, self.pid = self._process, None, None
        (self.ctx.state / "run" / "mlflow.pid").unlink(missing_ok=True)
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def _tail(self) -> str:
        """The last line of the log that says something."""
        try:
            text = self.log_path.read_bytes()[-TAIL_BYTES:].decode("utf-8", "replace")
        except OSError:
            return "there is no log"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "its log is empty"


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


_SERVERS: dict[Path, Server] = {}


def server_of(ctx: Context) -> Server:
    """The server of this state folder; not started yet when it is new."""
    if ctx.state not in _SERVERS:
        _SERVERS[ctx.state] = Server(ctx)
    return _SERVERS[ctx.state]


def forget(ctx: Context) -> None:
    """Let go of the folder's server after it was stopped."""
    _SERVERS.pop(ctx.state, None)
