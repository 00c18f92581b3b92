"""Catalog procedures of drivers: tables, columns, procedures, and a module's text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Column, Finished
from emulators.warehouse.engine.tsql import definitions
from emulators.warehouse.engine.tsql.blocks import names_of
from emulators.warehouse.engine.tsql.calling import Actual
from emulators.warehouse.engine.tsql.frames import Called
from emulators.warehouse.engine.tsql.procedures import typefacts
from emulators.warehouse.engine.tsql.procedures.arguments import needed, taken
from emulators.warehouse.engine.tsql.rows import INT, NAME, SMALL, TINY, rows_of, text
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

_SELECT = 0xC1
_PATTERN = {"%": ".*", "_": "."}


def _done(session: Session, rows: int) -> Finished:
    session.rowcount, session.error = rows, 0
    return Finished(None if session.options.nocount else rows, _SELECT)


def like(pattern: str | None, name: str) -> bool:
    """LIKE as catalog procedures use it: % _ and [x]; None matches all."""
    if pattern is None:
        return True
    made = "".join(
        piece if piece.startswith("[") else _PATTERN.get(piece, re.escape(piece))
        for piece in re.findall(r"\[[^\]]+\]|.", pattern, re.DOTALL)
    )
    return re.fullmatch(made, name, re.IGNORECASE | re.DOTALL) is not None


_TABLES = (
    ("TABLE_QUALIFIER", NAME), ("TABLE_OWNER", NAME), ("TABLE_NAME", NAME),
    ("TABLE_TYPE", text(32)), ("REMARKS", text(254)),
)  # fmt: skip


def _tables(session: Session) -> list[tuple[str, str, str]]:
    """Schema, name and type of every table and view."""
    asked = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES"
    return [
        (str(schema), str(name), "VIEW" if kind == "VIEW" else "TABLE")
        for schema, name, kind in session.query(asked)
    ]


def sp_tables(session: Session, actuals: list[Actual]) -> Called:
    """Tables and views by patterns."""
    names = ("table_name", "table_owner", "table_qualifier", "table_type", "fusepattern")
    given = taken("sp_tables", names, actuals)
    kinds = given["table_type"]
    rows = [
        (session.database, schema, name, kind, None)
        for schema, name, kind in _tables(session)
        if like(given["table_name"], name)
        and like(given["table_owner"], schema)
        and (not kinds or f"'{kind}'" in str(kinds).upper())
    ]
    rows.sort(key=lambda row: (row[3], row[1], row[2]))
    yield rows_of(_TABLES, rows)
    yield _done(session, len(rows))
    return 0


_COLUMNS = (
    ("TABLE_QUALIFIER", NAME), ("TABLE_OWNER", NAME), ("TABLE_NAME", NAME), ("COLUMN_NAME", NAME),
    ("DATA_TYPE", SMALL), ("TYPE_NAME", NAME), ("PRECISION", INT), ("LENGTH", INT),
    ("SCALE", SMALL), ("RADIX", SMALL), ("NULLABLE", SMALL), ("REMARKS", text(254)),
    ("COLUMN_DEF", SqlType("nvarchar", 4000)), ("SQL_DATA_TYPE", SMALL),
    ("SQL_DATETIME_SUB", SMALL), ("CHAR_OCTET_LENGTH", INT), ("ORDINAL_POSITION", INT),
    ("IS_NULLABLE", text(254)), ("SS_IS_SPARSE", SMALL), ("SS_IS_COLUMN_SET", SMALL),
    ("SS_IS_COMPUTED", SMALL), ("SS_IS_IDENTITY", SMALL), ("SS_UDT_CATALOG_NAME", NAME),
    ("SS_UDT_SCHEMA_NAME", NAME), ("SS_UDT_ASSEMBLY_TYPE_NAME", NAME),
    ("SS_XML_SCHEMACOLLECTION_CATALOG_NAME", NAME), ("SS_XML_SCHEMACOLLECTION_SCHEMA_NAME", NAME),
    ("SS_XML_SCHEMACOLLECTION_NAME", NAME), ("SS_DATA_TYPE", TINY),
)  # fmt: skip


def sp_columns(session: Session, actuals: list[Actual]) -> Called:
    """Columns of tables and views by patterns."""
    names = (
        "table_name", "table_owner", "table_qualifier", "column_name", "namescope", "odbcver",
        "fusepattern",
    )  # fmt: skip
    given = taken("sp_columns", names, actuals)
    older = int(given["odbcver"] or 2) < 3
    rows: list[tuple[Any, ...]] = []
    for schema, table, _ in sorted(_tables(session)):
        if not like(given["table_name"], table) or not like(given["table_owner"], schema):
            continue
        for at, column in enumerate(session.columns(schema, table), 1):
            if like(given["column_name"], column.name):
                rows.append((session.database, schema, table, *_column(at, column, older)))
    yield rows_of(_COLUMNS, rows)
    yield _done(session, len(rows))
    return 0


def _column(at: int, column: Column, older: bool) -> tuple[Any, ...]:
    kind = column.type
    odbc = typefacts.ODBC_OF.get(kind.name, typefacts.ODBC_OF["nvarchar"])
    number = odbc.older if older and odbc.older is not None else odbc.concise
    length = typefacts.max_length(kind)
    sized = kind.name in ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary")
    digits = typefacts.precision(kind) or (0 if length == -1 else kind.length)
    octets = (0 if length == -1 else length) if sized else None
    exact = odbc.radix == 10
    packed = kind.name in ("decimal", "numeric", "money", "smallmoney")
    return (
        column.name, number, f"{kind.name} identity" if column.identity else kind.name,
        digits, (0 if length == -1 else length) if sized else digits + 2 if packed else length,
        typefacts.scale(kind) if exact or odbc.sub is not None else None, odbc.radix,
        int(column.nullable), None, None, odbc.verbose if odbc.verbose is not None else number,
        odbc.sub, octets, at, "YES" if column.nullable else "NO", 0, 0, 0, int(column.identity),
        None, None, None, None, None, None, 39 if sized else 38,
    )  # fmt: skip


_COLLATIONS = (
    ("colid", SMALL), ("name", NAME), ("tds_collation", SqlType("binary", 5)), ("collation", NAME),
)  # fmt: skip


def sp_tablecollations(session: Session, actuals: list[Actual]) -> Called:
    """A table's columns and their collations, for bulk copy."""
    given = taken("sp_tablecollations_100", ("object",), actuals)
    parts = names_of(needed("sp_tablecollations_100", "object", given["object"]))
    schema, name = definitions.split_name(session, parts)
    rows = []
    for at, column in enumerate(session.columns(schema, name), 1):
        textual = column.type.name in ("char", "varchar", "nchar", "nvarchar", "text", "ntext")
        rows.append(
            (at, column.name, bytes.fromhex("0904D00034") if textual else None,
             "SQL_Latin1_General_CP1_CI_AS" if textual else None)
        )  # fmt: skip
    yield rows_of(_COLLATIONS, rows)
    yield _done(session, len(rows))
    return 0


