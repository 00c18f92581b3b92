"""Ranking and offset functions, which need an OVER clause."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.functions import Called, Function
from emulators.warehouse.engine.lowering.kinds import BIGINT, FLOAT, Typed, duck
from emulators.warehouse.engine.lowering.windowing import over
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError


def _windowed(called: Called) -> str:
    if called.asked.over is None:
        text = f"The function '{called.name}' must have an OVER clause."
        raise SqlError(10753, 15, 1, text, called.asked.line)
    return over(called, ordered=True)


def _rank(function: str, kind: SqlType) -> Function:
    def write(called: Called) -> Typed:
        called.need(0)
        return Typed(f"CAST({function}(){_windowed(called)} AS {duck(kind)})", kind, False)

    return write


def _ntile(called: Called) -> Typed:
    (count,) = called.need(1)
    sql = f"ntile({convert(count, BIGINT).sql}){_windowed(called)}"
    return Typed(f"CAST({sql} AS BIGINT)", BIGINT, False)


def _offset(function: str) -> Function:
    def write(called: Called) -> Typed:
        value, *rest = called.need(1, 3)
        given = [value.sql]
        if rest:
            given.append(convert(rest[0], BIGINT).sql)
        if len(rest) == 2:
            given.append(convert(rest[1], value.type).sql)
        nulls = " IGNORE NULLS" if called.asked.word == "IGNORE" else ""
        return Typed(f"{function}({', '.join(given)}{nulls}){_windowed(called)}", value.type)

    return write


def _edge(function: str) -> Function:
    def write(called: Called) -> Typed:
        (value,) = called.need(1)
        nulls = " IGNORE NULLS" if called.asked.word == "IGNORE" else ""
        return Typed(f"{function}({value.sql}{nulls}){_windowed(called)}", value.type)

    return write


FUNCTIONS: dict[str, Function] = {
    "ROW_NUMBER": _rank("row_number", BIGINT), "RANK": _rank("rank", BIGINT),
    "DENSE_RANK": _rank("dense_rank", BIGINT), "PERCENT_RANK": _rank("percent_rank", FLOAT),
    "CUME_DIST": _rank("cume_dist", FLOAT), "NTILE": _ntile, "LAG": _offset("lag"),
    "LEAD": _offset("lead"), "FIRST_VALUE": _edge("first_value"),
    "LAST_VALUE": _edge("last_value"),
}  # fmt: skip
