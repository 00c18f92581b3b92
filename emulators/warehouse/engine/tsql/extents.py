"""Where statements end: T-SQL needs no semicolon, so keywords begin the next one."""

from __future__ import annotations

from collections.abc import Sequence

from emulators.warehouse.engine.tsql.lexing import Token
from emulators.warehouse.errors import syntax

STARTERS = frozenset(
    [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "MERGE",
        "CREATE",
        "ALTER",
        "DROP",
        "TRUNCATE",
        "DECLARE",
        "SET",
        "IF",
        "WHILE",
        "BEGIN",
        "BREAK",
        "CONTINUE",
        "RETURN",
        "EXEC",
        "EXECUTE",
        "PRINT",
        "RAISERROR",
        "WAITFOR",
        "USE",
        "GOTO",
        "COMMIT",
        "ROLLBACK",
        "SAVE",
        "GRANT",
        "REVOKE",
        "DENY",
        "OPEN",
        "CLOSE",
        "FETCH",
        "DEALLOCATE",
        "DBCC",
        "KILL",
        "BACKUP",
        "RESTORE",
        "CHECKPOINT",
        "RECONFIGURE",
        "SHUTDOWN",
        "BULK",
        "REVERT",
    ]
)
"""Reserved words that begin a statement wherever the one before may end."""

PAIRS = {"RENAME": "OBJECT", "COPY": "INTO"}
"""Words that begin a statement when the other follows."""

_BEFORE = {
    "SELECT": frozenset({"UNION", "EXCEPT", "INTERSECT", "ALL", "("}),
    "FETCH": frozenset({"ROW", "ROWS"}),
    "MERGE": frozenset({"INNER", "LEFT", "RIGHT", "FULL", "OUTER"}),  # a hint of a join
}
"""Words that go on with a query after these."""

_OWN_QUERY = frozenset({"INSERT", "WITH", "CREATE", "MERGE", "EXPLAIN"})
_MAIN = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
_KINDS = frozenset(
    {
        "TABLE", "VIEW", "PROC", "PROCEDURE", "FUNCTION", "SCHEMA", "INDEX", "USER", "ROLE",
        "COLUMN", "CONSTRAINT", "DATABASE", "STATISTICS", "LOGIN", "TYPE", "SEQUENCE", "TRIGGER",
        "SYNONYM", "SOURCE", "FORMAT", "CREDENTIAL",
    }
)  # fmt: skip
_DROPPED = frozenset({"COLUMN", "CONSTRAINT", "MEMBER", "PARTITION", "IF", "PERIOD"})


def text_at(tokens: Sequence[Token], at: int) -> str:
    """The keyword or sign at `at`; "" beyond the ends."""
    return tokens[at].upper if 0 <= at < len(tokens) else ""


def begins(tokens: Sequence[Token], at: int) -> bool:
    """Whether a statement may begin at `at` when the one before is complete."""
    word, after = text_at(tokens, at), text_at(tokens, at + 1)
    if tokens[at].kind != "word":
        return False
    return word in STARTERS or PAIRS.get(word, "\0") == after or after == ":"


def expression_end(
    tokens: Sequence[Token], at: int, *, stop: str = "", condition: bool = False
) -> int:
    """Where the expression at `at` ends: at a sign of `stop`, a statement, ELSE, END or `;`.

    A `condition` is also ended by statements whose first word is no reserved one.
    """
    depth = cases = 0
    begun = at
    while at < len(tokens):
        token, word = tokens[at], tokens[at].upper
        if word == "(":
            depth += 1
        elif word == ")":
            if depth == 0:
                return at
            depth -= 1
        elif depth == 0 and token.kind in ("word", "op"):
            if word == "CASE":
                cases += 1
            elif word == "END" and cases:
                cases -= 1
            elif not cases and _ends(tokens, at, stop, condition and at > begun):
                return at
        at += 1
    if depth:
        raise syntax(tokens[-1].text, tokens[-1].line)
    return at


