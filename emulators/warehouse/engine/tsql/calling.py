"""EXEC: procedures with their arguments, dynamic text, and the frames they run in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Answer, Finished, Message, ResultSet, ReturnStatus
from emulators.warehouse.engine.tsql import evaluating, nodes, running, system
from emulators.warehouse.engine.tsql.blocks import parse_batch
from emulators.warehouse.engine.tsql.definitions import split_name
from emulators.warehouse.engine.tsql.frames import Breaks, Called, Continues, Frame, Jumps, Returns
from emulators.warehouse.engine.tsql.modules import PROCEDURE, parse_module
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError, refused, undeclared

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

_INT = SqlType("int")
_LIMITS = {"synapse": 8}
"""Nesting of procedures. Source: learn.microsoft.com/azure/synapse-analytics/
sql-data-warehouse/sql-data-warehouse-develop-stored-procedures (8 levels); SQL Server has 32."""


@dataclass(slots=True)
class Actual:
    """An argument with its value; `target` is the caller's variable of an OUTPUT argument."""

    name: str  # lower case, without @
    value: Any
    type: SqlType
    default: bool = False
    output: bool = False
    target: str = ""


def execute(session: Session, statement: nodes.Execute) -> Iterator[Answer]:
    """`EXEC [@result =] name arguments`.

    Raises:
        SqlError: 2812: there is no such procedure; what binding and running raise.
    """
    parts = statement.parts
    if statement.by_variable:
        parts = _named_by(session, statement.by_variable)
    actuals = [_actual(session, given) for given in statement.given]
    if statement.result and statement.result not in session.frame.types:
        raise undeclared(f"@{statement.result}")
    status = yield from call(session, parts, actuals)
    for actual in actuals:
        if actual.output and actual.target:
            evaluating.assign(session, actual.target, actual.value, actual.type)
    if statement.result:
        evaluating.assign(session, statement.result, status, _INT)


def _named_by(session: Session, variable: str) -> tuple[str, ...]:
    from emulators.warehouse.engine.tsql.blocks import names_of

    if variable not in session.frame.types:
        raise undeclared(f"@{variable}")
    return names_of(str(session.frame.values[variable] or ""))


def _actual(session: Session, given: nodes.Given) -> Actual:
    if given.value is None:
        return Actual(given.name, None, _INT, default=True)
    if given.output and not given.variable:
        text = "Cannot use the OUTPUT option when passing a constant to a stored procedure."
        raise SqlError(179, 15, 1, text)
    value, kind = evaluating.evaluate(session, given.value)
    return Actual(
        given.name, value, kind, output=given.output, target=given.variable if given.output else ""
    )


def call(session: Session, parts: tuple[str, ...], actuals: Sequence[Actual]) -> Called:
    """Run a procedure; OUTPUT arguments get their values.

    Returns:
        Its return status.

    Raises:
        SqlError: 2812: there is none by that name.
    """
    built_in = system.find(parts)
    if built_in is not None:
        status: int = yield from built_in(session, list(actuals))
        return status
    schema, name = split_name(session, parts)
    module = session.catalog.module(schema, name)
    if module is None and len(parts) == 1 and schema.lower() != "dbo":
        schema = "dbo"
        module = session.catalog.module(schema, name)
    if module is None or module.kind != PROCEDURE:
        text = f"Could not find stored procedure '{'.'.join(p for p in parts if p)}'."
        raise SqlError(2812, 16, 62, text)
    session.permit(module.schema, module.name, "EXECUTE")
    parsed = parse_module(module.text)
    frame = Frame(
        procedure=f"{module.schema}.{module.name}" if session.flavor != "synapse" else module.name,
        schema=module.schema,
        trusted=True,
        object_id=module.id,
    )
    _bind(session, module.name, parsed.parameters, actuals, frame)
    yield from _entered(session, frame, parsed.body)
    _hand_back(parsed.parameters, actuals, frame)
    return frame.status


def _bind(
    session: Session,
    name: str,
    parameters: Sequence[nodes.Parameter],
    actuals: Sequence[Actual],
    frame: Frame,
) -> None:
    """Give every parameter its argument's value, or its default.

    Raises:
        SqlError: 201, 8144, 8145, 8143, 119, 8162.
    """
    matched = match(name, parameters, actuals)
    for parameter in parameters:
        actual = matched.get(parameter.name)
        if actual is None or actual.default:
            if parameter.default is None:
                text = (
                    f"Procedure or function '{name}' expects parameter '{parameter.spelled}', "
                    "which was not supplied."
                )
                raise SqlError(201, 16, 4, text)
            value, kind = evaluating.evaluate(session, parameter.default)
        else:
            value, kind = actual.value, actual.type
        if actual is not None and actual.output and not parameter.output:
            text = (
                f'The formal parameter "{parameter.spelled}" was not declared as an OUTPUT'
                " parameter, but the actual parameter passed in requested output."
            )
            raise SqlError(8162, 16, 2, text)
        frame.declare(
            parameter.name, parameter.type, evaluating.cast(session, value, kind, parameter.type)
        )


