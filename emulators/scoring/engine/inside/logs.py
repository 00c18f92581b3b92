"""Log lines as the inference server writes them, and print() turned into them."""

from __future__ import annotations

import builtins
import json
import logging
import logging.config
import os
import sys
import time
from typing import Any, List

FORMAT = "%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s"
PENDING_LINES = 200

root = logging.getLogger("azmlinfsrv")
_print = builtins.print


class Formatter(logging.Formatter):
    """`<UTC time> <level letter> [pid] <logger> - <message>`."""

    def __init__(self, fmt: str = FORMAT, datefmt: Any = None, style: Any = "%") -> None:
        super().__init__(fmt=fmt, datefmt=datefmt, style=style)
        self.converter = time.gmtime


class RootAccessFilter(logging.Filter):
    """Keep health probes out of the access log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "GET / HTTP/1.1" not in record.getMessage()


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes the waiting request lines first, so that lines stay in order."""

    def emit(self, record: logging.LogRecord) -> None:
        requests.flush()
        super().emit(record)


class RequestLog:
    """Two lines a request, kept for an idle moment unless the user configured logging."""

    def __init__(self) -> None:
        self.plain = True  # our own handlers are in place
        self._lines: List[str] = []
        self._second = -1
        self._stamp = ""
        self._clock = ""
        self._pid = os.getpid()

    def write(self, request: Any, status: int, duration_ms: float, length: int) -> None:
        """Log `request`, answered with `length` bytes; health probes and unknown paths are not."""
        agent = request.headers.lower.get("user-agent", "-")
        line = f"{request.method} {request.target}"
        scored = f"{line} {status} {duration_ms:0.3f}ms {length}"
        if not self.plain:
            if request.logged:
                root.info(scored)
            access = f'"{line} HTTP/1.1" {status} {length} "-" "{agent}"'
            logging.getLogger("gunicorn.access").info("127.0.0.1 - - [%s] %s", _clock(), access)
            return
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
            self._clock = _clock()
        start = f"{self._stamp},{int(now * 1000) % 1000:03d} I [{self._pid}]"
        if request.logged:
            self._lines.append(f"{start} azmlinfsrv - {scored}\n")
        if request.path != "/":
            self._lines.append(
                f'{start} gunicorn.access - 127.0.0.1 - - [{self._clock}] "{line} HTTP/1.1" '
                f'{status} {length} "-" "{agent}"\n'
            )
        if len(self._lines) >= PENDING_LINES:
            self.flush()

    def flush(self) -> None:
        """Write the waiting lines."""
        if self._lines:
            text = "".join(self._lines)
            self._lines.clear()
            try:
                sys.stdout.write(text)
                sys.stdout.flush()
            except (OSError, ValueError):
                pass


requests = RequestLog()


def _clock() -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())


def configure(app_root: str, entry_script: str) -> None:
    """Set logging up: the user's logging.json when there is one, else the server's own."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    folders = [app_root]
    if entry_script:
        folders.append(os.path.dirname(os.path.realpath(os.path.join(app_root, entry_script))))
    for folder in folders:
        path = os.path.join(folder, "logging.json") if folder else ""
        if path and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                logging.config.dictConfig(json.load(file))
            requests.plain = False
            root.info("Loaded logging config from %s", path)
            return
    handler = _Handler(sys.stdout)
    handler.setFormatter(Formatter())
    root.setLevel(logging.INFO)
    root.handlers[:] = [handler]
    root.propagate = False


def capture_print() -> None:
    """Turn print() to standard output into log records, as the server does."""
    logger = logging.getLogger("azmlinfsrv.print")

    def print_to_log(
        *values: object, sep: Any = " ", end: Any = "\n", file: Any = None, flush: bool = False
    ) -> None:
        stream = file or sys.stdout
        if stream is sys.stdout:
            logger.info((" " if sep is None else sep).join(map(str, values)))
        else:
            _print(*values, sep=sep, end=end, file=stream, flush=flush)

    builtins.print = print_to_log
