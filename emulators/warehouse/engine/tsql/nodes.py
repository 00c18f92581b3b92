"""Statements of T-SQL's procedural part as values; data statements stay text."""

from __future__ import annotations

from dataclasses import dataclass, field

from emulators.warehouse.engine.tsql.lexing import Token
from emulators.warehouse.engine.types import SqlType


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """T-SQL text ready to be lowered: session facts and long literals are variables in it."""

    text: str
    line: int
    tokens: tuple[Token, ...]
    variables: frozenset[str]  # lower case, without @; facts among them begin with __
    facts: frozenset[str] = frozenset()
    literals: tuple[tuple[str, bytes], ...] = ()
    reads: bool = False  # has a query, or calls a function of a schema
    calls: frozenset[tuple[str, str]] = frozenset()  # (schema, name) of what looks like a call
    predicts: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """What all statements know: the line they begin at."""

    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Sql(Statement):
    """A data statement; `verb` is its first keyword."""

    verb: str
    fragment: Fragment


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """`@name type [= value]`, or a table variable's columns."""

    name: str
    type: SqlType | None
    value: Fragment | None = None
    table: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Declare(Statement):
    items: tuple[Declaration, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Assign(Statement):
    """`SET @name op value`; `op` is "" or an arithmetic sign."""

    name: str
    value: Fragment


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A variable that SELECT gives a value: a column's, or what `fed` computes for every row.

    `fed` uses variables that the same SELECT assigns; `columns` are what it needs of the row,
    as (its variable, the column's place).
    """

    name: str
    column: int = 0
    fed: Fragment | None = None
    columns: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SelectAssign(Statement):
    """`SELECT @a = x, @b += y FROM ...`; `query` selects what the targets need."""

    targets: tuple[Target, ...]
    query: Fragment


@dataclass(frozen=True, slots=True, eq=False)
class SetOption(Statement):
    """`SET NOCOUNT ON` and the like; names in upper case."""

    names: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Block(Statement):
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, eq=False)
class If(Statement):
    condition: Fragment
    then: Statement
    other: Statement | None


@dataclass(frozen=True, slots=True, eq=False)
class While(Statement):
    condition: Fragment
    body: Statement


@dataclass(frozen=True, slots=True, eq=False)
class Break(Statement):
    pass


@dataclass(frozen=True, slots=True, eq=False)
class Continue(Statement):
    pass


@dataclass(frozen=True, slots=True, eq=False)
class Return(Statement):
    value: Fragment | None


@dataclass(frozen=True, slots=True, eq=False)
class TryCatch(Statement):
    body: Block
    handler: Block


@dataclass(frozen=True, slots=True, eq=False)
class Transaction(Statement):
    """`verb` is BEGIN, COMMIT, ROLLBACK or SAVE."""

    verb: str
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """An argument of EXEC as written."""

    name: str  # lower case without @; "" by position
    value: Fragment | None  # None is DEFAULT
    variable: str = ""  # of an OUTPUT argument
    output: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Execute(Statement):
    """`EXEC [@result =] name arguments`; parts of the name as written."""

    parts: tuple[str, ...]
    given: tuple[Given, ...]
    result: str = ""
    by_variable: str = ""  # EXEC @name


@dataclass(frozen=True, slots=True, eq=False)
class ExecuteText(Statement):
    """`EXEC ('...' + @x)`."""

    text: Fragment


@dataclass(frozen=True, slots=True, eq=False)
class InsertExecute(Statement):
    """`INSERT INTO t EXEC ...`; `head` ends before EXEC."""

    head: str
    execute: Execute | ExecuteText


@dataclass(frozen=True, slots=True, eq=False)
class Print(Statement):
    value: Fragment


@dataclass(frozen=True, slots=True, eq=False)
class Throw(Statement):
    arguments: tuple[Fragment, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RaisError(Statement):
    arguments: tuple[Fragment, ...]
    options: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class WaitFor(Statement):
    kind: str  # DELAY or TIME
    value: Fragment


@dataclass(frozen=True, slots=True, eq=False)
class Use(Statement):
    database: str


@dataclass(frozen=True, slots=True, eq=False)
class Label(Statement):
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Goto(Statement):
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class CreateModule(Statement):
    """CREATE, ALTER or CREATE OR ALTER of a procedure, view or function: the batch's whole text."""

    verb: str  # CREATE, ALTER, CREATE OR ALTER
    kind: str  # PROCEDURE, VIEW, FUNCTION
    parts: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class DropModule(Statement):
    kind: str
    names: tuple[tuple[str, ...], ...]
    if_exists: bool


@dataclass(frozen=True, slots=True, eq=False)
class Security(Statement):
    """Logins, users, roles, grants: read by engine/security."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True, eq=False)
class InsertBulk(Statement):
    """`INSERT BULK t (column type, ...) [WITH (...)]`."""

    parts: tuple[str, ...]
    columns: tuple[tuple[str, SqlType], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Refused(Statement):
    """Known T-SQL that is not emulated; raises when it is reached."""

    what: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a procedure or function."""

    name: str  # lower case, without @
    type: SqlType
    default: Fragment | None = None
    output: bool = False
    spelled: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """A parsed procedure or function; `kind` is procedure, view, function, table function."""

    kind: str
    schema: str
    name: str
    parameters: tuple[Parameter, ...] = ()
    body: tuple[Statement, ...] = ()
    returns: SqlType | None = None
    query: Fragment | None = None  # of a view or an inline table function
    columns: tuple[str, ...] = ()
    text: str = ""
    options: frozenset[str] = field(default=frozenset())
