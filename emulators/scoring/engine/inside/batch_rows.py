"""What a script returned, as the lines that `append_row` appends.

Source: learn.microsoft.com/azure/machine-learning/how-to-batch-scoring-script, and the examples
there, which read the file with `header=None, sep=" "`.
"""

from __future__ import annotations

from typing import Any, Tuple


class NotReturnable(TypeError):
    """run() must return a list, an array or a DataFrame."""


def lines_of(returned: Any) -> Tuple[int, bytes]:
    """The number of elements, and their lines.

    A frame's rows are its values separated by spaces, without names or index; an element of a
    list or array is its `str()`.

    Raises:
        NotReturnable: anything else.
    """
    if type(returned).__name__ == "DataFrame" and hasattr(returned, "to_csv"):
        text = returned.to_csv(sep=" ", header=False, index=False)
        return len(returned), text.encode("utf-8", "surrogatepass")
    if isinstance(returned, (list, tuple)) or _is_array(returned):
        if not len(returned):
            return 0, b""
        text = "\n".join([str(one) for one in returned]) + "\n"
        return len(returned), text.encode("utf-8", "surrogatepass")
    raise NotReturnable(
        "run() must return a pandas DataFrame, a list or an array, not %s" % type(returned).__name__
    )


def _is_array(value: Any) -> bool:
    kind = type(value).__name__
    return kind in ("ndarray", "Series") and hasattr(value, "tolist") and hasattr(value, "__len__")
