"""Reads `SELECT @a = ...`: what is computed by the query, and what row by row."""

from __future__ import annotations

from emulators.warehouse.engine.tsql import nodes
from emulators.warehouse.engine.tsql.fragments import cut
from emulators.warehouse.engine.tsql.lexing import Token, tokenize
from emulators.warehouse.engine.tsql.reading import Reader
from emulators.warehouse.errors import SqlError

OPERATORS = {"=": ""} | {f"{sign}=": sign for sign in "+-*/%&|^"}
_AFTER_ITEM = frozenset({",", "FROM", "WHERE", "GROUP", "ORDER", "UNION", "OPTION", "HAVING"})
_MIXED = (
    "A SELECT statement that assigns a value to a variable must not be combined with"
    " data-retrieval operations."
)
_NO_COLUMNS = frozenset(
    {
        "CASE", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "NOT", "IS", "NULL", "LIKE", "IN",
        "BETWEEN", "ESCAPE", "COLLATE", "CURRENT_TIMESTAMP", "AT", "TIME", "ZONE", "AS",
    }
)  # fmt: skip
"""Words of an expression that name no column."""


def select_assign(reader: Reader, line: int, begun: int, end: int) -> nodes.Statement:
    """The statement whose first target is at `begun` and that ends at `end`.

    Raises:
        SqlError: 141: it also selects without assigning.
    """
    head = reader.text_to(begun)
    reader.at = begun
    items: list[tuple[str, tuple[Token, ...]]] = []
    while True:
        if reader.kind() != "variable" or reader.word(1) not in OPERATORS:
            raise SqlError(141, 15, 1, _MIXED, line)
        items.append(_item(reader, end))
        if not reader.take(","):
            break
    rest = reader.text_to(end) if reader.at < end else ""
    selected: list[str] = []
    names = {name for name, _ in items}
    targets = tuple(_target(reader, item, names, selected) for item in items)
    listed = ", ".join(f"{text} AS [v{at}]" for at, text in enumerate(selected)) or "1 AS [v0]"
    text = f"{head} {listed} {rest}"
    query = cut(tokenize(text), text, reader.tables)
    reader.at = end
    return nodes.SelectAssign(line, targets, query)


def _item(reader: Reader, end: int) -> tuple[str, tuple[Token, ...]]:
    """A target's name and the tokens of its value; `@a += x` is `@a + (x)`."""
    target = reader.next()
    operator = OPERATORS[reader.next().text]
    stop = _item_end(reader, end)
    if stop == reader.at:
        raise reader.unexpected()
    tokens = reader.tokens[reader.at : stop]
    reader.at = stop
    if operator:
        sign = Token("op", operator, operator, 0, 0, target.line)
        opened, closed = sign._replace(text="(", upper="("), sign._replace(text=")", upper=")")
        tokens = (target, sign, opened, *tokens, closed)
    return target.text.lower()[1:], tokens


def _item_end(reader: Reader, end: int) -> int:
    depth = cases = 0
    for at in range(reader.at, end):
        word = reader.tokens[at].upper
        depth += (word == "(") - (word == ")")
        cases += (word == "CASE") - (word == "END")
        if depth == 0 and cases == 0 and word in _AFTER_ITEM:
            return at
    return end


def _target(
    reader: Reader, item: tuple[str, tuple[Token, ...]], names: set[str], selected: list[str]
) -> nodes.Target:
    name, tokens = item
    used = {t.text[1:].lower() for t in tokens if t.kind == "variable"}
    if not used & names:
        selected.append(_spelled(tokens))
        return nodes.Target(name, len(selected) - 1)
    pieces: list[str] = []
    columns: list[tuple[str, int]] = []
    at = 0
    while at < len(tokens):
        length = _column_at(tokens, at)
        if length:
            selected.append(_spelled(tokens[at : at + length]))
            columns.append((f"__c{len(columns)}", len(selected) - 1))
            pieces.append(f"@{columns[-1][0]}")
        else:
            pieces.append(tokens[at].text)
        at += length or 1
    text = " ".join(pieces)
    return nodes.Target(name, 0, cut(tokenize(text), text, reader.tables), tuple(columns))


def _spelled(tokens: tuple[Token, ...]) -> str:
    """The tokens as text again; a point takes no space."""
    return "(" + " ".join(t.text for t in tokens) + ")"


def _column_at(tokens: tuple[Token, ...], at: int) -> int:
    """How many tokens from `at` name a column; 0 when they name none."""
    if tokens[at].kind not in ("word", "quoted") or tokens[at].upper in _NO_COLUMNS:
        return 0
    before = tokens[at - 1].upper if at else ""
    converted = before == "(" and at > 1 and tokens[at - 2].upper in ("CONVERT", "TRY_CONVERT")
    if before in ("AS", "COLLATE") or converted:
        return 0
    length = 1
    while at + length + 1 < len(tokens) and tokens[at + length].text == ".":
        length += 2
    after = tokens[at + length].text if at + length < len(tokens) else ""
    return 0 if after == "(" else length
