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
ODD_ROWS = 160  # tried with each kind of oddity
NULL_ROWS = 24


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
    farthest = compare.equal(rows)
    compared = len(rows) + _try_oddities(compare, plan, samples, rows)
    exact_only = [odd for column in plan["columns"] for odd in _exceptions(column)]
    return Verified(plan, compared, farthest, exact_only)


def _try_oddities(
    compare: _Comparison, plan: dict[str, Any], samples: Samples, rows: list[list[Any]]
) -> int:
    """Note in the plan which oddities are answered equally; return how many rows were compared.

    All together first, which most models pass; one by one only if they do not.
    """
    tried: list[tuple[dict[str, Any], str, Any, list[list[Any]]]] = []
    for at, column in enumerate(plan["columns"]):
        if column["kind"] == "text":
            tried.append((column, "known", None, _mixed(rows, at, UNKNOWN)))
            tried.append((column, "empty", True, _mixed(rows, at, "")))
            column["known"] = sorted(set(samples.pools[at]) - {UNKNOWN})
        if column["kind"] != "int":
            tried.append((column, "missing", True, _mixed(rows, at, None)))
    all_rows = [row for _, _, _, few in tried for row in few]
    if all_rows and not compare.holds(all_rows, [(c, key, value) for c, key, value, _ in tried]):
        for column, key, value, few in tried:
            compare.holds(few, [(column, key, value)])
    nullable = [at for at, column in enumerate(plan["columns"]) if column["missing"]]
    # A column of nulls only has another type on the exact path than one with some.
    for half in (nullable[::2], nullable[1::2]):
        if not compare.holds(_nulls(rows, half), []):
            for at in half:
                if not compare.holds(_nulls(rows, [at]), []):
                    plan["columns"][at]["missing"] = False
    return len(all_rows) + 2 * NULL_ROWS


def _nulls(rows: list[list[Any]], places: list[int]) -> list[list[Any]]:
    """A few rows with nulls in all of some columns."""
    return [[None if at in places else v for at, v in enumerate(r)] for r in rows[:NULL_ROWS]]


def _mixed(rows: list[list[Any]], at: int, value: Any) -> list[list[Any]]:
    """Some rows with `value` in one column, and some as they are between them."""
    few = rows[:ODD_ROWS]
    return [[*r[:at], value, *r[at + 1 :]] if i % 4 else r for i, r in enumerate(few)]


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

    def holds(self, rows: list[list[Any]], changes: list[tuple[dict[str, Any], str, Any]]) -> bool:
        """Whether rows are answered equally once the plan allows them.

        Args:
            rows: shape (rows, columns).
            changes: column, key and value that the plan needs for these rows; kept if they hold.
        """
        before = [(column, key, column[key]) for column, key, _ in changes]
        for column, key, value in changes:
            column[key] = value
        try:
            self.equal(rows)
        except Exception:
            for column, key, value in before:
                column[key] = value
            return False
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
