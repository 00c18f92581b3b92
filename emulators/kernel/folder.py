"""The state folder as a place: private, held by one host at a time, told from other folders."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

MARKS = ("secrets.json", "rehearsal.db")
"""Files that only a state folder has."""

PATIENCE_S = 0.5
"""A reader that asks who holds the folder has the lock for a moment."""


class UnusableState(ValueError):
    """The state folder cannot be used; the message says why and what to do."""


class AlreadyRunning(RuntimeError):
    """Another process serves this state folder."""


def run_file(state: Path) -> Path:
    """Where a host says that it is up: `{"pid", "proxy", "explicit", "started"}`."""
    return state / "run" / "host.json"


def log_file(state: Path) -> Path:
    """Where a host writes what went wrong."""
    return state / "run" / "host.log"


def open_folder(state: Path) -> Path:
    """Make the state folder, readable by its owner only; return its absolute path.

    Raises:
        UnusableState: it cannot be made or written.
    """
    folder = state.expanduser().resolve()
    probe = folder / "run" / f".probe-{os.getpid()}"
    try:
        for place in (folder, folder / "run"):
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o700)
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as why:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
        raise UnusableState(
            f"The state folder {folder} cannot be written ({why.strerror}): free or open it, or"
            " name another with `--state DIR`."
        ) from None
    return folder


def is_state(folder: Path) -> bool:
    """Whether a folder is one of ours, so that it may be emptied."""
    return any((folder / mark).is_file() for mark in MARKS)


def holder(state: Path) -> int | None:
    """The process that serves a state folder, 0 if it has not said; None when nobody does.

    It is asked of the lock, which the system lifts: what a killed host left behind says nothing.
    """
    try:
        with (state / "run" / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                told = file.read().strip()
                return int(told) if told.isdigit() else 0
    except OSError:
        pass
    return None


class OnlyOne:
    """A lock on the state folder that the system lifts when its holder dies."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._file: IO[Any] | None = None

    def __enter__(self) -> None:
        self._file = (self._state / "run" / "lock").open("a+")
        until = time.monotonic() + PATIENCE_S
        while not self._taken():
            if time.monotonic() > until:
                self._file.seek(0)
                who = self._file.read().strip()
                self._file.close()
                raise AlreadyRunning(
                    f"{self._state} is served already, by process {who or 'unknown'}:"
                    " `rehearse status` shows it, `rehearse down` stops it, `--state DIR` starts"
                    " another beside it."
                )
            time.sleep(0.02)
        run_file(self._state).unlink(missing_ok=True)  # a killed host's
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def _taken(self) -> bool:
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        self._file.close()
