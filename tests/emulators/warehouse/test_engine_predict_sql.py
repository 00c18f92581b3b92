"""PREDICT as a session runs it: every form, beside everything else that a statement may do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.warehouse.engine.tsql.session import SqlSession
from tests.emulators.warehouse import onnx_models
from tests.emulators.warehouse.engine_session import Place, lines, opened, run

ROWS = "INSERT INTO {0} VALUES (1, 1, 10, 'x'), (2, 2, 20, 'y'), (3, 3, 30, 'z')"
COLUMNS = "(id int NOT NULL, a real, b real, t varchar(5))"
WITH = "WITH (Score real) AS p"


def added() -> bytes:
    """Score = a + 2 b; Twice = a + a as a double."""
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT
    nodes = [
        helper.make_node("Add", ["b", "b"], ["bb"]),
        helper.make_node("Add", ["a", "bb"], ["Score"]),
        helper.make_node("Add", ["a", "a"], ["aa"]),
        helper.make_node("Cast", ["aa"], ["Twice"], to=TensorProto.DOUBLE),
    ]
    inputs: list[tuple[str, int, list[Any]]] = [("a", kind, [None, 1]), ("b", kind, [None, 1])]
    outputs = [("Score", kind, [None, 1]), ("Twice", TensorProto.DOUBLE, [None, 1])]
    return onnx_models.plain(inputs, nodes, outputs)


def whole() -> bytes:
    """n2 = n + n of int; it cannot carry a NULL."""
    from onnx import TensorProto, helper

    kind = TensorProto.INT32
    nodes = [helper.make_node("Add", ["n", "n"], ["n2"])]
    return onnx_models.plain([("n", kind, [None, 1])], nodes, [("n2", kind, [None, 1])])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("predict")) as made:
        session = made.login()
        script = f"""
CREATE TABLE models (name varchar(20) NOT NULL, body varbinary(max) NOT NULL)
INSERT INTO models VALUES ('added', 0x{added().hex()})
INSERT INTO models VALUES ('whole', 0x{whole().hex()})
INSERT INTO models VALUES ('broken', 0x0102030405)
CREATE TABLE points {COLUMNS}
{ROWS.format("points")}
GO
CREATE VIEW seen_points AS SELECT id, a, b FROM points WHERE id < 3
GO
CREATE FUNCTION dbo.some_points (@most int) RETURNS TABLE AS
RETURN (SELECT id, a, b FROM points WHERE id <= @most)
"""
        told = run(session, script)
        assert not [line for line in told if line.startswith("error")]
        session.close()
        yield made


@pytest.fixture
def session(place: Place) -> Iterator[SqlSession]:
    made = place.login()
    yield made
    assert not left(made), "a relation stays registered"
    made.close()


def left(session: SqlSession) -> list[Any]:
    """What a PREDICT left behind on the connection."""
    asked = "SELECT view_name FROM duckdb_views() WHERE view_name LIKE 'rehearsal_predict%'"
    return session.con.execute(asked).fetchall()


MODEL = "DECLARE @m varbinary(max) = (SELECT body FROM models WHERE name = 'added')\n"


def predict(data: str, model: str = "@m", items: str = "d.id, p.Score", tail: str = "") -> str:
    return (
        f"SELECT {items} FROM PREDICT(MODEL = {model}, DATA = {data} AS d, RUNTIME = ONNX) "
        f"{WITH} {tail}"
    )


ALL = ["| 1 | 21.0 |", "| 2 | 42.0 |", "| 3 | 63.0 |"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("points", ALL), ("dbo.points", ALL), ("sqlpool.dbo.points", ALL), ("[points]", ALL),
        ("seen_points", ALL[:2]), ("dbo.some_points(1)", ALL[:1]),
        ("(SELECT id, a, b FROM points WHERE id > 1)", ALL[1:]),
    ],
)  # fmt: skip
def test_data_is_any_source(session: SqlSession, data: str, expected: list[str]) -> None:
    assert run(session, MODEL + predict(data, tail="ORDER BY d.id")) == expected


def test_data_is_a_common_table_expression(session: SqlSession) -> None:
    asked = f"""{MODEL};WITH tens AS (SELECT id, CAST(a * 10 AS real) AS a, b FROM points)
{predict("tens", tail="ORDER BY d.id")}"""
    assert run(session, asked) == ["| 1 | 30.0 |", "| 2 | 60.0 |", "| 3 | 90.0 |"]


@pytest.mark.parametrize(
    "model", [f"0x{added().hex()}", "(SELECT body FROM models WHERE name = 'added')"]
)
def test_model_is_a_literal_or_a_subquery(session: SqlSession, model: str) -> None:
    assert run(session, predict("points", model, tail="ORDER BY d.id")) == ALL


def test_columns_of_both_in_every_clause(session: SqlSession) -> None:
    assert run(session, MODEL + predict("points", items="d.*, p.*", tail="WHERE d.id = 2")) == [
        "| 2 | 2.0 | 20.0 | y | 42.0 |"
    ]
    tail = "WHERE p.Score > 30 AND d.t <> 'q' ORDER BY p.Score DESC"
    assert run(session, MODEL + predict("points", tail=tail)) == ALL[:0:-1]
    items = "COUNT(*), SUM(p.Score), MAX(d.a)"
    assert run(session, MODEL + predict("points", items=items)) == ["| 3 | 126.0 | 3.0 |"]


def test_joined_with_others(session: SqlSession) -> None:
    asked = f"""{MODEL}SELECT d.id, p.Score, q.t
