"""XML functions: values travel as `{"$content-type", "$content"}` with base64 text."""

from __future__ import annotations

from typing import Any

from emulators.datafactory.engine.expressions.calls import (
    Functions,
    text_argument,
    wrong_type,
    wrong_value,
)
from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.values import (
    CONTENT,
    CONTENT_TYPE,
    content,
    content_text,
    encoded,
    is_content,
    is_object,
    spend,
)
from emulators.datafactory.engine.expressions.xmls.bridge import xml_of_json
from emulators.datafactory.engine.expressions.xmls.dom import (
    XML_CONTENT_TYPE,
    XML_MEDIA,
    BadXml,
    Node,
    parse_xml,
    write_xml,
)
from emulators.datafactory.engine.expressions.xmls.xpath import select_xpath
from emulators.datafactory.engine.expressions.xmls.xpath_syntax import BadXPath

TABLE = Functions()


@TABLE.add("xml", 1)
def xml(value: Any) -> dict[str, Any]:
    if is_content(value):
        return {CONTENT_TYPE: XML_CONTENT_TYPE, CONTENT: value[CONTENT]}
    try:
        if type(value) is str:
            return _content(parse_xml(value))
        if is_object(value):
            return _content(xml_of_json(value))
    except BadXml as error:
        raise wrong_value("xml", str(error)) from None
    raise wrong_type("xml", 1, "a string or an object", value)


def _content(node: Node, *, indent: bool = False) -> dict[str, Any]:
    text = write_xml(node, indent=indent)
    spend(len(text))
    return content(XML_CONTENT_TYPE, encoded(text))


@TABLE.add("xpath", 2)
def xpath(value: Any, path: Any) -> Any:
    if not is_content(value) or not str(value[CONTENT_TYPE]).lower().startswith(XML_MEDIA):
        raise wrong_type("xpath", 1, "an XML object", value)
    text_argument("xpath", 2, path)
    try:
        found = select_xpath(parse_xml(content_text(value), cdata=False), path)
    except BadXml:
        raise wrong_value("xpath", "The XML cannot be parsed.") from None
    except BadXPath as error:
        raise wrong_value("xpath", f"The XPath expression is not valid: {error}") from None
    return [_member(node) for node in found] if isinstance(found, list) else found


def _member(node: Node) -> Any:
    if node.kind in ("element", "document"):
        return _content(node, indent=True)
    if node.kind in ("text", "cdata"):
        return node.value
    if node.kind == "attribute":
        return write_xml(node)
    raise ExpressionError("argument_value", f"A {node.kind} node is not a supported XPath result.")
