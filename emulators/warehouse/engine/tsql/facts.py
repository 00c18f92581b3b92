"""What a session tells of itself inside expressions: `@@X`, `ERROR_NUMBER()` and their like."""

from __future__ import annotations

from typing import Any

from emulators.warehouse.engine.types import MAX, SqlType

INT = SqlType("int")
BIGINT = SqlType("bigint")
TEXT = SqlType("nvarchar", 4000)
NAME = SqlType("nvarchar", 128)
ANY_TEXT = SqlType("nvarchar", MAX)

GLOBALS: dict[str, SqlType] = {
    "rowcount": INT, "error": INT, "trancount": INT,
    "spid": SqlType("smallint"), "identity": SqlType("decimal", 0, 38, 0),
    "nestlevel": INT, "procid": INT, "fetch_status": INT, "options": INT,
    "language": NAME, "langid": SqlType("smallint"), "version": SqlType("nvarchar", 300),
    "servername": NAME, "servicename": NAME, "microsoftversion": INT,
    "max_precision": SqlType("tinyint"),
    "lock_timeout": INT, "datefirst": SqlType("tinyint"), "textsize": INT,
    "dbts": SqlType("varbinary", 8),
    "cursor_rows": INT, "max_connections": INT, "connections": INT, "cpu_busy": INT, "idle": INT,
    "io_busy": INT, "timeticks": INT, "total_errors": INT, "total_read": INT, "total_write": INT,
    "packet_errors": INT, "pack_received": INT, "pack_sent": INT, "remserver": NAME,
}  # fmt: skip
"""Types of `@@name`, all answered from the session without a query."""

CALLS: dict[str, SqlType] = {
    "ERROR_NUMBER": INT, "ERROR_SEVERITY": INT, "ERROR_STATE": INT, "ERROR_LINE": INT,
    "ERROR_MESSAGE": TEXT, "ERROR_PROCEDURE": NAME, "XACT_STATE": SqlType("smallint"),
    "SCOPE_IDENTITY": SqlType("decimal", 0, 38, 0), "SUSER_SNAME": NAME, "SUSER_NAME": NAME,
    "USER_NAME": NAME, "ORIGINAL_LOGIN": NAME, "APP_NAME": NAME, "HOST_NAME": NAME,
    "DB_NAME": NAME, "SCHEMA_NAME": NAME, "ROWCOUNT_BIG": BIGINT,
    "CURRENT_TRANSACTION_ID": BIGINT, "USER_ID": INT, "SUSER_ID": INT, "DATABASE_PRINCIPAL_ID": INT,
    "SESSION_ID": NAME, "HOST_ID": NAME,
}  # fmt: skip
"""Types of functions that are facts when called without arguments."""

TESTS: dict[str, SqlType] = {
    "IS_MEMBER": INT, "IS_ROLEMEMBER": INT, "IS_SRVROLEMEMBER": INT, "SESSION_CONTEXT": ANY_TEXT,
    "CONNECTIONPROPERTY": NAME,
}  # fmt: skip
"""Types of functions that are facts of one literal argument."""

WORDS: dict[str, SqlType] = {
    "CURRENT_USER": NAME, "SESSION_USER": NAME, "SYSTEM_USER": NAME, "USER": NAME,
}  # fmt: skip
"""Types of bare words that are facts."""


def type_of(fact: str) -> SqlType:
    """The type of the variable `__...` that stands for a fact."""
    kind, _, rest = fact[2:].partition("_")
    if kind == "g":
        return GLOBALS[rest]
    name = rest.partition("$")[0].upper()
    return CALLS.get(name) or TESTS.get(name) or WORDS[name]


class Types(dict[str, SqlType]):
    """Types of a statement's variables; facts are known though the statement names none.

    A view that it reads may: its text has them as variables, too.
    """

    def get(self, name: str, default: Any = None) -> Any:
        found = super().get(name)
        if found is None and name.startswith("__"):
            return type_of(name)
        return default if found is None else found
