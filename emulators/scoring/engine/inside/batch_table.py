"""The lines of `predictions.csv` for models without code: row, prediction, file_name."""

from __future__ import annotations

import csv
import io
from typing import Any, List

SPECIAL = (",", '"', "\n", "\r")


def row_lines(first: int, values: List[Any], name: str) -> bytes:
    """Rows of one file.

    Args:
        first: number of the first of them in its file, from 0.
        values: one prediction a row; a row of several outputs is a list.
        name: the file's own name, without folders.
    """
    kinds = set(map(type, values))
    if kinds <= {int, float, bool} and not any(mark in name for mark in SPECIAL):
        tail = "," + name + "\n"
        numbers = range(first, first + len(values))
        pairs = zip(numbers, values)  # noqa: B905 - of equal length
        return "".join(["%d,%r%s" % (row, value, tail) for row, value in pairs]).encode()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([(first + at, value, name) for at, value in enumerate(values)])
    return text.getvalue().encode("utf-8", "surrogatepass")
