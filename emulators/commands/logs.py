"""Verbs that print what was written: a job's log, or the ledger."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from emulators.kernel.control import Host

POLL_S = 0.2


def show_ledger(host: Host, follow: bool, as_json: bool) -> None:
    """Print the ledger's newest entries, and go on when asked."""
    after = 0
    try:
        while True:
            entries = host.ask("GET", "ledger", None, after=str(after), limit="10000")["entries"]
            for entry in entries:
                after = entry["number"]
                typer.echo(json.dumps(entry) if as_json else _line(entry))
            if not follow:
                return
            if not entries:
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        return


def _line(entry: dict[str, object]) -> str:
    at = str(entry["at"])[11:23]
    if entry["kind"] == "request":
        return (
            f"{at} {entry['status']} {entry['method']:6} {entry['host']}{entry['path']}"
            f"  {entry['ms']} ms"
        )
    rest = {k: v for k, v in entry.items() if k not in ("number", "at", "kind")}
    return f"{at} {entry['kind']} {json.dumps(rest)}"


def show_job(state: Path, job: str, follow: bool) -> int:
    """Print a job's log; 1 when there is no such job. Logs lie at jobs/*/JOB/user_logs."""
    root = state.expanduser().resolve() / "jobs"
    found = [p for p in root.glob(f"*/{job}") if p.is_dir()] if job.isprintable() else []
    if not found:
        typer.secho(f"No job {job} in {root}.", err=True, fg="red")
        return 1
    log, done = found[0] / "user_logs" / "std_log.txt", found[0] / "done"
    at = 0
    try:
        while True:
            ended = done.exists()
            if log.exists():
                with log.open("rb") as file:
                    file.seek(at)
                    text = file.read()
                    at += len(text)
                typer.echo(text.decode(errors="replace"), nl=False)
            if ended or not follow:
                return 0
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        return 0
