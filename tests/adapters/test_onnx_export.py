"""scikit-learn models as PREDICT takes them: converted, compared, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from azure_adapters import onnx_export
from azure_adapters.onnx_export import CannotExport, export
from data import generate, schema
from scenarios import exporting

FEATURES = [one.name for one in schema.COLUMNS if one.name not in (schema.KEY, schema.TARGET)]
TEXTS = [one.name for one in schema.COLUMNS if not one.is_number and one.name in FEATURES]
NUMBERS = [name for name in FEATURES if name not in TEXTS]
COLUMNS = {name: "string" if name in TEXTS else "double" for name in FEATURES}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return generate.rows(900, 5)


def encoded(*text_steps: Any) -> Any:
    texts = make_pipeline(*text_steps, OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    return make_column_transformer((texts, TEXTS), (StandardScaler(), NUMBERS))


def fitted(frame: pd.DataFrame, model: Any, target: Any = None) -> Any:
    target = frame[schema.TARGET] if target is None else target
    return model.fit(frame[FEATURES].astype(dict.fromkeys(NUMBERS, float)), target)


def answers(content: bytes, frame: pd.DataFrame, names: list[str]) -> list[Any]:
    feed = {
        name: frame[[name]].to_numpy(dtype=object if name in TEXTS else "float32")
        for name in FEATURES
    }
    return list(ort.InferenceSession(content).run(names, feed))


@pytest.mark.parametrize("model", [LogisticRegression(max_iter=500), GradientBoostingClassifier()])
def test_a_classifier_gives_a_label_and_a_chance_for_each_class(
    frame: pd.DataFrame, model: Any
) -> None:
    pipeline = fitted(frame, make_pipeline(encoded(), model))
    made = export(pipeline, COLUMNS, frame)
    assert list(made.inputs) == FEATURES
    assert set(made.inputs.values()) == {"real", "varchar"}
    (label, *_) = made.outputs
    assert made.outputs[label] == "varchar(200)"
    chances = ["probability_No", "probability_Yes"]
    assert list(made.outputs)[1:] == chances
    assert made.difference <= onnx_export.TOLERANCE
    given = answers(made.content, frame, [label, *chances])
    rows = frame[FEATURES].astype(dict.fromkeys(NUMBERS, float))
    assert (given[0].reshape(-1) == pipeline.predict(rows)).all()
    assert np.abs(given[2].reshape(-1) - pipeline.predict_proba(rows)[:, 1]).max() < 1e-5
    assert [list(one.shape)[1:] for one in ort.InferenceSession(made.content).get_inputs()] == [
        [1]
    ] * len(FEATURES)


def test_a_regressor_gives_one_number(frame: pd.DataFrame) -> None:
    forest = make_pipeline(encoded(), RandomForestRegressor(20, max_depth=6, random_state=0))
    made = export(fitted(frame, forest, frame["MonthlyIncome"] / 7), COLUMNS, frame)
    assert list(made.outputs.values()) == ["real"]


def test_labels_that_are_true_or_false(frame: pd.DataFrame) -> None:
    model = make_pipeline(encoded(), LogisticRegression(max_iter=500))
    made = export(fitted(frame, model, frame[schema.TARGET] == "Yes"), COLUMNS, frame)
    assert list(made.outputs.values()) == ["bigint", "real", "real"]


def test_an_imputer_of_text_is_left_out_and_said(frame: pd.DataFrame) -> None:
    imputer = SimpleImputer(strategy="most_frequent")
    model = fitted(frame, make_pipeline(encoded(imputer), LogisticRegression(max_iter=500)))
    made = export(model, COLUMNS, frame)
    assert "the text imputer simpleimputer" in made.notes[0]
    assert hasattr(model[0].transformers_[0][1][0], "statistics_")  # the original is as it was


def test_an_imputer_of_numbers_is_converted(frame: pd.DataFrame) -> None:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), TEXTS), (numbers, NUMBERS)
    )
    model = fitted(frame, make_pipeline(encode, LogisticRegression(max_iter=500)))
    export(model, COLUMNS, frame)


def test_an_imputer_that_replaces_a_text_is_refused(frame: pd.DataFrame) -> None:
    imputer = SimpleImputer(strategy="most_frequent", missing_values="Male")
    model = fitted(frame, make_pipeline(encoded(imputer), LogisticRegression(max_iter=500)))
    with pytest.raises(CannotExport, match="replaces the text 'Male'"):
        export(model, COLUMNS, frame)


def test_what_has_no_counterpart_is_refused(frame: pd.DataFrame) -> None:
    encode = make_column_transformer((FunctionTransformer(np.sqrt), NUMBERS), remainder="drop")
    model = fitted(frame, make_pipeline(encode, LogisticRegression(max_iter=500)))
    with pytest.raises(CannotExport, match="skl2onnx cannot convert it"):
        export(model, COLUMNS, frame)
    with pytest.raises(CannotExport, match="type datetime"):
        export(model, {"when": "datetime"}, frame)


def test_a_difference_is_refused(frame: pd.DataFrame) -> None:
    huge = frame.assign(MonthlyIncome=2**24 + np.arange(len(frame)))
    encode = make_column_transformer(
        (OrdinalEncoder(), ["MonthlyIncome"]), (StandardScaler(), ["Age"])
    )
    model = make_pipeline(encode, GradientBoostingClassifier(random_state=0))
    columns = {"MonthlyIncome": "double", "Age": "double"}
    model.fit(huge[list(columns)].astype(float), huge[schema.TARGET])
    with pytest.raises((CannotExport, ValueError)):
        export(model, columns, huge)


def test_rows_are_made_up_where_none_are_given(frame: pd.DataFrame) -> None:
    made = export(
        fitted(frame, make_pipeline(encoded(), LogisticRegression(max_iter=500))), COLUMNS
    )
    assert made.rows == onnx_export.CHECKED_ROWS
    assert "made up" in made.notes[-1]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of importing mlflow
def test_the_verb_writes_the_file_and_the_statement(
    frame: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow

    model = fitted(frame, make_pipeline(encoded(), LogisticRegression(max_iter=500)))
    rows = frame[FEATURES].astype(dict.fromkeys(NUMBERS, float))
    mlflow.sklearn.save_model(
        model,
        str(tmp_path / "model"),
        signature=mlflow.models.infer_signature(rows),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    out = tmp_path / "m.onnx"
    assert exporting.main(["export-onnx", str(tmp_path / "model"), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "CAST([Age] AS real) AS [Age]" in said
    assert "RUNTIME = ONNX" in said
    assert out.stat().st_size > 1000
    words = ["export-onnx", str(tmp_path / "model"), "--out", str(out), "--json"]
    assert exporting.main(words) == 0
    assert json.loads(capsys.readouterr().out)["inputs"]["Gender"] == "varchar"
    assert exporting.main(["export-onnx", str(tmp_path), "--out", str(out)]) == 1
    assert "no MLmodel" in capsys.readouterr().err
    assert exporting.main(["export-onnx", str(tmp_path), "--for", "fun"]) == 1
