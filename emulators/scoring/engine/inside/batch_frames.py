"""An MLflow model over files, as the driver that Azure generates: one predict() a file.

Source: learn.microsoft.com/azure/machine-learning/how-to-mlflow-batch (kinds of files, what each
becomes, one call a file, the columns of the predictions).
"""

from __future__ import annotations

import os
from typing import Any, BinaryIO, Dict, List, Optional, Tuple

from .batch_table import Useless, row_lines

TABLES = (".csv", ".parquet", ".pqt")
IMAGES = (".png", ".jpg", ".jpeg", ".tiff", ".bmp", ".gif")


class ModelFiles:
    """The model as MLflow loads it."""

    def __init__(self, folder: str) -> None:
        import mlflow.pyfunc

        self._model = mlflow.pyfunc.load_model(folder)
        self._columns = Columns.of(self._model.metadata)

    def score(self, files: List[str], out: BinaryIO) -> Tuple[int, int]:
        """Score each file; all or none of them count.

        Raises:
            Useless: a file of a kind that no model reads.
            Exception: whatever reading or predicting raises.
        """
        rows = 0
        for file in files:
            rows += self.one(file, out)
        return len(files), rows

    def one(self, file: str, out: BinaryIO) -> int:
        """Score one file; the number of rows written."""
        suffix = os.path.splitext(file)[1].lower()
        name = os.path.basename(file)
        if suffix in TABLES:
            predicted = self._model.predict(self._columns.read(file, suffix))
        elif suffix in IMAGES:
            predicted = self._model.predict(_image(file, self._model.metadata))
        else:
            raise Useless(
                "Error processing input file: %r. File type %r is not supported."
                % (file, suffix.lstrip("."))
            )
        values = _values(predicted)
        out.write(row_lines(0, values, name))
        return len(values)


class Columns:
    """Which types a model's signature gives the columns of a file."""

    def __init__(self, types: Dict[str, Any], dates: List[str]) -> None:
        self.types, self.dates = types, dates

    @classmethod
    def of(cls, metadata: Any) -> Columns:
        """Read the signature; without one no column has a type."""
        signature = metadata.signature
        schema = signature.inputs if signature is not None else None
        if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
            return cls({}, [])
        types: Dict[str, Any] = {}
        dates: List[str] = []
        for name, kind in zip(schema.input_names(), schema.pandas_types()):  # noqa: B905
            if getattr(kind, "kind", "") == "M":
                dates.append(name)
            else:
                types[name] = kind
        return cls(types, dates)

    def read(self, file: str, suffix: str) -> Any:
        """A file as a frame, its columns of the signature's types."""
        import pandas as pd

        if suffix != ".csv":
            return pd.read_parquet(file)
        header = list(pd.read_csv(file, nrows=0).columns)
        types = {name: kind for name, kind in self.types.items() if name in header}
        dates: Any = [name for name in self.dates if name in header]
        return pd.read_csv(file, dtype=types or None, parse_dates=dates or False)


def _image(file: str, metadata: Any) -> Any:
    """An image as an array, in the shape of the signature's tensor where it has one."""
    import numpy as np

    try:
        from PIL import Image
    except ImportError:
        raise Useless("reading images needs Pillow in the model's environment") from None
    with Image.open(file) as image:
        array: Any = np.asarray(image)
    shape = _tensor_shape(metadata)
    if shape is not None:
        array = array.reshape([1 if n == -1 and at == 0 else n for at, n in enumerate(shape)])
    return array


def _tensor_shape(metadata: Any) -> Optional[List[int]]:
    signature = metadata.signature
    schema = signature.inputs if signature is not None else None
    if schema is None or not schema.is_tensor_spec() or len(schema.inputs) != 1:
        return None
    return [int(n) for n in schema.inputs[0].shape]


def _values(predicted: Any) -> List[Any]:
    """One element a row: a value, or a list of the values of several outputs."""
    if type(predicted).__name__ == "DataFrame":
        rows: List[Any] = predicted.to_numpy().tolist()
        return [row[0] for row in rows] if predicted.shape[1] == 1 else rows
    if hasattr(predicted, "tolist"):
        found = predicted.tolist()
        return found if isinstance(found, list) else [found]
    return list(predicted)
