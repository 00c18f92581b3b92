"""kill -9 while a session commits: what was told is there, all else is whole or absent."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from emulators.kernel import snapshots
from tests.emulators.warehouse.engine_session import Place, opened, run

WRITER = """
import sys
from pathlib import Path
from tests.emulators.warehouse.engine_session import opened, run
with opened(Path(sys.argv[1])) as place:
    session = place.login()
    n = int(run(session, "SELECT COALESCE(MAX(a), 0) FROM dbo.kept")[0].strip("| "))
    while True:
        n += 1
        once = f"INSERT INTO dbo.kept VALUES ({n})"
        told = run(session, f"BEGIN TRAN {once} {once} COMMIT")
        assert told[-1] == "commit", told
        print(n, flush=True)
"""


def test_committed_transactions_survive_a_kill(tmp_path: Path) -> None:
    with opened(tmp_path) as place:
        run(place.login(), "CREATE TABLE dbo.kept (a int)")
    told = 0
    for _ in range(3):
        told = killed_after(tmp_path, told + 10)
        with opened(tmp_path) as place:
            session = place.login()
            row = run(session, "SELECT COUNT(*), COUNT(DISTINCT a), MAX(a) FROM dbo.kept")[0]
            rows, distinct, last = (int(cell) for cell in row.strip("| ").split(" | "))
            assert rows == 2 * distinct
            assert last == distinct
            assert last in (told, told + 1)


def test_a_snapshot_holds_what_was_committed_while_others_commit(tmp_path: Path) -> None:
    """Every row is its whole transaction's, whatever DuckDB writes while files are copied."""
    (tmp_path / "state").mkdir()
    with opened(tmp_path / "state") as place, ThreadPoolExecutor(1) as pool:
        (place.ctx.state / "warehouse" / "sqlpool.duckdb.tmp").mkdir()
        (place.ctx.state / "warehouse" / "sqlpool.duckdb.tmp" / "spilled").write_bytes(b"1")
        stop = Event()
        working = pool.submit(writes, place, stop)
        for number in range(2):
            stop.wait(0.3)
            held = snapshots.held_still(place.ctx.state, place.server.still())
            with held as files:
                copy = tmp_path / str(number) / "warehouse"
                copy.mkdir(parents=True)
                for name, file in files.items():
                    if name.startswith("warehouse/"):
                        shutil.copy(file, copy.parent / name)
            with opened(copy.parent) as restored:
                told = run(restored.login(), "SELECT COUNT(*) % 20000, MAX(n) FROM dbo.kept")
            assert told[0].startswith("| 0 | ")
        stop.set()
        assert working.result() > 0


def test_nothing_is_committed_while_files_are_copied(tmp_path: Path) -> None:
    with opened(tmp_path) as place, ThreadPoolExecutor(1) as pool:
        session = place.login()
        run(session, "CREATE TABLE dbo.kept (a int)")
        file = place.ctx.state / "warehouse" / "sqlpool.duckdb"
        with snapshots.held_still(place.ctx.state, place.server.still()) as files:
            assert not files["warehouse/sqlpool.duckdb"].samefile(file)
            assert not [name for name in files if ".tmp/" in name]
        for text in ("INSERT INTO dbo.kept VALUES (1)", "BEGIN TRAN DELETE dbo.kept COMMIT"):
            with place.server.still():
                told = pool.submit(run, session, text)
                with pytest.raises(TimeoutError):
                    told.result(0.1)
            assert not told.result(10)[-1].startswith("error")


def writes(place: Place, stop: Event) -> int:
    """Commit 20,000 rows of text again and again, enough for DuckDB to fold its log in."""
    session, done = place.login(), 0
    run(session, "CREATE TABLE dbo.kept (n int, a varchar(60))")
    digits = "(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9))"
    rows = f"{digits} a(x), {digits} b(x), {digits} c(x), {digits} d(x), (VALUES (0),(1)) e(x)"
    while not stop.is_set():
        text = f"INSERT INTO dbo.kept SELECT {done}, NEWID() FROM {rows}"
        told = run(session, text)
        assert not told[-1].startswith("error"), told
        done += 1
        if done % 3 == 0:
            run(session, f"BEGIN TRAN {text} DELETE FROM dbo.kept WHERE n = {done - 2} COMMIT")
    return done


def killed_after(folder: Path, wanted: int) -> int:
    """Start a writer, kill it when it told of `wanted`; the last it told of."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        last = 0
        for line in writer.stdout:
            last = int(line)
            if last >= wanted:
                break
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            last = int(line) if line.endswith("\n") else last
    return last
