"""Scalar expressions that need no database: integers, strings, comparisons, logic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from emulators.warehouse.engine.tsql.lexing import Token
from emulators.warehouse.engine.tsql.nodes import Fragment
from emulators.warehouse.engine.tsql.values import RANGES, overflow
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError

Values = Mapping[str, Any]
Compute = Callable[[Values], Any]
INT, BIGINT, BOOL = SqlType("int"), SqlType("bigint"), SqlType("bool")
_WHOLE = ("int", "bigint")
_TEXTS = ("varchar", "nvarchar")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}
_LEVELS = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2}


class _Slow(Exception):
    """The expression has something that only the database computes."""


def compile_quick(
    fragment: Fragment, types: Mapping[str, SqlType]
) -> tuple[SqlType, Compute] | None:
    """What computes `fragment` in Python, and the result's type (`bool` of a condition)."""
    if fragment.reads or fragment.literals or len(fragment.tokens) > 60:
        return None
    used = tuple((name, types[name]) for name in sorted(fragment.variables) if name in types)
    return _compiled(fragment, used)


@lru_cache(maxsize=4096)
def _compiled(
    fragment: Fragment, used: tuple[tuple[str, SqlType], ...]
) -> tuple[SqlType, Compute] | None:
    try:
        return _Compiler(fragment.tokens, dict(used)).whole()
    except _Slow:
        return None


class _Compiler:
    """Precedence climbing; every step answers (type, function of the variables' values)."""

    def __init__(self, tokens: tuple[Token, ...], types: Mapping[str, SqlType]) -> None:
        self._tokens, self._types, self._at = tokens, types, 0

    def whole(self) -> tuple[SqlType, Compute]:
        made = self._either()
        if self._at != len(self._tokens):
            raise _Slow
        return made

    def _word(self) -> str:
        return self._tokens[self._at].upper if self._at < len(self._tokens) else ""

    def _take(self, word: str) -> bool:
        if self._word() == word:
            self._at += 1
            return True
        return False

    def _either(self) -> tuple[SqlType, Compute]:
        made = self._both()
        while self._take("OR"):
            made = _logic(made, self._both(), True)
        return made

    def _both(self) -> tuple[SqlType, Compute]:
        made = self._negated()
        while self._take("AND"):
            made = _logic(made, self._negated(), False)
        return made

    def _negated(self) -> tuple[SqlType, Compute]:
        if not self._take("NOT"):
            return self._comparison()
        kind, inner = self._negated()
        if kind is not BOOL:
            raise _Slow

        def negate(values: Values) -> bool | None:
            truth = inner(values)
            return None if truth is None else not truth

        return BOOL, negate

    def _comparison(self) -> tuple[SqlType, Compute]:
        left = self._sum(1)
        word = self._word()
        if word == "IS":
            return self._is_null(left)
        if word not in _COMPARE:
            return left
        self._at += 1
        return _compare(word, left, self._sum(1))

    def _is_null(self, left: tuple[SqlType, Compute]) -> tuple[SqlType, Compute]:
        self._at += 1
        wanted = not self._take("NOT")
        if left[0] is BOOL or not self._take("NULL"):
            raise _Slow
        inner = left[1]
        return BOOL, lambda values: (inner(values) is None) is wanted

    def _sum(self, level: int) -> tuple[SqlType, Compute]:
        made = self._atom()
        while _LEVELS.get(self._word(), 0) >= level:
            sign = self._word()
            self._at += 1
            made = _arithmetic(sign, made, self._sum(_LEVELS[sign] + 1))
        return made

    def _atom(self) -> tuple[SqlType, Compute]:
        if self._at >= len(self._tokens):
            raise _Slow
        token = self._tokens[self._at]
        self._at += 1
        if token.text == "(":
            made = self._either()
            if not self._take(")"):
                raise _Slow
            return made
        if token.text == "-":
            return _arithmetic("-", (INT, lambda _: 0), self._atom())
        if token.kind == "number" and token.text.isdigit() and int(token.text) < 2**31:
            number = int(token.text)
            return INT, lambda _: number
        if token.kind == "string":
            return _string(token)
        if token.kind == "variable":
            return self._variable(token)
        raise _Slow

    def _variable(self, token: Token) -> tuple[SqlType, Compute]:
        name = token.text[1:].lower()
        if name.startswith("@"):
            name = f"__g_{name[1:]}"
        kind = self._types.get(name)
        if kind is None or kind.name not in (*_WHOLE, "varchar", "nvarchar"):
            raise _Slow
        return kind, lambda values: values[name]


