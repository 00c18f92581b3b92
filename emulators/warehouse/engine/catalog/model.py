"""What the catalog says of an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulators.warehouse.engine.types import SqlType


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column; `default` is T-SQL text; `seed` and `increment` are of an identity column."""

    name: str
    type: SqlType
    nullable: bool = True
    default: str = ""
    seed: int | None = None
    increment: int = 1
    computed: str = ""

    @property
    def identity(self) -> bool:
        """Whether the engine numbers the rows."""
        return self.seed is not None


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `source` is what names it in DuckDB; `options` as CREATE TABLE gave them.

    `kind`: U (table), ET (external table).
    """

    id: int
    schema: str
    name: str
    columns: tuple[TableColumn, ...]
    source: str
    kind: str = "U"
    options: Mapping[str, Any] = field(default_factory=dict)

    def column(self, name: str) -> TableColumn | None:
        """The column of that name, in any case of letters."""
        wanted = name.lower()
        return next((c for c in self.columns if c.name.lower() == wanted), None)

    @property
    def sequence(self) -> str:
        """What numbers the rows of an identity column in DuckDB; "" without one."""
        return str(self.options.get("sequence", ""))


@dataclass(frozen=True, slots=True)
class PartColumn:
    """A column of an index, of statistics or of a key."""

    name: str
    descending: bool = False
    included: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What belongs to a table and has a name.

    `kind`: index, statistics, constraint; `number` is an index's or statistics' id in its table.
    `options` of a constraint have its `type` (PK, UQ, D), of a default its `column` and
    `definition`; of an index its `type` (HEAP, CLUSTERED, NONCLUSTERED, CLUSTERED COLUMNSTORE, …).
    """

    id: int
    kind: str
    object: int
    name: str
    number: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[PartColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a module; `name` with its `@`."""

    name: str
    type: SqlType
    output: bool = False
    default: str | None = None  # T-SQL text


@dataclass(frozen=True, slots=True)
class Module:
    """A procedure (P), view (V), scalar function (FN) or inline table function (IF).

    `text` is the whole CREATE statement; `body` what stands after AS (of an inline function:
    the query inside RETURN); `body_line` is the line of `text` on which the body begins (1-based).
    `columns` are a view's own column names, if it lists them; `returns` a scalar function's type.
    """

    id: int
    schema: str
    name: str
    kind: str
    text: str
    body: str
    parameters: tuple[Parameter, ...] = ()
    columns: tuple[str, ...] = ()
    returns: SqlType | None = None
    body_line: int = 1
