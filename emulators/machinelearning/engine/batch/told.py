"""A batch job's own logs: where Azure's batch jobs have them, and what they say.

Source: learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-batch-endpoints.
"""

from __future__ import annotations

from emulators.machinelearning.engine.batch.scoring import MiniBatch, Scored, Tally
from emulators.machinelearning.engine.batch.settings import LEVELS, Settings
from emulators.machinelearning.engine.jobs import folders
from emulators.machinelearning.engine.jobs.machine import Work

OVERVIEW = "logs/job_progress_overview.txt"
MASTER = "logs/sys/master_role.txt"
ERRORS = "logs/user/error.txt"
DRIVER = "azureml-logs/70_driver_log.txt"
USER = "logs/user"
EVERY_S = 1.0


class Told:
    """Writes the logs of one job; progress at most once a second."""

    def __init__(self, work: Work, settings: Settings) -> None:
        self._work, self._settings = work, settings
        self._last = -EVERY_S

    def say(self, text: str, name: str = DRIVER, level: str = "info") -> None:
        """Write a line with the time, if the logging level lets it through."""
        if LEVELS.index(level) < LEVELS.index(self._settings.level):
            return
        stamp = self._work.ctx.clock.now().strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
        self._work.say(f"{stamp}|{level.upper()}|{text}", name)

    def begin(self, files: int, mini_batches: int, workers: int) -> None:
        """Say what is to be done.

        Args:
            workers: processes on this machine at most; 0 where others do it.
        """
        where = f"at most {workers} processes on this machine" if workers else "on a cluster"
        size = self._settings.mini_batch_size
        text = (
            f"Scheduled {mini_batches} mini-batches of up to {size} files; {files} files; {where}"
        )
        for name in (folders.STD_LOG, OVERVIEW):
            self.say(text, name)

    def tried(self, batch: MiniBatch, tries: int, why: str) -> None:
        """A try failed."""
        last = why.strip().splitlines()[-1] if why.strip() else "no reason"
        self.say(f"mini-batch {batch.number} failed at try {tries}: {last}", MASTER, "warning")
        self.say(f"mini-batch {batch.number}, try {tries}: {why}", ERRORS, "warning")

    def ended(self, batch: MiniBatch, scored: Scored | None, tally: Tally) -> None:
        """A mini-batch is over."""
        if scored is None:
            text = f"mini-batch {batch.number} is given up: {len(batch.files)} files failed"
            self.say(text, MASTER, "warning")
        else:
            text = (
                f"mini-batch {batch.number}: {len(batch.files)} files, {scored.items} scored,"
                f" {scored.rows} rows, {scored.seconds:.3f} s"
            )
            self.say(text, MASTER, "debug")
        now = self._work.ctx.clock.monotonic()
        if now - self._last >= EVERY_S or tally.over == tally.mini_batches:
            self._last = now
            for name in (OVERVIEW, folders.STD_LOG):
                self.say(progress(tally), name)
            self._work.ctx.ledger.record(
                "batch_progress",
                workspace=self._work.ws.guid,
                job=self._work.job.name,
                mini_batches=tally.mini_batches,
                over=tally.over,
                rows=tally.rows,
            )

    def conclude(self, text: str) -> None:
        """Say how it came out."""
        for name in (OVERVIEW, MASTER, folders.STD_LOG):
            self.say(text, name, "warning")


def progress(tally: Tally) -> str:
    """How far a job is, in a line."""
    return (
        f"{tally.over} of {tally.mini_batches} mini-batches processed, {tally.failed_batches}"
        f" failed; {tally.files_scored} files scored, {tally.files_failed} failed; {tally.rows}"
        " rows"
    )
