"""INFORMATION_SCHEMA: the standard's views over the catalog's own tables."""

from __future__ import annotations

from emulators.warehouse.engine.catalog.shapes import COLLATION, measured
from emulators.warehouse.engine.catalog.views import empty

_SIZED = "('varchar', 'char', 'nvarchar', 'nchar', 'varbinary', 'binary')"
_WIDE = "('nvarchar', 'nchar')"
_WHOLE = "('tinyint', 'smallint', 'int', 'bigint')"
_MEASURES = f"""CASE WHEN c.type IN {_SIZED} THEN c.length END AS CHARACTER_MAXIMUM_LENGTH,
 CASE WHEN c.type IN {_SIZED} THEN c.max_length END AS CHARACTER_OCTET_LENGTH,
 CASE WHEN c.type IN {_WHOLE} OR c.type IN ('decimal', 'money', 'smallmoney', 'float', 'real')
  THEN c.digits END AS NUMERIC_PRECISION,
 CASE WHEN c.type IN ('float', 'real') THEN 2 WHEN c.type IN {_WHOLE}
  OR c.type IN ('decimal', 'money', 'smallmoney') THEN 10 END AS NUMERIC_PRECISION_RADIX,
 CASE WHEN c.type IN {_WHOLE} THEN 0 WHEN c.type IN ('decimal', 'money', 'smallmoney')
  THEN c.places END AS NUMERIC_SCALE,
 CASE WHEN c.type IN ('date', 'smalldatetime') THEN 0
  WHEN c.type IN ('datetime', 'datetime2', 'time', 'datetimeoffset') THEN c.places END
  AS DATETIME_PRECISION, NULL AS CHARACTER_SET_CATALOG, NULL AS CHARACTER_SET_SCHEMA,
 CASE WHEN c.type IN ('varchar', 'char') THEN 'iso_1' WHEN c.type IN {_WIDE} THEN 'UNICODE' END
  AS CHARACTER_SET_NAME, NULL AS COLLATION_CATALOG, NULL AS COLLATION_SCHEMA,
 CASE WHEN c.textual THEN coalesce(c.collated, '{COLLATION}') END AS COLLATION_NAME"""
_MEASURED = (
    "CHARACTER_MAXIMUM_LENGTH int, CHARACTER_OCTET_LENGTH int, NUMERIC_PRECISION tinyint,"
    " NUMERIC_PRECISION_RADIX smallint, NUMERIC_SCALE int, DATETIME_PRECISION smallint,"
    " CHARACTER_SET_CATALOG sysname, CHARACTER_SET_SCHEMA sysname, CHARACTER_SET_NAME sysname,"
    " COLLATION_CATALOG sysname, COLLATION_SCHEMA sysname, COLLATION_NAME sysname"
)
_COLUMNS = f"""SELECT $database AS TABLE_CATALOG, o.schema AS TABLE_SCHEMA, o.name AS TABLE_NAME,
 c.name AS COLUMN_NAME, c.ordinal AS ORDINAL_POSITION,
 CASE WHEN c.preset <> '' THEN $catalog.defined(c.preset) END AS COLUMN_DEFAULT,
 CASE WHEN c.nullable THEN 'YES' ELSE 'NO' END AS IS_NULLABLE, c.type AS DATA_TYPE, {_MEASURES},
 NULL AS DOMAIN_CATALOG, NULL AS DOMAIN_SCHEMA, NULL AS DOMAIN_NAME
 FROM ({measured("SELECT * FROM $columns")}) c JOIN $catalog.objects o ON o.id = c.object"""
_TABLES = """SELECT $database AS TABLE_CATALOG, schema AS TABLE_SCHEMA, name AS TABLE_NAME,
 CASE WHEN kind = 'V' THEN 'VIEW' ELSE 'BASE TABLE' END AS TABLE_TYPE
 FROM $catalog.objects WHERE kind IN ('U', 'ET', 'V')"""
