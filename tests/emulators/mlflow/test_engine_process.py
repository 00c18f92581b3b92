"""The server process's keeper: says why there is no server, restarts it, leaves nothing behind."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from emulators.mlflow.engine import process
from emulators.mlflow.engine.launch import server_command, server_environment
from emulators.mlflow.engine.process import Server
from emulators.mlflow.errors import ServerNotReady
from tests.support import make_context

READY = "import os,sys;os.write(int(sys.argv[sys.argv.index('--ready-fd')+1]),b'ready\\n');"


def pretend(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Start `program` where the server would be started."""

    def command(*_: object, **__: object) -> list[str]:
        return [sys.executable, "-c", program]

    monkeypatch.setattr(process, "server_command", command)
    monkeypatch.setattr(process, "RESTART_FIRST_S", 0.01)


def test_a_server_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, "raise SystemExit('the disk is full')")

    async def work() -> None:
        server = Server(make_context(tmp_path))
        with pytest.raises(ServerNotReady, match="exit code 1: the disk is full"):
            await server.ready(30)
        await server.stop()

    asyncio.run(work())


def test_a_server_that_takes_too_long_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, "import time; time.sleep(60)")

    async def work() -> None:
        server = Server(make_context(tmp_path))
        with pytest.raises(ServerNotReady, match="it is starting"):
            await server.ready(0.5)
        pid = server.pid
        await server.stop()
        assert pid is not None
        assert not Path(f"/proc/{pid}").exists()

    asyncio.run(work())


def test_a_server_that_dies_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = f"import pathlib;p=pathlib.Path({str(tmp_path / 'once')!r});"
    pretend(
        monkeypatch,
        READY + once + "import time\nif not p.exists(): p.touch(); sys.exit(3)\ntime.sleep(60)",
    )

    async def work() -> None:
        server = Server(make_context(tmp_path))
        server.start()
        while server.starts < 2:
            await asyncio.sleep(0.01)
        await server.ready(30)
        assert (tmp_path / "run" / "mlflow.pid").read_text() == f"{server.pid}\n"
        await server.stop()
        assert not server.is_ready
        assert not (tmp_path / "run" / "mlflow.pid").exists()

    asyncio.run(work())


def test_switched_off_is_said(tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(ServerNotReady, match="switched off"):
            await Server(make_context(tmp_path, mlflow=False)).ready()

    asyncio.run(work())


def test_a_long_state_path_still_has_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, READY + "import time; time.sleep(60)")
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    async def work() -> None:
        server = Server(make_context(deep))
        await server.ready(30)
        assert len(str(server.socket)) < process.SOCKET_PATH_LIMIT
        folder = server.socket.parent
        assert folder.stat().st_mode & 0o077 == 0
        await server.stop()
        assert not folder.exists()

    asyncio.run(work())


def test_nothing_of_the_user_s_configures_the_server(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin",
        "MLFLOW_TRACKING_URI": "https://elsewhere",
        "_MLFLOW_SERVER_REGISTRY_STORE": "x",
        "PYTHONPATH": "/somewhere",
    }
    made = server_environment(given, tmp_path)
    assert made["PATH"] == "/bin"
    assert "MLFLOW_TRACKING_URI" not in made
    assert "_MLFLOW_SERVER_REGISTRY_STORE" not in made
    assert (Path(made["PYTHONPATH"]) / "emulators" / "mlflow").is_dir()
    command = server_command(tmp_path, tmp_path / "c", tmp_path / "s", durable=True)
    assert "--durable" in command
    assert command[1] == "-P"
