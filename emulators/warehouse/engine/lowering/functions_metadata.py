"""Functions that tell of objects, types, databases and rights."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.functions import Function

FUNCTIONS: dict[str, Function] = {}
