"""Stand-in for the server's request API: @rawhttp, and the request class for annotations."""

from __future__ import annotations

from typing import Any

try:
    from flask import Request as _Request
except ImportError:
    from _rehearsal_scoring.request import (  # type: ignore[import-not-found, no-redef]
        Request as _Request,
    )

_rawHttpRequested = False


def rawhttp(func: Any) -> Any:
    """Ask the server to call run() with the HTTP request itself."""
    global _rawHttpRequested  # noqa: PLW0603
    _rawHttpRequested = True
    return func


class AMLRequest(_Request):
    """The class of the request that a raw run() is given."""
