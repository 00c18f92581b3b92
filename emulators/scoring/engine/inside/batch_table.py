"""The lines of `predictions.csv` for models without code: row, prediction, file_name."""

from __future__ import annotations

import csv
import io
from typing import Any, List


class Useless(Exception):
    """An input that can never be scored; the whole job is to end."""


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


def array_lines(first: int, values: Any, name: str) -> Any:
    """The same for an array of predictions; Arrow writes whole numbers, much faster."""
    if values.ndim != 1 or values.dtype.kind not in "iu" or any(mark in name for mark in SPECIAL):
        return row_lines(first, values.tolist(), name)
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute

    numbers = pa.array(np.arange(first, first + len(values), dtype=np.int64)).cast(pa.string())
    words = pa.array(values).cast(pa.string())
    lines = compute.binary_join_element_wise(numbers, words, pa.scalar(name + "\n"), ",")
    # The texts of an array lie one after the other: together they are the lines.
    return lines.buffers()[2]
