"""Runs statements: order, branches, loops, errors. What a statement does is told elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Answer, Failed
from emulators.warehouse.engine.tsql import (
    definitions,
    evaluating,
    messages,
    nodes,
    options,
    querying,
)
from emulators.warehouse.engine.tsql.frames import (
    Breaks,
    Cancelled,
    Continues,
    Jumps,
    Returns,
)
from emulators.warehouse.errors import SqlError, refused, undeclared

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

GOES_ON = frozenset(
    {8134, 515, 2627, 2601, 547, 220, 232, 8115, 8152, 2628, 3701, 266, 3902, 3903, 111214}
)
"""Errors after which a batch goes on with its next statement; all others end it.

Source: learn.microsoft.com/sql/t-sql/statements/set-xact-abort-transact-sql (run-time statement
errors) and .../raiserror-transact-sql. Assumed for those the pages do not name.
"""

_DOOMING = frozenset({241, 242, 244, 245, 248, 295, 296, 3960, 8114})
"""Conversions that fail, and conflicts, leave a transaction only its rollback."""

_UNCAUGHT = frozenset({207, 208})
"""Names that do not resolve: TRY at the same level does not catch them.

Source: learn.microsoft.com/sql/t-sql/language-elements/try-catch-transact-sql (Errors unaffected).
"""


def run(session: Session, body: tuple[nodes.Statement, ...]) -> Iterator[Answer]:
    """Run statements in order; GOTO finds its label among them or further out."""
    at = 0
    while at < len(body):
        try:
            yield from step(session, body[at])
        except Jumps as jump:
            found = next(
                (
                    place
                    for place, statement in enumerate(body)
                    if isinstance(statement, nodes.Label) and statement.name == jump.label
                ),
                None,
            )
            if found is None:
                raise
            at = found
        at += 1


def step(session: Session, statement: nodes.Statement) -> Iterator[Answer]:
    """Run one statement; an error is told and passed over, or raised, as T-SQL has it.

    Raises:
        SqlError: the batch ends by it, or TRY may catch it.
    """
    if session.cancelled.is_set():
        raise Cancelled
    frame = session.frame
    try:
        yield from session.guarded(_handlers()[type(statement)], statement)
    except SqlError as wrong:
        error = wrong.at(statement.line + wrong.line - 1, frame.procedure, session.depth)
        settle(session, error)
        if frame is not session.frame:
            raise AssertionError("a frame was left behind") from wrong
        if session.tries or not _goes_on(session, error):
            raise
        session.error = error.number
        yield failed(error)


def settle(session: Session, error: SqlError) -> None:
    """What an error does to @@ERROR and to the transaction."""
    session.error = error.number
    session.rowcount = 0
    if error.severity < 11 or not session.transactions.count:
        return
    synapse, strictly = session.flavor == "synapse", session.options.xact_abort
    dooms = synapse or (strictly and not error.raised) or error.number in _DOOMING
    if dooms or session.broken():
        session.transactions.doom()


def _goes_on(session: Session, error: SqlError) -> bool:
    return error.raised or (error.number in GOES_ON and not session.options.xact_abort)


def failed(error: SqlError) -> Failed:
    """An error as an answer."""
    return Failed(
        error.number, error.text, error.severity, error.state, error.procedure, error.line
    )


def _block(session: Session, block: nodes.Block) -> Iterator[Answer]:
    yield from run(session, block.body)


def _if(session: Session, branch: nodes.If) -> Iterator[Answer]:
    if evaluating.holds(session, branch.condition):
        yield from step(session, branch.then)
    elif branch.other is not None:
        yield from step(session, branch.other)


def _while(session: Session, loop: nodes.While) -> Iterator[Answer]:
    while evaluating.holds(session, loop.condition):
        try:
            yield from step(session, loop.body)
        except Breaks:
            return
        except Continues:
            continue


def _break(session: Session, statement: nodes.Statement) -> Iterator[Answer]:
    raise Breaks
    yield


def _continue(session: Session, statement: nodes.Statement) -> Iterator[Answer]:
    raise Continues
    yield


def _return(session: Session, statement: nodes.Return) -> Iterator[Answer]:
    if statement.value is not None:
        session.frame.status = evaluating.int_of(session, statement.value) or 0
    raise Returns
    yield


def _goto(session: Session, statement: nodes.Goto) -> Iterator[Answer]:
    raise Jumps(statement.name)
    yield


def _label(session: Session, statement: nodes.Label) -> Iterator[Answer]:
    return iter(())


def _try(session: Session, guarded: nodes.TryCatch) -> Iterator[Answer]:
    session.tries += 1
    try:
        yield from run(session, guarded.body.body)
        return
    except SqlError as error:
        if error.severity >= 20 or (error.number in _UNCAUGHT and error.level == session.depth):
            raise
        caught = error
    finally:
        session.tries -= 1
    session.caught.append(caught)
    try:
        yield from run(session, guarded.handler.body)
    finally:
        session.caught.pop()


def _declare(session: Session, statement: nodes.Declare) -> Iterator[Answer]:
    for item in statement.items:
        if item.type is None:
            yield from querying.declare_table(session, item)
            continue
        session.frame.declare(item.name, item.type)
        if item.value is not None:
            value, kind = evaluating.evaluate(session, item.value)
            evaluating.assign(session, item.name, value, kind)


def _assign(session: Session, statement: nodes.Assign) -> Iterator[Answer]:
    if statement.name not in session.frame.types:
        raise undeclared(f"@{statement.name}")
    value, kind = evaluating.evaluate(session, statement.value)
    evaluating.assign(session, statement.name, value, kind)
    session.error, session.rowcount = 0, 1
    return iter(())


def _transaction(session: Session, statement: nodes.Transaction) -> Iterator[Answer]:
    if statement.verb == "BEGIN":
        yield from session.transactions.begin()
    elif statement.verb == "COMMIT":
        yield from session.ended(session.transactions.commit())
    elif statement.verb == "ROLLBACK":
        yield from session.ended(session.transactions.rollback())
    else:
        session.transactions.save(statement.name)
    session.error = 0


def _use(session: Session, statement: nodes.Use) -> Iterator[Answer]:
    yield from session.use(statement.database)


def _security(session: Session, statement: nodes.Security) -> Iterator[Answer]:
    yield from session.secure(statement.tokens)
    session.error = 0


def _refused(session: Session, statement: nodes.Refused) -> Iterator[Answer]:
    raise refused(statement.what)
    yield


@cache
def _handlers() -> dict[type[nodes.Statement], Callable[[Session, Any], Iterator[Answer]]]:
    """What runs each kind of statement; calls run statements again, so they are known late."""
    from emulators.warehouse.engine.tsql import calling

    return {
        nodes.Sql: querying.data,
        nodes.SelectAssign: querying.select_assign,
        nodes.InsertExecute: calling.insert_execute,
        nodes.InsertBulk: querying.insert_bulk,
        nodes.Declare: _declare,
        nodes.Assign: _assign,
        nodes.SetOption: options.set_option,
        nodes.Block: _block,
        nodes.If: _if,
        nodes.While: _while,
        nodes.Break: _break,
        nodes.Continue: _continue,
        nodes.Return: _return,
        nodes.TryCatch: _try,
        nodes.Transaction: _transaction,
        nodes.Execute: calling.execute,
        nodes.ExecuteText: calling.execute_text,
        nodes.Print: messages.say,
        nodes.Throw: messages.throw,
        nodes.RaisError: messages.raise_error,
        nodes.WaitFor: messages.wait,
        nodes.Use: _use,
        nodes.Label: _label,
        nodes.Goto: _goto,
        nodes.CreateModule: definitions.create,
        nodes.DropModule: definitions.drop,
        nodes.Security: _security,
        nodes.Refused: _refused,
    }
