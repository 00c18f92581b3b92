"""Small ONNX models for PREDICT, trained or built here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def table(rows: int, seed: int = 0, numbers: int = 4, texts: int = 2) -> pd.DataFrame:
    """Random rows: columns n0.. of float32 and s0.. of a few texts."""
    draw = np.random.default_rng(seed)
    given: dict[str, Any] = {
        f"n{at}": draw.normal(size=rows).astype("float32") for at in range(numbers)
    }
    given |= {f"s{at}": draw.choice(["red", "green", "blå", ""], rows) for at in range(texts)}
    return pd.DataFrame(given)


def trained(frame: pd.DataFrame, estimator: Any) -> Any:
    """A pipeline that scales numbers, encodes texts, and learns something of both."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [name for name in map(str, frame) if name.startswith("n")]
    texts = [name for name in map(str, frame) if name.startswith("s")]
    target = (frame["n0"] + (frame[texts[0]] == "red") > 0.3).astype(int)
    return Pipeline(
        [
            (
                "columns",
                ColumnTransformer(
                    [
                        ("numbers", StandardScaler(), numbers),
                        ("texts", OneHotEncoder(handle_unknown="ignore"), texts),
                    ]
                ),
            ),
            ("model", estimator),
        ]
    ).fit(frame, target)


def converted(pipeline: Any, frame: pd.DataFrame) -> bytes:
    """The pipeline as ONNX: an input a column, `label` [N] and `chance` [N,1] out."""
    from onnx import TensorProto, helper, numpy_helper
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    kinds = {True: FloatTensorType([None, 1]), False: StringTensorType([None, 1])}
    types = [(name, kinds[str(name).startswith("n")]) for name in frame]
    made = convert_sklearn(pipeline, initial_types=types, options={id(pipeline): {"zipmap": False}})
    made.graph.initializer.append(numpy_helper.from_array(np.array([1]), "second"))
    made.graph.node.append(
        helper.make_node("Gather", ["probabilities", "second"], ["chance"], axis=1)
    )
    made.graph.output.append(helper.make_tensor_value_info("chance", TensorProto.FLOAT, [None, 1]))
    return bytes(made.SerializeToString())


def plain(inputs: list[tuple[str, int, list[Any]]], nodes: list[Any], outputs: list[Any]) -> bytes:
    """A graph of one's own; inputs are name, element type, shape."""
    from onnx import helper

    graph = helper.make_graph(
        nodes,
        "plain",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
    )
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
