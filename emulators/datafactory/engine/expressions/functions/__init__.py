"""The functions of the language, by topic; `FUNCTIONS` has them all by lower-case name."""

from __future__ import annotations

from emulators.datafactory.engine.expressions.calls import Functions
from emulators.datafactory.engine.expressions.functions import (
    collections,
    conversion,
    dates,
    encoding,
    logic,
    math,
    strings,
    superset,
    surroundings,
    xml,
)

FUNCTIONS = Functions()
for _table in (
    strings.TABLE,
    collections.TABLE,
    logic.TABLE,
    conversion.TABLE,
    encoding.TABLE,
    math.TABLE,
    dates.TABLE,
    xml.TABLE,
    surroundings.TABLE,
    superset.TABLE,
):
    FUNCTIONS.update(_table)
