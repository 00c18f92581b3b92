"""Procedures, views and functions: made, dropped, and written out where functions are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from emulators.warehouse.engine.answers import Answer, Finished
from emulators.warehouse.engine.catalog import model
from emulators.warehouse.engine.tsql import inlining, nodes
from emulators.warehouse.engine.tsql.fragments import cut
from emulators.warehouse.engine.tsql.lexing import Token, quote, tokenize
from emulators.warehouse.engine.tsql.modules import PROCEDURE, SCALAR, TABLE, VIEW, parse_module
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

_DDL = 0xC6
_KINDS = {"PROCEDURE": (PROCEDURE,), "VIEW": (VIEW,), "FUNCTION": (SCALAR, TABLE)}
_DEPTH = 32
_NAMES = {"PROCEDURE": "procedure", "VIEW": "view", "FUNCTION": "function"}


def split_name(session: Session, parts: tuple[str, ...]) -> tuple[str, str]:
    """Schema and name of `[database.]schema.name`.

    Raises:
        SqlError: 40515: it names another database.
    """
    name, schema = parts[-1], (parts[-2] if len(parts) > 1 and parts[-2] else session.schema)
    if len(parts) > 2 and parts[-3] and parts[-3].lower() != session.database.lower():
        text = (
            f"Reference to database and/or server name in '{'.'.join(parts)}' is not "
            "supported in this version of SQL Server."
        )
        raise SqlError(40515, 16, 1, text)
    return schema, name


def create(session: Session, made: nodes.CreateModule) -> Iterator[Answer]:
    """CREATE, ALTER, CREATE OR ALTER.

    Raises:
        SqlError: 2714 when it exists, 208 when it does not, and all that its text has wrong.
    """
    module = parse_module(made.text)
    schema, name = split_name(session, made.parts)
    session.permit(schema, name, "ALTER" if made.verb == "ALTER" else f"CREATE {made.kind}")
    found = session.catalog.module(schema, name)
    if made.verb == "CREATE" and (found or session.catalog.table(schema, name)):
        text = f"There is already an object named '{name}' in the database."
        raise SqlError(2714, 16, 3, text)
    if made.verb == "ALTER" and found is None:
        raise SqlError(208, 16, 6, f"Invalid object name '{'.'.join(made.parts)}'.")
    if found is not None and found.kind not in _KINDS[made.kind]:
        text = (
            f"Cannot perform alter on '{schema}.{name}' because it is an incompatible object type."
        )
        raise SqlError(2010, 16, 1, text)
    if module.kind == SCALAR:
        inlining.result_of(_typed(module))
    if session.server.strict:
        _check_strictly(module)
    with session.writing(ddl=True):
        if module.kind == VIEW and module.query is not None:
            session.plans.check_view(_source(module.query), name, module.columns)
        session.catalog.put_module(_record(module, schema, name))
    yield Finished(None, _DDL)


def _check_strictly(module: nodes.Module) -> None:
    """A dedicated pool's procedures have no defaults and return nothing.

    Source: learn.microsoft.com/azure/synapse-analytics/sql-data-warehouse/
    sql-data-warehouse-develop-stored-procedures (limitations).

    Raises:
        SqlError: this one has.
    """
    if module.kind != PROCEDURE:
        return
    if any(p.default is not None for p in module.parameters):
        raise refused("default values of parameters, which a dedicated pool has not either")
    waiting = list(module.body)
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, nodes.Return) and statement.value is not None:
            what = "return values of procedures, which a dedicated pool has not either"
            raise refused(what, statement.line)
        for part in ("body", "then", "other", "handler"):
            inner = getattr(statement, part, None)
            waiting += inner if isinstance(inner, tuple) else [inner] if inner is not None else []


def _record(module: nodes.Module, schema: str, name: str) -> model.Module:
    query = module.query
    return model.Module(
        id=0,
        schema=schema,
        name=name,
        kind=module.kind,
        text=module.text,
        body=_source(query) if query is not None else "",
        parameters=tuple(
            model.Parameter(
                p.spelled, p.type, p.output, p.default.text if p.default is not None else None
            )
            for p in module.parameters
        ),
        columns=module.columns,
        returns=module.returns,
        body_line=query.line if query is not None else 1,
    )


def _source(query: nodes.Fragment) -> str:
    """The query as views and table functions keep it: facts of the session are variables in it.

    Raises:
        SqlError: it has a literal too long to be kept as text.
    """
    if query.literals:
        raise refused("long binary literals in views and functions", query.line)
    return query.text


def drop(session: Session, made: nodes.DropModule) -> Iterator[Answer]:
    """DROP PROCEDURE, VIEW, FUNCTION.

    Raises:
        SqlError: 3701: there is none.
    """
    for parts in made.names:
        schema, name = split_name(session, parts)
        found = session.catalog.module(schema, name)
        if found is None or found.kind not in _KINDS[made.kind]:
            if made.if_exists:
                continue
            text = (
                f"Cannot drop the {_NAMES[made.kind]} '{'.'.join(parts)}', because it does not"
                " exist or you do not have permission."
            )
            raise SqlError(3701, 11, 5, text)
        session.permit(schema, name, "ALTER")
        with session.writing(ddl=True):
            session.catalog.drop_module(schema, name)
    yield Finished(None, _DDL)


def expand(session: Session, fragment: nodes.Fragment, depth: int = 0) -> nodes.Fragment:
    """The fragment with calls of the database's own functions written out.

    Raises:
        SqlError: 217: functions call each other too deep; 313, 8144: wrong arguments.
    """
    known = {
        name: module
        for name in fragment.calls
        if (module := session.catalog.module(*name)) is not None and module.kind in (SCALAR, TABLE)
    }
    if not known:
        return fragment
    if depth >= _DEPTH:
        text = (
            "Maximum stored procedure, function, trigger, or view nesting level exceeded "
            f"(limit {_DEPTH})."
        )
        raise SqlError(217, 16, 1, text)
    text = _Expansion(session, fragment.text, known).text()
    made = cut(tokenize(text), text)
    kept = replace(
        made,
        line=fragment.line,
        facts=made.facts | fragment.facts,
        literals=made.literals + fragment.literals,
    )
    return expand(session, kept, depth + 1)


class _Expansion:
    """One level of calls in one text."""

    def __init__(
        self, session: Session, text: str, known: dict[tuple[str, str], model.Module]
    ) -> None:
        self._session, self._source, self._known = session, text, known
        self._tokens = tokenize(text)

    def text(self) -> str:
        return self._range(0, len(self._tokens), 0, len(self._source))

    def _range(self, begin: int, end: int, first: int, last: int) -> str:
        """The text from offset `first` to `last`, whose tokens are begin..end."""
        pieces: list[str] = []
        at, offset = begin, first
        while at < end:
            module = self._called(at, end)
            if module is None:
                at += 1
                continue
            close = self._close(at + 3)
            pieces.append(self._source[offset : self._tokens[at].start])
            pieces.append(self._written(module, self._arguments(at + 4, close)))
            if module.kind == TABLE and not self._aliased(close + 1):
                pieces.append(f" AS {quote(module.name)}")
            at, offset = close + 1, self._tokens[close].end
        pieces.append(self._source[offset:last])
        return "".join(pieces)

    def _called(self, at: int, end: int) -> model.Module | None:
        if at + 3 >= end or self._tokens[at + 1].text != "." or self._tokens[at + 3].text != "(":
            return None
        named = (self._tokens[at].name.lower(), self._tokens[at + 2].name.lower())
        return self._known.get(named)

    def _aliased(self, at: int) -> bool:
        if at >= len(self._tokens):
            return False
        token = self._tokens[at]
        named = token.kind == "quoted" or (token.kind == "word" and token.upper not in _CLAUSES)
        return token.upper == "AS" or named

    def _close(self, at: int) -> int:
        depth = 0
        for place in range(at, len(self._tokens)):
            text = self._tokens[place].text
            depth += (text == "(") - (text == ")")
            if depth == 0:
                return place
        return len(self._tokens) - 1

    def _arguments(self, at: int, close: int) -> list[str]:
        """The arguments, calls inside them written out too."""
        found: list[str] = []
        begin, depth = at, 0
        for place in range(at, close + 1):
            text = self._tokens[place].text
            if depth == 0 and (text == "," or place == close) and place > begin:
                first, last = self._tokens[begin].start, self._tokens[place - 1].end
                found.append(self._range(begin, place, first, last))
                begin = place + 1
            depth += (text == "(") - (text == ")")
        return found

    def _written(self, called: model.Module, given: list[str]) -> str:
        module = parse_module(called.text)
        name = f"{called.schema}.{called.name}"
        if len(given) < len(module.parameters):
            text = (
                "An insufficient number of arguments were supplied for the procedure or "
                f"function {name}."
            )
            raise SqlError(313, 16, 2, text)
        if len(given) > len(module.parameters):
            text = f"Procedure or function {name} has too many arguments specified."
            raise SqlError(8144, 16, 2, text)
        bound = {}
        for parameter, argument in zip(module.parameters, given, strict=True):
            default = parameter.default.text if parameter.default is not None else "NULL"
            value = default if argument.upper() == "DEFAULT" else argument
            bound[parameter.name] = f"CAST(({value}) AS {parameter.type})"
        _check_capture(name, module, given)
        if module.kind == TABLE:
            assert module.query is not None
            return f"({_bind(module.query, bound)})"
        inner = _bind(_expression(module), bound)
        return f"CAST(({inner}) AS {module.returns})"


@lru_cache(maxsize=256)
def _expression(module: nodes.Module) -> nodes.Fragment:
    """What a scalar function returns."""
    text = inlining.result_of(_typed(module))
    return cut(tokenize(text), text)


def _typed(module: nodes.Module) -> nodes.Module:
    """The function with its parameters declared, so that assignments to them are cast."""
    declared = tuple(
        nodes.Declaration(p.name, p.type, cut(tokenize(p.spelled), p.spelled))
        for p in module.parameters
    )
    body = (nodes.Declare(1, declared), *module.body) if declared else module.body
    return replace(module, body=body)


def _check_capture(name: str, module: nodes.Module, given: list[str]) -> None:
    """Arguments are written into the function's query, which has columns of its own.

    Raises:
        SqlError: an argument names a column without its table, which the query could capture.
    """
    query = module.query if module.kind == TABLE else _expression(module)
    if query is None or not query.reads:
        return
    for argument in given:
        tokens = tokenize(argument)
        for at, token in enumerate(tokens):
            after = tokens[at + 1].text if at + 1 < len(tokens) else ""
            before = tokens[at - 1].text if at else ""
            bare = token.kind == "quoted" or (token.kind == "word" and token.upper not in _WORDS)
            if bare and after not in (".", "(") and before != ".":
                raise refused(f"the column {token.text} without its table as argument of {name}")


_CLAUSES = frozenset(
    {
        "WHERE", "ORDER", "GROUP", "HAVING", "UNION", "EXCEPT", "INTERSECT", "JOIN", "INNER",
        "LEFT", "RIGHT", "FULL", "CROSS", "OUTER", "ON", "OPTION", "FOR", "WITH", "PIVOT",
        "UNPIVOT",
    }
)  # fmt: skip
"""Words that follow a table function and are no alias of it."""

_WORDS = frozenset({"NULL", "CASE", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "NOT", "IS", "IN"})
"""Words of an expression that name no column."""


def _bind(fragment: nodes.Fragment, bound: dict[str, str]) -> str:
    """The fragment's text with parameters replaced by arguments."""
    pieces: list[str] = []
    last = 0
    for token in tokenize(fragment.text):
        pieces.append(fragment.text[last : token.start])
        pieces.append(_bound(token, bound))
        last = token.end
    return "".join(pieces) + fragment.text[last:]


def _bound(token: Token, bound: dict[str, str]) -> str:
    if token.kind != "variable":
        return token.text
    return bound.get(token.text[1:].lower(), token.text)


def quoted(schema: str, name: str) -> str:
    """`[schema].[name]`."""
    return f"{quote(schema)}.{quote(name)}"
