"""Find, ask, stop and detach the host of a state folder, from another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.kernel.admin import AUDIENCE, PREFIX
from emulators.kernel.clock import RealClock
from emulators.kernel.host import run_file
from emulators.kernel.ids import Ids
from emulators.kernel.peers import SYSTEM_OBJECT
from emulators.kernel.secrets import Secrets
from emulators.kernel.tokens import Tokens


class NotRunning(RuntimeError):
    """No host serves this state folder."""


@dataclass(frozen=True, slots=True)
class Host:
    """A running host as another process sees it."""

    state: Path
    pid: int
    proxy: int
    explicit: int

    def ask(self, method: str, what: str, body: object = None, **query: str) -> dict[str, Any]:
        """Send an order under `/_emulator/` and return its answer.

        Raises:
            RuntimeError: the host refused; the message is its own.
        """
        import httpx

        tokens = Tokens(Secrets.open(self.state, read_only=True), RealClock(), Ids())
        token = tokens.issue(AUDIENCE, object_id=SYSTEM_OBJECT)
        answer = httpx.request(
            method,
            f"https://localhost:{self.explicit}{PREFIX}{what}",
            json=body,
            params=query,
            headers={"authorization": f"Bearer {token}"},
            verify=_context(self.state / "tls" / "ca.pem"),
            trust_env=False,
            timeout=120,
        )
        value: dict[str, Any] = answer.json()
        if answer.is_error:
            raise RuntimeError(value.get("error", {}).get("message", answer.text))
        return value


def _context(ca: Path) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(ca))


def find(state: Path) -> Host:
    """The host that serves `state`.

    Raises:
        NotRunning: there is none; the message says what to do.
    """
    state = state.expanduser().resolve()
    try:
        said = json.loads(run_file(state).read_text())
        os.kill(said["pid"], 0)
    except (OSError, ValueError, KeyError):
        raise NotRunning(
            f"No Rehearsal serves the state folder {state}. Start it with `rehearse up --detach`"
            " (or name another folder with --state)."
        ) from None
    return Host(state, said["pid"], said["proxy"], said["explicit"])


def detach(state: Path, arguments: Sequence[str], wait_s: float = 60.0) -> Host:
    """Start a host in the background and wait until it is ready.

    Raises:
        RuntimeError: it ended, or was not ready in time; the message ends with its log.
    """
    state = state.expanduser().resolve()
    (state / "run").mkdir(parents=True, exist_ok=True)
    log = state / "run" / "host.log"
    run_file(state).unlink(missing_ok=True)
    with log.open("ab") as output:
        start = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "emulators", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if run_file(state).exists():
            return find(state)
        time.sleep(0.02)
    else:
        process.terminate()
    raise RuntimeError(
        "Rehearsal did not come up. Its log ends with:\n"
        + log.read_bytes()[start:].decode(errors="replace")[-2000:]
    )


def stop(host: Host, wait_s: float = 20.0) -> bool:
    """End a host and all below it; True when it ended by itself, False when it was killed."""
    os.kill(host.pid, signal.SIGTERM)
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        try:
            os.kill(host.pid, 0)
        except ProcessLookupError:
            return True
        if _is_zombie(host.pid):
            return True
        time.sleep(0.05)
    os.kill(host.pid, signal.SIGKILL)
    return False


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
