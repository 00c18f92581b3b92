"""The sys views: their columns and their queries over the catalog's own tables."""

from __future__ import annotations

from emulators.warehouse.engine.catalog.typing import (
    bytes_sql,
    precision_sql,
    scale_sql,
    type_values,
)

C = "rehearsal_catalog"
COLLATION = "SQL_Latin1_General_CP1_CI_AS"
_TYPES = f"(VALUES {type_values()}) AS t(type, number, size, prec, scale)"
_DESCRIBED = (
    "CASE o.kind WHEN 'U' THEN 'USER_TABLE' WHEN 'ET' THEN 'USER_TABLE' WHEN 'V' THEN 'VIEW'"
    " WHEN 'P' THEN 'SQL_STORED_PROCEDURE' WHEN 'FN' THEN 'SQL_SCALAR_FUNCTION'"
    " WHEN 'IF' THEN 'SQL_INLINE_TABLE_VALUED_FUNCTION' END"
)
_OBJECTS = (
    f"SELECT o.name, o.id AS object_id, NULL AS principal_id, s.id AS schema_id,"
    f" 0 AS parent_object_id, rpad(CASE trim(o.kind) WHEN 'ET' THEN 'U' ELSE trim(o.kind) END, 2, ' ') AS type,"
    f" {_DESCRIBED.replace('o.kind', 'trim(o.kind)')} AS type_desc, o.created AS create_date, o.modified AS modify_date,"
    " false AS is_ms_shipped, false AS is_published, false AS is_schema_published,"
    " trim(o.kind) AS kind, trim(o.kind) = 'ET' AS is_external, o.options, o.schema"
    f" FROM {C}.objects o JOIN {C}.schemas s ON s.name = o.schema"
)
_OBJECT_SHAPE = (
    "name sysname, object_id int, principal_id int, schema_id int, parent_object_id int,"
    " type char(2), type_desc nvarchar(60), create_date datetime, modify_date datetime,"
    " is_ms_shipped bit, is_published bit, is_schema_published bit"
)
_COLUMNS = (
    f"SELECT c.object AS object_id, c.name, c.ordinal AS column_id, t.number AS system_type_id,"
    f" t.number AS user_type_id, {bytes_sql('c')} AS max_length, {precision_sql('c')} AS precision,"
    f" {scale_sql('c')} AS scale, CASE WHEN c.type IN ('varchar', 'char', 'nvarchar', 'nchar',"
    f" 'text', 'ntext') THEN coalesce(c.collation, '{COLLATION}') END AS collation_name,"
    " c.nullable AS is_nullable, false AS is_ansi_padded, false AS is_rowguidcol,"
    " c.seed IS NOT NULL AS is_identity, coalesce(c.computed, '') <> '' AS is_computed,"
    " false AS is_filestream, false AS is_replicated, false AS is_xml_document,"
    " CASE WHEN coalesce(c.preset, '') <> '' THEN c.object + c.ordinal ELSE 0 END AS default_object_id,"
    " false AS is_sparse, false AS is_column_set, 0 AS generated_always_type, false AS is_hidden,"
    f" c.seed, c.step, c.preset FROM {C}.columns c JOIN {_TYPES} ON t.type = c.type"
)
_COLUMN_SHAPE = (
    "object_id int, name sysname, column_id int, system_type_id tinyint, user_type_id int,"
    " max_length smallint, precision tinyint, scale tinyint, collation_name sysname,"
    " is_nullable bit, is_ansi_padded bit, is_rowguidcol bit, is_identity bit, is_computed bit,"
    " is_filestream bit, is_replicated bit, is_xml_document bit, default_object_id int,"
    " is_sparse bit, is_column_set bit, generated_always_type tinyint, is_hidden bit"
)
_INDEX_KIND = "coalesce(json_extract_string(o.options, '$.index'), 'CLUSTERED COLUMNSTORE')"
_CLUSTERED = (
    f"SELECT o.id AS object_id, CASE WHEN {_INDEX_KIND} = 'HEAP' THEN NULL ELSE"
    " 'ClusteredIndex_' || substr(md5(CAST(o.id AS VARCHAR)), 1, 32) END AS name,"
    f" CASE WHEN {_INDEX_KIND} = 'HEAP' THEN 0 ELSE 1 END AS index_id,"
    f" CASE {_INDEX_KIND} WHEN 'HEAP' THEN 0 WHEN 'CLUSTERED' THEN 1 ELSE 5 END AS type,"
    f" CASE {_INDEX_KIND} WHEN 'HEAP' THEN 'HEAP' WHEN 'CLUSTERED' THEN 'CLUSTERED' ELSE"
    " 'CLUSTERED COLUMNSTORE' END AS type_desc, false AS is_unique, false AS is_primary_key,"
    f" false AS is_unique_constraint FROM {C}.objects o WHERE trim(o.kind) = 'U'"
)
_OTHER_INDEXES = (
    "SELECT p.object, p.name, 1 + row_number() OVER (PARTITION BY p.object ORDER BY p.name), 2,"
    " 'NONCLUSTERED', coalesce(CAST(json_extract_string(p.options, '$.unique') AS BOOLEAN), false),"
    " coalesce(CAST(json_extract_string(p.options, '$.primary') AS BOOLEAN), false), false"
    f" FROM {C}.parts p WHERE p.kind = 'index'"
)
_RULE = "json_extract_string(o.options, '$.distribution')"
_DISTRIBUTION = f"coalesce({_RULE}, 'ROUND_ROBIN')"