def sp_helptext(session: Session, actuals: list[Actual]) -> Called:
    """A module's text, a row a line.

    Raises:
        SqlError: 15009: there is no such object.
    """
    given = taken("sp_helptext", ("objname", "columnname"), actuals)
    parts = names_of(needed("sp_helptext", "objname", given["objname"]))
    schema, name = definitions.split_name(session, parts)
    module = session.catalog.module(schema, name)
    if module is None:
        text = (
            f"The object '{given['objname']}' does not exist in database '{session.database}' "
            "or is invalid for this operation."
        )
        raise SqlError(15009, 16, 1, text)
    session.permit(schema, name, "VIEW DEFINITION")
    lines = module.text.splitlines(keepends=True)
    yield rows_of((("Text", SqlType("nvarchar", 255)),), [(line,) for line in lines])
    yield _done(session, len(lines))
    return 0


_PROCEDURES = (
    ("PROCEDURE_QUALIFIER", NAME), ("PROCEDURE_OWNER", NAME),
    ("PROCEDURE_NAME", SqlType("nvarchar", 134)), ("NUM_INPUT_PARAMS", INT),
    ("NUM_OUTPUT_PARAMS", INT), ("NUM_RESULT_SETS", INT), ("REMARKS", text(254)),
    ("PROCEDURE_TYPE", SMALL),
)  # fmt: skip


def _modules(session: Session) -> list[tuple[str, str, str]]:
    asked = (
        "SELECT s.name AS [schema], o.name AS [name], o.type AS [type] FROM sys.objects o"
        " JOIN sys.schemas s ON s.schema_id = o.schema_id WHERE o.type IN ('P', 'FN', 'IF')"
    )
    return [(str(a), str(b), str(c).strip()) for a, b, c in session.query(asked)]


