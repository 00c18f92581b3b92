"""Verbs that print what was written: a job's log, or the ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emulators.kernel.control import asked
from emulators.kernel.folder import holder

if TYPE_CHECKING:
    from emulators.kernel.control import Host

POLL_S = 0.2
CHUNK = 1 << 20  # bytes
BEGINS_WITHIN_S = 10.0
LOGS = ("user_logs/std_log.txt", "logs/azureml/executionlogs.txt")
"""A job's own words; a pipeline has the second only."""


def show_ledger(host: Host, tail: int, *, follow: bool, as_json: bool) -> None:
    """Print the ledger's newest `tail` entries, and go on when asked."""
    query = {"last": str(tail), "limit": "10000"}
    with suppress(KeyboardInterrupt), host.asking() as client:
        while True:
            said = asked(client, "GET", "ledger", None, query)
            after = said["newest"]
            for entry in said["entries"]:
                after = entry["number"]
                typer.echo(json.dumps(entry) if as_json else _line(entry))
            if not follow:
                return
            query = {"after": str(after), "limit": "10000"}
            if not said["entries"]:
                time.sleep(POLL_S)


def _line(entry: dict[str, object]) -> str:
    at = str(entry["at"])[11:23]
    if entry["kind"] == "request":
        return (
            f"{at} {entry['status']} {entry['method']:6} {entry['host']}{entry['path']}"
            f"  {entry['ms']} ms"
        )
    rest = {k: v for k, v in entry.items() if k not in ("number", "at", "kind")}
    return f"{at} {entry['kind']} {json.dumps(rest)}"


def show_job(state: Path, job: str, *, follow: bool, as_json: bool) -> None:
    """Print a job's log, and go on until it ends when asked.

    Raises:
        ValueError: there is no such job.
    """
    state = state.expanduser().resolve()
    with suppress(KeyboardInterrupt):
        folder = _folder_of(state, job, BEGINS_WITHIN_S if follow else 0)
        for text in _texts(state, folder, follow):
            if as_json:
                for line in text.splitlines():
                    typer.echo(json.dumps({"line": line}))
            else:
                typer.echo(text, nl=False)


def _texts(state: Path, folder: Path, follow: bool) -> Iterator[str]:
    """What a job has written, then what it writes; whole lines as far as there are."""
    at, held = 0, b""
    while True:
        over = not follow or (folder / "done").exists() or holder(state) is None
        log = next((folder / name for name in LOGS if (folder / name).exists()), None)
        chunk = b""
        if log is not None:
            with log.open("rb") as file:
                file.seek(at)
                chunk = file.read(CHUNK)
        at += len(chunk)
        lines, newline, held = (held + chunk).rpartition(b"\n")
        if newline:
            yield (lines + newline).decode(errors="replace")
        if not chunk and over:
            yield held.decode(errors="replace")
            return
        if not chunk:
            time.sleep(POLL_S)


def _folder_of(state: Path, job: str, wait_s: float) -> Path:
    """A job's folder; one that was only just submitted may be about to have it."""
    deadline = time.monotonic() + wait_s
    while True:
        for folder in (state / "jobs").glob("*/*"):
            if folder.name == job and any((folder / name).exists() for name in LOGS):
                return folder
        if time.monotonic() >= deadline or holder(state) is None:
            raise ValueError(f"There is no log of a job {job} in {state / 'jobs'}.")
        time.sleep(POLL_S)
