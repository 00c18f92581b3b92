"""Which strings are expressions, their grammar, selecting, and what a scope gives."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from emulators.datafactory.engine.expressions import (
    UNSET,
    ExpressionError,
    References,
    Scope,
    evaluate,
    parse,
    references,
)
from tests.emulators.datafactory.expressing import SCOPE, alike, kind, outcome, value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("@", "@"),
        ("@ ", "!syntax"),
        ("plain @concat('a')", "plain @concat('a')"),
        (" @concat('a')", " @concat('a')"),
        ("a@b.com", "a@b.com"),
        ("@@x", "@x"),
        ("@@@x", "@@x"),
        ("@@{1}", "@{1}"),
        ("x @@{1}", "x @{1}"),
        ("x@@@{1}", "x@@{1}"),
        ("a@@b @{1}", "a@@b 1"),
        ("@{42}", "42"),
        ("@{42}x", "42x"),
        ("@{1}@{2}", "12"),
        ("@{'}'}", "}"),
        ("@{'it''s'}", "it's"),
        ("@{null}", ""),
        ("@{true}", "True"),
        ("@{pipeline().parameters.arr}", "[1,2,3]"),
        ("@{}", "!syntax"),
        ("@{ }", "!syntax"),
        ("a @{1", "!syntax"),
        ("@{'a}", "!syntax"),
        ("@{@{1}}", "!syntax"),
        ("@ {1}", "!syntax"),
        ("@concat('@{1}')", "@{1}"),
        ("@\n concat\t( 'a' ,\n 'b' ) ", "ab"),
    ],
)
def test_which_strings_are_expressions(text: str, expected: Any) -> None:
    assert alike(outcome(text), expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@1", 1),
        ("@-1", -1),
        ("@+1", 1),
        ("@00012", 12),
        ("@1.", 1.0),
        ("@-.5", -0.5),
        ("@.5", "!syntax"),
        ("@1e3", 1000.0),
        ("@1.5e", "!syntax"),
        ("@0x10", "!syntax"),
        ("@9223372036854775807", 9223372036854775807),
        ("@9223372036854775808", "!syntax"),
        ("@True", True),
        ("@NULL", None),
        ("@true()", "!syntax"),
        ("@'it''s'", "it's"),
        ("@'a' 'b'", "!syntax"),
        ("@'abc'.x", "!syntax"),
        ('@"a"', "!syntax"),
        ("@[1]", "!syntax"),
        ("@(1)", "!syntax"),
        ("@1+1", "!syntax"),
        ("@concat", "!syntax"),
        ("@concat(", "!syntax"),
        ("@concat('a',)", "!syntax"),
        ("@concat(,'a')", "!syntax"),
        ("@concat('a' 'b')", "!syntax"),
        ("@concat('a') x", "!syntax"),
        ("@CONCAT('a')", "a"),
        ("@nosuch(1)", "!unknown_function"),
        ("@nosuch(div(1,0))", "!divide_by_zero"),
        ("@reverse(createArray(1))", "!unknown_function"),
    ],
)
def test_the_grammar(text: str, expected: Any) -> None:
    assert alike(outcome(text), expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@pipeline().parameters.S", "foo"),
        ("@pipeline() ? . parameters ['s']", "foo"),
        ("@pipeline().parameters.o['my key']", "mk"),
        ("@pipeline().parameters.o[concat('My',' ','Key')]", "mk"),
        ("@pipeline().parameters.o.x.y[0]", 10),
        ("@pipeline().parameters.o.x.y[1]", "!index_out_of_range"),
        ("@pipeline().parameters.o.x.y[-1]", "!index_out_of_range"),
        ("@pipeline().parameters.o.x.y?[9]", None),
        ("@pipeline().parameters.none", "!missing_property"),
        ("@pipeline().parameters?.none", None),
        ("@pipeline().parameters?.none.x", "!bad_selection"),
        ("@pipeline().parameters.n.x", "!bad_selection"),
        ("@pipeline().parameters.n?.x", None),
        ("@pipeline().parameters.n?.x.y[3]", None),
        ("@pipeline().parameters.s.x", "!bad_selection"),
        ("@pipeline().parameters.s?.x", "!bad_selection"),
        ("@pipeline().parameters.s[0]", "!bad_selection"),
        ("@pipeline().parameters.arr['0']", "!bad_selection"),
        ("@pipeline().parameters.arr[1.0]", "!bad_selection"),
        ("@pipeline().parameters.arr.length", "!bad_selection"),
        ("@pipeline().parameters.o[1]", "!bad_selection"),
        ("@pipeline().parameters.odd-name", "!syntax"),
        ("@pipeline().parameters.1st", "!syntax"),
        ("@concat('a').b", "!bad_selection"),
        ("@createArray('a')[0]", "a"),
        ("@pipeline().RunId", "run-1"),
        ("@pipeline().triggertype", "Manual"),
        ("@pipeline().globalParameters.ENV", "dev"),
        ("@pipeline('x')", "!argument_count"),
        ("@variables('V')", "vv"),
        ("@variables(concat('li','st'))[1]", "q"),
        ("@variables('none')", "!unknown_variable"),
        ("@activity('web').Output.ID", 1),
        ("@activity('None')?.output", "!unknown_activity"),
        ("@activity('Web').error?.message", None),
        ("@activity('Web').error.message", "!bad_selection"),
        ("@item().name", "n7"),
        ("@dataset().x", "!unknown_function"),
        ("@trigger().x", "!unknown_function"),
    ],
)
def test_selecting(text: str, expected: Any) -> None:
    assert alike(outcome(text), expected)


def test_an_exact_name_comes_before_one_in_another_case() -> None:
    scope = Scope(parameters={"A": 1, "a": 2})
    assert value("@pipeline().parameters.a", scope) == 2
    assert value("@pipeline().parameters.A", scope) == 1


@pytest.mark.parametrize("falsy", [0, False, "", [], None, 0.0])
def test_a_falsy_item_is_an_item(falsy: Any) -> None:
    assert alike(value("@item()", SCOPE.with_(item=falsy)), falsy)


def test_no_item_outside_a_loop() -> None:
    assert kind("@item()", SCOPE.with_(item=UNSET)) == "item_unavailable"


def test_resources_of_their_own_place() -> None:
    scope = Scope(dataset={"path": "in"}, linked_service={"host": "h"})
    assert value("@{linkedService().host}/@{dataset().path}", scope) == "h/in"


def test_triggers_have_outputs_and_a_body() -> None:
    outputs = {"windowStartTime": "t", "body": {"fileName": "a.csv"}}
    scope = Scope(trigger={"scheduledTime": "s", "outputs": outputs})
    assert value("@trigger().scheduledTime", scope) == "s"
    assert value("@trigger().outputs.windowStartTime", scope) == "t"
    assert value("@triggerBody().fileName", scope) == "a.csv"
    assert kind("@triggerBody().nope", scope) == "missing_property"


def test_values_are_walked_and_wrappers_opened() -> None:
    given = {
        "a": ["@add(1,2)", {"b": "x@{1}"}],
        "c": {"value": "@pipeline().parameters.arr", "type": "Expression"},
        "d": {"content": "@add(1,1)", "type": "Expression"},
        "e": {"type": "SecureString", "value": "@kept"},
        "f": 5,
    }
    assert value(given) == {
        "a": [3, {"b": "x1"}],
        "c": [1, 2, 3],
        "d": 2,
        "e": {"type": "SecureString", "value": "@kept"},
        "f": 5,
    }


def test_what_comes_out_is_not_evaluated_again() -> None:
    scope = Scope(parameters={"p": "@concat('a')", "q": "@@x"})
    assert value("@pipeline().parameters.p", scope) == "@concat('a')"
    assert value("@{pipeline().parameters.q}", scope) == "@@x"


def test_results_share_nothing_with_the_scope() -> None:
    held = {"list": [1]}
    got = value("@variables('list')", Scope(variables=MappingProxyType(held)))
    got.append(2)
    assert held == {"list": [1]}


def test_conditions_are_lazy_and_take_booleans_only() -> None:
    assert value("@if(true, 1, nosuch())") == 1
    assert value("@and(false, div(1,0))") is False
    assert value("@or(true, div(1,0))") is True
    assert value("@coalesce(1, div(1,0))") == 1
    assert kind("@if('true', 1, 2)") == "argument_type"
    assert kind("@and(true, 'true')") == "argument_type"
    assert kind("@if(true, 1)") == "argument_count"


def test_syntax_errors_say_where() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("@concat('a',\n  'b' 'c')")
    error = caught.value
    assert (error.kind, error.line, error.column) == ("syntax", 2, 7)
    assert "expected token 'RightParenthesis' and actual 'Literal'" in error.message


def test_a_place_in_a_template_counts_from_the_whole_string() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("text @{concat(}")
    assert caught.value.position == len("text @{concat(")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "@pipeline().parameters.zz",
            "property 'zz' doesn't exist, available properties are 's, n, arr, o'",
        ),
        ("@pipeline().parameters.arr[5]", "array index '5' is outside bounds (0, 2) of array"),
        ("@json('[]')[0]", "array index '0' cannot be selected from empty array"),
        ("@nosuch()", "The template function 'nosuch' is not defined or not valid."),
        ("@variables('zz')", "the template variable 'zz' cannot be found."),
        ("@activity('zz')", "the template action 'zz' is not defined at current scope."),
        ("@length(1)", "The provided value is of type 'Integer'."),
        ("@div(1,0)", "Attempt to divide an integral or decimal value by zero in function 'div'."),
    ],
)
def test_errors_in_the_words_of_azure(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        value(text)
    assert words in caught.value.message


def test_references_for_checks_before_a_run() -> None:
    given = {
        "url": "https://h/@{activity('Get')?.output.id}",
        "items": ["@union(variables('a'), pipeline().parameters.p)", "plain"],
        "x": "@pipeline()['globalParameters'].g",
        "y": "@activity(concat('computed')).output",
    }
    assert references(given) == References(
        activities=("Get",),
        variables=("a",),
        parameters=("p",),
        global_parameters=("g",),
        functions=("activity", "union", "variables", "pipeline", "concat"),
    )


def test_a_library_needs_no_scope_members() -> None:
    assert evaluate("@concat('a', 1)", Scope()) == "a1"
    assert len(evaluate("@utcNow()", Scope())) == 28
    assert len(evaluate("@guid()", Scope())) == 36
    assert 1 <= evaluate("@rand(1, 5)", Scope()) < 5
