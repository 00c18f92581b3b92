"""Text inputs of a graph as numbers: its encoders look codes up instead of strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulators.warehouse.engine.predict.failures import corrupt

KEYS = {
    "OneHotEncoder": ("cats_strings", "cats_int64s"),
    "LabelEncoder": ("keys_strings", "keys_int64s"),
}
"""Operators that look a text up, with the attribute that holds texts and its twin of numbers."""


@dataclass(frozen=True, slots=True)
class Recoded:
    """A graph that takes codes in place of some of its text inputs, and those codes."""

    content: bytes
    codes: Mapping[str, Mapping[str, int]]  # input -> text -> code; any other text is -1


def parsed(content: bytes) -> Any:
    """The graph of a model's bytes.

    Raises:
        SqlError: 39051, no model, or one whose weights lie in files, which SQL must not reach.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        raise corrupt() from None
    if any(_outside(graph) for graph in _graphs(model.graph)):
        raise corrupt()
    return model


def _outside(graph: Any) -> bool:
    tensors = [*graph.initializer, *(a.t for node in graph.node for a in node.attribute)]
    tensors += [t for node in graph.node for a in node.attribute for t in a.tensors]
    tensors += [t for s in graph.sparse_initializer for t in (s.values, s.indices)]
    return any(one.external_data or one.data_location for one in tensors)


def _graphs(graph: Any) -> list[Any]:
    """A graph and all that its nodes hold, to any depth."""
    inner = [
        held
        for node in graph.node
        for a in node.attribute
        for held in ([a.g] if a.HasField("g") else list(a.graphs))
    ]
    return [graph, *(deeper for held in inner for deeper in _graphs(held))]


def recoded(model: Any) -> Recoded | None:
    """The same model with codes for text inputs that are only looked up; None if it has none.

    Every consumer of such an input is a OneHotEncoder or LabelEncoder of strings; a text that
    none of them knows has the code -1, which they treat as they treat an unknown text.
    """
    import onnx

    codes: dict[str, dict[str, int]] = {}
    for given in model.graph.input:
        if given.type.tensor_type.elem_type != onnx.TensorProto.STRING:
            continue
        consumers = _consumers(model.graph, given.name)
        if not consumers or not all(_looks_up(node) for node in consumers):
            continue
        known: dict[str, int] = {}
        for node in consumers:
            for text in _texts(node):
                known.setdefault(text, len(known))
        for node in consumers:
            _renumber(node, known)
        given.type.tensor_type.elem_type = onnx.TensorProto.INT64
        codes[given.name] = known
    return Recoded(model.SerializeToString(), codes) if codes else None


KEYS = {
    "OneHotEncoder": ("cats_strings", "cats_int64s"),
    "LabelEncoder": ("keys_strings", "keys_int64s"),
}


def _consumers(graph: Any, name: str) -> list[Any]:
    """The nodes that read an input; none where something else than a node of this graph does."""
    _, *inner = _graphs(graph)
    deeper = any(name in node.input for held in inner for node in held.node)
    if deeper or any(one.name == name for one in graph.output):
        return []
    return [node for node in graph.node if name in node.input]


def _looks_up(node: Any) -> bool:
    names = KEYS.get(node.op_type)
    if names is None or node.domain != "ai.onnx.ml":
        return False
    return any(a.name == names[0] and a.strings for a in node.attribute)


def _texts(node: Any) -> list[str]:
    wanted = KEYS[node.op_type][0]
    (found,) = [a for a in node.attribute if a.name == wanted]
    return [text.decode("utf-8") for text in found.strings]


def _renumber(node: Any, codes: Mapping[str, int]) -> None:
    import onnx

    old, new = KEYS[node.op_type]
    numbers = [codes[text] for text in _texts(node)]
    kept = [a for a in node.attribute if a.name not in (old, new)]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(new, numbers)])
