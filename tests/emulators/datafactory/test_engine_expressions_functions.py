"""The documented functions one by one: what they give, and which arguments they refuse."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from emulators.datafactory.engine.expressions import Scope
from emulators.datafactory.engine.expressions.functions import FUNCTIONS
from tests.emulators.datafactory.expressing import alike, cases, kind, outcome, value

DOCUMENTED = {
    "string": "concat endsWith guid indexOf lastIndexOf replace split startsWith substring toLower"
    " toUpper trim",
    "collection": "contains empty first intersection join last length skip take union",
    "logical": "and equals greater greaterOrEquals if less lessOrEquals not or",
    "conversion": "array base64 base64ToBinary base64ToString binary bool coalesce createArray"
    " dataUri dataUriToBinary dataUriToString decodeBase64 decodeDataUri decodeUriComponent"
    " encodeUriComponent float int json string uriComponent uriComponentToBinary"
    " uriComponentToString xml xpath",
    "math": "add div max min mod mul rand range sub",
    "date": "addDays addHours addMinutes addSeconds addToTime convertFromUtc convertTimeZone"
    " convertToUtc dayOfMonth dayOfWeek dayOfYear formatDateTime getFutureTime getPastTime"
    " startOfDay startOfHour startOfMonth subtractFromTime ticks utcNow",
}
SURROUNDINGS = "pipeline activity variables item dataset linkedService trigger triggerBody"


def read(told: str) -> Any:
    return told if told.startswith("!") else json.loads(told)


STRINGS = r"""
@concat() => !argument_count
@concat('x', 1.0, true, null, createArray(1.0, 'a')) => "x1True[1.0,\"a\"]"
@endsWith('abc', 'BC') => true
@endsWith('abc', 1) => !argument_type
@startsWith('Éa', 'é') => true
@startsWith('ß', 'SS') => false
@indexOf('😀x', 'X') => 2
@indexOf('abc', 'z') => -1
@indexOf('abc', '') => 0
@lastIndexOf('aXbx', 'X') => 3
@lastIndexOf('hello', '') => 5
@replace('aAa', 'a', 'b') => "bAb"
@replace('abc', '', 'x') => !argument_value
@replace('', '', 'x') => ""
@replace('abc', 'b', null) => !argument_type
@split('a--b', '--') => ["a", "b"]
@split('abc', '') => ["abc"]
@split('aXb', 'x') => ["aXb"]
@substring('hello', 1, 3) => "ell"
@substring('hello', 4) => "o"
@substring('hello', 5) => !argument_value
@substring('hello', 0, 6) => !argument_value
@substring('hello', 1.0) => !argument_type
@toLower('ÉA') => "éa"
@toUpper('straße') => "STRAßE"
@trim('  a b  ') => "a b"
@trim(1) => !argument_type
@guid('B') => "{0a1b2c3d-4e5f-4678-9abc-def012345678}"
@guid('N') => "0a1b2c3d4e5f46789abcdef012345678"
@guid('X') => "{0x0a1b2c3d,0x4e5f,0x4678,{0x9a,0xbc,0xde,0xf0,0x12,0x34,0x56,0x78}}"
@guid('n') => !argument_value
@guid(1) => !argument_type
"""

COLLECTIONS = r"""
@contains('hello', 'HELLO') => false
@contains(createArray(1, 2.0), 2) => false
@contains(json('[[1],{"a":1}]'), json('{"a":1}')) => true
@contains(json('{"Key":1}'), 'key') => true
@contains('abc', 1) => !argument_type
@contains(1, 1) => !argument_type
@empty(null) => true
@empty(' ') => false
@empty(0) => !argument_type
@first('') => ""
@first(json('[]')) => null
@first(json('{}')) => !argument_type
@last('abc') => "c"
@last(createArray(1, 2)) => 2
@length('😀') => 2
@length(json('{}')) => !argument_type
@join(createArray(1, null, true, 'a'), '-') => "1--True-a"
@join('abc', '-') => !argument_type
@skip('abc', 1) => "bc"
@skip(createArray(1), 9) => []
@skip(createArray(1), -1) => !argument_value
@take('abc', 9) => "abc"
@take(createArray(1, 2), 1) => [1]
@take(createArray(1), '1') => !argument_type
@intersection(createArray(3, 1, 1, 2), createArray(1, 3)) => [3, 1]
@intersection(json('{"a":1,"b":[1]}'), json('{"b":[1],"a":2}')) => {"b": [1]}
@intersection(createArray(1)) => !argument_count
@intersection(createArray(1), json('{}')) => !argument_type
@union(createArray(2, 1), createArray(1, 1.0)) => [2, 1, 1.0]
@union(json('{"a":{"x":1}}'), json('{"a":{"y":1},"A":2}')) => {"a": {"y": 1}, "A": 2}
@union('a', 'b') => !argument_type
"""

LOGIC = r"""
@equals(1, 1.0) => true
@equals(createArray(1), createArray(1.0)) => false
@equals(true, 1) => false
@equals(null, '') => false
@equals('a', 'A') => false
@equals(json('{"a":1,"b":2}'), json('{"b":2,"a":1}')) => true
@equals(1) => !argument_count
@equals(1, 1, 2) => false
@greater(1.5, 1) => true
@greater('10', '9') => false
@greater('b', 'A') => true
@less('a', 'A') => true
@less('é', 'f') => true
@less('_', '-') => true
@less('-', '1') => true
@lessOrEquals('straße', 'strasse') => false
@greaterOrEquals(2, 2) => true
@greater('a', 1) => !argument_type
@less(null, 1) => !argument_type
@greater(true, false) => !argument_type
@not(false) => true
@not(0) => !argument_type
@and() => !argument_count
@or(false, 1) => !argument_type
@if(1, 2, 3) => !argument_type
"""

CONVERSION = r"""
@array(null) => [null]
@array(createArray(1)) => [1]
@createArray() => !argument_count
@coalesce(null, '', 1) => ""
@coalesce(null, null) => null
@base64('é') => "w6k="
@base64(1) => !argument_type
@base64ToString('w6k=') => "é"
@base64ToString('w6k') => !argument_value
@base64ToString(' Y Q = = ') => "a"
@base64ToBinary('YQ==') => {"$content-type": "application/octet-stream", "$content": "YQ=="}
@decodeBase64('YQ==') => "a"
@binary('a') => {"$content-type": "application/octet-stream", "$content": "YQ=="}
@binary(null) => !argument_value
@string(binary('a')) => "a"
@binary('a').$content => "YQ=="
@bool('TRUE ') => true
@bool(-2) => true
@bool('1') => !argument_value
@bool(null) => !argument_value
@dataUri('a') => "data:text/plain;charset=utf-8;base64,YQ=="
@dataUri(1) => "data:application/json;charset=utf-8;base64,MQ=="
@dataUriToString('data:,a%20b') => "a b"
@dataUriToString('data:text/plain;charset=utf-16;base64,YQ==') => !argument_value
@dataUriToBinary('data:image/png;base64,YQ==') => {"$content-type": "image/png", "$content": "YQ=="}
@dataUriToBinary('nope') => !argument_value
@decodeDataUri('data:application/json,{"a":1}') => {"a": 1}
@decodeDataUri('data:text/plain;base64,YQ==') => "a"
@uriComponent('a b/é~*') => "a%20b%2F%C3%A9~%2A"
@uriComponent(null) => ""
@encodeUriComponent(createArray(1)) => "%5B1%5D"
@uriComponentToString('a+b%20%zz%u0041') => "a b %zzA"
@decodeUriComponent(null) => !argument_type
@uriComponentToBinary('%ff') => {"$content-type": "application/octet-stream", "$content": "/w=="}
@int(' +1,0e1 ') => 100
@int('10.0') => 10
@int('10.5') => !argument_value
@int(9007199254740993) => 9007199254740992
@int('9223372036854775807') => !argument_value
@int(true) => 1
@int(null) => !argument_value
@float('1,000.5') => 1000.5
@float('2-') => -2.0
@float('') => !argument_value
@float('$1') => !argument_value
@float(3) => 3.0
@string(1.0) => "1"
@string(1e16) => "10000000000000000"
@string(1e17) => "1E+17"
@string(0.00001) => "1E-05"
@string(-0.0) => "-0"
@string(json('[1.0,1e17,true,null,"é\u2028"]')) => "[1.0,1E+17,true,null,\"é\\u2028\"]"
@string(false) => "False"
@string(null) => ""
@json('{a:''x'',/*c*/"b":[1,2,],}') => {"a": "x", "b": [1, 2]}
@json('{"a":1,"b":2,"a":3}') => {"b": 2, "a": 3}
@json('1e2') => 100.0
@json('0x1F') => 31
@json('') => null
@json('true x') => true
@json('{"a":1') => {"a": 1}
@json('[1,') => !argument_value
@json('True') => !argument_value
@json('1a') => !argument_value
@json(1) => !argument_type
@json(null) => !argument_type
@json('"2024-01-01T10:00:00+02:00"') => "2024-01-01T10:00:00+02:00"
"""

MATH = r"""
@add(1, 2) => 3
@add(1, 2.0) => 3.0
@add('1', 2) => !argument_type
@add(9223372036854775807, 1) => !overflow
@sub(-9223372036854775808, 1) => !overflow
@mul(1.5, 2) => 3.0
@mul(9223372036854775807, 2) => !overflow
@div(-7, 2) => -3
@div(7.0, 2) => 3.5
@div(1, 0.0) => !divide_by_zero
@div(-9223372036854775808, -1) => !overflow
@mod(-7, 3) => -1
@mod(7, -2.5) => 2.0
@mod(1, 0) => !divide_by_zero
@max(1, 2.5, 2) => 2.5
@min(1.5, 1) => 1.0
@min(createArray(3, -7)) => -7
@max() => !argument_count
@max(json('[]')) => !argument_count
@max(1, 'a') => !argument_type
@range(-1, 3) => [-1, 0, 1]
@range(2147483647, 1) => [2147483647]
@range(2147483647, 2) => !argument_value
@range(0, 100001) => !argument_value
@range(1.5, 2) => !argument_type
@rand(3, 3) => 3
@rand(5, 1) => !argument_value
@rand(2147483647, 2147483648) => !argument_value
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        row
        for table in (STRINGS, COLLECTIONS, LOGIC, CONVERSION, MATH)
        for row in cases(table, read)
    ],
)
def test_functions(text: str, expected: Any) -> None:
    got = outcome(text)
    assert alike(got, expected), got


