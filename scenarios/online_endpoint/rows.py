"""Rows as the endpoint takes them, and the figure that its answers are judged by."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data.schema import BY_NAME, FEATURES, TARGET

Row = dict[str, str]


def read(file: Path) -> list[Row]:
    """Return the rows of a CSV as text by column."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def body(rows: Sequence[Row]) -> dict[str, Any]:
    """Return a request for some rows, without key and target."""
    return {
        "input_data": {
            "columns": list(FEATURES),
            "index": list(range(len(rows))),
            "data": [[_cell(name, row[name]) for name in FEATURES] for row in rows],
        }
    }


def _cell(name: str, text: str) -> str | int:
    return int(float(text)) if BY_NAME[name].is_number else text


def leavers(rows: Sequence[Row]) -> list[bool]:
    """Return who left."""
    return [row[TARGET] == "Yes" for row in rows]


def batches(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    """Cut rows into requests of at most `size`."""
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def auc(left: Sequence[bool], chances: Sequence[float]) -> float:
    """Return the area under the ROC curve: how often a leaver is ranked above another.

    Args:
        left: the truth, shape (rows,).
        chances: higher means more likely, shape (rows,); ties count half.

    Raises:
        ValueError: one of the two classes is absent, or the shapes differ.
    """
    positives = sum(left)
    negatives = len(left) - positives
    if not positives or not negatives:
        raise ValueError("AUC needs rows of both classes")
    ranked = sorted(zip(chances, left, strict=True))
    above, first = 0.0, 0
    while first < len(ranked):
        last = first
        while last < len(ranked) and ranked[last][0] == ranked[first][0]:
            last += 1
        middle = (first + 1 + last) / 2  # ranks count from 1; ties share their middle
        above += middle * sum(was for _, was in ranked[first:last])
        first = last
    return (above - positives * (positives + 1) / 2) / (positives * negatives)
