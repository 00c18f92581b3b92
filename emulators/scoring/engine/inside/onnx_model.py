"""A converted model: its plan, its ONNX session, and many requests' rows in one run."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List

from .table import Rows, Table

PLAN = "plan.json"
MODEL = "model.onnx"
FORMAT = 1
TIE_DECIMALS = 5


def session(path: str) -> Any:
    """An onnxruntime session on one thread that does not spin while it has nothing to do."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class OnnxModel:
    """Scores tables with onnxruntime on one thread: processes are the way to use more cores."""

    def __init__(self, folder: str) -> None:
        import numpy

        with open(os.path.join(folder, PLAN), encoding="utf-8") as file:
            self.plan: Dict[str, Any] = json.load(file)
        if self.plan["format"] != FORMAT:
            raise ValueError(f"{folder} was made by another version; convert the model again")
        self._session = session(os.path.join(folder, MODEL))
        self.table = Table(self.plan["columns"])
        self._outputs = [self.plan["output"]]
        self._classes = self.plan["classes"]
        self._flat = bool(self.plan["flat"])
        self._matrix = self.plan["matrix"]
        given = self.plan["inputs"]
        self._dtypes = [numpy.dtype(one["dtype"]) for one in given]
        self._inputs = [
            (i, one["name"], self._dtypes[i]) for i, one in enumerate(given) if one["name"]
        ]
        self._array = numpy.array

    def run(self, parts: List[Rows]) -> List[List[Any]]:
        """Score several requests' rows at once; one list of predictions for each.

        Raises:
            Unusual: a value is not of its column's type.
        """
        feeds = self._feeds(parts)
        result = self._session.run(self._outputs, feeds)[0]
        values: List[Any]
        if self._classes is not None:
            # Half of the trees on each side is a tie in the original, where sums are exact enough.
            best = result.round(TIE_DECIMALS).argmax(axis=1)
            values = [self._classes[at] for at in best.tolist()]
        else:
            values = (result.reshape(-1) if self._flat else result).tolist()
        if len(parts) == 1:
            return [values]
        cut, at = [], 0
        for part in parts:
            cut.append(values[at : at + part.size])
            at += part.size
        return cut

    def scores(self, part: Rows) -> Any:
        """The probabilities behind a classifier's labels, for comparison."""
        return self._session.run([self.plan["scores"]], self._feeds([part]))[0].tolist()

    def _feeds(self, parts: List[Rows]) -> Dict[str, Any]:
        columns = self.table.columns_of(parts)
        array = self._array
        if self._matrix:
            return {self._matrix: array(columns, dtype=self._dtypes[0]).T}
        shape = (-1, 1)
        return {
            name: array(columns[at], dtype=dtype).reshape(shape) for at, name, dtype in self._inputs
        }
