"""An MLflow scikit-learn model as ONNX that PREDICT takes: a column an input, scalars out.

Source of the rules: learn.microsoft.com/azure/synapse-analytics/sql-data-warehouse
/sql-data-warehouse-predict, and the public threads on its refusals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-5
NUMBERS = frozenset({"integer", "long", "float", "double", "boolean"})
CHECKED_ROWS = 500


class CannotExport(ValueError):
    """The model cannot be made into one that PREDICT takes; the message says what is in the way."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An ONNX model with what SQL needs to know of it."""

    content: bytes
    inputs: Mapping[str, str]  # column -> T-SQL type, in the model's order
    outputs: Mapping[str, str]
    rows: int  # that were compared with the original
    difference: float  # the largest between a number of either
    notes: tuple[str, ...]

    def sql(self, table: str = "dbo.rows", model: str = "@model") -> str:
        """The statement that scores a table with it; numbers are cast to the model's type."""
        casts = ",\n           ".join(
            f"[{name}]" if kind == "varchar" else f"CAST([{name}] AS {kind}) AS [{name}]"
            for name, kind in self.inputs.items()
        )
        given = ", ".join(f"[{name}] {kind}" for name, kind in self.outputs.items())
        return (
            f"WITH d AS (\n    SELECT {casts}\n    FROM {table}\n)\n"
            f"SELECT d.*, p.*\nFROM PREDICT(MODEL = {model}, DATA = d AS d, RUNTIME = ONNX)\n"
            f"WITH ({given}) AS p;\n"
        )


def load(folder: Path) -> tuple[Any, Mapping[str, str]]:
    """An MLflow model's estimator, and its columns with MLflow's types, in order.

    Raises:
        CannotExport: no scikit-learn model, or none whose columns are known by name.
    """
    import mlflow

    if not (folder / "MLmodel").is_file():
        raise CannotExport(f"{folder} has no MLmodel file")
    described = mlflow.models.Model.load(str(folder))
    if "sklearn" not in described.flavors:
        flavors = ", ".join(sorted(described.flavors))
        raise CannotExport(f"only scikit-learn models are exported; this one is {flavors}")
    schema = described.get_input_schema()  # type: ignore[no-untyped-call]
    if schema is None or not schema.has_input_names():
        raise CannotExport("the model has no signature with column names: log it with one")
    columns = {
        str(one.name): str(getattr(one.type, "name", one.type)).lower() for one in schema.inputs
    }
    return mlflow.sklearn.load_model(str(folder)), columns


def export(
    estimator: Any, columns: Mapping[str, str], sample: pd.DataFrame | None = None
) -> Exported:
    """Convert a fitted estimator, and compare its answers with the original's.

    Args:
        estimator: a classifier or regressor, or a pipeline that ends in one.
        columns: what it takes, by name, with MLflow's type of each.
        sample: rows to compare on; None makes some up from what the model knows.

    Raises:
        CannotExport: a step has no counterpart, or the answers differ by more than TOLERANCE.
    """
    notes: list[str] = []
    plain = _without_text_imputers(estimator, columns, notes)
    inputs = {name: _kind(name, kind) for name, kind in columns.items()}
    content, outputs = _converted(plain, inputs)
    rows = _sample(estimator, columns, sample, notes)
    difference = _compared(content, estimator, rows, inputs, outputs)
    return Exported(content, inputs, outputs, len(rows), difference, tuple(notes))


def _kind(name: str, kind: str) -> str:
    if kind == "string":
        return "varchar"
    if kind in NUMBERS:
        return "real"
    raise CannotExport(f"column {name} has type {kind}; PREDICT takes numbers and text")


def _without_text_imputers(estimator: Any, columns: Mapping[str, str], notes: list[str]) -> Any:
    """The estimator without imputers of text, which the converter refuses.

    They only ever act on what is missing, and PREDICT refuses a missing text before the model.
    """
    import copy

    texts = {name for name, kind in columns.items() if kind == "string"}
    if not texts:
        return estimator
    made = copy.deepcopy(estimator)
    for transformer in _column_transformers(made):
        for at, (name, step, chosen) in enumerate(transformer.transformers_):
            if _names(chosen) and set(_names(chosen)) <= texts:
                transformer.transformers_[at] = (name, _stripped(step, name, notes), chosen)
    return made


