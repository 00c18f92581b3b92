"""PREDICT's own work: models checked before a row is read, rows scored as by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.warehouse.engine.answers import Column
from emulators.warehouse.engine.predict import models, scoring
from emulators.warehouse.engine.predict.models import Models
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError
from tests.emulators.warehouse import onnx_models

REAL, FLOAT, INT, BIGINT = SqlType("real"), SqlType("float"), SqlType("int"), SqlType("bigint")
TEXT = SqlType("nvarchar", 50)
KEPT = Models()


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return onnx_models.table(20_000)


@pytest.fixture(scope="module")
def pipeline(frame: pd.DataFrame) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return onnx_models.trained(frame, GradientBoostingClassifier(n_estimators=8, random_state=0))


@pytest.fixture(scope="module")
def content(pipeline: Any, frame: pd.DataFrame) -> bytes:
    return onnx_models.converted(pipeline, frame)


def columns_of(frame: pd.DataFrame) -> list[Column]:
    return [Column(str(n), REAL if str(n).startswith("n") else TEXT) for n in frame]


def batches_of(frame: pd.DataFrame, columns: Sequence[Column], size: int) -> list[pa.RecordBatch]:
    schema = pa.schema([pa.field(one.name, one.type.arrow) for one in columns])
    made = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    return list(made.to_batches(max_chunksize=size))


def run(
    content: bytes, frame: pd.DataFrame, wanted: Sequence[Column], size: int = 5000
) -> pa.Table:
    columns = columns_of(frame)
    work = scoring.prepare(KEPT.get(content), columns, wanted)
    return pa.Table.from_batches(scoring.score(work, batches_of(frame, columns, size)))


def refused(content: bytes, columns: Sequence[Column], wanted: Sequence[Column]) -> SqlError:
    with pytest.raises(SqlError) as refusal:
        scoring.prepare(KEPT.get(content), columns, wanted)
    return refusal.value


def test_rows_come_out_in_order_with_what_sklearn_says(
    content: bytes, frame: pd.DataFrame, pipeline: Any
) -> None:
    wanted = [Column("chance", FLOAT), Column("label", BIGINT)]
    made = run(content, frame, wanted).to_pandas()
    assert list(made) == [*frame, "chance", "label"]
    pd.testing.assert_frame_equal(made[list(frame)], frame)
    said = pipeline.predict_proba(frame)[:, 1]
    assert np.abs(made["chance"] - said).max() < 1e-5
    assert (made["label"] == pipeline.predict(frame)).all()


def test_texts_are_fed_as_codes_and_change_nothing(content: bytes, frame: pd.DataFrame) -> None:
    model = KEPT.get(content)
    assert {one.name for one in model.inputs if one.codes} == {"s0", "s1"}
    some = frame[:500].assign(s0=["never seen", "red", "blå", "", "Red"] * 100)
    import onnxruntime as ort

    feed = {name: some[[name]].to_numpy() for name in map(str, some)}
    feed |= {name: values.astype(object) for name, values in feed.items() if name[0] == "s"}
    (raw,) = ort.InferenceSession(content).run(["chance"], feed)
    made = run(content, some, [Column("chance", REAL)], size=77)
    assert (made["chance"].to_numpy() == raw.reshape(-1)).all()


@given(size=st.integers(1, 400), rows=st.integers(0, 300), slices=st.integers(1, 100))
def test_any_split_gives_the_same_rows(
    content: bytes, frame: pd.DataFrame, size: int, rows: int, slices: int
) -> None:
    some = frame[:rows]
    columns, wanted = columns_of(some), [Column("chance", REAL)]
    work = scoring.prepare(KEPT.get(content), columns, wanted)
    kept, scoring.SLICE = scoring.SLICE, slices
    try:
        made = list(scoring.score(work, batches_of(some, columns, size)))
    finally:
        scoring.SLICE = kept
    whole = list(scoring.score(work, batches_of(some, columns, 1000)))
    assert sum(one.num_rows for one in made) == rows
    if rows:
        assert pa.Table.from_batches(made).equals(pa.Table.from_batches(whole))


def test_names_match_in_any_case(content: bytes, frame: pd.DataFrame) -> None:
    columns = [Column(one.name.upper(), one.type) for one in columns_of(frame)]
    scoring.prepare(KEPT.get(content), columns, [Column("CHANCE", FLOAT)])


@pytest.mark.parametrize("bad", [b"", b"no model", b"\x08\x08", b"\x00" * 100])
def test_bytes_that_are_no_model(bad: bytes) -> None:
    with pytest.raises(SqlError) as refusal:
        KEPT.get(bad)
    assert (refusal.value.number, refusal.value.severity, refusal.value.state) == (39051, 16, 2)
    assert "Model is corrupt or invalid." in refusal.value.text


@given(st.binary(max_size=200))
def test_no_bytes_break_it(bad: bytes) -> None:
    with pytest.raises(SqlError):
        models.load(bad)


def test_a_damaged_model_is_corrupt(content: bytes) -> None:
    for at in (10, len(content) // 2, len(content) - 5):
        with pytest.raises(SqlError) as refusal:
            models.load(content[:at])
        assert refusal.value.number == 39051


def test_weights_in_files_are_not_reached(tmp_path: Any) -> None:
    from onnx import TensorProto, helper

    held = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    held.ClearField("float_data")
    held.data_location = TensorProto.EXTERNAL
    entry = held.external_data.add()
    entry.key, entry.value = "location", str(tmp_path / "secret")
    (tmp_path / "secret").write_bytes(b"\0\0\0\0")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [held],
    )
    with pytest.raises(SqlError) as refusal:
        models.load(helper.make_model(graph).SerializeToString())
    assert refusal.value.number == 39051


def test_types_are_strict(content: bytes, frame: pd.DataFrame) -> None:
    columns, wanted = columns_of(frame), [Column("chance", FLOAT)]
    columns[0] = Column("n0", FLOAT)
    said = refused(content, columns, wanted).text
    assert said.endswith(
        "The type of model column 'n0' is 'real'. Doesn't match the input column type."
    )
    columns[0], columns[5] = Column("n0", REAL), Column("s1", INT)
    assert "model column 's1' is 'varchar'" in refused(content, columns, wanted).text
    for name in ("char", "varchar", "nchar"):
        columns[5] = Column("s1", SqlType(name, 10))
        scoring.prepare(KEPT.get(content), columns, wanted)
    assert "'n3' is not a column" in refused(content, columns[:3] + columns[4:], wanted).text


@pytest.mark.parametrize(
    "name", ["varbinary", "datetime2", "datetimeoffset", "time", "text", "ntext", "image"]
)
def test_a_column_that_no_data_may_have(content: bytes, frame: pd.DataFrame, name: str) -> None:
    kind = SqlType(name, MAX) if name == "varbinary" else SqlType(name, scale=7)
    columns = [Column("photo", kind), *columns_of(frame)]
    said = refused(content, columns, [Column("chance", FLOAT)]).text
    assert said.startswith(f"Input data column #1 is of type '{kind}' which is not supported")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("nothing", FLOAT), ("probabilities", FLOAT), ("chance", SqlType("date"))],
)
def test_outputs_that_cannot_be_columns(
    content: bytes, frame: pd.DataFrame, name: str, kind: SqlType
) -> None:
    said = refused(content, columns_of(frame), [Column(name, kind)])
    assert (said.number, said.state) == (39096, 2)
    assert "[label] bigint" in said.text
    assert "[probabilities] not a scalar" in said.text
    assert "[chance] real" in said.text


def test_outputs_become_the_declared_types(content: bytes, frame: pd.DataFrame) -> None:
    kinds = [
        Column("label", INT), Column("label", SqlType("bit")), Column("label", SqlType("tinyint")),
        Column("chance", SqlType("decimal", precision=9, scale=3)), Column("chance", INT),
    ]  # fmt: skip
    made = run(content, frame[:50], kinds)
    assert [made.column(at + 6).type for at in range(5)] == [one.type.arrow for one in kinds]
    exact = run(content, frame[:50], [Column("chance", FLOAT)])["chance"].to_pylist()
    assert [float(v) for v in made.column(9).to_pylist()] == [round(v, 3) for v in exact]
    assert set(made.column(10).to_pylist()) == {0}


def test_nulls_are_nan_or_an_error(content: bytes, frame: pd.DataFrame, pipeline: Any) -> None:
    with pytest.raises(SqlError, match=r"The input column 's0' has a NULL"):
        run(content, frame[:9].assign(s0=pd.Series([None] * 9)), [Column("chance", FLOAT)])
    made = run(content, frame[:9].assign(n1=np.nan), [Column("chance", FLOAT)])
    assert made["chance"].null_count == 0  # trees take the branch of the missing


def test_wide_inputs_and_outputs() -> None:
    from onnx import TensorProto, helper

    node = helper.make_node("Identity", ["x"], ["y"])
    wide = onnx_models.plain(
        [("x", TensorProto.FLOAT, [1, 2])], [node], [("y", TensorProto.FLOAT, [1, 2])]
    )
    with pytest.raises(SqlError, match=r"Input column 1 \(1-based\) has shape \[1,2\]"):
        models.load(wide)
    flat = onnx_models.plain(
        [("x", TensorProto.INT64, ["n"])], [node], [("y", TensorProto.INT64, ["n"])]
    )
    columns = [Column("x", BIGINT)]
    work = scoring.prepare(KEPT.get(flat), columns, [Column("y", SqlType("nvarchar", 20))])
    frame = pd.DataFrame({"x": [3, 5]})
    (made,) = scoring.score(work, batches_of(frame, columns, 10))
    assert made.column(1).to_pylist() == ["3", "5"]
    with pytest.raises(SqlError, match="cannot carry"):
        list(scoring.score(work, batches_of(pd.DataFrame({"x": [1, None]}), columns, 10)))


def test_what_is_not_finite_is_null() -> None:
    from onnx import TensorProto, helper

    node = helper.make_node("Log", ["x"], ["y"])
    made = onnx_models.plain(
        [("x", TensorProto.DOUBLE, ["n", 1])], [node], [("y", TensorProto.DOUBLE, ["n", 1])]
    )
    columns = [Column("x", FLOAT)]
    work = scoring.prepare(KEPT.get(made), columns, [Column("y", FLOAT)])
    (batch,) = scoring.score(work, batches_of(pd.DataFrame({"x": [1.0, -1.0, 0.0]}), columns, 10))
    assert batch.column(1).to_pylist() == [0.0, None, None]


def test_a_model_that_fails_while_it_runs_says_why() -> None:
    from onnx import TensorProto, helper

    node = helper.make_node("Reshape", ["x", "y"], ["z"])
    made = onnx_models.plain(
        [("x", TensorProto.FLOAT, ["n"]), ("y", TensorProto.INT64, ["n"])],
        [node],
        [("z", TensorProto.FLOAT, ["n"])],
    )
    columns = [Column("x", REAL), Column("y", BIGINT)]
    work = scoring.prepare(KEPT.get(made), columns, [Column("z", FLOAT)])
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [7, 9]}).astype({"x": "float32"})
    with pytest.raises(SqlError, match=r"Message\(s\) from 'PREDICT' engine"):
        list(scoring.score(work, batches_of(frame, columns, 10)))


def test_only_the_last_models_are_kept() -> None:
    from onnx import TensorProto, helper

    kept = Models()
    node = helper.make_node("Identity", ["x"], ["y"])

    def content(at: int) -> bytes:
        return onnx_models.plain(
            [("x", TensorProto.FLOAT, [f"n{at}"])], [node], [("y", TensorProto.FLOAT, [f"n{at}"])]
        )

    first = kept.get(content(0))
    assert kept.get(content(0)) is first
    for at in range(1, models.KEPT_MODELS + 1):
        kept.get(content(at))
    assert kept.get(content(0)) is not first
