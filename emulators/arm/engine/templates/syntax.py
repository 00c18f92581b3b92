"""Expressions in square brackets: text to syntax trees and back. Source: template-expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from emulators.arm.errors import ExpressionInvalid

LONGEST = 24_576  # characters of an expression, the documented limit
DEEPEST = 120  # calls, members and indexes within each other
LONGEST_NUMBER = 40  # digits; more are not worth reading
_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<mark>\.\?|[()\[\].,]))"
)
_NAMES = {
    "(": "LeftParenthesis", ")": "RightParenthesis", "[": "LeftSquareBracket",
    "]": "RightSquareBracket", ",": "Comma", ".": "Dot", ".?": "SafeDot",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Literal:
    """A string or a whole number as written."""

    value: str | int


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; a user's function has its namespace before a dot."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A property of a value; `safe` gives null where there is none."""

    of: Node
    name: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An element of an array, or a property whose name is computed."""

    of: Node
    at: Node
    safe: bool = False


Node = Literal | Call | Member | Index


def is_expression(text: str) -> bool:
    """Whether a string of a template is an expression and not itself."""
    return text.startswith("[") and text.endswith("]") and not text.startswith("[[")


def literal_of(text: str) -> str:
    """What a string that is no expression means: a doubled bracket is a bracket."""
    return text[1:] if text.startswith("[[") and text.endswith("]") else text


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """The tree of an expression, given with its brackets.

    Raises:
        ExpressionInvalid: it cannot be read.
    """
    if len(text) > LONGEST:
        raise ExpressionInvalid(
            f"The template language expression has '{len(text)}' characters;"
            f" the limit is '{LONGEST}'."
        )
    return _Parser(text[1:-1]).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # string, number, name, end, or the mark itself
    text: str

    @property
    def title(self) -> str:
        """As the service names it in its messages."""
        titles = {"string": "String", "number": "Integer", "name": "Identifier", "end": "EndOfData"}
        return titles.get(self.kind) or _NAMES[self.kind]


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._lex())
        self._at = 0
        self._depth = 0

    def _lex(self) -> Iterator[_Token]:
        at, end = 0, len(self._text.rstrip())
        while at < end:
            found = _TOKEN.match(self._text, at)
            if found is None:
                place = at + len(self._text[at:]) - len(self._text[at:].lstrip())
                raise self._wrong(f"character '{self._text[place]}' at position '{place}'")
            kind = str(found.lastgroup)
            word = found[kind]
            yield _Token(word if kind == "mark" else kind, word)
            at = found.end()
        yield _Token("end", "")

    def _wrong(self, actual: str, expected: str = "") -> ExpressionInvalid:
        what = f"expected token '{expected}' and actual '{actual}'" if expected else actual
        shown = self._text if len(self._text) <= 200 else f"{self._text[:200]}..."
        return ExpressionInvalid(f"Unable to parse language expression '{shown}': {what}.")

    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, kind: str = "") -> _Token:
        token = self._next()
        if kind and token.kind != kind:
            title = _NAMES.get(kind) or _Token(kind, "").title
            raise self._wrong(token.title, title)
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def whole(self) -> Node:
        found = self._value()
        self._take("end")
        return found

    def _value(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"more than '{DEEPEST}' levels of nesting")
        found = self._primary()
        links = 0
        while self._next().kind in (".", ".?", "["):
            links += 1
            if links > DEEPEST:
                raise self._wrong(f"more than '{DEEPEST}' properties of properties")
            found = self._link(found)
        self._depth -= 1
        return found

    def _primary(self) -> Node:
        token = self._take()
        if token.kind == "string":
            return Literal(token.text[1:-1].replace("''", "'"))
        if token.kind == "number":
            if len(token.text) > LONGEST_NUMBER or not -(2**63) <= int(token.text) < 2**63:
                raise self._wrong("a number that does not fit in 64 bits")
            return Literal(int(token.text))
        if token.kind != "name":
            raise self._wrong(token.title, "Identifier")
        name = token.text
        while self._next().kind == ".":
            self._take()
            name += f".{self._take('name').text}"
        self._take("(")
        return Call(name, self._arguments())

    def _arguments(self) -> tuple[Node, ...]:
        if self._next().kind == ")":
            self._take()
            return ()
        found = [self._value()]
        while self._next().kind == ",":
            self._take()
            found.append(self._value())
        self._take(")")
        return tuple(found)

    def _link(self, of: Node) -> Node:
        mark = self._take()
        safe = mark.kind == ".?"
        if mark.kind == "[" or (safe and self._next().kind == "["):
            if safe:
                self._take("[")
            at = self._value()
            self._take("]")
            return Index(of, at, safe)
        return Member(of, self._take("name").text, safe)


def show(node: Node) -> str:
    """The expression of a tree, without its brackets."""
    match node:
        case Literal(value):
            return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
        case Call(name, arguments):
            return f"{name}({', '.join(map(show, arguments))})"
        case Member(of, name, safe):
            return f"{show(of)}{'.?' if safe else '.'}{name}"
        case Index(of, at, safe):
            return f"{show(of)}{'.?' if safe else ''}[{show(at)}]"


def calls(node: Node) -> Iterator[Call]:
    """Every call in a tree, outermost first."""
    match node:
        case Call(_, arguments):
            yield node
            for argument in arguments:
                yield from calls(argument)
        case Member(of, _, _):
            yield from calls(of)
        case Index(of, at, _):
            yield from calls(of)
            yield from calls(at)
