"""PIVOT and UNPIVOT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.warehouse.engine.lowering import operators, tree
from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.kinds import Typed, quoted, unify_all
from emulators.warehouse.engine.lowering.scopes import Field, Origin, Scope
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.sources import Sources


def _inner(sources: Sources, asked: tree.Source, scope: Scope) -> tuple[str, Scope]:
    inner = Scope(outer=scope.outer, commons=scope.commons)
    return sources.source(asked, inner), inner


def _field(scope: Scope, name: str, line: int) -> Field:
    return scope.resolve(tree.Name(line, (name,)))


def pivot(sources: Sources, asked: tree.Pivot, scope: Scope) -> str:
    """Groups by what is neither aggregated nor spread, one aggregate for each value."""
    sql, inner = _inner(sources, asked.source, scope)
    binder = sources.lowering.binder
    spread = _field(inner, asked.column, asked.line)
    arguments = asked.aggregate.arguments
    if len(arguments) != 1 or not isinstance(arguments[0], tree.Name):
        raise SqlError(102, 15, 1, "Incorrect syntax near 'PIVOT'.", asked.line)
    source = inner.resolve(arguments[0])
    kept = [
        one
        for origin in inner.origins
        for one in origin.fields
        if one.value.sql not in (spread.value.sql, source.value.sql)
    ]
    columns: list[tuple[str, SqlType, bool]] = [
        (one.name, one.value.type, one.value.nullable) for one in kept
    ]
    items = [f"{one.value.sql} AS c{at}" for at, one in enumerate(kept, 1)]
    for wanted in asked.values:
        constant = Typed(quoted(wanted), SqlType("nvarchar", max(1, len(wanted))), False, wanted)
        test = operators.compare("=", spread.value, constant)
        chosen = Typed(f"CASE WHEN {test} THEN {source.value.sql} END", source.value.type)
        # The aggregate is bound over the chosen values under a name of their own.
        alone = Scope(origins=[Origin("", (Field("value", chosen),))])
        call = tree.Call(asked.line, asked.aggregate.parts, (tree.Name(asked.line, ("value",)),))
        made = binder.value(call, alone)
        items.append(f"{made.sql} AS c{len(items) + 1}")
        columns.append((wanted, made.type, True))
    group = f" GROUP BY {', '.join(one.value.sql for one in kept)}" if kept else ""
    return sources.add(
        f"SELECT {', '.join(items)} FROM {sql}{group}", tuple(columns), asked.alias, scope
    )


def unpivot(sources: Sources, asked: tree.Unpivot, scope: Scope) -> str:
    """A row for each of the columns that is not NULL."""
    sql, inner = _inner(sources, asked.source, scope)
    turned = [_field(inner, name, asked.line) for name in asked.values]
    kind = unify_all([one.value for one in turned])
    gone = {one.value.sql for one in turned}
    kept = [one for origin in inner.origins for one in origin.fields if one.value.sql not in gone]
    parts = []
    for one in turned:
        items = [f"{field.value.sql} AS c{at}" for at, field in enumerate(kept, 1)]
        items.append(f"{convert(one.value, kind).sql} AS c{len(kept) + 1}")
        items.append(f"{quoted(one.name)} AS c{len(kept) + 2}")
        parts.append(f"SELECT {', '.join(items)} FROM {sql} WHERE ({one.value.sql}) IS NOT NULL")
    columns = [(one.name, one.value.type, one.value.nullable) for one in kept]
    columns += [(asked.value, kind, False), (asked.column, SqlType("nvarchar", 128), False)]
    return sources.add(" UNION ALL ".join(parts), tuple(columns), asked.alias, scope)
