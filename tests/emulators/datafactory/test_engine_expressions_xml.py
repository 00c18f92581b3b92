"""XML values: what is kept, how they read as text and JSON, and XPath over them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from emulators.datafactory.engine.expressions import Scope
from tests.emulators.datafactory.expressing import alike, outcome, value


def of_xml(call: str, xml: str, path: str = "") -> Any:
    scope = Scope(parameters={"x": xml, "p": path})
    call = call.replace("X", "xml(pipeline().parameters.x)").replace("P", "pipeline().parameters.p")
    return outcome(call, scope)


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<a/>", "<a />"),
        ("<a></a>", "<a></a>"),
        (" <a> <b/> </a> ", "<a><b /></a>"),
        ("<a>  x  </a>", "<a>  x  </a>"),
        ('<a xml:space="preserve"> </a>', '<a xml:space="preserve"> </a>'),
        (
            "<?xml version='1.0' encoding='utf-8'?><a/>",
            '<?xml version="1.0" encoding="utf-8"?><a />',
        ),
        ("<a b='1' c='&quot;&#10;'/>", '<a b="1" c="&quot;&#xA;" />'),
        ("<a>&lt;&amp;&apos;é</a>", "<a>&lt;&amp;'é</a>"),
        ("<a><![CDATA[x<y]]><!--c--><?p d?></a>", "<a><![CDATA[x<y]]><!--c--><?p d?></a>"),
        ('<p:a xmlns:p="u"><p:b/></p:a>', '<p:a xmlns:p="u"><p:b /></p:a>'),
        ("", "!argument_value"),
        ("text", "!argument_value"),
        ("<a>", "!argument_value"),
        ("<a/><b/>", "!argument_value"),
        ("<p:a/>", "!argument_value"),
        ('<a b="1" b="2"/>', "!argument_value"),
        ("<!DOCTYPE a><a/>", "!argument_value"),
    ],
)
def test_text(xml: str, text: str) -> None:
    assert of_xml("@string(X)", xml) == text


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<a/>", {"a": None}),
        ("<a></a>", {"a": ""}),
        ("<a>1</a>", {"a": "1"}),
        ("<a x='1'>t</a>", {"a": {"@x": "1", "#text": "t"}}),
        ("<a>t<b>1</b>u</a>", {"a": {"#text": ["t", "u"], "b": "1"}}),
        ("<a><b>1</b><c/><b>2</b></a>", {"a": {"b": ["1", "2"], "c": None}}),
        ("<a><![CDATA[x]]></a>", {"a": {"#cdata-section": "x"}}),
        ("<?xml version='1.0'?><a/>", {"?xml": {"@version": "1.0"}, "a": None}),
        ("<_x0020_a>1</_x0020_a>", {" a": "1"}),
    ],
)
def test_json(xml: str, expected: Any) -> None:
    assert alike(of_xml("@json(X)", xml), expected)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"a": {"@i": "1", "b": [1, None, True], "c": "<"}},
            '<a i="1"><b>1</b><b /><b>true</b><c>&lt;</c></a>',
        ),
        ({"a": {"#text": "t", "#cdata-section": "c"}}, "<a>t<![CDATA[c]]></a>"),
        ({"a b": 1.0}, "<a_x0020_b>1</a_x0020_b>"),
        ({"a": ""}, "<a></a>"),
        ({"a": {}}, "<a />"),
        ({"a": {"@xmlns:p": "u", "p:b": 1}}, '<a xmlns:p="u"><p:b>1</p:b></a>'),
        ({"a": {"b": [[1], [2]]}}, "<a><b><b>1</b></b><b><b>2</b></b></a>"),
        ({}, ""),
        ({"a": 1, "b": 2}, "!argument_value"),
        ({"a": [1, 2]}, "!argument_value"),
        ({"@a": 1}, "!argument_value"),
        ({"a": {"@b": {"c": 1}}}, "!argument_value"),
    ],
)
def test_from_json(given: Any, text: str) -> None:
    scope = Scope(parameters={"j": given})
    assert outcome("@string(xml(pipeline().parameters.j))", scope) == text


BOOKS = (
    '<s><b i="1" g="x"><t>One</t><p>10</p></b><b i="2"><t>Two</t><p>2.5</p></b>'
    '<c><b i="3"><t>Three</t></b></c></s>'
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sum(/s/b/p)", 12.5),
        ("count(//b)", 3.0),
        ("string(/s/b[2]/t)", "Two"),
        ("//t/text()", ["One", "Two", "Three"]),
        ("/s/b/@i", ['i="1"', 'i="2"']),
        ("//b[@g]/t/text()", ["One"]),
        ("//b[t='Two']/@i", ['i="2"']),
        ("//b[p>5]/@i", ['i="1"']),
        ("//b[last()]/@i", ['i="2"', 'i="3"']),
        ("(//b)[last()]/@i", ['i="3"']),
        ("//b[position()<2]/@i", ['i="1"', 'i="3"']),
        ("/s/*[2]/@i", ['i="2"']),
        ("/s/b[1]/following-sibling::*/@i", ['i="2"']),
        ("//b[@i=3]/preceding::b/@i", ['i="1"', 'i="2"']),
        ("//b[@i=3]/ancestor::c//t/text()", ["Three"]),
        ("/s/b/t/text() | /s/c/b/t/text()", ["One", "Two", "Three"]),
        ("//b[not(p)]/@i", ['i="3"']),
        ("//b[starts-with(t,'T') and @i!=2]/@i", ['i="3"']),
        ("name(/*)", "s"),
        ("concat(name(//b[1]/*[1]), '-', string-length(//t[1]))", "t-3"),
        ("normalize-space('  a  b ')", "a b"),
        ("translate('abc','ab','A')", "Ac"),
        ("substring('12345', 2, 3)", "234"),
        ("substring-before('a-b','-')", "a"),
        ("1 div 4 + 2 * 3 - 5 mod 3", 4.25),
        ("-(1)", -1.0),
        ("round(-2.5)", -2.0),
        ("boolean(/s/none)", False),
        ("/s/b/p = 2.5", True),
        ("true() and not(false())", True),
        ("number('x') = number('x')", False),
        ("/s/none", []),
        ("local-name(//@i)", "i"),
        ("//b[@i='1']/t/.././@g", ['g="x"']),
        ("/s/b[", "!argument_value"),
        ("", "!argument_value"),
        ("nosuch()", "!argument_value"),
        ("count(1)", "!argument_value"),
        ("$x", "!argument_value"),
        ("p:b", "!argument_value"),
        ("/s/b/number()", "!argument_value"),
    ],
)
def test_xpath(path: str, expected: Any) -> None:
    assert alike(of_xml("@xpath(X, P)", BOOKS, path), expected)


def test_found_elements_are_xml_values_indented_unless_they_hold_text() -> None:
    (found,) = of_xml("@xpath(X, P)", "<a><b>1</b><c><d/></c></a>", "/a")
    assert found["$content-type"] == "application/xml;charset=utf-8"
    text = base64.b64decode(found["$content"]).decode()
    assert text == "<a>\n  <b>1</b>\n  <c>\n    <d />\n  </c>\n</a>"
    (found,) = of_xml("@xpath(X, P)", '<p:a xmlns:p="u">x<p:b/></p:a>', "/*/*")
    assert base64.b64decode(found["$content"]).decode() == '<p:b xmlns:p="u" />'


def test_namespaces_are_told_by_functions() -> None:
    xml = '<a xmlns="urn:x"><b/></a>'
    assert of_xml("@xpath(X, P)", xml, "/a") == []
    assert of_xml("@xpath(X, P)", xml, "count(//*[local-name()='b'])") == 1.0
    assert of_xml("@xpath(X, P)", xml, "namespace-uri(//*/*)") == "urn:x"


def test_only_xml_has_paths() -> None:
    assert outcome("@xpath('<a/>', '/a')") == "!argument_type"
    assert outcome("@xpath(binary('<a/>'), '/a')") == "!argument_type"
    assert outcome("@xpath(xml('<a/>'), 1)") == "!argument_type"
    assert outcome("@xml(1)") == "!argument_type"
    assert outcome("@xml(null)") == "!argument_type"


def test_xml_is_text_where_text_is_wanted() -> None:
    assert value("@concat(xml('<a/>'), '!')") == "<a />!"
    assert json.loads(value("@string(createArray(xml('<a/>')))"))[0]["$content"] == "PGEgLz4="
