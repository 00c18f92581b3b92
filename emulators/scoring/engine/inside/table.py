"""Ordinary tables straight from JSON to columns, with neither pandas nor MLflow.

Only what certainly means the same on the exact path is read here: known columns, each value of the
column's own JSON type. Everything else (strings for numbers, missing columns, params, indexes that
do not fit) is `Unusual` and goes the exact way, whatever that answers.
"""

from __future__ import annotations

import itertools
import json
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

_loads: Callable[[bytes], Any]
try:
    from orjson import loads as _loads
except ImportError:
    _loads = json.loads

NUMBERS = {int, float}
WHOLE_LIMIT = 1 << 24  # beyond it a float32 does not hold every whole number


class Unusual(Exception):
    """Not a table this module reads."""


class Column(NamedTuple):
    """One column of the model's signature, and what the converted model was proven to take."""

    name: str
    kind: str  # "float", "int" or "text"
    missing: bool  # null gives the same answer as on the exact path
    empty: bool  # so does "" (it is what null becomes in a converted text column)
    known: Any  # the only texts that do, or None for all


class Rows(NamedTuple):
    """One request's rows, each in the order of the signature; types are not checked yet."""

    size: int
    rows: List[List[Any]]


class Table:
    """Reads the rows of `input_data` for one signature."""

    def __init__(self, columns: List[Dict[str, Any]]) -> None:
        self.columns = [
            Column(c["name"], c["kind"], c["missing"], c["empty"], c["known"] and set(c["known"]))
            for c in columns
        ]
        self._names = [column.name for column in self.columns]
        self._readers = [_reader(column) for column in self.columns]

    def read(self, body: bytes) -> Rows:
        """Read a request's body.

        Raises:
            Unusual: it is no ordinary table.
        """
        try:
            content = _loads(body)
        except ValueError:
            raise Unusual("no JSON that every reader agrees on") from None
        if type(content) is not dict or content.get("params") or "input_data" not in content:
            raise Unusual("params, or no input_data")
        data = content["input_data"]
        if type(data) is not dict or not data.keys() <= {"columns", "index", "data"}:
            raise Unusual("not a table in split orientation")
        names, cells = data.get("columns"), data.get("data")
        if type(names) is not list or type(cells) is not list or not cells:
            raise Unusual("no columns or no data")
        if "index" in data and (
            type(data["index"]) is not list or len(data["index"]) != len(cells)
        ):
            raise Unusual("an index that does not fit")
        width = len(names)
        for row in cells:
            if type(row) is not list or len(row) != width:
                raise Unusual("rows of different width")
        return Rows(len(cells), cells if names == self._names else self._arranged(names, cells))

    def _arranged(self, names: List[Any], cells: List[List[Any]]) -> List[List[Any]]:
        places = {name: at for at, name in enumerate(names) if type(name) is str}
        if len(places) != len(names):
            raise Unusual("columns named twice, or not by strings")
        try:
            order = [places[name] for name in self._names]
        except KeyError:
            raise Unusual("a column is missing") from None
        return [[row[at] for at in order] for row in cells]

    def columns_of(self, parts: List[Rows]) -> List[Any]:
        """The values of all parts by column.

        Raises:
            Unusual: a value is not of its column's type; which part has it is not told.
        """
        if len(parts) == 1:
            rows: Any = parts[0].rows
        else:
            rows = itertools.chain.from_iterable(part.rows for part in parts)
        columns = zip(*rows)  # noqa: B905 - widths were checked; 3.8 has no `strict`
        return [read(values) for read, values in zip(self._readers, columns)]  # noqa: B905


def _reader(column: Column) -> Callable[[Tuple[Any, ...]], Any]:
    return _text_reader(column) if column.kind == "text" else _number_reader(column)


def _number_reader(column: Column) -> Callable[[Tuple[Any, ...]], Any]:
    allowed = {int} if column.kind == "int" else NUMBERS
    with_null = allowed | {type(None)}
    missing = column.missing and column.kind == "float"
    at_once = {float} if column.kind == "float" else None
    nan = float("nan")

    def read(values: Tuple[Any, ...]) -> Any:
        kinds = set(map(type, values))
        if kinds == at_once:
            return values
        if not kinds <= allowed:
            if not (missing and kinds <= with_null):
                raise Unusual(f"column {column.name}")
            values = tuple([nan if value is None else value for value in values])
        if int in kinds:
            whole = [value for value in values if type(value) is int]
            if max(whole) > WHOLE_LIMIT or min(whole) < -WHOLE_LIMIT:
                raise Unusual(f"a large whole number in column {column.name}")
        return values

    return read


def _text_reader(column: Column) -> Callable[[Tuple[Any, ...]], Any]:
    known, missing = column.known, column.missing
    allowed = {str, type(None)} if missing else {str}

    def read(values: Tuple[Any, ...]) -> Any:
        kinds = set(map(type, values))
        if not kinds <= allowed or (not column.empty and "" in values):
            raise Unusual(f"column {column.name}")
        if known is not None and not known.issuperset(v for v in values if v is not None):
            raise Unusual(f"an unknown value in column {column.name}")
        if len(kinds) > 1 or type(None) in kinds:
            return ["" if value is None else value for value in values]
        return values

    return read
