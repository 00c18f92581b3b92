"""Strings to syntax trees: which strings are expressions, their tokens and their grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.values import BLANKS, INT64

LONGEST_EXPRESSION = 8192  # characters; Source: learn.microsoft.com, Data Factory limits
DEEPEST_NESTING = 128  # calls and indexes within each other

_WORDS = {"true": True, "false": False, "null": None}
_TOKEN = re.compile(
    rf"""[{BLANKS}]*(?:
      (?P<Literal>'(?:[^']|'')*+')
    | (?P<number>[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|[+-]\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    | (?P<Identifier>(?:[^\W\d]|\$)[\w$]*)
    | (?P<mark>[()\[\],.?])
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_MARKS = {
    "(": "LeftParenthesis",
    ")": "RightParenthesis",
    "[": "LeftSquareBracket",
    "]": "RightSquareBracket",
    ",": "Comma",
    ".": "Dot",
    "?": "QuestionMark",
}


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands for itself."""

    value: Any


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; `position` is where its name begins in the string."""

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
    """Text with `@{…}` in it; always evaluates to text. `sources` has each part as written."""

    parts: tuple[Node, ...]
    sources: tuple[str, ...]


Node: TypeAlias = Literal | Call | Selection | Template


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # Literal, Integer, Float, Identifier, one of _MARKS, EndOfData
    value: Any
    at: int


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """The syntax tree of a string as a pipeline's JSON holds it; a plain string is a Literal.

    Raises:
        ExpressionError: `syntax`, with the position.
    """
    if text.startswith("@") and len(text) > 1 and text[1] not in "@{":
        return _Reader(text, 1, len(text)).whole()
    if text.startswith("@@"):
        return Literal(text[1:])
    if "@{" not in text:
        return Literal(text)
    parts = list(_parts(text))
    if len(parts) == 1 and isinstance(parts[0][0], Literal) and type(parts[0][0].value) is str:
        return parts[0][0]
    return Template(tuple(node for node, _ in parts), tuple(source for _, source in parts))


def _parts(text: str) -> Iterator[tuple[Node, str]]:
    at, plain = 0, ""
    while (found := text.find("@{", at)) >= 0:
        if found > at and text[found - 1] == "@":
            plain += text[at : found - 1] + "@{"
            at = found + 2
            continue
        plain += text[at:found]
        if plain:
            yield Literal(plain), plain
        plain = ""
        stop = _closing(text, found)
        yield _Reader(text, found + 2, stop).whole(), text[found + 2 : stop]
        at = stop + 1
    if plain + text[at:]:
        yield Literal(plain + text[at:]), plain + text[at:]


def _closing(text: str, start: int) -> int:
    """Where the segment that begins at `start` ends: the first `}` outside a quoted string."""
    quoted = False
    for at in range(start + 2, len(text)):
        if text[at] == "'":
            quoted = not quoted
        elif text[at] == "}" and not quoted:
            return at
    raise ExpressionError(
        "syntax",
        f"The template language expression '{text}' is not valid: the string interpolation segment"
        f" starting at position '{start}' is not terminated. Make sure that every '@{{' is followed"
        " by its '}'.",
        text=text,
        position=start,
    )


class _Reader:
    """Recursive descent over the expression in `text[start:stop]`."""

    def __init__(self, text: str, start: int, stop: int) -> None:
        self.text, self.start, self.stop = text, start, stop
        self.source = text[start:stop]
        if stop - start > LONGEST_EXPRESSION:
            raise ExpressionError(
                "syntax",
                "The template language expression limit exceeded: maximum"
                f" '{LONGEST_EXPRESSION}' and actual '{stop - start}'.",
                text=text,
                position=start,
            )
        self.tokens = list(self.read())
        self.next = 0
        self.depth = 0

    def fail(self, why: str, at: int) -> NoReturn:
        shown = self.source if len(self.source) <= 256 else f"{self.source[:256]}…"
        raise ExpressionError(
            "syntax",
            f"The template language expression '{shown}' is not valid: {why}.",
            text=self.text,
            position=at,
        )

    def read(self) -> Iterator[_Token]:
        at = self.start
        while True:
            found = _TOKEN.match(self.text, at, self.stop)
            if found is None:
                self.unreadable(at)
            kind = str(found.lastgroup)
            begins, at = found.start(kind), found.end()
            if kind == "end":
                yield _Token("EndOfData", None, begins)
                return
            yield self.token(kind, found[kind], begins)

    def unreadable(self, at: int) -> NoReturn:
        while at < self.stop and self.text[at] in BLANKS:
            at += 1
        character, place = self.text[at : at + 1], at - self.start
        if character == "'":
            self.fail(f"the string constant at position '{place}' is not terminated", at)
        if character in "+-":
            self.fail(f"the value '{character}' at position '{place}' is no number", at)
        self.fail(f"the string character '{character}' at position '{place}' is not expected", at)

    def token(self, kind: str, text: str, at: int) -> _Token:
        if kind == "Literal":
            return _Token(kind, text[1:-1].replace("''", "'"), at)
        if kind == "mark":
            return _Token(_MARKS[text], text, at)
        if kind == "Identifier":
            return _Token(kind, text, at)
        end = at + len(text)
        if end < self.stop and (self.text[end].isalnum() or self.text[end] == "_"):
            place, character = end - self.start, self.text[end]
            self.fail(
                f"the string character '{character}' at position '{place}' is not expected", end
            )
        if text.lstrip("+-").isdigit():
            if (value := int(text)) not in INT64:
                self.fail(f"the value '{text}' at position '{at - self.start}' is too large", at)
            return _Token("Integer", value, at)
        return _Token("Float", float(text), at)

    def unexpected(self, expected: str) -> NoReturn:
        actual = self.tokens[self.next]
        raise ExpressionError(
            "syntax",
            f"Unable to parse template language expression '{self.source}': expected token"
            f" '{expected}' and actual '{actual.kind}'.",
            text=self.text,
            position=actual.at,
        )

    def take(self, kind: str) -> bool:
        if self.tokens[self.next].kind == kind:
            self.next += 1
            return True
        return False

    def expect(self, kind: str) -> None:
        if not self.take(kind):
            self.unexpected(kind)

    def whole(self) -> Node:
        node = self.expression()
        self.expect("EndOfData")
        return node

    def expression(self) -> Node:
        token = self.tokens[self.next]
        if token.kind in ("Literal", "Integer", "Float"):
            self.next += 1
            return Literal(token.value)
        if token.kind != "Identifier":
            self.unexpected("Identifier")
        self.next += 1
        word = token.value.lower()
        return Literal(_WORDS[word]) if word in _WORDS else self.call(token)

    def call(self, name: _Token) -> Node:
        self.expect("LeftParenthesis")
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            self.fail(f"it nests deeper than {DEEPEST_NESTING} levels", name.at)
        arguments: list[Node] = []
        if not self.take("RightParenthesis"):
            arguments.append(self.expression())
            while self.take("Comma"):
                arguments.append(self.expression())
            self.expect("RightParenthesis")
        made = Call(name.value, tuple(arguments), name.at)
        steps = self.steps()
        self.depth -= 1
        return Selection(made, steps) if steps else made

    def steps(self) -> tuple[Step, ...]:
        taken: list[Step] = []
        while True:
            optional = self.take("QuestionMark")
            if self.take("Dot"):
                token = self.tokens[self.next]
                self.expect("Identifier")
                taken.append(Step(Literal(token.value), optional))
            elif self.take("LeftSquareBracket"):
                key = self.expression()
                self.expect("RightSquareBracket")
                taken.append(Step(key, optional))
            elif optional:
                self.unexpected("Dot")
            else:
                return tuple(taken)
