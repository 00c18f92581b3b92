"""XPath 1.0 expressions to trees. Source: www.w3.org/TR/1999/REC-xpath-19991116."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

_DEEPEST = 32
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)
    | (?P<literal>"[^"]*"|'[^']*')
    | (?P<mark>//|::|!=|<=|>=|\.\.|[()\[\].@,/|+\-=<>*$])
    | (?P<name>[^\W\d][\w.·-]*(?::(?!:)(?:[^\W\d][\w.·-]*|\*))?)
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
AXES = (
    "ancestor", "ancestor-or-self", "attribute", "child", "descendant", "descendant-or-self",
    "following", "following-sibling", "namespace", "parent", "preceding", "preceding-sibling",
    "self",
)  # fmt: skip
_NODE_TYPES = ("comment", "text", "processing-instruction", "node")
_LEVELS = (("or",), ("and",), ("=", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "div", "mod"))


_SIGNS = ("/", "//", "|", "+", "-", "=", "!=", "<", "<=", ">", ">=")
_BETWEEN_OPERANDS = (*_SIGNS, "and", "or", "div", "mod", "*")


class BadXPath(ValueError):
    """An expression that is not XPath 1.0, or one that cannot be evaluated."""


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Two operands and what is between them; `|` is the union of node-sets."""

    sign: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class Negation:
    operand: Tree


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class NodeTest:
    """`kind` is name, text, comment, processing-instruction or node; `name` may be `*`."""

    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class LocationStep:
    axis: str
    test: NodeTest
    predicates: tuple[Tree, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """A primary expression with predicates."""

    primary: Tree
    predicates: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """Steps from `start`: the root when `absolute`, the context node when both are unset."""

    steps: tuple[LocationStep, ...]
    absolute: bool = False
    start: Tree | None = None


Tree: TypeAlias = Number | Text | Operation | Negation | Function | Filter | Path

_ANY = LocationStep("descendant-or-self", NodeTest("node"))


@lru_cache(maxsize=256)
def parse_xpath(text: str) -> Tree:
    """The tree of an expression.

    Raises:
        BadXPath: it is not XPath 1.0.
    """
    reader = _Reader(_tokens(text))
    tree = reader.level(0)
    if reader.kind != "end":
        raise BadXPath(f"'{reader.text}' is not expected")
    return tree


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    while True:
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadXPath(f"'{text[at : at + 1]}' is not expected")
        kind = str(found.lastgroup)
        token = found[kind]
        operand_before = (
            bool(tokens)
            and tokens[-1][1] not in ("@", "::", "(", "[", ",")
            and (tokens[-1][0] != "operator")
        )
        # A name or a star after an operand can only be an operator.
        if token in (_BETWEEN_OPERANDS if operand_before else _SIGNS) and kind in ("mark", "name"):
            kind = "operator"
        tokens.append((kind, token))
        at = found.end()
        if kind == "end":
            return tokens


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def text(self) -> str:
        return self.tokens[self.at][1]

    def following(self) -> str:
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)][1]

    def take(self, *texts: str) -> bool:
        if self.kind in ("mark", "operator") and self.text in texts:
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise BadXPath(f"'{text}' is expected instead of '{self.text}'")

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1][1]

    def level(self, level: int) -> Tree:
        """Binary operators of one precedence, leftmost first."""
        if level == len(_LEVELS):
            return self.unary()
        tree = self.level(level + 1)
        while self.kind == "operator" and self.text in _LEVELS[level]:
            tree = Operation(self.next(), tree, self.level(level + 1))
        return tree

    def unary(self) -> Tree:
        signs = 0
        while self.take("-"):
            signs += 1
        tree = self.path()
        while self.take("|"):
            tree = Operation("|", tree, self.path())
        for _ in range(min(signs, 2 - signs % 2)):
            tree = Negation(tree)
        return tree

    def path(self) -> Tree:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise BadXPath(f"it nests deeper than {_DEEPEST} levels")
        tree = self.located()
        self.depth -= 1
        return tree

    def located(self) -> Tree:
        if self.begins_primary():
            primary = self.primary()
            if predicates := self.predicates():
                primary = Filter(primary, predicates)
            if self.text in ("/", "//") and self.kind == "operator":
                return Path(self.steps(), start=primary)
            return primary
        if self.text == "/" and self.kind == "operator":
            self.at += 1
            return Path(self.steps(first=True) if self.begins_step() else (), absolute=True)
        if self.text == "//" and self.kind == "operator":
            return Path(self.steps(), absolute=True)
        return Path(self.steps(first=True))

    def begins_primary(self) -> bool:
        if self.kind in ("number", "literal"):
            return True
        if self.kind == "mark" and self.text in ("(", "$"):
            return True
        return self.kind == "name" and self.following() == "(" and self.text not in _NODE_TYPES

    def begins_step(self) -> bool:
        return self.kind == "name" or self.text in ("*", "@", ".", "..")

    def primary(self) -> Tree:
        if self.kind == "number":
            return Number(float(self.next()))
        if self.kind == "literal":
            return Text(self.next()[1:-1])
        if self.take("("):
            tree = self.level(0)
            self.expect(")")
            return tree
        if self.take("$"):
            raise BadXPath("there are no variables")
        name = self.next()
        self.expect("(")
        arguments: list[Tree] = []
        if not self.take(")"):
            arguments.append(self.level(0))
            while self.take(","):
                arguments.append(self.level(0))
            self.expect(")")
        return Function(name, tuple(arguments))

    def predicates(self) -> tuple[Tree, ...]:
        found: list[Tree] = []
        while self.take("["):
            found.append(self.level(0))
            self.expect("]")
        return tuple(found)

    def steps(self, *, first: bool = False) -> tuple[LocationStep, ...]:
        made: list[LocationStep] = [self.step()] if first else []
        while self.kind == "operator" and self.text in ("/", "//"):
            if self.next() == "//":
                made.append(_ANY)
            made.append(self.step())
        return tuple(made)

    def step(self) -> LocationStep:
        if self.take("."):
            return LocationStep("self", NodeTest("node"))
        if self.take(".."):
            return LocationStep("parent", NodeTest("node"))
        axis = "child"
        if self.take("@"):
            axis = "attribute"
        elif self.kind == "name" and self.following() == "::":
            axis = self.next()
            self.at += 1
            if axis not in AXES:
                raise BadXPath(f"'{axis}' is no axis")
        return LocationStep(axis, self.node_test(), self.predicates())

    def node_test(self) -> NodeTest:
        if self.text == "*" and self.kind in ("mark", "operator"):
            self.at += 1
            return NodeTest("name", "*")
        if self.kind != "name":
            raise BadXPath(f"'{self.text}' is not expected")
        name = self.next()
        if name not in _NODE_TYPES or self.text != "(":
            return NodeTest("name", name)
        self.at += 1
        target = self.next()[1:-1] if self.kind == "literal" else ""
        self.expect(")")
        return NodeTest(name, target)
