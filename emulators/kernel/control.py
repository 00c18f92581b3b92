"""Find, ask, stop and detach the host of a state folder, from another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulators.kernel.admin import AUDIENCE, PREFIX
from emulators.kernel.clock import RealClock
from emulators.kernel.folder import AlreadyRunning, holder, open_folder, run_file
from emulators.kernel.ids import Ids
from emulators.kernel.peers import SYSTEM_OBJECT
from emulators.kernel.secrets import Secrets
from emulators.kernel.tokens import Tokens

if TYPE_CHECKING:
    import httpx

ANSWER_WITHIN_S = 120.0


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
            NotRunning: it does not answer.
            RuntimeError: the host refused; the message is its own.
        """
        with self.asking() as client:
            return asked(client, method, what, body, query)

    @contextmanager
    def asking(self) -> Iterator[httpx.Client]:
        """A client for many orders on one connection."""
        import httpx

        tokens = Tokens(Secrets.open(self.state, read_only=True), RealClock(), Ids())
        with httpx.Client(
            base_url=f"https://localhost:{self.explicit}{PREFIX}",
            headers={"authorization": f"Bearer {tokens.issue(AUDIENCE, object_id=SYSTEM_OBJECT)}"},
            verify=_context(self.state / "tls" / "ca.pem"),
            trust_env=False,
            timeout=ANSWER_WITHIN_S,
        ) as client:
            yield client


def asked(
    client: httpx.Client, method: str, what: str, body: object, query: dict[str, str]
) -> dict[str, Any]:
    """Send one order by a client that `asking` gave."""
    import httpx

    try:
        answer = client.request(method, what, json=body, params=query)
    except httpx.TransportError as failed:
        raise NotRunning(
            f"Rehearsal does not answer ({failed}). `rehearse status` says whether it is up."
        ) from None
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
    pid = holder(state)
    if pid is None:
        raise NotRunning(
            f"No Rehearsal serves the state folder {state}. Start it with `rehearse up --detach`"
            " (or name another folder with --state)."
        )
    try:
        said = json.loads(run_file(state).read_text())
        return Host(state, said["pid"], said["proxy"], said["explicit"])
    except (OSError, ValueError, KeyError):
        raise NotRunning(
            f"Rehearsal is starting or stopping in {state} (process {pid}): ask again in a moment."
        ) from None


def detach(state: Path, arguments: Sequence[str], wait_s: float = 60.0) -> Host:
    """Start a host in the background and wait until it is ready.

    Raises:
        AlreadyRunning: the folder is served.
        UnusableState: the folder cannot be written.
        RuntimeError: it ended, or was not ready in time; the message is what it said.
    """
    state = open_folder(state)
    pid = holder(state)
    if pid is not None:
        raise AlreadyRunning(
            f"{state} is served already, by process {pid}: `rehearse status` shows it, `rehearse"
            " down` stops it, `--state DIR` starts another beside it."
        )
    said = state / "run" / "start.log"
    said.unlink(missing_ok=True)
    with os.fdopen(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "emulators", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + wait_s
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(NotRunning, OSError):
            if run_file(state).exists() and (host := find(state)).pid == process.pid:
                return host
        time.sleep(0.02)
    why = said.read_bytes().decode(errors="replace").strip()[-2000:]
    if process.poll() is None:
        process.terminate()
        raise RuntimeError(f"Rehearsal was not ready within {wait_s:.0f} s. {why}")
    raise RuntimeError(why or f"Rehearsal ended at once, with code {process.returncode}.")


def stop(host: Host, wait_s: float = 30.0) -> bool:
    """End a host and all below it; True when it ended by itself, False when it was killed."""
    with suppress(ProcessLookupError):
        os.kill(host.pid, signal.SIGTERM)
    if _gone(host, wait_s):
        return True
    with suppress(ProcessLookupError):
        os.kill(host.pid, signal.SIGKILL)
    _gone(host, 5.0)
    return False


def _gone(host: Host, wait_s: float) -> bool:
    """Whether the host let go of its folder and ended within `wait_s` seconds."""
    deadline = time.monotonic() + wait_s
    while holder(host.state) is not None or not _ended(host.pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
