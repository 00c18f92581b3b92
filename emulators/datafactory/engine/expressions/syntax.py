"""Strings to syntax trees: which strings are expressions, their tokens and their grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

from emulators.datafactory.engine.expressions.errors import ExpressionError

LONGEST_EXPRESSION = 8192  # characters; Source: learn.microsoft.com, Data Factory limits
DEEPEST_NESTING = 100  # calls within calls

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_STRING = re.compile(r"'((?:[^']|'')*)'")
_INT64 = range(-(2**63), 2**63)
_WORDS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands for itself."""

    value: Any


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; `position` is where its name begins."""

    name: str
    arguments: tuple[Node, ...]
    position: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One selector: `.name`, `[key]`, or either after `?`."""

    key: Node
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """A call followed by selectors."""

    base: Call
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """Text with `@{…}` in it; always evaluates to text."""

    parts: tuple[Node, ...]


Node: TypeAlias = Literal | Call | Selection | Template


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """The syntax tree of a string as a pipeline's JSON holds it; a plain string is a Literal.

    Raises:
        ExpressionError: `syntax`, with the position.
    """
    if text.startswith("@") and len(text) > 1 and text[1] not in "@{":
        reader = _Reader(text, 1)
        node = reader.expression()
        reader.skip_space()
        if reader.at < len(text):
            reader.fail("end of expression")
        return node
    if text.startswith("@@"):
        return Literal(text[1:])
    if "@{" not in text:
        return Literal(text)
    return Template(tuple(_parts(text)))


def _parts(text: str) -> Iterator[Node]:
    at, plain = 0, ""
    while (found := text.find("@{", at)) >= 0:
        if found > at and text[found - 1] == "@":
            plain += text[at : found - 1] + "@{"
            at = found + 2
            continue
        plain += text[at:found]
        if plain:
            yield Literal(plain)
        plain = ""
        reader = _Reader(text, found + 2)
        yield reader.expression()
        reader.expect("}")
        at = reader.at
    if plain + text[at:]:
        yield Literal(plain + text[at:])


class _Reader:
    """Recursive descent over one string, from `at` on."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at, self.depth, self.start = text, at, 0, at

    def skip_space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def fail(self, expected: str) -> NoReturn:
        actual = self.text[self.at : self.at + 1] or "EndOfData"
        raise ExpressionError(
            "syntax",
            f"Unable to parse template language expression '{self.text[self.start :]}':"
            f" expected token '{expected}' and actual '{actual}'.",
            text=self.text,
            position=self.at,
        )

    def take(self, mark: str) -> bool:
        self.skip_space()
        if self.text.startswith(mark, self.at):
            self.at += len(mark)
            return True
        return False

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            self.fail(mark)

    def expression(self) -> Node:
        if self.at - self.start > LONGEST_EXPRESSION:
            raise ExpressionError(
                "syntax",
                f"The expression is longer than {LONGEST_EXPRESSION} characters.",
                text=self.text,
                position=self.start,
            )
        self.skip_space()
        if found := _STRING.match(self.text, self.at):
            self.at = found.end()
            return Literal(found[1].replace("''", "'"))
        if found := _NUMBER.match(self.text, self.at):
            return self.number(found)
        if found := _NAME.match(self.text, self.at):
            start, self.at = self.at, found.end()
            word = found[0].lower()
            if word in _WORDS and not self.peek("("):
                return Literal(_WORDS[word])
            return self.call(found[0], start)
        self.fail("Identifier")

    def peek(self, mark: str) -> bool:
        self.skip_space()
        return self.text.startswith(mark, self.at)

    def number(self, found: re.Match[str]) -> Literal:
        if found[1] or found[2]:
            self.at = found.end()
            value: int | float = float(found[0])
        else:
            value = int(found[0])
            if value not in _INT64:
                self.fail("Integer")
            self.at = found.end()
        if _NAME.match(self.text, self.at):
            self.fail("EndOfData")
        return Literal(value)

    def call(self, name: str, start: int) -> Node:
        self.expect("(")
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            raise ExpressionError(
                "syntax",
                f"The expression nests deeper than {DEEPEST_NESTING} calls.",
                text=self.text,
                position=start,
            )
        arguments: list[Node] = []
        if not self.take(")"):
            arguments.append(self.expression())
            while self.take(","):
                arguments.append(self.expression())
            self.expect(")")
        made = Call(name, tuple(arguments), start)
        steps = tuple(self.steps())
        self.depth -= 1
        return Selection(made, steps) if steps else made

    def steps(self) -> Iterator[Step]:
        while True:
            optional = self.take("?")
            if self.take("."):
                self.skip_space()
                found = _NAME.match(self.text, self.at)
                if not found:
                    self.fail("Identifier")
                self.at = found.end()
                yield Step(Literal(found[0]), optional)
            elif self.take("["):
                key = self.expression()
                self.expect("]")
                yield Step(key, optional)
            elif optional:
                self.fail(".")
            else:
                return
