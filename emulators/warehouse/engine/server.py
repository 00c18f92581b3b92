"""The databases of this state folder and the sessions in them: what the wire opens."""

from __future__ import annotations

from contextlib import AbstractContextManager
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING

from emulators.warehouse.engine import admin
from emulators.warehouse.engine.answers import Login, LoginFailed
from emulators.warehouse.engine.databases import Database, Databases
from emulators.warehouse.engine.external.service import External
from emulators.warehouse.engine.security.access import Access
from emulators.warehouse.engine.security.logins import TOKEN_HOLDER, Logins, Principal, refused
from emulators.warehouse.engine.tsql.monitoring import Requests
from emulators.warehouse.engine.tsql.session import SqlSession
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from emulators.kernel.clock import Clock
    from emulators.kernel.context import Context

FIRST_SPID = 51
MASTER = "master"


class Server:
    """Opens sessions on the folder's databases."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.flavor: str = ctx.settings.sql_flavor
        self.strict: bool = ctx.settings.sql_strict and self.flavor == "synapse"
        self.clock: Clock = ctx.clock
        self.name = f"{ctx.settings.workspace}.sql.azuresynapse.net"
        self.logins = Logins(ctx)
        self.requests = Requests()
        self.databases = Databases(ctx.state / "warehouse")
        self.external = External(ctx)
        self._numbers = count(FIRST_SPID)
        self._lock = Lock()
        self._sessions: dict[int, SqlSession] = {}
        for name in (MASTER, admin.DATABASE):
            if not self.databases.has(name):
                self.databases.create(name)

    def login(self, login: Login) -> SqlSession:
        """Check who it is and open a session.

        Raises:
            LoginFailed: 18456, 18470, 4060, 916.
        """
        principal = self.logins.identify(login)
        wanted = login.database or self.logins.home(principal)
        try:
            database = self.databases.get(wanted)
        except SqlError:
            raise _no_database(wanted) from None
        user = _user_in(database, principal)
        if user is None and principal.external:
            raise refused(TOKEN_HOLDER)
        if user is None:
            raise _no_database(wanted)
        session = SqlSession(self, database, user, next(self._numbers))
        session.application, session.host = login.application, login.host
        with self._lock:
            self._sessions[session.id] = session
            database.sessions += 1
        return session

    def names(self) -> list[str]:
        """Every database."""
        return self.databases.names()

    def sessions(self) -> list[SqlSession]:
        """Who is connected."""
        with self._lock:
            return list(self._sessions.values())

    def move(self, session: SqlSession, name: str) -> None:
        """Take a session to another database.

        Raises:
            SqlError: 911: there is none; 916: they are nobody in it.
        """
        database = self.databases.get(name)
        user = _user_in(database, session.principal)
        if user is None:
            text = (
                f'The server principal "{session.principal.login}" is not able to access the'
                f' database "{name}" under the current security context.'
            )
            raise SqlError(916, 14, 2, text)
        with self._lock:
            session.place.sessions -= 1
            database.sessions += 1
        session.principal = user
        session.moved(database)

    def left(self, session: SqlSession) -> None:
        """A session is closed."""
        with self._lock:
            if self._sessions.pop(session.id, None) is not None:
                session.place.sessions -= 1

    def still(self) -> AbstractContextManager[None]:
        """While it is entered, the files may be copied."""
        return self.databases.still()

    def close(self) -> None:
        """Close every database; sessions still open fail from now on."""
        self.databases.close()


def _user_in(database: Database, principal: Principal) -> Principal | None:
    """The principal as a user of the database; everybody may be in master."""
    con = database.cursor()
    try:
        found = Access(con, database).user_of(principal)
    finally:
        con.close()
    if found is None and database.name == MASTER:
        return Principal(principal.login, "guest", False, principal.names, principal.external)
    return found


def _no_database(name: str) -> LoginFailed:
    text = f'Cannot open database "{name}" requested by the login. The login failed.'
    return LoginFailed(4060, text, severity=11)


def open_sessions(ctx: Context) -> Server:
    """The sessions of this state folder; `close()` it at the end."""
    return Server(ctx)
