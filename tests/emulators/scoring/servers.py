"""Starts the real inference server and this one, for tests that ask both the same."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from emulators.scoring.wire.serve import Deployment, running

T = TypeVar("T")

SCRIPTS = Path(__file__).parent / "scripts"
REAL = [
    "azureml-inference-server-http==1.5.1",
    "inference-schema[numpy-support,pandas-support]==1.8",
    "azureml-ai-monitoring==1.0.0",
    "setuptools<81",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def real_server(python: Path, script: Path, env: dict[str, str]) -> Iterator[str]:
    """The real server with one worker; gives its URL before it is ready."""
    port = free_port()
    command = [str(python.parent / "azmlinfsrv"), "--entry_script", str(script)]
    command += ["--port", str(port), "--model_dir", str(script.parent)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "AML_APP_ROOT": str(script.parent), **env},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_ready(url: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            httpx.get(url + "/", timeout=5)
        except httpx.TransportError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


@dataclass
class Loop:
    """An event loop in a thread, for servers that tests in this thread ask."""

    loop: asyncio.AbstractEventLoop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(120)


@contextlib.contextmanager
def loop_in_thread() -> Iterator[Loop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield Loop(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.contextmanager
def our_server(loop: Loop, deployment: Deployment) -> Iterator[str]:
    """This server; gives its URL."""
    serving = running(deployment)
    _, port = loop.run(serving.__aenter__())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.run(serving.__aexit__(None, None, None))
