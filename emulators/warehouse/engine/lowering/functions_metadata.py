"""Functions that tell of objects, their columns and their types."""

from __future__ import annotations

from collections.abc import Callable

from emulators.warehouse.engine.catalog import written
from emulators.warehouse.engine.catalog.catalog import SCHEMA
from emulators.warehouse.engine.catalog.shapes import measured
from emulators.warehouse.engine.lowering import functions_server
from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.converting import text_of
from emulators.warehouse.engine.lowering.functions import Called, Function, unserved
from emulators.warehouse.engine.lowering.kinds import INT, STRINGS, Typed, decimal, duck, quoted
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import refused

NAME = SqlType("nvarchar", 128)
SMALL = SqlType("smallint")
_OBJECTS = f"""SELECT id, schema, name, CASE kind WHEN 'ET' THEN 'U' ELSE kind END AS kind
 FROM {SCHEMA}.objects UNION ALL SELECT p.id, o.schema, p.name,
 json_extract_string(p.options, '$.type') FROM {SCHEMA}.parts p JOIN {SCHEMA}.objects o
 ON o.id = p.object WHERE p.kind = 'constraint'
 UNION ALL SELECT id, schema, name, kind FROM {SCHEMA}.system_objects"""


def number(value: Typed) -> str:
    """An argument that is an id."""
    return convert(value, INT).sql


def word(called: Called, at: int) -> str:
    """An argument that is a word of T-SQL's: it must be a constant here.

    Raises:
        SqlError: it is not.
    """
    literal = called.values[at].literal
    if literal is None:
        line = called.asked.line
        raise refused(f"{called.name} with argument {at + 1} that is no constant", line)
    return literal.strip().lower()


def typed(sql: str, kind: SqlType) -> Typed:
    """A value that may be NULL."""
    return Typed(f"CAST({sql} AS {duck(kind)})", kind, True)


def _objects(called: Called, name: Typed | None = None) -> str:
    """Every object by id, schema, name and kind; temporary tables have no schema."""
    lowering = called.binder.lowering
    known = lowering.env.temp_tables
    told = None if name is None else name.literal
    if told is None or "#" in told:
        lowering.cacheable = False
        rows = [f"({t.id}, '', {quoted(key)}, 'U')" for key, t in known.items() if t.id < 0]
        if rows:
            return f"{_OBJECTS} UNION ALL SELECT * FROM (VALUES {', '.join(rows)})"
    return _OBJECTS


def object_id(called: Called, name: Typed, kind: str = "") -> str:
    """The id of the object that an expression names."""
    lowering, text = called.binder.lowering, text_of(name).sql
    part = f"{SCHEMA}.name_part({text}, {{}})"
    place = f"coalesce({part.format(2)}, {quoted(lowering.schema)})"
    here = quoted(lowering.env.database)
    where = [
        f"lower(o.name) = lower({part.format(1)})",
        f"(o.schema = '' OR lower(o.schema) = lower({place}))",
        f"(o.schema = '' OR lower(coalesce({part.format(3)}, {here})) = lower({here}))",
    ]
    if kind:
        where.append(f"lower(o.kind) = lower(trim({kind}))")
    return f"(SELECT max(o.id) FROM ({_objects(called, name)}) o WHERE {' AND '.join(where)})"


def _object_id(called: Called) -> Typed:
    name, *kind = called.need(1, 2)
    if name.type.name not in STRINGS | {"null"}:
        raise called.bad(1)
    wanted = text_of(kind[0]).sql if kind else ""
    return typed(object_id(called, name, wanted), INT)


def _of_object(column: str) -> Function:
    """OBJECT_NAME, OBJECT_SCHEMA_NAME."""

    def write(called: Called) -> Typed:
        first = called.need(1, 2)[0]
        rows = _objects(called)
        found = f"(SELECT max(nullif(o.{column}, '')) FROM ({rows}) o WHERE o.id = {number(first)})"
        return typed(found, NAME)

    return write


