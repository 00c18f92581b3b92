"""How PREDICT fails, in the words that users of the service have met.

Sources: public threads on Azure SQL's PREDICT. 39051 and 39096 are shown there with their numbers;
the numbers of the engine's messages and of the input columns' are not public: ENGINE and INPUT
are Assumed.
"""

from __future__ import annotations

from collections.abc import Iterable

from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError

ENGINE = 39052
INPUT = 39092
NEVER_INPUT = frozenset(
    {
        "binary", "varbinary", "timestamp", "rowversion", "datetime2", "datetimeoffset", "time",
        "text", "ntext", "image", "hierarchyid", "xml", "sql_variant",
    }
)  # fmt: skip
"""Types that no column of DATA may have, used by the model or not."""


def corrupt() -> SqlError:
    """39051: the bytes are no model that can run."""
    return SqlError(
        39051,
        16,
        2,
        "Error occurred during execution of the builtin function 'PREDICT' with HRESULT"
        " 0x80070057. Model is corrupt or invalid.",
    )


def other_outputs(schema: Iterable[tuple[str, SqlType | None]]) -> SqlError:
    """39096: WITH asks for what the model does not give; `schema` is what it gives."""
    told = ", ".join(f"[{name}] {kind or 'not a scalar'}" for name, kind in schema)
    return SqlError(
        39096,
        16,
        2,
        "Execution failed because its WITH clause specified different output columns from what"
        f" 'PREDICT' function tries to return. The schema returned by 'PREDICT' function is"
        f" '{told}'.",
    )


def said(message: str) -> SqlError:
    """What the PREDICT engine has to say."""
    return SqlError(ENGINE, 16, 1, f"Message(s) from 'PREDICT' engine: {message}")


def unsupported_input(ordinal: int, kind: SqlType) -> SqlError:
    """A column of DATA whose type PREDICT does not take; `ordinal` counts from 1."""
    return SqlError(
        INPUT,
        16,
        1,
        f"Input data column #{ordinal} is of type '{kind}' which is not supported by 'PREDICT'"
        " function. Unsupported types are binary, varbinary, timestamp, datetime2, datetimeoffset,"
        " time, text, ntext, image, hierarchyid, xml, sql_variant and user-defined type.",
    )
