"""A pipeline and the warehouse: tables made, filled, asked, called, and copied out again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.datafactory.test_sdk_activities import World, after
from tests.running import Rehearsal

POOL = {"referenceName": "Pool", "type": "LinkedServiceReference"}


@pytest.fixture(scope="module")
def world(factories: Any, group: str, rehearsal: Rehearsal, credential: Any) -> Iterator[World]:
    env = rehearsal.env
    made = World(factories, group, env, credential)
    text = (
        f"Server=tcp:{env['AZUREML_WORKSPACE_NAME']}.sql.azuresynapse.net,1433;"
        f"Initial Catalog={env['MSSQL_DATABASE']};User ID={env['MSSQL_USER']};"
        f"Password={env['MSSQL_PASSWORD']};Encrypt=True"
    )
    secret = {"type": "SecureString", "value": text}
    made.publish(
        "linked_services",
        "Pool",
        {"type": "AzureSqlDW", "typeProperties": {"connectionString": secret}},
    )
    blob = {"connectionString": env["AZURE_STORAGE_CONNECTION_STRING"]}
    made.publish("linked_services", "Store", {"type": "AzureBlobStorage", "typeProperties": blob})
    yield made
    factories.factories.delete(group, "adf-of-activities")


def script(name: str, *texts: str, kind: str = "Query", **more: Any) -> dict[str, Any]:
    scripts = [{"type": kind, "text": text, **more} for text in texts]
    return {
        "name": name,
        "type": "Script",
        "linkedServiceName": POOL,
        "typeProperties": {"scripts": scripts},
    }


def dataset(world: World, name: str, kind: str, linked: str, **properties: Any) -> dict[str, Any]:
    reference = {"referenceName": linked, "type": "LinkedServiceReference"}
    body = {"type": kind, "linkedServiceName": reference, "typeProperties": properties}
    world.publish("datasets", name, body)
    return {"referenceName": name, "type": "DatasetReference"}


def test_from_files_to_tables_and_back(world: World) -> None:
    from azure.storage.blob import BlobServiceClient

    service = BlobServiceClient.from_connection_string(world.env["AZURE_STORAGE_CONNECTION_STRING"])
    blobs = service.create_container("adf-sql")
    rows = "".join(f"{n},name {n},{n}.25,2026-01-02T03:04:05\n" for n in range(1500))
    blobs.upload_blob("a.csv", f"id,name,paid,seen\n{rows}".encode())
    place = {"type": "AzureBlobStorageLocation", "container": "adf-sql"}
    text = dataset(
        world,
        "Text",
        "DelimitedText",
        "Store",
        location={**place, "fileName": "a.csv"},
        firstRowAsHeader=True,
        columnDelimiter=",",
    )
    table = dataset(world, "People", "AzureSqlDWTable", "Pool", schema="dbo", table="adf_people")
    out = dataset(world, "Out", "Parquet", "Store", location={**place, "fileName": "o.parquet"})
    made = script(
        "Make",
        "CREATE TABLE dbo.adf_people (id int NOT NULL, name nvarchar(50), paid decimal(9,2),"
        " seen datetime2)",
        "CREATE PROCEDURE dbo.adf_raise @by decimal(9,2), @least int AS"
        " UPDATE dbo.adf_people SET paid = paid + @by WHERE id >= @least",
        kind="NonQuery",
    )
    load = {
        "name": "Load",
        "type": "Copy",
        "inputs": [text],
        "outputs": [table],
        "typeProperties": {
            "source": {"type": "DelimitedTextSource"},
            "sink": {"type": "SqlDWSink", "preCopyScript": "TRUNCATE TABLE dbo.adf_people"},
        },
    }
    call = {
        "name": "Raise",
        "type": "SqlServerStoredProcedure",
        "linkedServiceName": POOL,
        "typeProperties": {
            "storedProcedureName": "[dbo].[adf_raise]",
            "storedProcedureParameters": {
                "by": {"value": "1.5", "type": "Decimal"},
                "least": {"value": 1499, "type": "Int32"},
            },
        },
    }
    parameter = {"name": "n", "type": "Int32", "value": 1498, "direction": "Input"}
    ask = script(
        "Ask",
        "SELECT id, name, paid, seen FROM dbo.adf_people WHERE id >= @n ORDER BY id",
        parameters=[parameter],
    )
    back = {
        "name": "Back",
        "type": "Copy",
        "inputs": [table],
        "outputs": [out],
        "typeProperties": {"source": {"type": "SqlDWSource"}, "sink": {"type": "ParquetSink"}},
    }
    count = {
        "name": "Count",
        "type": "Lookup",
        "typeProperties": {
            "dataset": table,
            "source": {
                "type": "SqlDWSource",
                "sqlReaderQuery": "SELECT COUNT(*) AS n, SUM(paid) AS s FROM dbo.adf_people",
            },
        },
    }
    run, rows_of = world.run(
        "Sql",
        made,
        after("Make", load),
        after("Load", call),
        after("Raise", ask),
        after("Ask", back),
        after("Back", count),
        wait_s=60,
    )
    assert run.status == "Succeeded", run.message
    assert rows_of["Load"].output["rowsCopied"] == 1500
    first, second = rows_of["Ask"].output["resultSets"][0]["rows"]
    assert first == {
        "id": 1498, "name": "name 1498", "paid": 1498.25, "seen": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    assert second["paid"] == 1500.75
    assert rows_of["Back"].output["rowsCopied"] == 1500
    assert rows_of["Count"].output["firstRow"]["n"] == 1500
    assert blobs.download_blob("o.parquet").readall()[:4] == b"PAR1"


def test_what_the_database_refuses_fails_in_its_words(world: World) -> None:
    run, rows = world.run("SqlWrong", script("Ask", "SELECT * FROM dbo.adf_nothing"))
    assert run.status == "Failed"
    assert rows["Ask"].error["errorCode"] == "2011"
    assert "Invalid object name 'dbo.adf_nothing'" in rows["Ask"].error["message"]
