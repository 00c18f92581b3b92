"""A converted model: its plan, its ONNX session, and many requests' rows in one run."""

from __future__ import annotations

import itertools
import json
import os
from typing import Any, Dict, List

from .table import Rows, Table

PLAN = "plan.json"
MODEL = "model.onnx"
FORMAT = 1


class OnnxModel:
    """Scores tables with onnxruntime on one thread: processes are the way to use more cores."""

    def __init__(self, folder: str) -> None:
        import onnxruntime

        with open(os.path.join(folder, PLAN), encoding="utf-8") as file:
            self.plan: Dict[str, Any] = json.load(file)
        if self.plan["format"] != FORMAT:
            raise ValueError(f"{folder} was made by another version; convert the model again")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            os.path.join(folder, MODEL), options, providers=["CPUExecutionProvider"]
        )
        self.table = Table(self.plan["columns"])
        self._outputs = [self.plan["output"]]
        self._flat = bool(self.plan["flat"])
        self._matrix = self.plan["matrix"]

    def run(self, parts: List[Rows]) -> List[List[Any]]:
        """Score several requests' rows at once; one list of predictions for each."""
        feeds = self._feeds(parts)
        result = self._session.run(self._outputs, feeds)[0]
        values: List[Any] = (result.reshape(-1) if self._flat else result).tolist()
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
        import numpy as np

        columns = parts[0].columns
        if len(parts) > 1:
            columns = [
                list(itertools.chain.from_iterable(part.columns[i] for part in parts))
                for i in range(len(columns))
            ]
        if self._matrix:
            dtype = self.plan["inputs"][0]["dtype"]
            return {self._matrix: np.array(columns, dtype=dtype).T}
        return {
            given["name"]: np.array(column, dtype=given["dtype"]).reshape(-1, 1)
            for given, column in zip(self.plan["inputs"], columns)  # noqa: B905
        }
