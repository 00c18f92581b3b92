"""sklearn models as ONNX graphs: several ways, which compute in more or fewer bits."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulators.scoring.engine.inside import onnx_model

OUTPUTS = {"predict": 0, "predict_proba": 1}
Columns = list[tuple[str, str]]  # name and kind: "float", "int" or "text"


class NotThisWay(Exception):
    """The model cannot be built in this way."""


@dataclass(frozen=True, slots=True)
class Way:
    """How numbers enter the graph, and how labels leave it."""

    number: str = "float32"  # of the columns
    matrix: bool = False  # all columns as one input
    cast: bool = False  # to float32 before the last step: sklearn's trees do so
    votes: bool = False  # labels from probabilities, with ties as in the original

    def __str__(self) -> str:
        said = [self.number, "as one matrix" * self.matrix, "cast for trees" * self.cast]
        return " ".join(part for part in [*said, "by votes" * self.votes] if part)


def ways(fitted: Any, columns: Columns) -> list[Way]:
    """Ways to try, the likeliest first.

    Trees compare float32 with thresholds that lie midway between values of the training data: what
    comes before them must be computed in the original's float64, or rows at midpoints go astray.
    """
    from sklearn import ensemble, tree
    from sklearn.compose import ColumnTransformer

    last, steps = steps_of(fitted, last=True), steps_of(fitted)
    voting = (ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier)
    trees = (
        *voting,
        tree.DecisionTreeClassifier,
        tree.DecisionTreeRegressor,
        ensemble.RandomForestRegressor,
        ensemble.ExtraTreesRegressor,
        ensemble.GradientBoostingClassifier,
        ensemble.GradientBoostingRegressor,
    )
    votes = isinstance(last[0], (*voting, ensemble.BaggingClassifier))
    matrix = not any(isinstance(step, ColumnTransformer) for step in steps)
    if matrix and any(kind == "text" for _, kind in columns):
        return [Way()]
    tried = [Way("float32", matrix, votes=votes), Way("float64", matrix, votes=votes)]
    if isinstance(last[0], trees) and len(steps) > 1:
        tried.insert(0, Way("float64", matrix, True, votes))
    if not matrix:
        tried.append(Way("int64", votes=votes))
    return tried


def steps_of(fitted: Any, *, last: bool = False) -> list[Any]:
    """The model and everything it is made of; or only the step that answers."""
    if last:
        while hasattr(fitted, "steps"):
            fitted = fitted.steps[-1][1]
        return [fitted]
    found, queue = [], [fitted]
    while queue:
        one = queue.pop()
        found.append(one)
        for name in ("steps", "transformers_", "transformer_list"):
            queue += [part[1] for part in getattr(one, name, []) if hasattr(part[1], "get_params")]
    return found


def built(fitted: Any, columns: Columns, way: Way, function: str) -> tuple[bytes, dict[str, Any]]:
    """Build the graph; return its bytes and the plan that feeds it.

    Raises:
        NotThisWay: the model has no such outputs.
        Exception: whatever the converter raises.
    """
    from skl2onnx import convert_sklearn
    from sklearn.base import is_classifier

    model = _prepared(fitted, way)
    options = {id(model): {"zipmap": False}} if is_classifier(model) else None
    made = convert_sklearn(model, initial_types=_initial(columns, way), options=options)
    names = [out.name for out in made.graph.output]
    output = OUTPUTS[function]
    scored = hasattr(model, "predict_proba") and len(names) > 1
    if (output or way.votes) and not scored:
        raise NotThisWay("the converted model has no probabilities")
    labels = steps_of(fitted, last=True)[0].classes_.tolist() if way.votes and not output else None
    texts = {"text": "str", "int": way.number}
    kinds = dict(texts, float="float32" if way.number == "int64" else way.number)
    plan = {
        "format": onnx_model.FORMAT,
        "columns": [
            {"name": name, "kind": kind, "missing": False, "empty": kind != "text", "known": None}
            for name, kind in columns
        ],
        "inputs": [
            {"name": given, "dtype": kinds[kind]}
            for given, (_, kind) in zip(_inputs(made, columns), columns, strict=True)
        ],
        "matrix": "X" if way.matrix else None,
        "output": names[1] if way.votes else names[output],
        "classes": labels,
        "scores": names[1] if scored else None,
        "flat": output == 0,
    }
    return made.SerializeToString(), plan


def _initial(columns: Columns, way: Way) -> list[Any]:
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
    )

    number = DoubleTensorType if way.number == "float64" else FloatTensorType
    if way.matrix:
        return [("X", number([None, len(columns)]))]
    types = {"float": number, "int": number, "text": StringTensorType}
    if way.number == "int64":
        types["int"] = Int64TensorType
    return [(name, types[kind]([None, 1])) for name, kind in columns]


def _inputs(made: Any, columns: Columns) -> list[str | None]:
    """The graph's name for each column: it renames some, and drops unused ones."""
    names = [given.name for given in made.graph.input]
    if len(names) == len(columns):
        return list(names)
    return [name if name in names else None for name, _ in columns]


