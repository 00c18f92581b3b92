"""Computes expressions for the interpreter: in Python where that is the same, else by DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import ResultSet
from emulators.warehouse.engine.tsql import definitions, values
from emulators.warehouse.engine.tsql.facts import type_of as fact_type
from emulators.warehouse.engine.tsql.fragments import cut
from emulators.warehouse.engine.tsql.lexing import tokenize
from emulators.warehouse.engine.tsql.nodes import Fragment
from emulators.warehouse.engine.tsql.quick import compile_quick
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError, undeclared

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

UNKNOWN = SqlType("nvarchar", MAX)
_INT = SqlType("int")


class Held(dict[str, Any]):
    """Values of a statement's variables; those of facts are the session's."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def __missing__(self, name: str) -> Any:
        if not name.startswith("__"):
            raise KeyError(name)
        return self._session.fact(name)


def scope(session: Session, fragment: Fragment) -> tuple[dict[str, SqlType], dict[str, Any]]:
    """Types and values of the variables a fragment uses.

    Raises:
        SqlError: 137: one is not declared.
    """
    frame = session.frame
    types: dict[str, SqlType] = {}
    held: dict[str, Any] = Held(session)
    literals = dict(fragment.literals)
    for name in sorted(fragment.variables):
        if name in frame.types:
            types[name], held[name] = frame.types[name], frame.values[name]
        elif name in fragment.facts:
            types[name], held[name] = fact_type(name), session.fact(name)
        elif name in literals:
            types[name], held[name] = SqlType("varbinary", MAX), literals[name]
        else:
            raise undeclared(f"@{name}", _line_of(fragment, name))
    return types, held


def _line_of(fragment: Fragment, name: str) -> int:
    """The line of a variable's first use, counted from the fragment's own first line."""
    for token in fragment.tokens:
        if token.kind == "variable" and token.text[1:].lower() == name:
            return token.line - fragment.line + 1
    return 1


def evaluate(session: Session, fragment: Fragment) -> tuple[Any, SqlType]:
    """The value of an expression, and its type.

    Raises:
        SqlError: it cannot be computed.
    """
    types, held = scope(session, fragment)
    quick = compile_quick(fragment, types)
    if quick is not None and quick[0].name != "bool":
        return quick[1](held), quick[0]
    return _asked(session, fragment, types, held)


def holds(session: Session, condition: Fragment) -> bool:
    """Whether a condition is true; unknown is not.

    Raises:
        SqlError: it cannot be computed, 4145 when it is no condition.
    """
    types, held = scope(session, condition)
    quick = compile_quick(condition, types)
    if quick is not None:
        if quick[0].name != "bool":
            near = condition.tokens[-1].text
            text = (
                "An expression of non-boolean type specified in a context where a condition "
                f"is expected, near '{near}'."
            )
            raise SqlError(4145, 15, 1, text)
        return quick[1](held) is True
    asked = wrap(condition, "CASE WHEN ", " THEN 1 ELSE 0 END")
    return bool(_asked(session, asked, types, held)[0] == 1)


def wrap(fragment: Fragment, before: str, after: str) -> Fragment:
    """The fragment inside other text; its variables, facts and literals stay its own."""
    return Fragment(
        f"{before}{fragment.text}{after}",
        fragment.line,
        fragment.tokens,
        fragment.variables,
        fragment.facts,
        fragment.literals,
        fragment.reads,
        fragment.calls,
        fragment.predicts,
    )


def _asked(
    session: Session, fragment: Fragment, types: Mapping[str, SqlType], held: Mapping[str, Any]
) -> tuple[Any, SqlType]:
    if fragment.reads:
        fragment = definitions.expand(session, fragment)
        session.transactions.check()
    plan = session.plans.expression(fragment, types)
    session.authorize(plan.objects)
    con = session.con if fragment.reads else session.scratch
    return read_scalar(session, plan.execute(con, held))


def read_scalar(session: Session, result: ResultSet | int | None) -> tuple[Any, SqlType]:
    """The one value of a result of one column, NULL when it has no row."""
    if not isinstance(result, ResultSet):
        return None, UNKNOWN
    value: Any = None
    for batch in result.batches:
        if batch.num_rows:
            value = batch.column(0)[0].as_py()
    return value, result.columns[0].type


def cast(session: Session, value: Any, source: SqlType, target: SqlType) -> Any:
    """`value` as a variable of the declared type holds it.

    Raises:
        SqlError: it cannot be converted.
    """
    try:
        return values.fit(value, target)
    except values.Unfit:
        text = f"CAST(@value AS {target})"
        fragment = cut(tokenize(text), text)
    plan = session.plans.expression(fragment, {"value": source})
    made, _ = read_scalar(session, plan.execute(session.scratch, {"value": value}))
    try:
        return values.fit(made, target)
    except values.Unfit:
        return made


def assign(session: Session, name: str, value: Any, source: SqlType) -> None:
    """Give a variable of the present frame a value.

    Raises:
        SqlError: 137: it is not declared; or the value cannot be converted.
    """
    frame = session.frame
    kind = frame.types.get(name)
    if kind is None:
        raise undeclared(f"@{name}")
    frame.values[name] = cast(session, value, source, kind)


def text_of(session: Session, fragment: Fragment) -> str | None:
    """An expression's value as text."""
    value, kind = evaluate(session, fragment)
    made = cast(session, value, kind, UNKNOWN)
    return None if made is None else str(made)


def int_of(session: Session, fragment: Fragment) -> int | None:
    """An expression's value as an integer."""
    value, kind = evaluate(session, fragment)
    made = cast(session, value, kind, _INT)
    return None if made is None else int(made)
