"""CSV and Parquet files as arrays for a converted model, in pieces of bounded size, by Arrow.

Every value must mean here what it means to pandas and MLflow; a file where that is not certain is
`Unusual`. Source: pandas.read_csv (its words for missing values), pyarrow.csv.
"""

from __future__ import annotations

import csv
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from .table import WHOLE_LIMIT, Unusual

NULLS = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
]  # fmt: skip
BLOCK = 1 << 20  # bytes of CSV read at a time
ROWS = 8192  # of Parquet read at a time
BUFFER = 1 << 18  # bytes of a column of Parquet held at a time, not the whole row group's

Block = Tuple[int, List[Any]]  # rows, and one array a column of the model


class Wanted(NamedTuple):
    """One column of the model."""

    name: str
    type: str  # of the signature: "double", "float", "long", "integer" or "string"
    dtype: Any  # of the array
    missing: bool
    empty: bool
    known: Any  # the only texts there may be, or None


class Reader:
    """Reads files for one converted model."""

    def __init__(
        self, columns: List[Dict[str, Any]], proof: Dict[str, Any], dtypes: List[Any]
    ) -> None:
        """Take what the plan and the proof say of each column."""
        self._names = [column["name"] for column in columns]
        self._wanted = {
            suffix: [
                Wanted(
                    column["name"],
                    proof["types"][column["name"]],
                    dtypes[at if len(dtypes) > 1 else 0],
                    column["name"] in proof["missing"][suffix],
                    bool(column["empty"]),
                    column["known"] and set(column["known"]),
                )
                for at, column in enumerate(columns)
            ]
            for suffix in ("csv", "parquet")
        }

    def read(self, file: str) -> Iterator[Block]:
        """The rows of a file, piece by piece.

        Raises:
            Unusual: something in it might mean something else to the original.
        """
        suffix = os.path.splitext(file)[1].lower()
        if suffix == ".csv":
            yield from self._blocks(_csv(file, self._wanted["csv"]), "csv")
        elif suffix in (".parquet", ".pqt"):
            yield from self._blocks(_parquet(file, self._wanted["parquet"]), "parquet")
        else:
            raise Unusual("no table")

    def _blocks(self, batches: Iterator[Any], suffix: str) -> Iterator[Block]:
        from pyarrow import ArrowException

        wanted = self._wanted[suffix]
        try:
            for batch in batches:
                if batch.num_rows:
                    yield batch.num_rows, [_array(batch.column(w.name), w) for w in wanted]
        except (ArrowException, KeyError) as error:
            raise Unusual(str(error)) from None


def _csv(file: str, wanted: List[Wanted]) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    quoted = _check_header(file, [w.name for w in wanted])
    types = {
        "double": pa.float64(),
        "float": pa.float64(),
        "long": pa.int64(),
        "integer": pa.int32(),
        "string": pa.dictionary(pa.int32(), pa.string()),
    }
    reader = arrow_csv.open_csv(
        file,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=quoted),
        convert_options=arrow_csv.ConvertOptions(
            column_types={w.name: types[w.type] for w in wanted},
            include_columns=[w.name for w in wanted],
            null_values=NULLS,
            strings_can_be_null=True,
        ),
    )
    with reader:
        yield from reader


def _check_header(file: str, names: List[str]) -> bool:
    """Make sure that each column is there once; whether the file has quotes.

    Raises:
        Unusual: it is not so, or the file holds no row that a reader would agree on.
    """
    quoted = False
    with open(file, "rb") as source:
        for block in iter(lambda: source.read(BLOCK), b""):
            quoted = quoted or b'"' in block
            if b"\0" in block:
                raise Unusual("a zero byte")
    try:
        with open(file, encoding="utf-8-sig", newline="") as text:
            header = next(csv.reader(text), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unusual(str(error)) from None
    if len(set(header)) < len(header) or not set(names) <= set(header):
        raise Unusual("columns are missing, or there twice")
    return quoted


def _parquet(file: str, wanted: List[Wanted]) -> Iterator[Any]:
    import json

    from pyarrow import parquet

    texts = [w.name for w in wanted if w.type == "string"]
    source = parquet.ParquetFile(file, read_dictionary=texts, buffer_size=BUFFER)
    with source:
        schema = source.schema_arrow
        names = schema.names
        if len(set(names)) < len(names) or not {w.name for w in wanted} <= set(names):
            raise Unusual("columns are missing, or there twice")
        about = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        index = [name for name in about.get("index_columns", []) if isinstance(name, str)]
        if any(w.name in index for w in wanted):
            raise Unusual("a column is the index")
        for w in wanted:
            if not _fits(schema.field(w.name).type, w.type):
                raise Unusual("column %s is of another type" % w.name)
        yield from source.iter_batches(
            batch_size=ROWS, columns=[w.name for w in wanted], use_threads=False
        )


def _fits(found: Any, wanted: str) -> bool:
    from pyarrow import types

    if types.is_dictionary(found):
        found = found.value_type
    return bool(
        {
            "double": types.is_float64,
            "float": types.is_float32,
            "long": types.is_int64,
            "integer": types.is_int32,
            "string": lambda kind: types.is_string(kind) or types.is_large_string(kind),
        }[wanted](found)
    )


def _array(column: Any, wanted: Wanted) -> Any:
    if wanted.type == "string":
        return _texts(column, wanted)
    return _numbers(column, wanted)


def _numbers(column: Any, wanted: Wanted) -> Any:
    import numpy as np

    whole = wanted.type in ("long", "integer")
    if column.null_count and (whole or not wanted.missing):
        raise Unusual("a missing value in column %s" % wanted.name)
    values = column.to_numpy(zero_copy_only=False)
    if wanted.type == "float":
        values = values.astype(np.float32, copy=False)
    if values.dtype.kind == "i" and (values.max() > WHOLE_LIMIT or values.min() < -WHOLE_LIMIT):
        raise Unusual("a large whole number in column %s" % wanted.name)
    cast = values.astype(wanted.dtype, copy=False)
    finite = whole or np.isfinite(cast).all()
    if not finite and (np.isinf(cast).any() or not wanted.missing):
        raise Unusual("a number in column %s that is none" % wanted.name)
    return cast


def _texts(column: Any, wanted: Wanted) -> Any:
    """Texts as an array of objects, looked up by their codes."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    words = column.dictionary.to_pylist()
    if not wanted.empty and "" in words:
        raise Unusual("an empty text in column %s" % wanted.name)
    if wanted.known is not None and not wanted.known.issuperset(w for w in words if w is not None):
        raise Unusual("an unknown value in column %s" % wanted.name)
    table = np.empty(len(words) + 1, dtype=object)
    table[: len(words)] = ["" if word is None else word for word in words]
    table[len(words)] = ""
    codes = column.indices
    if column.null_count or None in words:
        if not wanted.missing:
            raise Unusual("a missing value in column %s" % wanted.name)
        codes = codes.fill_null(len(words))
    return table[codes.to_numpy(zero_copy_only=False)]