def _prepared(fitted: Any, way: Way) -> Any:
    """A copy that the converter takes.

    Imputers of text take "" for missing, because it knows no NaN in text; imputers of float64 are
    ours, because onnxruntime has none; and a cast comes before the last step where `way` says so.
    """
    from sklearn.impute import SimpleImputer

    model = copy.deepcopy(fitted)
    for step in steps_of(model):
        if isinstance(step, SimpleImputer) and step.statistics_.dtype.kind in "OUS":
            step.missing_values = ""
    if way.number == "float64":
        _with_wide_imputers(model)
    if way.cast:
        from skl2onnx.sklapi import CastTransformer

        holder = model
        while hasattr(holder.steps[-1][1], "steps"):
            holder = holder.steps[-1][1]
        cast = CastTransformer(dtype=np.float32)
        holder.steps.insert(len(holder.steps) - 1, ("cast_for_trees", cast))
    return model


def _with_wide_imputers(model: Any) -> None:
    from sklearn.impute import SimpleImputer

    wide = _wide_imputer()
    for step in steps_of(model):
        for name in ("steps", "transformers_", "transformer_list"):
            parts = getattr(step, name, [])
            for at, part in enumerate(parts):
                imputer = part[1]
                if isinstance(imputer, SimpleImputer) and imputer.statistics_.dtype.kind == "f":
                    parts[at] = (part[0], wide(imputer), *part[2:])


_made: list[type] = []


def _wide_imputer() -> type:
    """A transformer that puts constants for NaN in float64, known to the converter."""
    if _made:
        return _made[0]
    from skl2onnx import update_registered_converter
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.operator_converters.common import concatenate_variables
    from skl2onnx.proto import onnx_proto
    from sklearn.base import BaseEstimator, TransformerMixin

    class WideImputer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
        """Made from a fitted SimpleImputer of numbers."""

        def __init__(self, imputer: Any = None) -> None:
            self.imputer = imputer

    def shapes(operator: Any) -> None:
        width = len(operator.raw_operator.imputer.statistics_)
        operator.outputs[0].type = DoubleTensorType([None, width])

    def convert(scope: Any, operator: Any, container: Any) -> None:
        imputer = operator.raw_operator.imputer
        constants = np.asarray(imputer.statistics_, dtype=np.float64)
        if np.isnan(constants).any() or imputer.add_indicator:
            raise NotThisWay("an imputer without a constant for each column")
        given = concatenate_variables(scope, operator.inputs, container)
        missing, filling = (scope.get_unique_variable_name(n) for n in ("missing", "filling"))
        kind = onnx_proto.TensorProto.DOUBLE
        container.add_initializer(filling, kind, [1, len(constants)], constants.tolist())
        container.add_node("IsNaN", [given], [missing], op_version=13)
        made = operator.outputs[0].full_name
        container.add_node("Where", [missing, filling, given], [made], op_version=9)

    update_registered_converter(WideImputer, "RehearsalWideImputer", shapes, convert)
    _made.append(WideImputer)
    return WideImputer
