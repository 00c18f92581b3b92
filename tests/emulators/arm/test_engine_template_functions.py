"""What every function means: the documentation's own examples, and the edges between them."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.arm.engine.templates.evaluate import resolve, text
from emulators.arm.engine.templates.frames import (
    Frame,
    Names,
    Place,
    Surroundings,
    UserFunction,
    Wanted,
)
from emulators.arm.engine.templates.functions import REFUSED, TABLE
from emulators.arm.errors import ExpressionInvalid
from emulators.kernel.errors import ServiceError, Unsupported

VALUES: dict[str, Any] = {
    "abc": {"one": "a", "two": "b", "three": "c", "four": "d"},
    "list": ["one", "two", "three"],
    "dogs": [
        {"name": "Evie", "age": 5},
        {"name": "Casper", "age": 3},
        {"name": "Indy", "age": 2},
        {"name": "Kira", "age": 8},
    ],
    "first": {"property": {"one": "a", "three": "c1"}, "nested": [1, 2]},
    "second": {"property": {"three": "c2", "four": "d"}, "nested": [3, 4]},
    "nothing": None,
}
FACTS = {
    "resourceGroup": {"id": "/subscriptions/S/resourceGroups/G", "location": "eastus"},
    "subscription": {"subscriptionId": "S", "tenantId": "T"},
    "deployment": {"name": "d"},
}
SUBSCRIPTION = "9f2c6dc4-5d9d-4c8e-8a52-0f6f1f3a1c11"


def frame(place: Place | None = None, **more: Any) -> Frame:
    at = Surroundings(
        place or Place("S", "G"), FACTS, datetime(2019, 3, 5, 17, 53, 18, tzinfo=UTC), lambda: "new"
    )
    variables = Names("variable", VALUES, VALUES.__getitem__)
    return Frame(at, variables=variables, **more)


CASES: list[tuple[str, Any]] = [
    # strings
    ("base64('one, two, three')", "b25lLCB0d28sIHRocmVl"),
    ("base64ToString('b25lLCB0d28sIHRocmVl')", "one, two, three"),
    ("base64ToJson(base64('{''one'': ''a'', ''two'': ''b''}'))", {"one": "a", "two": "b"}),
    ("concat('prefix', '-', 1, true())", "prefix-1True"),
    ("concat(createArray('1-1'), createArray('2-1', '2-2'))", ["1-1", "2-1", "2-2"]),
    ("contains('OneTwoThree', 'e')", True),
    ("contains('OneTwoThree', 'z')", False),
    ("contains('OneTwoThree', 'one')", False),
    ("contains(variables('abc'), 'ONE')", True),
    ("contains(variables('abc'), 'a')", False),
    ("contains(variables('list'), 'three')", True),
    ("contains(variables('list'), 'Three')", False),
    ("contains(createArray(1, 2), 2)", True),
    ("dataUri('Hello')", "data:text/plain;charset=utf8;base64,SGVsbG8="),
    ("dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')", "Hello, World!"),
    ("empty('')", True),
    ("empty(json('null'))", True),
    ("empty(json('{}'))", True),
    ("empty(createArray())", True),
    ("empty('x')", False),
    ("startsWith('abcdef', 'ab')", True),
    ("startsWith('abcdef', 'A')", True),
    ("startsWith('abcdef', 'e')", False),
    ("endsWith('abcdef', 'ef')", True),
    ("endsWith('abcdef', 'F')", True),
    ("endsWith('abcdef', 'e')", False),
    ("first('One Two Three')", "O"),
    ("first(variables('list'))", "one"),
    ("last('One Two Three')", "e"),
    ("last(variables('list'))", "three"),
    ("first('')", ""),
    (
        "format('{0}, {1}. Formatted number: {2:N0}', 'Hello', 'User', 8175133)",
        "Hello, User. Formatted number: 8,175,133",
    ),
    ("format('{{{0}}}', 'x')", "{x}"),
    ("format('{0,5}|{0,-5}|{1:D4}|{1:X}|{2}', 'ab', 42, true())", "   ab|ab   |0042|2A|True"),
    ("guid('a', 'b')", "2d796349-8c7e-55ec-9624-54ece82ed031"),
    ("indexOf('test', 't')", 0),
    ("lastIndexOf('test', 't')", 3),
    ("indexOf('abcdef', 'CD')", 2),
    ("lastIndexOf('abcdef', 'AB')", 0),
    ("indexOf('abcdef', 'z')", -1),
    ("join(variables('list'), '-')", "one-two-three"),
    ("join(createArray(1, 2), ', ')", "1, 2"),
    ("length('One Two Three')", 13),
    ("length(variables('abc'))", 4),
    ("length(variables('list'))", 3),
    ("padLeft('123', 10, '0')", "0000000123"),
    ("padLeft(7, 3)", "  7"),
    ("padLeft('12345', 3)", "12345"),
    ("replace('123-123-1234', '-', '')", "1231231234"),
    ("replace('123-123-1234', '1234', 'xxxx')", "123-123-xxxx"),
    ("skip(variables('list'), 2)", ["three"]),
    ("skip('one two three', 4)", "two three"),
    ("skip('abc', -1)", "abc"),
    ("skip('abc', 9)", ""),
    ("split('one,two,three', ',')", ["one", "two", "three"]),
    ("split('one;two,three', createArray(';', ','))", ["one", "two", "three"]),
    ("string(json('{\"valueA\":10,\"valueB\":\"Example Text\"}'))",
     '{"valueA":10,"valueB":"Example Text"}'),
    ("string(createArray('a', 'b', 'c'))", '["a","b","c"]'),
    ("string(5)", "5"),
    ("string(false())", "False"),
    ("substring('one two three', 4, 3)", "two"),
    ("substring('one two three', 4)", "two three"),
    ("substring('abc', 1, 0)", ""),
    ("take(variables('list'), 2)", ["one", "two"]),
    ("take('one two three', 2)", "on"),
    ("take('abc', -2)", ""),
    ("toLower('One Two Three')", "one two three"),
    ("toUpper('One Two Three')", "ONE TWO THREE"),
    ("trim('    one two three   ')", "one two three"),
    ("length(uniqueString('a'))", 13),
    ("equals(uniqueString('a', 'b'), uniqueString('a', 'b'))", True),
    ("equals(uniqueString('a', 'b'), uniqueString('b', 'a'))", False),
    ("uri('http://contoso.com/resources/', 'nested/azuredeploy.json')",
     "http://contoso.com/resources/nested/azuredeploy.json"),
    ("uri('http://contoso.com/resources', 'nested/azuredeploy.json')",
     "http://contoso.com/nested/azuredeploy.json"),
    ("uri('https://contoso.com', 'a.json')", "https://contoso.com/a.json"),
    ("uriComponent('http://contoso.com/a b')", "http%3A%2F%2Fcontoso.com%2Fa%20b"),
    ("uriComponentToString('http%3A%2F%2Fcontoso.com')", "http://contoso.com"),
    # numbers
    ("add(5, 3)", 8),
    ("sub(7, 3)", 4),
    ("mul(5, 3)", 15),
    ("div(8, 3)", 2),
    ("div(-8, 3)", -2),
    ("mod(7, 3)", 1),
    ("mod(-7, 3)", -1),
    ("int('4')", 4),
    ("int(' -4 ')", -4),
    ("int(json('10.9'))", 10),
    ("float('1.5')", 1.5),
    ("min(createArray(0, 3, 2, 5, 4))", 0),
    ("min(0, 3, 2)", 0),
    ("max(createArray(0, 3, 2, 5, 4))", 5),
    ("max(0, 3, 2)", 3),
    ("range(5, 3)", [5, 6, 7]),
    ("range(0, 0)", []),
    # arrays and objects
    ("array(1)", [1]),
    ("array('efgh')", ["efgh"]),
    ("array(createArray(1))", [1]),
    ("createArray()", []),
    ("createArray(1, 'a', createArray())", [1, "a", []]),
    ("createObject('intProp', 1, 'arrayProp', createArray('a'))",
     {"intProp": 1, "arrayProp": ["a"]}),
    ("createObject()", {}),
    ("intersection(json('{\"one\":\"a\",\"two\":\"b\",\"three\":\"c\"}'),"
     " json('{\"one\":\"a\",\"two\":\"z\",\"three\":\"c\"}'))", {"one": "a", "three": "c"}),
    ("intersection(createArray('one', 'two', 'three'), createArray('two', 'three'))",
     ["two", "three"]),
    ("union(createArray('one', 'two'), createArray('two', 'four'))", ["one", "two", "four"]),
    ("union(variables('first'), variables('second'))",
     {"property": {"one": "a", "three": "c2", "four": "d"}, "nested": [3, 4]}),
    ("items(createObject('item002', 2, 'item001', 1))",
     [{"key": "item001", "value": 1}, {"key": "item002", "value": 2}]),
    ("objectKeys(createObject('b', 1, 'a', 2))", ["a", "b"]),
    ("flatten(createArray(createArray(1), createArray(2, 3)))", [1, 2, 3]),
    ("shallowMerge(createArray(createObject('a', 1), createObject('a', 2, 'b', 3)))",
     {"a": 2, "b": 3}),
    ("tryGet(variables('first'), 'PROPERTY', 'one')", "a"),
    ("tryGet(variables('first'), 'gone', 'one')", None),
    ("tryGet(variables('list'), 7)", None),
    ("indexFromEnd(variables('list'), 1)", "three"),
    ("tryIndexFromEnd(variables('list'), 9)", None),
    ("json('null')", None),
    ("json('[1,2,3]')", [1, 2, 3]),
    ("json(format('{{\"a\": \"{0}\"}}', 'demo value'))", {"a": "demo value"}),
    ("json('{''a'': ''it\\''s''}').a", "it's"),
    # logic and comparison
    ("and(bool('true'), bool('false'))", False),
    ("or(bool('true'), bool('false'))", True),
    ("not(bool('true'))", False),
    ("bool(1)", True),
    ("bool('0')", False),
    ("if(equals('a', 'a'), 'yes', 'no')", "yes"),
    ("if(true(), 'yes', fail('never'))", "yes"),
    ("and(false(), fail('never'))", False),
    ("coalesce(null(), variables('nothing'), 'found', fail('never'))", "found"),
    ("coalesce(null())", None),
    ("equals(1, 1)", True),
    ("equals('a', 'A')", False),
    ("equals(1, '1')", False),
    ("equals(1, true())", False),
    ("equals(variables('list'), createArray('one', 'two', 'three'))", True),
    ("less(1, 2)", True),
    ("less('A', 'a')", True),
    ("lessOrEquals(2, 2)", True),
    ("greater(1, 2)", False),
    ("greaterOrEquals('B', 'A')", True),
    # lambdas
    ("map(variables('dogs'), lambda('dog', lambdaVariables('dog').name))",
     ["Evie", "Casper", "Indy", "Kira"]),
    ("map(variables('list'), lambda('one', 'i', format('{0}{1}', lambdaVariables('one'),"
     " lambdaVariables('i'))))", ["one0", "two1", "three2"]),
    ("filter(range(0, 10), lambda('i', equals(0, mod(lambdaVariables('i'), 2))))",
     [0, 2, 4, 6, 8]),
    ("reduce(createArray(5, 3, 2, 8), 1, lambda('cur', 'next', add(lambdaVariables('cur'),"
     " lambdaVariables('next'))))", 19),
    ("map(sort(variables('dogs'), lambda('a', 'b', less(lambdaVariables('a').age,"
     " lambdaVariables('b').age))), lambda('d', lambdaVariables('d').age))", [2, 3, 5, 8]),
    ("toObject(variables('dogs'), lambda('e', lambdaVariables('e').name),"
     " lambda('e', lambdaVariables('e').age)).Kira", 8),
    ("groupBy(createArray('a', 'b', 'a'), lambda('x', lambdaVariables('x')))",
     {"a": ["a", "a"], "b": ["b"]}),
    ("mapValues(createObject('a', 1), lambda('x', add(lambdaVariables('x'), 1)))", {"a": 2}),
    # dates
    ("dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')", "2023-04-07 14:53:14Z"),
    ("dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')", "2020-03-29 14:53:14Z"),
    ("dateTimeAdd('2020-04-07 14:53:14Z', 'PT1H')", "2020-04-07 15:53:14Z"),
    ("dateTimeAdd('20200407T145314Z', 'P1M')", "20200507T145314Z"),
    ("dateTimeAdd('2020-01-31T00:00:00Z', 'P1M', 'yyyy-MM-dd')", "2020-02-29"),
    ("dateTimeAdd('2020-04-07T01:02:03Z', 'PT0.5S', 'ddd, d MMM yy h:m:s.ff tt')",
     "Tue, 7 Apr 20 1:2:3.50 AM"),
    ("dateTimeFromEpoch(1683040573)", "2023-05-02T15:16:13Z"),
    ("dateTimeToEpoch('2023-05-02T15:16:13Z')", 1683040573),
    # scopes
    ("resourceGroup().location", "eastus"),
    ("subscription().TENANTID", "T"),
    ("deployment().name", "d"),
    ("resourceId('Microsoft.Web/sites', 'a')",
     "/subscriptions/S/resourceGroups/G/providers/Microsoft.Web/sites/a"),
    ("resourceId('other', 'Microsoft.Web/sites/slots', 'a', 'b')",
     "/subscriptions/S/resourceGroups/other/providers/Microsoft.Web/sites/a/slots/b"),
    (f"resourceId('{SUBSCRIPTION}', 'other', 'Microsoft.Web/sites', 'a')",
     f"/subscriptions/{SUBSCRIPTION}/resourceGroups/other/providers/Microsoft.Web/sites/a"),
    ("resourceId('Microsoft.Web/sites/slots', 'a/b')",
     "/subscriptions/S/resourceGroups/G/providers/Microsoft.Web/sites/a/slots/b"),
    ("subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'r')",
     "/subscriptions/S/providers/Microsoft.Authorization/roleDefinitions/r"),
    ("tenantResourceId('Microsoft.Authorization/policyDefinitions', 'p')",
     "/providers/Microsoft.Authorization/policyDefinitions/p"),
    ("extensionResourceId('/a/b', 'Microsoft.Authorization/locks', 'l')",
     "/a/b/providers/Microsoft.Authorization/locks/l"),
    # the language itself
    ("CONCAT('a', toUPPER('b'))", "aB"),
    ("'it''s'", "it's"),
    ("variables('ABC').ONE", "a"),
    ("variables('abc')['two']", "b"),
    ("variables('list')[add(0, 1)]", "two"),
    ("variables('nothing').?x.?y", None),
    ("variables('abc').?gone", None),
    ("variables('list').?[9]", None),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "meant"), CASES, ids=[case[0][:60] for case in CASES])
def test_what_it_means(expression: str, meant: Any) -> None:
    found = text(f"[{expression}]", frame())
    assert found == meant
    assert type(found) is type(meant)


REFUSALS = [
    ("if(true(), 'a', foo())", "The template function 'foo' is not valid."),
    ("if(true(), 'a', toLower())", "requires '1' argument(s) while '0' were provided"),
    ("foo('a')", "The template function 'foo' is not valid."),
    ("ns.foo('a')", "The template function 'ns.foo' is not valid."),
    ("variables('gone')", "The template variable 'gone' is not found."),
    ("parameters('gone')", "The template parameter 'gone' is not found."),
    ("variables('abc').five", "The language expression property 'five' doesn't exist, available"
     " properties are 'one, two, three, four'."),
    ("variables('list')[3]", "The language expression property array index '3' is out of bounds."),
    ("variables('list').x", "of type 'Array'"),
    ("concat('a', createArray())", "expects its parameter to be a string"),
    ("toLower(1)", "The template language function 'toLower' expects its parameter to be a string."
     " The provided value is of type 'Integer'."),
    ("toLower()", "requires '1' argument(s) while '0' were provided"),
    ("add(1, 2, 3)", "requires '2' argument(s) while '3' were provided"),
    ("div(1, 0)", "cannot be zero"),
    ("mul(9223372036854775807, 2)", "64-bit"),
    ("int('x')", "is not an integer"),
    ("substring('1234567890', 0, 11)", "The index and length parameters must refer to a location"
     " within the string. The index parameter: '0', the length parameter: '11', the length of the"
     " string parameter: '10'"),
    ("range(0, 10001)", "must be from '0' to '10000'"),
    ("if('a', 1, 2)", "expects its parameter to be a boolean"),
    ("less(1, 'a')", "as the other one"),
    ("createObject('a')", "must be even"),
    ("json('{')", "cannot be parsed"),
    ("newGuid()", "only be used in a parameter's default value"),
    ("utcNow()", "only be used in a parameter's default value"),
    ("copyIndex()", "where a copy loop is in effect"),
    ("copyIndex('x')", "where a copy loop named 'x' is in effect"),
    ("reference('a')", "is not expected at this location"),
    ("listKeys('a', '2020-01-01')", "is not expected at this location"),
    ("tenant().x", "is not expected at this location"),
    ("resourceId('Microsoft.Web/sites', 'a', 'b')", "the type 'Microsoft.Web/sites' requires '1'"
     " resource name argument(s)"),
    ("resourceId('sites', 'a')", "the resource type must be given with its namespace"),
    ("lambda('x', 1)", "is not expected at this location"),
    ("lambdaVariables('x')", "The template lambda variable 'x' is not found."),
    ("map(createArray(1), 'x')", "must be a lambda"),
    ("format('{1}', 'a')", "no argument for '{1}'"),
    ("format('{', 'a')", "not in a correct format"),
    ("base64ToString('!')", "is not base64"),
    ("fail('as told')", "as told"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "why"), REFUSALS, ids=[case[0][:60] for case in REFUSALS])
def test_what_is_an_error(expression: str, why: str) -> None:
    with pytest.raises(ExpressionInvalid) as refused:
        text(f"[{expression}]", frame())
    assert why in refused.value.message


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_known_functions_that_are_not_served_say_so(name: str) -> None:
    with pytest.raises(Unsupported):
        text(f"[{name}('a')]", frame())


def test_defaults_know_the_time_and_new_guids() -> None:
    default = frame(default=True)
    assert text("[utcNow()]", default) == "20190305T175318Z"
    assert text("[utcNow('d')]", default) == "03/05/2019"
    assert text("[utcNow('M d')]", default) == "3 5"
    assert text("[newGuid()]", default) == "new"


def test_names_of_resources_at_a_subscription() -> None:
    at = frame(Place("S"))
    found = text("[resourceId('Microsoft.Web/sites', 'a')]", at)
    assert found == "/subscriptions/S/providers/Microsoft.Web/sites/a"
    found = text(f"[resourceId('{SUBSCRIPTION}', 'Microsoft.Web/sites', 'a')]", at)
    assert found == f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Web/sites/a"


def test_functions_that_a_template_defines() -> None:
    twice = UserFunction(("value",), "[concat(parameters('value'), parameters('VALUE'))]")
    outer = UserFunction(("v",), {"made": "[mine.twice(parameters('v'))]"})
    own = frame(functions={"mine.twice": twice, "mine.outer": outer})
    assert text("[mine.twice('ab')]", own) == "abab"
    assert text("[Mine.Outer('x').made]", own) == "xx"
    with pytest.raises(ExpressionInvalid, match="has '1' parameter"):
        text("[mine.twice()]", own)
    with pytest.raises(ExpressionInvalid, match="'list' is not found"):
        text("[mine.bad()]", frame(functions={"mine.bad": UserFunction((), "[variables('list')]")}))
    forever = {"mine.loop": UserFunction((), "[mine.loop()]")}
    with pytest.raises(ExpressionInvalid, match="is not valid"):
        text("[mine.loop()]", frame(functions=forever))


def test_whole_values_with_loops_and_computed_names() -> None:
    value = {
        "[concat('na', 'me')]": ["[add(1, 1)]", "[[escaped]", 3, None],
        "copy": [
            {"name": "made", "count": "[length(variables('list'))]",
             "input": {"n": "[copyIndex('made', 1)]",
                       "of": "[variables('list')[copyIndex('made')]]"}},
            {"name": "none", "count": 0, "input": "x"},
        ],
    }  # fmt: skip
    assert resolve(value, frame()) == {
        "name": [2, "[escaped]", 3, None],
        "made": [{"n": 1, "of": "one"}, {"n": 2, "of": "two"}, {"n": 3, "of": "three"}],
        "none": [],
    }
    activity = {"copy": {"type": "Copy"}, "type": "Copy"}
    assert resolve(activity, frame()) == activity
    with pytest.raises(ExpressionInvalid, match="from '0' to '800'"):
        resolve({"copy": [{"name": "x", "count": 801, "input": 1}]}, frame())


ARGUMENTS = st.recursive(
    st.one_of(
        st.text(max_size=8).map(lambda t: "'" + t.replace("'", "''") + "'"),
        st.integers(-(2**63), 2**63 - 1).map(str),
        st.sampled_from(
            ["true()", "null()", "json('1.5')", "variables('dogs')", "variables('abc')", "'P1D'",
             "'2020-01-01T00:00:00Z'", "lambda('x', lambdaVariables('x'))", "'Microsoft.A/b'",
             "'{0:N2}'", "createArray('a', 1)"]
        ),
    ),
    lambda inner: st.builds(
        lambda name, given: f"{name}({', '.join(given)})",
        st.sampled_from([f.name for f in TABLE.values() if f.name != "list*"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(ARGUMENTS)
def test_no_expression_breaks_the_evaluator(expression: str) -> None:
    with contextlib.suppress(ServiceError, Wanted):
        text(f"[{expression}]", frame(default=True))