def _ends(tokens: Sequence[Token], at: int, stop: str, condition: bool) -> bool:
    word = tokens[at].upper
    if word == ";" or word in ("END", "ELSE") or (stop and word == stop):
        return True
    if begins(tokens, at):
        return True
    if not condition:
        return False
    if word == "THROW":
        return True
    return word == "WITH" and text_at(tokens, at + 1) != "("


class DataExtent:
    """Finds the end of one data statement that begins at a keyword."""

    def __init__(self, tokens: Sequence[Token], at: int) -> None:
        self._tokens, self._begin = tokens, at
        self._verb = tokens[at].upper
        self._queried = self._verb not in _OWN_QUERY
        self._set = self._verb != "UPDATE"
        self._with = False

    def end_of_group(self) -> int:
        """As `end`, of a query that begins with `(`."""
        self._begin -= 1
        return self.end()

    def end(self) -> int:
        """One beyond the statement's last token; a closing `;` is not its own."""
        tokens, at = self._tokens, self._begin + 1
        depth = cases = 0
        while at < len(tokens):
            word, kind = tokens[at].upper, tokens[at].kind
            if word == "(":
                depth += 1
            elif word == ")":
                depth -= 1
                if depth < 0:
                    raise syntax(")", tokens[at].line)
            elif depth == 0 and kind in ("word", "op"):
                if word == "CASE":
                    cases += 1
                elif word == "END" and cases:
                    cases -= 1
                elif not cases and self._stops(at):
                    return at
            at += 1
        if depth:
            raise syntax(tokens[-1].text, tokens[-1].line)
        return at

    def _stops(self, at: int) -> bool:
        word = self._tokens[at].upper
        if word == "VALUES":
            self._queried |= self._verb == "INSERT"
        elif word == "WITH" and text_at(self._tokens, at - 1) == "AS":
            self._with = True
        if word in (";", "END", "ELSE"):
            return True
        if not begins(self._tokens, at):
            return False
        return not self._continues(word, text_at(self._tokens, at - 1), at)

    def _continues(self, word: str, before: str, at: int) -> bool:
        """Whether the keyword at `at` belongs to this statement."""
        if self._continues_query(word, before):
            return True
        after = text_at(self._tokens, at + 1)
        if self._verb == "MERGE" and (before == "THEN" or (word == "SET" and before == "UPDATE")):
            return True
        if word == "SET" and (not self._set or before in ("DELETE", "UPDATE")):
            self._set = True
            return True
        if self._verb in ("ALTER", "DROP", "CREATE"):
            return self._continues_definition(word, before, after)
        return False

    def _continues_query(self, word: str, before: str) -> bool:
        if before in _BEFORE.get(word, frozenset()):
            return True
        if self._verb == "CREATE":
            return word == "SELECT" and self._may_select(before)
        if self._queried:
            return False
        if self._verb == "WITH" and word in _MAIN:
            self._verb = word
            self._set = word != "UPDATE"
            self._queried = word not in _OWN_QUERY
            return True
        self._queried = word == "SELECT" or (self._verb == "INSERT" and word in ("EXEC", "EXECUTE"))
        return self._queried

    def _may_select(self, before: str) -> bool:
        """CREATE TABLE ... AS SELECT, or AS WITH c AS (...) SELECT: once."""
        allowed = not self._queried and (before == "AS" or self._with)
        self._queried |= allowed
        return allowed

    def _continues_definition(self, word: str, before: str, after: str) -> bool:
        if word in ("UPDATE", "DELETE", "INSERT") and before in ("ON", "FOR"):
            return True
        if word == "IF" and after == "EXISTS" and before in _KINDS:
            return True
        return self._verb == "ALTER" and (
            (word == "SET" and after == "(")
            or (word == "ALTER" and after == "COLUMN")
            or (word == "DROP" and after in _DROPPED)
        )
