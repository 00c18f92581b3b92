"""Expressions in brackets: read, written again, and garbage that is only ever refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.arm.engine.templates import syntax
from emulators.arm.engine.templates.syntax import Call, Index, Literal, Member, Node
from emulators.arm.errors import ExpressionInvalid

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
LITERALS = st.builds(
    Literal, st.one_of(st.text(max_size=12), st.integers(-(2**63), 2**63 - 1))
)  # fmt: skip


def deeper(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    dotted = st.builds("{}.{}".format, NAMES, NAMES)
    return st.one_of(
        st.builds(Call, st.one_of(NAMES, dotted), st.lists(inner, max_size=3).map(tuple)),
        st.builds(Member, inner, NAMES, st.booleans()),
        st.builds(Index, inner, inner, st.booleans()),
    )


NODES: st.SearchStrategy[Node] = st.recursive(LITERALS, deeper, max_leaves=20)


@settings(deadline=None)
@given(NODES)
def test_what_is_written_is_read_again(node: Node) -> None:
    assert syntax.parse(f"[{syntax.show(node)}]") == node


@settings(deadline=None)
@given(NODES, st.integers(0, 200), st.text(max_size=3))
def test_a_change_anywhere_is_read_or_refused(node: Node, at: int, change: str) -> None:
    text = syntax.show(node)
    at = min(at, len(text))
    with contextlib.suppress(ExpressionInvalid):
        syntax.parse(f"[{text[:at]}{change}{text[at + 1 :]}]")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_garbage_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ExpressionInvalid):
        syntax.parse(f"[{text}]")


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("[concat('a')]", True),
        ("[[concat('a')]", False),
        ("[test] value", False),
        ("plain", False),
        ("[", False),
        ("", False),
    ],
)
def test_which_strings_are_expressions(text: str, expression: bool) -> None:
    assert syntax.is_expression(text) == expression


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[[test value]", "[test value]"),
        ("[test] value", "[test] value"),
        ("[[test] value", "[[test] value"),
        ("@pipeline().parameters.x", "@pipeline().parameters.x"),
    ],
)
def test_an_escaped_bracket_is_a_bracket(text: str, meant: str) -> None:
    assert syntax.literal_of(text) == meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[concat('a']", "expected token 'RightParenthesis' and actual 'EndOfData'"),
        ("[concat('a',)]", "expected token 'Identifier' and actual 'RightParenthesis'"),
        ("[concat]", "expected token 'LeftParenthesis' and actual 'EndOfData'"),
        ("[concat('a') concat('b')]", "expected token 'EndOfData' and actual 'Identifier'"),
        ("[]", "expected token 'Identifier' and actual 'EndOfData'"),
        ("['a]", "character ''' at position '0'"),
        ("[a()[0)]", "expected token 'RightSquareBracket'"),
        ("[add(1, 99999999999999999999)]", "does not fit in 64 bits"),
        ("[" + "not(" * 500 + "true()" + ")" * 500 + "]", "levels of nesting"),
        ("[a()" + ".b" * 500 + "]", "properties of properties"),
        ("[concat('" + "a" * 25_000 + "')]", "the limit is '24576'"),
    ],
)
def test_what_cannot_be_read(text: str, why: str) -> None:
    with pytest.raises(ExpressionInvalid) as refused:
        syntax.parse(text)
    assert why in refused.value.message


def test_space_between_words_means_nothing() -> None:
    spaced = "[ concat (\n 'a' ,\t'b' ) . c [ 0 ] ]"
    assert syntax.parse(spaced) == syntax.parse("[concat('a','b').c[0]]")
