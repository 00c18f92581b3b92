"""COPY INTO, external tables: rows from and to the Blob emulator, through our own reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.cursor import Cursor
    from emulators.warehouse.engine.lowering.lowering import Lowering
    from emulators.warehouse.engine.lowering.plans import Plan


def lower_external(cursor: Cursor, lowering: Lowering) -> Plan:
    """The plan of COPY INTO, or of a definition of something external.

    Raises:
        SqlError: it cannot be read, or asks what is not emulated.
    """
    if cursor.looks("COPY"):
        from emulators.warehouse.engine.external.copying import lower_copy

        return lower_copy(cursor, lowering.env)
    from emulators.warehouse.engine.external.defining import lower_definition

    return lower_definition(cursor, lowering)
