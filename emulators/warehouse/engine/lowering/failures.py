"""DuckDB's failures as T-SQL's: number, severity, state and text."""

from __future__ import annotations

import re
from collections.abc import Callable

from emulators.warehouse.errors import SqlError, no_object

_OURS = re.compile(r"§(\d+)\|(\d+)\|(\d+)\|(.*)", re.DOTALL)
_TABLE = re.compile(r"Table with name (\S+) does not exist")
_COLUMN = re.compile(r'[Cc]olumn (?:named )?"([^"]+)"')
_VALUE = re.compile(r"Type (\w+) with value (\S+) can't be cast .* destination type (\w+)")
_NUMERIC = re.compile(
    r'(Could not convert string ".*" to DECIMAL)|(Casting value ".*" to type DECIMAL)'
    r"|(Could not cast value \S*\.\S* to DECIMAL)|Could not cast value \S+ to DECIMAL"
)
_NULL = re.compile(r"NOT NULL constraint failed: (\S+?)\.(\S+)")
_TYPES = {
    "INT8": "tinyint", "UINT8": "tinyint", "INT16": "smallint", "INT32": "int", "INT64": "bigint",
    "INT128": "bigint", "INTEGER": "int", "BIGINT": "bigint", "SMALLINT": "smallint",
    "UTINYINT": "tinyint", "FLOAT": "real", "DOUBLE": "float",
}  # fmt: skip


def _overflow(kind: str) -> SqlError:
    text = f"Arithmetic overflow error converting expression to data type {kind}."
    return SqlError(8115, 16, 2, text)


def _kind_in(text: str) -> str:
    first = text.partition("\n")[0]
    target = first.rpartition(" type ")[2] or first
    if "DECIMAL" in first:
        return "numeric"
    found = [word for word in re.findall(r"[A-Z]+\d*", target) if word in _TYPES]
    return _TYPES[found[-1]] if found else "int"


def _division(text: str) -> SqlError:
    return SqlError(8134, 16, 1, "Divide by zero error encountered.")


def _range(text: str) -> SqlError:
    found = _VALUE.search(text)
    if found is not None and " out of range " in text:
        return _too_large(found[1], found[2], _TYPES.get(found[3], "int"), "source column" in text)
    source = _NUMERIC.search(text)
    if source is not None:
        kind = "varchar" if source[1] else "numeric" if source[2] or source[3] else "int"
        return SqlError(
            8115, 16, 8, f"Arithmetic overflow error converting {kind} to data type numeric."
        )
    return _overflow(_kind_in(text))


def _too_large(source: str, value: str, target: str, column: bool) -> SqlError:
    """A number that is outside of a type; text arrives as DuckDB's widest whole number."""
    if source == "INT128" and not column and target != "bigint":
        name = {"tinyint": "INT1", "smallint": "INT2"}.get(target, target)
        told = f"The conversion of the varchar value '{value}' overflowed an {name} column."
        if target == "int":
            return SqlError(248, 16, 1, told)
        return SqlError(244, 16, 1, f"{told} Use a larger integer column.")
    if source in ("DOUBLE", "FLOAT") and target in ("tinyint", "smallint", "int", "bigint"):
        told = f"Arithmetic overflow error for type {target}, value = {float(value):f}."
        return SqlError(232, 16, 3, told)
    if source.startswith("INT") and source != "INT128" and target in ("tinyint", "smallint"):
        told = f"Arithmetic overflow error for data type {target}, value = {value}."
        return SqlError(220, 16, 2, told)
    return _overflow(target)


def _conversion(text: str) -> SqlError:
    if "could not convert string" in text.lower() or "invalid" in text.lower():
        told = "Conversion failed when converting a character string."
        return SqlError(
            241 if "date" in text.lower() or "time" in text.lower() else 245, 16, 1, told
        )
    return _overflow(_kind_in(text))


def _not_null(text: str) -> SqlError:
    found = _NULL.search(text)
    table, column = (found[1], found[2]) if found else ("", "")
    told = (
        f"Cannot insert the value NULL into column '{column}', table '{table}'; column does not"
        " allow nulls. INSERT fails."
    )
    return SqlError(515, 16, 2, told)


def _duplicate(text: str) -> SqlError:
    found = re.search(r'Duplicate key "(.*?)" violates', text)
    values = "" if found is None else re.sub(r"\w+: ", "", found[1])
    told = (
        "Violation of PRIMARY KEY or UNIQUE KEY constraint. Cannot insert duplicate key. The"
        f" duplicate key value is ({values})."
    )
    return SqlError(2627, 14, 1, told)


def _missing(text: str) -> SqlError:
    found = _TABLE.search(text)
    return no_object(found[1] if found else "?")


def _grouping(text: str) -> SqlError:
    found = _COLUMN.search(text)
    told = (
        f"Column '{found[1] if found else '?'}' is invalid in the select list because it is not"
        " contained in either an aggregate function or the GROUP BY clause."
    )
    return SqlError(8120, 16, 1, told)


def _where_aggregate(text: str) -> SqlError:
    told = (
        "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a"
        " HAVING clause or a select list, and the column being aggregated is an outer reference."
    )
    return SqlError(147, 15, 1, told)


def _window(text: str) -> SqlError:
    told = "Windowed functions can only appear in the SELECT or ORDER BY clauses."
    return SqlError(4108, 15, 1, told)


def _nested(text: str) -> SqlError:
    told = "Cannot perform an aggregate function on an expression containing an aggregate or a subquery."
    return SqlError(130, 15, 1, told)


def _memory(text: str) -> SqlError:
    return SqlError(701, 17, 123, "There is insufficient system memory to run this query.")


def _limit(text: str) -> SqlError:
    return SqlError(
        1060, 15, 1, "The number of rows provided for a TOP or FETCH clause must be an integer."
    )


def _one_row(text: str) -> SqlError:
    told = (
        "Subquery returned more than 1 value. This is not permitted when the subquery follows =,"
        " !=, <, <= , >, >= or when the subquery is used as an expression."
    )
    return SqlError(512, 16, 1, told)


_RULES: tuple[tuple[str, Callable[[str], SqlError]], ...] = (
    ("division by zero", _division),
    ("not null constraint", _not_null),
    ("duplicate key", _duplicate),
    ("must appear in the group by", _grouping),
    ("where clause cannot contain aggregates", _where_aggregate),
    ("aggregate function calls cannot be nested", _nested),
    ("where clause cannot contain window", _window),
    ("having clause cannot contain window", _window),
    ("group by clause cannot contain window", _window),
    ("more than one row returned by a subquery", _one_row),
    ("limit/offset", _limit),
    ("overflow", _range),
    ("out of range", _range),
    ("can't be cast", _range),
    ("cannot be cast", _range),
    ("failed to cast decimal", _range),
    ("could not cast", _range),
    ('" to decimal(', _range),
    ("casting value", _range),
    ("table with name", _missing),
    ("out of memory", _memory),
    ("could not convert", _conversion),
    ("conversion error", _conversion),
)


def from_duckdb(failure: Exception) -> SqlError:
    """The error that SQL Server would tell in place of DuckDB's; one without a rule is 50000-like.

    A failure that no rule knows is our mistake or a limit of DuckDB's: it says so.
    """
    text = str(failure)
    ours = _OURS.search(text)
    if ours:
        return SqlError(int(ours[1]), int(ours[2]), int(ours[3]), ours[4].strip())
    lower = text.lower()
    for mark, make in _RULES:
        if mark in lower:
            return make(text)
    first = text.partition("\n")[0]
    return SqlError(
        40197, 17, 1, f"The service has encountered an error processing your request: {first}"
    )
