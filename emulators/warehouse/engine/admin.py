"""The pool's administrator and its database: what `rehearse env` tells and the login knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.kernel.ids import secret_token

if TYPE_CHECKING:
    from emulators.kernel.context import Context

ADMIN = "sqladminuser"
DATABASE = "sqlpool"


def password(ctx: Context) -> str:
    """The administrator's password, of this state folder alone.

    Letters, digits, `-` and `_`: nothing that a URL or an ODBC connection string would escape.
    """
    return ctx.secrets.text("warehouse/admin", lambda: f"Rh1_{secret_token(24)}")
