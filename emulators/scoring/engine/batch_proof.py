"""A converted model against its original over files: the same rows in CSV and Parquet."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.scoring.engine.inside import onnx_model, shims
from emulators.scoring.engine.inside.batch_frames import ModelFiles
from emulators.scoring.engine.inside.batch_onnx import PROOF, OnnxFiles
from emulators.scoring.engine.samples import Samples
from emulators.scoring.engine.verify import RELATIVE

ROWS = 400
SUFFIXES = ("csv", "parquet")


class Differs(Exception):
    """The two score a file differently."""


@dataclass(frozen=True, slots=True)
class Both:
    """The original and the converted model, and the files they are asked about."""

    exact: ModelFiles
    onnx: Path
    model: Path
    folder: Path

    def compare(self, frame: Any, suffix: str, proof: dict[str, Any]) -> None:
        """Score a frame as a file of that kind by both.

        Raises:
            Differs: not the same rows, or one of them cannot.
        """
        file = self.folder / f"rows.{suffix}"
        if suffix == "csv":
            frame.to_csv(file, index=False)
        else:
            frame.to_parquet(file, index=False)
        (self.onnx / PROOF).write_text(json.dumps(proof), encoding="utf-8")
        theirs, ours = io.BytesIO(), io.BytesIO()
        try:
            self.exact.score([str(file)], theirs)
            OnnxFiles(str(self.onnx), str(self.model), strict=True).score([str(file)], ours)
        except Exception as error:
            raise Differs(f"{suffix}: {type(error).__name__}: {error}") from None
        _equal(theirs.getvalue().decode(), ours.getvalue().decode())


def prove(model: Path, onnx: Path) -> dict[str, Any]:
    """Compare the model in folder `model` with the one converted into folder `onnx`.

    Returns:
        What to keep beside the converted model: whether files may be scored by it, the types of
        its columns, and where values may be missing.
    """
    shims.install()
    plan = json.loads((onnx / onnx_model.PLAN).read_text(encoding="utf-8"))
    exact = ModelFiles(str(model))
    described = exact._model.metadata
    types = {spec.name: spec.type.name for spec in described.signature.inputs}
    proof: dict[str, Any] = {"proven": True, "types": types, "missing": {s: [] for s in SUFFIXES}}
    samples = Samples.of(
        exact._model._model_impl.sklearn_model,
        [(column["name"], column["kind"]) for column in plan["columns"]],
        None,
    )
    frame = _frame(samples, types)
    with tempfile.TemporaryDirectory() as folder:
        both = Both(exact, onnx, model, Path(folder))
        try:
            for suffix in SUFFIXES:
                both.compare(frame, suffix, proof)
        except Differs as differs:
            return {"proven": False, "reason": str(differs)}
        finally:
            (onnx / PROOF).unlink(missing_ok=True)
        for suffix in SUFFIXES:
            _try_missing(both, frame, suffix, plan, proof)
        (onnx / PROOF).unlink(missing_ok=True)
    return proof


def _frame(samples: Samples, types: dict[str, str]) -> Any:
    import pandas as pd

    kinds = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32"}
    frame = pd.DataFrame(samples.rows(ROWS, seed=7), columns=samples.names)
    return frame.astype({name: kinds.get(types[name], "object") for name in samples.names})


def _try_missing(
    both: Both, frame: Any, suffix: str, plan: dict[str, Any], proof: dict[str, Any]
) -> None:
    """Note in the proof where values may be missing: all such columns at once, or one by one."""
    hopeful = [column["name"] for column in plan["columns"] if column["missing"]]
    for names in ([hopeful], [[name] for name in hopeful]):
        for some in names:
            before = proof["missing"][suffix]
            proof["missing"][suffix] = [*before, *some]
            try:
                both.compare(_holed(frame, some), suffix, proof)
                if len(some) == len(hopeful):
                    return
            except Differs:
                proof["missing"][suffix] = before


def _holed(frame: Any, names: list[str]) -> Any:
    """The frame with values missing: in some rows each, and in a few rows all."""
    holed = frame.copy()
    for at, name in enumerate(names):
        holed.loc[holed.index % 7 == at % 7, name] = None
        holed.loc[holed.index % 50 == 0, name] = None
    return holed


def _equal(theirs: str, ours: str) -> None:
    one, other = (list(csv.reader(io.StringIO(text))) for text in (theirs, ours))
    if len(one) != len(other):
        raise Differs(f"{len(one)} rows became {len(other)}")
    for left, right in zip(one, other, strict=True):
        if left[::2] != right[::2] or not _near(left[1], right[1]):
            raise Differs(f"{left} became {right}")


def _near(left: str, right: str) -> bool:
    """Equal texts; or numbers, or lists of them, but for the last bits."""
    if left == right:
        return True
    try:
        some, others = (_numbers(text) for text in (left, right))
    except ValueError:
        return False
    return len(some) == len(others) and all(
        abs(a - b) <= RELATIVE * max(1.0, abs(a)) for a, b in zip(some, others, strict=True)
    )


def _numbers(text: str) -> list[float]:
    return [float(one) for one in text.strip("[]").split(",")]