FROM PREDICT(MODEL = @m, DATA = points AS d, RUNTIME = ONNX) {WITH}
JOIN points AS q ON q.id = d.id + 1 ORDER BY d.id"""
    assert run(session, asked) == ["| 1 | 21.0 | y |", "| 2 | 42.0 | z |"]


def test_two_in_one_statement(session: SqlSession) -> None:
    asked = f"""{MODEL}SELECT x.id, x.Score, p.Twice FROM
(SELECT d.id, p.Score FROM PREDICT(MODEL = @m, DATA = points AS d, RUNTIME = ONNX) {WITH}) AS x
JOIN PREDICT(MODEL = @m, DATA = points AS e, RUNTIME = ONNX) WITH (Twice float) AS p ON e.id = x.id
ORDER BY x.id"""
    assert run(session, asked) == ["| 1 | 21.0 | 2.0 |", "| 2 | 42.0 | 4.0 |", "| 3 | 63.0 | 6.0 |"]


def test_in_a_common_table_expression_read_twice(session: SqlSession) -> None:
    asked = f"""{MODEL};WITH s AS ({predict("points")})
SELECT a.id, b.Score FROM s AS a JOIN s AS b ON b.id = a.id ORDER BY 1"""
    assert run(session, asked) == ALL


def test_insert_and_ctas(session: SqlSession) -> None:
    source = "(SELECT body FROM models WHERE name = 'added')"
    asked = f"""CREATE TABLE #kept (id int, score float)
DECLARE @m varbinary(max) = {source}
INSERT INTO #kept {predict("points")}
SELECT id, score FROM #kept ORDER BY id
GO
CREATE TABLE scored WITH (DISTRIBUTION = ROUND_ROBIN, HEAP) AS {predict("points", source)}
SELECT * FROM scored ORDER BY id
{MODEL}SELECT d.id, p.Score INTO #into FROM
PREDICT(MODEL = @m, DATA = points AS d, RUNTIME = ONNX) {WITH}
SELECT * FROM #into ORDER BY id"""
    assert run(session, asked) == ["count 3", *ALL, "count 3", *ALL, *ALL]


def test_update_from_predict(session: SqlSession) -> None:
    asked = f"""CREATE TABLE #t {COLUMNS}
{ROWS.format("#t")}
{MODEL}UPDATE #t SET b = s.Score FROM #t JOIN
({predict("#t")}) AS s ON s.id = #t.id
SELECT id, b FROM #t ORDER BY id"""
    assert run(session, asked) == ["count 3", "count 3", *ALL]


def test_in_a_procedure(session: SqlSession) -> None:
    asked = f"""CREATE PROCEDURE score_all @name varchar(20), @least real AS
BEGIN
  DECLARE @m varbinary(max) = (SELECT body FROM models WHERE name = @name);
  {predict("points", tail="WHERE p.Score > @least ORDER BY d.id")}
END
GO
EXEC score_all 'added', 30
EXEC score_all @name = 'added', @least = 50"""
    assert run(session, asked) == [*ALL[1:], ALL[2]]