_ROUTINES = """SELECT $database AS SPECIFIC_CATALOG, o.schema AS SPECIFIC_SCHEMA,
 o.name AS SPECIFIC_NAME, $database AS ROUTINE_CATALOG, o.schema AS ROUTINE_SCHEMA,
 o.name AS ROUTINE_NAME, CASE WHEN o.kind = 'P' THEN 'PROCEDURE' ELSE 'FUNCTION' END
 AS ROUTINE_TYPE, CASE WHEN o.kind = 'IF' THEN 'TABLE' ELSE r.type END AS DATA_TYPE,
 'SQL' AS ROUTINE_BODY, left(m.text, 4000) AS ROUTINE_DEFINITION, 'NO' AS IS_DETERMINISTIC,
 CASE WHEN o.kind = 'P' THEN 'MODIFIES' ELSE 'READS' END AS SQL_DATA_ACCESS,
 o.created AS CREATED, o.modified AS LAST_ALTERED FROM $catalog.objects o
 JOIN $catalog.modules m ON m.object = o.id
 LEFT JOIN $catalog.parameters r ON r.object = o.id AND r.ordinal = 0
 WHERE o.kind IN ('P', 'FN', 'IF')"""
_PARAMETER_ROWS = "SELECT *, NULL AS collated FROM $catalog.parameters"
_PARAMETERS = f"""SELECT $database AS SPECIFIC_CATALOG, o.schema AS SPECIFIC_SCHEMA,
 o.name AS SPECIFIC_NAME, c.ordinal AS ORDINAL_POSITION, CASE WHEN c.ordinal = 0 THEN 'OUT'
 WHEN c.output THEN 'INOUT' ELSE 'IN' END AS PARAMETER_MODE,
 CASE WHEN c.ordinal = 0 THEN 'YES' ELSE 'NO' END AS IS_RESULT, 'NO' AS AS_LOCATOR,
 c.name AS PARAMETER_NAME, c.type AS DATA_TYPE, {_MEASURES}
 FROM ({measured(_PARAMETER_ROWS)}) c JOIN $catalog.objects o ON o.id = c.object"""
_KIND = "json_extract_string(p.options, '$.type')"
_KEYS = f"""$catalog.parts p JOIN $catalog.objects o ON o.id = p.object
 WHERE p.kind = 'constraint' AND {_KIND} IN ('PK', 'UQ')"""
_KEY_COLUMNS = f"""SELECT $database AS TABLE_CATALOG, o.schema AS TABLE_SCHEMA,
 o.name AS TABLE_NAME, k.name AS COLUMN_NAME, $database AS CONSTRAINT_CATALOG,
 o.schema AS CONSTRAINT_SCHEMA, p.name AS CONSTRAINT_NAME, k.ordinal AS ORDINAL_POSITION
 FROM $catalog.part_columns k JOIN $catalog.parts p ON p.id = k.part
 JOIN $catalog.objects o ON o.id = p.object
 WHERE p.kind = 'constraint' AND {_KIND} IN ('PK', 'UQ')"""
_PLACE = "TABLE_CATALOG sysname, TABLE_SCHEMA sysname, TABLE_NAME sysname"
_CONSTRAINT = "CONSTRAINT_CATALOG sysname, CONSTRAINT_SCHEMA sysname, CONSTRAINT_NAME sysname"
_ROUTINE = "SPECIFIC_CATALOG sysname, SPECIFIC_SCHEMA sysname, SPECIFIC_NAME sysname"

