"""An sklearn model of MLflow turned into ONNX, kept only when it gives the same answers."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emulators.scoring.engine.inside import onnx_model, pyfunc, shims
from emulators.scoring.engine.samples import Samples
from emulators.scoring.engine.verify import Difference, Original, Verified, verify

KINDS = {"double": "float", "float": "float", "long": "int", "integer": "int", "string": "text"}
OUTPUTS = {"predict": 0, "predict_proba": 1}


class Refused(Exception):
    """The model stays as it is; the text says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a model: converted into a folder, or left alone and why."""

    converted: bool
    reason: str
    rows: int = 0  # compared with the original
    max_difference: float = 0.0  # of the numbers in the predictions
    exact_only: list[str] = field(default_factory=list)  # what still goes to the original

    def described(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.converted:
            return f"left alone: {self.reason}"
        odd = f"; {', '.join(self.exact_only)} still served by the original" * bool(self.exact_only)
        return f"converted: {self.rows} rows equal, difference at most {self.max_difference:g}{odd}"


def convert(model: Path, out: Path) -> Outcome:
    """Convert the MLflow model in folder `model` into the new folder `out`.

    `out` then holds `model.onnx` and `plan.json`, for the worker's `--onnx`; nothing is written
    when the model is left alone. The model is unpickled here, in this process.
    """
    try:
        plan, content, verified = _converted(model)
    except Refused as refusal:
        return Outcome(False, str(refusal))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / onnx_model.MODEL).write_bytes(content)
    (out / onnx_model.PLAN).write_text(json.dumps(plan), encoding="utf-8")
    return Outcome(True, "", verified.rows, verified.max_difference, verified.exact_only)


def _converted(folder: Path) -> tuple[dict[str, Any], bytes, Verified]:
    shims.install()
    with _quiet():
        described, exact = _loaded(folder)
        names_kinds = _columns(described)
        function = described.flavors["python_function"].get("predict_fn", "predict")
        if function not in OUTPUTS:
            raise Refused(f"predict_fn {function} is not converted")
        fitted = exact.module.model._model_impl.sklearn_model
        samples = Samples.of(
            fitted, names_kinds, getattr(exact.module.input_type, "sample_input", None)
        )
        reasons = []
        for attempt in _attempts(fitted, names_kinds):
            try:
                content, plan = _attempt(fitted, names_kinds, attempt, OUTPUTS[function])
                plan["schemas"] = _schemas(exact.run)
                verified = verify(content, plan, _original(fitted, exact, plan), samples)
            except Difference as difference:
                reasons.append(f"{attempt}: {difference}")
                continue
            except Exception as error:
                reasons.append(f"{attempt}: {type(error).__name__}: {str(error).splitlines()[0]}")
                continue
            return verified.plan, content, verified
    raise Refused("; ".join(dict.fromkeys(reasons)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Converters and old models warn a lot; what matters is compared instead."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _loaded(folder: Path) -> tuple[Any, Any]:
    import sklearn
    from mlflow.models import Model

    try:
        described = Model.load(str(folder))
    except Exception as error:
        raise Refused(f"no MLflow model: {error}") from None
    flavor = described.flavors.get("sklearn")
    if flavor is None:
        raise Refused(f"flavor {', '.join(described.flavors)} is not converted, only sklearn is")
    trained = str(flavor.get("sklearn_version"))
    if trained.split(".")[:2] != sklearn.__version__.split(".")[:2]:
        raise Refused(f"trained with scikit-learn {trained}, here is {sklearn.__version__}")
    try:
        return described, pyfunc.load(str(folder))
    except Exception as error:
        raise Refused(f"cannot be loaded here: {error.__cause__ or error}") from None


def _columns(described: Any) -> list[tuple[str, str]]:
    """Names and kinds of the signature's columns."""
    schema = described.signature and described.signature.inputs
    if not schema or schema.is_tensor_spec() or not schema.has_input_names():
        raise Refused("no signature with named columns")
    columns = []
    for spec in schema.inputs:
        kind = KINDS.get(getattr(spec.type, "name", ""))
        if kind is None or not spec.required:
            raise Refused(f"column {spec.name} of type {spec.type}, or optional")
        columns.append((spec.name, kind))
    return columns


def _attempts(fitted: Any, columns: list[tuple[str, str]]) -> list[str]:
    """Ways to give the columns to the converted model, the likeliest first."""
    if isinstance(_last(fitted), _voting()):
        return [f"{way} by votes" for way in _ways(fitted, columns)] + _ways(fitted, columns)
    return _ways(fitted, columns)


