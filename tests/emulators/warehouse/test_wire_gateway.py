"""The gateway: a client, our server, our client, and a server behind that says what it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.warehouse.engine import admin
from emulators.warehouse.wire.lazily import LazySessions
from tests.emulators.warehouse.clients import CLIENTS, ON, Client, Pymssql, PythonTds, Server
from tests.emulators.warehouse.fake import FakeSessions
from tests.emulators.warehouse.listening import authority, leaf_file, listening
from tests.support import make_context


@pytest.fixture(scope="module")
def behind() -> FakeSessions:
    return FakeSessions()


@pytest.fixture(scope="module")
def gateway(behind: FakeSessions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with listening(behind) as remote:
        ctx = make_context(
            folder, sql_backend="mssql", sql_server=f"localhost,{remote.port}", sql_user="sa",
            sql_password="Right_1", sql_database="db", sql_ca=str(authority().ca_file),
        )  # fmt: skip
        with listening(LazySessions(ctx)) as front:
            yield Server(
                front.port, admin.ADMIN, admin.password(ctx), admin.DATABASE,
                str(authority().ca_file), str(leaf_file()),
            )  # fmt: skip
            assert front.bugs == []


@pytest.fixture(params=CLIENTS, ids=lambda make: make.name)
def client(request: pytest.FixtureRequest, gateway: Server) -> Client:
    made: Client = request.param(gateway)
    return made


def test_rows_and_parameters_pass(client: Client, behind: FakeSessions) -> None:
    with client.open(ON) as connection:
        assert client.rows(connection, "SELECT 1 AS a, 'ü' AS b") == [(1, "ü")]
        if client.name != "pymssql":  # it writes parameters as text
            ((value,),) = client.rows(connection, "SELECT ? AS a", 12)
            assert value == 12
    assert behind.logins[-1].user == "sa"
    assert behind.logins[-1].database == "db"


def test_errors_pass(gateway: Server) -> None:
    client = PythonTds(gateway)
    with client.open(ON) as connection:
        with pytest.raises(Exception, match="Thrown") as caught:
            client.run(connection, "THROW")
        told = client.told(caught.value)
        assert (told.number, told.line, told.severity) == (51234, 4, 16)


def test_procedures_pass(gateway: Server) -> None:
    import pytds

    with PythonTds(gateway).open(ON) as connection:
        cursor = connection.cursor()
        cursor.callproc("double", [pytds.output(param_type=int), 21])
        assert cursor.fetchall() == [("doubling",)]
        assert cursor.get_proc_outputs() == [42]
        assert cursor.get_proc_return_status() == 7


def test_transactions_and_loads_pass(gateway: Server, behind: FakeSessions) -> None:
    from pytds.tds_base import Column
    from pytds.tds_types import IntType, NVarCharType

    with PythonTds(gateway).open(ON, autocommit=False) as connection:
        cursor: Any = connection.cursor()
        columns = [Column("a", type=IntType()), Column("b", type=NVarCharType(50))]
        rows = [(n, f"ü{n}") for n in range(20_000)]
        cursor.copy_to(data=rows, table_or_view="t", columns=columns)
        connection.rollback()
    session = behind.opened[-1]
    assert session.loads[-1].rows == 20_000
    found = [(r["a"], r["b"]) for b in session.loads[-1].batches for r in b.to_pylist()]
    assert found == rows
    assert session.transactions[:2] == ["begin", "rollback"]


def test_a_cancel_passes(gateway: Server) -> None:
    client = Pymssql(gateway)
    with client.open(ON) as connection:
        client.cancel(connection, "WAIT")
        assert client.rows(connection, "SELECT 5 AS a") == [(5,)]


def test_predict_never_reaches_the_server_behind(gateway: Server, behind: FakeSessions) -> None:
    client = PythonTds(gateway)
    with client.open(ON) as connection, pytest.raises(Exception, match="PREDICT"):
        client.run(connection, "SELECT 1;\nSELECT p.* FROM PREDICT(MODEL = @m, DATA = t AS d) AS p")


def test_who_is_not_let_in_here_is_not_let_in_there(gateway: Server, behind: FakeSessions) -> None:
    before = len(behind.logins)
    wrong = PythonTds(Server(gateway.port, gateway.user, "wrong", "db", gateway.ca, ""))
    with pytest.raises(Exception, match="Login failed"):
        wrong.connect(ON)
    assert len(behind.logins) == before
