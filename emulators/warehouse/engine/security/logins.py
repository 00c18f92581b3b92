"""SQL logins and Entra tokens: who somebody is. What they may do, `access` tells."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from emulators.kernel.errors import Unauthorized
from emulators.warehouse.engine import admin
from emulators.warehouse.engine.answers import Login, LoginFailed
from emulators.warehouse.errors import SqlError
from emulators.warehouse.store import LOGINS, LoginRecord

if TYPE_CHECKING:
    from emulators.kernel.context import Context

AUDIENCES = ("https://database.windows.net", "https://sql.azuresynapse.net")
"""What an Entra token for SQL is issued for."""

TOKEN_HOLDER = "<token-identified principal>"
"""Who it is that a token did not let in, as Azure tells them."""

_NAMING = ("upn", "unique_name", "preferred_username", "email", "name", "app_displayname")
_WORK = 2**13
"""scrypt's cost: about 20 ms a login."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who logged in. `names` (lower case) are all that a user may be called by."""

    login: str
    user: str = "dbo"
    admin: bool = False
    names: frozenset[str] = field(default=frozenset())
    external: bool = False


def _hash(password: str, salt: str) -> str:
    made = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=_WORK, r=8, p=1)
    return made.hex()


class Logins:
    """The server's logins, in the state folder's store; the administrator is not among them."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def get(self, name: str) -> LoginRecord | None:
        return self._ctx.store.get(LOGINS, name.lower())

    def names(self) -> list[str]:
        """Every login's name, the administrator's first."""
        return [admin.ADMIN, *(record.name for record in self._ctx.store.scan(LOGINS))]

    def create(self, name: str, password: str, database: str = "") -> None:
        """CREATE LOGIN.

        Raises:
            SqlError: 15025: it exists; 15118: the password is weak.
        """
        _strong(name, password)
        salt = secrets.token_hex(16)
        record = LoginRecord(name.lower(), name, salt, _hash(password, salt), False, database)
        if name.lower() == admin.ADMIN or not self._ctx.store.insert(LOGINS, record):
            raise SqlError(15025, 16, 1, f"The server principal '{name}' already exists.")

    def change(
        self, name: str, *, password: str | None = None, disabled: bool | None = None
    ) -> None:
        """ALTER LOGIN.

        Raises:
            SqlError: 15151: there is none.
        """
        found = self._known(name, "alter")
        changed = found
        if password is not None:
            _strong(name, password)
            salt = secrets.token_hex(16)
            changed = replace(changed, salt=salt, hash=_hash(password, salt))
        if disabled is not None:
            changed = replace(changed, disabled=disabled)
        self._ctx.store.put(LOGINS, changed)

    def drop(self, name: str) -> None:
        """DROP LOGIN.

        Raises:
            SqlError: 15151: there is none.
        """
        self._known(name, "drop")
        self._ctx.store.delete(LOGINS, name.lower())

    def _known(self, name: str, verb: str) -> LoginRecord:
        found = self.get(name)
        if found is None:
            text = (
                f"Cannot {verb} the login '{name}', because it does not exist or you do not "
                "have permission."
            )
            raise SqlError(15151, 16, 1, text)
        return found

    def identify(self, login: Login) -> Principal:
        """Who logs in.

        Raises:
            LoginFailed: 18456, 18470: nobody by that name and password, or disabled.
        """
        if login.token:
            return self._of_token(login.token)
        name = login.user.partition("@")[0] if "@" in login.user else login.user
        if name.lower() == admin.ADMIN:
            right = hmac.compare_digest(login.password.encode(), admin.password(self._ctx).encode())
            if not right:
                raise refused(login.user)
            return Principal(admin.ADMIN, "dbo", True, frozenset({admin.ADMIN}))
        found = self.get(name)
        # The work is done for unknown names too: its time does not tell which names there are.
        made = _hash(login.password, found.salt if found is not None else "00" * 16)
        if found is None or not hmac.compare_digest(made, found.hash):
            raise refused(login.user)
        if found.disabled:
            text = f"Login failed for user '{login.user}'. Reason: The account is disabled."
            raise LoginFailed(18470, text)
        return Principal(found.name, "", False, frozenset({found.name.lower()}))

    def home(self, principal: Principal) -> str:
        """The database a login lands in that asks for none."""
        found = self.get(principal.login)
        return (found.database if found is not None else "") or admin.DATABASE

    def _of_token(self, token: str) -> Principal:
        try:
            who = self._ctx.tokens.verify(token, AUDIENCES)
        except Unauthorized:
            raise refused(TOKEN_HOLDER) from None
        claims = who.claims
        told = [claims.get(claim) for claim in _NAMING]
        told.append(str(claims.get("xms_mirid", "")).rpartition("/")[2])
        names = [str(name) for name in (*told, who.app_id, who.object_id) if name]
        ours = who.object_id == self._ctx.secrets.object_id
        return Principal(
            names[0] if names else who.object_id,
            "dbo" if ours else "",
            ours,
            frozenset(name.lower() for name in names),
            external=True,
        )


def refused(user: str) -> LoginFailed:
    """18456, in the one wording that tells nothing."""
    return LoginFailed(18456, f"Login failed for user '{user}'.")


def _strong(name: str, password: str) -> None:
    """8 characters of three kinds, without the name in it.

    Source: learn.microsoft.com/sql/relational-databases/security/password-policy.
    """
    kinds = sum(
        (
            any(c.isupper() for c in password),
            any(c.islower() for c in password),
            any(c.isdigit() for c in password),
            any(not c.isalnum() for c in password),
        )
    )
    if len(password) < 8 or kinds < 3 or name.lower() in password.lower():
        text = (
            "Password validation failed. The password does not meet the operating system "
            "policy requirements because it is not complex enough."
        )
        raise SqlError(15118, 16, 1, text)
