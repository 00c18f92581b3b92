"""Names in a query: which source a column is of, and how it is written for DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.kinds import Typed
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError


@dataclass(frozen=True, slots=True)
class Field:
    """A column that can be named."""

    name: str
    value: Typed
    identity: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """A source by its alias; `schema` is set where the table's own two-part name works, too."""

    alias: str
    fields: tuple[Field, ...]
    schema: str = ""
    table: str = ""  # as FROM names it, where that is not the alias

    @property
    def shown(self) -> str:
        """How errors name it."""
        return self.table or self.alias

    def named(self, parts: Sequence[str]) -> bool:
        """Whether `parts` (without the column) mean this source."""
        if parts[-1].lower() != self.alias.lower():
            return False
        return len(parts) == 1 or (bool(self.schema) and parts[-2].lower() == self.schema.lower())

    def find(self, name: str) -> Field | None:
        wanted = name.lower()
        return next((one for one in self.fields if one.name.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Relation:
    """A common table expression, by name: what is selected from, and its columns."""

    name: str
    sql: str
    columns: tuple[tuple[str, SqlType, bool], ...]  # name, type, nullable
    definition: str = ""  # its query


@dataclass(slots=True)
class Scope:
    """What expressions of one SELECT may name; `outer` is that of the query around it."""

    origins: list[Origin] = field(default_factory=list)
    outer: Scope | None = None
    commons: dict[str, Relation] = field(default_factory=dict)
    touched: set[str] | None = None  # the names that were resolved, where somebody asks

    def common(self, name: str) -> Relation | None:
        """The common table expression of that name, from here outwards."""
        found = self.commons.get(name.lower())
        if found is None and self.outer is not None:
            return self.outer.common(name)
        return found

    def add(self, origin: Origin) -> None:
        """Add a source.

        Raises:
            SqlError: 1013: two sources with the same exposed name.
        """
        if origin.alias and any(one.alias.lower() == origin.alias.lower() for one in self.origins):
            same = [one for one in self.origins if one.alias.lower() == origin.alias.lower()]
            if any(one.schema.lower() == origin.schema.lower() for one in same):
                text = (
                    f'The objects "{origin.alias}" and "{origin.alias}" in the FROM clause have the'
                    " same exposed names. Use correlation names to distinguish them."
                )
                raise SqlError(1013, 16, 1, text)
        self.origins.append(origin)

    def resolve(self, name: tree.Name) -> Field:
        """The column a name means.

        Raises:
            SqlError: 207 no such column, 209 more than one, 4104 no such source.
        """
        found = self._find(name)
        if found is not None:
            return found
        if len(name.parts) > 1:
            text = f'The multi-part identifier "{name.text}" could not be bound.'
            if self._knows(name.parts[:-1]):
                raise SqlError(207, 16, 1, f"Invalid column name '{name.parts[-1]}'.", name.line)
            raise SqlError(4104, 16, 1, text, name.line)
        raise SqlError(207, 16, 1, f"Invalid column name '{name.text}'.", name.line)

    def owner(self, name: tree.Name) -> Origin | None:
        """The source of this SELECT itself that a column is of."""
        *above, column = name.parts
        for one in self.origins:
            if (not above or one.named(above)) and one.find(column) is not None:
                return one
        return None

    def _knows(self, parts: Sequence[str]) -> bool:
        here = any(origin.named(parts) for origin in self.origins)
        return here or (self.outer is not None and self.outer._knows(parts))

    def _find(self, name: tree.Name) -> Field | None:
        *above, column = name.parts
        among = [one for one in self.origins if not above or one.named(above)]
        found = [(one, hit) for one in among if (hit := one.find(column)) is not None]
        if len(found) > 1:
            text = f"Ambiguous column name '{column}'."
            raise SqlError(209, 16, 1, text, name.line)
        if found:
            return found[0][1]
        if above and among:
            return None
        return self.outer._find(name) if self.outer is not None else None

    def star(self, parts: Sequence[str], line: int) -> Iterator[Field]:
        """The columns that `*` or `a.*` stands for.

        Raises:
            SqlError: 4104: no such source; 263: nothing to select from.
        """
        if not parts:
            if not self.origins:
                raise SqlError(263, 16, 1, "Must specify table to select from.", line)
            for origin in self.origins:
                yield from origin.fields
            return
        for origin in self.origins:
            if origin.named(parts):
                yield from origin.fields
                return
        text = "The column prefix '{0}' does not match with a table name or alias name used in the query."
        raise SqlError(107, 15, 1, text.format(".".join(parts)), line)
