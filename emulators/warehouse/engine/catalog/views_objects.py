"""sys views of schemas, objects of every kind, modules and their parameters."""

from __future__ import annotations

from emulators.warehouse.engine.catalog.shapes import measured
from emulators.warehouse.engine.catalog.views import empty

_DESCRIBED = """CASE kind WHEN 'U' THEN 'USER_TABLE' WHEN 'V' THEN 'VIEW'
 WHEN 'P' THEN 'SQL_STORED_PROCEDURE' WHEN 'FN' THEN 'SQL_SCALAR_FUNCTION'
 WHEN 'IF' THEN 'SQL_INLINE_TABLE_VALUED_FUNCTION' WHEN 'PK' THEN 'PRIMARY_KEY_CONSTRAINT'
 WHEN 'UQ' THEN 'UNIQUE_CONSTRAINT' WHEN 'D' THEN 'DEFAULT_CONSTRAINT' END"""
_OWN = """SELECT o.name, o.id, s.id AS schema_id, 0 AS parent, CASE o.kind WHEN 'ET' THEN 'U'
 ELSE o.kind END AS kind, o.created, o.modified, false AS shipped, o.kind = 'ET' AS external,
 o.options FROM $catalog.objects o JOIN $catalog.schemas s ON s.name = o.schema"""
_CONSTRAINTS = """SELECT p.name, p.id, s.id AS schema_id, o.id AS parent,
 json_extract_string(p.options, '$.type') AS kind, p.created, p.created AS modified,
 false AS shipped, false AS external, p.options FROM $catalog.parts p
 JOIN $catalog.objects o ON o.id = p.object JOIN $catalog.schemas s ON s.name = o.schema
 WHERE p.kind = 'constraint'"""
_SHIPPED = """SELECT o.name, o.id, s.id AS schema_id, 0 AS parent, o.kind,
 TIMESTAMP '2020-01-01' AS created, TIMESTAMP '2020-01-01' AS modified, true AS shipped,
 false AS external, '{}' AS options FROM $catalog.system_objects o
 JOIN $catalog.schemas s ON s.name = o.schema"""
_USERS = f"{_OWN} UNION ALL {_CONSTRAINTS}"


def _told(rows: str, where: str = "true", more: str = "") -> str:
    """Rows as sys.objects has them."""
    return f"""SELECT name, id AS object_id, NULL AS principal_id, schema_id,
 parent AS parent_object_id, rpad(kind, 2, ' ') AS type, {_DESCRIBED} AS type_desc,
 created AS create_date, modified AS modify_date, shipped AS is_ms_shipped,
 false AS is_published, false AS is_schema_published{more} FROM ({rows}) WHERE {where}"""


_SHAPE = (
    "name sysname, object_id int, principal_id int, schema_id int, parent_object_id int,"
    " type char(2), type_desc nvarchar(60), create_date datetime, modify_date datetime,"
    " is_ms_shipped bit, is_published bit, is_schema_published bit"
)
_TABLE_SHAPE = (
    f"{_SHAPE}, lob_data_space_id int, filestream_data_space_id int, max_column_id_used int,"
    " lock_on_bulk_load bit, uses_ansi_nulls bit, is_replicated bit, has_replication_filter bit,"
    " is_merge_published bit, is_sync_tran_subscribed bit, has_unchecked_assembly_data bit,"
    " text_in_row_limit int, large_value_types_out_of_row bit, is_tracked_by_cdc bit,"
    " lock_escalation tinyint, lock_escalation_desc nvarchar(60), is_filetable bit,"
    " is_memory_optimized bit, durability tinyint, durability_desc nvarchar(60),"
    " temporal_type tinyint, temporal_type_desc nvarchar(60), history_table_id int,"
    " is_remote_data_archive_enabled bit, is_external bit, is_node bit, is_edge bit"
)
_TABLE_MORE = """, 0 AS lob_data_space_id, NULL AS filestream_data_space_id,
 (SELECT coalesce(max(c.ordinal), 0) FROM $catalog.columns c WHERE c.object = id)
 AS max_column_id_used, false AS lock_on_bulk_load, true AS uses_ansi_nulls, false AS is_replicated,
 false AS has_replication_filter, false AS is_merge_published, false AS is_sync_tran_subscribed,
 false AS has_unchecked_assembly_data, 0 AS text_in_row_limit,
 false AS large_value_types_out_of_row, false AS is_tracked_by_cdc, 0 AS lock_escalation,
 'TABLE' AS lock_escalation_desc, false AS is_filetable, false AS is_memory_optimized,
 0 AS durability, 'SCHEMA_AND_DATA' AS durability_desc, 0 AS temporal_type,
 'NON_TEMPORAL_TABLE' AS temporal_type_desc, NULL AS history_table_id,
 false AS is_remote_data_archive_enabled, external AS is_external, false AS is_node,
 false AS is_edge"""
