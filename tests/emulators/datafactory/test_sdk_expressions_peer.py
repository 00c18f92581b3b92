"""Thousands of calls, evaluated here and by Microsoft's evaluator: the same values and errors."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.expressions import asked, peer
from emulators.datafactory.engine.expressions.functions import FUNCTIONS
from tests.conformance.datafactory_expressions import outcome, same

CONTEXT: dict[str, Any] = {
    "parameters": {
        "s": "foo",
        "n": None,
        "arr": [1, 2, 3],
        "o": {"x": {"y": [10]}, "My Key": "mk"},
    },
    "variables": {"v": "vv"},
    "activities": {"W": {"output": {"id": 1}, "status": "Succeeded", "error": None}},
}
TEXTS = (
    "", "a", "ABC", "hello world", "1", "10.5", "1e3", "true", "2024-01-31", "2024-02-29T13:45:30Z",
    "2024-02-29T13:45:30.1234567+05:30", "2/9/24 1 PM", "yyyy-MM-dd", "o", "D", "Day", "month",
    "UTC", "Pacific Standard Time", "Tokyo Standard Time", "YWJj", "data:text/plain;base64,YWJj",
    "a%20b", "<a i='1'><b>1</b></a>", "/a/b", '{"a":1.0}', "[1,2", "é", ",", "a,b,c", "B", " x ",
    "it's", "ß",
)  # fmt: skip
OTHERS = (
    "0", "1", "-1", "3", "2147483648", "9223372036854775807", "0.0", "1.5", "1e21", "1e-7", "-0.0",
    "true", "false", "null", "createArray(1,2,3)", "createArray('a','b')", "json('[]')",
    "createArray(1,'1',1.0,null)", "json('{}')", """json('{"a":1,"b":[1]}')""", "binary('abc')",
    "xml('<a><b>1</b></a>')", "pipeline().parameters.o", "pipeline().parameters.n",
    "variables('v')", "activity('W').output", "pipeline().parameters?.none", "float('NaN')",
    "concat('a','b')",
)  # fmt: skip
UNSTEADY = {"guid", "rand", "utcnow", "getfuturetime", "getpasttime"}
ABROAD = {"float", "formatdatetime"}
"""They take a culture as well, and here only en-US."""
CLASSES = (
    ("is not defined or not valid", "unknown_function"),
    (r"Unable to parse template|is not valid: the (string|value)", "syntax"),
    (
        r"was invoked with '?(\d+|no)'? parameter|must(| not) have (only one|any) param",
        "argument_count",
    ),
    (
        "value is of type|invalid parameter types|distinct types|incompatible|do not match|with"
        r" parameters? of type|parameters for template language function '\w+' are not valid",
        "argument_type",
    ),
    ("divide an integral", "divide_by_zero"),
    ("arithmetic overflow", "overflow"),
    ("outside bounds|empty array", "index_out_of_range"),
    ("doesn't exist", "missing_property"),
    ("cannot be selected", "bad_selection"),
)


def calls(chance: random.Random) -> Iterator[str]:
    for name, function in sorted(FUNCTIONS.items()):
        if not function.documented or (function.scoped and name not in DATES) or name in UNSTEADY:
            continue
        for _ in range(40):
            most = 4 if function.most is None else function.most
            most = function.least if name in ABROAD else most
            count = max(0, chance.randint(function.least, most) + chance.choice([0] * 18 + [-1, 1]))
            if name in ABROAD:
                count = min(count, most)
            yield f"{function.name}({','.join(argument(chance) for _ in range(count))})"


DATES = {name for name in FUNCTIONS if re.search("time|^add.|^startof|^dayof|utc|ticks", name)}


def argument(chance: random.Random) -> str:
    if chance.random() < 0.5:
        text = chance.choice(TEXTS).replace("'", "''")
        return f"'{text}'"
    return chance.choice(OTHERS)


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """The peer's answer as the corpus writes it."""
    if "value" in answer:
        return answer
    found = (kind for words, kind in CLASSES if re.search(words, answer["error"]))
    return {"error": next(found, "argument_value")}


@pytest.mark.timeout(900)
def test_calls_end_as_in_microsofts_evaluator() -> None:
    chance = random.Random(20)
    expressions = [f"@{call}" for call in calls(chance)]
    expressions += [f"x@{{{call}}}y" for call in calls(chance) if chance.random() < 0.1]
    expressions += [
        f"@{call}{chance.choice(['.a', '[0]', '?.a', '?[1]'])}" for call in calls(chance)
    ]
    with peer() as process:
        answers = asked(process, {"ask": [[text, CONTEXT] for text in expressions]})
    assert len(expressions) > 5000
    differing = [
        (text, told(answer), got)
        for text, answer in zip(expressions, answers, strict=True)
        if not same(told(answer), got := outcome({"expr": text, "context": CONTEXT}))
    ]
    assert differing == []
