"""What names mean at a place in a statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emulators.warehouse.engine.lowering.kinds import Typed, duck, named
from emulators.warehouse.engine.lowering.plans import LoweringEnv
from emulators.warehouse.engine.lowering.tree import Name
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError, undeclared


@dataclass(frozen=True, slots=True)
class Field:
    """A column that a query gives; `name` is "" where it has none."""

    name: str
    type: SqlType
    nullable: bool = True
    identity: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A query written for DuckDB and the columns it gives."""

    sql: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """A source in scope: `alias` names it in DuckDB, `names` as T-SQL may qualify its columns."""

    alias: str
    names: tuple[str, ...]  # lower-case parts: ("t",) or ("dbo", "t")
    fields: tuple[Field, ...]
    columns: Mapping[str, str] = field(default_factory=dict)  # lower name -> DuckDB expression

    def answers(self, parts: tuple[str, ...]) -> bool:
        """Whether `parts` (lower case) qualify this source."""
        return bool(parts) and self.names[-len(parts) :] == parts

    def column(self, at: Field) -> Typed:
        sql = self.columns.get(at.name.lower()) or f"{self.alias}.{named(at.name)}"
        return Typed(sql, at.type, at.nullable)


@dataclass(slots=True)
class Work:
    """One lowering under way: what it has used so far."""

    env: LoweringEnv
    parameters: list[str] = field(default_factory=list)
    objects: list[tuple[str, str, str]] = field(default_factory=list)
    aliases: set[str] = field(default_factory=set)
    depth: int = 0
    cacheable: bool = True
    before: list[str] = field(default_factory=list)

    def parameter(self, name: str) -> str:
        """How the value of this variable is written."""
        if name not in self.parameters:
            self.parameters.append(name)
        return f"$v{self.parameters.index(name)}"

    def alias(self, wanted: str) -> str:
        """A quoted alias nobody else in this statement has."""
        name, count = wanted, 1
        while name.lower() in self.aliases:
            count += 1
            name = f"{wanted}~{count}"
        self.aliases.add(name.lower())
        return named(name)

    def touch(self, schema: str, name: str, action: str) -> None:
        """Note what the statement itself (not a view in it) uses."""
        if self.depth == 0 and (schema, name, action) not in self.objects:
            self.objects.append((schema, name, action))


@dataclass(slots=True)
class Scope:
    """Names in reach: this query's sources, then those of the queries around it."""

    work: Work
    parent: Scope | None = None
    sources: list[Bound] = field(default_factory=list)
    commons: dict[str, tuple[str, tuple[Field, ...]]] = field(default_factory=dict)
    bindings: dict[str, Typed] = field(default_factory=dict)
    wall: bool = False  # a module's body: names outside are not seen

    def inner(self) -> Scope:
        return Scope(self.work, self)

    def common(self, name: str) -> tuple[str, tuple[Field, ...]] | None:
        """The common table of that name."""
        scope: Scope | None = self
        while scope is not None:
            if name.lower() in scope.commons:
                return scope.commons[name.lower()]
            scope = None if scope.wall else scope.parent
        return None

    def variable(self, name: str, line: int) -> Typed:
        """The variable (or parameter of an inline function) of that name."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bindings:
                return scope.bindings[name]
            if scope.wall:
                raise undeclared("@" + name, line)
            scope = scope.parent
        kind = self.work.env.variables.get(name) or _fact(name)
        if kind is None:
            raise undeclared("@" + name, line)
        return Typed(f"CAST({self.work.parameter(name)} AS {duck(kind)})", kind)

    def column(self, name: Name) -> Typed:
        """The column that `name` means.

        Raises:
            SqlError: 207, 4104 when there is none, 209 when there are several.
        """
        *qualifier, column = (p.lower() for p in name.parts)
        parts = tuple(qualifier)
        if len(parts) == 3:
            parts = parts[1:]
        scope: Scope | None = self
        qualified = False
        while scope is not None:
            found = [
                source.column(at)
                for source in scope.sources
                if not parts or source.answers(parts)
                for at in source.fields
                if at.name.lower() == column
            ]
            qualified = qualified or any(parts and s.answers(parts) for s in scope.sources)
            if len(found) > 1:
                raise SqlError(209, 16, 1, f"Ambiguous column name '{name.parts[-1]}'.", name.line)
            if found:
                return found[0]
            scope = None if scope.wall else scope.parent
        if parts and not qualified:
            text = f'The multi-part identifier "{name.text}" could not be bound.'
            raise SqlError(4104, 16, 1, text, name.line)
        raise SqlError(207, 16, 1, f"Invalid column name '{name.parts[-1]}'.", name.line)

    def stars(self, parts: tuple[str, ...], line: int) -> list[tuple[Field, Typed]]:
        """What `*` or `t.*` stands for."""
        wanted = tuple(p.lower() for p in parts)
        if len(wanted) == 3:
            wanted = wanted[1:]
        chosen = [s for s in self.sources if not wanted or s.answers(wanted)]
        if not chosen:
            if not wanted:
                text = "Must specify table to select from."
                raise SqlError(263, 16, 1, text, line)
            text = f"The column prefix '{'.'.join(parts)}' does not match with a table name or alias name used in the query."  # noqa: E501
            raise SqlError(107, 15, 1, text, line)
        return [(at, s.column(at)) for s in chosen for at in s.fields]


def _fact(name: str) -> SqlType | None:
    """The type of a session's fact that stands in the text as a variable `__…`."""
    if not name.startswith("__"):
        return None
    from emulators.warehouse.engine.tsql.facts import type_of

    try:
        return type_of(name)
    except KeyError:
        return None
