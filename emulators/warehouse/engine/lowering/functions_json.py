"""JSON in text."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.converting import text_of
from emulators.warehouse.engine.lowering.functions import Called, Function, unserved
from emulators.warehouse.engine.lowering.kinds import INT, Typed, quoted
from emulators.warehouse.engine.lowering.macros import SCHEMA
from emulators.warehouse.engine.types import MAX, SqlType


def _isjson(called: Called) -> Typed:
    called.need(1, 2)
    value = text_of(called.values[0])
    valid = f"json_valid({value.sql}) AND json_type({value.sql}) IN ('OBJECT', 'ARRAY')"
    sql = f"(CASE WHEN {value.sql} IS NULL THEN NULL WHEN {valid} THEN 1 ELSE 0 END)"
    return Typed(sql, INT, True)


def _path(called: Called) -> str:
    return text_of(called.values[1]).sql if len(called.values) > 1 else quoted("$")


def _value(called: Called) -> Typed:
    called.need(2)
    sql = f"{SCHEMA}.json_value_of({text_of(called.values[0]).sql}, {_path(called)})"
    return Typed(sql, SqlType("nvarchar", 4000), True)


def _query(called: Called) -> Typed:
    called.need(1, 2)
    sql = f"{SCHEMA}.json_query_of({text_of(called.values[0]).sql}, {_path(called)})"
    return Typed(sql, SqlType("nvarchar", MAX), True)


FUNCTIONS: dict[str, Function] = {
    "ISJSON": _isjson, "JSON_VALUE": _value, "JSON_QUERY": _query,
    "JSON_MODIFY": unserved("JSON_MODIFY"), "JSON_OBJECT": unserved("JSON_OBJECT"),
    "JSON_ARRAY": unserved("JSON_ARRAY"), "JSON_PATH_EXISTS": unserved("JSON_PATH_EXISTS"),
}  # fmt: skip
