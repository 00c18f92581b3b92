"""Which way a model without a script is served: converted to ONNX, or as MLflow loads it."""

from __future__ import annotations

import inspect
import logging
import traceback
from types import ModuleType
from typing import Any, List

from . import collecting, inputs, pyfunc
from .frames_batch import FrameBatch
from .merging import MergingServer
from .onnx_model import OnnxModel
from .plain_onnx import OnnxScript
from .script import Script, ScriptRaised
from .table import Rows

logger = logging.getLogger("azmlinfsrv.nocode")


class ConvertedScript(Script):
    """The exact way, taken only by requests that are not ordinary: loaded when one comes."""

    def __init__(self, folder: str, model: OnnxModel) -> None:
        self.module = ModuleType("mlflow_score_script")
        self.module.__file__ = folder
        self._init = lambda: None
        self._folder = folder
        self._exact: Any = None
        self.wants_headers = self.raw = False
        self.decorated = True
        self.model = model
        self.schemas = model.plan["schemas"]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.parse = inputs.fields(
            [
                inspect.Parameter("input_data", kind),
                inspect.Parameter("params", kind, default=None),
            ]
        )
        self.run = self._run_exactly

    def _run_exactly(self, input_data: Any, params: Any = None) -> Any:
        if self._exact is None:
            logger.info(
                "Loading %s for a request that the converted model is not for", self._folder
            )
            self._exact = pyfunc.load(self._folder)
        return self._exact.run(input_data=input_data, params=params)


class OnnxBatch:
    """Merges ordinary tables."""

    alone = True  # one request is scored so, too

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    def part(self, request: Any) -> Rows:
        """Read the rows of one request."""
        return self._model.table.read(request.body)

    def pairs(self) -> Any:
        """How inputs and outputs are collected; None where they are not."""
        return collecting.Pairs.configured()

    def records_of(self, waiting: Any) -> str:
        """The rows of a request as they are collected, with columns that the model ignores."""
        return collecting.input_table(waiting.request.body)

    def run(self, parts: List[Rows]) -> List[Any]:
        """Score them all."""
        return self._model.run(parts)


def load(folder: str, onnx: str) -> Script:
    """Load an MLflow model's folder, the ONNX folder that was made of it, or an ONNX model alone.

    Raises:
        ScriptRaised: it cannot be loaded here.
    """
    if not onnx:
        return pyfunc.load(folder)
    try:
        return ConvertedScript(folder, OnnxModel(onnx)) if folder else OnnxScript(onnx)
    except Exception as error:
        raise ScriptRaised(f"The ONNX model in {onnx} cannot be loaded") from error


def served(loaded: Script, server: Any) -> Any:
    """Choose the loop that answers requests."""
    from .main import ScriptServer

    if isinstance(loaded, ConvertedScript):
        return MergingServer(server, OnnxBatch(loaded.model))
    batch: Any
    try:
        if isinstance(loaded, OnnxScript):
            batch = loaded.model
            batch.prove_row_wise()
        else:
            batch = FrameBatch.of(loaded.module)
    except Exception:
        logger.info("Rows are not merged: %s", traceback.format_exc().strip().splitlines()[-1])
        return ScriptServer(server)
    logger.info("Rows of waiting requests are scored together")
    return MergingServer(server, batch)
