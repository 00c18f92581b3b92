"""An sklearn model of MLflow turned into ONNX, kept only when it gives the same answers."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emulators.scoring.engine.graphs import OUTPUTS, built, ways
from emulators.scoring.engine.inside import onnx_model, pyfunc, shims
from emulators.scoring.engine.samples import Samples
from emulators.scoring.engine.verify import Difference, Original, Verified, verify

KINDS = {"double": "float", "float": "float", "long": "int", "integer": "int", "string": "text"}


class Refused(Exception):
    """The model stays as it is; the text says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a model: converted into a folder, or left alone and why."""

    converted: bool
    reason: str
    rows: int = 0  # compared with the original
    max_difference: float = 0.0  # of the numbers in the predictions
    exact_only: list[str] = field(default_factory=list)  # what still goes to the original

    def described(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.converted:
            return f"left alone: {self.reason}"
        odd = f"; {', '.join(self.exact_only)} still served by the original" * bool(self.exact_only)
        return f"converted: {self.rows} rows equal, difference at most {self.max_difference:g}{odd}"


def convert(model: Path, out: Path) -> Outcome:
    """Convert the MLflow model in folder `model` into the new folder `out`.

    `out` then holds `model.onnx` and `plan.json`, for the worker's `--onnx`; nothing is written
    when the model is left alone. The model is unpickled here, in this process.
    """
    try:
        plan, content, verified = _converted(model)
    except Refused as refusal:
        return Outcome(False, str(refusal))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / onnx_model.MODEL).write_bytes(content)
    (out / onnx_model.PLAN).write_text(json.dumps(plan), encoding="utf-8")
    return Outcome(True, "", verified.rows, verified.max_difference, verified.exact_only)


def _converted(folder: Path) -> tuple[dict[str, Any], bytes, Verified]:
    shims.install()
    with _quiet():
        described, exact = _loaded(folder)
        names_kinds = _columns(described)
        function = described.flavors["python_function"].get("predict_fn", "predict")
        if function not in OUTPUTS:
            raise Refused(f"predict_fn {function} is not converted")
        fitted = exact.module.model._model_impl.sklearn_model
        samples = Samples.of(
            fitted, names_kinds, getattr(exact.module.input_type, "sample_input", None)
        )
        reasons = []
        for way in ways(fitted, names_kinds):
            try:
                content, plan = built(fitted, names_kinds, way, function)
                plan["schemas"] = _schemas(exact.run)
                verified = verify(content, plan, _original(fitted, exact, plan), samples)
            except Difference as difference:
                reasons.append(f"{way}: {difference}")
                continue
            except Exception as error:
                reasons.append(f"{way}: {type(error).__name__}: {str(error).splitlines()[0]}")
                continue
            return verified.plan, content, verified
    raise Refused("; ".join(dict.fromkeys(reasons)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Converters and old models warn a lot; what matters is compared instead."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _loaded(folder: Path) -> tuple[Any, Any]:
    import sklearn
    from mlflow.models import Model

    try:
        described = Model.load(str(folder))
    except Exception as error:
        raise Refused(f"no MLflow model: {error}") from None
    flavor = described.flavors.get("sklearn")
    if flavor is None:
        raise Refused(f"flavor {', '.join(described.flavors)} is not converted, only sklearn is")
    trained = str(flavor.get("sklearn_version"))
    if trained.split(".")[:2] != sklearn.__version__.split(".")[:2]:
        raise Refused(f"trained with scikit-learn {trained}, here is {sklearn.__version__}")
    try:
        return described, pyfunc.load(str(folder))
    except Exception as error:
        raise Refused(f"cannot be loaded here: {error.__cause__ or error}") from None


def _columns(described: Any) -> list[tuple[str, str]]:
    """Names and kinds of the signature's columns."""
    schema = described.signature and described.signature.inputs
    if not schema or schema.is_tensor_spec() or not schema.has_input_names():
        raise Refused("no signature with named columns")
    columns = []
    for spec in schema.inputs:
        kind = KINDS.get(getattr(spec.type, "name", ""))
        if kind is None or not spec.required:
            raise Refused(f"column {spec.name} of type {spec.type}, or optional")
        columns.append((spec.name, kind))
    return columns


def _original(fitted: Any, exact: Any, plan: dict[str, Any]) -> Original:
    def scores(data: Any) -> Any:
        frame = exact.module.input_type.deserialize_input(data)
        return fitted.predict_proba(frame[[column["name"] for column in plan["columns"]]])

    return Original(exact.run, scores if plan["scores"] else None)


def _schemas(run: Any) -> dict[str, Any]:
    from inference_schema import schema_util

    return {
        "input": schema_util.get_input_schema(run),
        "output": schema_util.get_output_schema(run),
        "versions": schema_util.get_supported_versions(run),
    }
