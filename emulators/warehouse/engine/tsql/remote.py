"""Remote calls: arguments in, output values and the return status out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from emulators.warehouse.engine.answers import Answer, Argument, OutputValue, ReturnStatus
from emulators.warehouse.engine.tsql import calling
from emulators.warehouse.engine.tsql.blocks import names_of
from emulators.warehouse.engine.tsql.procedures.dynamic import Prepared
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

__all__ = ["Prepared", "call"]


def call(session: Session, procedure: str, arguments: Sequence[Argument]) -> Iterator[Answer]:
    """Run the procedure; afterwards its output values and its status.

    Raises:
        SqlError: what it raises; there is no status then.
    """
    actuals = [
        calling.Actual(
            argument.name.lstrip("@").lower(),
            str(argument.value).upper() if isinstance(argument.value, UUID) else argument.value,
            argument.type,
            default=argument.default,
            output=argument.output,
        )
        for argument in arguments
    ]
    try:
        parts = names_of(procedure)
    except SqlError:
        parts = (procedure,)
    status = yield from calling.call(session, parts, actuals)
    for at, (argument, actual) in enumerate(zip(arguments, actuals, strict=True)):
        if argument.output:
            yield OutputValue(at, argument.name, actual.type, actual.value)
    yield ReturnStatus(status)
