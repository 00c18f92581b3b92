"""Values of the interpreter: arithmetic, types of variables, formats of messages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.warehouse.engine.tsql.fragments import cut
from emulators.warehouse.engine.tsql.lexing import tokenize
from emulators.warehouse.engine.tsql.messages import formatted
from emulators.warehouse.engine.tsql.quick import compile_quick
from emulators.warehouse.engine.tsql.values import Unfit, fit
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError

INT = SqlType("int")
small = st.integers(-1000, 1000)


@st.composite
def arithmetic(draw: st.DrawFn, depth: int = 3) -> tuple[str, str]:
    """The same expression in T-SQL and in Python, over @a and @b."""
    if depth == 0 or draw(st.booleans()):
        return draw(
            st.one_of(
                st.integers(0, 99).map(lambda n: (str(n), str(n))),
                st.sampled_from([("@a", "a"), ("@b", "b")]),
            )
        )
    sign = draw(st.sampled_from("+-*/%"))
    left, right = draw(arithmetic(depth - 1)), draw(arithmetic(depth - 1))
    if sign in "/%":
        return f"({left[0]}) {sign} ({right[0]})", f"cut('{sign}', {left[1]}, {right[1]})"
    return f"({left[0]}) {sign} ({right[0]})", f"(({left[1]}) {sign} ({right[1]}))"


def divided(sign: str, a: int, b: int) -> int:
    quotient = int(Decimal(a) / Decimal(b))
    return quotient if sign == "/" else a - b * quotient


def computed(text: str, values: dict[str, Any]) -> Any:
    fragment = cut(tokenize(text), text)
    compiled = compile_quick(fragment, dict.fromkeys(values, INT))
    assert compiled is not None
    return compiled[1](values)


@given(arithmetic(), small, small)
def test_integers_compute_as_in_python_but_divide_toward_zero(
    pair: tuple[str, str], a: int, b: int
) -> None:
    try:
        expected: object = eval(pair[1], {"a": a, "b": b, "cut": divided})
    except ArithmeticError:
        expected = "error 8134"
    got = told(pair[0], {"a": a, "b": b})
    # An overflow of a step on the way is one, whatever the whole would be.
    assert got in ("error 8115", expected)


def told(text: str, values: dict[str, Any]) -> object:
    try:
        return computed(text, values)
    except SqlError as refused:
        return f"error {refused.number}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 + 3 * 4 - 5", 9),
        ("10 - 4 - 3", 3),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("@a IS NULL OR 1 = 0", True),
        ("@a = 1 OR 1 = 1", True),
        ("@a = 1 AND 1 = 1", None),
        ("NOT (@a = 1)", None),
        ("'Abc ' = 'aBC'", True),
        ("@a + 1", None),
    ],
)
def test_unknown_and_precedence(text: str, expected: object) -> None:
    assert computed(text, {"a": None}) is expected or computed(text, {"a": None}) == expected


@pytest.mark.parametrize("text", ["1.5 + 1", "GETDATE()", "@a + 'x'", "'' = ' '", "'a' < 'b'"])
def test_what_the_database_computes_is_left_to_it(text: str) -> None:
    assert compile_quick(cut(tokenize(text), text), {"a": INT}) is None


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("abcd", SqlType("varchar", 3), "abc"),
        ("ab", SqlType("char", 4), "ab  "),
        (7, SqlType("nvarchar", 10), "7"),
        (b"\x01\x02", SqlType("binary", 3), b"\x01\x02\0"),
        (Decimal("1.005"), SqlType("decimal", 0, 5, 2), Decimal("1.01")),
        (5, SqlType("bit"), True),
        (None, INT, None),
    ],
)
def test_values_fit_their_variables(value: Any, kind: SqlType, expected: Any) -> None:
    assert fit(value, kind) == expected


@pytest.mark.parametrize(
    ("value", "kind", "number"),
    [
        (2**31, INT, 8115),
        (256, SqlType("tinyint"), 220),
        (Decimal("1000"), SqlType("decimal", 0, 5, 2), 8115),
    ],
)
def test_values_out_of_range_are_refused(value: Any, kind: SqlType, number: int) -> None:
    with pytest.raises(SqlError) as refused:
        fit(value, kind)
    assert refused.value.number == number


def test_other_kinds_must_be_converted() -> None:
    for value, kind in (("1", INT), (1.5, INT), (7, SqlType("char", 0)), (b"a", SqlType("bit"))):
        if kind.name == "char":
            continue
        with pytest.raises(Unfit):
            fit(value, kind)


@pytest.mark.parametrize(
    ("message", "given_", "expected"),
    [
        ("%s has %d rows", ["t", 5], "t has 5 rows"),
        ("%5d|%-5d|%05d|%+d", [1, 2, 3, 4], "    1|2    |00003|+4"),
        ("%x %X %#x %o %u", [255, 255, 255, 8, -1], "ff FF 0xff 10 4294967295"),
        ("%.3s|%5.2s|%*s", ["abcdef", "xyz", 4, "q"], "abc|   xy|   q"),
        ("100%% of %s", [None], "100% of (null)"),
        ("%.4d", [7], "0007"),
    ],
)
def test_raiserror_formats(message: str, given_: list[Any], expected: str) -> None:
    assert formatted(message, given_) == expected


@pytest.mark.parametrize(
    ("message", "given_", "number"), [("%f", [1], 2787), ("%d", ["x"], 2786), ("%s", [1], 2786)]
)
def test_raiserror_refuses(message: str, given_: list[Any], number: int) -> None:
    with pytest.raises(SqlError) as refused:
        formatted(message, given_)
    assert refused.value.number == number