VIEWS: dict[str, tuple[str, str]] = {
    "SCHEMATA": (
        "CATALOG_NAME sysname, SCHEMA_NAME sysname, SCHEMA_OWNER sysname,"
        " DEFAULT_CHARACTER_SET_CATALOG sysname, DEFAULT_CHARACTER_SET_SCHEMA sysname,"
        " DEFAULT_CHARACTER_SET_NAME sysname",
        "SELECT $database AS CATALOG_NAME, name AS SCHEMA_NAME, owner AS SCHEMA_OWNER,"
        " NULL AS DEFAULT_CHARACTER_SET_CATALOG, NULL AS DEFAULT_CHARACTER_SET_SCHEMA,"
        " 'iso_1' AS DEFAULT_CHARACTER_SET_NAME FROM $catalog.schemas",
    ),
    "TABLES": (f"{_PLACE}, TABLE_TYPE varchar(10)", _TABLES),
    "VIEWS": (
        f"{_PLACE}, VIEW_DEFINITION nvarchar(4000), CHECK_OPTION varchar(7),"
        " IS_UPDATABLE varchar(2)",
        "SELECT $database AS TABLE_CATALOG, o.schema AS TABLE_SCHEMA, o.name AS TABLE_NAME,"
        " left(m.text, 4000) AS VIEW_DEFINITION, 'NONE' AS CHECK_OPTION, 'NO' AS IS_UPDATABLE"
        " FROM $catalog.objects o JOIN $catalog.modules m ON m.object = o.id WHERE o.kind = 'V'",
    ),
    "COLUMNS": (
        f"{_PLACE}, COLUMN_NAME sysname, ORDINAL_POSITION int, COLUMN_DEFAULT nvarchar(4000),"
        f" IS_NULLABLE varchar(3), DATA_TYPE nvarchar(128), {_MEASURED}, DOMAIN_CATALOG sysname,"
        " DOMAIN_SCHEMA sysname, DOMAIN_NAME sysname",
        _COLUMNS,
    ),
    "ROUTINES": (
        f"{_ROUTINE}, ROUTINE_CATALOG sysname, ROUTINE_SCHEMA sysname, ROUTINE_NAME sysname,"
        " ROUTINE_TYPE nvarchar(20), DATA_TYPE sysname, ROUTINE_BODY nvarchar(30),"
        " ROUTINE_DEFINITION nvarchar(4000), IS_DETERMINISTIC nvarchar(10),"
        " SQL_DATA_ACCESS nvarchar(30), CREATED datetime, LAST_ALTERED datetime",
        _ROUTINES,
    ),
    "PARAMETERS": (
        f"{_ROUTINE}, ORDINAL_POSITION int, PARAMETER_MODE nvarchar(10), IS_RESULT nvarchar(10),"
        f" AS_LOCATOR nvarchar(10), PARAMETER_NAME sysname, DATA_TYPE sysname, {_MEASURED}",
        _PARAMETERS,
    ),
    "TABLE_CONSTRAINTS": (
        f"{_CONSTRAINT}, {_PLACE}, CONSTRAINT_TYPE varchar(11), IS_DEFERRABLE varchar(2),"
        " INITIALLY_DEFERRED varchar(2)",
        "SELECT $database AS CONSTRAINT_CATALOG, o.schema AS CONSTRAINT_SCHEMA,"
        " p.name AS CONSTRAINT_NAME, $database AS TABLE_CATALOG, o.schema AS TABLE_SCHEMA,"
        f" o.name AS TABLE_NAME, CASE {_KIND} WHEN 'PK' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END"
        f" AS CONSTRAINT_TYPE, 'NO' AS IS_DEFERRABLE, 'NO' AS INITIALLY_DEFERRED FROM {_KEYS}",
    ),
    "KEY_COLUMN_USAGE": (
        f"{_CONSTRAINT}, {_PLACE}, COLUMN_NAME sysname, ORDINAL_POSITION int",
        _KEY_COLUMNS,
    ),
    "CONSTRAINT_COLUMN_USAGE": (f"{_PLACE}, COLUMN_NAME sysname, {_CONSTRAINT}", _KEY_COLUMNS),
    "CONSTRAINT_TABLE_USAGE": (
        f"{_PLACE}, {_CONSTRAINT}",
        "SELECT $database AS TABLE_CATALOG, o.schema AS TABLE_SCHEMA, o.name AS TABLE_NAME,"
        " $database AS CONSTRAINT_CATALOG, o.schema AS CONSTRAINT_SCHEMA,"
        f" p.name AS CONSTRAINT_NAME FROM {_KEYS}",
    ),
    "REFERENTIAL_CONSTRAINTS": empty(
        f"{_CONSTRAINT}, UNIQUE_CONSTRAINT_CATALOG sysname, UNIQUE_CONSTRAINT_SCHEMA sysname,"
        " UNIQUE_CONSTRAINT_NAME sysname, MATCH_OPTION varchar(7), UPDATE_RULE varchar(11),"
        " DELETE_RULE varchar(11)"
    ),
    "CHECK_CONSTRAINTS": empty(f"{_CONSTRAINT}, CHECK_CLAUSE nvarchar(4000)"),
}
