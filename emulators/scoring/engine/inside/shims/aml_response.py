"""Stand-in for the server's response API."""

from __future__ import annotations

from _rehearsal_scoring.answer import AMLResponse  # type: ignore[import-not-found]

__all__ = ["AMLResponse"]
