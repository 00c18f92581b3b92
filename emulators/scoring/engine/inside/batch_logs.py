"""Where a batch worker's words go: the files that Azure's batch jobs have, one set a process.

Source: learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-batch-endpoints.
"""

from __future__ import annotations

import logging
import os
import sys
import time

FORMAT = "%(asctime)s|%(levelname)s|%(process)d|%(name)s|%(message)s"


class Logs:
    """The logs of one process below `logs/user`."""

    def __init__(self, folder: str, process: str, level: str) -> None:
        """Name them; `process` is NODE/processNNN."""
        self._folder, self._process = folder, process
        self._level = getattr(logging, level.upper(), logging.INFO)

    def path(self, kind: str, suffix: str) -> str:
        """A log's path; its folder is made."""
        path = os.path.join(self._folder, kind, *self._process.split("/")) + suffix
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def redirect(self) -> None:
        """Standard output gets a file of its own, and `logging` goes to the entry script's log."""
        sys.stdout.flush()
        output = os.open(
            self.path("stdout", ".stdout.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644
        )
        os.dup2(output, 1)
        os.close(output)
        handler = logging.FileHandler(
            self.path("entry_script_log", ".log.txt"), encoding="utf-8", delay=True
        )
        handler.setFormatter(logging.Formatter(FORMAT))
        root = logging.getLogger()
        root.handlers[:] = [handler]
        root.setLevel(self._level)

    def keep(self, what: str, text: str) -> None:
        """Keep a stack trace."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        with open(self.path("error", ".txt"), "a", encoding="utf-8", errors="replace") as file:
            file.write("%s %s\n%s\n" % (stamp, what, text))

    def flush(self) -> None:
        """Write what was printed."""
        sys.stdout.flush()
        sys.stderr.flush()
