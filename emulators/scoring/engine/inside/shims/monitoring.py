"""Stand-in for the data collector package: the same names, the same rules, the same payloads."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any, Callable, Dict, Optional

from _rehearsal_scoring import collecting  # type: ignore[import-not-found]


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
        self._config = collecting.config()
        self._refused()

    def _refused(self) -> bool:
        """Whether nothing is collected under this name; on_error is told so."""
        if self._config is not None:
            why = self._config.refusal(self.name)
        else:  # without configuration what is collected is dropped
            why = "" if self.name else "collection name is not provided"
        if why:
            self._on_error(Exception(why))
        return bool(why)

    def collect(
        self, data: Any, correlation_context: Optional[CorrelationContext] = None
    ) -> CorrelationContext:
        """Accept a frame and return the context; anything else goes to on_error."""
        context = correlation_context or BasicCorrelationContext()
        if self._refused() or (self._config is not None and not self._config.drawn(self.name)):
            return context
        pandas = sys.modules.get("pandas")
        if pandas is None or not isinstance(data, pandas.DataFrame):
            self._on_error(
                TypeError(
                    f"data type ({type(data).__name__}) not supported, "
                    "supported types: pandas.DataFrame"
                )
            )
        elif self._config is not None:
            why = collecting.send(self.name, data.to_json(orient="records"), context)
            if why:
                self._on_error(Exception(why))
        return context


def _raise(error: Exception) -> None:
    raise error
