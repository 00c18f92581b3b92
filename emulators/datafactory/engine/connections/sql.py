"""Databases that speak TDS: where a linked service points, who logs in, and what comes back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from emulators.datafactory.engine.connections import credentials
from emulators.datafactory.engine.connections.credentials import Caller
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.resolving import LinkedService
from emulators.datafactory.engine.connections.tables import Column
from emulators.kernel.azure_domains import is_azure
from emulators.kernel.context import Context
from emulators.kernel.upstream import is_loopback

T = TypeVar("T")
KINDS = frozenset(
    {
        "azuresqldw", "azuresqldatabase", "sqlserver", "azuresqlmi",
        "sqlpool",
    }
)  # fmt: skip
SQL = "https://database.windows.net/"
PORT = 1433
LOGIN_TIMEOUT_S = 15.0
WORDS = {
    "data source": "server", "server": "server", "address": "server", "addr": "server",
    "network address": "server", "initial catalog": "database", "database": "database",
    "user id": "user", "uid": "user", "user": "user", "username": "user",
    "password": "password", "pwd": "password", "authentication": "authentication",
    "integrated security": "integrated", "trusted_connection": "integrated",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Login:
    """Where a database is and who opens it: a user with a password, or a token."""

    host: str
    port: int
    database: str
    user: str = ""
    password: str = ""
    token: str = ""


class SqlFailed(ConnectionFailed):
    """The server refused a statement, or the login; `number` is SQL Server's."""

    def __init__(self, message: str, number: int | None) -> None:
        super().__init__(
            "SqlOperationFailed",
            f"A database operation failed with the following error: '{message}'",
        )
        self.said, self.number = message, number


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a statement: rows under columns, or how many rows it changed."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Any]]
    affected: int = -1  # -1: not told


async def login_of(caller: Caller, linked: LinkedService) -> Login:
    """Where a linked service points.

    Raises:
        ConnectionFailed: it says too little, or its secrets cannot be had.
        NotEmulated: it logs in in a way that is not emulated.
    """
    if linked.kind not in KINDS:
        raise NotEmulated(f"linked services of type '{linked.type}' for tables")
    inner = caller.within(linked.scope)
    text = linked.get("connectionString")
    words = _words(await credentials.reveal(inner, text)) if text is not None else {}
    server = str(linked.get("server") or words.get("server") or "")
    host, port = _address(server)
    database = str(linked.get("database") or words.get("database") or "")
    if not host or not database:
        raise ConnectionFailed(
            "UserErrorInvalidConnectionString", "The linked service names no server and database."
        )
    kind = str(linked.get("authenticationType") or "").lower()
    if words.get("integrated", "").lower() in ("true", "yes", "sspi") or kind == "windows":
        raise NotEmulated("Windows authentication to SQL Server")
    user = str(linked.get("userName") or words.get("user") or "")
    if user and kind in ("", "sql"):
        secret = linked.get("password")
        password = await credentials.reveal(inner, secret) if secret is not None else ""
        return Login(host, port, database, user, password or words.get("password", ""))
    return Login(host, port, database, token=await _token(inner, linked))


async def _token(caller: Caller, linked: LinkedService) -> str:
    if linked.get("servicePrincipalId"):
        return await credentials.service_principal_token(caller, linked.properties, SQL)
    if linked.get("credential"):
        return await credentials.user_assigned_token(caller, linked.get("credential"), SQL)
    return credentials.managed_identity_token(caller, SQL)