def _schema_id(called: Called) -> Typed:
    given = called.need(0, 1)
    name = text_of(given[0]).sql if given else quoted(called.binder.lowering.schema)
    found = f"(SELECT max(s.id) FROM {SCHEMA}.schemas s WHERE lower(s.name) = lower({name}))"
    return typed(found, INT)


def _schema_name(called: Called) -> Typed:
    given = called.need(0, 1)
    if not given:
        return typed(quoted(called.binder.lowering.env.schema), NAME)
    found = f"(SELECT max(s.name) FROM {SCHEMA}.schemas s WHERE s.id = {number(given[0])})"
    return typed(found, NAME)


def _type_id(called: Called) -> Typed:
    text = text_of(called.need(1)[0]).sql
    name = f"lower({SCHEMA}.name_part({text}, 1))"
    rows = f"SELECT name, user_id AS id FROM {SCHEMA}.system_types UNION ALL SELECT 'sysname', 256"
    return typed(f"(SELECT max(t.id) FROM ({rows}) t WHERE t.name = {name})", INT)


def _type_name(called: Called) -> Typed:
    first = called.need(1)[0]
    rows = (
        "SELECT CASE name WHEN 'rowversion' THEN 'timestamp' ELSE name END AS name, user_id AS id"
        f" FROM {SCHEMA}.system_types UNION ALL SELECT 'sysname', 256"
    )
    return typed(f"(SELECT max(t.name) FROM ({rows}) t WHERE t.id = {number(first)})", NAME)


def _columns(called: Called) -> str:
    env = called.binder.lowering.env
    rows = measured(written.filled("SELECT * FROM $columns", env))
    return rows.replace("$catalog", SCHEMA)


def _col_length(called: Called) -> Typed:
    table, column = called.need(2)
    found = (
        f"(SELECT max(c.max_length) FROM ({_columns(called)}) c WHERE c.object ="
        f" {object_id(called, table)} AND lower(c.name) = lower({text_of(column).sql}))"
    )
    return typed(found, SMALL)


def _col_name(called: Called) -> Typed:
    table, column = called.need(2)
    found = (
        f"(SELECT max(c.name) FROM ({_columns(called)}) c WHERE c.object = {number(table)}"
        f" AND c.ordinal = {number(column)})"
    )
    return typed(found, NAME)


_COLUMN_FACTS = {
    "allowsnull": "CAST(c.nullable AS INTEGER)", "columnid": "c.ordinal",
    "isidentity": "CAST(c.seed IS NOT NULL AS INTEGER)", "iscomputed": "0", "ishidden": "0",
    "issparse": "0", "isrowguidcol": "0", "isxmlindexable": "0", "isfulltextindexed": "0",
    "precision": "CASE WHEN c.type IN ('varchar', 'char', 'nvarchar', 'nchar', 'varbinary',"
    " 'binary') THEN c.length ELSE c.digits END",
    "scale": "nullif(c.places, 0)", "charmaxlen": "nullif(c.length, 0)",
    "isidnotforrepl": "0", "isoutparam": "0", "usesansitrim": "1", "isdeterministic": "NULL",
    "generatedalwaystype": "0",
}  # fmt: skip


def _column_property(called: Called) -> Typed:
    table, column, _ = called.need(3)
    told = _COLUMN_FACTS.get(word(called, 2), "NULL")
    found = (
        f"(SELECT max({told}) FROM ({_columns(called)}) c WHERE c.object = {number(table)}"
        f" AND lower(c.name) = lower({text_of(column).sql}))"
    )
    return typed(found, INT)


def _has(kind: str) -> str:
    return (
        f"CAST(EXISTS (SELECT 1 FROM {SCHEMA}.parts p WHERE p.object = o.id AND p.kind ="
        f" 'constraint' AND json_extract_string(p.options, '$.type') = '{kind}') AS INTEGER)"
    )


def _is(*kinds: str) -> str:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    return f"CAST(o.kind IN ({listed}) AS INTEGER)"