def test_rows_that_the_transaction_wrote(session: SqlSession) -> None:
    asked = f"""CREATE TABLE fresh {COLUMNS}
GO
BEGIN TRAN
{ROWS.format("fresh")}
{MODEL}{predict("fresh", tail="ORDER BY d.id")}
ROLLBACK
{MODEL}{predict("fresh")}"""
    assert run(session, asked) == ["begin", "count 3", *ALL, "rollback", "| no rows |"]


def test_temporary_tables(session: SqlSession) -> None:
    asked = f"""CREATE TABLE #t {COLUMNS}
{ROWS.format("#t")}
{MODEL}{predict("#t", tail="ORDER BY d.id")}"""
    assert run(session, asked) == ["count 3", *ALL]


def test_a_view_over_predict(session: SqlSession) -> None:
    source = "(SELECT body FROM models WHERE name = 'added')"
    asked = f"""CREATE VIEW scores AS {predict("points", source)}
GO
SELECT * FROM scores ORDER BY id
SELECT COUNT(*) FROM scores AS s WHERE s.Score > 40"""
    assert run(session, asked) == [*ALL, "| 2 |"]


def test_no_rows(session: SqlSession) -> None:
    asked = MODEL + predict("(SELECT id, a, b FROM points WHERE 1 = 0)")
    assert run(session, asked) == ["| no rows |"]


def test_null_is_not_a_number_or_an_error(session: SqlSession) -> None:
    given = "(SELECT 1 AS id, CAST(NULL AS real) AS a, CAST(2 AS real) AS b)"
    assert run(session, MODEL + predict(given)) == ["| 1 | NULL |"]
    whole_model = "(SELECT body FROM models WHERE name = 'whole')"
    asked = f"""SELECT p.n2 INTO #x FROM PREDICT(MODEL = {whole_model},
DATA = (SELECT CAST(NULL AS int) AS n) AS d, RUNTIME = ONNX) WITH (n2 int) AS p"""
    (line,) = run(session, asked)
    assert line.startswith("error 39052 16 1 at 1: Message(s) from 'PREDICT' engine: ")


def failing(session: SqlSession, asked: str) -> str:
    told = [line for line in run(session, asked) if line.startswith("error")]
    assert len(told) == 1, told
    return told[0]


def test_runtime_is_needed(session: SqlSession) -> None:
    asked = predict("points", f"0x{added().hex()}").replace(", RUNTIME = ONNX", "")
    assert failing(session, asked).startswith("error 102 15 1 at 1: Incorrect syntax near")


def test_runtime_may_lack_in_a_managed_instance(tmp_path: Path) -> None:
    with opened(tmp_path, "managed-instance") as other:
        session = other.login()
        run(session, f"CREATE TABLE points {COLUMNS}\n{ROWS.format('points')}")
        asked = predict("points", f"0x{added().hex()}", tail="ORDER BY d.id")
        assert run(session, asked.replace(", RUNTIME = ONNX", "")) == ALL
        session.close()


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (predict("points", "(SELECT body FROM models WHERE name = 'broken')"),
         "error 39051 16 2 at 1: Error occurred during execution of the builtin function"),
        (predict("points", "(SELECT body FROM models WHERE name = 'nothing')"), "error 39051 16 2"),
        (predict("points", "0x"), "error 39051 16 2"),
        (predict("points", items="p.Sore").replace("Score real", "Sore real"),
         "error 39096 16 2 at 2"),
        (predict("(SELECT id, CAST(a AS int) AS a, b FROM points)"), "error 39052 16 1 at 2"),
        (predict("(SELECT id, a FROM points)"), "error 39052 16 1 at 2"),
        (predict("(SELECT id, a, b, 0x01 AS c FROM points)"), "error 39092 16 1 at 2"),
        (predict("nowhere"), "error 208 16 1 at 2: Invalid object name 'nowhere'."),
        (predict("points", items="d.nothing"), "error 207 16 1 at 2"),
        (predict("points", items="p.nothing"), "error 207 16 1 at 2"),
        (predict("points", items="Score, x.id"), "error 4104 16 1 at 2"),
        (predict("points", "'text'"), "error 206 16 2 at 2"),
        (predict("points", "(SELECT body FROM models)"), "error 512 16 1 at 2"),
        (predict("points").replace("ONNX", "PMML"), "error 40517 16 1 at 2"),
        (predict("points", "@unknown"), "error 137 15 2 at 2"),
    ],
)  # fmt: skip
def test_errors_by_their_numbers(session: SqlSession, asked: str, error: str) -> None:
    line = 2 if "@m" in asked or error.endswith("at 2") or " at 2:" in error else 1
    told = failing(session, (MODEL if line == 2 else "") + asked)
    assert told.startswith(error)
    assert run(session, MODEL + predict("points", tail="ORDER BY d.id")) == ALL


