"""T-SQL text as tokens; knows no statement. Comments and white space are left between them."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from emulators.warehouse.errors import SqlError, syntax

LONG_HEX = 1000
"""Digits from which a `0x` literal travels as a parameter, not as text."""

_TOKEN = re.compile(
    r"""
    (?P<space>[\s\ufeff\u00a0]+)
  | (?P<line>--[^\n]*)
  | (?P<comment>/\*)
  | (?P<string>[Nn]?'[^']*+(?:''[^']*+)*+')
  | (?P<hex>0[xX][0-9A-Fa-f]*(?:\\\r?\n[0-9A-Fa-f]*)*)
  | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+|[eE](?![\w]))?)
  | (?P<variable>@[\w@$\#]*)
  | (?P<quoted>\[[^\]]*+(?:\]\][^\]]*+)*+\]|"[^"]*+(?:""[^"]*+)*+")
  | (?P<word>[^\W\d][\w@$\#]*|\#[\w@$\#]*)
  | (?P<op><>|<=|>=|!=|!<|!>|\+=|-=|\*=|/=|%=|&=|\|=|\^=|::|\|\||[-+*/%&|^~=<>!(),.;:${}?\\])
    """,
    re.VERBOSE,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


class Token(NamedTuple):
    """`kind` is word, quoted, string, number, hex, variable or op; `upper` is its keyword."""

    kind: str
    text: str
    upper: str
    start: int
    end: int
    line: int

    @property
    def name(self) -> str:
        """An identifier without its brackets or quotes."""
        if self.kind != "quoted":
            return self.text
        if self.text[0] == "[":
            return self.text[1:-1].replace("]]", "]")
        return self.text[1:-1].replace('""', '"')

    @property
    def value(self) -> str:
        """A string literal's text."""
        return self.text[self.text.index("'") + 1 : -1].replace("''", "'")


def tokenize(text: str) -> tuple[Token, ...]:
    """The tokens of `text`, lines counted from 1.

    Raises:
        SqlError: 105 for an unclosed string, 113 for an unclosed comment, 102 for anything else.
    """
    found: list[Token] = []
    breaks = [at.end() for at in re.finditer("\n", text)]
    at, match = 0, _TOKEN.match
    while at < len(text):
        hit = match(text, at)
        if hit is None:
            raise _unreadable(text, at, bisect_right(breaks, at) + 1)
        kind = hit.lastgroup or ""
        if kind == "comment":
            at = _comment_end(text, at, bisect_right(breaks, at) + 1)
            continue
        if kind not in ("space", "line"):
            piece = hit.group()
            upper = piece.upper() if kind == "word" else "" if kind != "op" else piece
            found.append(Token(kind, piece, upper, at, hit.end(), bisect_right(breaks, at) + 1))
        at = hit.end()
    return tuple(found)


def _comment_end(text: str, at: int, line: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise SqlError(113, 15, 1, "Missing end comment mark '*/'.", line)


def _unreadable(text: str, at: int, line: int) -> SqlError:
    if text[at] in "'\"[" or text[at : at + 2].upper() == "N'":
        rest = text[at + 1 :][:128]
        return SqlError(
            105, 15, 1, f"Unclosed quotation mark after the character string '{rest}'.", line
        )
    return syntax(text[at], line)


def quote(name: str) -> str:
    """An identifier in brackets."""
    return "[" + name.replace("]", "]]") + "]"


def literal(text: str) -> str:
    """A Unicode string literal."""
    return "N'" + text.replace("'", "''") + "'"