_OBJECT_FACTS = {
    "istable": _is("U"), "isusertable": "CAST(o.kind = 'U' AND o.id > 0 AS INTEGER)",
    "issystemtable": "0", "isview": _is("V"), "isprocedure": _is("P"),
    "isscalarfunction": _is("FN"), "isinlinefunction": _is("IF"),
    "istablefunction": _is("IF"), "isconstraint": _is("PK", "UQ", "D"),
    "isprimarykey": _is("PK"), "isuniquecnst": _is("UQ"), "isdefaultcnst": _is("D"),
    "isdefault": _is("D"), "isforeignkey": "0", "ischeckcnst": "0", "istrigger": "0",
    "isextendedproc": "0", "isencrypted": "0", "isschemabound": "0", "isrule": "0",
    "ismsshipped": "CAST(o.id < 0 AND o.schema <> '' AS INTEGER)", "ownerid": "1",
    "schemaid": f"(SELECT max(s.id) FROM {SCHEMA}.schemas s WHERE s.name = o.schema)",
    "execisquotedidenton": "1", "execisansinullson": "1", "isquotedidenton": "1",
    "isansinullson": "1", "tablehasprimarykey": _has("PK"), "tablehasuniquecnst": _has("UQ"),
    "tablehasdefaultcnst": _has("D"), "tablehasforeignkey": "0", "tablehascheckcnst": "0",
    "tablehasidentity": f"CAST(EXISTS (SELECT 1 FROM {SCHEMA}.columns c WHERE c.object = o.id AND"
    " c.seed IS NOT NULL) AS INTEGER)",
    "tablehasindex": f"CAST(EXISTS (SELECT 1 FROM {SCHEMA}.parts p WHERE p.object = o.id AND"
    " p.kind = 'index' AND p.number > 0) AS INTEGER)",
    "tablehasclustindex": f"CAST(EXISTS (SELECT 1 FROM {SCHEMA}.parts p WHERE p.object = o.id AND"
    " p.kind = 'index' AND p.number = 1) AS INTEGER)",
    "tabletemporaltype": "0", "tableismemoryoptimized": "0",
}  # fmt: skip


def _object_property(called: Called) -> Typed:
    first, _ = called.need(2)
    wanted, rows = word(called, 1), _objects(called)
    if called.name == "OBJECTPROPERTYEX" and wanted == "basetype":
        found = f"(SELECT max(o.kind) FROM ({rows}) o WHERE o.id = {number(first)})"
        return typed(found, SqlType("char", 2))
    told = _OBJECT_FACTS.get(wanted, "NULL")
    found = f"(SELECT max({told}) FROM ({rows}) o WHERE o.id = {number(first)})"
    return typed(found, INT)


_INDEX_FACTS = {
    "indexid": "p.number", "isclustered": "CAST(p.number = 1 AS INTEGER)",
    "isunique": "CAST(coalesce(json_extract_string(p.options, '$.unique') = 'true', false) AS"
    " INTEGER)",
    "iscolumnstore": "CAST(json_extract_string(p.options, '$.type') LIKE '%COLUMNSTORE' AS"
    " INTEGER)",
    "isdisabled": "0", "ishypothetical": "0", "isstatistics": "0", "indexdepth": "1",
    "isautostatistics": "0", "ispadindex": "0", "indexfillfactor": "0",
}  # fmt: skip


def _index_property(called: Called) -> Typed:
    table, index, _ = called.need(3)
    told = _INDEX_FACTS.get(word(called, 2), "NULL")
    found = (
        f"(SELECT max({told}) FROM {SCHEMA}.parts p WHERE p.kind = 'index' AND p.object ="
        f" {number(table)} AND lower(p.name) = lower({text_of(index).sql}))"
    )
    return typed(found, INT)


def _index_col(called: Called) -> Typed:
    table, index, key = called.need(3)
    found = (
        f"(SELECT max(k.name) FROM {SCHEMA}.parts p JOIN {SCHEMA}.part_columns k ON k.part = p.id"
        f" WHERE p.kind = 'index' AND p.object = {object_id(called, table)}"
        f" AND p.number = {number(index)} AND k.ordinal = {number(key)})"
    )
    return typed(found, NAME)


