"""Which system procedures there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Answer

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.calling import Actual
    from emulators.warehouse.engine.tsql.session import Session

    BuiltIn = Callable[[Session, list[Actual]], Iterator[Answer]]

_OWNERS = frozenset({"", "sys", "dbo"})
_known: dict[str, Any] = {}


def find(parts: tuple[str, ...]) -> Any:
    """The system procedure of that name; None when it is none."""
    name = parts[-1].lower()
    if not name.startswith(("sp_", "xp_")) or (len(parts) > 1 and parts[-2].lower() not in _OWNERS):
        return None
    return _all().get(name)


def _all() -> dict[str, Any]:
    """Loaded at first use: these modules use the interpreter, which uses this one."""
    if not _known:
        from emulators.warehouse.engine.tsql.procedures import (
            administering,
            cataloging,
            describing,
            dynamic,
        )

        _known.update(
            {
                "sp_executesql": dynamic.sp_executesql,
                "sp_prepare": dynamic.sp_prepare,
                "sp_prepexec": dynamic.sp_prepexec,
                "sp_prepexecrpc": dynamic.sp_prepexecrpc,
                "sp_execute": dynamic.sp_execute,
                "sp_unprepare": dynamic.sp_unprepare,
                **describing.PROCEDURES,
                **cataloging.PROCEDURES,
                **administering.PROCEDURES,
            }
        )
    return _known
