"""Which columns a grouped SELECT may name: those of its groups, and any inside an aggregate."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.functions_aggregates import FUNCTIONS
from emulators.warehouse.engine.lowering.scopes import Scope
from emulators.warehouse.errors import SqlError

Shape = Any
"""An expression without its lines, its columns as they are resolved: equal where T-SQL says so."""

_INVALID = (
    "is invalid in the {} because it is not contained in either an aggregate function or the"
    " GROUP BY clause."
)


def is_aggregate(node: Any) -> bool:
    """Whether a node is an aggregate over the group, not over a window."""
    if not isinstance(node, tree.Call) or node.over is not None:
        return False
    return node.name in FUNCTIONS and not node.name.startswith("GROUPING")


def aggregates(node: Any) -> bool:
    """Whether an aggregate of this SELECT (not of a query inside) is anywhere in it."""
    return is_aggregate(node) or any(aggregates(one) for one in _children(node))


def _children(node: Any) -> list[Any]:
    if isinstance(node, tuple):
        return list(node)
    if isinstance(node, tree.Query) or not is_dataclass(node):
        return []
    return [getattr(node, one.name) for one in fields(node) if one.name != "line"]


def shape(node: Any, scope: Scope) -> Shape:
    """What is compared of an expression."""
    if isinstance(node, tree.Name):
        try:
            return ("column", scope.resolve(node).value.sql)
        except SqlError:
            return ("column", node.parts)
    if isinstance(node, tuple):
        return tuple(shape(one, scope) for one in node)
    if is_dataclass(node) and not isinstance(node, tree.Query):
        return (type(node).__name__, *(shape(one, scope) for one in _children(node)))
    return id(node) if isinstance(node, tree.Query) else node


class Grouping:
    """The groups of one SELECT."""

    def __init__(self, asked: tree.Select, scope: Scope) -> None:
        self._scope = scope
        keys = [*asked.group, *(one for part in asked.sets for one in part)]
        self._keys = {shape(one, scope) for one in keys}
        counted = [*(item.expression for item in asked.items), asked.having]
        self.active = bool(keys or asked.sets) or any(aggregates(one) for one in counted)

    def check(self, node: Any, number: int, place: str) -> None:
        """Fail where a column is named that has no one value in a group.

        Raises:
            SqlError: 8120 in the select list, 8121 in HAVING, 8127 in ORDER BY.
        """
        if is_aggregate(node) and aggregates(node.arguments):
            text = "Cannot perform an aggregate function on an expression containing an aggregate or a subquery."
            raise SqlError(130, 15, 1, text, node.line)
        if isinstance(node, tree.Call) and node.name in ("GROUPING", "GROUPING_ID"):
            self._grouped(node)
            return
        if not self.active or is_aggregate(node) or node is None:
            return
        if isinstance(node, tree.Expression) and shape(node, self._scope) in self._keys:
            return
        if isinstance(node, tree.Name):
            self._column(node, number, place)
        elif isinstance(node, tree.Star):
            for origin in self._scope.origins:
                for one in origin.fields:
                    self._column(tree.Name(node.line, (origin.alias, one.name)), number, place)
        for one in _children(node):
            self.check(one, number, place)

    def _grouped(self, node: tree.Call) -> None:
        for at, one in enumerate(node.arguments, 1):
            if shape(one, self._scope) not in self._keys:
                text = f"Argument {at} of the {node.name} function does not match any of the expressions in the GROUP BY clause."
                raise SqlError(8161, 16, 1, text, node.line)

    def _column(self, node: tree.Name, number: int, place: str) -> None:
        owner = self._scope.owner(node)
        if owner is None or shape(node, self._scope) in self._keys:
            return
        mark = '"' if number == 8127 else "'"
        shown = ".".join(part for part in (owner.shown, node.parts[-1]) if part)
        text = f"Column {mark}{shown}{mark} {_INVALID.format(place)}"
        raise SqlError(number, 16, 1, text, node.line)


def no_aggregates(asked: tree.Select) -> None:
    """Fail where an aggregate stands in WHERE or GROUP BY.

    Raises:
        SqlError: 147, 144.
    """
    if aggregates(asked.where):
        text = "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause or a select list, and the column being aggregated is an outer reference."
        raise SqlError(147, 15, 1, text, asked.line)
    if any(aggregates(one) or isinstance(one, tree.Scalar) for one in asked.group):
        text = "Cannot use an aggregate or a subquery in an expression used for the group by list of a GROUP BY clause."
        raise SqlError(144, 15, 1, text, asked.line)
