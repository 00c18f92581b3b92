"""XML to JSON and back, as Newtonsoft's converter does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from emulators.datafactory.engine.expressions.values import float_text, is_array, is_object
from emulators.datafactory.engine.expressions.xmls.dom import BadXml, Node

_ENCODED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NAME_START = re.compile(r"[^\W\d]|:")
_NAME_REST = re.compile(r"[\w:.·-]")


def json_of_xml(node: Node) -> Any:
    """The JSON of a document or an element."""
    if node.kind == "element" and not node.attributes:
        if not node.children:
            return None if node.closed else ""
        if len(node.children) == 1 and node.children[0].kind == "text":
            return node.children[0].value
    made: dict[str, Any] = {f"@{_decoded(one.name)}": one.value for one in node.attributes}
    if node.kind == "declaration":
        return made
    groups: dict[str, list[Any]] = {}
    for child in node.children:
        if name := _json_name(child):
            value = json_of_xml(child) if child.kind in ("element", "declaration") else child.value
            groups.setdefault(name, []).append(value)
    if sum(child.kind == "comment" for child in node.children) > 1:
        groups["#comment"] = [[]]  # Newtonsoft begins an array for them and leaves it empty
    for name, values in groups.items():
        made[name] = values[0] if len(values) == 1 else values
    return made


def _json_name(node: Node) -> str:
    if node.kind == "element":
        return _decoded(node.name)
    if node.kind == "pi":
        return f"?{node.name}"
    return {"text": "#text", "cdata": "#cdata-section", "declaration": "?xml"}.get(node.kind, "")


def _decoded(name: str) -> str:
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), name)


def xml_of_json(value: Mapping[str, Any]) -> Node:
    """The document of a JSON object with one property, its root.

    Raises:
        BadXml: it has several roots, or something that has no place in XML.
    """
    document = Node("document")
    for name, content in value.items():
        if name == "?xml" and is_object(content):
            declaration = document.add(Node("declaration"))
            for key, part in content.items():
                declaration.add(Node("attribute", key.lstrip("@"), _scalar(part)))
        elif name.startswith(("@", "#")):
            raise BadXml(f"The root object must not have the property '{name}'.")
        else:
            _add(document, name, content)
    if sum(child.kind == "element" for child in document.children) > 1:
        raise BadXml("The root object must have a single property.")
    return document


def _add(parent: Node, name: str, value: Any) -> None:
    if name == "#text":
        for part in value if is_array(value) else [value]:
            parent.add(Node("text", "", _scalar(part)))
    elif name == "#cdata-section":
        parent.add(Node("cdata", "", _scalar(value)))
    elif name.startswith("?") and len(name) > 1:
        parent.add(Node("pi", name[1:], _scalar(value)))
    elif name.startswith("@") and len(name) > 1:
        parent.add(Node("attribute", _encoded(name[1:]), _scalar(value)))
    elif is_array(value):
        for part in value:
            if is_array(part):
                _add(_element(parent, name), name, part)
            else:
                _add(parent, name, part)
    else:
        _fill(_element(parent, name), value)


def _element(parent: Node, name: str) -> Node:
    return parent.add(Node("element", _encoded(name)))


def _fill(element: Node, value: Any) -> None:
    if is_object(value):
        # Attributes first: they declare the prefixes that the element itself may use.
        for name in sorted(value, key=lambda key: not key.startswith("@")):
            _add(element, name, value[name])
        element.closed = not element.children
    elif value is None:
        element.closed = True
    elif text := _scalar(value):
        element.add(Node("text", "", text))
    prefix, _, local = element.name.rpartition(":")
    if prefix and element.namespace_of(prefix) is None:
        element.name = local


def _scalar(value: Any) -> str:
    if is_object(value) or is_array(value):
        raise BadXml("An object or an array cannot be the text of a node.")
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return float_text(value) if isinstance(value, float) else str(value)


def _encoded(name: str) -> str:
    made = ""
    for index, character in enumerate(name):
        allowed = _NAME_REST if index else _NAME_START
        made += character if allowed.match(character) else f"_x{ord(character):04X}_"
    return made
