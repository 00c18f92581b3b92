"""A job's logs as they lie on disk, with its children's: a pipeline's steps, a sweep's trials."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 1 << 20  # bytes read from one log at a time
LOGS = ("user_logs/std_log.txt", "logs/azureml/executionlogs.txt")
"""A job's own words; a pipeline speaks in the second."""

_STEP = re.compile(r"\] Step (\S+) started as (\S+)$")
_TRIAL = re.compile(r"(\S+_(\d+)) started: ")


@dataclass
class LogFile:
    """One log, read on from where it was left."""

    path: Path
    at: int = 0
    held: bytes = b""

    def lines(self) -> Iterator[str]:
        """Whole lines that have come since the last call, at most CHUNK bytes of them."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.at)
            chunk = file.read(CHUNK)
        self.at += len(chunk)
        whole, newline, rest = (self.held + chunk).rpartition(b"\n")
        self.held = rest
        if newline:
            for line in whole.split(b"\n"):
                yield line.decode(errors="replace")
        if len(self.held) > CHUNK:  # a line without end is shown in pieces
            yield self.rest()

    def rest(self) -> str:
        """The line that was begun and not ended."""
        text, self.held = self.held.decode(errors="replace"), b""
        return text


@dataclass
class JobLog:
    """A job's logs; `label` says whose lines they are, "" for the job that was asked for."""

    folder: Path
    label: str = ""
    files: list[LogFile] = field(default_factory=list)
    children: dict[str, JobLog] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.files = [LogFile(self.folder / name) for name in LOGS]

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return (self.folder / "done").exists()

    def lines(self) -> Iterator[tuple[str, str]]:
        """(label, line) of what has come since the last call, of the job and of its children."""
        for file in self.files:
            for line in file.lines():
                yield self.label, line
                self._meet(line)
        for child in list(self.children.values()):
            yield from child.lines()

    def rest(self) -> Iterator[tuple[str, str]]:
        """Lines that were begun and not ended, for when nothing more comes."""
        for file in self.files:
            if text := file.rest():
                yield self.label, text
        for child in self.children.values():
            yield from child.rest()

    def _meet(self, line: str) -> None:
        """Take in a child that a parent's log names; code of the user's own names none."""
        if (self.folder / "wd").exists():
            return
        if found := _STEP.search(line):
            label, name = found[1], found[2]
        elif found := _TRIAL.match(line):
            name, label = found[1], f"trial {found[2]}"
        else:
            return
        if "/" not in name and name not in self.children and name != self.folder.name:
            inner = f"{self.label}/{label}" if self.label else label
            self.children[name] = JobLog(self.folder.parent / name, inner)


def find(state: Path, job: str) -> Path | None:
    """A job's folder, once it has said anything."""
    for folder in (state / "jobs").glob("*/*"):
        if folder.name == job and any((folder / name).exists() for name in LOGS):
            return folder
    return None
