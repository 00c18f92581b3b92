"""Models ready to score, kept by their hash; their inputs and outputs as SQL sees them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulators.warehouse.engine.predict.failures import corrupt, said
from emulators.warehouse.engine.types import MAX, SqlType

KEPT_MODELS = 16
TENSORS: Mapping[str, SqlType] = {
    "tensor(float)": SqlType("real"),
    "tensor(double)": SqlType("float"),
    "tensor(int32)": SqlType("int"),
    "tensor(int64)": SqlType("bigint"),
    "tensor(string)": SqlType("nvarchar", MAX),
}
"""The column type of each tensor type; no other may feed it, nor comes out of it."""


@dataclass(frozen=True, slots=True)
class Input:
    """A model's input: one column of DATA, by its name in any case."""

    name: str  # in the model's own spelling
    type: SqlType
    rank: int  # 1 for [N], 2 for [N,1]
    codes: Mapping[str, int] | None = None  # of a text input that is fed as numbers; -1: unknown


@dataclass(frozen=True, slots=True)
class Output:
    """A model's output; `type` is None where it is no scalar a row."""

    name: str
    type: SqlType | None


@dataclass(frozen=True, slots=True)
class Model:
    """A session with what it takes and gives."""

    session: Any
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]

    def output(self, name: str) -> Output | None:
        """An output by its name in any case."""
        return next((one for one in self.outputs if one.name.lower() == name.lower()), None)


@dataclass(slots=True)
class Models:
    """Sessions of the models used last; making one takes a tenth of a second, so one at a time."""

    _kept: OrderedDict[bytes, Model] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, content: bytes) -> Model:
        """The model of these bytes.

        Raises:
            SqlError: 39051, no model; or an input that is no single column.
        """
        key = hashlib.sha256(content).digest()
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                found = self._kept[key] = load(content)
            self._kept.move_to_end(key)
            if len(self._kept) > KEPT_MODELS:
                self._kept.popitem(last=False)
            return found


def load(content: bytes) -> Model:
    """Make a session of a model's bytes.

    Its text inputs are fed as codes where the graph only looks them up: onnxruntime compares
    strings a row at a time, which costs more than a tree ensemble.

    Raises:
        SqlError: as `Models.get`.
    """
    from emulators.warehouse.engine.predict.recoding import parsed, recoded

    graph = parsed(content)
    session = _session(content)
    inputs = [_input(number, one) for number, one in enumerate(session.get_inputs(), 1)]
    outputs = tuple(Output(one.name, _scalar(one)) for one in session.get_outputs())
    cheaper = recoded(graph)
    if cheaper is None:
        return Model(session, tuple(inputs), outputs)
    coded = [Input(one.name, one.type, one.rank, cheaper.codes.get(one.name)) for one in inputs]
    return Model(_session(cheaper.content), tuple(coded), outputs)


def _session(content: bytes) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # slices run side by side
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception:  # onnxruntime's own kinds, and ValueError for no bytes at all
        raise corrupt() from None


def _input(number: int, one: Any) -> Input:
    kind = TENSORS.get(one.type)
    if kind is None:
        raise said(f"Input column {number} (1-based) has type {one.type} which is not supported.")
    shape = [size if isinstance(size, int) and size > 0 else 1 for size in one.shape]
    if len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
        told = ",".join(map(str, shape))
        raise said(f"Input column {number} (1-based) has shape [{told}] which is not supported.")
    return Input(one.name, kind, len(shape))


def _scalar(one: Any) -> SqlType | None:
    shape = one.shape if isinstance(one.shape, list) else []
    if len(shape) > 2 or (len(shape) == 2 and isinstance(shape[1], int) and shape[1] != 1):
        return None
    return TENSORS.get(one.type)