VIEWS: dict[str, tuple[str, str]] = {
    "schemas": (
        "name sysname, schema_id int, principal_id int",
        f"SELECT name, id AS schema_id, 1 AS principal_id FROM {C}.schemas",
    ),
    "objects": (_OBJECT_SHAPE, _OBJECTS),
    "all_objects": (_OBJECT_SHAPE, _OBJECTS),
    "tables": (
        _OBJECT_SHAPE + ", lob_data_space_id int, max_column_id_used int, is_memory_optimized bit,"
        " temporal_type tinyint, temporal_type_desc nvarchar(60), is_external bit, is_node bit,"
        " is_edge bit, history_table_id int, durability tinyint",
        "SELECT *, 0 AS lob_data_space_id, 0 AS max_column_id_used, false AS is_memory_optimized,"
        " 0 AS temporal_type, 'NON_TEMPORAL_TABLE' AS temporal_type_desc, false AS is_node,"
        " false AS is_edge, NULL AS history_table_id, 0 AS durability"
        f" FROM ({_OBJECTS}) WHERE kind IN ('U', 'ET')",
    ),
    "external_tables": (
        _OBJECT_SHAPE + ", location nvarchar(4000), data_source_id int, file_format_id int",
        "SELECT *, json_extract_string(options, '$.location') AS location, 65536 AS data_source_id,"
        f" 65536 AS file_format_id FROM ({_OBJECTS}) WHERE kind = 'ET'",
    ),
    "views": (_OBJECT_SHAPE + ", with_check_option bit",
              f"SELECT *, false AS with_check_option FROM ({_OBJECTS}) WHERE kind = 'V'"),
    "all_views": (_OBJECT_SHAPE, f"SELECT * FROM ({_OBJECTS}) WHERE kind = 'V'"),
    "procedures": (_OBJECT_SHAPE + ", is_auto_executed bit",
                   f"SELECT *, false AS is_auto_executed FROM ({_OBJECTS}) WHERE kind = 'P'"),
    "columns": (_COLUMN_SHAPE, _COLUMNS),
    "all_columns": (_COLUMN_SHAPE, _COLUMNS),
    "identity_columns": (
        _COLUMN_SHAPE + ", seed_value bigint, increment_value bigint, last_value bigint",
        "SELECT *, seed AS seed_value, step AS increment_value, NULL AS last_value"
        f" FROM ({_COLUMNS}) WHERE is_identity",
    ),
    "computed_columns": (_COLUMN_SHAPE + ", definition nvarchar(max)",
                         f"SELECT *, NULL AS definition FROM ({_COLUMNS}) WHERE is_computed"),
    "default_constraints": (
        "name sysname, object_id int, parent_object_id int, parent_column_id int, schema_id int,"
        " type char(2), type_desc nvarchar(60), definition nvarchar(max), is_system_named bit",
        "SELECT 'DF_' || c.object || '_' || c.ordinal AS name, c.object + c.ordinal AS object_id,"
        " c.object AS parent_object_id, c.ordinal AS parent_column_id, s.id AS schema_id, 'D ' AS type,"
        " 'DEFAULT_CONSTRAINT' AS type_desc, '(' || c.preset || ')' AS definition, true AS is_system_named"
        f" FROM {C}.columns c JOIN {C}.objects o ON o.id = c.object JOIN {C}.schemas s ON s.name = o.schema"
        " WHERE coalesce(c.preset, '') <> ''",
    ),
    "types": (
        "name sysname, system_type_id tinyint, user_type_id int, schema_id int, principal_id int,"
        " max_length smallint, precision tinyint, scale tinyint, collation_name sysname,"
        " is_nullable bit, is_user_defined bit, is_assembly_type bit, is_table_type bit",
        "SELECT t.type AS name, t.number AS system_type_id, t.number AS user_type_id, 4 AS schema_id,"
        " NULL AS principal_id, CASE WHEN t.size <> 0 THEN t.size ELSE 8000 END AS max_length, t.prec AS precision,"
        f" t.scale AS scale, CASE WHEN t.type LIKE '%char' THEN '{COLLATION}' END AS collation_name,"
        " true AS is_nullable, false AS is_user_defined, false AS is_assembly_type,"
        f" false AS is_table_type FROM {_TYPES} UNION ALL SELECT 'sysname', 231, 256, 4, NULL, 256, 0, 0,"
        f" '{COLLATION}', false, false, false, false",
    ),
    "databases": (
        "name sysname, database_id int, source_database_id int, owner_sid varbinary(85),"
        " create_date datetime, compatibility_level tinyint, collation_name sysname,"
        " user_access tinyint, is_read_only bit, state tinyint, state_desc nvarchar(60),"
        " is_result_set_caching_on bit, snapshot_isolation_state tinyint,"
        " is_read_committed_snapshot_on bit, is_auto_create_stats_on bit, is_encrypted bit",
        "SELECT n AS name, i AS database_id, NULL AS source_database_id, NULL AS owner_sid,"
        " TIMESTAMP '2020-01-01' AS create_date, 130 AS compatibility_level,"
        f" '{COLLATION}' AS collation_name, 0 AS user_access, false AS is_read_only, 0 AS state,"
        " 'ONLINE' AS state_desc, false AS is_result_set_caching_on, 0 AS snapshot_isolation_state,"
        " false AS is_read_committed_snapshot_on, true AS is_auto_create_stats_on,"
        " false AS is_encrypted FROM (SELECT 'master' AS n, 1 AS i UNION SELECT $database,"
        " CASE WHEN $database = 'master' THEN 1 ELSE 5 END)",
    ),
    "indexes": (
        "object_id int, name sysname, index_id int, type tinyint, type_desc nvarchar(60),"
        " is_unique bit, data_space_id int, ignore_dup_key bit, is_primary_key bit,"
        " is_unique_constraint bit, fill_factor tinyint, is_padded bit, is_disabled bit,"
        " is_hypothetical bit, has_filter bit, filter_definition nvarchar(max)",
        "SELECT *, 1 AS data_space_id, false AS ignore_dup_key, 0 AS fill_factor, false AS is_padded,"
        " false AS is_disabled, false AS is_hypothetical, false AS has_filter, NULL AS filter_definition"
        f" FROM ({_CLUSTERED} UNION ALL {_OTHER_INDEXES})",
    ),
    "index_columns": (
        "object_id int, index_id int, index_column_id int, column_id int, key_ordinal tinyint,"
        " partition_ordinal tinyint, is_descending_key bit, is_included_column bit",
        "SELECT k.object AS object_id, k.index_id, k.at AS index_column_id, c.ordinal AS column_id,"
        " k.at AS key_ordinal, 0 AS partition_ordinal, k.falling AS is_descending_key,"
        " false AS is_included_column FROM (SELECT object, index_id, generate_subscripts(keys, 1) AS at,"
        " json_extract_string(unnest(keys), '$[0]') AS name,"
        " coalesce(CAST(json_extract_string(unnest(keys), '$[1]') AS BOOLEAN), false) AS falling FROM ("
        " SELECT o.id AS object, 1 AS index_id, json_extract(o.options, '$.index_columns[*]') AS keys"
        f" FROM {C}.objects o WHERE trim(o.kind) = 'U'"
        " UNION ALL SELECT p.object, 1 + row_number() OVER (PARTITION BY p.object ORDER BY p.name),"
        f" json_extract(p.options, '$.columns[*]') FROM {C}.parts p WHERE p.kind = 'index')) k"
        f" JOIN {C}.columns c ON c.object = k.object AND c.name = k.name",
    ),
    "partitions": (
        "partition_id bigint, object_id int, index_id int, partition_number int, hobt_id bigint,"
        " rows bigint, data_compression tinyint, data_compression_desc nvarchar(60)",
        "SELECT CAST(o.id AS BIGINT) * 1000 + n.at AS partition_id, o.id AS object_id,"
        f" CASE WHEN {_INDEX_KIND} = 'HEAP' THEN 0 ELSE 1 END AS index_id, n.at AS partition_number,"
        " CAST(o.id AS BIGINT) * 1000 + n.at AS hobt_id,"
        " CASE WHEN n.at = 1 THEN coalesce(d.estimated_size, 0) ELSE 0 END AS rows,"
        " 4 AS data_compression, 'COLUMNSTORE' AS data_compression_desc"
        f" FROM {C}.objects o CROSS JOIN LATERAL (SELECT unnest(generate_series(1, 1 +"
        " coalesce(json_array_length(o.options, '$.partition.values'), 0)::BIGINT)) AS at) n LEFT JOIN duckdb_tables() d"
        " ON d.schema_name = o.schema AND d.table_name = o.name AND d.database_name = current_database()"
        " WHERE trim(o.kind) = 'U'",
    ),
    "stats": (
        "object_id int, name sysname, stats_id int, auto_created bit, user_created bit,"
        " no_recompute bit, has_filter bit, filter_definition nvarchar(max)",
        "SELECT object AS object_id, name, 1 + row_number() OVER (PARTITION BY object ORDER BY name)"
        " AS stats_id, false AS auto_created, true AS user_created, false AS no_recompute,"
        f" false AS has_filter, NULL AS filter_definition FROM {C}.parts WHERE kind = 'statistics'",
    ),
    "stats_columns": (
        "object_id int, stats_id int, stats_column_id int, column_id int",
        "SELECT k.object AS object_id, k.stats_id, k.at AS stats_column_id, c.ordinal AS column_id"
        " FROM (SELECT object, stats_id, generate_subscripts(keys, 1) AS at, unnest(keys) AS name FROM ("
        " SELECT object, 1 + row_number() OVER (PARTITION BY object ORDER BY name) AS stats_id,"
        f" json_extract_string(options, '$.columns[*]') AS keys FROM {C}.parts WHERE kind = 'statistics')) k"
        f" JOIN {C}.columns c ON c.object = k.object AND c.name = k.name",
    ),
    "sql_modules": (
        "object_id int, definition nvarchar(max), uses_ansi_nulls bit, uses_quoted_identifier bit,"
        " is_schema_bound bit, uses_database_collation bit, is_recompiled bit, null_on_null_input bit,"
        " execute_as_principal_id int",
        "SELECT object AS object_id, text AS definition, true AS uses_ansi_nulls,"
        " true AS uses_quoted_identifier, false AS is_schema_bound, true AS uses_database_collation,"
        " false AS is_recompiled, false AS null_on_null_input, NULL AS execute_as_principal_id"
        f" FROM {C}.modules",
    ),
    "parameters": (
        "object_id int, name sysname, parameter_id int, system_type_id tinyint, user_type_id int,"
        " max_length smallint, precision tinyint, scale tinyint, is_output bit, is_cursor_ref bit,"
        " has_default_value bit, default_value nvarchar(4000), is_readonly bit, is_nullable bit",
        "SELECT c.object AS object_id, c.name, c.at AS parameter_id, t.number AS system_type_id,"
        f" t.number AS user_type_id, {bytes_sql('c')} AS max_length, {precision_sql('c')} AS precision,"
        f" {scale_sql('c')} AS scale, c.out AS is_output, false AS is_cursor_ref,"
        " c.preset IS NOT NULL AS has_default_value, c.preset AS default_value, false AS is_readonly,"
        " true AS is_nullable FROM (SELECT object, at, json_extract_string(p, '$.name') AS name,"
        " json_extract_string(p, '$.type.name') AS type,"
        " CAST(json_extract_string(p, '$.type.length') AS INTEGER) AS length,"
        " CAST(json_extract_string(p, '$.type.precision') AS INTEGER) AS prec,"
        " CAST(json_extract_string(p, '$.type.scale') AS INTEGER) AS scale,"
        " CAST(json_extract_string(p, '$.output') AS BOOLEAN) AS out,"
        " json_extract_string(p, '$.default') AS preset FROM (SELECT object,"
        " generate_subscripts(json_extract(parameters, '$[*]'), 1) AS at,"
        f" unnest(json_extract(parameters, '$[*]')) AS p FROM {C}.modules)) c"
        f" JOIN {_TYPES} ON t.type = c.type",
    ),
    "pdw_table_distribution_properties": (
        "object_id int, distribution_policy tinyint, distribution_policy_desc nvarchar(60)",
        f"SELECT o.id AS object_id, CASE {_DISTRIBUTION} WHEN 'HASH' THEN 2 WHEN 'REPLICATE' THEN 3"
        f" ELSE 4 END AS distribution_policy, {_DISTRIBUTION} AS distribution_policy_desc"
        f" FROM {C}.objects o WHERE trim(o.kind) = 'U'",
    ),
    "pdw_column_distribution_properties": (
        "object_id int, column_id int, distribution_ordinal int",
        "SELECT c.object AS object_id, c.ordinal AS column_id, coalesce(list_position("
        "json_extract_string(o.options, '$.hash[*]'), c.name), 0) AS distribution_ordinal"
        f" FROM {C}.columns c JOIN {C}.objects o ON o.id = c.object WHERE trim(o.kind) = 'U'",
    ),
    "pdw_table_mappings": (
        "object_id int, physical_name nvarchar(36)",
        f"SELECT id AS object_id, 'Table_' || md5(CAST(id AS VARCHAR))[1:28] AS physical_name"
        f" FROM {C}.objects WHERE trim(kind) = 'U'",
    ),
    "database_principals": (
        "name sysname, principal_id int, type char(1), type_desc nvarchar(60),"
        " default_schema_name sysname, is_fixed_role bit, authentication_type int,"
        " authentication_type_desc nvarchar(60)",
        "SELECT name, principal_id, kind AS type, CASE kind WHEN 'R' THEN 'DATABASE_ROLE' WHEN 'E' THEN"
        " 'EXTERNAL_USER' WHEN 'X' THEN 'EXTERNAL_GROUP' ELSE 'SQL_USER' END AS type_desc,"
        " CASE WHEN kind <> 'R' THEN default_schema END AS default_schema_name,"
        " principal_id >= 16384 AND kind = 'R' AS is_fixed_role,"
        " CASE WHEN kind = 'S' THEN 1 WHEN kind IN ('E', 'X') THEN 4 ELSE 0 END AS authentication_type,"
        " CASE WHEN kind = 'S' THEN 'INSTANCE' WHEN kind IN ('E', 'X') THEN 'EXTERNAL' ELSE 'NONE' END"
        f" AS authentication_type_desc FROM {C}.principals",
    ),
    "database_role_members": (
        "role_principal_id int, member_principal_id int",
        "SELECT r.principal_id AS role_principal_id, p.principal_id AS member_principal_id"
        f" FROM {C}.members m JOIN {C}.principals r ON r.name = m.role"
        f" JOIN {C}.principals p ON p.name = m.member",
    ),
    "database_permissions": (
        "class tinyint, class_desc nvarchar(60), major_id int, minor_id int,"
        " grantee_principal_id int, grantor_principal_id int, type char(4),"
        " permission_name nvarchar(128), state char(1), state_desc nvarchar(60)",
        "SELECT CASE lower(g.class) WHEN 'object' THEN 1 WHEN 'schema' THEN 3 ELSE 0 END AS class,"
        " CASE lower(g.class) WHEN 'object' THEN 'OBJECT_OR_COLUMN' WHEN 'schema' THEN 'SCHEMA' ELSE"
        " 'DATABASE' END AS class_desc, coalesce(o.id, s.id, 0) AS major_id, 0 AS minor_id,"
        " p.principal_id AS grantee_principal_id, 1 AS grantor_principal_id,"
        " left(g.action, 4) AS type, g.action AS permission_name, left(g.state, 1) AS state,"
        f" g.state AS state_desc FROM {C}.grants g JOIN {C}.principals p ON p.name = g.principal"
        f" LEFT JOIN {C}.objects o ON lower(g.class) = 'object' AND o.schema = g.schema AND o.name = g.name"
        f" LEFT JOIN {C}.schemas s ON lower(g.class) = 'schema' AND s.name = coalesce(nullif(g.schema, ''), g.name)",
    ),
    "external_data_sources": (
        "data_source_id int, name sysname, location nvarchar(4000), type_desc nvarchar(255), type tinyint",
        "SELECT 65536 AS data_source_id, name, json_extract_string(options, '$.LOCATION') AS location,"
        f" 'HADOOP' AS type_desc, 0 AS type FROM {C}.externals WHERE kind = 'source'",
    ),
    "external_file_formats": (
        "file_format_id int, name sysname, format_type nvarchar(100), field_terminator nvarchar(10),"
        " string_delimiter nvarchar(10), first_row int, data_compression nvarchar(255), encoding nvarchar(10)",
        "SELECT 65536 AS file_format_id, name, json_extract_string(options, '$.FORMAT_TYPE') AS format_type,"
        " json_extract_string(options, '$.FIELD_TERMINATOR') AS field_terminator,"
        " json_extract_string(options, '$.STRING_DELIMITER') AS string_delimiter,"
        " CAST(json_extract_string(options, '$.FIRST_ROW') AS INTEGER) AS first_row,"
        " json_extract_string(options, '$.DATA_COMPRESSION') AS data_compression,"
        f" json_extract_string(options, '$.ENCODING') AS encoding FROM {C}.externals WHERE kind = 'format'",
    ),
    "database_scoped_credentials": (
        "name sysname, credential_id int, credential_identity nvarchar(4000)",
        "SELECT name, 65536 AS credential_id, json_extract_string(options, '$.IDENTITY') AS"
        f" credential_identity FROM {C}.externals WHERE kind = 'credential'",
    ),
    "key_constraints": (
        "name sysname, object_id int, schema_id int, parent_object_id int, type char(2),"
        " type_desc nvarchar(60), unique_index_id int, is_system_named bit, is_enforced bit",
        "SELECT p.name, p.object + 1 AS object_id, s.id AS schema_id, p.object AS parent_object_id,"
        " CASE WHEN json_extract_string(p.options, '$.primary') = 'true' THEN 'PK' ELSE 'UQ' END AS type,"
        " CASE WHEN json_extract_string(p.options, '$.primary') = 'true' THEN 'PRIMARY_KEY_CONSTRAINT' ELSE"
        " 'UNIQUE_CONSTRAINT' END AS type_desc, 2 AS unique_index_id, false AS is_system_named,"
        f" false AS is_enforced FROM {C}.parts p JOIN {C}.objects o ON o.id = p.object"
        f" JOIN {C}.schemas s ON s.name = o.schema WHERE p.kind = 'index' AND"
        " json_extract_string(p.options, '$.constraint') = 'true'",
    ),
    "foreign_keys": ("name sysname, object_id int, parent_object_id int, referenced_object_id int",
                     "SELECT '' AS name, 0 AS object_id, 0 AS parent_object_id, 0 AS referenced_object_id WHERE false"),
    "foreign_key_columns": (
        "constraint_object_id int, constraint_column_id int, parent_object_id int, parent_column_id int,"
        " referenced_object_id int, referenced_column_id int",
        "SELECT 0 AS constraint_object_id, 0 AS constraint_column_id, 0 AS parent_object_id, 0 AS"
        " parent_column_id, 0 AS referenced_object_id, 0 AS referenced_column_id WHERE false",
    ),
    "check_constraints": ("name sysname, object_id int, parent_object_id int, definition nvarchar(max)",
                          "SELECT '' AS name, 0 AS object_id, 0 AS parent_object_id, '' AS definition WHERE false"),
    "extended_properties": (
        "class tinyint, class_desc nvarchar(60), major_id int, minor_id int, name sysname, value sql_variant",
        "SELECT 0 AS class, '' AS class_desc, 0 AS major_id, 0 AS minor_id, '' AS name, '' AS value WHERE false",
    ),
    "triggers": ("name sysname, object_id int, parent_id int", "SELECT '' AS name, 0 AS object_id, 0 AS parent_id WHERE false"),
    "synonyms": ("name sysname, object_id int, schema_id int, base_object_name nvarchar(1035)",
                 "SELECT '' AS name, 0 AS object_id, 0 AS schema_id, '' AS base_object_name WHERE false"),
    "sequences": ("name sysname, object_id int, schema_id int", "SELECT '' AS name, 0 AS object_id, 0 AS schema_id WHERE false"),
    "table_types": ("name sysname, user_type_id int, type_table_object_id int, schema_id int",
                    "SELECT '' AS name, 0 AS user_type_id, 0 AS type_table_object_id, 0 AS schema_id WHERE false"),
    "sql_logins": ("name sysname, principal_id int", f"SELECT login AS name, principal_id FROM {C}.principals WHERE login <> ''"),
}  # fmt: skip
