"""Rows that Python has, as result sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulators.warehouse.engine.answers import Column, ResultSet
from emulators.warehouse.engine.types import SqlType

NAME = SqlType("nvarchar", 128)
SMALL = SqlType("smallint")
TINY = SqlType("tinyint")
INT = SqlType("int")
BIT = SqlType("bit")


def text(length: int) -> SqlType:
    return SqlType("varchar", length)


def rows_of(columns: Sequence[tuple[str, SqlType]], rows: Sequence[Sequence[Any]]) -> ResultSet:
    """A result set of `rows`, each as long as `columns`."""
    import pyarrow as pa

    made = tuple(Column(name, kind) for name, kind in columns)
    schema = pa.schema([pa.field(c.name, c.type.arrow) for c in made])
    arrays = [
        pa.array([row[at] for row in rows], column.type.arrow) for at, column in enumerate(made)
    ]
    return ResultSet(made, (pa.RecordBatch.from_arrays(arrays, schema=schema),))
