"""Reads a batch or a module's body into statements; data statements are only cut out."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from emulators.warehouse.engine.tsql import nodes, statements
from emulators.warehouse.engine.tsql.extents import PAIRS, STARTERS, begins
from emulators.warehouse.engine.tsql.lexing import tokenize
from emulators.warehouse.engine.tsql.reading import Reader
from emulators.warehouse.errors import SqlError, syntax

CACHED_LENGTH = 100_000
"""Characters of a batch up to which its parse is kept."""

_DATA = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "TRUNCATE", "("})
_DEFINES = frozenset({"CREATE", "ALTER", "DROP"})
_MODULES = {"PROC": "PROCEDURE", "PROCEDURE": "PROCEDURE", "VIEW": "VIEW", "FUNCTION": "FUNCTION"}
_PRINCIPALS = frozenset({"LOGIN", "USER", "ROLE", "SERVER", "AUTHORIZATION"})
_REFUSED = {
    "DBCC": "DBCC", "KILL": "KILL", "BACKUP": "BACKUP", "RESTORE": "RESTORE", "BULK": "BULK INSERT",
    "OPEN": "cursors", "CLOSE": "cursors", "FETCH": "cursors", "DEALLOCATE": "cursors",
    "CHECKPOINT": "CHECKPOINT", "RECONFIGURE": "RECONFIGURE", "SHUTDOWN": "SHUTDOWN",
    "REVERT": "EXECUTE AS and REVERT", "EXPLAIN": "EXPLAIN",
}  # fmt: skip
_UNMADE = {
    "TRIGGER": "triggers",
    "MATERIALIZED": "materialized views", "TYPE": "user-defined types", "SYNONYM": "synonyms",
    "CERTIFICATE": "certificates", "ASSEMBLY": "assemblies", "RULE": "rules", "DEFAULT": "defaults",
    "WORKLOAD": "workload management", "RESOURCE": "resource pools", "CRYPTOGRAPHIC": "keys",
}  # fmt: skip


def parse_batch(text: str) -> tuple[nodes.Statement, ...]:
    """The statements of a batch.

    Raises:
        SqlError: it cannot be read; nothing of it may run.
    """
    return _parse_cached(text) if len(text) <= CACHED_LENGTH else _parse(text)


def _parse(text: str) -> tuple[nodes.Statement, ...]:
    return Blocks(text).batch()


_parse_cached = lru_cache(maxsize=512)(_parse)


class Blocks(Reader):
    """The recursive part: blocks, branches, loops; the rest is in `statements`."""

    def batch(self) -> tuple[nodes.Statement, ...]:
        """Every statement to the end of the text."""
        found: list[nodes.Statement] = []
        self._skip()
        while not self.done:
            found.append(self.statement(first=not found))
            self._skip()
        for label, line in self.jumps:
            if label not in self.labels:
                text = f"A GOTO statement references the label '{label}' but the label has not"
                raise SqlError(133, 15, 1, f"{text} been declared.", line)
        return tuple(found)

    def _skip(self) -> None:
        while self.take(";"):
            pass

    def statement(self, *, first: bool = False) -> nodes.Statement:
        """The statement here; the `first` of a batch may omit EXEC or define a module."""
        line, word = self.line, self.word()
        own = self._OWN.get(word)
        if own is not None:
            return own(self, line)
        if word in _REFUSED:
            return self._refuse(line, _REFUSED[word])
        if word in _DATA or PAIRS.get(word, "\0") == self.word(1):
            return statements.data(self, line)
        return (self._definition if word in _DEFINES else self._worded)(line, first)

    def _worded(self, line: int, first: bool) -> nodes.Statement:
        """A label, or a procedure's name without EXEC."""
        word = self.word()
        if self.kind() == "word" and self.word(1) == ":" and word not in STARTERS:
            label = self.next().text.lower()
            self.need(":")
            self.labels.add(label)
            return nodes.Label(line, label)
        if first and self.kind() in ("word", "quoted") and word not in ("END", "ELSE", "GO"):
            return statements.execute_body(self, line)
        raise self.unexpected()

    def _refuse(self, line: int, what: str) -> nodes.Statement:
        self.at += 1
        while not self.done and self.word() not in (";", "END", "ELSE"):
            if begins(self.tokens, self.at) and self.word() not in ("SELECT", "UPDATE"):
                break
            self.at += 1
        return nodes.Refused(line, what)

    def _definition(self, line: int, first: bool) -> nodes.Statement:
        verb, ahead = self.word(), 1
        if self.word(1) == "OR" and self.word(2) == "ALTER":
            verb, ahead = "CREATE OR ALTER", 3
        kind = self.word(ahead)
        if kind in _MODULES and verb == "DROP":
            return statements.drop_module(self, line, _MODULES[kind])
        if kind in _MODULES:
            if not first:
                text = f"'{verb} {kind}' must be the first statement in a query batch."
                raise SqlError(111, 15, 1, text, line)
            return statements.create_module(self, line, verb, _MODULES[kind], ahead + 1)
        if kind in _UNMADE:
            return self._refuse_rest(line, _UNMADE[kind])
        scoped = kind == "DATABASE" and self.word(ahead + 1) not in ("SCOPED", "ENCRYPTION")
        if kind in _PRINCIPALS or scoped:
            return statements.security(self, line)
        return statements.data(self, line)

    def _refuse_rest(self, line: int, what: str) -> nodes.Statement:
        self.at = len(self.tokens)
        return nodes.Refused(line, what)

    def _begin(self, line: int) -> nodes.Statement:
        if self.word(1) in ("TRAN", "TRANSACTION"):
            return statements.begin_transaction(self, line)
        if self.word(1) == "TRY":
            return self._try(line)
        if self.word(1) in ("DISTRIBUTED", "DIALOG", "CONVERSATION"):
            return self._refuse(line, f"BEGIN {self.word(1)}")
        self.need("BEGIN")
        return self._until_end(line)

    def _until_end(self, line: int) -> nodes.Block:
        found: list[nodes.Statement] = []
        self._skip()
        while self.word() != "END":
            if self.done:
                raise self.unexpected()
            found.append(self.statement())
            self._skip()
        if not found:
            raise self.unexpected()
        self.need("END")
        return nodes.Block(line, tuple(found))

    def _guarded(self, word: str) -> nodes.Block:
        line, found = self.line, list[nodes.Statement]()
        self.need("BEGIN")
        self.need(word)
        self._skip()
        while not (self.word() == "END" and self.word(1) == word):
            if self.done:
                raise self.unexpected()
            found.append(self.statement())
            self._skip()
        self.at += 2
        return nodes.Block(line, tuple(found))

    def _try(self, line: int) -> nodes.Statement:
        body = self._guarded("TRY")
        self._skip()
        return nodes.TryCatch(line, body, self._guarded("CATCH"))

    def _if(self, line: int) -> nodes.Statement:
        self.need("IF")
        condition = self.expression(condition=True)
        then = self._branch()
        at = self.at
        self._skip()
        if not self.take("ELSE"):
            self.at = at
            return nodes.If(line, condition, then, None)
        return nodes.If(line, condition, then, self._branch())

    def _branch(self) -> nodes.Statement:
        self._no_end()
        return self.statement()

    def _no_end(self) -> None:
        if self.done or self.word() in (";", "END", "ELSE"):
            raise self.unexpected()

    def _while(self, line: int) -> nodes.Statement:
        self.need("WHILE")
        condition = self.expression(condition=True)
        return nodes.While(line, condition, self._branch())

    def _break(self, line: int) -> nodes.Statement:
        self.need("BREAK")
        return nodes.Break(line)

    def _continue(self, line: int) -> nodes.Statement:
        self.need("CONTINUE")
        return nodes.Continue(line)

    _OWN: dict[str, Callable[[Blocks, int], nodes.Statement]] = {  # noqa: RUF012
        "BEGIN": _begin,
        "IF": _if,
        "WHILE": _while,
        "BREAK": _break,
        "CONTINUE": _continue,
        **statements.PARSERS,
    }


def split(text: str) -> list[str]:
    """The top-level statements of a batch, each as it was written."""
    blocks, found = Blocks(text), list[str]()
    while True:
        while blocks.take(";"):
            pass
        if blocks.done:
            return found
        begun = blocks.at
        blocks.statement(first=not found)
        found.append(text[blocks.tokens[begun].start : blocks.tokens[blocks.at - 1].end])


def body_of(text: str, at: int, tables: set[str]) -> tuple[nodes.Statement, ...]:
    """The statements of a module's text from its token `at` on."""
    blocks = Blocks(text)
    blocks.at, blocks.tables = at, tables
    made = blocks.batch()
    if not made:
        raise blocks.unexpected()
    return made


def names_of(text: str) -> tuple[str, ...]:
    """The parts of an object's name in text such as `[dbo].[t]`.

    Raises:
        SqlError: it is no name.
    """
    reader = Reader(text, tokenize(text))
    parts = reader.parts()
    if not reader.done:
        raise syntax(reader.next().text)
    return parts