def _column_transformers(estimator: Any) -> list[Any]:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    if isinstance(estimator, ColumnTransformer):
        return [estimator]
    if isinstance(estimator, Pipeline):
        return [one for _, step in estimator.steps for one in _column_transformers(step)]
    return []


def _names(chosen: Any) -> list[str]:
    found = [chosen] if isinstance(chosen, str) else list(chosen) if chosen is not None else []
    return [str(one) for one in found] if all(isinstance(one, str) for one in found) else []


def _stripped(step: Any, name: str, notes: list[str]) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    if isinstance(step, SimpleImputer):
        _check_imputer(step, name)
        notes.append(f"left out: the text imputer {name}, as PREDICT refuses missing text")
        return "passthrough"
    if not isinstance(step, Pipeline):
        return step
    kept = []
    for inner, one in step.steps:
        if isinstance(one, SimpleImputer):
            _check_imputer(one, inner)
            notes.append(f"left out: the text imputer {inner}, as PREDICT refuses missing text")
        else:
            kept.append((inner, one))
    if len(kept) == len(step.steps):
        return step
    return Pipeline(kept) if len(kept) > 1 else (kept[0][1] if kept else "passthrough")


def _check_imputer(step: Any, name: str) -> None:
    missing = step.missing_values
    if isinstance(missing, str) or step.add_indicator:
        raise CannotExport(
            f"the imputer {name} replaces the text {missing!r}, which has no counterpart in ONNX:"
            " impute before the model"
        )


def _converted(estimator: Any, inputs: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    kinds = {"real": FloatTensorType, "varchar": StringTensorType}
    types = [(name, kinds[kind]([None, 1])) for name, kind in inputs.items()]
    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None
    try:
        made = convert_sklearn(estimator, "rehearsal", types, options=options)
    except Exception as why:  # the converter raises a dozen kinds, some of them bare
        first = str(why).strip().partition("\n")[0] or type(why).__name__
        raise CannotExport(f"skl2onnx cannot convert it: {first}") from why
    outputs = _scalar_outputs(made, estimator)
    return bytes(made.SerializeToString()), outputs


def _scalar_outputs(made: Any, estimator: Any) -> dict[str, str]:
    """Split the chances into one output a class; what SQL reads each as."""
    given = {one.name: one for one in made.graph.output}
    if not hasattr(estimator, "predict_proba"):
        (only,) = given.values()
        return {str(only.name): _sql_type(only)}
    label, chances = made.graph.output
    if _sql_type(label) == "":
        raise CannotExport("the model's labels are neither numbers nor text")
    names = _split(made, chances, [str(one) for one in estimator.classes_])
    made.graph.output.remove(chances)
    return {str(label.name): _sql_type(label), **dict.fromkeys(names, "real")}


def _sql_type(output: Any) -> str:
    from onnx import TensorProto

    kinds = {
        TensorProto.FLOAT: "real",
        TensorProto.DOUBLE: "float",
        TensorProto.INT32: "int",
        TensorProto.INT64: "bigint",
        TensorProto.STRING: "varchar(200)",
    }
    return str(kinds.get(output.type.tensor_type.elem_type, ""))


def _split(made: Any, chances: Any, classes: Sequence[str]) -> list[str]:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    names = []
    for at, one in enumerate(classes):
        name = f"probability_{re.sub(r'[^A-Za-z0-9]', '_', one)}"
        if name in names:
            raise CannotExport(f"two classes would both be called {name}")
        at_name = f"class_{at}_index"
        made.graph.initializer.append(numpy_helper.from_array(np.array([at], np.int64), at_name))
        made.graph.node.append(helper.make_node("Gather", [chances.name, at_name], [name], axis=1))
        made.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]))
        names.append(name)
    return names


