"""The engine, opened when the first client logs in: nobody else waits for DuckDB's import."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from emulators.warehouse.engine.answers import Login, Session, Sessions

if TYPE_CHECKING:
    from emulators.kernel.context import Context


class LazySessions:
    """Sessions of a state folder, whatever their engine is."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lock = Lock()
        self._opened: Sessions | None = None

    def login(self, login: Login) -> Session:
        """Open the engine if this is the first login, then a session."""
        with self._lock:
            if self._opened is None:
                self._opened = _open(self._ctx)
        return self._opened.login(login)

    def still(self) -> AbstractContextManager[None]:
        """While it is entered, the engine's files may be copied."""
        still = getattr(self._opened, "still", nullcontext)
        held: AbstractContextManager[None] = still()
        return held

    def close(self) -> None:
        """Close the engine, if it was opened."""
        with self._lock:
            opened, self._opened = self._opened, None
        close = getattr(opened, "close", None)
        if close is not None:
            close()


def _open(ctx: Context) -> Sessions:
    """The engine as the settings name it."""
    if ctx.settings.sql_backend == "duckdb":
        from emulators.warehouse.engine.server import open_sessions

        return open_sessions(ctx)
    from emulators.warehouse.engine.gateway.sessions import GatewaySessions
    from emulators.warehouse.wire.client import connect
    from emulators.warehouse.wire.outgoing import Place

    settings = ctx.settings
    host, _, port = settings.sql_server.replace(":", ",").partition(",")
    place = Place(host, int(port or "1433"), encrypt=settings.sql_encrypt, ca=settings.sql_ca)
    return GatewaySessions(ctx, partial(connect, place), settings.sql_database)
