"""Stand-in for the server's logging classes, which a user's logging.json names."""

from __future__ import annotations

from _rehearsal_scoring.logs import Formatter, RootAccessFilter  # type: ignore[import-not-found]

AMLLogFormatter = Formatter

__all__ = ["AMLLogFormatter", "RootAccessFilter"]
