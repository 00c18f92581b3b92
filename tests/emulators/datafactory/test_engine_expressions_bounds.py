"""Whatever is written, evaluation ends: in a value or in an ExpressionError."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.datafactory.engine.expressions import (
    Call,
    ExpressionError,
    Literal,
    Node,
    Scope,
    Selection,
    Step,
    evaluate,
    parse,
)
from emulators.datafactory.engine.expressions.functions import FUNCTIONS
from tests.emulators.datafactory.expressing import SCOPE, kind, value

PIECES = [
    "@", "@@", "@{", "}", "(", ")", "[", "]", ",", ".", "?", "'", "''", " ", "\n", "1", "-1", "1.5",
    "true", "null", "concat", "length", "pipeline()", "parameters", "json", "x", "é", "\ud83d", "$",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=40)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["2024-02-29T10:00:00Z", "UTC", "Day", "yyyy", "/a/b", "<a/>", "YQ==", "{"])
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "$content-type", "$content", "B"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def ends(text: Any, scope: Scope = SCOPE) -> None:
    with contextlib.suppress(ExpressionError):
        evaluate(text, scope, lenient=True)


@given(texts)
def test_any_text(text: str) -> None:
    ends(text)
    ends(f"@{text}")
    ends(f"@{{{text}}}")


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(anything, max_size=5))
@settings(max_examples=1000, deadline=None)
def test_any_function_with_any_arguments(name: str, arguments: list[Any]) -> None:
    given = {f"p{at}": argument for at, argument in enumerate(arguments)}
    called = ", ".join(f"pipeline().parameters.{name}" for name in given)
    ends(f"@{name}({called})", Scope(parameters=given))


@given(anything, st.lists(st.sampled_from([".a", "?.a", "[0]", "?[1]", "['B']", "[true]"])))
def test_any_selection(value: Any, steps: list[str]) -> None:
    ends(f"@pipeline().parameters.p{''.join(steps)}", Scope(parameters={"p": value}))


names = st.sampled_from(["concat", "add", "if", "createArray", "pipeline", "item", "nosuch"])
literals = st.builds(
    Literal,
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=6),
)
nodes = st.recursive(
    literals,
    lambda inner: st.builds(
        lambda call, steps: Selection(call, tuple(steps)) if steps else call,
        st.builds(lambda name, arguments: Call(name, tuple(arguments)), names, st.lists(inner)),
        st.lists(st.builds(Step, inner, st.booleans()), max_size=3),
    ),
    max_leaves=12,
)


def written(node: Node) -> str:
    """The source of a tree."""
    if isinstance(node, Literal):
        if isinstance(node.value, str):
            quoted = node.value.replace("'", "''")
            return f"'{quoted}'"
        return "null" if node.value is None else str(node.value)
    if isinstance(node, Call):
        return f"{node.name}( {', '.join(map(written, node.arguments))})"
    assert isinstance(node, Selection)
    steps = (f"{'?' * step.optional}[{written(step.key)}]" for step in node.steps)
    return written(node.base) + "".join(steps)


def without_places(node: Node) -> Node:
    if isinstance(node, Call):
        return Call(node.name, tuple(map(without_places, node.arguments)))
    if isinstance(node, Selection):
        steps = tuple(Step(without_places(step.key), step.optional) for step in node.steps)
        base = without_places(node.base)
        assert isinstance(base, Call)
        return Selection(base, steps)
    return node


@given(nodes)
@settings(deadline=None)
def test_any_tree_is_read_as_it_is_written_and_ends(node: Node) -> None:
    text = f"@ {written(node)}"
    assert without_places(parse(text)) == node
    ends(text)


@given(st.text(max_size=30))
@settings(deadline=None)
def test_any_json_xml_xpath_date_and_format(text: str) -> None:
    scope = Scope(parameters={"t": text})
    for call in (
        "json({})", "xml({})", "xpath(xml('<a b=\"1\">t<c/></a>'), {})", "ticks({})",
        "formatDateTime('2024-02-29', {})", "dataUriToString({})", "formatNumber(1234.5, {})",
        "greater({}, 'm')", "int({})", "base64ToString({})", "convertFromUtc('2024-01-01Z', {})",
    ):  # fmt: skip
        ends("@" + call.format("pipeline().parameters.t"), scope)


@given(anything)
def test_json_comes_back_as_it_went(value: Any) -> None:
    def plain(one: Any) -> bool:
        if isinstance(one, dict):
            return "$content" not in one and all(map(plain, one.values()))
        if isinstance(one, list):
            return all(map(plain, one))
        return not isinstance(one, float) or one - one == 0

    held = [value]
    if not plain(held):
        return
    text = evaluate("@string(pipeline().parameters.p)", Scope(parameters={"p": held}))
    assert evaluate("@json(pipeline().parameters.t)", Scope(parameters={"t": text})) == held


def test_deep_nesting_is_refused_not_crashed_on() -> None:
    assert value(f"@{'not(' * 100}true{')' * 100}") is True
    assert kind(f"@{'not(' * 2000}true{')' * 2000}") == "syntax"
    assert kind(f"@{'pipeline()[' * 700}1{']' * 700}") == "syntax"
    assert kind(f"@json('{'[' * 4000}')") == "argument_value"
    assert kind(f"@json('{'[' * 2000}{']' * 2000}')") == "argument_value"
    assert kind(f"@xml('{'<a>' * 500}{'</a>' * 500}')") == "argument_value"
    assert kind(f"@xpath(xml('<a/>'), '{'(' * 500}1{')' * 500}')") == "argument_value"
    deep: Any = 1
    for _ in range(3000):
        deep = [deep]
    for call in ("string({})", "{}", "equals({}, {})", "union({}, {})", "contains({}, {})"):
        text = "@" + call.replace("{}", "pipeline().parameters.d")
        assert kind(text, Scope(parameters={"d": deep})) == "too_large"


def test_an_expression_has_at_most_8192_characters() -> None:
    assert value("@concat('" + "x" * 8182 + "')") == "x" * 8182
    assert kind("@concat('" + "x" * 8183 + "')") == "syntax"
    assert value("x" * 10_000 + "@{1}") == "x" * 10_000 + "1"


def test_results_are_bounded() -> None:
    began = time.perf_counter()
    grown = "'aaaaaaaaaaaaaaaa'"
    for _ in range(12):
        grown = f"replace({grown}, 'a', 'aaaaaaaaaaaaaaaa')"
    ranges = ",".join(["range(0,100000)"] * 400)
    for text in (
        f"@{grown}",
        f"@createArray({ranges})",
        f"@string(createArray({ranges}))",
        f"@join(range(0,100000), '{'x' * 4000}')",
        "@uriComponent(uriComponent(uriComponent(join(range(0,100000), '%%%%%%%%%%%%%%%%%%'))))",
        f"@{{join(range(0,100000), '{'x' * 60}')}}" * 6,
    ):
        assert kind(text) == "too_large", text[:60]
    assert time.perf_counter() - began < 20


def test_the_budget_is_each_strings_own() -> None:
    for _ in range(3):
        assert value(["@length(range(0,100000))"] * 100) == [100_000] * 100


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "xxxxxxxx"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
    assert kind(f"@xml('{bomb}')") == "argument_value"