def test_the_84_documented_functions_are_all_there_and_no_other() -> None:
    names = " ".join(DOCUMENTED.values()).split()
    assert len(names) == 84
    strict = {function.name for function in FUNCTIONS.values() if function.documented}
    assert strict == {*names, *SURROUNDINGS.split()}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_counts_its_arguments(name: str) -> None:
    function = FUNCTIONS[name]
    if function.documented and function.least:
        fewer = ", ".join(["'a'"] * (function.least - 1))
        assert kind(f"@{name}({fewer})") == "argument_count"
    if function.documented and function.most is not None:
        more = ", ".join(["'a'"] * (function.most + 1))
        assert kind(f"@{name}({more})") == "argument_count"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_called_in_any_case(name: str) -> None:
    assert kind(f"@{name.upper()}()") != "unknown_function" or name in (
        "dataset", "linkedservice", "trigger", "triggerbody",
        *(other for other, function in FUNCTIONS.items() if not function.documented),
    )  # fmt: skip


def test_floats_that_are_no_numbers() -> None:
    assert value("@float('1e400')") == math.inf
    assert value("@string(float('-1e400'))") == "-Infinity"
    assert math.isnan(value("@float('NaN')"))
    assert value("@equals(float('NaN'), float('NaN'))") is False
    assert value("@add(1e308, 1e308)") == math.inf


