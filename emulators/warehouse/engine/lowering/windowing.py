"""OVER clauses."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.functions import Called
from emulators.warehouse.engine.lowering.operators import key
from emulators.warehouse.errors import SqlError


def over(called: Called, *, ordered: bool = False) -> str:
    """The call's OVER clause for DuckDB; empty without one.

    Raises:
        SqlError: 4112: it must have an ORDER BY.
    """
    window = called.asked.over
    if window is None:
        return ""
    parts = []
    if window.partition:
        keys = [key(called.binder.value(one, called.scope)) for one in window.partition]
        parts.append(f"PARTITION BY {', '.join(keys)}")
    if window.order:
        order = called.binder.lowering.queries.ordering(window.order, called.scope)
        parts.append(f"ORDER BY {order}")
    elif ordered:
        text = f"The function '{called.name}' must have an OVER clause with ORDER BY."
        raise SqlError(4112, 15, 1, text, called.asked.line)
    if window.frame:
        parts.append(window.frame)
    return f" OVER ({' '.join(parts)})"