def _words(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {
        WORDS[name.strip().lower()]: value.strip().strip("'\"")
        for name, _, value in pairs
        if name.strip().lower() in WORDS
    }


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.lower().removeprefix("tcp:").strip().partition(",")
    host = host.partition("\\")[0].strip()
    if host in (".", "(local)"):
        host = "localhost"
    return host, int(port) if port.strip().isdigit() else PORT


def _reached(ctx: Context, login: Login) -> tuple[str, int]:
    """The address to connect to: the warehouse's for an Azure host, else the host itself."""
    if is_azure(login.host):
        port = ctx.announced.ports.get("tds")
        if port is None:
            raise ConnectionFailed(
                "SqlFailedToConnect",
                f"Cannot connect to SQL Database: '{login.host}'. The warehouse is not up here,"
                " and Azure's own is never called.",
            )
        return "localhost", port
    if ctx.settings.offline and not is_loopback(login.host):
        raise ConnectionFailed(
            "SqlFailedToConnect",
            f"{login.host} is not Azure's, and Rehearsal runs with --offline: nothing leaves this"
            " machine.",
        )
    return login.host, login.port


class Database:
    """A session; used by one task at a time. Made by `opened`."""

    def __init__(self, connection: Any, thread: Executor) -> None:
        self._cursor = connection.cursor()
        self._thread, self._connection = thread, connection

    async def run(
        self, text: str, values: Sequence[Any] | Mapping[str, Any] = (), *, limit: int | None = None
    ) -> list[Result]:
        """Run a batch and fetch everything it gives; of each result `limit` rows at most.

        Raises:
            SqlFailed: the server refuses.
        """
        return await self._apart(lambda: self._run(text, values, limit))

    async def streamed(
        self, text: str, values: Sequence[Any] = (), *, size: int = 5000
    ) -> AsyncIterator[Result]:
        """The first result of a batch that has columns, `size` rows at a time.

        Raises:
            SqlFailed: the server refuses.
        """
        columns = await self._apart(lambda: self._begin(text, values))
        yield Result(columns, [])
        while columns:
            rows = await self._apart(
                lambda: _scaled(self._cursor.fetchmany(size), self._cursor.description)
            )
            if not rows:
                return
            yield Result(columns, rows)

    async def call(self, name: str, values: Mapping[str, Any]) -> None:
        """Call a procedure and drop its results.

        Raises:
            SqlFailed: the server refuses.
        """
        given = ", ".join(f"@{name} = %s" for name in values)
        text = f"EXEC {name} {given}".rstrip()
        await self.run(text, tuple(values.values()))

    def _begin(self, text: str, values: Sequence[Any]) -> tuple[Column, ...]:
        self._cursor.execute(text, tuple(values))
        while self._cursor.description is None:
            if not self._cursor.nextset():
                return ()
        return columns_of(self._cursor.description)

    def _run(
        self, text: str, values: Sequence[Any] | Mapping[str, Any], limit: int | None
    ) -> list[Result]:
        self._cursor.execute(text, values)
        results = []
        while True:
            if self._cursor.description is None:
                results.append(Result((), [], self._cursor.rowcount))
            else:
                fetch = self._cursor.fetchall if limit is None else self._cursor.fetchmany
                rows = _scaled(fetch() if limit is None else fetch(limit), self._cursor.description)
                results.append(Result(columns_of(self._cursor.description), rows))
            if not self._cursor.nextset():
                return results

    async def _apart(self, work: Callable[[], T]) -> T:
        """`work` in the session's own thread: the client blocks."""
        import pytds

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except asyncio.CancelledError:
            _cut(self._connection)  # else the thread would wait on
            raise
        except pytds.Error as failed:
            number = getattr(failed, "number", None) or getattr(failed, "msg_no", None)
            raise SqlFailed(_said(failed), number) from failed


def _said(failed: BaseException) -> str:
    """What the server said, or what went wrong below it; the client hides that in causes."""
    at: BaseException | None = failed
    while at is not None:
        said = str(getattr(at, "text", "") or at)
        if said:
            return said
        at = at.__cause__ or at.__context__
    return type(failed).__name__


def _connecting(ctx: Context, login: Login, timeout_s: float) -> Callable[[], Any]:
    """What connects as a login says; it blocks until it has."""
    import pytds

    host, port = _reached(ctx, login)
    who: dict[str, Any] = {"user": login.user, "password": login.password}
    if login.token:
        who = {"access_token_callable": lambda: login.token}
    if is_azure(login.host):
        who |= {"cafile": str(ctx.state / "tls" / "ca.pem"), "validate_host": False}
    return partial(
        pytds.connect,
        host,
        login.database,
        port=port,
        timeout=timeout_s,
        login_timeout=LOGIN_TIMEOUT_S,
        autocommit=True,
        appname="Data Factory",
        **who,
    )


@asynccontextmanager
async def opened(
    caller: Caller, linked: LinkedService, *, timeout_s: float = 7200.0
) -> AsyncIterator[Database]:
    """A session with a database.

    Args:
        timeout_s: how long a statement may take.

    Raises:
        ConnectionFailed: the server cannot be reached, or refuses the login.
        NotEmulated: a way to log in that is not emulated.
    """
    import pytds

    login = await login_of(caller, linked)
    connect = _connecting(caller.ctx, login, timeout_s)
    # A thread of its own: were the loop's threads all waiting for answers, the warehouse, which may
    # be in this process, might have none to find them with.
    thread = ThreadPoolExecutor(1, thread_name_prefix="datafactory-sql")
    loop = asyncio.get_running_loop()
    try:
        connection = await loop.run_in_executor(thread, connect)
    except (pytds.Error, OSError) as failed:
        thread.shutdown(wait=False)
        raise ConnectionFailed(
            "SqlFailedToConnect",
            f"Cannot connect to SQL Database. Server: '{login.host}', Database:"
            f" '{login.database}', User: '{login.user}': {_said(failed)}",
        ) from failed
    except BaseException:
        thread.shutdown(wait=False, cancel_futures=True)
        raise
    try:
        yield Database(connection, thread)
    finally:
        thread.submit(_close, connection)  # after what still runs there
        thread.shutdown(wait=False)


def _cut(connection: Any) -> None:
    """Shut the socket under a connection, whatever its thread is doing with it."""
    wire = getattr(getattr(connection, "_tds_socket", None), "sock", None)
    wire = getattr(wire, "_transport", wire)  # within TLS
    if isinstance(wire, socket.socket):
        with suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)


