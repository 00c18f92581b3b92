"""ARM's `$filter`: comparisons of names with texts, joined by `and` and `or`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from emulators.arm.errors import InvalidFilter

Values = Mapping[str, str | None]
Predicate = Callable[[Values], bool]
Comparison = tuple[str, str, str]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z_$][\w$/.]*)|(?P<mark>[(),]))", re.ASCII
)
DEEPEST = 20
LONGEST = 4096  # characters


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was read. `comparisons` are the (name, operator, text) it is made of."""

    matches: Predicate
    comparisons: tuple[Comparison, ...]


def parse(text: str, names: frozenset[str]) -> Filter:
    """Read a filter over `names` (lower case); texts compare without case.

    `eq`, `ne`, `startswith(name, 'x')`, `substringof('x', name)`, `and`, `or`, brackets.

    Raises:
        InvalidFilter: it cannot be read, or names something else.

    Source: learn.microsoft.com/rest/api/resources/resources/list (filter)
    """
    reader = _Reader(text, names)
    predicate = reader.alternatives(0)
    if reader.peek() is not None:
        raise InvalidFilter(text)
    return Filter(predicate, tuple(reader.comparisons))


class _Reader:
    """Reads a filter by recursive descent."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self.text, self.names = text, names
        self.tokens = self._tokens(text)
        self.at = 0
        self.comparisons: list[Comparison] = []

    def _tokens(self, text: str) -> list[str]:
        found, at, text = [], 0, text.rstrip()
        if len(text) > LONGEST:
            raise InvalidFilter(text[:64] + "…")
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise InvalidFilter(text)
            found.append(match.group().strip())
            at = match.end()
        return found

    def peek(self) -> str | None:
        """The next token, or None at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _next(self) -> str:
        token = self.peek()
        if token is None:
            raise InvalidFilter(self.text)
        self.at += 1
        return token

    def _take(self, wanted: str) -> bool:
        token = self.peek()
        if token is None or token.lower() != wanted:
            return False
        self.at += 1
        return True

    def _expect(self, wanted: str) -> None:
        if not self._take(wanted):
            raise InvalidFilter(self.text)

    def alternatives(self, depth: int) -> Predicate:
        """`a or b or …`"""
        parts = [self._together(depth)]
        while self._take("or"):
            parts.append(self._together(depth))
        return parts[0] if len(parts) == 1 else lambda values: any(p(values) for p in parts)

    def _together(self, depth: int) -> Predicate:
        parts = [self._single(depth)]
        while self._take("and"):
            parts.append(self._single(depth))
        return parts[0] if len(parts) == 1 else lambda values: all(p(values) for p in parts)

    def _single(self, depth: int) -> Predicate:
        if depth > DEEPEST:
            raise InvalidFilter(self.text)
        if self._take("("):
            inner = self.alternatives(depth + 1)
            self._expect(")")
            return inner
        word = self._next()
        if word.lower() in ("substringof", "startswith") and self.peek() == "(":
            return self._function(word.lower())
        return self._comparison(word)

    def _function(self, function: str) -> Predicate:
        self._expect("(")
        first = self._next()
        self._expect(",")
        second = self._next()
        self._expect(")")
        literal, word = (first, second) if function == "substringof" else (second, first)
        name, text = self._name(word), self._literal(literal)
        self.comparisons.append((name, function, text))
        if function == "substringof":
            return lambda values: text in (values.get(name) or "").lower()
        return lambda values: (values.get(name) or "").lower().startswith(text)

    def _comparison(self, word: str) -> Predicate:
        name, operator = self._name(word), self._next().lower()
        text = self._literal(self._next())
        self.comparisons.append((name, operator, text))
        if operator == "eq":
            return lambda values: (values.get(name) or "").lower() == text
        if operator == "ne":
            return lambda values: (values.get(name) or "").lower() != text
        raise InvalidFilter(self.text)

    def _name(self, word: str) -> str:
        if word.lower() not in self.names:
            raise InvalidFilter(self.text)
        return word.lower()

    def _literal(self, token: str) -> str:
        if len(token) < 2 or token[0] != "'":
            raise InvalidFilter(self.text)
        return token[1:-1].replace("''", "'").lower()