def _sample(
    estimator: Any, columns: Mapping[str, str], given: pd.DataFrame | None, notes: list[str]
) -> pd.DataFrame:
    if given is not None:
        if missing := [name for name in columns if name not in given]:
            raise CannotExport(f"the sample lacks the columns {', '.join(missing)}")
        return given[list(columns)].dropna().head(CHECKED_ROWS)
    notes.append("compared on rows made up from what its encoders and scalers know")
    return _made_up(estimator, columns)


def _made_up(estimator: Any, columns: Mapping[str, str]) -> pd.DataFrame:
    """Rows of known categories, and of numbers around the known means."""
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(0)
    known: dict[str, Callable[[], Any]] = {}
    for transformer in _column_transformers(estimator):
        for _, step, chosen in transformer.transformers_:
            for at, name in enumerate(_names(chosen)):
                known[name] = _drawn(step, at, draw)
    rows = {
        name: known[name]() if name in known else _anything(kind, draw)
        for name, kind in columns.items()
    }
    return pd.DataFrame(rows)


def _drawn(step: Any, at: int, draw: Any) -> Callable[[], Any]:
    from sklearn.pipeline import Pipeline

    for one in [inner for _, inner in step.steps] if isinstance(step, Pipeline) else [step]:
        categories = getattr(one, "categories_", None)
        if categories is not None and at < len(categories):
            return lambda: draw.choice(categories[at], CHECKED_ROWS)
        mean, scale = getattr(one, "mean_", None), getattr(one, "scale_", None)
        if mean is not None and scale is not None and at < len(mean):
            return lambda: draw.normal(mean[at], scale[at], CHECKED_ROWS).round(3)
    return lambda: draw.normal(0, 1, CHECKED_ROWS).round(3)


def _anything(kind: str, draw: Any) -> Any:
    if kind == "string":
        return draw.choice(["a", "b", ""], CHECKED_ROWS)
    return draw.normal(0, 1, CHECKED_ROWS).round(3)


def _compared(
    content: bytes,
    estimator: Any,
    rows: pd.DataFrame,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
) -> float:
    """The largest difference between the two models' numbers on the same rows.

    Both see numbers as `real`, which is what SQL will send.

    Raises:
        CannotExport: it is over TOLERANCE, or a label differs.
    """
    import numpy as np
    import onnxruntime as ort

    numbers = [name for name, kind in inputs.items() if kind == "real"]
    rows = rows.astype(dict.fromkeys(numbers, "float32"))
    feed = {
        name: rows[[name]].to_numpy() if kind == "real" else rows[[name]].to_numpy(dtype=object)
        for name, kind in inputs.items()
    }
    answers = dict(
        zip(outputs, ort.InferenceSession(content).run(list(outputs), feed), strict=True)
    )
    label, *chances = outputs
    said = np.asarray(estimator.predict(rows)).reshape(-1)
    if said.dtype == bool:
        said = said.astype(int)  # as the converter writes them
    made = answers[label].reshape(-1)
    if not chances:
        difference = float(np.abs(made - said).max(initial=0.0))
        # Predictions have a scale of their own; chances do not.
        allowed = TOLERANCE * max(1.0, float(np.abs(said).max(initial=0.0)))
        return _within(difference, allowed)
    expected = estimator.predict_proba(rows)
    given = np.concatenate([answers[name] for name in chances], axis=1)
    difference = _within(float(np.abs(given - expected).max(initial=0.0)), TOLERANCE)
    close = np.sort(expected, axis=1)
    sure = (close[:, -1] - close[:, -2] > TOLERANCE) if close.shape[1] > 1 else slice(None)
    if (made[sure].astype(str) != said[sure].astype(str)).any():
        raise CannotExport("a label differs from the original model's")
    return difference


def _within(difference: float, allowed: float) -> float:
    if not difference <= allowed:
        raise CannotExport(
            f"its answers differ from the original's by up to {difference:.2g}, more than"
            f" {allowed:.1g}: a number may need more digits than a real has"
        )
    return difference