def test_integers_beyond_64_bits_stay_whole_in_json() -> None:
    assert value("@json('[12345678901234567890]')[0]") == 12345678901234567890
    assert kind("@string(json('12345678901234567890'))") == "argument_value"


def test_half_a_character_is_replaced_only_at_the_end() -> None:
    assert value("@concat(substring('😀', 0, 1), substring('😀', 1, 1))") == "😀"
    assert value("@substring('😀', 0, 1)") == "\ufffd"


LENIENT = r"""
@formatNumber(1234567.891, 'N2') => "1,234,567.89"
@formatNumber(-17.5, 'C') => "-$17.50"
@formatNumber(17, 'D5') => "00017"
@formatNumber(255, 'x4') => "00ff"
@formatNumber(0.256, 'P1') => "25.6%"
@formatNumber(1234.5678, 'E2') => "1.23E+003"
@formatNumber(1234.5, '#,##0.00') => "1,234.50"
@formatNumber(7, '000') => "007"
@formatNumber(1, 'Q') => !argument_value
@sort(createArray(3, 1, 2)) => [1, 2, 3]
@sort(json('[{"a":2},{"a":1}]'), 'a') => [{"a": 1}, {"a": 2}]
@sort(createArray(1, 'a')) => !argument_value
@reverse(createArray(1, 2)) => [2, 1]
@chunk('abcde', 2) => ["ab", "cd", "e"]
@chunk(createArray(1, 2, 3), 2) => [[1, 2], [3]]
@chunk('a', 0) => !argument_value
@slice('hello', -3, -1) => "ll"
@slice('hello', 3, 1) => ""
@nthIndexOf('aabaa', 'A', -1) => 4
@nthIndexOf('a', 'a', 0) => !argument_value
@isInt(' 1 ') => true
@isInt('1.0') => false
@isFloat('1,000.5') => true
@isFloat('a') => false
@addProperty(json('{"a":1}'), 'b', null) => {"a": 1, "b": null}
@addProperty(json('{"a":1}'), 'A', 2) => !argument_value
@setProperty(json('{"a":1}'), 'A', 2) => {"a": 2}
@removeProperty(json('{"a":1}'), 'A') => {}
@decimal('1.5') => 1.5
@dateDifference('2024-01-01', '2024-03-01T10:00:00') => "60.10:00:00"
@dateDifference('2024-01-02', '2024-01-01T12:00') => "-12:00:00"
@parseDateTime('20 October 2014') => "2014-10-20T00:00:00.0000000"
@uriHost('https://A.b:8080/p?q=1') => "a.b"
@uriPathAndQuery('https://a.b/p?q=1') => "/p?q=1"
@uriPort('https://a.b') => 443
@uriQuery('https://a.b') => ""
@uriPath('https://a.b') => "/"
@uriHost('x') => !argument_value
"""


@pytest.mark.parametrize(("text", "expected"), cases(LENIENT, read))
def test_undocumented_functions_only_when_asked_for(text: str, expected: Any) -> None:
    assert kind(text) == "unknown_function"
    assert alike(outcome(text, Scope(), lenient=True), expected)
