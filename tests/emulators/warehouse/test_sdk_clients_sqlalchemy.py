"""SQLAlchemy through its three dialects for SQL Server, unmodified."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

import pytest

from tests.emulators.warehouse.clients import MicrosoftOdbc, Server

sqlalchemy = pytest.importorskip("sqlalchemy")

DIALECTS = ("pymssql", "pyodbc", "mssqlpython")


def url(sql: Server, dialect: str) -> str:
    place = f"{sql.user}:{quote_plus(sql.password)}@{sql.host}:{sql.port}/{sql.database}"
    if dialect == "pyodbc":
        driver = quote_plus(MicrosoftOdbc(sql).driver())
        return f"mssql+pyodbc://{place}?driver={driver}&TrustServerCertificate=yes"
    if dialect == "mssqlpython":
        return f"mssql+mssqlpython://{place}?TrustServerCertificate=yes"
    return f"mssql+pymssql://{place}"


@pytest.fixture(params=DIALECTS)
def engine(request: pytest.FixtureRequest, sql: Server) -> Any:
    made = sqlalchemy.create_engine(url(sql, request.param))
    made.label = request.param
    yield made
    made.dispose()


def test_the_server_is_recognised(engine: Any) -> None:
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT 1 AS a")).scalar() == 1
        assert engine.dialect.server_version_info[0] >= 10
        assert connection.dialect.default_schema_name == "dbo"


def test_a_table_is_made_filled_and_read(engine: Any) -> None:
    from sqlalchemy.dialects.mssql import VARBINARY

    # LargeBinary would be IMAGE: the pool says version 10, as Azure's does.
    long_binary: Any = VARBINARY("max")  # type: ignore[no-untyped-call]
    metadata = sqlalchemy.MetaData()
    table = sqlalchemy.Table(
        f"alchemy_{engine.label}", metadata,
        sqlalchemy.Column("a", sqlalchemy.Integer, autoincrement=False),
        sqlalchemy.Column("b", sqlalchemy.Unicode(50)),
        sqlalchemy.Column("c", sqlalchemy.Numeric(10, 2)),
        sqlalchemy.Column("d", long_binary),
    )  # fmt: skip
    metadata.create_all(engine)
    with engine.begin() as connection:
        rows = [{"a": n, "b": f"ü{n}", "c": n / 4, "d": bytes([n])} for n in range(20)]
        connection.execute(table.insert(), rows)
    with engine.connect() as connection:
        found = connection.execute(
            sqlalchemy.select(table.c.a, table.c.b, table.c.d)
            .where(table.c.a >= 18)
            .order_by(table.c.a)
        ).all()
    assert [tuple(row) for row in found] == [(18, "ü18", b"\x12"), (19, "ü19", b"\x13")]


def test_what_is_rolled_back_is_gone(engine: Any) -> None:
    count = sqlalchemy.text("SELECT COUNT(*) FROM dbo.kept WHERE b = :b")
    word = {"b": f"alchemy {engine.label}"}
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("INSERT INTO dbo.kept VALUES (1, :b)"), word)
        assert connection.execute(count, word).scalar() == 1
        connection.rollback()
        assert connection.execute(count, word).scalar() == 0


def test_tables_and_columns_are_found(engine: Any) -> None:
    inspector = sqlalchemy.inspect(engine)
    assert {"numbers", "kept"} <= set(inspector.get_table_names(schema="dbo"))
    columns = {c["name"]: c for c in inspector.get_columns("numbers", schema="dbo")}
    assert list(columns) == ["n", "word"]
    assert columns["n"]["nullable"] is False
    assert isinstance(columns["n"]["type"], sqlalchemy.Integer)
    assert columns["word"]["type"].length == 40


def test_pandas_reads_and_writes(engine: Any) -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": range(30), "b": [f"ü{n}" for n in range(30)]})
    name = f"pandas_{engine.label}"
    # Its own choice is TEXT, which a dedicated pool has not.
    kinds = {"b": sqlalchemy.Unicode(50)}
    frame.to_sql(name, engine, schema="dbo", index=False, if_exists="replace", dtype=kinds)
    back = pd.read_sql(f"SELECT a, b FROM dbo.{name} ORDER BY a", engine)
    assert back["b"].tolist() == frame["b"].tolist()