def _identity(told: str) -> Function:
    """IDENT_CURRENT, IDENT_SEED, IDENT_INCR of a table by its name."""

    def write(called: Called) -> Typed:
        (table,) = called.need(1)
        called.binder.lowering.cacheable = False  # the sequence's place is looked up anew
        found = (
            f"(SELECT max({told}) FROM {SCHEMA}.columns c JOIN {SCHEMA}.objects o ON o.id ="
            " c.object LEFT JOIN duckdb_sequences() q ON q.schema_name || '.' || q.sequence_name"
            " = json_extract_string(o.options, '$.sequence') WHERE c.seed IS NOT NULL AND"
            f" c.object = {object_id(called, table)})"
        )
        return typed(found, decimal(38, 0))

    return write


def _definition(called: Called) -> Typed:
    first = called.need(1)[0]
    found = f"(SELECT max(m.text) FROM {SCHEMA}.modules m WHERE m.object = {number(first)})"
    return typed(found, SqlType("nvarchar", MAX))


def _stats_date(called: Called) -> Typed:
    table, statistics = called.need(2)
    found = (
        f"(SELECT max(p.created) FROM {SCHEMA}.parts p WHERE p.object = {number(table)}"
        f" AND p.number = {number(statistics)} AND p.kind IN ('index', 'statistics'))"
    )
    return typed(found, SqlType("datetime"))


def _parse_name(called: Called) -> Typed:
    name, part = called.need(2)
    text = text_of(name).sql
    whole = f"len({SCHEMA}.name_parts({text})) BETWEEN 1 AND 4"
    at = f"CAST({number(part)} AS BIGINT)"
    sql = f"CASE WHEN {whole} AND {at} BETWEEN 1 AND 4 THEN {SCHEMA}.name_part({text}, {at}) END"
    return Typed(f"({sql})", NAME, True)


_VARIANT: dict[str, Callable[[SqlType], str]] = {
    "basetype": lambda kind: quoted(kind.name),
    "precision": lambda kind: f"'{kind.precision}'",
    "scale": lambda kind: f"'{kind.scale}'",
    "maxlength": lambda kind: f"'{kind.length}'",
    "collation": lambda kind: quoted(kind.collation or "SQL_Latin1_General_CP1_CI_AS"),
}


def _variant_property(called: Called) -> Typed:
    """SQL_VARIANT_PROPERTY: the type that an expression has."""
    value, _ = called.need(2)
    told = _VARIANT.get(word(called, 1))
    sql = "NULL" if told is None else told(value.type)
    return typed(f"CASE WHEN {value.sql} IS NULL THEN NULL ELSE {sql} END", NAME)


FUNCTIONS: dict[str, Function] = {
    "OBJECT_ID": _object_id, "OBJECT_NAME": _of_object("name"),
    "OBJECT_SCHEMA_NAME": _of_object("schema"), "SCHEMA_ID": _schema_id,
    "SCHEMA_NAME": _schema_name, "TYPE_ID": _type_id, "TYPE_NAME": _type_name,
    "COL_LENGTH": _col_length, "COL_NAME": _col_name, "COLUMNPROPERTY": _column_property,
    "OBJECTPROPERTY": _object_property, "OBJECTPROPERTYEX": _object_property,
    "INDEXPROPERTY": _index_property, "INDEX_COL": _index_col,
    "IDENT_CURRENT": _identity("coalesce(q.last_value, c.seed)"),
    "IDENT_SEED": _identity("c.seed"), "IDENT_INCR": _identity("c.step"),
    "OBJECT_DEFINITION": _definition, "STATS_DATE": _stats_date, "PARSENAME": _parse_name,
    "SQL_VARIANT_PROPERTY": _variant_property, "FORMATMESSAGE": unserved("FORMATMESSAGE"),
    "PWDCOMPARE": unserved("PWDCOMPARE"), "PWDENCRYPT": unserved("PWDENCRYPT"),
    "LOGINPROPERTY": unserved("LOGINPROPERTY"), "TYPEPROPERTY": unserved("TYPEPROPERTY"),
    **functions_server.FUNCTIONS,
}  # fmt: skip
