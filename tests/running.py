"""Start the real host in a process of its own, as a user would, and stop it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emulators.kernel import control
from emulators.kernel.folder import holder


@dataclass
class Rehearsal:
    """A host that is up, and the variables that lead clients to it."""

    state: Path
    options: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    seconds_to_ready: float | None = None  # of the last start, from no process to ready

    @property
    def host(self) -> control.Host:
        """The running host; NotRunning when it is down."""
        return control.find(self.state)

    def up(self) -> None:
        """Start the host and wait until it is ready."""
        began = time.monotonic()
        control.detach(
            self.state, ["up", "--state", str(self.state), "--ports", "auto", *self.options]
        )
        self.seconds_to_ready = time.monotonic() - began
        said = self.rehearse("env", "--format", "json")
        self.env = json.loads(said)

    def rehearse(self, *words: str, quiet_failure: bool = False) -> str:
        """Run one verb of the command line against this state; its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "emulators", *words, "--state", str(self.state)],
            capture_output=True,
            text=True,
            check=not quiet_failure,
            timeout=300,
        )
        return done.stdout

    def kill(self) -> None:
        """End the host as the system would: at once, without a chance to tidy up."""
        os.kill(self.host.pid, 9)
        deadline = time.monotonic() + 10
        while holder(self.state) is not None and time.monotonic() < deadline:
            time.sleep(0.01)  # it takes the system a moment to take everything back

    def down(self) -> None:
        """Stop the host if it is up."""
        try:
            control.stop(self.host)
        except control.NotRunning:
            return


@contextmanager
def started(state: Path, *options: str) -> Iterator[Rehearsal]:
    """A host for the length of a block."""
    running = Rehearsal(state, options)
    running.up()
    try:
        yield running
    finally:
        running.down()
