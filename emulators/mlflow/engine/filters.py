"""MLflow's search filters over plain records: `name = 'x' AND tags.k LIKE 'v%'`, and orderings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulators.mlflow.errors import InvalidParameter

Record = Mapping[str, Any]
"""Attributes by name; `tags` is a map of text to text."""

PROMPT_TAG = "mlflow.prompt.is_prompt"
MODEL_ATTRIBUTES = frozenset({"name"})
VERSION_ATTRIBUTES = frozenset({"name", "version_number", "run_id", "source_path"})
NUMERIC = frozenset({"version_number", "creation_timestamp", "last_updated_timestamp"})

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'])*'|"(?:[^"])*")
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<compare><=|>=|!=|=|<|>)
    | (?P<mark>[(),])
    | (?P<word>[A-Za-z_][\w]*(?:\.(?:`[^`]*`|"[^"]*"|[\w.\-/]+))?)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison."""

    key: str  # attribute, or tag when `tag`
    tag: bool
    comparator: str  # =, !=, <, <=, >, >=, LIKE, ILIKE, IN, NOT IN
    value: str | int | tuple[str, ...]


def parse(text: str, attributes: frozenset[str]) -> list[Clause]:
    """Clauses joined by AND; empty text has none.

    Raises:
        InvalidParameter: not a filter, or an attribute that cannot be searched by.
    """
    tokens = _tokens(text)
    clauses: list[Clause] = []
    while tokens:
        clauses.append(_clause(tokens, attributes))
        if tokens:
            kind, word = tokens.pop(0)
            if kind != "word" or word.upper() != "AND" or not tokens:
                raise InvalidParameter(f"Invalid clause(s) in filter string: '{word}'")
    return clauses


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at, text = [], 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise InvalidParameter(f"Invalid clause(s) in filter string: '{text[at:]}'")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _take(tokens: list[tuple[str, str]], *kinds: str) -> str:
    if not tokens or tokens[0][0] not in kinds:
        at = tokens[0][1] if tokens else "the end"
        raise InvalidParameter(f"Invalid filter string: expected a {kinds[0]} at '{at}'")
    return tokens.pop(0)[1]


def _clause(tokens: list[tuple[str, str]], attributes: frozenset[str]) -> Clause:
    key, tag = _key(_take(tokens, "word"), attributes)
    comparator = _take(tokens, "compare", "word").upper()
    if comparator == "NOT":
        comparator = f"NOT {_take(tokens, 'word').upper()}"
    numeric = not tag and key in NUMERIC
    allowed = {"=", "!="} | ({"<", "<=", ">", ">="} if numeric else {"LIKE", "ILIKE"})
    if not tag and key in ("name", "run_id"):
        allowed |= {"IN", "NOT IN"}
    if comparator not in allowed:
        raise InvalidParameter(
            f"Invalid comparator for '{key}': '{comparator}' not one of {sorted(allowed)}"
        )
    if comparator in ("IN", "NOT IN"):
        return Clause(key, tag, comparator, _list(tokens))
    if numeric:
        number = _take(tokens, "number")
        if not number.lstrip("-").isdigit():
            raise InvalidParameter(f"Invalid value for '{key}': {number}")
        return Clause(key, tag, comparator, int(number))
    return Clause(key, tag, comparator, _take(tokens, "text")[1:-1])


def _key(word: str, attributes: frozenset[str]) -> tuple[str, bool]:
    kind, dot, key = word.partition(".")
    if dot and kind.lower() in ("tag", "tags"):
        return key.strip('`"'), True
    if dot and kind.lower() != "attribute":
        raise InvalidParameter(f"Invalid entity type '{kind}'")
    name = (key if dot else kind).strip('`"')
    if name not in attributes:
        raise InvalidParameter(
            f"Invalid attribute key '{name}' specified. Valid keys are {sorted(attributes)}"
        )
    return name, False


def _list(tokens: list[tuple[str, str]]) -> tuple[str, ...]:
    if _take(tokens, "mark") != "(":
        raise InvalidParameter("Invalid filter string: a list begins with '('")
    values = [_take(tokens, "text")[1:-1]]
    while (mark := _take(tokens, "mark")) == ",":
        values.append(_take(tokens, "text")[1:-1])
    if mark != ")":
        raise InvalidParameter("Invalid filter string: a list ends with ')'")
    return tuple(values)


def matches(record: Record, clauses: Iterable[Clause]) -> bool:
    """Whether a record meets every clause. A tag that is absent meets none."""
    return all(_holds(record, clause) for clause in clauses)


def _holds(record: Record, clause: Clause) -> bool:
    found = record["tags"].get(clause.key) if clause.tag else record.get(clause.key)
    if found is None:
        # Models carry no prompt tag, and clients ask for what is not a prompt by it.
        return clause.key == PROMPT_TAG and (clause.comparator, clause.value) in (
            ("!=", "true"),
            ("=", "false"),
        )
    return _COMPARE[clause.comparator](found, clause.value)


def _like(text: str, pattern: str, flags: re.RegexFlag) -> bool:
    wanted = re.escape(pattern).replace("%", ".*").replace("_", ".")
    return re.fullmatch(wanted, text, flags | re.DOTALL) is not None


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "LIKE": lambda a, b: _like(a, b, re.RegexFlag(0)),
    "ILIKE": lambda a, b: _like(a, b, re.IGNORECASE),
    "IN": lambda a, b: a in b,
    "NOT IN": lambda a, b: a not in b,
}


def ordered(
    records: Sequence[Record], order_by: Sequence[str], allowed: frozenset[str], ties: Sequence[str]
) -> list[Record]:
    """Records sorted by clauses such as `name DESC`; `ties` follow in their own direction.

    Raises:
        InvalidParameter: not an ordering, or by something that has none.
    """
    keys: list[tuple[str, bool]] = []
    for clause in [*order_by, *ties]:
        found = re.fullmatch(
            r"\s*(?:attribute\.)?[`\"]?(\w+)[`\"]?(?:\s+(asc|desc))?\s*", clause, re.I
        )
        name = "last_updated_timestamp" if found and found[1] == "timestamp" else found and found[1]
        if not found or not name or name not in allowed:
            raise InvalidParameter(f"Invalid order_by clause '{clause}'")
        if all(name != key for key, _ in keys):
            keys.append((name, (found[2] or "asc").lower() == "desc"))
    result = list(records)
    for name, descending in reversed(keys):
        result.sort(key=lambda record: record[name], reverse=descending)
    return result
