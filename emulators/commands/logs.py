"""Verbs that print what was written: a job's log, or the ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emulators.commands.job_logs import JobLog, find
from emulators.kernel.control import asked
from emulators.kernel.folder import holder

if TYPE_CHECKING:
    from emulators.kernel.control import Host

POLL_S = 0.2
BEGINS_WITHIN_S = 10.0
BATCH = 2000  # lines printed at once


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
    """Print a job's log and its children's, and go on until it ends when asked.

    Raises:
        ValueError: there is no such job.
    """
    state = state.expanduser().resolve()
    with suppress(KeyboardInterrupt):
        log = JobLog(_folder_of(state, job, BEGINS_WITHIN_S if follow else 0))
        for batch in _batches(state, log, follow):
            show = _as_json if as_json else _plain
            typer.echo("\n".join(show(label, line) for label, line in batch))


def _plain(label: str, line: str) -> str:
    return f"[{label}] {line}" if label else line


def _as_json(label: str, line: str) -> str:
    return json.dumps({"line": line, **({"job": label} if label else {})})


def _batches(state: Path, log: JobLog, follow: bool) -> Iterator[list[tuple[str, str]]]:
    """(label, line) as they come, many at once where many are there; never an empty batch."""
    stream = log.lines()
    while True:
        over = not follow or log.over or holder(state) is None
        came = list(islice(stream, BATCH))
        if not came:
            stream = log.lines()
            came = list(islice(stream, BATCH))
        if came:
            yield came
        elif over:
            if rest := list(log.rest()):
                yield rest
            return
        else:
            time.sleep(POLL_S)


def _folder_of(state: Path, job: str, wait_s: float) -> Path:
    """A job's folder; one that was only just submitted may be about to have it."""
    deadline = time.monotonic() + wait_s
    while (folder := find(state, job)) is None:
        if time.monotonic() >= deadline or holder(state) is None:
            raise ValueError(f"There is no log of a job {job} in {state / 'jobs'}.")
        time.sleep(POLL_S)
    return folder