_VIEW_SHAPE = (
    f"{_SHAPE}, is_replicated bit, has_replication_filter bit, has_opaque_metadata bit,"
    " has_unchecked_assembly_data bit, with_check_option bit, is_date_correlation_view bit"
)
_VIEW_MORE = """, false AS is_replicated, false AS has_replication_filter,
 false AS has_opaque_metadata, false AS has_unchecked_assembly_data, false AS with_check_option,
 false AS is_date_correlation_view"""
_PROCEDURE_SHAPE = (
    f"{_SHAPE}, is_auto_executed bit, is_execution_replicated bit,"
    " is_repl_serializable_only bit, skips_repl_constraints bit"
)
_PROCEDURE_MORE = """, false AS is_auto_executed, false AS is_execution_replicated,
 false AS is_repl_serializable_only, false AS skips_repl_constraints"""
_MODULE_SHAPE = (
    "object_id int, definition nvarchar(max), uses_ansi_nulls bit, uses_quoted_identifier bit,"
    " is_schema_bound bit, uses_database_collation bit, is_recompiled bit,"
    " null_on_null_input bit, execute_as_principal_id int, uses_native_compilation bit"
)
_MODULES = """SELECT object AS object_id, text AS definition, true AS uses_ansi_nulls,
 true AS uses_quoted_identifier, false AS is_schema_bound, false AS uses_database_collation,
 false AS is_recompiled, false AS null_on_null_input, NULL AS execute_as_principal_id,
 false AS uses_native_compilation FROM $catalog.modules"""
_PARAMETER_SHAPE = (
    "object_id int, name sysname, parameter_id int, system_type_id tinyint, user_type_id int,"
    " max_length smallint, precision tinyint, scale tinyint, is_output bit, is_cursor_ref bit,"
    " has_default_value bit, is_xml_document bit, default_value nvarchar(4000),"
    " xml_collection_id int, is_readonly bit, is_nullable bit"
)
_PARAMETERS = f"""SELECT object AS object_id, name, ordinal AS parameter_id,
 type_id AS system_type_id, user_id AS user_type_id, max_length, digits AS precision,
 places AS scale, output AS is_output, false AS is_cursor_ref, false AS has_default_value,
 false AS is_xml_document, NULL AS default_value, 0 AS xml_collection_id, false AS is_readonly,
 true AS is_nullable FROM ({measured("SELECT * FROM $catalog.parameters")})"""

VIEWS: dict[str, tuple[str, str]] = {
    "schemas": (
        "name sysname, schema_id int, principal_id int",
        "SELECT s.name, s.id AS schema_id, coalesce(p.principal_id, 1) AS principal_id"
        " FROM $catalog.schemas s LEFT JOIN $catalog.principals p ON p.name = s.owner",
    ),
    "objects": (_SHAPE, _told(_USERS)),
    "all_objects": (_SHAPE, _told(f"{_USERS} UNION ALL {_SHIPPED}")),
    "system_objects": (_SHAPE, _told(_SHIPPED)),
    "tables": (_TABLE_SHAPE, _told(_OWN, "kind = 'U'", _TABLE_MORE)),
    "views": (_VIEW_SHAPE, _told(_OWN, "kind = 'V'", _VIEW_MORE)),
    "system_views": (_VIEW_SHAPE, _told(_SHIPPED, "kind = 'V'", _VIEW_MORE)),
    "all_views": (_VIEW_SHAPE, _told(f"{_OWN} UNION ALL {_SHIPPED}", "kind = 'V'", _VIEW_MORE)),
    "procedures": (_PROCEDURE_SHAPE, _told(_OWN, "kind = 'P'", _PROCEDURE_MORE)),
    "sql_modules": (_MODULE_SHAPE, _MODULES),
    "all_sql_modules": (_MODULE_SHAPE, _MODULES),
    "parameters": (_PARAMETER_SHAPE, _PARAMETERS),
    "all_parameters": (_PARAMETER_SHAPE, _PARAMETERS),
    "triggers": empty(
        "name sysname, object_id int, parent_class tinyint, parent_class_desc nvarchar(60),"
        " parent_id int, type char(2), type_desc nvarchar(60), create_date datetime,"
        " modify_date datetime, is_ms_shipped bit, is_disabled bit, is_instead_of_trigger bit"
    ),
    "synonyms": empty(f"{_SHAPE}, base_object_name nvarchar(1035)"),
    "sequences": empty(f"{_SHAPE}, start_value bigint, increment bigint, current_value bigint"),
    "table_types": empty(
        "name sysname, system_type_id tinyint, user_type_id int, schema_id int,"
        " type_table_object_id int, is_user_defined bit"
    ),
    "extended_properties": empty(
        "class tinyint, class_desc nvarchar(60), major_id int, minor_id int, name sysname,"
        " value nvarchar(4000)"
    ),
    "sql_expression_dependencies": empty(
        "referencing_id int, referencing_minor_id int, referenced_schema_name sysname,"
        " referenced_entity_name sysname, referenced_id int"
    ),
}
