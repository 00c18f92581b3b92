"""SQL clients behind one face, each driven as its own documentation says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

OFF, LOGIN, ON, STRICT = "off", "login", "on", "strict"
"""Encryption: none, of the login alone, of all, and TLS before anything else."""


@dataclass(frozen=True)
class Server:
    """Where a test's clients go, and as whom."""

    port: int
    user: str
    password: str
    database: str
    ca: str
    leaf: str  # the server's own certificate, for clients that pin it
    host: str = "localhost"


@dataclass(frozen=True)
class Told:
    """An error as a client tells it; what a client does not tell is None."""

    text: str
    number: int | None = None
    line: int | None = None
    severity: int | None = None


class Client:
    """What every test does with a client. `mark` is its place holder.

    `reads` says that it cancels among rows, not before the first of them.
    """

    name = ""
    modes: tuple[str, ...] = ()
    mark = "?"
    reads = False

    def __init__(self, server: Server) -> None:
        self.server = server

    def connect(self, mode: str, *, autocommit: bool = True) -> Any:
        raise AssertionError("each client connects in its own way")

    @contextmanager
    def open(self, mode: str | None = None, *, autocommit: bool = True) -> Iterator[Any]:
        with closing(self.connect(mode or self.modes[0], autocommit=autocommit)) as connection:
            yield connection

    def rows(self, connection: Any, text: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = connection.cursor()
        cursor.execute(text.replace("?", self.mark), values) if values else cursor.execute(text)
        found = [tuple(row) for row in cursor.fetchall()]
        cursor.close()
        return found

    def run(self, connection: Any, text: str, *values: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(text.replace("?", self.mark), values) if values else cursor.execute(text)
        cursor.close()

    def binary(self, value: bytes) -> Any:
        return value

    def procedure(self, connection: Any, n: int) -> tuple[list[Any], int, int | None]:
        """Call `dbo.doubled`: its rows, output and return status."""
        cursor = connection.cursor()
        cursor.execute(
            "SET NOCOUNT ON; DECLARE @o int, @s int; EXEC @s = dbo.doubled ?, @o OUTPUT;"
            " SELECT @o, @s;".replace("?", self.mark),
            (n,),
        )
        rows = [tuple(row) for row in cursor.fetchall()]
        assert cursor.nextset()
        output, status = cursor.fetchone()
        return rows, output, status

    def told(self, wrong: Exception) -> Told:
        return Told(str(wrong))

    def cancel(self, connection: Any, text: str) -> None:
        """Run a query that does not end, and cancel it from another thread."""
        cursor = connection.cursor()
        timer = threading.Timer(0.5, cursor.cancel)
        timer.start()
        with pytest.raises(Exception, match=r"(?i)cancel"):
            cursor.execute(text).fetchall()
        timer.join()


class PythonTds(Client):
    name, modes, mark = "python-tds", (OFF, LOGIN, ON), "%s"

    def connect(self, mode: str, *, autocommit: bool = True, timeout_s: float = 60) -> Any:
        import pytds

        server = self.server
        secured = {} if mode == OFF else {"cafile": server.ca, "validate_host": False}
        return pytds.connect(
            server.host, port=server.port, user=server.user, password=server.password,
            database=server.database, autocommit=autocommit, timeout=timeout_s,
            enc_login_only=mode == LOGIN, **secured,
        )  # fmt: skip

    def binary(self, value: bytes) -> Any:
        import pytds

        return pytds.Binary(value)

    def procedure(self, connection: Any, n: int) -> tuple[list[Any], int, int | None]:
        import pytds

        cursor = connection.cursor()
        # Its own list of outputs is by ordinal, so the output comes first: dbo.doubled_first.
        cursor.callproc("dbo.doubled_first", [pytds.output(param_type=int), n])
        rows = [tuple(row) for row in cursor.fetchall()]
        (output,) = cursor.get_proc_outputs()
        return rows, output, cursor.get_proc_return_status()

    def told(self, wrong: Exception) -> Told:
        said: Any = wrong
        return Told(str(wrong), said.number, said.line, said.severity)

    def cancel(self, connection: Any, text: str) -> None:
        """The time limit of a query sends an attention."""
        with closing(self.connect(OFF, timeout_s=1)) as limited:
            cursor = limited.cursor()
            with pytest.raises(TimeoutError):
                cursor.execute(text)
            assert self.rows(limited, "SELECT 5 AS a") == [(5,)]


class Pymssql(Client):
    name, modes, mark, reads = "pymssql", (LOGIN, ON), "%s", True

    def connect(self, mode: str, *, autocommit: bool = True) -> Any:
        import pymssql

        server = self.server
        return pymssql.connect(
            server.host, server.user, server.password, server.database, port=str(server.port),
            autocommit=autocommit, encryption="require" if mode == ON else None, login_timeout=20,
        )  # fmt: skip

    def procedure(self, connection: Any, n: int) -> tuple[list[Any], int, int | None]:
        import pymssql

        # Outputs are there once the rows are read, and callproc returns before: two calls.
        cursor = connection.cursor()
        cursor.callproc("dbo.doubled", (n, pymssql.output(int)))
        rows = [tuple(row) for row in cursor.fetchall()]
        quiet = connection.cursor()
        _, output = quiet.callproc("dbo.doubled_quietly", (n, pymssql.output(int)))
        return rows, output, quiet.returnvalue

    def told(self, wrong: Exception) -> Told:
        number, text = wrong.args
        return Told(text.decode(), number)

    def cancel(self, connection: Any, text: str) -> None:
        """Its only way is to turn to something else: that calls off the rows not yet read."""
        cursor = connection.cursor()
        cursor.execute(text)
        assert cursor.fetchone() is not None
        cursor.execute("SELECT 5 AS a")
        assert cursor.fetchall() == [(5,)]


class Odbc(Client):
    """pyodbc with a driver."""

    def driver(self) -> str:
        raise AssertionError("each has its own")

    def secured(self, mode: str) -> str:
        raise AssertionError("each has its own")

    def connect(self, mode: str, *, autocommit: bool = True) -> Any:
        pyodbc = pytest.importorskip("pyodbc")
        server = self.server
        return pyodbc.connect(
            f"DRIVER={self.driver()};UID={server.user};PWD={server.password};"
            f"DATABASE={server.database};{self.secured(mode)}",
            autocommit=autocommit,
            timeout=20,
        )

    def told(self, wrong: Exception) -> Told:
        import re

        text = str(wrong.args[1])
        found = re.search(r"\((\d+)\) \(SQL", text)
        return Told(text, int(found[1]) if found else None)


class MicrosoftOdbc(Odbc):
    name, modes = "pyodbc+msodbcsql", (LOGIN, ON, STRICT)

    def driver(self) -> str:
        return microsoft_driver()

    def secured(self, mode: str) -> str:
        server = f"SERVER={self.server.host},{self.server.port};"
        return (
            server
            + {
                LOGIN: "Encrypt=no",
                ON: "Encrypt=yes;TrustServerCertificate=yes",
                STRICT: f"Encrypt=strict;ServerCertificate={self.server.leaf}",
            }[mode]
        )


class FreeTdsOdbc(Odbc):
    name, modes = "pyodbc+FreeTDS", (OFF, LOGIN, ON)

    def driver(self) -> str:
        pyodbc = pytest.importorskip("pyodbc")
        if "FreeTDS" not in pyodbc.drivers():
            pytest.skip("FreeTDS's ODBC driver is not installed (Debian: tdsodbc)")
        return "FreeTDS"

    def secured(self, mode: str) -> str:
        wanted = {OFF: "off", LOGIN: "request", ON: "require"}[mode]
        server = f"SERVER={self.server.host};PORT={self.server.port};TDS_Version=7.4;"
        return f"{server}Encryption={wanted}"


class MssqlPython(Client):
    name, modes = "mssql-python", (LOGIN, ON, STRICT)

    def connect(self, mode: str, *, autocommit: bool = True) -> Any:
        mssql = pytest.importorskip("mssql_python")
        server = self.server
        secured = {
            LOGIN: "Encrypt=no",
            ON: "Encrypt=yes;TrustServerCertificate=yes",
            STRICT: f"Encrypt=strict;ServerCertificate={server.leaf}",
        }[mode]
        return mssql.connect(
            f"SERVER={server.host},{server.port};UID={server.user};PWD={server.password};"
            f"DATABASE={server.database};{secured}",
            autocommit=autocommit,
        )

    def cancel(self, connection: Any, text: str) -> None:
        pytest.skip("mssql-python has no cancel")


@cache
def microsoft_driver() -> str:
    """Microsoft's ODBC 18 as its wheel brings it; skips where it cannot be loaded."""
    import ctypes
    import importlib.util

    found = importlib.util.find_spec("mssql_python_odbc")
    if found is None or found.origin is None:
        pytest.skip("mssql-python-odbc is not installed")
    linux = Path(found.origin).parent / "libs" / "linux"
    for place in ("debian_ubuntu", "rhel", "alpine", "suse"):
        for library in sorted((linux / place).glob("*/lib/libmsodbcsql-*.so*")):
            try:
                ctypes.CDLL(str(library))
            except OSError:
                continue
            return str(library)
    pytest.skip("Microsoft's ODBC driver cannot be loaded here (it needs libltdl and krb5)")


CLIENTS: tuple[Callable[[Server], Client], ...] = (
    PythonTds, Pymssql, MicrosoftOdbc, FreeTdsOdbc, MssqlPython,
)  # fmt: skip
