"""The gateway before Rehearsal's own engine, which stands for a SQL Server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulators.warehouse.engine import admin
from emulators.warehouse.wire.lazily import LazySessions
from tests.emulators.warehouse.clients import ON, PythonTds, Server
from tests.emulators.warehouse.conftest import SCHEMA, run
from tests.emulators.warehouse.listening import authority, leaf_file, listening
from tests.emulators.warehouse.test_engine_gateway import doubling
from tests.emulators.warehouse.test_sdk_clients_python import read_all
from tests.support import make_context


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    behind = make_context(tmp_path_factory.mktemp("behind"))
    engine = LazySessions(behind)
    with listening(engine) as remote:
        front = make_context(
            tmp_path_factory.mktemp("front"), sql_backend="mssql",
            sql_server=f"localhost,{remote.port}", sql_user=admin.ADMIN,
            sql_password=admin.password(behind), sql_database=admin.DATABASE,
            sql_ca=str(authority().ca_file),
        )  # fmt: skip
        with listening(LazySessions(front)) as up:
            server = Server(
                up.port, admin.ADMIN, admin.password(front), admin.DATABASE,
                str(authority().ca_file), str(leaf_file()),
            )  # fmt: skip
            run(server, SCHEMA)
            yield server
            assert up.bugs == []
    engine.close()


def test_procedures_and_errors_pass(gateway: Server) -> None:
    client = PythonTds(gateway)
    with client.open(ON) as connection:
        assert client.procedure(connection, 21) == ([(21, "dübbelt")], 42, 7)
        with pytest.raises(Exception, match="nowhere") as caught:
            read_all(connection.cursor(), "SELECT 1 AS a\n\nSELECT * FROM dbo.nowhere")
        told = client.told(caught.value)
        assert (told.number, told.line) == (208, 3)


def test_predict_is_run_here_over_rows_from_there(gateway: Server) -> None:
    client = PythonTds(gateway)
    model = "0x" + doubling().hex()
    with client.open(ON) as connection:
        client.run(connection, "CREATE TABLE dbo.models (id int, content varbinary(max))")
        client.run(connection, f"INSERT INTO dbo.models VALUES (1, {model})")
        client.run(connection, "CREATE TABLE dbo.scores (n int, score real)")
        client.run(
            connection,
            """
            DECLARE @model varbinary(max) = (SELECT content FROM dbo.models WHERE id = 1);
            INSERT INTO dbo.scores
            SELECT d.n, p.Score
            FROM PREDICT(MODEL = @model,
                         DATA = (SELECT n, CAST(n AS real) AS x FROM dbo.numbers) AS d,
                         RUNTIME = ONNX)
            WITH (Score real) AS p
            WHERE d.n > 990
            """,
        )
        found = client.rows(connection, "SELECT n, score FROM dbo.scores ORDER BY n")
    assert found == [(n, 2.0 * n) for n in range(991, 1001)]
