"""A host with the warehouse, and what every client finds in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.kernel.tls import open_authority
from tests.emulators.warehouse.clients import Server
from tests.running import Rehearsal, started

SCHEMA = """
CREATE TABLE dbo.numbers (n int NOT NULL, word nvarchar(40) NULL) WITH (DISTRIBUTION = ROUND_ROBIN)
GO
INSERT INTO dbo.numbers SELECT value, CONCAT(N'wörd ', value) FROM GENERATE_SERIES(1, 1000)
GO
CREATE TABLE dbo.kept (a int, b nvarchar(100))
GO
CREATE PROCEDURE dbo.doubled @n int, @twice int OUTPUT AS
BEGIN
    SELECT @n AS n, N'dübbelt' AS what;
    SET @twice = @n * 2;
    RETURN 7;
END
GO
CREATE PROCEDURE dbo.doubled_first @twice int OUTPUT, @n int AS
BEGIN
    SELECT @n AS n, N'dübbelt' AS what;
    SET @twice = @n * 2;
    RETURN 7;
END
GO
CREATE PROCEDURE dbo.doubled_quietly @n int, @twice int OUTPUT AS
BEGIN
    SET @twice = @n * 2;
    RETURN 7;
END
"""

ENDLESS = """
SELECT SUM(CAST(a.n AS bigint) * b.n % 7 + c.n * d.n % 5)
FROM dbo.numbers a CROSS JOIN dbo.numbers b CROSS JOIN dbo.numbers c CROSS JOIN dbo.numbers d
"""
ENDLESS_ROWS = """
SELECT a.n FROM dbo.numbers a CROSS JOIN dbo.numbers b CROSS JOIN dbo.numbers c
"""


def run(server: Server, script: str) -> None:
    """Run a script whose batches GO parts."""
    import pytds

    with pytds.connect(
        server.host, port=server.port, user=server.user, password=server.password,
        database=server.database, autocommit=True,
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        for batch in script.split("\nGO\n"):
            cursor.execute(batch)


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """The host, with the warehouse and what it needs only."""
    state = tmp_path_factory.mktemp("warehouse")
    running = Rehearsal(state, ("warehouse", "identity", "storage"))
    with started(state, *running.options) as up:
        yield up


@pytest.fixture(scope="session")
def sql(warehouse: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The SQL endpoint, with a few tables and procedures."""
    env = warehouse.env
    leaf = tmp_path_factory.mktemp("leaf") / "leaf.pem"
    port = int(env["MSSQL_PORT"])
    server = Server(
        port, env["MSSQL_USER"], env["MSSQL_PASSWORD"], env["MSSQL_DATABASE"],
        str(warehouse.state / "tls" / "ca.pem"), str(leaf), env["MSSQL_HOST"],
    )  # fmt: skip
    leaf.write_text(_certificate_of(port, Path(server.ca)))
    run(server, SCHEMA)
    return server


def _certificate_of(port: int, ca: Path) -> str:
    """The certificate that the server shows a strict client."""
    import socket
    import ssl

    assert open_authority(ca.parent).ca_file == ca
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(["tds/8.0"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    return ssl.DER_cert_to_PEM_cert(shown)
