"""Common table expressions that name themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.scopes import Relation, Scope
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.queries import Made, Queries


def mentions(query: tree.Query, name: str) -> bool:
    """Whether a query selects from something called `name`."""
    wanted = name.lower()
    return any(
        one.name.parts[-1].lower() == wanted and len(one.name.parts) == 1
        for one in _relations(query)
    )


def _relations(node: Any) -> Iterator[tree.Relation]:
    if isinstance(node, tree.Relation):
        yield node
    elif isinstance(node, tuple):
        for one in node:
            yield from _relations(one)
    elif is_dataclass(node) and not isinstance(node, type):
        for one in fields(node):
            yield from _relations(getattr(node, one.name))


def recursive(queries: Queries, common: tree.Common, scope: Scope, name: str) -> Made:
    """`anchor UNION ALL members that name it`.

    Raises:
        SqlError: a dedicated pool has none; 252, 246: no such shape.
    """
    from emulators.warehouse.engine.lowering.queries import Made, named_columns

    if queries.lowering.env.flavor == "synapse":
        raise refused("recursive common table expressions, as a dedicated pool has none")
    body = common.query.body
    if not isinstance(body, tree.SetOperation) or body.operator != "UNION" or not body.all:
        text = f"Recursive common table expression '{common.name}' does not contain a top-level UNION ALL operator."
        raise SqlError(252, 16, 1, text)
    anchor = queries.query(tree.Query(body.left), scope)
    columns = named_columns(anchor.columns, common.columns, common.name)
    inner = Scope(outer=scope)
    inner.commons[common.name.lower()] = Relation(common.name, name, columns)
    member = queries.query(tree.Query(body.right), inner)
    kinds = [kind for _, kind, _ in columns]
    sql = f"/*recursive*/ {anchor.sql} UNION ALL {member.as_types(kinds)}"
    return Made(sql, columns)
