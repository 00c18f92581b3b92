"""What drivers ask before they run: types, results, undeclared parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Column, Finished
from emulators.warehouse.engine.tsql import definitions, nodes
from emulators.warehouse.engine.tsql.blocks import parse_batch
from emulators.warehouse.engine.tsql.calling import Actual
from emulators.warehouse.engine.tsql.facts import type_of as fact_type
from emulators.warehouse.engine.tsql.frames import Called
from emulators.warehouse.engine.tsql.lexing import Token
from emulators.warehouse.engine.tsql.procedures import typefacts
from emulators.warehouse.engine.tsql.procedures.arguments import needed, taken
from emulators.warehouse.engine.tsql.procedures.dynamic import declared
from emulators.warehouse.engine.tsql.rows import BIT, INT, NAME, SMALL, TINY, rows_of, text
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

SELECT = 0xC1
_LONG = SqlType("nvarchar", 4000)
_TYPE = SqlType("nvarchar", 256)

_DATATYPES = (
    ("TYPE_NAME", NAME), ("DATA_TYPE", SMALL), ("PRECISION", INT), ("LITERAL_PREFIX", text(32)),
    ("LITERAL_SUFFIX", text(32)), ("CREATE_PARAMS", text(32)), ("NULLABLE", SMALL),
    ("CASE_SENSITIVE", SMALL), ("SEARCHABLE", SMALL), ("UNSIGNED_ATTRIBUTE", SMALL),
    ("MONEY", SMALL), ("AUTO_INCREMENT", SMALL), ("LOCAL_TYPE_NAME", NAME),
    ("MINIMUM_SCALE", SMALL), ("MAXIMUM_SCALE", SMALL), ("SQL_DATA_TYPE", SMALL),
    ("SQL_DATETIME_SUB", SMALL), ("NUM_PREC_RADIX", INT), ("INTERVAL_PRECISION", SMALL),
    ("USERTYPE", SMALL),
)  # fmt: skip


def sp_datatype_info(session: Session, actuals: list[Actual]) -> Called:
    """Types by ODBC number; 0 is all. Drivers take longest lengths from it."""
    given = taken("sp_datatype_info", ("data_type", "odbcver"), actuals)
    wanted, older = int(given["data_type"] or 0), int(given["odbcver"] or 2) < 3
    rows = []
    for kind in typefacts.ODBC_TYPES:
        number = kind.older if older and kind.older is not None else kind.concise
        if wanted in (0, number):
            rows.append(_datatype(kind, number))
    rows.sort(key=lambda row: (row[1], row[0]))
    yield rows_of(_DATATYPES, rows)
    yield _counted(session, len(rows))
    return 0


def _datatype(kind: typefacts.OdbcType, number: int) -> tuple[Any, ...]:
    counts = None if kind.unsigned is None else 0
    return (
        kind.name, number, kind.precision, kind.prefix, kind.suffix, kind.create, 1, kind.case,
        kind.searchable, kind.unsigned, kind.money, counts, kind.name, kind.minimum,
        kind.maximum, kind.verbose if kind.verbose is not None else number, kind.sub, kind.radix,
        None, 0,
    )  # fmt: skip


def _counted(session: Session, rows: int) -> Finished:
    session.rowcount, session.error = rows, 0
    return Finished(None if session.options.nocount else rows, SELECT)


_FIRST_SET = (
    ("is_hidden", BIT), ("column_ordinal", INT), ("name", NAME), ("is_nullable", BIT),
    ("system_type_id", INT), ("system_type_name", _TYPE), ("max_length", SMALL),
    ("precision", TINY), ("scale", TINY), ("collation_name", NAME), ("user_type_id", INT),
    ("user_type_database", NAME), ("user_type_schema", NAME), ("user_type_name", NAME),
    ("assembly_qualified_type_name", _LONG), ("xml_collection_id", INT),
    ("xml_collection_database", NAME), ("xml_collection_schema", NAME),
    ("xml_collection_name", NAME), ("is_xml_document", BIT), ("is_case_sensitive", BIT),
    ("is_fixed_length_clr_type", BIT), ("source_server", NAME), ("source_database", NAME),
    ("source_schema", NAME), ("source_table", NAME), ("source_column", NAME),
    ("is_identity_column", BIT), ("is_part_of_unique_key", BIT), ("is_updateable", BIT),
    ("is_computed_column", BIT), ("is_sparse_column_set", BIT),
    ("ordinal_in_order_by_list", SMALL), ("order_by_list_length", SMALL),
    ("order_by_is_descending", SMALL), ("tds_type_id", INT), ("tds_length", INT),
    ("tds_collation_id", INT), ("tds_collation_sort_id", TINY),
)  # fmt: skip
_COLLATION = "SQL_Latin1_General_CP1_CI_AS"
_TEXTUAL = frozenset({"char", "varchar", "nchar", "nvarchar", "text", "ntext"})


def sp_describe_first_result_set(session: Session, actuals: list[Actual]) -> Called:
    """The columns of the first result set that a batch would give."""
    names = ("tsql", "params", "browse_information_mode")
    given = taken("sp_describe_first_result_set", names, actuals)
    batch = needed("sp_describe_first_result_set", "tsql", given["tsql"])
    columns = first_columns(session, batch, given["params"])
    yield rows_of(_FIRST_SET, [_described(at, c) for at, c in enumerate(columns, 1)])
    yield _counted(session, len(columns))
    return 0


def first_columns(session: Session, batch: str, params: str | None) -> tuple[Column, ...]:
    """The columns of the first query of a batch; none when it has no query."""
    types = {p.name: p.type for p in declared(params)}
    for statement in parse_batch(batch):
        if isinstance(statement, nodes.Declare):
            types |= {i.name: i.type for i in statement.items if i.type is not None}
        if isinstance(statement, nodes.Sql) and statement.verb in ("SELECT", "WITH", "("):
            fragment = definitions.expand(session, statement.fragment)
            plan = session.plans.statement(fragment, types_for(fragment, types))
            session.authorize(plan.objects)
            return plan.columns or ()
    return ()


def types_for(fragment: nodes.Fragment, types: dict[str, SqlType]) -> dict[str, SqlType]:
    """The types of the variables of a fragment that is only described."""
    found = {name: fact_type(name) for name in fragment.facts}
    found |= {name: SqlType("varbinary", MAX) for name, _ in fragment.literals}
    return found | {n: types[n] for n in fragment.variables if n in types}


def _described(at: int, column: Column) -> tuple[Any, ...]:
    kind = column.type
    textual = kind.name in _TEXTUAL
    length = typefacts.max_length(kind)
    return (
        False, at, column.name or None, column.nullable, typefacts.SYSTEM_IDS.get(kind.name, 231),
        str(kind), length, typefacts.precision(kind), typefacts.scale(kind),
        _COLLATION if textual else None, None, None, None, None, None, None, None, None, None,
        False, False, False, None, None, None, None, None, column.identity, None, False, False,
        False, None, None, None, typefacts.TDS_IDS.get(kind.name, 231),
        65535 if length == -1 else length, 13632521 if textual else None, 52 if textual else None,
    )  # fmt: skip


_UNDECLARED = (
    ("parameter_ordinal", INT), ("name", NAME), ("suggested_system_type_id", INT),
    ("suggested_system_type_name", _TYPE), ("suggested_max_length", SMALL),
    ("suggested_precision", TINY), ("suggested_scale", TINY), ("suggested_user_type_id", INT),
    ("suggested_user_type_database", NAME), ("suggested_user_type_schema", NAME),
    ("suggested_user_type_name", NAME), ("suggested_assembly_qualified_type_name", _LONG),
    ("suggested_xml_collection_id", INT), ("suggested_xml_collection_database", NAME),
    ("suggested_xml_collection_schema", NAME), ("suggested_xml_collection_name", NAME),
    ("suggested_is_xml_document", BIT), ("suggested_is_case_sensitive", BIT),
    ("suggested_is_fixed_length_clr_type", BIT), ("suggested_is_input", BIT),
    ("suggested_is_output", BIT), ("formal_parameter_name", NAME), ("suggested_tds_type_id", INT),
    ("suggested_tds_length", INT),
)  # fmt: skip


def sp_describe_undeclared_parameters(session: Session, actuals: list[Actual]) -> Called:
    """Types for a statement's parameters: of the columns they are put in or compared with."""
    given = taken("sp_describe_undeclared_parameters", ("tsql", "params"), actuals)
    batch = needed("sp_describe_undeclared_parameters", "tsql", given["tsql"])
    known = {p.name for p in declared(given["params"])}
    found: dict[str, SqlType] = {}
    for statement in parse_batch(batch):
        if isinstance(statement, nodes.Sql):
            for name, kind in guessed(session, statement.fragment.tokens).items():
                if name not in known:
                    found.setdefault(name, kind)
    rows = [_suggested(at, name, kind) for at, (name, kind) in enumerate(found.items(), 1)]
    yield rows_of(_UNDECLARED, rows)
    yield _counted(session, len(rows))
    return 0


