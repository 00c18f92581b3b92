"""The standalone inference server: HTTP in front of a pool of workers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulators.kernel.settings import client_environment_of_process
from emulators.kernel.workers import WorkerPool
from emulators.scoring.wire.front import Connection, Front

WORKER = Path(__file__).resolve().parents[1] / "engine" / "inside" / "worker.py"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is served and how."""

    python: str = sys.executable
    entry_script: Path | None = None
    model_dir: Path | None = None
    app_root: Path | None = None
    mlflow_model: Path | None = None
    onnx: Path | None = None
    workers: int = 1
    log: Path = Path("scoring.log")
    variables: Mapping[str, str] = field(default_factory=dict)  # of the deployment; they win

    def command(self) -> list[str]:
        """Program and arguments of one worker."""
        command = [self.python, str(WORKER)]
        if self.mlflow_model is not None:
            command += ["--mlflow-model", str(self.mlflow_model.resolve())]
        if self.onnx is not None:
            command += ["--onnx", str(self.onnx.resolve())]
        return command

    def root(self) -> Path:
        """Folder of the code: the one given, else where the command was run."""
        return (self.app_root or Path.cwd()).resolve()

    def environment(self) -> dict[str, str]:
        """The workers' environment: this process's own and what the contract sets."""
        env = dict(client_environment_of_process())
        env["AML_APP_ROOT"] = str(self.root())
        if self.entry_script is not None:
            env["AZUREML_ENTRY_SCRIPT"] = str(self.entry_script.resolve())
        if self.model_dir is not None:
            env["AZUREML_MODEL_DIR"] = str(self.model_dir.resolve())
        return env | dict(self.variables)


@contextlib.asynccontextmanager
async def running(
    deployment: Deployment, *, host: str = "127.0.0.1", port: int = 0, ready_s: float = 300.0
) -> AsyncIterator[tuple[WorkerPool, int]]:
    """Serve until the block ends; gives the pool and the port.

    Raises:
        WorkerFailed: the deployment does not boot.
        OSError: the port is taken.
    """
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="rh-", dir=_short_folder()) as sockets:
        pool = WorkerPool(
            deployment.command(),
            env=deployment.environment(),
            cwd=deployment.root(),
            count=deployment.workers,
            log=deployment.log,
            sockets=Path(sockets),
        )
        # As gunicorn: a worker busy with one request for so long is killed and replaced.
        pool.kill_after_s = float(deployment.environment().get("WORKER_TIMEOUT", 300))
        await pool.start(ready_s)
        front = Front(pool)
        server = None
        try:
            server = await loop.create_server(lambda: Connection(front), host, port, backlog=1024)
            yield pool, server.sockets[0].getsockname()[1]
        finally:
            if server is not None:
                server.close()
            await pool.stop()
            front.close()


def _short_folder() -> str | None:
    """A Unix socket's path has at most about 100 bytes; the usual temporary folder may be long."""
    usual = tempfile.gettempdir()
    return usual if len(usual) < 60 or not os.path.isdir("/tmp") else "/tmp"


async def serve(deployment: Deployment, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, saying on standard output where."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(deployment, host=host, port=port) as (_, bound):
        sys.stdout.write(f"listening on http://{host}:{bound}\n")
        sys.stdout.flush()
        await stop.wait()