def _string(token: Token) -> tuple[SqlType, Compute]:
    text = token.value
    if not text:
        raise _Slow
    name = "nvarchar" if token.text[0] in "nN" else "varchar"
    return SqlType(name, len(text) if len(text) <= 4000 else -1), lambda _: text


def _logic(
    left: tuple[SqlType, Compute], right: tuple[SqlType, Compute], either: bool
) -> tuple[SqlType, Compute]:
    """AND (`either` False) and OR of three values."""
    if left[0] is not BOOL or right[0] is not BOOL:
        raise _Slow
    first, second = left[1], right[1]

    def combine(values: Values) -> bool | None:
        one: bool | None = first(values)
        if one is either:
            return either
        other: bool | None = second(values)
        if other is either:
            return either
        return None if one is None or other is None else not either

    return BOOL, combine


def _compare(
    sign: str, left: tuple[SqlType, Compute], right: tuple[SqlType, Compute]
) -> tuple[SqlType, Compute]:
    test: Callable[[Any, Any], bool] = _COMPARE[sign]
    (kind, first), (other, second) = left, right
    if kind.name in _WHOLE and other.name in _WHOLE:

        def compare(values: Values) -> bool | None:
            a, b = first(values), second(values)
            return None if a is None or b is None else bool(test(a, b))

        return BOOL, compare
    if sign not in ("=", "<>", "!=") or kind is BOOL or other is BOOL:
        raise _Slow
    if kind.name in _WHOLE or other.name in _WHOLE:
        raise _Slow

    def compare_texts(values: Values) -> bool | None:
        a: str | None = first(values)
        b: str | None = second(values)
        if a is None or b is None:
            return None
        return test(a.rstrip(" ").lower(), b.rstrip(" ").lower())

    return BOOL, compare_texts


def _arithmetic(
    sign: str, left: tuple[SqlType, Compute], right: tuple[SqlType, Compute]
) -> tuple[SqlType, Compute]:
    (kind, first), (other, second) = left, right
    if sign == "+" and kind.name in _TEXTS and other.name in _TEXTS:
        return _joined(left, right)
    if kind.name not in _WHOLE or other.name not in _WHOLE:
        raise _Slow
    result = BIGINT if BIGINT in (kind, other) else INT
    low, high = RANGES[result.name]

    def compute(values: Values) -> int | None:
        a, b = first(values), second(values)
        if a is None or b is None:
            return None
        made = _OPERATE[sign](a, b)
        if not low <= made <= high:
            raise overflow(result)
        return made

    return result, compute


def _joined(
    left: tuple[SqlType, Compute], right: tuple[SqlType, Compute]
) -> tuple[SqlType, Compute]:
    """Texts one after the other: no longer than their type can be, unless one is (max)."""
    (kind, first), (other, second) = left, right
    name = "nvarchar" if "nvarchar" in (kind.name, other.name) else "varchar"
    longest = 4000 if name == "nvarchar" else 8000
    endless = MAX in (kind.length, other.length)
    length = MAX if endless else min(kind.length + other.length, longest)

    def join(values: Values) -> str | None:
        a, b = first(values), second(values)
        if a is None or b is None:
            return None
        return f"{a}{b}" if endless else f"{a}{b}"[:longest]

    return SqlType(name, length), join


def _divide(a: int, b: int) -> int:
    """Toward zero, as integers divide in T-SQL."""
    if b == 0:
        raise SqlError(8134, 16, 1, "Divide by zero error encountered.")
    made = abs(a) // abs(b)
    return made if (a < 0) == (b < 0) else -made


_OPERATE: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": lambda a, b: a - b * _divide(a, b),
}