def _suggested(at: int, name: str, kind: SqlType) -> tuple[Any, ...]:
    length = typefacts.max_length(kind)
    return (
        at, f"@{name}", typefacts.SYSTEM_IDS.get(kind.name, 231), str(kind), length,
        typefacts.precision(kind), typefacts.scale(kind), None, None, None, None, None, None,
        None, None, None, False, False, False, True, False, None,
        typefacts.TDS_IDS.get(kind.name, 231), 65535 if length == -1 else length,
    )  # fmt: skip


_TABLE_WORDS = frozenset({"INTO", "FROM", "JOIN", "UPDATE"})
_SIGNS = frozenset({"=", "<>", "!=", "<", ">", "<=", ">=", "LIKE", "+=", "-="})


def guessed(session: Session, tokens: tuple[Token, ...]) -> dict[str, SqlType]:
    """A type for every variable of a statement, in order; nvarchar(4000) where nothing tells."""
    columns = _columns_near(session, tokens)
    found = {
        t.text[1:].lower(): SqlType("nvarchar", 4000)
        for t in tokens
        if t.kind == "variable" and not t.text.startswith("@@")
    }
    found |= _of_values(session, tokens)
    for at, token in enumerate(tokens):
        if token.kind != "variable" or at < 2 or tokens[at - 1].upper not in _SIGNS:
            continue
        kind = columns.get(tokens[at - 2].name.lower())
        if kind is not None:
            found[token.text[1:].lower()] = kind
    return found


