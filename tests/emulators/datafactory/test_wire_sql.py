"""Activities over TDS, against sessions that know a few words of T-SQL."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from emulators.datafactory.engine.activities.base import ActivityFailed
from emulators.datafactory.engine.expressions import Scope
from emulators.warehouse.engine.answers import Answer, Failed, Login, Session
from emulators.warehouse.errors import SqlError
from tests.emulators.datafactory.lake import Lake
from tests.emulators.warehouse.fake import FakeSession, FakeSessions
from tests.emulators.warehouse.listening import Listening, authority, listening

POOL = {"referenceName": "Pool", "type": "LinkedServiceReference"}
TEXT = "Server=tcp:rehearsal.sql.azuresynapse.net,1433;Initial Catalog=pool;User ID=sa"


class Words(FakeSession):
    """One database for all sessions; brackets, TOP and T-SQL's types in DuckDB's words."""

    def batch(self, text: str) -> Iterator[Answer]:
        if text.startswith("EXEC [dbo].[proc]"):
            yield Failed(50000, "proc says no", 16, 1)
            return
        yield from super().batch(text)

    def _statement(self, text: str, values: dict[str, Any]) -> Iterator[Answer]:
        text = re.sub(r"\[([^\]]+)\]", r'"\1"', text).replace("nvarchar(4000)", "varchar")
        text = text.replace("datetime2", "timestamp").replace(" bit", " boolean")
        text = re.sub(r"SELECT TOP 0 \* (.*)", r"SELECT * \1 LIMIT 0", text)
        if text.startswith("EXEC"):
            self.calls.append((text, list(values.values())))
            yield from super()._statement("SELECT 1 AS one", {})
            return
        try:
            yield from super()._statement(text, values)
        except SqlError as failed:
            if "does not exist" in str(failed):
                yield Failed(208, "Invalid object name 'nope'.", 16, 1)
                return
            raise


class Shared(FakeSessions):
    def __init__(self) -> None:
        super().__init__()
        self.lake = duckdb.connect()

    def login(self, login: Login) -> Session:
        super().login(login)
        made = Words(login.database or "master")
        made.lake = self.lake.cursor()
        self.opened[-1] = made
        return made


@pytest.fixture(scope="module")
def sessions() -> Shared:
    return Shared()


@pytest.fixture(scope="module")
def server(sessions: Shared) -> Iterator[Listening]:
    with listening(sessions) as made:
        yield made


@pytest.fixture
def lake(tmp_path: Path, server: Listening, sessions: Shared) -> Lake:
    made = Lake(tmp_path)
    made.bench.ctx.announced.ports["tds"] = server.port
    ca = tmp_path / "tls" / "ca.pem"
    ca.parent.mkdir(exist_ok=True)
    ca.write_bytes(authority().ca_file.read_bytes())
    secret = {"type": "SecureString", "value": f"{TEXT};Password=Right_1;Encrypt=True"}
    made.link("Pool", "AzureSqlDW", {"connectionString": secret})
    sessions.lake.execute(
        "CREATE SCHEMA IF NOT EXISTS dbo; CREATE OR REPLACE TABLE dbo.people"
        " (id INTEGER, name VARCHAR, paid DECIMAL(9,2), born TIMESTAMP, ok BOOLEAN);"
        " INSERT INTO dbo.people VALUES (1, 'Ada', 1.50, '2020-01-02', true),"
        " (2, NULL, NULL, NULL, false)"
    )
    return made


def table(lake: Lake, name: str) -> dict[str, Any]:
    kind = {"type": "AzureSqlDWTable", "linkedServiceName": POOL}
    properties = {"schema": "dbo", "table": name}
    lake.bench.resources.publish("datasets", name, {**kind, "typeProperties": properties})
    return {"referenceName": name, "type": "DatasetReference"}


def test_lookup_of_a_table_and_of_a_query(lake: Lake) -> None:
    output = lake.do("Lookup", table(lake, "people"), source={"type": "SqlDWSource"})
    assert output["firstRow"] == {
        "id": 1, "name": "Ada", "paid": 1.5, "born": "2020-01-02T00:00:00Z", "ok": True,
    }  # fmt: skip
    query = {"type": "SqlDWSource", "sqlReaderQuery": "select id from dbo.people order by id desc"}
    output = lake.do("Lookup", table(lake, "people"), source=query, firstRowOnly=False)
    assert (output["count"], output["value"]) == (2, [{"id": 2}, {"id": 1}])
    output = lake.do("Lookup", table(lake, "people"), treatDecimalAsString=True)
    assert output["firstRow"]["paid"] == "1.50"


def test_metadata_of_a_table(lake: Lake) -> None:
    wanted = ["columnCount", "structure", "exists"]
    output = lake.do("GetMetadata", table(lake, "people"), fieldList=wanted)
    assert output["columnCount"] == 5
    assert [one["type"] for one in output["structure"]] == [
        "Int32", "String", "Decimal", "DateTime", "Boolean",
    ]  # fmt: skip
    assert lake.do("GetMetadata", table(lake, "nope"), fieldList=["exists"])["exists"] is False


def test_a_failing_query_fails_the_lookup(lake: Lake) -> None:
    with pytest.raises(ActivityFailed, match="Invalid object name") as failed:
        lake.do("Lookup", table(lake, "nope"))
    assert failed.value.code == "2100"
    assert "ErrorCode=SqlOperationFailed" in failed.value.message


def test_a_wrong_password_fails(lake: Lake) -> None:
    lake.link("Pool", "AzureSqlDW", {"connectionString": f"{TEXT};Password=Wrong"})
    with pytest.raises(ActivityFailed, match="Login failed"):
        lake.do("Lookup", table(lake, "people"))


def test_without_a_user_the_factorys_identity_logs_in(lake: Lake, sessions: Shared) -> None:
    lake.link("Pool", "AzureSqlDW", {"connectionString": TEXT.replace(";User ID=sa", "")})
    with pytest.raises(ActivityFailed, match="Login failed"):
        lake.do("Lookup", table(lake, "people"))
    token = sessions.logins[-1].token
    assert token is not None
    principal = lake.bench.ctx.tokens.verify(token, ["https://database.windows.net/"])
    assert principal.object_id == "11111111-1111-4111-8111-111111111111"


def test_real_azure_is_never_called(lake: Lake) -> None:
    lake.bench.ctx.announced.ports.clear()
    with pytest.raises(ActivityFailed, match="never called"):
        lake.do("Lookup", table(lake, "people"))


def test_script_gives_result_sets_and_counts(lake: Lake) -> None:
    scripts = [
        {"type": "Query", "text": "select id, name from dbo.people order by id"},
        {"type": "NonQuery", "text": "update dbo.people set ok = true"},
    ]
    activity = {
        "type": "Script",
        "linkedServiceName": POOL,
        "typeProperties": {"scripts": scripts, "scriptBlockExecutionTimeout": "02:00:00"},
    }
    output = lake.bench.do(activity).output
    assert output["resultSetCount"] == 1
    assert output["resultSets"] == [
        {"rowCount": 2, "rows": [{"id": 1, "name": "Ada"}, {"id": 2, "name": None}]}
    ]
    assert output["recordsAffected"] == 1
    assert output["outputParameters"] == {}


def test_procedures_are_called_with_typed_parameters(lake: Lake, sessions: Shared) -> None:
    activity = {
        "type": "SqlServerStoredProcedure",
        "linkedServiceName": POOL,
        "typeProperties": {
            "storedProcedureName": "[dbo].[keep]",
            "storedProcedureParameters": {
                "n": {"value": "7", "type": "Int32"},
                "t": {"value": "x", "type": "String"},
            },
        },
    }
    output = lake.bench.do(activity).output
    assert set(output) == {
        "effectiveIntegrationRuntime", "executionDuration", "durationInQueue", "billingReference",
    }  # fmt: skip
    (text, values) = sessions.opened[-1].calls[-1]
    assert "@n" in text
    assert values == [7, "x"]
    activity["typeProperties"] = {"storedProcedureName": "dbo.proc"}
    with pytest.raises(ActivityFailed, match="Error Message: proc says no") as failed:
        lake.bench.do(activity)
    assert failed.value.code == "2402"


def test_a_copy_into_a_table_and_out_again(lake: Lake, sessions: Shared) -> None:
    rows = "".join(f"{n},name {n}\n" for n in range(2500))
    lake.put(a_csv=f"id,name\n{rows}")
    source = lake.dataset("S", "DelimitedText", "", "a.csv", firstRowAsHeader=True)
    mappings = [
        {"source": {"name": "id"}, "sink": {"name": "id", "type": "Int32"}},
        {"source": {"name": "name"}, "sink": {"name": "name"}},
    ]
    sink = {"type": "SqlDWSink", "preCopyScript": "delete from dbo.people"}
    translator = {"type": "TabularTranslator", "mappings": mappings}
    output = lake.copy(source, table(lake, "people"), None, sink, translator=translator)
    assert (output["rowsRead"], output["rowsCopied"]) == (2500, 2500)
    assert "filesWritten" not in output
    found = sessions.lake.execute("select count(*), max(id) from dbo.people").fetchone()
    assert found == (2500, 2499)
    output = lake.copy(table(lake, "people"), lake.dataset("T", "Parquet", "", "t.parquet"))
    assert output["rowsCopied"] == 2500
    assert "filesRead" not in output


def test_values_become_what_the_tables_columns_are(lake: Lake, sessions: Shared) -> None:
    lake.put(a_csv="id,paid,born,ok\n7,1.25,2020-01-02T03:04:05Z,true\n", b_csv="id\nx\n")
    source = lake.dataset("S", "DelimitedText", "", "a.csv", firstRowAsHeader=True)
    lake.copy(source, table(lake, "people"), None, {"preCopyScript": "delete from dbo.people"})
    (row,) = sessions.lake.execute("select * from dbo.people").fetchall()
    assert row == (7, None, Decimal("1.25"), datetime.fromisoformat("2020-01-02T03:04:05"), True)
    wrong = lake.dataset("W", "DelimitedText", "", "b.csv", firstRowAsHeader=True)
    with pytest.raises(ActivityFailed, match="TypeConversionFailure"):
        lake.copy(wrong, table(lake, "people"))
    strange = lake.dataset("X", "DelimitedText", "", "b.csv")
    with pytest.raises(ActivityFailed, match="Prop_0 is not found in target side"):
        lake.copy(strange, table(lake, "people"))


def test_a_table_is_made_where_that_is_asked_for(lake: Lake, sessions: Shared) -> None:
    sessions.lake.execute("DROP TABLE IF EXISTS dbo.fresh")
    lake.put(a_csv="x,y\n1,2\n")
    source = lake.dataset("S", "DelimitedText", "", "a.csv", firstRowAsHeader=True)
    with pytest.raises(ActivityFailed, match="does not exist"):
        lake.copy(source, table(lake, "fresh"))
    lake.copy(source, table(lake, "fresh"), None, {"tableOption": "autoCreate"})
    assert sessions.lake.execute("select * from dbo.fresh").fetchall() == [("1", "2")]
    with pytest.raises(ActivityFailed, match="upsert"):
        lake.copy(source, table(lake, "fresh"), None, {"writeBehavior": "upsert"})


def test_a_workspaces_own_pool(lake: Lake, sessions: Shared) -> None:
    pool = {"referenceName": "sqlpool", "type": "SqlPoolReference"}
    activity = {
        "type": "SqlPoolStoredProcedure",
        "sqlPool": pool,
        "typeProperties": {"storedProcedureName": "dbo.keep"},
    }
    scope = Scope(pipeline={"DataFactory": "ws"})
    with pytest.raises(ActivityFailed, match=r"'ws\.sql\.azuresynapse\.net', Database: 'sqlpool'"):
        lake.bench.do(activity, scope)
    assert sessions.logins[-1].database == "sqlpool"
    assert sessions.logins[-1].token  # the workspace's identity
    body = {"type": "SqlPoolTable", "sqlPool": pool, "typeProperties": {"table": "people"}}
    lake.bench.resources.publish("datasets", "Own", body)
    look = {"type": "Lookup", "typeProperties": {"dataset": {"referenceName": "Own"}}}
    with pytest.raises(ActivityFailed, match="SqlFailedToConnect"):
        lake.bench.do(look, scope)


def test_a_cancelled_query_lets_go_of_its_thread(lake: Lake) -> None:
    activity = {
        "type": "Script",
        "linkedServiceName": POOL,
        "typeProperties": {"scripts": [{"type": "Query", "text": "wait"}]},
    }

    async def go() -> None:
        running = asyncio.ensure_future(lake.bench.run(activity))
        await asyncio.sleep(0.5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for _ in range(200):
            left = [t for t in threading.enumerate() if t.name.startswith("datafactory-sql")]
            if not left:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{left} still run")

    asyncio.run(go())
