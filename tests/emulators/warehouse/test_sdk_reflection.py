"""SQLAlchemy's inspector, through its three dialects, over tables as a pool has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.warehouse.clients import Server
from tests.emulators.warehouse.conftest import run
from tests.emulators.warehouse.test_sdk_clients_sqlalchemy import DIALECTS, url

sqlalchemy = pytest.importorskip("sqlalchemy")

SCHEMA = """
CREATE SCHEMA mirror
GO
CREATE TABLE mirror.orders (
    id int IDENTITY(10, 5) NOT NULL,
    customer nvarchar(40) NOT NULL CONSTRAINT df_customer DEFAULT 'nobody',
    amount decimal(12, 3) NULL,
    paid bit NULL,
    at datetime2(3) NULL,
    code char(4) COLLATE Latin1_General_100_BIN2 NULL,
    blob varbinary(max) NULL,
    CONSTRAINT pk_orders PRIMARY KEY NONCLUSTERED (id, customer) NOT ENFORCED,
    CONSTRAINT uq_orders UNIQUE (code) NOT ENFORCED
) WITH (DISTRIBUTION = HASH(id), HEAP)
GO
CREATE INDEX ix_orders ON mirror.orders (amount DESC, paid)
GO
CREATE VIEW mirror.paid_orders AS SELECT id, amount * 2 AS twice FROM mirror.orders WHERE paid = 1
"""


@pytest.fixture(scope="module")
def mirrored(sql: Server) -> Server:
    run(sql, SCHEMA)
    return sql


@pytest.fixture(params=DIALECTS)
def inspector(request: pytest.FixtureRequest, mirrored: Server) -> Iterator[Any]:
    engine = sqlalchemy.create_engine(url(mirrored, request.param))
    yield sqlalchemy.inspect(engine)
    engine.dispose()


def test_names(inspector: Any) -> None:
    assert {"dbo", "mirror", "sys"} <= set(inspector.get_schema_names())
    assert inspector.get_table_names(schema="mirror") == ["orders"]
    assert inspector.get_view_names(schema="mirror") == ["paid_orders"]
    assert inspector.has_table("orders", schema="mirror")
    assert not inspector.has_table("nothing", schema="mirror")
    text = inspector.get_view_definition("paid_orders", schema="mirror")
    assert "amount * 2 AS twice" in text


def test_columns(inspector: Any) -> None:
    found = {c["name"]: c for c in inspector.get_columns("orders", schema="mirror")}
    assert [*found] == ["id", "customer", "amount", "paid", "at", "code", "blob"]
    assert found["id"]["identity"] == {"start": 10, "increment": 5}
    assert not found["id"]["nullable"]
    assert found["customer"]["default"] == "('nobody')"
    assert found["customer"]["type"].length == 40
    assert (found["amount"]["type"].precision, found["amount"]["type"].scale) == (12, 3)
    assert found["code"]["type"].collation == "Latin1_General_100_BIN2"
    assert found["paid"]["nullable"]


def test_columns_of_a_view(inspector: Any) -> None:
    found = inspector.get_columns("paid_orders", schema="mirror")
    assert [c["name"] for c in found] == ["id", "twice"]
    assert isinstance(found[1]["type"], sqlalchemy.Numeric)


def test_keys_and_indexes(inspector: Any) -> None:
    key = inspector.get_pk_constraint("orders", schema="mirror")
    assert (key["name"], key["constrained_columns"]) == ("pk_orders", ["id", "customer"])
    assert inspector.get_foreign_keys("orders", schema="mirror") == []
    indexes = {i["name"]: i for i in inspector.get_indexes("orders", schema="mirror")}
    assert indexes["ix_orders"]["column_names"] == ["amount", "paid"]
    assert not indexes["ix_orders"]["unique"]


def test_a_whole_table_is_reflected(mirrored: Server) -> None:
    engine = sqlalchemy.create_engine(url(mirrored, "pymssql"))
    table = sqlalchemy.Table("orders", sqlalchemy.MetaData(), schema="mirror", autoload_with=engine)
    assert [c.name for c in table.primary_key] == ["id", "customer"]
    with engine.begin() as connection:
        connection.execute(table.insert().values(customer="a", amount=1.5))
        assert connection.execute(sqlalchemy.select(table.c.id)).scalars().all() == [10]
    engine.dispose()
