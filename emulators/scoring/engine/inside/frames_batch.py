"""Merging for models that stay what they are: frames of several requests in one predict()."""

from __future__ import annotations

from typing import Any, List, NamedTuple

from .collecting import Pairs
from .table import Unusual

ROW_WISE = ("sklearn", "xgboost", "lightgbm", "catboost", "onnx")


class NotRowWise(Exception):
    """The model's rows cannot be told to be independent; each request is scored alone."""


class FramePart(NamedTuple):
    """One request's rows."""

    size: int
    frame: Any


class FrameBatch:
    """Merges split-oriented tables of one MLflow model."""

    alone = False

    def __init__(self, model: Any, kind: Any) -> None:
        self._model, self._kind = model, kind

    @classmethod
    def of(cls, module: Any) -> FrameBatch:
        """Make it for a loaded model.

        Raises:
            NotRowWise: of a flavor, or without the example, that would show rows independent; or
                the example's rows scored together differ from those scored alone.
        """
        import pandas as pd

        model, kind = module.model, module.input_type
        flavors = model.metadata.flavors
        sample = getattr(kind, "sample_input", None)
        if not any(name in flavors for name in ROW_WISE):
            raise NotRowWise(f"flavor {', '.join(flavors)}")
        if not isinstance(sample, pd.DataFrame) or sample.empty:
            raise NotRowWise("no input example")
        batch = cls(model, kind)
        rows = [sample.iloc[[i % len(sample)]] for i in range(4)]
        alone = [batch.run([FramePart(1, row)])[0] for row in rows]
        together = batch.run([FramePart(1, row) for row in rows])
        if not same(alone, together):
            raise NotRowWise("the example's rows are scored differently together")
        return batch

    def part(self, request: Any) -> FramePart:
        """Read one request's frame.

        Raises:
            Unusual: anything but a table that converts; the exact way answers it.
        """
        try:
            content = request.get_json(force=True)
            if type(content) is not dict or content.get("params"):
                raise Unusual("params")
            data = content["input_data"]
            if type(data) is not dict:
                raise Unusual("no table")
            frame = self._kind.deserialize_input(data)
        except Exception as error:
            raise Unusual(str(error)) from None
        if frame.empty:
            raise Unusual("no rows")
        return FramePart(len(frame), frame)

    def pairs(self) -> Any:
        """How inputs and outputs are collected; None where they are not."""
        return Pairs.configured()

    def records_of(self, waiting: Any) -> str:
        """The rows of a request as they are collected."""
        text: str = waiting.part.frame.to_json(orient="records")
        return text

    def run(self, parts: List[FramePart]) -> List[Any]:
        """Score all parts: together those whose columns are alike, in groups."""
        import pandas as pd

        from .pyfunc import jsonable

        groups: Any = {}
        for at, part in enumerate(parts):
            alike = tuple((str(name), str(dtype)) for name, dtype in part.frame.dtypes.items())
            groups.setdefault(alike, []).append(at)
        outputs: List[Any] = [None] * len(parts)
        for places in groups.values():
            frames = [parts[at].frame for at in places]
            frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
            scored = jsonable(self._model.predict(frame))
            if len(places) == 1:
                outputs[places[0]] = scored
                continue
            if not isinstance(scored, list) or len(scored) != len(frame):
                raise NotRowWise("not one prediction a row")
            begin = 0
            for at in places:
                outputs[at] = scored[begin : begin + parts[at].size]
                begin += parts[at].size
        return outputs


def same(one: Any, other: Any) -> bool:
    """Equal answers, but for the last bits of numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= 1e-9 * max(1.0, abs(one))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, other[i]) for i, a in enumerate(one))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)
