"""Definitions: which statement it is, and who lowers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emulators.warehouse.engine.lowering import (
    ddl_altering,
    ddl_parts,
    ddl_schemas,
    ddl_tables,
)
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.ddl_plans import nothing
from emulators.warehouse.engine.lowering.ddl_tables import create_from
from emulators.warehouse.engine.lowering.plans import Plan
from emulators.warehouse.errors import refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.lowering import Lowering

__all__ = ["create_from", "lower_ddl"]

Reads = Callable[[Cursor, "Lowering"], Plan]


def lower_ddl(cursor: Cursor, lowering: Lowering) -> Plan | None:
    """The plan of a definition; None when the text is none that is known.

    Raises:
        SqlError: it cannot be read, or asks what is not emulated.
    """
    for words, reads in _STATEMENTS:
        if cursor.looks(*words):
            return reads(cursor, lowering)
    for words, what in _REFUSED:
        if cursor.looks(*words):
            raise refused(what, cursor.line)
    return None


def _external(cursor: Cursor, lowering: Lowering) -> Plan:
    from emulators.warehouse.engine import external

    made: Plan = external.lower_external(cursor, lowering)
    return made


def _reconfigured(cursor: Cursor, lowering: Lowering) -> Plan:
    """ALTER DATABASE SCOPED CONFIGURATION: nothing here depends on it."""
    return nothing()


_STATEMENTS: tuple[tuple[tuple[str, ...], Reads], ...] = (
    (("CREATE", "TABLE"), ddl_tables.create_table),
    (("DROP", "TABLE"), ddl_tables.drop_table),
    (("TRUNCATE", "TABLE"), ddl_tables.truncate_table),
    (("RENAME", "OBJECT"), ddl_tables.rename_object),
    (("ALTER", "TABLE"), ddl_altering.alter_table),
    (("CREATE", "SCHEMA"), ddl_schemas.create_schema),
    (("DROP", "SCHEMA"), ddl_schemas.drop_schema),
    (("ALTER", "SCHEMA"), ddl_schemas.alter_schema),
    (("CREATE", "INDEX"), ddl_parts.create_index),
    (("CREATE", "UNIQUE"), ddl_parts.create_index),
    (("CREATE", "CLUSTERED"), ddl_parts.create_index),
    (("CREATE", "NONCLUSTERED"), ddl_parts.create_index),
    (("CREATE", "COLUMNSTORE"), ddl_parts.create_index),
    (("ALTER", "INDEX"), ddl_parts.alter_index),
    (("DROP", "INDEX"), ddl_parts.drop_index),
    (("CREATE", "STATISTICS"), ddl_parts.create_statistics),
    (("UPDATE", "STATISTICS"), ddl_parts.update_statistics),
    (("DROP", "STATISTICS"), ddl_parts.drop_statistics),
    (("CREATE", "EXTERNAL"), _external),
    (("ALTER", "EXTERNAL"), _external),
    (("DROP", "EXTERNAL"), _external),
    (("CREATE", "DATABASE", "SCOPED", "CREDENTIAL"), _external),
    (("ALTER", "DATABASE", "SCOPED", "CREDENTIAL"), _external),
    (("DROP", "DATABASE", "SCOPED", "CREDENTIAL"), _external),
    (("ALTER", "DATABASE", "SCOPED", "CONFIGURATION"), _reconfigured),
    (("CREATE", "MASTER", "KEY"), _external),
    (("ALTER", "MASTER", "KEY"), _external),
    (("DROP", "MASTER", "KEY"), _external),
    (("COPY", "INTO"), _external),
)
_REFUSED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("CREATE", "MATERIALIZED"), "materialized views"),
    (("ALTER", "MATERIALIZED"), "materialized views"),
    (("CREATE", "WORKLOAD"), "workload management"),
    (("CREATE", "TYPE"), "user-defined types"),
    (("CREATE", "SEQUENCE"), "sequences"),
    (("ALTER", "SEQUENCE"), "sequences"),
    (("DROP", "SEQUENCE"), "sequences"),
    (("CREATE", "TRIGGER"), "triggers"),
    (("DROP", "TRIGGER"), "triggers"),
    (("CREATE", "SYNONYM"), "synonyms"),
    (("DROP", "SYNONYM"), "synonyms"),
    (("CREATE", "PARTITION"), "partition functions and schemes"),
    (("ALTER", "PARTITION"), "partition functions and schemes"),
    (("DROP", "PARTITION"), "partition functions and schemes"),
    (("CREATE", "REMOTE", "TABLE"), "CREATE REMOTE TABLE"),
    (("CREATE", "SECURITY"), "security policies"),
    (("ALTER", "SECURITY"), "security policies"),
    (("DROP", "SECURITY"), "security policies"),
    (("CREATE", "COLUMN"), "column encryption"),
    (("CREATE", "SYMMETRIC"), "keys"),
    (("CREATE", "ASYMMETRIC"), "keys"),
    (("CREATE", "CREDENTIAL"), "credentials of the server"),
    (("CREATE", "FULLTEXT"), "full-text search"),
    (("CREATE", "XML"), "XML schemas and indexes"),
    (("CREATE", "SPATIAL"), "spatial indexes"),
    (("ADD", "SENSITIVITY"), "sensitivity labels"),
)
