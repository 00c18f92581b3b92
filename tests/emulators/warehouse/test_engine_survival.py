"""kill -9 while a session commits: what was told is there, all else is whole or absent."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.emulators.warehouse.engine_session import opened, run

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