def _voting() -> tuple[type, ...]:
    """Classifiers whose probabilities are shares of votes, where ties happen."""
    from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier

    return (RandomForestClassifier, ExtraTreesClassifier, BaggingClassifier)


def _last(fitted: Any) -> Any:
    while hasattr(fitted, "steps"):
        fitted = fitted.steps[-1][1]
    return fitted


def _ways(fitted: Any, columns: list[tuple[str, str]]) -> list[str]:
    from sklearn.compose import ColumnTransformer

    by_column = any(isinstance(step, ColumnTransformer) for step in _steps(fitted))
    if by_column:
        return ["columns float32", "columns int64", "columns float64"]
    if all(kind != "text" for _, kind in columns):
        return ["matrix float32", "matrix float64"]
    return ["columns float32"]


def _steps(fitted: Any) -> list[Any]:
    """The model and everything it is made of."""
    found, queue = [], [fitted]
    while queue:
        one = queue.pop()
        found.append(one)
        for name in ("steps", "transformers_", "transformer_list"):
            queue += [part[1] for part in getattr(one, name, []) if hasattr(part[1], "get_params")]
        inner = [getattr(one, name, None) for name in ("best_estimator_", "regressor_")]
        queue += [part for part in inner if part is not None]
    return found


def _attempt(
    fitted: Any, columns: list[tuple[str, str]], attempt: str, output: int
) -> tuple[bytes, dict[str, Any]]:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
    )
    from sklearn.base import is_classifier

    shape, number, *votes = attempt.split()
    float_type = DoubleTensorType if number == "float64" else FloatTensorType
    types = {"float": float_type, "text": StringTensorType}
    types["int"] = Int64TensorType if number == "int64" else float_type
    dtypes = {"float": "float64" if number == "float64" else "float32", "text": "str"}
    dtypes["int"] = "int64" if number == "int64" else dtypes["float"]
    model = _with_empty_for_missing(fitted)
    options = {id(model): {"zipmap": False}} if is_classifier(model) else None
    if shape == "matrix":
        initial: list[Any] = [("X", float_type([None, len(columns)]))]
    else:
        initial = [(name, types[kind]([None, 1])) for name, kind in columns]
    made = convert_sklearn(model, initial_types=initial, options=options)
    names = [out.name for out in made.graph.output]
    if output >= len(names):
        raise Refused("the converted model has no probabilities")
    plan = {
        "format": onnx_model.FORMAT,
        "columns": [
            {"name": name, "kind": kind, "missing": False, "empty": kind != "text", "known": None}
            for name, kind in columns
        ],
        "inputs": [
            {"name": given, "dtype": dtypes[kind]}
            for given, (_, kind) in zip(_inputs(made, columns), columns, strict=True)
        ],
        "matrix": "X" if shape == "matrix" else None,
        "output": names[1] if votes else names[output],
        "classes": _last(fitted).classes_.tolist() if votes and output == 0 else None,
        "scores": names[1] if hasattr(model, "predict_proba") and len(names) > 1 else None,
        "flat": output == 0,
    }
    return made.SerializeToString(), plan


def _inputs(made: Any, columns: list[tuple[str, str]]) -> list[str | None]:
    """The converted model's name for each column: it renames some, and drops unused ones."""
    names = [given.name for given in made.graph.input]
    if len(names) == len(columns):
        return list(names)
    return [name if name in names else None for name, _ in columns]


def _with_empty_for_missing(fitted: Any) -> Any:
    """A copy whose imputers of text take "" for missing: the converter knows no NaN in text."""
    from sklearn.impute import SimpleImputer

    model = copy.deepcopy(fitted)
    for step in _steps(model):
        if isinstance(step, SimpleImputer) and step.statistics_.dtype.kind in "OUS":
            step.missing_values = ""
    return model


def _original(fitted: Any, exact: Any, plan: dict[str, Any]) -> Original:
    def scores(data: Any) -> Any:
        frame = exact.module.input_type.deserialize_input(data)
        return fitted.predict_proba(frame[[column["name"] for column in plan["columns"]]])

    return Original(exact.run, scores if plan["scores"] else None)


def _schemas(run: Any) -> dict[str, Any]:
    from inference_schema import schema_util

    return {
        "input": schema_util.get_input_schema(run),
        "output": schema_util.get_output_schema(run),
        "versions": schema_util.get_supported_versions(run),
    }
