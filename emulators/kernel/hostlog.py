"""Where a host's own complaints go: one bounded file, and one short line each on the terminal."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

LARGEST = 8 << 20  # bytes; one older file of that size is kept beside it
LOGGERS = ("rehearsal", "asyncio", "uvicorn")


class _Private(RotatingFileHandler):
    """A file of the owner's only."""

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace")


class _OneLine(logging.Formatter):
    """What went wrong without how we came there: the file has that."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{record.levelname.lower()}: {record.getMessage().partition(chr(10))[0]}"
        about = record.exc_info[1] if record.exc_info else None
        more = "" if about is None else f" ({type(about).__name__}; details: run/host.log)"
        return (text + more).encode("utf-8", "backslashreplace").decode()


@contextmanager
def kept(file: Path) -> Iterator[None]:
    """Write warnings and worse to `file` while the block lasts."""
    whole = _Private(file, maxBytes=LARGEST, backupCount=1)
    whole.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    short = logging.StreamHandler()
    short.setFormatter(_OneLine())
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
        logger.addHandler(whole)
        logger.addHandler(short)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(whole)
            logger.removeHandler(short)
            logger.propagate = True
        whole.close()
