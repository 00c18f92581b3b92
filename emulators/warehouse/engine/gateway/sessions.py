"""Who may come in, and as whom they go on to the server behind. Knows no TDS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from emulators.warehouse.engine.answers import Login, LoginFailed, Session
from emulators.warehouse.engine.gateway.session import GatewaySession
from emulators.warehouse.engine.predict.models import Models
from emulators.warehouse.engine.security.logins import Logins

if TYPE_CHECKING:
    from emulators.kernel.context import Context

Connect = Callable[[Login], Session]
"""Opens a session on the server behind."""


class GatewaySessions:
    """The administrator's sessions go on to the server behind, by its own login.

    Args:
        database: where sessions land that ask for the pool's database, or for none.
    """

    def __init__(self, ctx: Context, connect: Connect, database: str) -> None:
        from emulators.warehouse.engine import admin

        self._ctx, self._connect, self._logins = ctx, connect, Logins(ctx)
        self._models = Models()
        self._pools = {"": database, admin.DATABASE: database}

    def login(self, login: Login) -> Session:
        """Check who it is here, then log in there.

        Raises:
            LoginFailed: nobody by that name, not the administrator, or refused there.
        """
        principal = self._logins.identify(login)
        if not principal.admin:
            text = (
                f"Login failed for user '{login.user}'. Before a SQL Server, Rehearsal lets in the"
                " administrator only: other logins are of its own engine."
            )
            raise LoginFailed(18456, text)
        settings = self._ctx.settings
        there = replace(
            login,
            user=settings.sql_user,
            password=settings.sql_password,
            token="",
            database=self._pools.get(login.database.lower(), login.database),
        )
        return GatewaySession(self._connect(there), self._models)
