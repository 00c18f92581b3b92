"""sp_executesql and the prepare family: text with typed parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulators.warehouse.engine.tsql import calling, evaluating, nodes
from emulators.warehouse.engine.tsql.blocks import names_of
from emulators.warehouse.engine.tsql.frames import Called, Frame
from emulators.warehouse.engine.tsql.modules import read_parameters
from emulators.warehouse.engine.tsql.reading import Reader
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.calling import Actual
    from emulators.warehouse.engine.tsql.session import Session

_INT = SqlType("int")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that a client holds a handle of."""

    text: str
    parameters: tuple[nodes.Parameter, ...]


def declared(text: str | None) -> tuple[nodes.Parameter, ...]:
    """The parameters of `@a int, @b nvarchar(10) OUTPUT`.

    Raises:
        SqlError: 102: that is no declaration.
    """
    reader = Reader(text or "")
    if not reader.tokens:
        return ()
    found = read_parameters(reader)
    if not reader.done:
        raise reader.unexpected()
    return found


def given_text(actuals: list[Actual], at: int, procedure: str, name: str) -> str:
    """A text argument that must be there.

    Raises:
        SqlError: 201: it is not; 214: it is no text.
    """
    if at >= len(actuals):
        text = (
            f"Procedure or function '{procedure}' expects parameter '{name}', which was not "
            "supplied."
        )
        raise SqlError(201, 16, 10, text)
    value = actuals[at].value
    if value is None:
        return ""
    if not isinstance(value, str):
        text = f"Procedure expects parameter '{name}' of type 'ntext/nchar/nvarchar'."
        raise SqlError(214, 16, 2, text)
    return value


def run(session: Session, prepared: Prepared, actuals: list[Actual]) -> Called:
    """Run the text with arguments; OUTPUT ones get their values.

    Returns:
        0, or the number of the last error.

    Raises:
        SqlError: 8178: a parameter has no argument; what the text raises.
    """
    frame = Frame(dynamic=True)
    matched = calling.match("", prepared.parameters, actuals)
    for parameter in prepared.parameters:
        actual = matched.get(parameter.name)
        if actual is None or actual.default:
            if parameter.default is None:
                listed = ", ".join(f"{p.spelled} {p.type}" for p in prepared.parameters)
                text = (
                    f"The parameterized query '({listed}){prepared.text[:60]}' expects the "
                    f"parameter '{parameter.spelled}', which was not supplied."
                )
                raise SqlError(8178, 16, 1, text)
            value, kind = evaluating.evaluate(session, parameter.default)
        else:
            value, kind = actual.value, actual.type
        frame.declare(
            parameter.name, parameter.type, evaluating.cast(session, value, kind, parameter.type)
        )
    yield from calling.dynamic(session, prepared.text, frame)
    for parameter, actual in calling.pairs(prepared.parameters, actuals):
        if actual.output:
            actual.value, actual.type = frame.values[parameter.name], parameter.type
    return 0


def sp_executesql(session: Session, actuals: list[Actual]) -> Called:
    """`sp_executesql @stmt [, @params, arguments...]`."""
    text = given_text(actuals, 0, "sp_executesql", "@statement")
    parameters = (
        declared(given_text(actuals, 1, "sp_executesql", "@params")) if len(actuals) > 1 else ()
    )
    return (yield from run(session, Prepared(text, parameters), actuals[2:]))


def _keep(session: Session, prepared: Prepared, handle: Actual) -> None:
    number = max(session.handles, default=0) + 1
    session.handles[number] = prepared
    handle.value, handle.type = number, _INT


def sp_prepare(session: Session, actuals: list[Actual]) -> Called:
    """`sp_prepare @handle OUTPUT, @params, @stmt [, @options]`."""
    prepared = Prepared(
        given_text(actuals, 2, "sp_prepare", "@stmt"),
        declared(given_text(actuals, 1, "sp_prepare", "@params")),
    )
    _keep(session, prepared, actuals[0])
    return 0
    yield


def sp_prepexec(session: Session, actuals: list[Actual]) -> Called:
    """`sp_prepexec @handle OUTPUT, @params, @stmt, arguments...`."""
    prepared = Prepared(
        given_text(actuals, 2, "sp_prepexec", "@stmt"),
        declared(given_text(actuals, 1, "sp_prepexec", "@params")),
    )
    session.handles.pop(_number(actuals[0]), None)
    _keep(session, prepared, actuals[0])
    return (yield from run(session, prepared, actuals[3:]))


def sp_prepexecrpc(session: Session, actuals: list[Actual]) -> Called:
    """`sp_prepexecrpc @handle OUTPUT, @procedure, arguments...`."""
    name = given_text(actuals, 1, "sp_prepexecrpc", "@RpcCall")
    _keep(session, Prepared(name, ()), actuals[0])
    return (yield from calling.call(session, names_of(name), actuals[2:]))


def _number(actual: Actual) -> int:
    return actual.value if isinstance(actual.value, int) else 0


def sp_execute(session: Session, actuals: list[Actual]) -> Called:
    """`sp_execute @handle, arguments...`.

    Raises:
        SqlError: 8179: no such handle.
    """
    handle = _number(actuals[0]) if actuals else 0
    prepared = session.handles.get(handle)
    if prepared is None:
        text = f"Could not find prepared statement with handle {handle}."
        raise SqlError(8179, 16, 2, text)
    return (yield from run(session, prepared, actuals[1:]))


def sp_unprepare(session: Session, actuals: list[Actual]) -> Called:
    """`sp_unprepare @handle`.

    Raises:
        SqlError: 8179: no such handle.
    """
    handle = _number(actuals[0]) if actuals else 0
    if session.handles.pop(handle, None) is None:
        text = f"Could not find prepared statement with handle {handle}."
        raise SqlError(8179, 16, 2, text)
    return 0
    yield
