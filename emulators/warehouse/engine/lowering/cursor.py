"""Walks tokens: what every reading function holds."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.tree import Name
from emulators.warehouse.engine.tsql.lexing import Token, tokenize
from emulators.warehouse.engine.tsql.typenames import read_type
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError, keyword, syntax

RESERVED = frozenset(
    [
        "ADD",
        "ALL",
        "ALTER",
        "AND",
        "ANY",
        "AS",
        "ASC",
        "AUTHORIZATION",
        "BEGIN",
        "BETWEEN",
        "BREAK",
        "BULK",
        "BY",
        "CASE",
        "CHECK",
        "CLOSE",
        "CLUSTERED",
        "COALESCE",
        "COLLATE",
        "COLUMN",
        "COMMIT",
        "CONSTRAINT",
        "CONTAINS",
        "CONTINUE",
        "CONVERT",
        "CREATE",
        "CROSS",
        "CURRENT",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "CURRENT_TIMESTAMP",
        "CURRENT_USER",
        "DATABASE",
        "DECLARE",
        "DEFAULT",
        "DELETE",
        "DENY",
        "DESC",
        "DISTINCT",
        "DROP",
        "ELSE",
        "END",
        "ESCAPE",
        "EXCEPT",
        "EXEC",
        "EXECUTE",
        "EXISTS",
        "EXTERNAL",
        "FETCH",
        "FOR",
        "FOREIGN",
        "FROM",
        "FULL",
        "FUNCTION",
        "GOTO",
        "GRANT",
        "GROUP",
        "HAVING",
        "HOLDLOCK",
        "IDENTITY",
        "IDENTITY_INSERT",
        "IF",
        "IN",
        "INDEX",
        "INNER",
        "INSERT",
        "INTERSECT",
        "INTO",
        "IS",
        "JOIN",
        "KEY",
        "KILL",
        "LEFT",
        "LIKE",
        "MERGE",
        "NATIONAL",
        "NOCHECK",
        "NONCLUSTERED",
        "NOT",
        "NULL",
        "NULLIF",
        "OF",
        "OFF",
        "ON",
        "OPEN",
        "OPTION",
        "OR",
        "ORDER",
        "OUTER",
        "OVER",
        "PERCENT",
        "PIVOT",
        "PRIMARY",
        "PRINT",
        "PROC",
        "PROCEDURE",
        "RAISERROR",
        "REFERENCES",
        "RETURN",
        "REVERT",
        "REVOKE",
        "RIGHT",
        "ROLLBACK",
        "ROWCOUNT",
        "SAVE",
        "SCHEMA",
        "SELECT",
        "SESSION_USER",
        "SET",
        "SOME",
        "STATISTICS",
        "SYSTEM_USER",
        "TABLE",
        "TABLESAMPLE",
        "THEN",
        "TO",
        "TOP",
        "TRAN",
        "TRANSACTION",
        "TRIGGER",
        "TRUNCATE",
        "TRY_CONVERT",
        "TSEQUAL",
        "UNION",
        "UNIQUE",
        "UNPIVOT",
        "UPDATE",
        "USE",
        "USER",
        "VALUES",
        "VARYING",
        "VIEW",
        "WHEN",
        "WHERE",
        "WHILE",
        "WITH",
        "WITHIN",
    ]
)
"""Words that name nothing unless quoted."""

_END = Token("end", "", "", 0, 0, 1)


class Cursor:
    """Tokens and where reading stands. `bad` holds places that were tried as conditions in vain."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.at = 0
        self.bad: set[int] = set()
        self.depth = 0
        self._furthest = 0

    @property
    def here(self) -> Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else _END

    @property
    def line(self) -> int:
        if self.at < len(self.tokens):
            return self.tokens[self.at].line
        return self.tokens[-1].line if self.tokens else 1

    def ahead(self, by: int = 1) -> Token:
        at = self.at + by
        return self.tokens[at] if at < len(self.tokens) else _END

    def ended(self) -> bool:
        return self.at >= len(self.tokens)

    def next(self) -> Token:
        token = self.here
        self.at += 1
        return token

    def looks(self, *words: str) -> bool:
        """Whether exactly these keywords or signs come next."""
        return all(self.ahead(n).upper == word for n, word in enumerate(words))

    def take(self, *words: str) -> bool:
        """Go past these keywords or signs if they come next."""
        if self.looks(*words):
            self.at += len(words)
            return True
        return False

    def one_of(self, *words: str) -> str:
        """Go past one of these; "" when none is next."""
        if self.here.upper in words:
            return self.next().upper
        return ""

    def need(self, *words: str) -> None:
        """Go past these, or fail at the first that is not there."""
        for word in words:
            if self.here.upper != word:
                raise self.unexpected()
            self.at += 1

    def unexpected(self) -> SqlError:
        """The error for the token that comes next, or the furthest that any attempt came to."""
        self._furthest = max(self._furthest, self.at)
        if self._furthest >= len(self.tokens):
            return _near(self.tokens[-1] if self.tokens else _END)
        return _near(self.tokens[self._furthest])

    def is_name(self, ahead: int = 0) -> bool:
        token = self.ahead(ahead)
        return token.kind == "quoted" or (token.kind == "word" and token.upper not in RESERVED)

    def name(self) -> str:
        """One identifier.

        Raises:
            SqlError: 156 or 102 when something else stands there.
        """
        if not self.is_name():
            raise self.unexpected()
        return self.next().name

    def object_name(self) -> Name:
        """`[database.][schema.]name`; `db..name` has an empty schema."""
        line, parts = self.line, [self.name()]
        while self.take("."):
            if self.here.upper == ".":
                parts.append("")
            else:
                parts.append(self.any_word())
        if len(parts) > 4:
            raise self.unexpected()
        return Name(line, tuple(parts))

    def any_word(self) -> str:
        """An identifier where keywords are welcome too (after a dot)."""
        if self.here.kind not in ("word", "quoted"):
            raise self.unexpected()
        return self.next().name

    def names(self) -> tuple[str, ...]:
        """`(a, b, …)`."""
        self.need("(")
        found = [self.name()]
        while self.take(","):
            found.append(self.name())
        self.need(")")
        return tuple(found)

    def type(self) -> SqlType:
        kind, self.at = read_type(self.tokens, self.at)
        return kind

    def cast_type(self) -> SqlType:
        """A type as CAST is given it: text without a length has length 0, not 1."""
        kind = self.type()
        if self.tokens[self.at - 1].text != ")" and kind.length == 1:
            return SqlType(kind.name)
        return kind

    def string(self) -> str:
        """A string literal's text."""
        if self.here.kind != "string":
            raise self.unexpected()
        return self.next().value

    def integer(self) -> int:
        """A whole number, with its sign."""
        sign = -1 if self.take("-") else 1
        if self.here.kind != "number" or not self.here.text.isdigit():
            raise self.unexpected()
        return sign * int(self.next().text)

    def finish(self) -> None:
        """The end of the statement, or fail."""
        while self.take(";"):
            pass
        if not self.ended():
            raise self.unexpected()

    def group(self) -> tuple[Token, ...]:
        """The tokens inside the parentheses that open here; go past them."""
        self.need("(")
        start, depth = self.at, 1
        while depth:
            if self.ended():
                raise self.unexpected()
            depth += {"(": 1, ")": -1}.get(self.here.upper, 0)
            self.at += 1
        return self.tokens[start : self.at - 1]


def _near(token: Token) -> SqlError:
    if token.kind == "word" and token.upper in RESERVED:
        return keyword(token.text, token.line)
    return syntax(token.name if token.kind == "quoted" else token.text, token.line)
