"""Rows through a model: batches in, batches with the model's columns beside their own out."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Column
from emulators.warehouse.engine.predict import failures
from emulators.warehouse.engine.predict.models import Input, Model, Output
from emulators.warehouse.engine.types import SqlType

if TYPE_CHECKING:
    import pyarrow as pa

SLICE = 8192
"""Rows scored at once. Measured: 2048 to 8192 are best, 32768 is worse, for want of cache."""

TEXTS = frozenset({"char", "varchar", "nchar", "nvarchar"})


@dataclass(frozen=True, slots=True)
class Scoring:
    """A model over the columns of one DATA: what feeds its inputs, which outputs are wanted."""

    model: Model
    feeds: tuple[tuple[int, Input], ...]  # ordinal of the column, from 0
    outputs: tuple[tuple[Output, Column], ...]


def prepare(model: Model, data: Sequence[Column], wanted: Sequence[Column]) -> Scoring:
    """Check types, names and shapes before any row is read.

    Args:
        model: what scores.
        data: every column of DATA; those that the model does not name pass by.
        wanted: the columns of WITH.

    Raises:
        SqlError: a column's type is refused, an input lacks its column, WITH asks too much.
    """
    for ordinal, column in enumerate(data, 1):
        if column.type.name in failures.NEVER_INPUT:
            raise failures.unsupported_input(ordinal, column.type)
    places = {column.name.lower(): at for at, column in enumerate(data)}
    feeds = []
    for one in model.inputs:
        at = places.get(one.name.lower())
        if at is None:
            raise failures.said(f"The model column '{one.name}' is not a column of the input data.")
        if not _feeds(data[at].type, one.type):
            raise failures.said(
                f"The type of model column '{one.name}' is '{_plain(one.type)}'. Doesn't match the"
                " input column type."
            )
        feeds.append((at, one))
    return Scoring(model, tuple(feeds), tuple(_outputs(model, wanted)))


def _feeds(column: SqlType, wanted: SqlType) -> bool:
    if wanted.name == "nvarchar":
        return column.name in TEXTS
    return column.name == wanted.name


def _plain(kind: SqlType) -> str:
    return "varchar" if kind.name == "nvarchar" else kind.name


def _outputs(model: Model, wanted: Sequence[Column]) -> Iterator[tuple[Output, Column]]:
    for column in wanted:
        found = model.output(column.name)
        if found is None or found.type is None or not _casts(found.type, column.type):
            raise failures.other_outputs((one.name, one.type) for one in model.outputs)
        yield found, column


def _casts(source: SqlType, target: SqlType) -> bool:
    """Whether values of an output's type can become the declared type at all."""
    numbers = {
        "bit", "tinyint", "smallint", "int", "bigint", "real", "float", "decimal", "numeric",
        "money", "smallmoney",
    }  # fmt: skip
    if source.name == "nvarchar":
        return target.name in TEXTS or target.name in numbers
    return target.name in numbers or target.name in TEXTS


def score(scoring: Scoring, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Score batches in order; each comes out with its own columns first, the model's behind.

    Slices run on several threads, no further ahead than there are threads.

    Raises:
        SqlError: a NULL that its type cannot carry, or the model failed.
    """
    workers = os.cpu_count() or 1
    if workers == 1:
        for piece in _slices(batches):
            yield _scored(scoring, piece)
        return
    waiting: deque[Future[pa.RecordBatch]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="predict") as pool:
        try:
            for piece in _slices(batches):
                waiting.append(pool.submit(_scored, scoring, piece))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def _slices(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, SLICE):
            yield batch.slice(start, SLICE)


def _scored(scoring: Scoring, batch: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow as pa

    feed = {one.name: _fed(one, batch.column(at)) for at, one in scoring.feeds}
    names = list(dict.fromkeys(output.name for output, _ in scoring.outputs))
    try:
        values = scoring.model.session.run(names, feed)
    except Exception as wrong:  # onnxruntime's own kinds
        raise failures.said(str(wrong).rpartition(" : ")[2] or str(wrong)) from None
    given = dict(zip(names, values, strict=True))
    made = [
        _column(given[output.name], column, batch.num_rows) for output, column in scoring.outputs
    ]
    fields = [
        *batch.schema,
        *(pa.field(column.name, column.type.arrow) for _, column in scoring.outputs),
    ]
    return pa.RecordBatch.from_arrays([*batch.columns, *made], schema=pa.schema(fields))


def _fed(one: Input, column: Any) -> Any:
    """A column as the tensor that feeds an input."""
    if one.type.name == "nvarchar":
        _no_nulls(one, column)
        values = _texts(column) if one.codes is None else _codes(one.codes, column)
    elif one.type.name in ("real", "float"):
        values = column.to_numpy(zero_copy_only=False)  # NULL is NaN
        wanted = "float32" if one.type.name == "real" else "float64"
        values = values.astype(wanted, copy=False)
    else:
        _no_nulls(one, column)
        values = column.to_numpy(zero_copy_only=False)
    return values.reshape(-1, 1) if one.rank == 2 else values


def _codes(codes: Mapping[str, int], column: Any) -> Any:
    """The codes of a text column; each distinct text is looked up once a slice."""
    import numpy as np

    coded = column.dictionary_encode()
    known = np.fromiter(
        (codes.get(text, -1) for text in coded.dictionary.to_pylist()), dtype=np.int64
    )
    return known[coded.indices.to_numpy(zero_copy_only=False)]


def _texts(column: Any) -> Any:
    import numpy as np

    coded = column.dictionary_encode()
    texts = np.array(coded.dictionary.to_pylist(), dtype=object)
    return texts[coded.indices.to_numpy(zero_copy_only=False)]


def _no_nulls(one: Input, column: Any) -> None:
    if column.null_count:
        raise failures.said(
            f"The input column '{one.name}' has a NULL, which a model column of type"
            f" '{_plain(one.type)}' cannot carry."
        )


def _column(values: Any, column: Column, rows: int) -> pa.Array:
    """An output as a column of its declared type."""
    import numpy as np
    import pyarrow as pa

    array = np.asarray(values)
    if array.size != rows:
        raise failures.said(
            f"Output column '{column.name}' has shape {list(array.shape)} for {rows} rows, which is"
            " not supported."
        )
    flat = array.reshape(-1)
    # No SQL type carries what is not finite.
    made = pa.array(flat, mask=~np.isfinite(flat) if flat.dtype.kind == "f" else None)
    wanted = column.type.arrow
    if made.type == wanted:
        return made
    try:
        return _cast(made, column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise failures.said(
            f"A value of output column '{column.name}' cannot be converted to '{column.type}'."
        ) from None


def _cast(made: pa.Array, kind: SqlType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_decimal(kind.arrow) and pa.types.is_floating(made.type):
        made = pc.round(made.cast(pa.float64()), ndigits=kind.scale if kind.precision else 4)
    if pa.types.is_integer(kind.arrow) and pa.types.is_floating(made.type):
        made = pc.trunc(made)
    return made.cast(kind.arrow)
