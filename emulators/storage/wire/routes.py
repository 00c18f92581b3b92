"""Which operation a request is: by what it addresses, its verb, `restype` and `comp`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from emulators.kernel.http import Reply
from emulators.storage.engine.access import Need
from emulators.storage.wire.ask import Ask

Handler = Callable[[Ask], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the Blob service."""

    name: str  # as Azure names it
    method: str
    level: str  # service, container or blob
    query: str  # such as restype=container&comp=list; empty for none
    need: Need
    handler: Handler

    @property
    def path(self) -> str:
        """The path as documentation writes it."""
        return {"service": "/", "container": "/{container}", "blob": "/{container}/{blob}"}[
            self.level
        ] + (f"?{self.query}" if self.query else "")


def key_of(level: str, method: str, query: str) -> tuple[str, str, str]:
    """What tells routes apart."""
    return level, method, query


def query_of(values: dict[str, str], level: str) -> str:
    """The part of a decoded query that says which operation is meant."""
    restype, comp = values.get("restype", "").lower(), values.get("comp", "").lower()
    if level == "blob" and restype != "account":
        restype = ""
    said = [f"restype={restype}"] if restype else []
    return "&".join(said + ([f"comp={comp}"] if comp else []))
