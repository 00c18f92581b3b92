"""INFORMATION_SCHEMA: the standard's views over the catalog's own tables."""

from __future__ import annotations

from emulators.warehouse.engine.catalog.views_system import C, COLLATION

_CHARACTERS = "('varchar', 'char', 'nvarchar', 'nchar', 'varbinary', 'binary')"
_WIDE = "('nvarchar', 'nchar')"

VIEWS: dict[str, tuple[str, str]] = {
    "SCHEMATA": (
        "CATALOG_NAME sysname, SCHEMA_NAME sysname, SCHEMA_OWNER sysname,"
        " DEFAULT_CHARACTER_SET_CATALOG sysname, DEFAULT_CHARACTER_SET_SCHEMA sysname,"
        " DEFAULT_CHARACTER_SET_NAME sysname",
        'SELECT $database AS "CATALOG_NAME", name AS "SCHEMA_NAME", owner AS "SCHEMA_OWNER",'
        ' NULL AS "DEFAULT_CHARACTER_SET_CATALOG", NULL AS "DEFAULT_CHARACTER_SET_SCHEMA",'
        f" 'iso_1' AS \"DEFAULT_CHARACTER_SET_NAME\" FROM {C}.schemas",
    ),
    "TABLES": (
        "TABLE_CATALOG sysname, TABLE_SCHEMA sysname, TABLE_NAME sysname, TABLE_TYPE varchar(10)",
        'SELECT $database AS "TABLE_CATALOG", schema AS "TABLE_SCHEMA", name AS "TABLE_NAME",'
        " CASE WHEN trim(kind) = 'V' THEN 'VIEW' ELSE 'BASE TABLE' END AS \"TABLE_TYPE\""
        f" FROM {C}.objects WHERE trim(kind) IN ('U', 'ET', 'V')",
    ),
    "VIEWS": (
        "TABLE_CATALOG sysname, TABLE_SCHEMA sysname, TABLE_NAME sysname,"
        " VIEW_DEFINITION nvarchar(4000), CHECK_OPTION varchar(7), IS_UPDATABLE varchar(2)",
        'SELECT $database AS "TABLE_CATALOG", o.schema AS "TABLE_SCHEMA", o.name AS "TABLE_NAME",'
        ' left(m.text, 4000) AS "VIEW_DEFINITION", \'NONE\' AS "CHECK_OPTION", \'NO\' AS "IS_UPDATABLE"'
        f" FROM {C}.objects o JOIN {C}.modules m ON m.object = o.id WHERE trim(o.kind) = 'V'",
    ),
    "COLUMNS": (
        "TABLE_CATALOG sysname, TABLE_SCHEMA sysname, TABLE_NAME sysname, COLUMN_NAME sysname,"
        " ORDINAL_POSITION int, COLUMN_DEFAULT nvarchar(4000), IS_NULLABLE varchar(3),"
        " DATA_TYPE sysname, CHARACTER_MAXIMUM_LENGTH int, CHARACTER_OCTET_LENGTH int,"
        " NUMERIC_PRECISION tinyint, NUMERIC_PRECISION_RADIX smallint, NUMERIC_SCALE int,"
        " DATETIME_PRECISION smallint, CHARACTER_SET_CATALOG sysname, CHARACTER_SET_SCHEMA sysname,"
        " CHARACTER_SET_NAME sysname, COLLATION_CATALOG sysname, COLLATION_SCHEMA sysname,"
        " COLLATION_NAME sysname, DOMAIN_CATALOG sysname, DOMAIN_SCHEMA sysname, DOMAIN_NAME sysname",
        'SELECT $database AS "TABLE_CATALOG", o.schema AS "TABLE_SCHEMA", o.name AS "TABLE_NAME",'
        ' c.name AS "COLUMN_NAME", c.ordinal AS "ORDINAL_POSITION",'
        " CASE WHEN coalesce(c.preset, '') <> '' THEN '(' || c.preset || ')' END AS \"COLUMN_DEFAULT\","
        " CASE WHEN c.nullable THEN 'YES' ELSE 'NO' END AS \"IS_NULLABLE\", c.type AS \"DATA_TYPE\","
        f' CASE WHEN c.type IN {_CHARACTERS} THEN c.length END AS "CHARACTER_MAXIMUM_LENGTH",'
        f" CASE WHEN c.type IN {_WIDE} AND c.length > 0 THEN c.length * 2 WHEN c.type IN {_CHARACTERS}"
        ' THEN c.length END AS "CHARACTER_OCTET_LENGTH",'
        " CASE c.type WHEN 'tinyint' THEN 3 WHEN 'smallint' THEN 5 WHEN 'int' THEN 10 WHEN 'bigint'"
        " THEN 19 WHEN 'decimal' THEN c.prec WHEN 'money' THEN 19 WHEN 'smallmoney' THEN 10"
        " WHEN 'float' THEN 53 WHEN 'real' THEN 24 END AS \"NUMERIC_PRECISION\","
        " CASE WHEN c.type IN ('float', 'real') THEN 2 WHEN c.type IN ('tinyint', 'smallint', 'int',"
        " 'bigint', 'decimal', 'money', 'smallmoney') THEN 10 END AS \"NUMERIC_PRECISION_RADIX\","
        " CASE WHEN c.type IN ('tinyint', 'smallint', 'int', 'bigint') THEN 0 WHEN c.type = 'decimal'"
        " THEN c.scale WHEN c.type IN ('money', 'smallmoney') THEN 4 END AS \"NUMERIC_SCALE\","
        " CASE c.type WHEN 'date' THEN 0 WHEN 'datetime' THEN 3 WHEN 'smalldatetime' THEN 0"
        " WHEN 'datetime2' THEN c.scale WHEN 'time' THEN c.scale WHEN 'datetimeoffset' THEN c.scale END"
        ' AS "DATETIME_PRECISION", NULL AS "CHARACTER_SET_CATALOG", NULL AS "CHARACTER_SET_SCHEMA",'
        " CASE WHEN c.type IN ('varchar', 'char') THEN 'iso_1' WHEN c.type IN ('nvarchar', 'nchar')"
        ' THEN \'UNICODE\' END AS "CHARACTER_SET_NAME", NULL AS "COLLATION_CATALOG",'
        " NULL AS \"COLLATION_SCHEMA\", CASE WHEN c.type IN ('varchar', 'char', 'nvarchar', 'nchar')"
        f" THEN coalesce(c.collation, '{COLLATION}') END AS \"COLLATION_NAME\","
        ' NULL AS "DOMAIN_CATALOG", NULL AS "DOMAIN_SCHEMA", NULL AS "DOMAIN_NAME"'
        f" FROM {C}.columns c JOIN {C}.objects o ON o.id = c.object",
    ),
    "ROUTINES": (
        "SPECIFIC_CATALOG sysname, SPECIFIC_SCHEMA sysname, SPECIFIC_NAME sysname,"
        " ROUTINE_CATALOG sysname, ROUTINE_SCHEMA sysname, ROUTINE_NAME sysname,"
        " ROUTINE_TYPE nvarchar(20), DATA_TYPE sysname, ROUTINE_BODY nvarchar(30),"
        " ROUTINE_DEFINITION nvarchar(4000), CREATED datetime, LAST_ALTERED datetime",
        'SELECT $database AS "SPECIFIC_CATALOG", o.schema AS "SPECIFIC_SCHEMA", o.name AS "SPECIFIC_NAME",'
        ' $database AS "ROUTINE_CATALOG", o.schema AS "ROUTINE_SCHEMA", o.name AS "ROUTINE_NAME",'
        " CASE WHEN trim(o.kind) = 'P' THEN 'PROCEDURE' ELSE 'FUNCTION' END AS \"ROUTINE_TYPE\","
        " CASE WHEN trim(o.kind) = 'IF' THEN 'TABLE' ELSE json_extract_string(m.returns, '$.name') END"
        ' AS "DATA_TYPE", \'SQL\' AS "ROUTINE_BODY", left(m.text, 4000) AS "ROUTINE_DEFINITION",'
        ' o.created AS "CREATED", o.modified AS "LAST_ALTERED"'
        f" FROM {C}.objects o JOIN {C}.modules m ON m.object = o.id WHERE trim(o.kind) IN ('P', 'FN', 'IF')",
    ),
    "PARAMETERS": (
        "SPECIFIC_CATALOG sysname, SPECIFIC_SCHEMA sysname, SPECIFIC_NAME sysname,"
        " ORDINAL_POSITION int, PARAMETER_MODE nvarchar(10), IS_RESULT nvarchar(10),"
        " PARAMETER_NAME sysname, DATA_TYPE sysname, CHARACTER_MAXIMUM_LENGTH int,"
        " NUMERIC_PRECISION tinyint, NUMERIC_SCALE int",
        'SELECT $database AS "SPECIFIC_CATALOG", o.schema AS "SPECIFIC_SCHEMA", o.name AS "SPECIFIC_NAME",'
        " p.at AS \"ORDINAL_POSITION\", CASE WHEN json_extract_string(p.p, '$.output') = 'true' THEN"
        " 'INOUT' ELSE 'IN' END AS \"PARAMETER_MODE\", 'NO' AS \"IS_RESULT\","
        " json_extract_string(p.p, '$.name') AS \"PARAMETER_NAME\","
        " json_extract_string(p.p, '$.type.name') AS \"DATA_TYPE\","
        " nullif(CAST(json_extract_string(p.p, '$.type.length') AS INTEGER), 0) AS"
        ' "CHARACTER_MAXIMUM_LENGTH",'
        " nullif(CAST(json_extract_string(p.p, '$.type.precision') AS INTEGER), 0) AS"
        ' "NUMERIC_PRECISION",'
        " CAST(json_extract_string(p.p, '$.type.scale') AS INTEGER) AS \"NUMERIC_SCALE\""
        f" FROM {C}.objects o JOIN (SELECT object, generate_subscripts(json_extract(parameters,"
        " '$[*]'), 1) AS at, unnest(json_extract(parameters, '$[*]')) AS p"
        f" FROM {C}.modules) p ON p.object = o.id",
    ),
    "TABLE_CONSTRAINTS": (
        "CONSTRAINT_CATALOG sysname, CONSTRAINT_SCHEMA sysname, CONSTRAINT_NAME sysname,"
        " TABLE_CATALOG sysname, TABLE_SCHEMA sysname, TABLE_NAME sysname,"
        " CONSTRAINT_TYPE varchar(11), IS_DEFERRABLE varchar(2), INITIALLY_DEFERRED varchar(2)",
        'SELECT $database AS "CONSTRAINT_CATALOG", o.schema AS "CONSTRAINT_SCHEMA", p.name AS'
        ' "CONSTRAINT_NAME", $database AS "TABLE_CATALOG", o.schema AS "TABLE_SCHEMA", o.name AS'
        " \"TABLE_NAME\", CASE WHEN json_extract_string(p.options, '$.primary') = 'true' THEN"
        " 'PRIMARY KEY' ELSE 'UNIQUE' END AS \"CONSTRAINT_TYPE\", 'NO' AS \"IS_DEFERRABLE\","
        f" 'NO' AS \"INITIALLY_DEFERRED\" FROM {C}.parts p JOIN {C}.objects o ON o.id = p.object"
        " WHERE p.kind = 'index' AND json_extract_string(p.options, '$.constraint') = 'true'",
    ),
    "KEY_COLUMN_USAGE": (
        "CONSTRAINT_CATALOG sysname, CONSTRAINT_SCHEMA sysname, CONSTRAINT_NAME sysname,"
        " TABLE_CATALOG sysname, TABLE_SCHEMA sysname, TABLE_NAME sysname, COLUMN_NAME sysname,"
        " ORDINAL_POSITION int",
        'SELECT $database AS "CONSTRAINT_CATALOG", o.schema AS "CONSTRAINT_SCHEMA", p.name AS'
        ' "CONSTRAINT_NAME", $database AS "TABLE_CATALOG", o.schema AS "TABLE_SCHEMA", o.name AS'
        ' "TABLE_NAME", p.column AS "COLUMN_NAME", p.at AS "ORDINAL_POSITION" FROM (SELECT object,'
        " name, generate_subscripts(json_extract(options, '$.columns[*]'), 1) AS at,"
        " json_extract_string(unnest(json_extract(options, '$.columns[*]')), '$[0]') AS column"
        f" FROM {C}.parts WHERE kind = 'index' AND json_extract_string(options, '$.constraint') ="
        f" 'true') p JOIN {C}.objects o ON o.id = p.object",
    ),
}
