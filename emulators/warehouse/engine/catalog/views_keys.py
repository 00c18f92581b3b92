"""sys views of indexes, statistics, partitions and keys."""

from __future__ import annotations

from emulators.warehouse.engine.catalog.views import empty

_KIND = "json_extract_string(p.options, '$.type')"
_KEY = "json_extract_string(p.options, '$.key')"
_INDEXES = f"""SELECT p.object AS object_id, nullif(p.name, '') AS name, p.number AS index_id,
 CASE {_KIND} WHEN 'HEAP' THEN 0 WHEN 'CLUSTERED' THEN 1 WHEN 'NONCLUSTERED' THEN 2
 WHEN 'CLUSTERED COLUMNSTORE' THEN 5 ELSE 6 END AS type, {_KIND} AS type_desc,
 coalesce(json_extract_string(p.options, '$.unique') = 'true', false) AS is_unique,
 1 AS data_space_id, false AS ignore_dup_key, coalesce({_KEY} = 'PK', false) AS is_primary_key,
 coalesce({_KEY} = 'UQ', false) AS is_unique_constraint, 0 AS fill_factor, false AS is_padded,
 false AS is_disabled, false AS is_hypothetical, false AS is_ignored_in_optimization,
 true AS allow_row_locks, true AS allow_page_locks, false AS has_filter,
 NULL AS filter_definition, NULL AS compression_delay, false AS suppress_dup_key_messages,
 true AS auto_created, false AS optimize_for_sequential_key
 FROM $catalog.parts p WHERE p.kind = 'index'"""
_INDEX_COLUMNS = """SELECT p.object AS object_id, p.number AS index_id,
 k.ordinal AS index_column_id, c.ordinal AS column_id,
 CASE WHEN k.included THEN 0 ELSE k.ordinal END AS key_ordinal,
 CASE WHEN p.number <= 1 AND lower(json_extract_string(o.options, '$.partition.column'))
  = lower(c.name) THEN 1 ELSE 0 END AS partition_ordinal, k.descending AS is_descending_key,
 k.included AS is_included_column,
 CASE WHEN p.number = 1 THEN coalesce(list_position(json_extract_string(o.options, '$.order[*]'),
  c.name), 0) ELSE 0 END AS column_store_order_ordinal
 FROM $catalog.parts p JOIN $catalog.part_columns k ON k.part = p.id
 JOIN $catalog.objects o ON o.id = p.object
 JOIN $catalog.columns c ON c.object = p.object AND c.name = k.name WHERE p.kind = 'index'"""
_STATISTICS = f"""SELECT p.object AS object_id, p.name, p.number AS stats_id,
 false AS auto_created, p.kind = 'statistics' AS user_created, false AS no_recompute,
 false AS has_filter, NULL AS filter_definition, false AS is_temporary, false AS is_incremental
 FROM $catalog.parts p WHERE p.kind = 'statistics' OR (p.kind = 'index' AND {_KIND} <> 'HEAP')"""
_STATISTICS_COLUMNS = f"""SELECT p.object AS object_id, p.number AS stats_id,
 k.ordinal AS stats_column_id, c.ordinal AS column_id FROM $catalog.parts p
 JOIN $catalog.part_columns k ON k.part = p.id
 JOIN $catalog.columns c ON c.object = p.object AND c.name = k.name
 WHERE p.kind = 'statistics' OR (p.kind = 'index' AND {_KIND} IN ('CLUSTERED', 'NONCLUSTERED'))"""
_PARTS = """SELECT o.id AS object, n.at,
 coalesce(json_array_length(o.options, '$.partition.values'), 0) AS boundaries
 FROM $catalog.objects o CROSS JOIN LATERAL (SELECT unnest(generate_series(1,
 1 + coalesce(json_array_length(o.options, '$.partition.values'), 0)::BIGINT)) AS at) n
 WHERE o.kind = 'U'"""
# Rows are not kept by partitions: all are counted in the first.
_PARTITIONS = f"""SELECT CAST(p.id AS BIGINT) * 65536 + n.at AS partition_id,
 p.object AS object_id, p.number AS index_id, n.at AS partition_number,
 CAST(p.id AS BIGINT) * 65536 + n.at AS hobt_id, CASE WHEN n.at = 1 THEN r.rows ELSE 0 END AS rows,
 0 AS filestream_filegroup_id, CASE WHEN {_KIND} LIKE '%COLUMNSTORE' THEN 3 ELSE 0 END
 AS data_compression, CASE WHEN {_KIND} LIKE '%COLUMNSTORE' THEN 'COLUMNSTORE' ELSE 'NONE' END
 AS data_compression_desc FROM $catalog.parts p JOIN ({_PARTS}) n ON n.object = p.object
 JOIN $counts r ON r.object = p.object WHERE p.kind = 'index'"""
