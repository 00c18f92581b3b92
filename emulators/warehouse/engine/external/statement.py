"""Reads COPY INTO: its columns, its files, its options."""

from __future__ import annotations

from dataclasses import dataclass, field

from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.read_expressions import expression
from emulators.warehouse.errors import SqlError

WORDS = frozenset(
    [
        "FILE_TYPE",
        "FILE_FORMAT",
        "CREDENTIAL",
        "ERRORFILE",
        "ERRORFILE_CREDENTIAL",
        "MAXERRORS",
        "COMPRESSION",
        "FIELDQUOTE",
        "FIELDTERMINATOR",
        "ROWTERMINATOR",
        "FIRSTROW",
        "DATEFORMAT",
        "ENCODING",
        "IDENTITY_INSERT",
        "AUTO_CREATE_TABLE",
    ]
)


@dataclass(frozen=True, slots=True)
class CopyColumn:
    """`name [DEFAULT value] [number of the field, from 1]`."""

    name: str
    default: tree.Expression | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Copy:
    """`COPY INTO target (columns) FROM files WITH (options)`; option names in upper case."""

    target: tree.Name
    columns: tuple[CopyColumn, ...]
    files: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    credential: tuple[str, str] | None = None
    label: str = ""


def read(cursor: Cursor) -> Copy:
    """The statement.

    Raises:
        SqlError: 102 and 156 where it is malformed, 105132-like for an option nobody knows.
    """
    from emulators.warehouse.engine.lowering.read_queries import options as label_of

    cursor.need("COPY", "INTO")
    target = cursor.object_name()
    columns = _columns(cursor) if cursor.here.text == "(" else ()
    cursor.need("FROM")
    files = [cursor.string()]
    while cursor.take(","):
        files.append(cursor.string())
    options: dict[str, str] = {}
    credential: tuple[str, str] | None = None
    if cursor.take("WITH", "("):
        while True:
            name = cursor.any_word().upper()
            if name not in WORDS:
                raise SqlError(102, 15, 1, f"Incorrect syntax near '{name}'.", cursor.line)
            cursor.need("=")
            if name in ("CREDENTIAL", "ERRORFILE_CREDENTIAL"):
                given = _credential(cursor)
                credential = given if name == "CREDENTIAL" else credential
            else:
                options[name] = _value(cursor)
            if not cursor.take(","):
                break
        cursor.need(")")
    label = label_of(cursor)
    cursor.finish()
    return Copy(target, columns, tuple(files), options, credential, label)


def _value(cursor: Cursor) -> str:
    if cursor.here.kind == "string":
        return cursor.string()
    if cursor.here.kind == "number":
        return str(cursor.integer())
    return cursor.any_word()


def _credential(cursor: Cursor) -> tuple[str, str]:
    cursor.need("(")
    identity = secret = ""
    while True:
        word = cursor.one_of("IDENTITY", "SECRET")
        if not word:
            raise cursor.unexpected()
        cursor.need("=")
        if word == "IDENTITY":
            identity = cursor.string()
        else:
            secret = cursor.string()
        if not cursor.take(","):
            break
    cursor.need(")")
    return identity, secret


def _columns(cursor: Cursor) -> tuple[CopyColumn, ...]:
    cursor.need("(")
    found: list[CopyColumn] = []
    while True:
        name = cursor.name()
        default = expression(cursor) if cursor.take("DEFAULT") else None
        number = cursor.integer() if cursor.here.kind == "number" else 0
        found.append(CopyColumn(name, default, number))
        if not cursor.take(","):
            break
    cursor.need(")")
    return tuple(found)
