"""Merging for scripts that declare it: `REHEARSAL_MERGE_ROWS = True` in the scoring script.

The script promises that run() takes one list of rows, described by @input_schema with a sample,
and returns a list with one element a row, each independent of the other rows. The promise is tried
on the sample when the script is loaded.
"""

from __future__ import annotations

import copy
import json
import sys
from typing import Any, List, NamedTuple

from . import inputs
from .frames_batch import NotRowWise, same
from .script import Script
from .table import Unusual

DECLARATION = "REHEARSAL_MERGE_ROWS"


class ListPart(NamedTuple):
    """One request's rows, as parsed."""

    size: int
    rows: List[Any]


class ScriptBatch:
    """Calls run() once with the rows of several requests."""

    alone = False  # a request that waits alone is answered as ever

    def __init__(self, script: Script, timeout_ms: int) -> None:
        self._script, self._timeout_ms = script, timeout_ms
        self._parameter = ""

    @classmethod
    def of(cls, script: Script, timeout_ms: int) -> ScriptBatch:
        """Make it for a script that declares itself mergeable.

        Raises:
            NotRowWise: it is not, by its schema or by what it did with the sample.
        """
        schemas: Any = sys.modules.get("inference_schema.schema_util")
        if not script.decorated or script.wants_headers or schemas is None:
            raise NotRowWise("run() needs @input_schema, and no request_headers")
        example = schemas.get_input_schema(script.run)["example"]
        if len(example) != 1:
            raise NotRowWise("run() needs exactly one parameter")
        batch = cls(script, timeout_ms)
        batch._parameter, sample = next(iter(example.items()))
        if not isinstance(sample, list) or not sample:
            raise NotRowWise("the sample is no list of rows")
        parts = [ListPart(1, [sample[0]]), ListPart(1, [sample[-1]])]
        alone = [json.loads(json.dumps(batch.run([part])[0])) for part in parts]
        together = json.loads(json.dumps(batch.run(parts)))
        if not same(alone, together):
            raise NotRowWise("the sample's rows are scored differently together")
        return batch

    def part(self, request: Any) -> ListPart:
        """Read one request's rows.

        Raises:
            Unusual: it has no list of rows, or is wrong; run() or its error answers it.
        """
        try:
            rows = self._script.parse(request)[self._parameter]
        except (inputs.BadInput, inputs.UnsupportedInput, ValueError) as error:
            raise Unusual(str(error)) from None
        if type(rows) is not list or not rows:
            raise Unusual("no rows")
        return ListPart(len(rows), rows)

    def run(self, parts: List[ListPart]) -> List[Any]:
        """Score all parts.

        Raises:
            NotRowWise: run() did not return one element a row.
        """
        rows = [copy.deepcopy(row) for part in parts for row in part.rows]
        scored = self._script.call({self._parameter: rows}, {}, self._timeout_ms).output
        if not isinstance(scored, list) or len(scored) != len(rows):
            raise NotRowWise("not one element a row")
        outputs, at = [], 0
        for part in parts:
            outputs.append(scored[at : at + part.size])
            at += part.size
        return outputs
