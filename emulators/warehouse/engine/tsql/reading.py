"""A place in a batch's tokens, with the small steps every parser of statements takes."""

from __future__ import annotations

from collections.abc import Sequence

from emulators.warehouse.engine.tsql.extents import STARTERS, expression_end
from emulators.warehouse.engine.tsql.fragments import cut
from emulators.warehouse.engine.tsql.lexing import Token, tokenize
from emulators.warehouse.engine.tsql.nodes import Fragment
from emulators.warehouse.errors import SqlError, keyword, syntax

_RESERVED = STARTERS | {"END", "ELSE", "FROM", "WHERE", "AS", "ON", "INTO", "VALUES", "TABLE"}


class Reader:
    """Steps through tokens; errors name the token they stop at."""

    def __init__(self, source: str, tokens: Sequence[Token] | None = None) -> None:
        self.source = source
        self.tokens = tokenize(source) if tokens is None else tuple(tokens)
        self.at = 0
        self.tables: set[str] = set()
        self.labels: set[str] = set()
        self.jumps: list[tuple[str, int]] = []

    @property
    def done(self) -> bool:
        return self.at >= len(self.tokens)

    @property
    def line(self) -> int:
        if not self.tokens:
            return 1
        return self.tokens[min(self.at, len(self.tokens) - 1)].line

    def word(self, ahead: int = 0) -> str:
        """The keyword or sign `ahead` of here; "" beyond the end."""
        at = self.at + ahead
        return self.tokens[at].upper if at < len(self.tokens) else ""

    def kind(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at].kind if at < len(self.tokens) else ""

    def take(self, *words: str) -> bool:
        """Step over `words` if they are what comes."""
        if all(self.word(ahead) == word for ahead, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def need(self, word: str) -> None:
        if not self.take(word):
            raise self.unexpected()

    def next(self) -> Token:
        if self.done:
            raise self.unexpected()
        self.at += 1
        return self.tokens[self.at - 1]

    def unexpected(self) -> SqlError:
        """The error for the token here, or for the end."""
        if self.done:
            last = self.tokens[-1] if self.tokens else None
            return syntax(last.text if last else "", last.line if last else 1)
        token = self.tokens[self.at]
        if token.kind == "word" and token.upper in _RESERVED:
            return keyword(token.text, token.line)
        return syntax(token.text, token.line)

    def name(self) -> str:
        """One identifier."""
        if self.kind() not in ("word", "quoted"):
            raise self.unexpected()
        return self.next().name

    def parts(self) -> tuple[str, ...]:
        """A name of several parts; an omitted one is ""."""
        found: list[str] = []
        while self.take("."):
            found.append("")
        found.append(self.name())
        while self.take("."):
            found.append("" if self.word() == "." else self.name())
        return tuple(found)

    def expression(self, stop: str = "", *, condition: bool = False) -> Fragment:
        """The expression here, as far as it goes."""
        end = expression_end(self.tokens, self.at, stop=stop, condition=condition)
        return self.cut_to(end)

    def cut_to(self, end: int) -> Fragment:
        """The fragment from here to `end`, which may not be empty."""
        if end <= self.at:
            raise self.unexpected()
        made = cut(self.tokens[self.at : end], self.source, self.tables)
        self.at = end
        return made

    def text_to(self, end: int) -> str:
        """The source from here to `end`, unchanged."""
        return self.source[self.tokens[self.at].start : self.tokens[end - 1].end]

    def group_end(self) -> int:
        """One beyond the `)` that closes the `(` here."""
        depth = 0
        for at in range(self.at, len(self.tokens)):
            word = self.tokens[at].upper
            depth += (word == "(") - (word == ")")
            if depth == 0:
                return at + 1
        raise syntax(self.tokens[-1].text, self.tokens[-1].line)
