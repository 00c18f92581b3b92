"""COPY INTO and external tables, from a storage account that is really asked."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from emulators.identity.service import SPEC as IDENTITY
from emulators.kernel.clock import RealClock
from emulators.storage.service import MANAGEMENT
from emulators.storage.service import SPEC as STORAGE
from emulators.warehouse.engine.server import open_sessions
from tests.emulators.warehouse.engine_session import Place, lines
from tests.support import make_app, make_context


class Lake:
    """A warehouse beside a storage account."""

    def __init__(self, place: Place) -> None:
        self.place, self.ctx = place, place.ctx
        self.session = place.login()
        self.account = str(self.ctx.secrets.values["default_account"])
        self.key = self.ctx.secrets.key(f"storage/{self.account}/key1")
        self.url = f"https://{self.account}.blob.core.windows.net/lake"
        self._ask("PUT", "?restype=container")

    def _ask(self, method: str, rest: str, data: bytes = b"") -> bytes:
        async def work() -> bytes:
            async with self.ctx.peers.client() as http:
                headers = {"x-ms-version": "2023-11-03"}
                if method == "PUT" and "restype" not in rest:
                    headers["x-ms-blob-type"] = "BlockBlob"
                answer = await http.request(method, self.url + rest, content=data, headers=headers)
                assert answer.status_code < 300, answer.text
                return answer.content

        return asyncio.run(work())

    def put(self, name: str, data: bytes | str) -> None:
        self._ask("PUT", "/" + name, data.encode() if isinstance(data, str) else data)

    def get(self, name: str) -> bytes:
        return self._ask("GET", "/" + name)

    def run(self, text: str) -> list[str]:
        return lines(self.session.batch(text))

    def rows(self, text: str) -> list[str]:
        return [line for line in self.run(text) if line.startswith("| ")]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    ctx = make_context(tmp_path_factory.mktemp("lake"), clock=RealClock())
    make_app(ctx, [IDENTITY, STORAGE, MANAGEMENT])

    async def begun() -> None:
        assert STORAGE.lifespan is not None
        async with STORAGE.lifespan(ctx):
            pass

    asyncio.run(begun())
    server = open_sessions(ctx)
    yield Lake(Place(ctx, server))
    server.close()


def copied(lake: Lake, table: str, columns: str, options: str, source: str) -> list[str]:
    """Make the table, copy into it, say what happened and what is there."""
    lake.run(f"DROP TABLE IF EXISTS {table}")
    lake.run(f"CREATE TABLE {table} ({columns}) WITH (HEAP)")
    told = lake.run(f"COPY INTO {table} FROM '{lake.url}/{source}' WITH ({options})")
    return told + lake.rows(f"SELECT * FROM {table} ORDER BY 1")


CSV = "FILE_TYPE = 'CSV', CREDENTIAL = (IDENTITY = 'Managed Identity')"


def test_a_csv_file_with_a_header(lake: Lake) -> None:
    lake.put("people.csv", 'id,name,born,pay\n1,"Ann, A.",2001-02-03,1.50\n2,,1999-12-31,\n')
    told = copied(
        lake, "dbo.people", "id int NOT NULL, name nvarchar(40), born date, pay decimal(9,2)",
        CSV + ", FIRSTROW = 2", "people.csv",
    )  # fmt: skip
    assert told[1:] == ["| 1 | Ann, A. | 2001-02-03 | 1.50 |", "| 2 | NULL | 1999-12-31 | NULL |"]
    assert "2" in told[0]


@pytest.mark.parametrize(
    ("data", "options"),
    [
        ("1|a\n2|b\n", "FIELDTERMINATOR = '|'"),
        ("1\ta\r\n2\tb\r\n", "FIELDTERMINATOR = '0x09', ROWTERMINATOR = '0x0D0A'"),
        ("1~~a##2~~b##", "FIELDTERMINATOR = '~~', ROWTERMINATOR = '##'"),
        ("1,'a'\n2,'b'\n", "FIELDQUOTE = ''''"),
        ("1,a\n2,b\n".encode("utf-16"), "ENCODING = 'UTF16'"),
        (gzip.compress(b"1,a\n2,b\n", mtime=0), "COMPRESSION = 'GZIP'"),
        (gzip.compress(b"1,a\n2,b\n", mtime=0), "MAXERRORS = 0"),
    ],
)
def test_how_a_file_is_written(lake: Lake, data: bytes | str, options: str) -> None:
    lake.put("odd.csv", data)
    told = copied(lake, "dbo.odd", "a int, b varchar(5)", f"{CSV}, {options}", "odd.csv")
    assert told[1:] == ["| 1 | a |", "| 2 | b |"]


def test_columns_by_number_and_with_defaults(lake: Lake) -> None:
    lake.put("numbered.csv", "x,1,\ny,2,7\n")
    lake.run("CREATE TABLE dbo.numbered (a int, b varchar(5), c int)")
    fields = "(b 1, a 2, c DEFAULT 5 3)"
    lake.run(f"COPY INTO dbo.numbered {fields} FROM '{lake.url}/numbered.csv' WITH ({CSV})")
    assert lake.rows("SELECT a, b, c FROM dbo.numbered ORDER BY a") == [
        "| 1 | x | 5 |",
        "| 2 | y | 7 |",
    ]


def test_a_model_as_hexadecimal_text(lake: Lake) -> None:
    lake.put("models.csv", "1,0x0102FF\n2,0a0B\n")
    told = copied(lake, "dbo.models", "id int, model varbinary(max)", CSV, "models.csv")
    assert told[1:] == ["| 1 | 0x0102FF |", "| 2 | 0x0A0B |"]


def test_a_model_of_megabytes(lake: Lake) -> None:
    data = bytes(range(256)) * 4096 * 4
    lake.put("large.csv", "1," + data.hex() + "\n")
    copied(lake, "dbo.large", "id int, model varbinary(max)", CSV, "large.csv")
    assert lake.rows("SELECT DATALENGTH(model) FROM dbo.large") == [f"| {len(data)} |"]


def test_folders_wildcards_and_hidden_files(lake: Lake) -> None:
    for name in ("in/a.csv", "in/b.csv", "in/deep/c.csv", "in/_hidden.csv", "in/d.txt"):
        lake.put(name, f"{len(name)}\n")
    assert copied(lake, "dbo.folder", "n int", CSV, "in/")[1:] == [
        "| 8 |", "| 8 |", "| 8 |", "| 13 |",
    ]  # fmt: skip
    assert copied(lake, "dbo.folder", "n int", CSV, "in/*.csv")[1:] == [
        "| 8 |", "| 8 |", "| 13 |",
    ]  # fmt: skip


def test_parquet_by_position(lake: Lake) -> None:
    table = pa.table({"z": pa.array([1, 2], pa.int64()), "y": ["p", None], "x": [0.5, 1.5]})
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    lake.put("t.parquet", sink.getvalue())
    options = "FILE_TYPE = 'PARQUET', CREDENTIAL = (IDENTITY = 'Managed Identity')"
    told = copied(lake, "dbo.t", "a int, b varchar(5), c real", options, "t.parquet")
    assert told[1:] == ["| 1 | p | 0.5 |", "| 2 | NULL | 1.5 |"]


def test_errors(lake: Lake) -> None:
    lake.put("bad.csv", "1\nx\n3\n")
    told = copied(lake, "dbo.bad", "n int", CSV, "bad.csv")
    assert "4864" in told[0]
    assert told[1:] == ["| no rows |"]
    told = copied(lake, "dbo.bad", "n int", CSV + ", MAXERRORS = 1", "bad.csv")
    assert told[1:] == ["| 1 |", "| 3 |"]
    assert "13807" in copied(lake, "dbo.bad", "n int", CSV, "none.csv")[0]
    lake.put("long.csv", "abcdef\n")
    assert "4864" in copied(lake, "dbo.bad", "n varchar(3)", CSV, "long.csv")[0]
    assert "13807" in lake.run("COPY INTO dbo.bad FROM 'file:///etc/passwd'")[0]
    assert "13807" in lake.run("COPY INTO dbo.bad FROM 'https://example.com/a/b.csv'")[0]
    assert "208" in lake.run(f"COPY INTO dbo.nowhere FROM '{lake.url}/bad.csv'")[0]


def test_credentials(lake: Lake) -> None:
    from azure.storage.blob import generate_container_sas

    lake.put("c.csv", "1\n")
    until = RealClock().now() + timedelta(hours=1)
    sas = generate_container_sas(
        lake.account, "lake", account_key=lake.key, permission="rl", expiry=until
    )
    secrets = lake.ctx.secrets.values
    principal = (
        f"{secrets['client_id']}@https://login.microsoftonline.com/"
        f"{secrets['tenant_id']}/oauth2/token"
    )
    right = [
        ("Storage Account Key", lake.key),
        ("Shared Access Signature", sas),
        ("Shared Access Signature", "?" + sas),
        (principal, str(secrets["client_secret"])),
    ]
    for identity, secret in right:
        options = f"FILE_TYPE = 'CSV', CREDENTIAL = (IDENTITY = '{identity}', SECRET = '{secret}')"
        told = copied(lake, "dbo.c", "n int", options, "c.csv")
        assert told[1:] == ["| 1 |"], (identity, told)
    wrong = "FILE_TYPE = 'CSV', CREDENTIAL = (IDENTITY = 'Storage Account Key', SECRET = 'QUJD')"
    assert "105215" in copied(lake, "dbo.c", "n int", wrong, "c.csv")[0]


def test_external_tables(lake: Lake) -> None:
    lake.put("sales/1.txt", "1|Ann|x\n2|Bo|\n")
    lake.put("sales/2.txt", "3||z\n")
    for statement in (
        "CREATE MASTER KEY",
        "CREATE DATABASE SCOPED CREDENTIAL lake WITH IDENTITY = 'SHARED KEY',"
        f" SECRET = '{lake.key}'",
        "CREATE EXTERNAL DATA SOURCE lake WITH (TYPE = HADOOP, LOCATION ="
        f" 'abfss://lake@{lake.account}.dfs.core.windows.net', CREDENTIAL = lake)",
        "CREATE EXTERNAL FILE FORMAT bars WITH (FORMAT_TYPE = DELIMITEDTEXT,"
        " FORMAT_OPTIONS (FIELD_TERMINATOR = '|', STRING_DELIMITER = '\"'))",
        "CREATE EXTERNAL FILE FORMAT columns WITH (FORMAT_TYPE = PARQUET)",
        "CREATE EXTERNAL TABLE dbo.sales (n int, who nvarchar(20), what varchar(5)) WITH"
        " (LOCATION = '/sales/', DATA_SOURCE = lake, FILE_FORMAT = bars)",
    ):
        assert not [line for line in lake.run(statement) if "Msg" in line or "rror" in line]
    assert lake.rows("SELECT n, who, what FROM dbo.sales ORDER BY n") == [
        "| 1 | Ann | x |", "| 2 | Bo | NULL |", "| 3 | NULL | z |",
    ]  # fmt: skip
    lake.put("sales/2.txt", "4|Di|q\n")
    assert lake.rows("SELECT s.n FROM dbo.sales AS s WHERE s.who = 'DI'") == ["| 4 |"]
    lake.run(
        "CREATE EXTERNAL TABLE dbo.totals WITH (LOCATION = '/totals/', DATA_SOURCE = lake,"
        " FILE_FORMAT = columns) AS SELECT COUNT(*) AS many, SUM(n) AS total FROM dbo.sales"
    )
    assert lake.rows("SELECT many, total FROM dbo.totals") == ["| 3 | 7 |"]
    assert lake.get("totals/QID_totals_0.parquet")[:4] == b"PAR1"
    assert lake.rows("SELECT type FROM sys.objects WHERE name = 'sales'") == ["| U  |"]
    lake.run("DROP EXTERNAL TABLE dbo.sales")
    assert "208" in lake.run("SELECT * FROM dbo.sales")[0]


def test_rights(lake: Lake) -> None:
    lake.put("c.csv", "1\n")
    lines(
        lake.place.login(database="master").batch("CREATE LOGIN loader WITH PASSWORD = 'L0ader!x'")
    )
    lake.run("CREATE TABLE dbo.loaded (n int); CREATE USER loader FOR LOGIN loader")
    session = lake.place.login("loader", "L0ader!x", lake.session.database)
    copy = f"COPY INTO dbo.loaded FROM '{lake.url}/c.csv' WITH (FILE_TYPE = 'CSV')"
    assert "229" in lines(session.batch(copy))[0]
    lake.run("GRANT INSERT ON dbo.loaded TO loader")
    assert "262" in lines(session.batch(copy))[0]
    assert "262" in lines(session.batch("DROP EXTERNAL FILE FORMAT columns"))[0]
    lake.run("GRANT ADMINISTER DATABASE BULK OPERATIONS TO loader")
    assert lines(session.batch(copy)) == ["count 1"]


def test_nothing_is_left_in_the_folder(lake: Lake) -> None:
    folder: Path = lake.ctx.state / "warehouse" / "loading"
    assert list(folder.iterdir()) == []
