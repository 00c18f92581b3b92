"""Python's SQL clients, unmodified, in every mode of encryption that each knows."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.emulators.warehouse.clients import (
    CLIENTS,
    ON,
    Client,
    FreeTdsOdbc,
    MicrosoftOdbc,
    MssqlPython,
    Pymssql,
    PythonTds,
    Server,
)
from tests.emulators.warehouse.conftest import ENDLESS, ENDLESS_ROWS
from tests.running import Rehearsal

BLOB = bytes(range(256)) * (8 << 12)  # 8 MiB
MODES = [(make, mode) for make in CLIENTS for mode in make.modes]  # type: ignore[attr-defined]

Make = Callable[[Server], Client]


@pytest.fixture(params=CLIENTS, ids=lambda make: make.name)
def client(request: pytest.FixtureRequest, sql: Server) -> Client:
    made: Client = request.param(sql)
    return made


@pytest.mark.parametrize(
    ("make", "mode"), MODES, ids=[f"{make.name}-{mode}" for make, mode in MODES]  # type: ignore[attr-defined]
)  # fmt: skip
def test_a_client_gets_in_and_reads(sql: Server, make: Make, mode: str) -> None:
    client = make(sql)
    with client.open(mode) as connection:
        (row,) = client.rows(
            connection,
            "SELECT CAST(1 AS int) AS a, N'ünï€𝄞' AS b, CAST(1.50 AS decimal(10,2)) AS c,"
            " CAST('2020-02-29' AS date) AS d,"
            " CAST('2020-02-29 01:02:03.456' AS datetime2(3)) AS e,"
            " CAST(NULL AS int) AS f, CAST(1 AS bit) AS g, CAST(2.5 AS float) AS h,"
            " CAST(9223372036854775807 AS bigint) AS i, CAST(0x00FF AS varbinary(9)) AS j",
        )
    assert row == (
        1, "ünï€𝄞", Decimal("1.50"), datetime.date(2020, 2, 29),
        datetime.datetime.fromisoformat("2020-02-29T01:02:03.456"), None, True, 2.5, 2**63 - 1,
        b"\x00\xff",
    )  # fmt: skip


def test_parameters_of_many_kinds(client: Client) -> None:
    with client.open() as connection:
        (row,) = client.rows(
            connection,
            "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e",
            42, "O'Brien ünï", Decimal("12345.6789"), datetime.date(1999, 12, 31), 2.25,
        )  # fmt: skip
        assert row[0] == 42
        assert row[1] == "O'Brien ünï"
        assert row[2] == Decimal("12345.6789")
        assert str(row[3])[:10] == "1999-12-31"
        assert row[4] == 2.25
        found = client.rows(connection, "SELECT n FROM dbo.numbers WHERE n BETWEEN ? AND ?", 3, 5)
        assert sorted(found) == [(3,), (4,), (5,)]


def test_many_rows(client: Client) -> None:
    with client.open() as connection:
        found = client.rows(
            connection,
            "SELECT a.n, a.word FROM dbo.numbers a JOIN dbo.numbers b ON b.n <= 20",
        )
    assert len(found) == 20_000
    assert (500, "wörd 500") in found


def test_eight_mebibytes_in_and_out(client: Client) -> None:
    if client.name == "pymssql":
        pytest.skip("pymssql writes parameters as text; it has a test of its own")
    with client.open() as connection:
        client.run(connection, "CREATE TABLE #blobs (b varbinary(max))")
        client.run(connection, "INSERT INTO #blobs VALUES (?)", client.binary(BLOB))
        ((length, back),) = client.rows(connection, "SELECT DATALENGTH(b), b FROM #blobs")
    assert length == len(BLOB)
    assert bytes(back) == BLOB


def test_pymssql_sends_a_long_literal(sql: Server) -> None:
    client = Pymssql(sql)
    blob = BLOB[: 2 << 20]
    with client.open() as connection:
        ((back,),) = client.rows(connection, "SELECT CAST(? AS varbinary(max)) AS b", blob)
    assert back == blob


def test_a_procedure_with_rows_output_and_status(client: Client) -> None:
    with client.open() as connection:
        rows, output, status = client.procedure(connection, 21)
    assert rows == [(21, "dübbelt")]
    assert output == 42
    assert status == 7


@pytest.mark.parametrize(
    ("text", "number", "words"),
    [
        ("SELECT 1 AS a\n\nSELECT * FROM dbo.nowhere", 208, "Invalid object name"),
        ("SELECT 1 AS a\n\nSELECT 1/0", 8134, "Divide by zero"),
        ("SELECT 1 AS a\n\n;THROW 51000, N'Thröwn here', 1", 51000, "Thröwn here"),
    ],
)
def test_errors_have_their_number_and_line(
    client: Client, text: str, number: int, words: str
) -> None:
    with client.open() as connection:
        cursor = connection.cursor()
        with pytest.raises(Exception, match=r"nowhere|zero|Thr.*wn") as caught:
            read_all(cursor, text)
        told = client.told(caught.value)
        assert words in told.text
        assert told.number in (None, number)
        assert told.line in (None, 3)
        assert client.rows(connection, "SELECT 2 AS a") == [(2,)]
    assert (told.number is None) == isinstance(client, MssqlPython)


def read_all(cursor: Any, text: str) -> None:
    cursor.execute(text)
    cursor.fetchall()
    while cursor.nextset():
        cursor.fetchall()


def test_a_wrong_password_is_told(client: Client) -> None:
    wrong = type(client)(
        Server(**{**vars_of(client.server), "password": "not-it"})  # type: ignore[arg-type]
    )
    with pytest.raises(Exception, match=r"(?i)login failed"):
        wrong.connect(wrong.modes[0])


def vars_of(server: Server) -> dict[str, object]:
    return {name: getattr(server, name) for name in server.__dataclass_fields__}


def test_what_is_rolled_back_is_gone(client: Client) -> None:
    word = f"rolled by {client.name}"
    with client.open(autocommit=False) as connection:
        client.run(connection, "INSERT INTO dbo.kept VALUES (1, ?)", word)
        assert client.rows(connection, "SELECT a FROM dbo.kept WHERE b = ?", word) == [(1,)]
        connection.rollback()
        assert client.rows(connection, "SELECT a FROM dbo.kept WHERE b = ?", word) == []
        client.run(connection, "INSERT INTO dbo.kept VALUES (2, ?)", word)
        connection.commit()
        assert client.rows(connection, "SELECT a FROM dbo.kept WHERE b = ?", word) == [(2,)]
        connection.rollback()


def test_a_query_is_cancelled_and_the_connection_lives(client: Client) -> None:
    with client.open() as connection:
        client.cancel(connection, ENDLESS_ROWS if client.reads else ENDLESS)
        assert client.rows(connection, "SELECT 5 AS a") == [(5,)]


def test_many_rows_of_parameters(client: Client) -> None:
    word = f"many by {client.name}"
    with client.open() as connection:
        cursor = connection.cursor()
        text = "INSERT INTO dbo.kept VALUES (?, ?)".replace("?", client.mark)
        cursor.executemany(text, [(n, word) for n in range(50)])
        ((count, most),) = client.rows(
            connection, "SELECT COUNT(*), MAX(a) FROM dbo.kept WHERE b = ?", word
        )
    assert (count, most) == (50, 49)


def test_fast_executemany_keeps_types(sql: Server) -> None:
    client = MicrosoftOdbc(sql)
    with client.open() as connection:
        client.run(connection, "CREATE TABLE dbo.fast (a int, b nvarchar(50), c float, d date)")
        cursor = connection.cursor()
        cursor.fast_executemany = True
        rows = [(n, f"ü{n}", n / 4, datetime.date(2020, 1, 1 + n % 28)) for n in range(500)]
        rows[7] = (7, None, None, None)  # type: ignore[assignment]
        cursor.executemany("INSERT INTO dbo.fast VALUES (?, ?, ?, ?)", rows)
        found = client.rows(connection, "SELECT a, b, c, d FROM dbo.fast ORDER BY a")
    assert found == rows


def rows_to_load(count: int) -> list[tuple[Any, ...]]:
    return [(n, f"bülk {n}" if n % 9 else None) for n in range(count)]


def loaded(sql: Server, table: str) -> list[tuple[Any, ...]]:
    client = PythonTds(sql)
    with client.open() as connection:
        return client.rows(connection, f"SELECT a, b FROM {table} ORDER BY a")


def made(sql: Server, table: str) -> None:
    client = PythonTds(sql)
    with client.open() as connection:
        client.run(connection, f"CREATE TABLE {table} (a int, b nvarchar(50))")


def test_python_tds_bulk(sql: Server) -> None:
    from pytds.tds_base import Column
    from pytds.tds_types import IntType, NVarCharType

    made(sql, "dbo.bulk_tds")
    with PythonTds(sql).open() as connection, connection.cursor() as cursor:
        columns = [Column("a", type=IntType()), Column("b", type=NVarCharType(50))]
        cursor.copy_to(
            data=rows_to_load(5000), schema="dbo", table_or_view="bulk_tds", columns=columns
        )
    assert loaded(sql, "dbo.bulk_tds") == rows_to_load(5000)


def test_pymssql_bulk(sql: Server) -> None:
    made(sql, "dbo.bulk_pymssql")
    with Pymssql(sql).open() as connection:
        connection.bulk_copy("dbo.bulk_pymssql", rows_to_load(2000), batch_size=500)
    assert loaded(sql, "dbo.bulk_pymssql") == rows_to_load(2000)


def test_mssql_python_bulk(sql: Server) -> None:
    made(sql, "dbo.bulk_mssql")
    with MssqlPython(sql).open(ON) as connection:
        cursor = connection.cursor()
        cursor.bulkcopy("dbo.bulk_mssql", rows_to_load(3000))
    assert loaded(sql, "dbo.bulk_mssql") == rows_to_load(3000)


def test_entra_tokens_log_in(sql: Server, warehouse: Rehearsal) -> None:
    import pytds

    token = token_of(warehouse)
    with (
        pytds.connect(
            sql.host, port=sql.port, database=sql.database, access_token_callable=lambda: token,
            cafile=sql.ca, validate_host=False,
        ) as connection,
        connection.cursor() as cursor,
    ):  # fmt: skip
        cursor.execute("SELECT 3 AS a")
        assert cursor.fetchall() == [(3,)]


def test_entra_tokens_log_in_by_odbc(sql: Server, warehouse: Rehearsal) -> None:
    import struct

    pyodbc = pytest.importorskip("pyodbc")
    token = token_of(warehouse).encode("utf-16-le")
    client = MicrosoftOdbc(sql)
    connection = pyodbc.connect(
        f"DRIVER={client.driver()};DATABASE={sql.database};{client.secured(ON)}",
        attrs_before={1256: struct.pack("<I", len(token)) + token},
    )
    assert connection.execute("SELECT 3 AS a").fetchall()[0][0] == 3
    connection.close()


def test_mssql_python_signs_in_by_the_environment(sql: Server, warehouse: Rehearsal) -> None:
    mssql = pytest.importorskip("mssql_python")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in warehouse.env.items():
            patch.setenv(name, value)
        connection = mssql.connect(
            f"SERVER={sql.host},{sql.port};DATABASE={sql.database};Encrypt=yes;"
            "TrustServerCertificate=yes;Authentication=ActiveDirectoryDefault"
        )
    cursor = connection.cursor()
    cursor.execute("SELECT 3 AS a")
    assert cursor.fetchall()[0][0] == 3
    connection.close()


def test_a_token_for_something_else_is_refused(sql: Server, warehouse: Rehearsal) -> None:
    import pytds

    token = token_of(warehouse, "https://storage.azure.com/.default")
    with pytest.raises(pytds.Error, match=r"(?i)login failed|token"):
        pytds.connect(
            sql.host, port=sql.port, database=sql.database, access_token_callable=lambda: token,
            cafile=sql.ca, validate_host=False,
        )  # fmt: skip


def token_of(warehouse: Rehearsal, scope: str = "https://database.windows.net/.default") -> str:
    """A token as azure-identity gets it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in warehouse.env.items():
            patch.setenv(name, value)
        from azure.identity import ClientSecretCredential

        env = warehouse.env
        credential = ClientSecretCredential(
            env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
        )
        return credential.get_token(scope).token


def test_freetds_learns_how_long_a_value_may_be(sql: Server) -> None:
    """Without the rows of sp_datatype_info it would cut the value to 8000 bytes and say nothing."""
    client = FreeTdsOdbc(sql)
    with client.open() as connection:
        ((length,),) = client.rows(connection, "SELECT DATALENGTH(?) AS n", b"x" * 100_000)
    assert length == 100_000
