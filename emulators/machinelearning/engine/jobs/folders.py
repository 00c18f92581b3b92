"""Where a job lives on this machine: code copy, inputs, outputs, logs."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from emulators.kernel.context import Context
from emulators.machinelearning.errors import InvalidJob
from emulators.machinelearning.store.jobs import Job

JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}\Z")
STD_LOG = "user_logs/std_log.txt"
BUILD_LOG = "azureml-logs/20_image_build_log.txt"
EXECUTION_LOG = "logs/azureml/executionlogs.txt"


def check_name(name: str) -> None:
    """Refuse what cannot be a job's name.

    Raises:
        InvalidJob: it holds anything but letters, digits, `-` and `_`.
    """
    if not JOB_NAME.match(name):
        raise InvalidJob(
            f"The job name '{name[:100]}' is not valid: use letters, digits, '-' and '_',"
            " beginning with a letter or digit, at most 255."
        )


@dataclass(frozen=True, slots=True)
class Folders:
    """The folder of one job and what lies where in it."""

    root: Path

    @property
    def work(self) -> Path:
        """The working directory: a fresh copy of the code."""
        return self.root / "wd"

    @property
    def outputs(self) -> Path:
        """One entry an output."""
        return self.root / "outputs"

    def log(self, name: str) -> Path:
        """A log by its name in run history, such as `user_logs/std_log.txt`."""
        return self.root / name

    def logs(self) -> dict[str, Path]:
        """The logs there are, by name."""
        found = (
            path
            for folder in ("user_logs", "azureml-logs", "logs", "system_logs")
            for path in (self.root / folder).rglob("*")
            if path.is_file()
        )
        return {path.relative_to(self.root).as_posix(): path for path in sorted(found)}

    def write(self, name: str, text: str) -> None:
        """Append a line to a log."""
        path = self.log(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")

    def close(self) -> None:
        """Leave the mark by which readers of the logs know that nothing more comes."""
        with contextlib.suppress(OSError):
            self.root.mkdir(parents=True, exist_ok=True)
            (self.root / "done").touch()


def of_job(ctx: Context, job: Job) -> Folders:
    """A job's folder; it may not exist yet."""
    return Folders(ctx.state / "jobs" / job.workspace / job.name)


def cache_of(ctx: Context, job: Job) -> Path:
    """Where inputs are kept that all jobs below the same root share."""
    return ctx.state / "jobs" / job.workspace / (job.root or job.name) / "inputs"


def code_cache(ctx: Context, workspace: str) -> Path:
    """Where code snapshots are kept that jobs of a workspace share; never run from."""
    return ctx.state / "jobs" / workspace / ".code"
