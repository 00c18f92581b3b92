"""What to start and how it came out: plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Reason = Literal[
    "Completed",  # exit code 0
    "Failed",  # another exit code
    "Killed",  # by a signal that nobody here sent, such as the kernel's when memory runs out
    "Cancelled",  # by `Running.cancel`
    "TimedOut",  # `Limits.seconds` passed
    "OutOfMemory",  # `Limits.memory` was exceeded
    "Lost",  # its watcher disappeared; what it started is dead
]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one process and everything it starts; None is no bound."""

    cores: int | None = None  # processors it may run on; also its numeric libraries' threads
    memory: int | None = None  # bytes resident, all its processes together, shared pages once
    seconds: float | None = None  # wall clock
    shared_memory: int | None = None  # bytes of a container's /dev/shm; None: Azure ML's default


Network = Literal["home", "bridge"]


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of this machine that a container sees under the same path."""

    path: Path  # absolute; exists
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """One command with all that a new process has.

    What only containers need: `mounts` besides `cwd`, which is theirs to write in; `asked`, names
    of variables that are given even where this machine has the same; `network`, None for the
    usual one.
    """

    command: str | Sequence[str]  # text for `bash -c`, or the words of one program
    cwd: Path  # exists
    env: Mapping[str, str]  # the whole environment; the interpreter's folder is put before PATH
    log: Path  # standard output and error are appended, in the order they were written
    limits: Limits = field(default_factory=Limits)
    mounts: tuple[Mount, ...] = ()
    asked: frozenset[str] = frozenset()
    network: Network | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a process ended."""

    reason: Reason
    code: int | None  # exit code; None when a signal ended it
    signal: int | None  # also when a shell reported it as 128 + number
    seconds: float  # from start to the end of the last of its processes
    last_lines: tuple[str, ...]  # the end of what it logged

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and well."""
        return self.reason == "Completed"

    def sentence(self) -> str:
        """Say in one sentence how it ended."""
        spent = f"after {self.seconds:.1f} s"
        if self.reason == "Failed":
            return f"The process exited with code {self.code} {spent}."
        if self.reason == "Killed":
            often = " (9 is often the machine running out of memory)" if self.signal == 9 else ""
            return f"The process was killed by signal {self.signal}{often} {spent}."
        return {
            "Completed": f"The process completed {spent}.",
            "Cancelled": f"The process was cancelled {spent}.",
            "TimedOut": f"The process exceeded its time limit and was ended {spent}.",
            "OutOfMemory": f"The process exceeded its memory limit and was ended {spent}.",
            "Lost": f"The process's watcher was lost {spent}; the process is dead.",
        }[self.reason]


class Running(Protocol):
    """A started process."""

    @property
    def pid(self) -> int:
        """Its process id; also its session's and its group's."""
        ...

    @property
    def warm(self) -> bool:
        """Whether it was forked by a warm runner instead of started from nothing."""
        ...

    async def wait(self) -> Outcome:
        """Wait for it and everything it started to end; may be called any number of times."""
        ...

    async def cancel(self, grace: float = 3.0) -> Outcome:
        """End it and everything it started: TERM, and KILL after `grace` seconds."""
        ...
