"""Arguments of system procedures, by name or by place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.calling import Actual


def taken(procedure: str, names: Sequence[str], actuals: list[Actual]) -> dict[str, Any]:
    """The values by parameter name; None where none is given.

    Raises:
        SqlError: 8144, 8145: too many, or of no parameter's name.
    """
    if len(actuals) > len(names):
        text = f"Procedure or function {procedure} has too many arguments specified."
        raise SqlError(8144, 16, 2, text)
    found: dict[str, Any] = dict.fromkeys(names)
    for at, actual in enumerate(actuals):
        name = actual.name or names[at]
        if name not in found:
            raise SqlError(8145, 16, 2, f"@{name} is not a parameter for procedure {procedure}.")
        found[name] = actual.value
    return found


def needed(procedure: str, name: str, value: Any) -> str:
    """A text that must be given.

    Raises:
        SqlError: 201: it is not.
    """
    if value is None:
        text = (
            f"Procedure or function '{procedure}' expects parameter '@{name}', which was not "
            "supplied."
        )
        raise SqlError(201, 16, 4, text)
    return str(value)
