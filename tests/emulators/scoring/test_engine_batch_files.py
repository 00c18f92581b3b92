"""Files by the converted model against files by the original: however they are cut, the same."""

from __future__ import annotations

import csv
import io
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.scoring.engine.batch_proof import prove
from emulators.scoring.engine.convert import convert
from emulators.scoring.engine.inside import batch_onnx
from emulators.scoring.engine.inside.batch_frames import ModelFiles
from emulators.scoring.engine.inside.batch_onnx import OnnxFiles
from emulators.scoring.engine.inside.batch_table import Useless, array_lines, row_lines
from emulators.scoring.engine.inside.table import Unusual
from tests.emulators.scoring import models

Rows = list[list[str]]


@dataclass
class Both:
    """One model both ways."""

    exact: ModelFiles
    onnx: OnnxFiles
    strict: OnnxFiles
    proof: dict[str, Any]

    def rows(self, scorer: Any, files: list[Path]) -> Rows:
        out = io.BytesIO()
        items, count = scorer.score([str(file) for file in files], out)
        assert items == len(files)
        found = list(csv.reader(io.StringIO(out.getvalue().decode())))
        assert len(found) == count
        return found


@pytest.fixture(scope="module", params=["forest", "strict", "regression"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp("files")
    model = models.MODELS[request.param](folder / "model")
    onnx = folder / "onnx"
    assert convert(model, onnx).converted
    proof = prove(model, onnx)
    assert proof["proven"], proof
    (onnx / batch_onnx.PROOF).write_text(json.dumps(proof))
    return Both(
        ModelFiles(str(model)),
        OnnxFiles(str(onnx), str(model)),
        OnnxFiles(str(onnx), str(model), strict=True),
        proof,
    )


def write(frame: pd.DataFrame, file: Path) -> Path:
    if file.suffix == ".csv":
        frame.to_csv(file, index=False)
    else:
        frame.to_parquet(file, index=False)
    return file


def near(one: Rows, other: Rows) -> bool:
    return len(one) == len(other) and all(
        a[::2] == b[::2] and (a[1] == b[1] or abs(float(a[1]) - float(b[1])) < 1e-4)
        for a, b in zip(one, other, strict=True)
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_cut_into_files_and_pieces_gives_the_originals_rows(
    both: Both, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Files of any size and kind, read together or not, in pieces of any size, odd rows or none."""
    folder = tmp_path_factory.mktemp("cut")
    frame, _ = models.people(data.draw(st.integers(1, 120)))
    frame = frame.sample(frac=1, random_state=data.draw(st.integers(0, 9))).reset_index(drop=True)
    for name in data.draw(st.lists(st.sampled_from(["income", "dept"]), max_size=2)):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame.loc[at, name] = None
    cuts = sorted(data.draw(st.lists(st.integers(0, len(frame)), max_size=5)))
    edges = [0, *cuts, len(frame)]
    made = []
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        if low < high:
            suffix = data.draw(st.sampled_from(["csv", "parquet"]))
            made.append(write(frame[low:high], folder / f"f{number}.{suffix}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_onnx, "CHUNK", data.draw(st.integers(1, 50)))
        patch.setattr(batch_onnx, "TOGETHER", data.draw(st.integers(1, 20_000)))
        try:
            expected = both.rows(both.exact, made)
        except Exception as refused:
            with pytest.raises(type(refused)):
                both.rows(both.onnx, made)
            return
        found = both.rows(both.onnx, made)
    assert near(found, expected)
    assert sorted((row[2], int(row[0])) for row in found) == sorted(
        (file.name, row) for file in made for row in range(len(_read(file)))
    )


def _read(file: Path) -> pd.DataFrame:
    return pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)


ODD: dict[str, str] = {
    "quotes and line ends": 'age,income,dept,over time\n30,1.5,"h\nr",Yes\n31,2.5,it,No\n',
    "other order, more columns": "x,over time,dept,income,age\n1,Yes,hr,5.5,40\n2,No,it,6.5,41\n",
    "words for missing": "age,income,dept,over time\n30,NA,hr,Yes\n31,2.5,null,No\n32,nan,it,N/A\n",
    "spaces": "age,income,dept,over time\n 30, 1.5,hr,Yes\n31,2.5, it,No\n",
    "large numbers": "age,income,dept,over time\n30,1e300,hr,Yes\n99999999999,2.5,it,No\n",
    "infinite": "age,income,dept,over time\n30,inf,hr,Yes\n31,2.5,it,No\n",
    "a fraction for a whole number": "age,income,dept,over time\n30.5,1.5,hr,Yes\n",
    "a column twice": "age,income,dept,over time,age\n30,1.5,hr,Yes,31\n",
    "a column missing": "age,income,dept\n30,1.5,hr\n",
    "a row that is longer": "age,income,dept,over time\n30,1.5,hr,Yes,7\n31,2.5,it,No,8\n",
    "a row that is shorter": "age,income,dept,over time\n30,1.5,hr\n31,2.5,it,No\n",
    "blank lines": "age,income,dept,over time\n\n30,1.5,hr,Yes\n\n31,2.5,it,No\n\n",
    "a mark at the beginning": "\ufeffage,income,dept,over time\n30,1.5,hr,Yes\n",
    "carriage returns": "age,income,dept,over time\r\n30,1.5,hr,Yes\r\n",
    "a word for a number": "age,income,dept,over time\n30,much,hr,Yes\n",
    "an unknown word": "age,income,dept,over time\n30,1.5,nobody knows,Yes\n",
    "nothing but a header": "age,income,dept,over time\n",
    "nothing": "",
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_files_mean_what_they_mean_to_the_original(
    both: Both, tmp_path: Path, odd: str
) -> None:
    file = tmp_path / "odd.csv"
    file.write_bytes(ODD[odd].encode())
    usual = write(models.people(5)[0], tmp_path / "usual.csv")
    try:
        expected = both.rows(both.exact, [usual, file])
    except Exception as refused:
        with pytest.raises(type(refused)):
            both.rows(both.onnx, [usual, file])
        return
    assert near(both.rows(both.onnx, [usual, file]), expected)


def test_ordinary_files_need_no_original(both: Both, tmp_path: Path) -> None:
    frame, _ = models.people(300)
    made = [write(frame, tmp_path / f"a.{suffix}") for suffix in ("csv", "parquet")]
    rows = both.rows(both.strict, made)
    assert len(rows) == 600
    for other in (
        frame.assign(income=frame.income.astype(int)),
        frame.assign(age=frame.age.astype("int32")),
        frame.assign(dept=frame.dept.eq("hr")),
    ):
        file = write(other, tmp_path / "other.parquet")
        with pytest.raises(Unusual):
            both.rows(both.strict, [file])


def test_a_kind_that_no_model_reads_ends_the_job(both: Both, tmp_path: Path) -> None:
    (tmp_path / "x.avro").write_bytes(b"x")
    for scorer in (both.exact, both.onnx):
        with pytest.raises(Useless, match=r"'avro' is not supported"):
            both.rows(scorer, [tmp_path / "x.avro"])


@given(
    st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=20),
    st.integers(0, 10**9),
    st.sampled_from(["a.csv", "with space.csv", 'quo"ted.csv', "com,ma.csv", "ü.csv"]),
)
def test_lines_by_arrow_are_lines_by_python(values: list[int], first: int, name: str) -> None:
    made = array_lines(first, np.array(values, dtype=np.int64), name)
    assert bytes(made) == row_lines(first, values, name)
    back = list(csv.reader(io.StringIO(bytes(made).decode())))
    assert back == [[str(first + at), str(value), name] for at, value in enumerate(values)]


@pytest.mark.parametrize("values", [["a,b", 'c"d'], [1.5, float("nan")], [True], [[0.1, 0.9]]])
def test_predictions_of_any_kind_can_be_read_back(values: list[Any]) -> None:
    text = row_lines(3, values, "f.csv").decode()
    back = list(csv.reader(io.StringIO(text)))
    assert back == [[str(3 + at), str(value), "f.csv"] for at, value in enumerate(values)]
