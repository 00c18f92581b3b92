"""T-SQL as read: expressions, queries and changes of rows as values. No meaning yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from emulators.warehouse.engine.types import SqlType


@dataclass(frozen=True, slots=True)
class Expression:
    """Anything with a value."""

    line: int


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """`kind`: int, decimal, float, string, nstring, hex, money, null, default."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Variable(Expression):
    name: str  # lower case, without @


@dataclass(frozen=True, slots=True)
class Name(Expression):
    """A column, or an object; `parts` as written, without quotes."""

    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Star(Expression):
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Case(Expression):
    operand: Expression | None
    branches: tuple[tuple[Expression | Condition, Expression], ...]
    otherwise: Expression | None


@dataclass(frozen=True, slots=True)
class Cast(Expression):
    operand: Expression
    type: SqlType
    tried: bool = False
    style: Expression | None = None
    parsed: bool = False  # PARSE, TRY_PARSE


@dataclass(frozen=True, slots=True)
class Ordering:
    expression: Expression
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    partition: tuple[Expression, ...] = ()
    order: tuple[Ordering, ...] = ()
    frame: str = ""


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """A function; `name` in upper case when it has one part."""

    parts: tuple[str, ...]
    arguments: tuple[Expression, ...]
    distinct: bool = False
    star: bool = False
    within: tuple[Ordering, ...] = ()
    over: Window | None = None
    word: str = ""  # a date part, or IGNORE/RESPECT NULLS

    @property
    def name(self) -> str:
        return self.parts[-1].upper()


@dataclass(frozen=True, slots=True)
class Scalar(Expression):
    """A query in parentheses as a value."""

    query: Query


@dataclass(frozen=True, slots=True)
class Collate(Expression):
    operand: Expression
    collation: str


@dataclass(frozen=True, slots=True)
class AtTimeZone(Expression):
    operand: Expression
    zone: Expression


@dataclass(frozen=True, slots=True)
class Choice(Expression):
    """IIF."""

    condition: Condition
    yes: Expression
    no: Expression


@dataclass(frozen=True, slots=True)
class Condition:
    """Anything that is true, false or unknown."""

    line: int


@dataclass(frozen=True, slots=True)
class Logical(Condition):
    operator: str  # AND, OR
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not(Condition):
    operand: Condition


@dataclass(frozen=True, slots=True)
class Comparison(Condition):
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Quantified(Condition):
    operator: str
    left: Expression
    quantity: str  # ALL, ANY
    query: Query


@dataclass(frozen=True, slots=True)
class Between(Condition):
    operand: Expression
    low: Expression
    high: Expression


@dataclass(frozen=True, slots=True)
class In(Condition):
    operand: Expression
    items: tuple[Expression, ...]
    query: Query | None = None


@dataclass(frozen=True, slots=True)
class Like(Condition):
    operand: Expression
    pattern: Expression
    escape: Expression | None = None


@dataclass(frozen=True, slots=True)
class IsNull(Condition):
    operand: Expression


@dataclass(frozen=True, slots=True)
class Exists(Condition):
    query: Query


@dataclass(frozen=True, slots=True)
class Item:
    """Of a select list."""

    expression: Expression
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Of a FROM clause."""

    line: int


@dataclass(frozen=True, slots=True)
class Relation(Source):
    name: Name
    alias: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Function(Source):
    name: Name
    arguments: tuple[Expression, ...]
    alias: str = ""
    columns: tuple[str, ...] = ()
    shape: tuple[tuple[str, SqlType, str], ...] = ()  # OPENJSON's WITH: name, type, path


@dataclass(frozen=True, slots=True)
class Derived(Source):
    query: Query
    alias: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Join(Source):
    kind: str  # INNER, LEFT, RIGHT, FULL, CROSS, CROSS APPLY, OUTER APPLY
    left: Source
    right: Source
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Pivot(Source):
    source: Source
    aggregate: Call
    column: str
    values: tuple[str, ...]
    alias: str


@dataclass(frozen=True, slots=True)
class Unpivot(Source):
    source: Source
    value: str
    column: str
    values: tuple[str, ...]
    alias: str


@dataclass(frozen=True, slots=True)
class Predict(Source):
    """`PREDICT(MODEL = …, DATA = …, RUNTIME = …) WITH (…)`; `columns` are name, type, nullable."""

    model: Expression
    data: Source
    runtime: str
    columns: tuple[tuple[str, SqlType, bool], ...]
    alias: str


@dataclass(frozen=True, slots=True)
class Top:
    count: Expression
    percent: bool = False
    ties: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """What may stand in a set operation."""

    line: int


@dataclass(frozen=True, slots=True)
class Select(Body):
    items: tuple[Item, ...]
    sources: tuple[Source, ...] = ()
    distinct: bool = False
    top: Top | None = None
    into: Name | None = None
    where: Condition | None = None
    group: tuple[Expression, ...] = ()
    grouping: str = ""  # "", ROLLUP, CUBE, SETS
    sets: tuple[tuple[Expression, ...], ...] = ()
    having: Condition | None = None


@dataclass(frozen=True, slots=True)
class Values(Body):
    rows: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, slots=True)
class SetOperation(Body):
    operator: str  # UNION, EXCEPT, INTERSECT
    all: bool
    left: Body
    right: Body


@dataclass(frozen=True, slots=True)
class Nested(Body):
    """A query in parentheses inside a set operation."""

    query: Query


@dataclass(frozen=True, slots=True)
class Common:
    """A common table expression."""

    name: str
    columns: tuple[str, ...]
    query: Query


@dataclass(frozen=True, slots=True)
class Query:
    body: Body
    commons: tuple[Common, ...] = ()
    order: tuple[Ordering, ...] = ()
    offset: Expression | None = None
    fetch: Expression | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is run for its effect."""

    line: int


@dataclass(frozen=True, slots=True)
class Rows(Statement):
    query: Query


@dataclass(frozen=True, slots=True)
class Output:
    items: tuple[Item, ...]
    into: Name | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Insert(Statement):
    target: Name
    columns: tuple[str, ...]
    query: Query | None  # None: DEFAULT VALUES
    commons: tuple[Common, ...] = ()
    output: Output | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    column: str
    operator: str  # "" or the arithmetic sign of a compound assignment
    value: Expression


@dataclass(frozen=True, slots=True)
class Update(Statement):
    target: Name
    assignments: tuple[Assignment, ...]
    sources: tuple[Source, ...] = ()
    where: Condition | None = None
    top: Top | None = None
    commons: tuple[Common, ...] = ()
    output: Output | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Delete(Statement):
    target: Name
    sources: tuple[Source, ...] = ()
    where: Condition | None = None
    top: Top | None = None
    commons: tuple[Common, ...] = ()
    output: Output | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class MergeBranch:
    kind: str  # MATCHED, TARGET (not matched by target), SOURCE (not matched by source)
    condition: Condition | None
    action: str  # UPDATE, DELETE, INSERT
    assignments: tuple[Assignment, ...] = ()
    columns: tuple[str, ...] = ()
    values: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Merge(Statement):
    target: Name
    alias: str
    source: Source
    condition: Condition
    branches: tuple[MergeBranch, ...]
    commons: tuple[Common, ...] = ()
    output: Output | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Definition(Statement):
    """Any other DDL: `verb` and what `words` name it, with the arguments read."""

    verb: str  # "drop table", "alter table add", "create schema", ...
    names: tuple[Name, ...] = ()
    arguments: dict[str, object] = field(default_factory=dict)