def match(
    name: str, parameters: Sequence[nodes.Parameter], actuals: Sequence[Actual]
) -> dict[str, Actual]:
    """Arguments by the parameter they are for."""
    if len(actuals) > len(parameters):
        text = f"Procedure or function {name} has too many arguments specified."
        raise SqlError(8144, 16, 2, text)
    known = {p.name for p in parameters}
    matched: dict[str, Actual] = {}
    named = False
    for at, actual in enumerate(actuals):
        if not actual.name and named:
            text = (
                f"Must pass parameter number {at + 1} and subsequent parameters as '@name = "
                "value'. After the form '@name = value' has been used, all subsequent "
                "parameters must be passed in the form '@name = value'."
            )
            raise SqlError(119, 15, 1, text)
        named = named or bool(actual.name)
        key = actual.name or parameters[at].name
        if key not in known:
            raise SqlError(8145, 16, 2, f"@{key} is not a parameter for procedure {name}.")
        if key in matched:
            raise SqlError(8143, 16, 1, f"Parameter '@{key}' was supplied multiple times.")
        matched[key] = actual
    return matched


def _hand_back(
    parameters: Sequence[nodes.Parameter], actuals: Sequence[Actual], frame: Frame
) -> None:
    for parameter, actual in pairs(parameters, actuals):
        if actual.output:
            actual.value, actual.type = frame.values[parameter.name], parameter.type


def pairs(
    parameters: Sequence[nodes.Parameter], actuals: Sequence[Actual]
) -> Iterator[tuple[nodes.Parameter, Actual]]:
    by_name = {p.name: p for p in parameters}
    for at, actual in enumerate(actuals):
        yield (by_name[actual.name] if actual.name else parameters[at]), actual


def _entered(session: Session, frame: Frame, body: tuple[nodes.Statement, ...]) -> Iterator[Answer]:
    """Run a body in a frame of its own; temporary tables of it go as the flavor has it."""
    limit = _LIMITS.get(session.flavor, 32)
    if session.depth >= limit:
        text = (
            "Maximum stored procedure, function, trigger, or view nesting level exceeded "
            f"(limit {limit})."
        )
        raise SqlError(217, 16, 1, text)
    held = set(session.temporary)
    options = session.options.nocount, session.options.xact_abort
    begun = session.transactions.count
    session.frames.append(frame)
    try:
        yield from running.run(session, body)
    except Returns:
        pass
    except Jumps as jump:
        text = (
            f"A GOTO statement references the label '{jump.label}' but the label has not been "
            "declared."
        )
        raise SqlError(133, 15, 1, text) from None
    except (Breaks, Continues):
        text = "Cannot use a BREAK statement outside the scope of a WHILE statement."
        raise SqlError(135, 15, 1, text) from None
    finally:
        session.frames.pop()
        session.options.nocount, session.options.xact_abort = options
        _forget_temporary(session, frame, held)
    if session.transactions.count != begun and session.flavor != "synapse":
        text = (
            "Transaction count after EXECUTE indicates a mismatching number of BEGIN and "
            f"COMMIT statements. Previous count = {begun}, current count = "
            f"{session.transactions.count}."
        )
        raise SqlError(266, 16, 2, text)


def _forget_temporary(session: Session, frame: Frame, held: set[str]) -> None:
    """Table variables end with their scope; so do temporary tables, but not in a dedicated pool.

    Source: learn.microsoft.com/azure/synapse-analytics/sql-data-warehouse/
    sql-data-warehouse-tables-temporary (tables outlive the procedure that made them).
    """
    gone = set(frame.tables)
    if session.flavor != "synapse":
        gone |= set(session.temporary) - held
    for name in gone:
        session.drop_temporary(name)


def execute_text(session: Session, statement: nodes.ExecuteText) -> Iterator[Answer]:
    """`EXEC ('...')`."""
    text = evaluating.text_of(session, statement.text)
    yield from dynamic(session, text or "", Frame(dynamic=True))


def dynamic(session: Session, text: str, frame: Frame) -> Iterator[Answer]:
    """Run text as a batch of its own, in a frame that sees no variables of the caller's.

    Raises:
        SqlError: it cannot be read, or an error of it ends it.
    """
    body = parse_batch(text)
    yield from _entered(session, frame, body)


def insert_execute(session: Session, statement: nodes.InsertExecute) -> Iterator[Answer]:
    """`INSERT INTO t EXEC ...`: every result set's rows go into the table.

    Raises:
        SqlError: a dedicated pool refuses it.
    """
    if session.flavor == "synapse":
        raise refused("INSERT ... EXECUTE, which a dedicated pool has not either")
    if isinstance(statement.execute, nodes.Execute):
        answers = execute(session, statement.execute)
    else:
        answers = execute_text(session, statement.execute)
    total = 0
    sets: list[tuple[ResultSet, list[Any]]] = []
    for answer in answers:
        if isinstance(answer, ResultSet):
            sets.append((answer, list(answer.batches)))
        elif not isinstance(answer, Finished | ReturnStatus):
            yield answer
    for result, batches in sets:
        total += session.insert_rows(statement.head, result.columns, batches)
    session.rowcount, session.error = total, 0
    yield Finished(None if session.options.nocount else total, 0xC3)


def told(text: str) -> Message:
    """Information from a system procedure."""
    return Message(0, text)
