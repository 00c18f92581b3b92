"""The databases of this state folder and the sessions in them: what the wire opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.warehouse.engine.answers import Login, LoginFailed, Session, Sessions

if TYPE_CHECKING:
    from emulators.kernel.context import Context


class Server:
    """Opens sessions on the folder's databases."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def login(self, login: Login) -> Session:
        """Check who it is and open a session."""
        raise LoginFailed(18456, f"Login failed for user '{login.user}'.")

    def close(self) -> None:
        """Close every database; sessions still open fail from now on."""


def open_sessions(ctx: Context) -> Sessions:
    """The sessions of this state folder; `close()` it at the end."""
    return Server(ctx)