def _name_at(tokens: tuple[Token, ...], at: int) -> tuple[tuple[str, ...], int]:
    parts: list[str] = []
    while at < len(tokens) and tokens[at].kind in ("word", "quoted"):
        parts.append(tokens[at].name)
        at += 1
        if at < len(tokens) and tokens[at].text == ".":
            at += 1
        else:
            break
    return tuple(parts), at


def _table_columns(session: Session, parts: tuple[str, ...]) -> tuple[Column, ...]:
    try:
        schema, name = definitions.split_name(session, parts)
        return session.plans.table(schema, name)
    except SqlError:
        return ()


def _columns_near(session: Session, tokens: tuple[Token, ...]) -> dict[str, SqlType]:
    found: dict[str, SqlType] = {}
    for at, token in enumerate(tokens):
        if token.upper in _TABLE_WORDS:
            parts, _ = _name_at(tokens, at + 1)
            for column in _table_columns(session, parts) if parts else ():
                found.setdefault(column.name.lower(), column.type)
    return found


def _of_values(session: Session, tokens: tuple[Token, ...]) -> dict[str, SqlType]:
    """`INSERT INTO t [(columns)] VALUES (@a, @b), (...)`: parameters by place."""
    words = [t.upper for t in tokens]
    if words[:1] != ["INSERT"] or "VALUES" not in words:
        return {}
    parts, at = _name_at(tokens, 2 if words[1:2] == ["INTO"] else 1)
    columns = list(_table_columns(session, parts)) if parts else []
    values = words.index("VALUES")
    if at < values and tokens[at].text == "(":
        named = [t.name.lower() for t in tokens[at + 1 : values] if t.kind in ("word", "quoted")]
        by_name = {c.name.lower(): c for c in columns}
        columns = [by_name[n] for n in named if n in by_name]
    else:
        columns = [c for c in columns if not c.identity]
    found: dict[str, SqlType] = {}
    depth = place = 0
    for at in range(values + 1, len(tokens)):
        text = tokens[at].text
        depth += (text == "(") - (text == ")")
        if text == "(" and depth == 1:
            place = 0
        elif text == "," and depth == 1:
            place += 1
        elif tokens[at].kind == "variable" and depth == 1 and place < len(columns):
            found.setdefault(text[1:].lower(), columns[place].type)
    return found


PROCEDURES: dict[str, Callable[[Any, list[Actual]], Called]] = {
    "sp_datatype_info": sp_datatype_info,
    "sp_datatype_info_100": sp_datatype_info,
    "sp_datatype_info_90": sp_datatype_info,
    "sp_describe_first_result_set": sp_describe_first_result_set,
    "sp_describe_undeclared_parameters": sp_describe_undeclared_parameters,
}
