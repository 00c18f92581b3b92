"""Functions that Azure's engine has and Data Factory does not document; only for `lenient`."""

from __future__ import annotations

from typing import Any

from emulators.datafactory.engine.expressions.calls import Functions

TABLE = Functions()


def _reverse(value: Any) -> Any:
    return list(reversed(value))


TABLE.add("reverse", 1, documented=False)(_reverse)
