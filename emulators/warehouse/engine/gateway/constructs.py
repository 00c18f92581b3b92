"""Where PREDICT stands in a statement, and its parts. Text only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from emulators.warehouse.engine.answers import Column
from emulators.warehouse.engine.tsql.lexing import Token
from emulators.warehouse.engine.tsql.typenames import read_type
from emulators.warehouse.errors import SqlError, refused, syntax


@dataclass(frozen=True, slots=True)
class Construct:
    """`PREDICT(MODEL = m, DATA = d AS a, RUNTIME = ONNX) WITH (…) AS p`, from `start` to `end`."""

    start: int  # in the source text
    end: int
    model: str
    data: str
    data_alias: str
    outputs: tuple[Column, ...]
    alias: str


def constructs(tokens: Sequence[Token], source: str) -> Iterator[Construct]:
    """Every PREDICT of a statement.

    Raises:
        SqlError: it is malformed, or stands where the gateway cannot put a table.
    """
    for at, token in enumerate(tokens[:-1]):
        if token.kind == "word" and token.upper == "PREDICT" and tokens[at + 1].text == "(":
            before = tokens[at - 1] if at else token
            if before.upper not in ("FROM", ","):
                raise refused("PREDICT behind a SQL Server anywhere but in FROM", token.line)
            yield _read(tokens, at, source)


def _read(tokens: Sequence[Token], at: int, source: str) -> Construct:
    close = closing(tokens, at + 1)
    named = _arguments(tokens, at + 2, close)
    missing = next((name for name in ("MODEL", "DATA") if name not in named), None)
    if missing is not None:
        raise syntax(tokens[close].text, tokens[close].line)
    model, data = named["MODEL"], named["DATA"]
    alias = data[-1]
    held = data[:-2] if len(data) > 1 and data[-2].upper == "AS" else data[:-1]
    if not held:
        raise syntax(alias.text, alias.line)
    after = close + 1
    if _at(tokens, after).upper != "WITH" or _at(tokens, after + 1).text != "(":
        raise syntax(_at(tokens, after).text, _at(tokens, after).line)
    ends = closing(tokens, after + 1)
    outputs = tuple(_columns(tokens, after + 2, ends))
    named_at = ends + 2 if _at(tokens, ends + 1).upper == "AS" else ends + 1
    name = _at(tokens, named_at)
    return Construct(
        tokens[at].start, name.end, _spelled(model, source), _spelled(held, source),
        alias.name, outputs, name.name,
    )  # fmt: skip


def closing(tokens: Sequence[Token], at: int) -> int:
    """Where the parenthesis that opens at `at` closes.

    Raises:
        SqlError: 102, it does not.
    """
    depth = 0
    for place in range(at, len(tokens)):
        depth += (tokens[place].text == "(") - (tokens[place].text == ")")
        if not depth:
            return place
    raise syntax(tokens[-1].text, tokens[-1].line)


def _arguments(tokens: Sequence[Token], start: int, end: int) -> dict[str, Sequence[Token]]:
    """`NAME = …` between commas that no parenthesis holds."""
    found: dict[str, Sequence[Token]] = {}
    depth, first = 0, start
    for at in range(start, end + 1):
        text = tokens[at].text
        if at == end or (text == "," and not depth):
            part = tokens[first:at]
            if len(part) < 3 or part[1].text != "=":
                raise syntax(tokens[first].text, tokens[first].line)
            found[part[0].upper] = part[2:]
            first = at + 1
        depth += (text == "(") - (text == ")")
    return found


def _columns(tokens: Sequence[Token], at: int, end: int) -> Iterator[Column]:
    while at < end:
        name = tokens[at].name
        kind, at = read_type(tokens, at + 1)
        while at < end and tokens[at].text != ",":  # COLLATE, NULL, NOT NULL
            at += 1
        at += 1
        yield Column(name, kind)


def _at(tokens: Sequence[Token], at: int) -> Token:
    if at >= len(tokens):
        raise syntax(tokens[-1].text, tokens[-1].line)
    return tokens[at]


def _spelled(tokens: Sequence[Token], source: str) -> str:
    return source[tokens[0].start : tokens[-1].end]


def queries_before(tokens: Sequence[Token], source: str) -> str:
    """The WITH in front of a statement, for DATA may name what it defines.

    Raises:
        SqlError: PREDICT is within it.
    """
    if tokens[0].upper != "WITH":
        return ""
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if token.upper == "PREDICT":
            raise refused("PREDICT behind a SQL Server within WITH", token.line)
        if not depth and token.upper in ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"):
            return source[tokens[0].start : token.start]
    raise SqlError(102, 15, 1, "Incorrect syntax near 'WITH'.", tokens[0].line)
