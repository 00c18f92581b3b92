"""A folder with just `model.onnx`: the same requests as MLflow models, straight to onnxruntime."""

from __future__ import annotations

import inspect
import json
import os
from types import ModuleType
from typing import Any, Dict, List, NamedTuple

from . import collecting, inputs
from .frames_batch import NotRowWise, same
from .script import Script
from .table import Unusual

DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(string)": "str",
}
ANY = {"type": "object"}
SCHEMAS = {
    "input": {"type": "object", "properties": {"input_data": ANY}, "example": {"input_data": {}}},
    "output": ANY,
    "versions": ["2.0", "3.0", "3.1"],
}


class Feeds(NamedTuple):
    """One request's arrays by input name, with as many rows each."""

    size: int
    arrays: Dict[str, Any]


class PlainModel:
    """An onnxruntime session that reads tables, lists and named tensors."""

    alone = True

    def __init__(self, folder: str) -> None:
        from .onnx_model import MODEL, session

        self._session = session(os.path.join(folder, MODEL))
        self._inputs = self._session.get_inputs()
        unknown = [one.type for one in self._inputs if one.type not in DTYPES]
        if unknown:
            raise ValueError(f"NotEmulated: ONNX inputs of type {', '.join(unknown)}")
        self._outputs = [one.name for one in self._session.get_outputs()]

    def score(self, feeds: Dict[str, Any]) -> List[Any]:
        """The outputs as JSON values, in the model's order."""
        results = self._session.run(None, feeds)
        return [one.tolist() if hasattr(one, "tolist") else one for one in results]

    def answer(self, outputs: List[Any]) -> Any:
        """One output is answered as it is, several by name."""
        if len(outputs) == 1:
            return outputs[0]
        return {name: outputs[at] for at, name in enumerate(self._outputs)}

    def feeds(self, data: Any) -> Dict[str, Any]:
        """Read the value of input_data.

        Raises:
            ValueError: it fits no input of the model.
        """
        if isinstance(data, dict) and {"columns", "data"} <= set(data):
            columns = [list(column) for column in zip(*data["data"])]  # noqa: B905
            named = {name: columns[at] for at, name in enumerate(data["columns"])}
            if all(one.name in named for one in self._inputs):
                return {
                    one.name: self._array(one, named[one.name]).reshape(-1, *[1] * (_rank(one) - 1))
                    for one in self._inputs
                }
            data = data["data"]
        if isinstance(data, dict):
            return {one.name: self._array(one, data[one.name]) for one in self._inputs}
        if len(self._inputs) != 1:
            names = ", ".join(one.name for one in self._inputs)
            raise ValueError(f"the model has the inputs {names}: give each by its name")
        return {self._inputs[0].name: self._array(self._inputs[0], data)}

    @staticmethod
    def _array(given: Any, values: Any) -> Any:
        import numpy as np

        return np.array(values, dtype=DTYPES[given.type])

    def part(self, request: Any) -> Feeds:
        """Read one request's arrays.

        Raises:
            Unusual: they have different numbers of rows, or do not fit.
        """
        try:
            arrays = self.feeds(json.loads(request.body)["input_data"])
            sizes = {len(array) for array in arrays.values()}
        except Exception as error:
            raise Unusual(str(error)) from None
        if len(sizes) != 1 or not next(iter(sizes)):
            raise Unusual("arrays of different lengths, or empty")
        return Feeds(next(iter(sizes)), arrays)

    def pairs(self) -> Any:
        """How inputs and outputs are collected; None where they are not."""
        return collecting.Pairs.configured()

    def records_of(self, waiting: Any) -> str:
        """The rows of a request as they are collected; only tables are."""
        return collecting.input_table(waiting.request.body)

    def run(self, parts: List[Feeds]) -> List[Any]:
        """Score several requests' rows at once.

        Raises:
            NotRowWise: an output has not one element a row.
        """
        import numpy as np

        if len(parts) == 1:
            return [self.answer(self.score(parts[0].arrays))]
        names = parts[0].arrays
        outputs = self.score({n: np.concatenate([p.arrays[n] for p in parts]) for n in names})
        total = sum(part.size for part in parts)
        if any(not isinstance(one, list) or len(one) != total for one in outputs):
            raise NotRowWise("not one prediction a row")
        answers, at = [], 0
        for part in parts:
            answers.append(self.answer([one[at : at + part.size] for one in outputs]))
            at += part.size
        return answers

    def prove_row_wise(self) -> None:
        """Score made-up rows together and alone.

        Raises:
            NotRowWise: the first dimension is no batch, or rows depend on each other.
        """
        import numpy as np

        random = np.random.RandomState(0)
        shapes = [one.shape for one in self._inputs]
        if any(not shape or isinstance(shape[0], int) for shape in shapes):
            raise NotRowWise("the first dimension is fixed")
        parts = []
        for _ in range(3):
            arrays = {}
            for one in self._inputs:
                size = [1, *(n if isinstance(n, int) else 1 for n in one.shape[1:])]
                arrays[one.name] = (random.rand(*size) * 3).astype(DTYPES[one.type])
            parts.append(Feeds(1, arrays))
        if not same(self.run(parts), [self.run([part])[0] for part in parts]):
            raise NotRowWise("rows are scored differently together")


class OnnxScript(Script):
    """Serves a plain model as a script with one parameter."""

    def __init__(self, folder: str) -> None:
        self.model = PlainModel(folder)
        self.module = ModuleType("onnx_score_script")
        self.module.__file__ = folder
        self._init = lambda: None
        self.wants_headers = self.raw = False
        self.decorated = True
        self.schemas = SCHEMAS
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.parse = inputs.fields([inspect.Parameter("input_data", kind)])
        self.run = self._run_model
        self._pairs = self.model.pairs()

    def _run_model(self, input_data: Any) -> Any:
        output = self.model.answer(self.model.score(self.model.feeds(input_data)))
        if self._pairs is not None:
            body = json.dumps({"input_data": input_data}).encode()
            self._pairs.collect(lambda: collecting.input_table(body), output)
        return output


def _rank(given: Any) -> int:
    return max(1, len(given.shape))
