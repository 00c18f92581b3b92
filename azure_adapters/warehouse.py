"""A dedicated SQL pool by a TDS client: T-SQL files deployed in order, statements, procedures."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_adapters.ports import Called, DeploymentFailed

if TYPE_CHECKING:
    from pydantic import SecretStr

LOGIN_S = 60  # a paused pool, or a small one under load, takes its time
STATEMENT_S = 600
SEPARATOR = re.compile(r"^[ \t]*GO[ \t]*;?[ \t]*$", re.IGNORECASE | re.MULTILINE)
VARIABLE = re.compile(r"\$\((\w+)\)")


@dataclass(frozen=True, slots=True)
class Pool:
    """Where the pool is, and who signs in."""

    host: str
    port: int
    database: str
    user: str
    password: SecretStr | None


def batches(text: str, values: Mapping[str, str]) -> list[str]:
    """Return the batches of a file as sqlcmd would send them.

    `$(name)` becomes its value with quotes doubled: it stands inside a string literal.

    Raises:
        LookupError: a variable without a value.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise LookupError(f"$({found[1]}) has no value")
        return values[found[1]].replace("'", "''")

    return [made for part in SEPARATOR.split(text) if (made := VARIABLE.sub(value, part).strip())]


class SqlWarehouse:
    """The pool that the settings name."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def deploy(
        self, folder: Path, values: Mapping[str, str], database: str | None = None
    ) -> tuple[str, ...]:
        """Run the `.sql` files of a folder by name, in the pool or another database of its server.

        Raises:
            DeploymentFailed: a batch failed; the message has the file and the server's words.
        """
        done = []
        with self._connection(database) as connection:
            for file in sorted(folder.glob("*.sql")):
                for batch in batches(file.read_text(encoding="utf-8"), values):
                    try:
                        self._run(connection, batch)
                    except Exception as why:  # the client's own kinds
                        raise DeploymentFailed(f"{file.name}: {why}") from why
                done.append(file.name)
        return tuple(done)

    def _run(self, connection: Any, text: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(text)
            while cursor.nextset():
                pass

    def execute(self, statement: str, *values: Any) -> list[Mapping[str, Any]]:
        """Run one statement with `%s` for each value; return the rows of its last result set."""
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.execute(statement, tuple(_bound(value) for value in values))
            rows: list[Mapping[str, Any]] = []
            while True:
                if cursor.description:
                    rows = list(cursor.fetchall())
                if not cursor.nextset():
                    return rows

    def call(self, procedure: str, values: Mapping[str, Any]) -> Called:
        """Call a procedure by named arguments; return its status and the rows it selected."""
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.callproc(procedure, {f"@{name}": value for name, value in values.items()})
            rows: list[Mapping[str, Any]] = []
            while True:
                if cursor.description:
                    rows += cursor.fetchall()
                if not cursor.nextset():
                    break
            status = cursor.get_proc_return_status()
            return Called(0 if status is None else int(status), tuple(rows))

    @contextmanager
    def _connection(self, database: str | None = None) -> Iterator[Any]:
        import pytds
        import pytds.tls

        # python-tds 1.17 reads a certificate's names by calls that pyOpenSSL 26 no longer has.
        pytds.tls.validate_host = _names
        pool = self._pool
        if not pool.host or pool.password is None:
            raise LookupError(
                "no SQL pool is named: set MSSQL_HOST, MSSQL_DATABASE, MSSQL_USER, MSSQL_PASSWORD"
            )
        with pytds.connect(
            dsn=pool.host,
            port=pool.port,
            database=database or pool.database,
            user=pool.user,
            password=pool.password.get_secret_value(),
            cafile=_authorities(),
            login_timeout=LOGIN_S,
            timeout=STATEMENT_S,
            autocommit=True,
            as_dict=True,
        ) as connection:
            yield connection


def _bound(value: Any) -> Any:
    """A value as the client binds it; it takes plain bytes for text."""
    import pytds

    return pytds.Binary(value) if isinstance(value, bytes) else value


def _names(cert: Any, name: bytes) -> bool:
    """Whether a server's certificate is for a host, by its alternative names (RFC 6125)."""
    from cryptography import x509

    try:
        names = cert.to_cryptography().extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return False
    host = name.decode("ascii").lower()
    _, _, parent = host.partition(".")
    known = [one.lower() for one in names.value.get_values_for_type(x509.DNSName)]
    addresses = map(str, names.value.get_values_for_type(x509.IPAddress))
    return host in known or f"*.{parent}" in known or host in addresses


def _authorities() -> str:
    """The file of certificate authorities that every TLS client of this process goes by."""
    told = ssl.get_default_verify_paths().cafile  # honours SSL_CERT_FILE
    if told:
        return told
    import certifi

    return certifi.where()
