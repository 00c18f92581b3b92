"""Cuts text for lowering out of a batch: facts and long literals become variables."""

from __future__ import annotations

from collections.abc import Container, Sequence

from emulators.warehouse.engine.tsql import facts
from emulators.warehouse.engine.tsql.lexing import LONG_HEX, Token
from emulators.warehouse.engine.tsql.nodes import Fragment
from emulators.warehouse.errors import undeclared

_QUERY = frozenset({"SELECT", "EXISTS"})
_LOOKS_UP = frozenset(
    {
        "OBJECT_ID", "OBJECT_NAME", "OBJECT_SCHEMA_NAME", "OBJECT_DEFINITION", "OBJECTPROPERTY",
        "OBJECTPROPERTYEX", "SCHEMA_ID", "SCHEMA_NAME", "COL_LENGTH", "COL_NAME", "COLUMNPROPERTY",
        "INDEXPROPERTY", "INDEX_COL", "IDENT_CURRENT", "IDENT_SEED", "IDENT_INCR", "STATS_DATE",
        "USER_NAME", "USER_ID", "DATABASE_PRINCIPAL_ID",
    }
)  # fmt: skip
"""Functions that look into the catalog, as the open transaction has it."""


def cut(tokens: Sequence[Token], source: str, tables: Container[str] = ()) -> Fragment:
    """The fragment that `tokens` (at least one) spell in `source`.

    `tables` are the table variables (lower case, with @): they become temporary tables.
    """
    return _Cutter(tokens, source, tables).fragment()


class _Cutter:
    """One pass over the tokens of a fragment."""

    def __init__(self, tokens: Sequence[Token], source: str, tables: Container[str]) -> None:
        self._tokens, self._source, self._tables = tokens, source, tables
        self._facts: set[str] = set()
        self._variables: set[str] = set()
        self._literals: list[tuple[str, bytes]] = []
        self._calls: set[tuple[str, str]] = set()
        self._reads = self._predicts = False

    def fragment(self) -> Fragment:
        pieces: list[str] = []
        at, last = 0, self._tokens[0].start
        while at < len(self._tokens):
            token = self._tokens[at]
            gap = self._source[last : token.start]
            pieces.append("\n" * gap.count("\n") or (" " if gap else ""))
            text, used = self._piece(at)
            pieces.append(text)
            at += used
            last = self._tokens[at - 1].end
        return Fragment(
            "".join(pieces),
            self._tokens[0].line,
            tuple(self._tokens),
            frozenset(self._variables),
            frozenset(self._facts),
            tuple(self._literals),
            self._reads,
            frozenset(self._calls),
            self._predicts,
        )

    def _piece(self, at: int) -> tuple[str, int]:
        """What stands for the token at `at`, and how many tokens that covers."""
        token = self._tokens[at]
        if token.kind == "variable":
            return self._variable(token), 1
        if token.kind == "hex" and len(token.text) > LONG_HEX:
            return self._literal(token), 1
        if token.kind in ("word", "quoted"):
            return self._word(at)
        return token.text, 1

    def _variable(self, token: Token) -> str:
        name = token.text.lower()
        if name in self._tables:
            self._reads = True
            return f"[#{name}]"
        if not name.startswith("@@"):
            self._variables.add(name[1:])
            if name.startswith(("@__g_", "@__f_")):  # text that was cut before
                self._facts.add(name[1:])
            return token.text
        if name[2:] not in facts.GLOBALS:
            raise undeclared(token.text, token.line)
        return self._fact(f"__g_{name[2:]}")

    def _fact(self, name: str) -> str:
        self._facts.add(name)
        self._variables.add(name)
        return f"@{name}"

    def _literal(self, token: Token) -> str:
        digits = token.text[2:].replace("\\", "").replace("\r", "").replace("\n", "")
        name = f"__hex{len(self._literals)}"
        self._literals.append((name, bytes.fromhex("0" * (len(digits) % 2) + digits)))
        self._variables.add(name)
        return f"@{name}"

    def _word(self, at: int) -> tuple[str, int]:
        token, upper = self._tokens[at], self._tokens[at].upper
        following = [t.text for t in self._tokens[at + 1 : at + 4]]
        before = self._tokens[at - 1].text if at else ""
        if before == "." or (following and following[0] == "."):
            self._note_call(at)
            return token.text, 1
        if upper in _QUERY or (upper in _LOOKS_UP and following[:1] == ["("]):
            self._reads = True
        if upper == "PREDICT" and following[:1] == ["("]:
            self._predicts = self._reads = True
        if upper in facts.CALLS and following[:2] == ["(", ")"]:
            return self._fact(f"__f_{upper.lower()}"), 3
        if upper in facts.TESTS and following[:1] == ["("] and following[2:3] == [")"]:
            argument = self._tokens[at + 2]
            if argument.kind == "string":
                return self._fact(f"__f_{upper.lower()}${argument.value}".lower()), 4
        if upper in facts.WORDS and following[:1] != ["("] and before.upper() not in ("AS", "ON"):
            return self._fact(f"__f_{upper.lower()}"), 1
        return token.text, 1

    def _note_call(self, at: int) -> None:
        """Remember `schema.name(`, which a function of the database may be."""
        ahead = self._tokens[at + 1 : at + 4]
        if len(ahead) == 3 and ahead[0].text == "." and ahead[2].text == "(":
            self._calls.add((self._tokens[at].name.lower(), ahead[1].name.lower()))
            self._reads = True