_PARTITION_STATS = f"""SELECT partition_id, object_id, index_id, partition_number,
 rows AS row_count, 0 AS reserved_page_count, 0 AS used_page_count FROM ({_PARTITIONS})"""
_KEYS = """SELECT p.name, p.id AS object_id, NULL AS principal_id, s.id AS schema_id,
 p.object AS parent_object_id, json_extract_string(p.options, '$.type') AS type,
 CASE json_extract_string(p.options, '$.type') WHEN 'PK' THEN 'PRIMARY_KEY_CONSTRAINT'
  ELSE 'UNIQUE_CONSTRAINT' END AS type_desc, p.created AS create_date, p.created AS modify_date,
 false AS is_ms_shipped, false AS is_published, false AS is_schema_published,
 CAST(json_extract_string(p.options, '$.index') AS INTEGER) AS unique_index_id,
 json_extract_string(p.options, '$.named') = 'false' AS is_system_named,
 json_extract_string(p.options, '$.enforced') = 'true' AS is_enforced
 FROM $catalog.parts p JOIN $catalog.objects o ON o.id = p.object
 JOIN $catalog.schemas s ON s.name = o.schema
 WHERE p.kind = 'constraint' AND json_extract_string(p.options, '$.type') IN ('PK', 'UQ')"""
_OBJECT = (
    "name sysname, object_id int, principal_id int, schema_id int, parent_object_id int,"
    " type char(2), type_desc nvarchar(60), create_date datetime, modify_date datetime,"
    " is_ms_shipped bit, is_published bit, is_schema_published bit"
)
_PARTITION_SHAPE = (
    "partition_id bigint, object_id int, index_id int, partition_number int, hobt_id bigint,"
    " rows bigint, filestream_filegroup_id smallint, data_compression tinyint,"
    " data_compression_desc nvarchar(60)"
)

VIEWS: dict[str, tuple[str, str]] = {
    "indexes": (
        "object_id int, name sysname, index_id int, type tinyint, type_desc nvarchar(60),"
        " is_unique bit, data_space_id int, ignore_dup_key bit, is_primary_key bit,"
        " is_unique_constraint bit, fill_factor tinyint, is_padded bit, is_disabled bit,"
        " is_hypothetical bit, is_ignored_in_optimization bit, allow_row_locks bit,"
        " allow_page_locks bit, has_filter bit, filter_definition nvarchar(max),"
        " compression_delay int, suppress_dup_key_messages bit, auto_created bit,"
        " optimize_for_sequential_key bit",
        _INDEXES,
    ),
    "index_columns": (
        "object_id int, index_id int, index_column_id int, column_id int, key_ordinal tinyint,"
        " partition_ordinal tinyint, is_descending_key bit, is_included_column bit,"
        " column_store_order_ordinal tinyint",
        _INDEX_COLUMNS,
    ),
    "stats": (
        "object_id int, name sysname, stats_id int, auto_created bit, user_created bit,"
        " no_recompute bit, has_filter bit, filter_definition nvarchar(max), is_temporary bit,"
        " is_incremental bit",
        _STATISTICS,
    ),
    "stats_columns": (
        "object_id int, stats_id int, stats_column_id int, column_id int",
        _STATISTICS_COLUMNS,
    ),
    "partitions": (_PARTITION_SHAPE, _PARTITIONS),
    "dm_db_partition_stats": (
        "partition_id bigint, object_id int, index_id int, partition_number int,"
        " row_count bigint, reserved_page_count bigint, used_page_count bigint",
        _PARTITION_STATS,
    ),
    "key_constraints": (
        f"{_OBJECT}, unique_index_id int, is_system_named bit, is_enforced bit",
        _KEYS,
    ),
    "foreign_keys": empty(
        f"{_OBJECT}, referenced_object_id int, key_index_id int, is_disabled bit,"
        " is_not_for_replication bit, is_not_trusted bit, delete_referential_action tinyint,"
        " delete_referential_action_desc nvarchar(60), update_referential_action tinyint,"
        " update_referential_action_desc nvarchar(60), is_system_named bit"
    ),
    "foreign_key_columns": empty(
        "constraint_object_id int, constraint_column_id int, parent_object_id int,"
        " parent_column_id int, referenced_object_id int, referenced_column_id int"
    ),
    "check_constraints": empty(
        f"{_OBJECT}, is_disabled bit, is_not_for_replication bit, is_not_trusted bit,"
        " parent_column_id int, definition nvarchar(max), uses_database_collation bit,"
        " is_system_named bit"
    ),
}
