"""A scalar function's body as one expression: assignments put in, branches made CASE."""

from __future__ import annotations

from collections.abc import Sequence

from emulators.warehouse.engine.tsql import nodes
from emulators.warehouse.engine.tsql.lexing import tokenize
from emulators.warehouse.errors import SqlError, refused, undeclared

LONGEST = 200_000
"""Characters an expression may grow to; branches after branches double it."""

Known = dict[str, tuple[str, str]]
"""A variable's type and the expression of its value, both as text."""


def result_of(module: nodes.Module) -> str:
    """The expression of what the function returns, in terms of its parameters.

    Raises:
        SqlError: its body loops, changes data, or need not return; 455 without a RETURN.
    """
    return _result(module.body, {})


def bound(fragment: nodes.Fragment, known: Known) -> str:
    """The fragment's text, variables replaced by what they are."""
    pieces: list[str] = []
    last = 0
    for token in tokenize(fragment.text):
        name = token.text[1:].lower() if token.kind == "variable" else ""
        if name in known:
            pieces += [fragment.text[last : token.start], known[name][1]]
            last = token.end
    made = "".join(pieces) + fragment.text[last:]
    if len(made) > LONGEST:
        raise refused("a scalar function with so many branches", fragment.line)
    return made


def _result(body: Sequence[nodes.Statement], known: Known) -> str:
    if not body:
        text = "The last statement included within a function must be a return statement."
        raise SqlError(455, 16, 2, text)
    first, rest = body[0], body[1:]
    if isinstance(first, nodes.Return):
        if first.value is None:
            raise SqlError(455, 16, 2, "A function's RETURN needs a value.")
        return bound(first.value, known)
    if isinstance(first, nodes.Block):
        return _result([*first.body, *rest], known)
    if isinstance(first, nodes.If) and _returns(first):
        condition = bound(first.condition, known)
        then = _result([first.then, *rest], known)
        other = _result([*([first.other] if first.other is not None else []), *rest], known)
        return f"CASE WHEN {condition} THEN {then} ELSE {other} END"
    return _result(rest, _changed(first, known))


def _returns(statement: nodes.Statement | None) -> bool:
    """Whether a RETURN is somewhere inside."""
    if isinstance(statement, nodes.Block):
        return any(_returns(inner) for inner in statement.body)
    if isinstance(statement, nodes.If):
        return _returns(statement.then) or _returns(statement.other)
    return isinstance(statement, nodes.Return)


def _changed(statement: nodes.Statement, known: Known) -> Known:
    """The variables after a statement that does not return."""
    if isinstance(statement, nodes.Declare):
        for item in statement.items:
            if item.type is None:
                raise refused("table variables in scalar functions", statement.line)
            value = bound(item.value, known) if item.value is not None else "NULL"
            known = known | {item.name: _cast(value, str(item.type))}
        return known
    if isinstance(statement, nodes.Assign):
        return known | {statement.name: _assigned(statement.name, statement.value, known)}
    if isinstance(statement, nodes.Block):
        for inner in statement.body:
            known = _changed(inner, known)
        return known
    if isinstance(statement, nodes.If):
        return _merged(statement, known)
    raise refused("scalar functions that do more than compute", statement.line)


def _assigned(name: str, value: nodes.Fragment, known: Known) -> tuple[str, str]:
    if name not in known:
        raise undeclared(f"@{name}")
    return _cast(bound(value, known), known[name][0])


def _cast(value: str, kind: str) -> tuple[str, str]:
    return kind, f"CAST({value} AS {kind})"


def _merged(branch: nodes.If, known: Known) -> Known:
    condition = bound(branch.condition, known)
    then = _changed(branch.then, known)
    other = _changed(branch.other, known) if branch.other is not None else known
    made = dict(known)
    for name in then | other:
        kind = (then.get(name) or other[name])[0]
        # Declared in one branch only, a variable is NULL after the other.
        one = then.get(name, (kind, "NULL"))[1]
        two = other.get(name, (kind, "NULL"))[1]
        if one != two:
            made[name] = (kind, f"(CASE WHEN {condition} THEN {one} ELSE {two} END)")
    return made
