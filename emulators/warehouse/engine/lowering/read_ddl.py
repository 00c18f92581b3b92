"""Reads CREATE TABLE and the parts of it that ALTER TABLE and CREATE INDEX have, too."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from emulators.warehouse.engine.catalog.model import PartColumn
from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.read_expressions import condition, expression
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import refused


@dataclass(frozen=True, slots=True)
class Constraint:
    """`type`: PK, UQ, D; FK and C are read so that they can be refused by name."""

    line: int
    type: str
    name: str = ""
    columns: tuple[PartColumn, ...] = ()
    clustered: bool = False
    enforced: bool = True
    definition: str = ""
    with_values: bool = False


@dataclass(frozen=True, slots=True)
class Defined:
    """A column of CREATE TABLE or ALTER TABLE ADD, with the constraints written beside it."""

    line: int
    name: str
    type: SqlType
    nullable: bool | None = None  # None: nothing was said
    seed: int | None = None
    increment: int = 1
    computed: str = ""
    constraints: tuple[Constraint, ...] = ()


@dataclass(frozen=True, slots=True)
class Created:
    """CREATE TABLE; `names` are the column names of CREATE TABLE … AS SELECT, where given."""

    line: int
    name: tree.Name
    columns: tuple[Defined, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    query: tree.Query | None = None
    names: tuple[str, ...] = ()
    label: str = ""


def create_table(cursor: Cursor) -> Created:
    """What follows CREATE TABLE.

    Raises:
        SqlError: it cannot be read.
    """
    from emulators.warehouse.engine.lowering import read_queries

    line, name = cursor.line, cursor.object_name()
    made = Created(line, name)
    if cursor.looks("("):
        made = _columns_or_names(cursor, made)
    while cursor.one_of("ON", "TEXTIMAGE_ON"):
        cursor.any_word()  # a file group: there is one
    if cursor.looks("WITH", "("):
        made = replace(made, options=table_options(cursor))
    if cursor.take("AS"):
        if cursor.looks("CLONE"):
            raise refused("CREATE TABLE … AS CLONE OF", cursor.line)
        query = read_queries.query(cursor)
        made = replace(made, query=query, label=read_queries.options(cursor))
    cursor.finish()
    if made.query is None and not made.columns:
        raise cursor.unexpected()
    return made


def _columns_or_names(cursor: Cursor, made: Created) -> Created:
    if cursor.is_name(1) and cursor.ahead(2).text in (",", ")"):
        return replace(made, names=cursor.names())
    cursor.need("(")
    columns: list[Defined] = []
    constraints: list[Constraint] = []
    while True:
        found = table_constraint(cursor)
        if found is not None:
            constraints.append(found)
        elif cursor.looks("INDEX"):
            raise refused("indexes inside CREATE TABLE", cursor.line)
        else:
            columns.append(column(cursor))
        if not cursor.take(",") or cursor.looks(")"):
            break
    cursor.need(")")
    return replace(made, columns=tuple(columns), constraints=tuple(constraints))


def column(cursor: Cursor) -> Defined:
    """`name type` and what follows, up to the next comma."""
    line, name = cursor.line, cursor.name()
    if cursor.take("AS"):
        text = _text_of(cursor)
        cursor.take("PERSISTED")
        return Defined(line, name, SqlType("int"), computed=text)
    made = Defined(line, name, cursor.type())
    while True:
        changed = _column_part(cursor, made)
        if changed is None:
            return made
        made = changed


def _column_part(cursor: Cursor, made: Defined) -> Defined | None:
    """The column with one more thing said of it; None at its end."""
    if cursor.take("COLLATE"):
        kind = replace(made.type, collation=cursor.any_word())
        return replace(made, type=kind)
    if cursor.take("NOT", "NULL"):
        return replace(made, nullable=False)
    if cursor.take("NULL"):
        return replace(made, nullable=True)
    if cursor.take("IDENTITY"):
        seed, increment = 1, 1
        if cursor.take("("):
            seed = cursor.integer()
            cursor.need(",")
            increment = cursor.integer()
            cursor.need(")")
        cursor.take("NOT", "FOR", "REPLICATION")
        return replace(made, seed=seed, increment=increment)
    if cursor.take("ROWGUIDCOL"):
        return made
    for word in ("SPARSE", "MASKED", "ENCRYPTED", "FILESTREAM", "GENERATED", "HIDDEN"):
        if cursor.looks(word):
            raise refused(f"columns that are {word}", cursor.line)
    found = _column_constraint(cursor, made.name)
    if found is None:
        return None
    return replace(made, constraints=(*made.constraints, found))


def _column_constraint(cursor: Cursor, name: str) -> Constraint | None:
    line, called = cursor.line, ""
    if cursor.take("CONSTRAINT"):
        called = cursor.name()
    if cursor.take("DEFAULT"):
        text = _default(cursor)
        values = cursor.take("WITH", "VALUES")
        only = (PartColumn(name),)
        return Constraint(line, "D", called, only, definition=text, with_values=values)
    kind = _key_kind(cursor)
    if kind:
        return _key(cursor, Constraint(line, kind, called, (PartColumn(name),)))
    made = _foreign_or_check(cursor, line, called)
    if made is None and called:
        raise cursor.unexpected()
    return made


def table_constraint(cursor: Cursor) -> Constraint | None:
    """`[CONSTRAINT name] PRIMARY KEY|UNIQUE|FOREIGN KEY|CHECK …`; None when a column is next."""
    at, line, called = cursor.at, cursor.line, ""
    if cursor.take("CONSTRAINT"):
        called = cursor.name()
    kind = _key_kind(cursor)
    if kind:
        return _key(cursor, Constraint(line, kind, called))
    if cursor.take("DEFAULT"):
        text = _default(cursor)
        cursor.need("FOR")
        only = (PartColumn(cursor.name()),)
        values = cursor.take("WITH", "VALUES")
        return Constraint(line, "D", called, only, definition=text, with_values=values)
    made = _foreign_or_check(cursor, line, called)
    if made is None:
        if called:
            raise cursor.unexpected()
        cursor.at = at
    return made


def _key_kind(cursor: Cursor) -> str:
    if cursor.take("PRIMARY", "KEY"):
        return "PK"
    return "UQ" if cursor.take("UNIQUE") else ""


def _key(cursor: Cursor, made: Constraint) -> Constraint:
    clustered = cursor.one_of("CLUSTERED", "NONCLUSTERED")
    columns = made.columns
    if cursor.looks("("):
        columns = ordered_columns(cursor)
    elif not columns:
        raise cursor.unexpected()
    if cursor.looks("WITH", "("):
        cursor.take("WITH")
        cursor.group()
    enforced = not cursor.take("NOT", "ENFORCED")
    if enforced:
        cursor.take("ENFORCED")
    plain = clustered == "CLUSTERED" or (not clustered and made.type == "PK")
    return replace(made, columns=columns, clustered=plain, enforced=enforced)


def _foreign_or_check(cursor: Cursor, line: int, called: str) -> Constraint | None:
    if cursor.take("FOREIGN", "KEY") or cursor.looks("REFERENCES"):
        if cursor.looks("("):
            cursor.names()
        cursor.need("REFERENCES")
        cursor.object_name()
        if cursor.looks("("):
            cursor.names()
        while cursor.take("ON"):
            cursor.any_word()
            cursor.any_word()
            cursor.one_of("ACTION", "NULL", "DEFAULT")
        return Constraint(line, "FK", called, enforced=not cursor.take("NOT", "ENFORCED"))
    if cursor.take("CHECK"):
        cursor.take("NOT", "FOR", "REPLICATION")
        start = cursor.at
        cursor.need("(")
        condition(cursor)
        cursor.need(")")
        return Constraint(line, "C", called, definition=_between(cursor, start))
    return None


def ordered_columns(cursor: Cursor) -> tuple[PartColumn, ...]:
    """`(a [ASC|DESC], …)`."""
    cursor.need("(")
    found: list[PartColumn] = []
    while True:
        name = cursor.name()
        found.append(PartColumn(name, cursor.one_of("ASC", "DESC") == "DESC"))
        if not cursor.take(","):
            break
    cursor.need(")")
    return tuple(found)


_FACT = re.compile(r"@__([fg])_(\w+)")
_USERS = {"current_user": "user_name", "session_user": "user_name", "user": "user_name",
          "system_user": "suser_sname"}  # fmt: skip
_TOLD = frozenset(
    {"user_name", "suser_sname", "suser_name", "original_login", "host_name", "app_name", "db_name"}
)


def _default(cursor: Cursor) -> str:
    """A default's expression, with what the interpreter cut out of it put back.

    Raises:
        SqlError: it tells of the session what is not known when a row is inserted.
    """
    line = cursor.line

    def put_back(found: re.Match[str]) -> str:
        name = _USERS.get(found[2], found[2])
        if found[1] == "g" or name not in _TOLD:
            raise refused(f"the default {'@@' if found[1] == 'g' else ''}{found[2]}", line)
        return f"{name}()"

    return _FACT.sub(put_back, _text_of(cursor))


def _text_of(cursor: Cursor) -> str:
    """An expression as it is written."""
    start = cursor.at
    expression(cursor)
    return _between(cursor, start)


def _between(cursor: Cursor, start: int) -> str:
    return cursor.text[cursor.tokens[start].start : cursor.tokens[cursor.at - 1].end]


def table_options(cursor: Cursor) -> dict[str, Any]:
    """`WITH (DISTRIBUTION = …, HEAP, PARTITION (…), …)`."""
    cursor.need("WITH", "(")
    found: dict[str, Any] = {}
    while True:
        _table_option(cursor, found)
        if not cursor.take(","):
            break
    cursor.need(")")
    return found


def _table_option(cursor: Cursor, found: dict[str, Any]) -> None:
    if cursor.take("DISTRIBUTION", "="):
        _distribution(cursor, found)
    elif cursor.take("HEAP"):
        found["index"] = "HEAP"
    elif cursor.looks("CLUSTERED"):
        _clustered(cursor, found)
    elif cursor.take("PARTITION", "("):
        found["partition"] = _partition(cursor)
    elif cursor.take("LOCATION", "=") or cursor.take("DATA_COMPRESSION", "="):
        cursor.any_word()  # USER_DB, of temporary tables; how pages are packed
    else:
        raise refused(f"the table option {cursor.here.text}", cursor.line)


def _distribution(cursor: Cursor, found: dict[str, Any]) -> None:
    kind = cursor.one_of("HASH", "ROUND_ROBIN", "REPLICATE")
    if not kind:
        raise cursor.unexpected()
    found["distribution"] = kind
    if kind == "HASH":
        found["hash"] = list(cursor.names())


def _clustered(cursor: Cursor, found: dict[str, Any]) -> None:
    cursor.need("CLUSTERED")
    if cursor.take("INDEX"):
        found["index"] = "CLUSTERED"
        found["key"] = [(c.name, c.descending) for c in ordered_columns(cursor)]
        return
    cursor.need("COLUMNSTORE", "INDEX")
    found["index"] = "CLUSTERED COLUMNSTORE"
    if cursor.take("ORDER"):
        found["order"] = list(cursor.names())


def _partition(cursor: Cursor) -> dict[str, Any]:
    """`column RANGE [LEFT|RIGHT] FOR VALUES (…))`."""
    name = cursor.name()
    cursor.need("RANGE")
    side = cursor.one_of("LEFT", "RIGHT") or "LEFT"
    cursor.need("FOR", "VALUES", "(")
    values: list[str] = []
    while not cursor.looks(")"):
        values.append(_text_of(cursor))
        if not cursor.take(","):
            break
    cursor.need(")", ")")
    return {"column": name, "range": side, "values": values}
