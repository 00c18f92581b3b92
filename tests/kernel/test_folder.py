"""The state folder's lock, its log, and what `up` says of a failure that nobody foresaw."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from emulators.commands import host as verbs
from emulators.kernel import hostlog
from emulators.kernel.context import open_context
from emulators.kernel.folder import AlreadyRunning, OnlyOne, holder, log_file, open_folder, run_file
from emulators.kernel.settings import Settings


def test_one_holder_at_a_time_and_everybody_knows_which(tmp_path: Path) -> None:
    state = open_folder(tmp_path / "state")
    assert holder(state) is None
    with OnlyOne(state):
        assert holder(state) == os.getpid()
        with pytest.raises(AlreadyRunning, match=f"by process {os.getpid()}"), OnlyOne(state):
            pass
        assert holder(state) == os.getpid()
    assert holder(state) is None
    with OnlyOne(state):
        pass


def test_taking_the_folder_removes_what_a_killed_host_said(tmp_path: Path) -> None:
    state = open_folder(tmp_path / "state")
    run_file(state).write_text("{}")
    with OnlyOne(state):
        assert not run_file(state).exists()


def test_durable_reaches_the_database(tmp_path: Path) -> None:
    for durable, level in ((False, 1), (True, 2)):
        ctx = open_context(Settings(state=tmp_path / str(durable), durable=durable))
        store: Any = ctx.store
        assert store._db.execute("PRAGMA synchronous").fetchone()[0] == level
        ctx.ledger.close()
        store.close()


def test_the_log_is_private_bounded_and_whole_while_the_terminal_is_brief(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hostlog, "LARGEST", 20_000)
    file = tmp_path / "host.log"
    with hostlog.kept(file):
        try:
            raise ValueError("deep inside")
        except ValueError:
            logging.getLogger("rehearsal.part").exception("it failed:\nas expected")
        logging.getLogger("rehearsal").info("nobody needs this")
        for number in range(2000):
            logging.getLogger("asyncio").warning("again %d \ud800", number)
    logging.getLogger("rehearsal").warning("after")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {p.name for p in tmp_path.iterdir()} == {"host.log", "host.log.1"}
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < 45_000
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "error: it failed: (ValueError; details: run/host.log)"
    assert "Traceback" not in "".join(said)


def test_an_unforeseen_failure_is_one_line_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @asynccontextmanager
    async def broken(*_: object) -> AsyncIterator[None]:
        raise KeyError("no such thing")
        yield

    monkeypatch.setattr("emulators.kernel.host.serve", broken)
    settings = Settings(state=tmp_path / "state")
    with pytest.raises(typer.Exit) as ended:
        verbs.serve_here(settings, [])
    assert ended.value.exit_code == 1
    said = capsys.readouterr().err
    assert "Rehearsal failed: KeyError: 'no such thing'" in said
    assert str(log_file(tmp_path / "state")) in said
    assert len(said.splitlines()) == 2
    assert "Traceback" in log_file(tmp_path / "state").read_text()
