"""A document tree that keeps what .NET's XmlDocument keeps, and writes itself the way it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

XML_MEDIA = "application/xml"
XML_CONTENT_TYPE = "application/xml;charset=utf-8"
_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
_DEEPEST = 128


class BadXml(ValueError):
    """A text that is not a well-formed document, or one with a document type."""


@dataclass(slots=True, eq=False)
class Node:
    """A node; `kind` is document, declaration, element, attribute, text, cdata, comment or pi.

    `closed` marks an element written as `<a/>`, which is another JSON than `<a></a>`.
    """

    kind: str
    name: str = ""
    value: str = ""
    parent: Node | None = None
    attributes: list[Node] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    closed: bool = False
    order: int = 0

    def add(self, child: Node) -> Node:
        child.parent = self
        (self.attributes if child.kind == "attribute" else self.children).append(child)
        return child

    def namespace_of(self, prefix: str) -> str | None:
        """The namespace that a prefix means here; None when it is not declared."""
        if prefix == "xml":
            return _XML_NAMESPACE
        wanted = f"xmlns:{prefix}" if prefix else "xmlns"
        at: Node | None = self
        while at is not None:
            for attribute in at.attributes:
                if attribute.name == wanted:
                    return attribute.value
            at = at.parent
        return None if prefix else ""


def is_declaration(attribute: Node) -> bool:
    """Whether an attribute declares a namespace."""
    return attribute.name == "xmlns" or attribute.name.startswith("xmlns:")


def parse_xml(text: str, *, cdata: bool = True) -> Node:
    """The tree of a document; without `cdata` its sections are text, as in XPath's model.

    Raises:
        BadXml: not well formed, or it has a document type.
    """
    try:
        return _Builder(text.strip("\ufeff \t\r\n"), cdata).document
    except (expat.ExpatError, UnicodeEncodeError, ValueError) as error:
        raise BadXml(f"The value cannot be converted to XML: {error}.") from None


class _Builder:
    def __init__(self, text: str, cdata: bool) -> None:
        self.cdata = cdata
        self.document = self.open = Node("document")
        self.data = text.encode()
        self.depth = 0
        self.in_cdata = False
        parser = self.parser = expat.ParserCreate("utf-8")
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.XmlDeclHandler = self.declaration
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text
        parser.StartCdataSectionHandler = self.start_cdata
        parser.EndCdataSectionHandler = self.end_cdata
        parser.CommentHandler = lambda data: self.leaf("comment", "", data)
        parser.ProcessingInstructionHandler = lambda name, data: self.leaf("pi", name, data)
        parser.StartDoctypeDeclHandler = self.doctype
        parser.Parse(self.data, True)

    def leaf(self, kind: str, name: str, data: str) -> None:
        self.open.add(Node(kind, name, data))

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        parts = [("version", version), ("encoding", encoding)]
        parts.append(("standalone", {1: "yes", 0: "no"}.get(standalone)))
        made = self.open.add(Node("declaration"))
        for name, value in parts:
            if value:
                made.add(Node("attribute", name, value))

    def doctype(self, *_parts: Any) -> None:
        raise BadXml("a document type is not read here")

    def start(self, name: str, attributes: list[str]) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise BadXml(f"it nests deeper than {_DEEPEST} levels")
        self.open = self.open.add(Node("element", name))
        for at in range(0, len(attributes), 2):
            self.open.add(Node("attribute", attributes[at], attributes[at + 1]))
        for named in (self.open, *self.open.attributes):
            prefix = named.name.rpartition(":")[0]
            if prefix and prefix != "xmlns" and self.open.namespace_of(prefix) is None:
                raise BadXml(f"'{prefix}' is an undeclared prefix")

    def end(self, _name: str) -> None:
        # Of an element that closes itself, what ends here is its only tag.
        at = self.parser.CurrentByteIndex
        self.open.closed = not self.open.children and self.data[at - 2 : at] == b"/>"
        if not self.keeps_blanks():
            kept = [child for child in self.open.children if not _is_blank(child)]
            self.open.children[:] = kept
        if not self.cdata:
            self.open.children[:] = _merged(self.open.children)
        self.depth -= 1
        self.open = self.open.parent or self.document

    def keeps_blanks(self) -> bool:
        at: Node | None = self.open
        while at is not None:
            for attribute in at.attributes:
                if attribute.name == "xml:space":
                    return attribute.value == "preserve"
            at = at.parent
        return False

    def text(self, data: str) -> None:
        if self.open.kind == "document":
            return
        kind = "cdata" if self.in_cdata else "text"
        last = self.open.children[-1] if self.open.children else None
        if last is not None and last.kind == kind and not last.closed:
            last.value += data
        else:
            self.leaf(kind, "", data)

    def start_cdata(self) -> None:
        self.in_cdata = True
        self.leaf("cdata", "", "")

    def end_cdata(self) -> None:
        self.in_cdata = False
        self.open.children[-1].closed = True


def _merged(children: list[Node]) -> list[Node]:
    merged: list[Node] = []
    for child in children:
        if child.kind in ("text", "cdata"):
            child.kind = "text"
            if merged and merged[-1].kind == "text":
                merged[-1].value += child.value
                continue
        merged.append(child)
    return merged


def _is_blank(node: Node) -> bool:
    return node.kind == "text" and not node.value.strip(" \t\r\n")


def write_xml(node: Node, *, indent: bool = False) -> str:
    """The text of a node and what is in it; namespaces from further out are declared on it."""
    pieces: list[str] = []
    if node.kind == "document":
        for child in node.children:
            if not (indent and child.kind == "declaration"):
                if indent and pieces:
                    pieces.append("\n")
                _write(child, pieces, 0 if indent else None)
    else:
        _write(node, pieces, 0 if indent else None, own=True)
    return "".join(pieces)


def _write(node: Node, pieces: list[str], level: int | None, *, own: bool = False) -> None:
    if node.kind == "element":
        _write_element(node, pieces, level, own=own)
    elif node.kind == "text":
        pieces.append(_escaped(node.value))
    elif node.kind == "cdata":
        pieces.append(f"<![CDATA[{node.value}]]>")
    elif node.kind == "comment":
        pieces.append(f"<!--{node.value}-->")
    elif node.kind == "pi":
        pieces.append(f"<?{node.name} {node.value}?>" if node.value else f"<?{node.name}?>")
    elif node.kind == "declaration":
        pieces.append(f"<?xml{''.join(_attribute(one) for one in node.attributes)}?>")
    elif node.kind == "attribute":
        pieces.append(f'{node.name}="{node.value}"')


def _write_element(node: Node, pieces: list[str], level: int | None, *, own: bool) -> None:
    pieces.append(f"<{node.name}")
    if own:
        pieces.extend(_attribute(one) for one in _inherited(node))
    pieces.extend(_attribute(one) for one in node.attributes)
    if not node.children:
        pieces.append(" />" if node.closed else f"></{node.name}>")
        return
    pieces.append(">")
    for child in node.children:
        if child.kind in ("text", "cdata"):
            level = None  # text within: from here on nothing is indented
        elif level is not None:
            pieces.append("\n" + "  " * (level + 1))
        _write(child, pieces, None if level is None else level + 1)
    if level is not None:
        pieces.append("\n" + "  " * level)
    pieces.append(f"</{node.name}>")


def _inherited(node: Node) -> Iterator[Node]:
    """Declarations of the prefixes that a node and its descendants use and do not declare."""
    if node.parent is None:
        return
    declared = {one.name for one in node.attributes if is_declaration(one)}
    for prefix in dict.fromkeys(_prefixes(node)):
        name = f"xmlns:{prefix}" if prefix else "xmlns"
        uri = node.parent.namespace_of(prefix)
        if name not in declared and uri and prefix != "xml":
            yield Node("attribute", name, uri)


def _prefixes(node: Node) -> Iterator[str]:
    yield node.name.rpartition(":")[0]
    for attribute in node.attributes:
        prefix = attribute.name.rpartition(":")[0]
        if prefix and prefix != "xmlns":
            yield prefix


def _attribute(node: Node) -> str:
    value = _escaped(node.value).replace('"', "&quot;")
    value = value.replace("\n", "&#xA;").replace("\r", "&#xD;")
    return f' {node.name}="{value}"'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text_of(node: Node) -> str:
    """The string value of a node, as XPath defines it."""
    if node.kind in ("element", "document"):
        return "".join(
            text_of(child) for child in node.children if child.kind in ("element", "text", "cdata")
        )
    return node.value
