"""A converted model against its original, request by request as clients send them."""

from __future__ import annotations

import copy
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.scoring.engine.inside import onnx_model
from emulators.scoring.engine.inside.table import Table
from emulators.scoring.engine.samples import UNKNOWN, Samples

RELATIVE = 1e-5
CHECKED_ALONE = 200  # rows of each kind of oddity


class Difference(Exception):
    """The converted model answers differently on ordinary rows."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A plan with what the comparison showed."""

    plan: dict[str, Any]
    rows: int
    max_difference: float
    exact_only: list[str]


@dataclass(frozen=True, slots=True)
class Original:
    """The model that is converted: its answers as served, and its probabilities if it has any."""

    answers: Callable[..., Any]  # input_data -> list
    scores: Callable[[Any], Any] | None  # input_data -> array (rows, classes)


def verify(content: bytes, plan: dict[str, Any], original: Original, samples: Samples) -> Verified:
    """Compare, and note in the plan what beyond ordinary rows gives equal answers too.

    Raises:
        Difference: an ordinary row is answered differently.
    """
    plan = copy.deepcopy(plan)
    rows = samples.rows()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, onnx_model.MODEL).write_bytes(content)
        Path(folder, onnx_model.PLAN).write_text(json.dumps(plan), encoding="utf-8")
        model = onnx_model.OnnxModel(folder)
    compare = _Comparison(model, plan, original, samples.names)
    compared = len(rows)
    farthest = compare.equal(rows)
    exact_only = []
    for column in plan["columns"]:
        at = samples.names.index(column["name"])
        few = rows[:CHECKED_ALONE]
        if column["kind"] == "text":
            column["empty"] = compare.holds(_with(few, at, ""), column, "empty", True)
            known = sorted({value for value in samples.pools[at] if value != UNKNOWN})
            unknown = compare.holds(_with(few, at, UNKNOWN), column, "known", None)
            column["known"] = None if unknown else known
        if column["kind"] != "int":
            column["missing"] = compare.holds(_with(few, at, None), column, "missing", True)
        compared += 3 * CHECKED_ALONE
        exact_only += _exceptions(column)
    return Verified(plan, compared, farthest, exact_only)


def _with(rows: list[list[Any]], at: int, value: Any) -> list[list[Any]]:
    return [[*row[:at], value, *row[at + 1 :]] for row in rows]


def _exceptions(column: dict[str, Any]) -> list[str]:
    name, found = column["name"], []
    if column["kind"] == "float" and not column["missing"]:
        found.append(f"null in {name}")
    if column["kind"] == "text":
        found += [f"null in {name}"] * (not column["missing"])
        found += [f'"" in {name}'] * (not column["empty"])
        found += [f"unknown values of {name}"] * (column["known"] is not None)
    return found


class _Comparison:
    """Both models, asked the same."""

    def __init__(
        self,
        model: onnx_model.OnnxModel,
        plan: dict[str, Any],
        original: Original,
        names: list[str],
    ) -> None:
        self._model, self._plan, self._original, self._names = model, plan, original, names

    def equal(self, rows: list[list[Any]]) -> float:
        """The largest difference of numbers.

        Raises:
            Difference: answers differ, or the probabilities behind them.
        """
        theirs = self._original.answers(input_data=self._data(rows))
        body = json.dumps({"input_data": self._data(rows)}).encode()
        self._model.table = Table(self._plan["columns"])
        part = self._model.table.read(body)
        farthest = _difference(theirs, self._model.run([part])[0])
        if self._original.scores is not None:
            scores = self._original.scores(self._data(rows)).tolist()
            farthest = max(farthest, _difference(scores, self._model.scores(part)))
        return farthest

    def holds(self, rows: list[list[Any]], column: dict[str, Any], key: str, value: Any) -> bool:
        """Whether rows that need `column[key] == value` are answered equally, or neither way.

        The column keeps `value` only while this asks.
        """
        before = column[key]
        column[key] = value
        try:
            self.equal(rows)
        except Exception:
            return False
        finally:
            column[key] = before
        return True

    def _data(self, rows: list[list[Any]]) -> dict[str, Any]:
        return {"columns": list(self._names), "data": copy.deepcopy(rows)}


def _difference(theirs: Any, ours: Any) -> float:
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return max((_difference(a, b) for a, b in zip(theirs, ours, strict=True)), default=0.0)
    if isinstance(theirs, float) and isinstance(ours, float):
        apart = abs(theirs - ours)
        if theirs == ours or (math.isnan(theirs) and math.isnan(ours)):
            return 0.0
        if apart <= RELATIVE * max(1.0, abs(theirs)):
            return apart
    elif type(theirs) is type(ours) and theirs == ours:
        return 0.0
    raise Difference(f"{theirs!r} became {ours!r}")
