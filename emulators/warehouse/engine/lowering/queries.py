"""Queries: SELECT with its clauses, set operations, common table expressions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from emulators.warehouse.engine.lowering import operators, tree
from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.grouping import Grouping, no_aggregates
from emulators.warehouse.engine.lowering.kinds import BIGINT, FLOAT, INT, Typed, duck, named, unify
from emulators.warehouse.engine.lowering.scopes import Relation, Scope
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.lowering import Lowering

Columns = tuple[tuple[str, SqlType, bool], ...]
"""Name, type, nullable."""


@dataclass(frozen=True, slots=True)
class Made:
    """A query for DuckDB, whose columns are called c1, c2, … there."""

    sql: str
    columns: Columns

    def named(self, names: list[str]) -> str:
        """The same query with names for its columns."""
        wanted = [f"c{at}" for at in range(1, len(names) + 1)]
        if [name.lower() for name in names] == wanted:
            return self.sql
        listed = ", ".join(f"{c} AS {named(n)}" for c, n in zip(wanted, names, strict=True))
        return f"SELECT {listed} FROM ({self.sql})"

    def as_types(self, kinds: list[SqlType]) -> str:
        """The same query with its columns as other types."""
        if [kind for _, kind, _ in self.columns] == kinds:
            return self.sql
        listed = ", ".join(
            f"{convert(Typed(f'c{at}', kind), wanted).sql} AS c{at}"
            for at, ((_, kind, _), wanted) in enumerate(zip(self.columns, kinds, strict=True), 1)
        )
        return f"SELECT {listed} FROM ({self.sql})"


@dataclass(slots=True)
class Block:
    """One SELECT before it is written: its items may still become other types."""

    items: list[tuple[str, Typed]]
    scope: Scope
    tail: str  # FROM … HAVING
    distinct: bool = False
    qualify: str = ""
    after: str = ""  # ORDER BY … LIMIT
    explicit: list[str] = field(default_factory=list)  # names given by the select list itself
    groups: Grouping | None = None

    @property
    def columns(self) -> Columns:
        return tuple((name, value.type, value.nullable) for name, value in self.items)

    def sql(self, kinds: list[SqlType] | None = None) -> str:
        """The SELECT, its items as they are or as the types of a set operation."""
        values = [value for _, value in self.items]
        if kinds is not None:
            values = [convert(v, kind) for v, kind in zip(values, kinds, strict=True)]
        listed = ", ".join(f"{v.sql} AS c{at}" for at, v in enumerate(values, 1))
        parts = [f"SELECT {'DISTINCT ' if self.distinct else ''}{listed}", self.tail]
        parts += [self.qualify, self.after]
        return " ".join(part for part in parts if part)


def _unqualified(one: tree.Ordering) -> tree.Ordering:
    """After a set operation names may have their source of the first SELECT before them."""
    name = one.expression
    if isinstance(name, tree.Name) and len(name.parts) > 1:
        return replace(one, expression=tree.Name(name.line, name.parts[-1:]))
    return one


class Queries:
    """Writes queries."""

    def __init__(self, lowering: Lowering) -> None:
        from emulators.warehouse.engine.lowering.sources import Sources

        self.lowering = lowering
        self.sources = Sources(lowering, self)

    def query(self, asked: tree.Query, outer: Scope | None, *, top_level: bool = False) -> Made:
        """A query with its common table expressions, order and limits.

        Raises:
            SqlError: it names what is not there, or breaks a rule of queries.
        """
        scope = Scope(outer=outer)
        prefix = self.commons(asked.commons, scope)
        made = self._ordered(asked, scope, top_level)
        return Made(f"{prefix}{made.sql}", made.columns) if prefix else made

    def commons(self, asked: tuple[tree.Common, ...], scope: Scope) -> str:
        """The WITH clause of common table expressions, which the scope then knows."""
        written = []
        for common in asked:
            if common.name.lower() in scope.commons:
                text = f"Duplicate common table expression name '{common.name}' was specified."
                raise SqlError(239, 16, 1, text)
            name = self.lowering.alias("w")
            self.lowering.common_depth += 1
            made = self._common(common, scope, name)
            self.lowering.common_depth -= 1
            columns = named_columns(made.columns, common.columns, common.name)
            relation = Relation(common.name, name, columns, made.sql)
            scope.commons[common.name.lower()] = relation
            written.append(f"{name} AS ({made.sql})")
        recursive = any(" UNION ALL " in one and "/*recursive*/" in one for one in written)
        if not written:
            return ""
        return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(written)} "

    def _common(self, common: tree.Common, scope: Scope, name: str) -> Made:
        from emulators.warehouse.engine.lowering.recursion import mentions, recursive

        if mentions(common.query, common.name):
            return recursive(self, common, scope, name)
        return self.query(common.query, scope)

    def _ordered(self, asked: tree.Query, scope: Scope, top_level: bool) -> Made:
        body = self.body(asked.body, scope)
        top = asked.body.top if isinstance(asked.body, tree.Select) else None
        if asked.order and not top_level and top is None and asked.offset is None:
            text = (
                "The ORDER BY clause is invalid in views, inline functions, derived tables,"
                " subqueries, and common table expressions, unless TOP, OFFSET or FOR XML is also"
                " specified."
            )
            raise SqlError(1033, 15, 1, text)
        if isinstance(body, Made):
            if not asked.order:
                return body
            wrapped = [(n, Typed(f"q.c{at}", k, x)) for at, (n, k, x) in enumerate(body.columns, 1)]
            body = Block(wrapped, Scope(outer=scope), f"FROM ({body.sql}) AS q")
            body.explicit = [name for name, _ in wrapped]
            asked = replace(asked, order=tuple(_unqualified(one) for one in asked.order))
        order = self._order(asked.order, body)
        self._limit(asked, top, order, body)
        made = Made(body.sql(), body.columns)
        if top is not None and top.percent:
            return self._percent(made, top, body.scope)
        return made

    def _order(self, order: tuple[tree.Ordering, ...], body: Block) -> str:
        terms = [self._term(one, body) for one in order]
        columns = [term.partition(" ")[0] for term in terms if " " in term]
        if len(set(columns)) < len(columns):
            text = "A column has been specified more than once in the order by list. Columns in the order by list must be unique."
            raise SqlError(169, 15, 1, text, order[0].expression.line)
        return ", ".join(terms)

    def _term(self, one: tree.Ordering, body: Block) -> str:
        direction = "DESC NULLS LAST" if one.descending else "ASC NULLS FIRST"
        asked = one.expression
        if isinstance(asked, tree.Literal):
            return f"{_position(asked, len(body.items))} {direction}"
        if isinstance(asked, tree.Name) and len(asked.parts) == 1:
            wanted = asked.parts[0].lower()
            hits = [at for at, name in enumerate(body.explicit, 1) if name.lower() == wanted]
            if len(hits) > 1 and len({body.items[at - 1][1].sql for at in hits}) > 1:
                raise SqlError(209, 16, 1, f"Ambiguous column name '{asked.text}'.", asked.line)
            if hits:
                return f"{hits[0]} {direction}"
        value = self.lowering.binder.value(asked, body.scope)
        if body.groups is not None:
            body.groups.check(asked, 8127, "ORDER BY clause")
        for at, (_, item) in enumerate(body.items, 1):
            if item.sql == value.sql:
                return f"{at} {direction}"
        if body.distinct:
            text = "ORDER BY items must appear in the select list if SELECT DISTINCT is specified."
            raise SqlError(145, 15, 1, text, asked.line)
        return f"{operators.key(value)} {direction}"

    def ordering(self, order: tuple[tree.Ordering, ...], scope: Scope) -> str:
        """The inside of an ORDER BY over expressions only, as windows have it."""
        terms = []
        for one in order:
            value = self.lowering.binder.value(one.expression, scope)
            direction = "DESC NULLS LAST" if one.descending else "ASC NULLS FIRST"
            terms.append(f"{operators.key(value)} {direction}")
        return ", ".join(terms)

    def _limit(self, asked: tree.Query, top: tree.Top | None, order: str, body: Block) -> None:
        after = [f"ORDER BY {order}"] if order else []
        if asked.offset is not None:
            if top is not None:
                text = "A TOP can not be used in the same query or sub-query as a OFFSET."
                raise SqlError(10741, 15, 2, text)
            if asked.fetch is not None:
                after.append(f"LIMIT {self._count(asked.fetch, body.scope)}")
            after.append(f"OFFSET {self._count(asked.offset, body.scope)}")
        elif top is not None and top.ties:
            if not order:
                text = "The TOP N WITH TIES clause is not allowed without a corresponding ORDER BY clause."
                raise SqlError(1062, 15, 1, text)
            ranks = ", ".join(self._rank_term(one, body) for one in asked.order)
            body.qualify = (
                f"QUALIFY rank() OVER (ORDER BY {ranks}) <= {self._count(top.count, body.scope)}"
            )
        elif top is not None and not top.percent:
            after.append(f"LIMIT {self._count(top.count, body.scope)}")
        body.after = " ".join(after)

    def _rank_term(self, one: tree.Ordering, body: Block) -> str:
        """An ORDER BY term inside a window, where positions mean nothing."""
        term = self._term(one, body)
        at, _, direction = term.partition(" ")
        return f"{body.items[int(at) - 1][1].sql} {direction}" if at.isdigit() else term

    def _count(self, asked: tree.Expression, scope: Scope) -> str:
        around = Scope(outer=scope.outer, commons=scope.commons)
        try:
            value = self.lowering.binder.value(asked, around)
        except SqlError as error:
            if error.number not in (207, 4104) or not isinstance(asked, tree.Name):
                raise
            text = f'The reference to column "{asked.parts[-1]}" is not allowed in an argument to a TOP, OFFSET, or FETCH clause. Only references to columns at an outer scope or standalone expressions and subqueries are allowed here.'
            raise SqlError(4115, 15, 1, text, asked.line) from None
        if value.type.name not in (
            "int",
            "bigint",
            "smallint",
            "tinyint",
            "decimal",
            "float",
            "null",
        ):
            text = "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer."
            raise SqlError(1060, 15, 1, text, asked.line)
        return convert(value, BIGINT).sql

    def _percent(self, made: Made, top: tree.Top, scope: Scope) -> Made:
        share = convert(self.lowering.binder.value(top.count, scope), FLOAT).sql
        listed = ", ".join(f"c{at}" for at in range(1, len(made.columns) + 1))
        numbered = f"SELECT *, row_number() OVER () AS r, count(*) OVER () AS n FROM ({made.sql})"
        sql = f"SELECT {listed} FROM ({numbered}) WHERE r <= ceil(n * {share} / 100e0) ORDER BY r"
        return Made(sql, made.columns)

    # What stands in a set operation.

    def body(self, asked: tree.Body, scope: Scope) -> Block | Made:
        """A SELECT, VALUES, or set operation."""
        if isinstance(asked, tree.Select):
            return self.select(asked, scope)
        if isinstance(asked, tree.SetOperation):
            return self._set_operation(asked, scope)
        if isinstance(asked, tree.Nested):
            return self.query(asked.query, scope)
        assert isinstance(asked, tree.Values)
        return self._values(asked, scope)

    def _set_operation(self, asked: tree.SetOperation, scope: Scope) -> Made:
        left, right = self.body(asked.left, scope), self.body(asked.right, scope)
        if len(left.columns) != len(right.columns):
            text = "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists."
            raise SqlError(205, 16, 1, text, asked.line)
        kinds = [
            unify(a, b) for (_, a, _), (_, b, _) in zip(left.columns, right.columns, strict=True)
        ]
        kinds = [INT if kind.name == "null" else kind for kind in kinds]
        operator = f"{asked.operator}{' ALL' if asked.all else ''}"
        sql = f"({self._typed(left, kinds)}) {operator} ({self._typed(right, kinds)})"
        columns = tuple(
            (name, kind, a or b)
            for (name, _, a), kind, (_, _, b) in zip(
                left.columns, kinds, right.columns, strict=True
            )
        )
        listed = ", ".join(f"c{at}" for at in range(1, len(columns) + 1))
        return Made(f"SELECT {listed} FROM ({sql})", columns)

    def _typed(self, body: Block | Made, kinds: list[SqlType]) -> str:
        return body.sql(kinds) if isinstance(body, Block) else body.as_types(kinds)

    def _values(self, asked: tree.Values, scope: Scope) -> Made:
        from emulators.warehouse.engine.lowering.kinds import unify_all

        rows = [self.lowering.binder.values(row, scope) for row in asked.rows]
        kinds = [unify_all([row[at] for row in rows]) for at in range(len(rows[0]))]
        kinds = [INT if kind.name == "null" else kind for kind in kinds]
        written = ", ".join(
            f"({', '.join(convert(v, k).sql for v, k in zip(row, kinds, strict=True))})"
            for row in rows
        )
        names = ", ".join(f"c{at}" for at in range(1, len(kinds) + 1))
        nullable = [any(row[at].nullable for row in rows) for at in range(len(kinds))]
        columns = tuple(("", k, n) for k, n in zip(kinds, nullable, strict=True))
        return Made(f"SELECT * FROM (VALUES {written}) AS v({names})", columns)

    def select(self, asked: tree.Select, outer: Scope) -> Block:
        """One SELECT, without its order."""
        scope = Scope(outer=outer)
        tail = self.from_clause(asked.sources, scope)
        no_aggregates(asked)
        groups = Grouping(asked, scope)
        if asked.where is not None:
            tail += f" WHERE {self.lowering.binder.test(asked.where, scope)}"
        tail += self._group(asked, scope)
        if asked.having is not None:
            tail += f" HAVING {self.lowering.binder.test(asked.having, scope)}"
        items, explicit = self.items(asked.items, scope)
        groups.check(tuple(item.expression for item in asked.items), 8120, "select list")
        groups.check(asked.having, 8121, "HAVING clause")
        return Block(items, scope, tail.strip(), asked.distinct, explicit=explicit, groups=groups)

    def from_clause(self, sources: tuple[tree.Source, ...], scope: Scope) -> str:
        """FROM with its sources, which the scope then knows."""
        if not sources:
            return ""
        return "FROM " + ", ".join(self.sources.source(one, scope) for one in sources)

    def items(
        self, asked: tuple[tree.Item, ...], scope: Scope
    ) -> tuple[list[tuple[str, Typed]], list[str]]:
        """A select list: names with values, and the names that ORDER BY may use."""
        items: list[tuple[str, Typed]] = []
        for item in asked:
            found = item.expression
            if isinstance(found, tree.Star):
                items += [(one.name, one.value) for one in scope.star(found.parts, found.line)]
                continue
            value = self.lowering.binder.value(found, scope)
            name = item.alias or (found.parts[-1] if isinstance(found, tree.Name) else "")
            if not item.alias and isinstance(found, tree.Name):
                name = scope.resolve(found).name
            items.append((name, value))
        plain = [_settled(value) for _, value in items]
        named_items = [(name, value) for (name, _), value in zip(items, plain, strict=True)]
        return named_items, [name for name, _ in named_items]

    def _group(self, asked: tree.Select, scope: Scope) -> str:
        if not asked.group and not asked.sets:
            return ""
        if asked.grouping == "SETS":
            sets = ", ".join(f"({', '.join(self._keys(one, scope))})" for one in asked.sets)
            return f" GROUP BY GROUPING SETS ({sets})"
        keys = ", ".join(self._keys(asked.group, scope))
        if asked.grouping:
            return f" GROUP BY {asked.grouping} ({keys})"
        return f" GROUP BY {keys}"

    def _keys(self, group: tuple[tree.Expression, ...], scope: Scope) -> list[str]:
        keys = []
        for one in group:
            if isinstance(one, tree.Literal):
                text = "Each GROUP BY expression must contain at least one column that is not an outer reference."
                raise SqlError(164, 15, 1, text, one.line)
            keys.append(self.lowering.binder.value(one, scope).sql)
        return keys


def _settled(value: Typed) -> Typed:
    """An item of a select list: NULL by itself is an int."""
    if value.type.name == "null":
        return Typed(f"CAST(NULL AS {duck(INT)})", INT, True)
    return value


def named_columns(columns: Columns, names: tuple[str, ...], owner: str) -> Columns:
    """Columns under the names that were given, or their own.

    Raises:
        SqlError: 8158, 8159 another number of names; 8155 a column has none; 8156 one twice.
    """
    if names and len(names) != len(columns):
        more = len(columns) > len(names)
        text = f"'{owner}' has {'more' if more else 'fewer'} columns than were specified in the column list."
        raise SqlError(8158 if more else 8159, 16, 1, text)
    made = tuple(
        (given or name, kind, nullable)
        for (name, kind, nullable), given in zip(columns, names or [""] * len(columns), strict=True)
    )
    seen: set[str] = set()
    for at, (name, _, _) in enumerate(made, 1):
        if not name:
            text = f"No column name was specified for column {at} of '{owner}'."
            raise SqlError(8155, 16, 2, text)
        if name.lower() in seen:
            text = f"The column '{name}' was specified multiple times for '{owner}'."
            raise SqlError(8156, 16, 1, text)
        seen.add(name.lower())
    return made


def _position(asked: tree.Literal, items: int) -> int:
    """A constant in ORDER BY: the number of an item."""
    if asked.kind != "int":
        text = "A constant expression was encountered in the ORDER BY list, position 1."
        raise SqlError(408, 16, 1, text, asked.line)
    if not 1 <= int(asked.text) <= items:
        text = f"The ORDER BY position number {asked.text} is out of range of the number of items in the select list."
        raise SqlError(108, 15, 1, text, asked.line)
    return int(asked.text)
