"""Stand-in for the data collector: constructs and collects; what is collected goes nowhere yet."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any, Callable, Dict, Optional


class CorrelationContext:
    """Joins the rows of one request over several collections."""

    @staticmethod
    def get_id() -> str:
        return ""


class BasicCorrelationContext(CorrelationContext):
    """A context with an id, a time in seconds since the epoch, and headers."""

    def __init__(
        self,
        id: Optional[str] = None,
        timestamp: Optional[int] = None,
        headers: Optional[Dict[str, str]] = None,
    ) -> None:
        self.id = id or str(uuid.uuid4())
        self.timestamp = timestamp or int(time.time())
        self.headers = headers or {}

    def get_id(self) -> str:  # type: ignore[override]
        return self.id

    def get_timestamp(self) -> int:
        return self.timestamp

    def get_headers(self) -> Dict[str, str]:
        return self.headers

    def __str__(self) -> str:
        return self.id


class Collector:
    """Takes data frames under one collection's name."""

    def __init__(self, *, name: str, on_error: Optional[Callable[[Exception], Any]] = None) -> None:
        self.name = name
        self._on_error = on_error or _raise
        if not name:
            self._on_error(Exception("collection name is not provided"))

    def collect(
        self, data: Any, correlation_context: Optional[CorrelationContext] = None
    ) -> CorrelationContext:
        """Accept a frame and return the context; anything else goes to on_error."""
        context = correlation_context or BasicCorrelationContext()
        pandas = sys.modules.get("pandas")
        if pandas is None or not isinstance(data, pandas.DataFrame):
            self._on_error(
                TypeError(
                    f"data type ({type(data).__name__}) not supported, "
                    "supported types: pandas.DataFrame"
                )
            )
        return context


def _raise(error: Exception) -> None:
    raise error
