"""`python -m emulators.mlflow`: MLflow's own server, all workspaces, in this one process."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any

from emulators.kernel.settings import client_environment_of_process
from emulators.mlflow.engine.launch import server_environment

PR_SET_PDEATHSIG = 1
WORKER_THREADS = 8


def main(argv: list[str]) -> None:
    """Prepare the environment MLflow reads at import, then become the server."""
    given = _parser().parse_args(argv)
    if not given.serve:
        environment = server_environment(client_environment_of_process(), given.state)
        command = [sys.executable, "-P", "-m", "emulators.mlflow", *argv, "--serve"]
        os.execve(sys.executable, command, environment)
    if given.parent:
        _die_with(given.parent)
    _serve(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulators.mlflow")
    parser.add_argument("--state", type=Path, required=True, help="folder of the databases")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the empty template")
    parser.add_argument("--socket", type=Path, help="Unix socket to listen on")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, help="TCP port to listen on instead")
    parser.add_argument("--durable", action="store_true", help="survive power loss too")
    parser.add_argument("--parent", type=int, default=0, help="process id to die with")
    parser.add_argument("--ready-fd", type=int, default=-1, help="told when requests are taken")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    return parser


def _die_with(parent: int) -> None:
    """Ask the kernel to end this process when `parent` ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent process is gone")


def _serve(given: argparse.Namespace) -> None:
    import gc

    # Importing MLflow makes millions of objects that all stay: collecting them is wasted time.
    gc.disable()
    import uvicorn
    from mlflow.server.fastapi_app import app as mlflow_app

    from emulators.mlflow.engine import stores as engine
    from emulators.mlflow.wire.inner import InnerApp

    stores = engine.Stores(given.state, engine.template_of(given.cache))
    engine.install(stores, durable=given.durable)
    gc.freeze()
    gc.enable()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            import anyio.to_thread

            anyio.to_thread.current_default_thread_limiter().total_tokens = WORKER_THREADS
            await super().startup(sockets)
            if given.ready_fd >= 0:
                os.write(given.ready_fd, b"ready\n")
                os.close(given.ready_fd)

    place: dict[str, Any] = (
        {"uds": str(given.socket)} if given.socket else {"host": given.host, "port": given.port}
    )
    Server(
        uvicorn.Config(
            InnerApp(mlflow_app, stores),
            **place,
            lifespan="off",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=2,
        )
    ).run()


if __name__ == "__main__":
    main(sys.argv[1:])
