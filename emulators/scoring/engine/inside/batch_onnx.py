"""A converted model over files: small ones read together, large ones in pieces, on one thread.

What certainly means the same as in the original is scored here; a file with anything else in it
is scored by the original, whole.
"""

from __future__ import annotations

import json
import os
from typing import Any, BinaryIO, Dict, Iterator, List, NamedTuple, Tuple

from .batch_read import Reader
from .batch_table import array_lines
from .onnx_model import TIE_DECIMALS, OnnxModel
from .table import Unusual

PROOF = "batch.json"
CHUNK = 1000  # rows a run of the session: more are slower, for want of cache
TOGETHER = 8 << 20  # bytes of files that are read together


class Piece(NamedTuple):
    """Consecutive rows of one file, by column."""

    name: str  # of the file, without folders
    first: int  # number of its first row in the file
    size: int
    columns: List[Any]


class FileModel(OnnxModel):
    """Scores columns instead of JSON."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        import numpy

        self._numpy = numpy
        self._labels = None if self._classes is None else numpy.array(self._classes)

    @property
    def dtypes(self) -> List[Any]:
        """The type of array that each column becomes."""
        return self._dtypes

    def predict(self, columns: List[Any], size: int) -> Any:
        """An array with one prediction a row; with more dimensions where there are several."""
        parts = [
            self._some([column[at : at + CHUNK] for column in columns])
            for at in range(0, size, CHUNK)
        ]
        return parts[0] if len(parts) == 1 else self._numpy.concatenate(parts)

    def _some(self, columns: List[Any]) -> Any:
        if self._matrix:
            feeds: Dict[str, Any] = {self._matrix: self._numpy.stack(columns, axis=1)}
        else:
            feeds = {name: columns[at].reshape(-1, 1) for at, name, _ in self._inputs}
        result = self._session.run(self._outputs, feeds)[0]
        if self._labels is not None:
            return self._labels[result.round(TIE_DECIMALS).argmax(axis=1)]
        return result.reshape(-1) if self._flat else result


class OnnxFiles:
    """Scores mini-batches of files."""

    def __init__(self, onnx: str, model: str, *, strict: bool = False) -> None:
        """Load the converted model.

        Args:
            onnx: folder made by the converter, with the proof that files are scored equally.
            model: folder of the original, loaded when a file needs it.
            strict: raise Unusual instead.
        """
        self._model = FileModel(onnx)
        self._folder, self._strict = model, strict
        self._exact: Any = None
        with open(os.path.join(onnx, PROOF), encoding="utf-8") as file:
            proof = json.load(file)
        self._reader = Reader(self._model.plan["columns"], proof, self._model.dtypes)

    def score(self, files: List[str], out: BinaryIO) -> Tuple[int, int]:
        """Score the files and write their rows, in the order of the files.

        Raises:
            Exception: whatever the original raises on a file that it scores.
        """
        return len(files), sum(self._group(group, out) for group in groups(files))

    def _group(self, files: List[str], out: BinaryIO) -> int:
        begin = out.tell()
        try:
            return self._together(files, out)
        except Unusual:
            if self._strict:
                raise
            out.seek(begin)
            out.truncate()
        if len(files) > 1:
            return sum(self._group([file], out) for file in files)
        if self._exact is None:
            from .batch_frames import ModelFiles

            self._exact = ModelFiles(self._folder)
        rows: int = self._exact.one(files[0], out)
        return rows

    def _together(self, files: List[str], out: BinaryIO) -> int:
        waiting: List[Piece] = []
        rows = held = 0
        for piece in self._pieces(files):
            waiting.append(piece)
            held += piece.size
            if held >= CHUNK:
                rows += self._flush(waiting, out)
                waiting, held = [], 0
        return rows + self._flush(waiting, out)

    def _pieces(self, files: List[str]) -> Iterator[Piece]:
        for file in files:
            first, name = 0, os.path.basename(file)
            for size, columns in self._reader.read(file):
                yield Piece(name, first, size, columns)
                first += size
            if not first:
                raise Unusual("no rows")  # which many models refuse

    def _flush(self, pieces: List[Piece], out: BinaryIO) -> int:
        total = sum(piece.size for piece in pieces)
        if not total:
            return 0
        columns = _joined([piece.columns for piece in pieces])
        values = self._model.predict(columns, total)
        at = 0
        for piece in pieces:
            out.write(array_lines(piece.first, values[at : at + piece.size], piece.name))
            at += piece.size
        return total


def _joined(parts: List[List[Any]]) -> List[Any]:
    if len(parts) == 1:
        return parts[0]
    import numpy

    return [numpy.concatenate(columns) for columns in zip(*parts)]  # noqa: B905 - same width


def groups(files: List[str]) -> Iterator[List[str]]:
    """Files to be read together: consecutive ones, up to so many bytes."""
    group: List[str] = []
    held = 0
    for file in files:
        size = _size(file)
        if group and held + size > TOGETHER:
            yield group
            group, held = [], 0
        group.append(file)
        held += size
    if group:
        yield group


def _size(file: str) -> int:
    try:
        return os.stat(file).st_size
    except OSError:
        return 0