def _close(connection: Any) -> None:
    import pytds

    with suppress(pytds.Error, OSError):
        connection.close()


def _scaled(rows: Sequence[Sequence[Any]], description: Any) -> Sequence[Sequence[Any]]:
    """Decimals with all the digits of their column's scale, which the client drops."""
    scales = {
        at: Decimal(1).scaleb(-one[5])
        for at, one in enumerate(description)
        if one[5] and _interim(one[1], one[3]) == "Decimal"
    }
    if not scales:
        return rows
    return [
        [
            value.quantize(scales[at]) if at in scales and value is not None else value
            for at, value in enumerate(row)
        ]
        for row in rows
    ]


def columns_of(description: Any) -> tuple[Column, ...]:
    """The columns of a cursor's description; their types as the client's type codes say."""
    return tuple(Column(str(one[0]), _interim(one[1], one[3])) for one in description)


def _interim(code: Any, size: Any) -> str:
    """The interim type of a TDS type code (MS-TDS 2.2.5.4)."""
    sized = {
        (0x26, 1): "Byte", (0x26, 2): "Int16", (0x26, 4): "Int32", (0x26, 8): "Int64",
        (0x6D, 4): "Single", (0x6D, 8): "Double",
    }  # fmt: skip
    plain = {
        0x30: "Byte", 0x34: "Int16", 0x38: "Int32", 0x7F: "Int64", 0x32: "Boolean",
        0x68: "Boolean", 0x3B: "Single", 0x3E: "Double", 0x6A: "Decimal", 0x6C: "Decimal",
        0x3C: "Decimal", 0x7A: "Decimal", 0x6E: "Decimal", 0x28: "DateTime", 0x3D: "DateTime",
        0x3A: "DateTime", 0x6F: "DateTime", 0x2A: "DateTime", 0x2B: "DateTimeOffset",
        0x29: "TimeSpan", 0x24: "Guid", 0xA5: "Byte[]", 0xAD: "Byte[]", 0x22: "Byte[]",
    }  # fmt: skip
    return sized.get((code, size)) or plain.get(code, "String")


def is_sql(linked: LinkedService) -> bool:
    """Whether a linked service is a database."""
    return linked.kind in KINDS


def quoted(name: str) -> str:
    """A name in brackets."""
    return f"[{name.replace(']', ']]')}]"