def test_a_cast_in_between_feeds_a_model(session: SqlSession) -> None:
    given = "(SELECT id, CAST(id AS real) AS a, CAST(0 AS real) AS b, t FROM points)"
    assert run(session, MODEL + predict(given, tail="ORDER BY d.id")) == [
        "| 1 | 1.0 |", "| 2 | 2.0 |", "| 3 | 3.0 |"
    ]  # fmt: skip


def test_an_error_in_a_transaction(session: SqlSession) -> None:
    asked = f"""CREATE TABLE kept2 (id int)
GO
BEGIN TRAN
INSERT INTO kept2 VALUES (1)
{predict("points", "0x01")}
GO
IF @@TRANCOUNT > 0 ROLLBACK
SELECT COUNT(*) FROM kept2"""
    told = run(session, asked)
    assert told[:2] == ["begin", "count 1"]
    assert told[2].startswith("error 39051 16 2")
    assert told[-1] == "| 0 |"


def test_execute_on_the_procedure_is_enough(place: Place) -> None:
    master = place.login(database="master")
    assert run(master, "CREATE LOGIN scorer WITH PASSWORD = 'Sc0rer!pass'") == []
    master.close()
    session = place.login()
    told = run(
        session,
        f"""CREATE USER scorer FOR LOGIN scorer
GO
CREATE PROCEDURE score_for_them AS
BEGIN
  {MODEL}{predict("points", tail="ORDER BY d.id")}
END
GO
GRANT EXECUTE ON OBJECT::score_for_them TO scorer
""",
    )
    assert not [line for line in told if line.startswith("error")], told
    session.close()
    other = place.login("scorer", "Sc0rer!pass")
    assert run(other, "EXEC score_for_them") == ALL
    assert failing(other, predict("points", f"0x{added().hex()}")).startswith("error 229 14 5")
    assert failing(other, MODEL).startswith("error 229 14 5")
    other.close()


def test_as_sklearn_says(place: Place, session: SqlSession) -> None:
    from sklearn.ensemble import GradientBoostingClassifier

    frame = onnx_models.table(500)
    pipeline = onnx_models.trained(frame, GradientBoostingClassifier(n_estimators=5))
    content = onnx_models.converted(pipeline, frame)
    columns = ", ".join(
        f"{name} {'real' if name.startswith('n') else 'nvarchar(10)'}" for name in map(str, frame)
    )
    run(session, f"CREATE TABLE learned (id int, {columns})")
    rows = [
        f"({at}, {', '.join(f'N{v!r}' if isinstance(v, str) else f'{v:.9e}' for v in row)})"
        for at, row in enumerate(frame.to_numpy().tolist())
    ]
    run(session, "INSERT INTO learned VALUES " + ", ".join(rows))
    asked = f"""SELECT d.id, p.chance FROM PREDICT(MODEL = 0x{content.hex()}, DATA = learned AS d,
RUNTIME = ONNX) WITH (chance real) AS p ORDER BY d.id"""
    told = [float(line.split("|")[2]) for line in run(session, asked)]
    assert told == pytest.approx(pipeline.predict_proba(frame)[:, 1].tolist(), abs=1e-5)


def test_cancel_while_it_scores(place: Place, session: SqlSession) -> None:
    run(session, "CREATE TABLE many (id int, a real, b real)")
    session.con.execute('INSERT INTO "dbo"."many" SELECT i, i, i FROM range(3000000) AS r(i)')
    timer = threading.Timer(0.3, session.cancel)
    timer.start()
    begun = time.perf_counter()
    asked = f"""{MODEL}SELECT SUM(p.Score) FROM PREDICT(MODEL = @m, DATA = (SELECT x.id, x.a, x.b
FROM many AS x CROSS JOIN (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS y (n)) AS d,
RUNTIME = ONNX) {WITH}"""
    try:
        told = lines(session.batch(asked))
    except Exception as failure:  # the engine's own kind for a batch that was cancelled
        told = [str(type(failure).__name__)]
    timer.cancel()
    took = time.perf_counter() - begun
    assert took < 5, took
    assert not [line for line in told if line.startswith("|")], told
    assert run(session, MODEL + predict("points", tail="ORDER BY d.id")) == ALL