def sp_stored_procedures(session: Session, actuals: list[Actual]) -> Called:
    """Procedures and functions by patterns; `;1` ends a name, as drivers expect."""
    names = ("sp_name", "sp_owner", "sp_qualifier", "fusepattern")
    given = taken("sp_stored_procedures", names, actuals)
    rows = [
        (session.database, schema, f"{name};{0 if kind != 'P' else 1}", -1, -1, -1, None, 2)
        for schema, name, kind in sorted(_modules(session))
        if like(given["sp_name"], name) and like(given["sp_owner"], schema)
    ]
    yield rows_of(_PROCEDURES, rows)
    yield _done(session, len(rows))
    return 0


_PARAMETERS = (
    ("PROCEDURE_QUALIFIER", NAME), ("PROCEDURE_OWNER", NAME),
    ("PROCEDURE_NAME", SqlType("nvarchar", 134)), ("COLUMN_NAME", NAME), ("COLUMN_TYPE", SMALL),
    ("DATA_TYPE", SMALL), ("TYPE_NAME", NAME), ("PRECISION", INT), ("LENGTH", INT),
    ("SCALE", SMALL), ("RADIX", SMALL), ("NULLABLE", SMALL), ("REMARKS", text(254)),
    ("COLUMN_DEF", SqlType("nvarchar", 4000)), ("SQL_DATA_TYPE", SMALL),
    ("SQL_DATETIME_SUB", SMALL), ("CHAR_OCTET_LENGTH", INT), ("ORDINAL_POSITION", INT),
    ("IS_NULLABLE", text(254)), ("SS_DATA_TYPE", TINY),
)  # fmt: skip


def sp_sproc_columns(session: Session, actuals: list[Actual]) -> Called:
    """Parameters of procedures by patterns, the return value first."""
    names = (
        "procedure_name", "procedure_owner", "procedure_qualifier", "column_name", "odbcver",
        "fusepattern",
    )  # fmt: skip
    given = taken("sp_sproc_columns", names, actuals)
    older = int(given["odbcver"] or 2) < 3
    rows: list[tuple[Any, ...]] = []
    for schema, name, kind in sorted(_modules(session)):
        if not like(given["procedure_name"], name) or not like(given["procedure_owner"], schema):
            continue
        module = session.catalog.module(schema, name)
        returned = Column("@RETURN_VALUE", SqlType("int"), False)
        listed = [(5, returned)] if kind == "P" else []
        for parameter in module.parameters if module is not None else ():
            direction = 2 if parameter.output else 1
            listed.append((direction, Column(parameter.name, parameter.type)))
        for at, (direction, column) in enumerate(listed):
            if like(given["column_name"], column.name):
                told = _column(at, column, older)
                rows.append(
                    (
                        session.database,
                        schema,
                        f"{name};1",
                        told[0],
                        direction,
                        *told[1:15],
                        told[-1],
                    )
                )
    yield rows_of(_PARAMETERS, rows)
    yield _done(session, len(rows))
    return 0


def sp_databases(session: Session, actuals: list[Actual]) -> Called:
    """The databases; sizes are not told."""
    columns = (("DATABASE_NAME", NAME), ("DATABASE_SIZE", INT), ("REMARKS", text(254)))
    rows = [(name, None, None) for name in session.server.names()]
    yield rows_of(columns, rows)
    yield _done(session, len(rows))
    return 0


_KEYS = (
    ("TABLE_QUALIFIER", NAME), ("TABLE_OWNER", NAME), ("TABLE_NAME", NAME), ("COLUMN_NAME", NAME),
    ("KEY_SEQ", SMALL), ("PK_NAME", NAME),
)  # fmt: skip


def sp_pkeys(session: Session, actuals: list[Actual]) -> Called:
    """Primary keys: none is enforced here, none is told."""
    taken("sp_pkeys", ("table_name", "table_owner", "table_qualifier"), actuals)
    yield rows_of(_KEYS, [])
    yield _done(session, 0)
    return 0


PROCEDURES: dict[str, Callable[[Any, list[Actual]], Called]] = {
    "sp_tables": sp_tables,
    "sp_columns": sp_columns,
    "sp_columns_90": sp_columns,
    "sp_columns_100": sp_columns,
    "sp_tablecollations_100": sp_tablecollations,
    "sp_tablecollations_90": sp_tablecollations,
    "sp_tablecollations": sp_tablecollations,
    "sp_helptext": sp_helptext,
    "sp_stored_procedures": sp_stored_procedures,
    "sp_sproc_columns": sp_sproc_columns,
    "sp_sproc_columns_90": sp_sproc_columns,
    "sp_sproc_columns_100": sp_sproc_columns,
    "sp_databases": sp_databases,
    "sp_pkeys": sp_pkeys,
}
