"""The command as a user types it: one process a verb, one host for those that only read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.running import Rehearsal, started

QUICK = {"REHEARSAL_MLFLOW": "false"}


@dataclass
class Command:
    """`rehearse` on one state folder."""

    state: Path
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What every verb is started with."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("REHEARSAL_")}
        return {**kept, "COLUMNS": "200", **QUICK, **self.more}

    def words(self, *words: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "emulators", *words, "--state", str(self.state)]

    def __call__(
        self, *words: str, code: int = 0, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb, which ends with `code` and never with a traceback."""
        done = subprocess.run(
            self.words(*words),
            capture_output=True,
            text=True,
            input=given,
            env=self.environment,
            check=False,
            timeout=120,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "Traceback" not in said
        return done

    def fails(self, *words: str, code: int = 1) -> str:
        """What a verb says that cannot do its work: one short paragraph on standard error."""
        done = self(*words, code=code)
        assert done.stdout == ""
        lines = [line for line in done.stderr.splitlines() if line != "Starting…"]
        assert code == 2 or 1 <= len(lines) <= 3, done.stderr
        return "\n".join(lines)


def gone(pid: int, within_s: float = 10.0) -> bool:
    """Whether a process ends within that time; one that nobody has waited for counts as ended."""
    deadline = time.monotonic() + within_s
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return not psutil.pid_exists(pid)


@pytest.fixture
def rehearse(tmp_path: Path) -> Iterator[Command]:
    """The command on a folder of its own, which nobody serves yet."""
    command = Command(tmp_path / "state")
    yield command
    Rehearsal(command.state).down()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A host of the module's own, without MLflow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REHEARSAL_MLFLOW", "false")
        with started(tmp_path_factory.mktemp("cli"), "--runtime", "host") as running:
            yield running


@pytest.fixture
def on_host(host: Rehearsal) -> Command:
    """The command on that host's folder."""
    return Command(host.state)
