"""PREDICT before a SQL Server: what is asked there, and what goes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from emulators.warehouse.engine.answers import Answer, Column, Failed, Finished, ResultSet
from emulators.warehouse.engine.gateway.constructs import constructs
from emulators.warehouse.engine.gateway.session import GatewaySession
from emulators.warehouse.engine.predict.models import Models
from emulators.warehouse.engine.tsql.lexing import tokenize
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError
from tests.emulators.warehouse.fake import FakeLoad, FakeSession

REAL = SqlType("real")


def doubling() -> bytes:
    """A model of one column that gives it twice."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["Score"])],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("Score", TensorProto.FLOAT, [None, 1])],
    )
    opset = [helper.make_opsetid("", 13)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=8)
    content: bytes = made.SerializeToString()
    return content


class Scripted(FakeSession):
    """A server behind that knows a model and some rows."""

    def __init__(self, fails: str = "") -> None:
        super().__init__()
        self.asked: list[str] = []
        self.load = FakeLoad()
        self.fails = fails

    def batch(self, text: str) -> Iterator[Answer]:
        self.asked.append(text)
        if self.fails and self.fails in text:
            yield Failed(208, "Invalid object name.", 16, 1, "", 3)
        elif "AS model" in text:
            yield self._rows([Column("model", SqlType("varbinary", MAX))], [[doubling()]])
        elif "SELECT * FROM" in text:
            kinds = [Column("id", SqlType("int")), Column("x", REAL)]
            yield self._rows(kinds, [[1, 2, 3], [1.5, None, 3.0]])
        yield Finished(None)

    def _rows(self, columns: list[Column], values: list[list[Any]]) -> ResultSet:
        arrays = [pa.array(v, c.type.arrow) for c, v in zip(columns, values, strict=True)]
        names = [c.name for c in columns]
        return ResultSet(tuple(columns), [pa.RecordBatch.from_arrays(arrays, names)])

    def take_bulk(self) -> FakeLoad:
        return self.load


TEXT = """DECLARE @m varbinary(max) = (SELECT m FROM models);
WITH t AS (SELECT id, CAST(y AS real) AS x FROM rows)
INSERT INTO scores
SELECT d.id, p.Score FROM PREDICT(MODEL = @m, DATA = t AS d, RUNTIME = ONNX)
WITH (Score real NOT NULL) AS p WHERE p.Score > 2"""


def test_rows_are_scored_here_and_go_back_as_a_table() -> None:
    behind = Scripted()
    list(GatewaySession(behind, Models()).batch(TEXT))
    model, data, made, bulk, statement, dropped = behind.asked
    assert model.endswith("SELECT @m AS model")
    assert model.startswith("DECLARE @m")
    assert data.endswith("AS real) AS x FROM rows)\n SELECT * FROM t AS [d]")
    assert made == "CREATE TABLE [#rehearsal_predict_0] (c0 int NULL, c1 real NULL, c2 real NULL)"
    assert bulk.startswith("INSERT BULK [#rehearsal_predict_0] (c0 int, c1 real, c2 real)")
    assert statement == TEXT[: TEXT.index("PREDICT")] + (
        "[#rehearsal_predict_0] AS rehearsal_rows_0"
        " CROSS APPLY (SELECT rehearsal_rows_0.c0 AS [id], rehearsal_rows_0.c1 AS [x]) AS [d]"
        " CROSS APPLY (SELECT rehearsal_rows_0.c2 AS [Score]) AS [p] WHERE p.Score > 2"
    )
    assert dropped == "DROP TABLE [#rehearsal_predict_0]"
    (batch,) = behind.load.batches
    assert [list(row.values())[:2] for row in batch.to_pylist()] == [[1, 1.5], [2, None], [3, 3.0]]
    scores = batch.column(2).to_pylist()
    assert (scores[0], scores[2]) == (3.0, 6.0)


@pytest.mark.parametrize("fails", ["AS model", "SELECT * FROM", "CREATE TABLE"])
def test_what_fails_there_is_the_statements_own_error(fails: str) -> None:
    behind = Scripted(fails)
    with pytest.raises(SqlError, match="Invalid object name"):
        list(GatewaySession(behind, Models()).batch(TEXT))
    assert fails in behind.asked[-1]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; " + TEXT.partition("\n")[2],
        "IF 1 = 1 SELECT * FROM PREDICT(MODEL = @m, DATA = t AS d) WITH (Score real) AS p",
        "CREATE PROCEDURE x AS SELECT * FROM PREDICT(MODEL = @m, DATA = t AS d) WITH (a real) AS p",
        "SELECT * FROM a JOIN PREDICT(MODEL = @m, DATA = t AS d) WITH (Score real) AS p ON 1 = 1",
        "WITH a AS (SELECT * FROM PREDICT(MODEL = @m, DATA = t AS d) WITH (s real) AS p)"
        " SELECT * FROM a",
    ],
)
def test_other_places_are_refused_before_anything_is_asked(text: str) -> None:
    behind = Scripted()
    with pytest.raises(SqlError, match="PREDICT behind a SQL Server"):
        list(GatewaySession(behind, Models()).batch(text))
    assert behind.asked == []


def test_the_parts_of_a_construct() -> None:
    text = (
        "SELECT * FROM PREDICT(MODEL = (SELECT TOP 1 m FROM dbo.[a, b]), DATA = dbo.f(1, 2) x,"
        " RUNTIME = ONNX) WITH ([a b] decimal(9, 2) NULL, c nvarchar(9) COLLATE y NOT NULL) [p q]"
    )
    (found,) = constructs(tokenize(text), text)
    assert (found.model, found.data) == ("(SELECT TOP 1 m FROM dbo.[a, b])", "dbo.f(1, 2)")
    assert (found.data_alias, found.alias) == ("x", "p q")
    assert [(c.name, str(c.type)) for c in found.outputs] == [
        ("a b", "decimal(9,2)"), ("c", "nvarchar(9)"),
    ]  # fmt: skip
    assert text[found.start :].startswith("PREDICT(")
    assert found.end == len(text)
