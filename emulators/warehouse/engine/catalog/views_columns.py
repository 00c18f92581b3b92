"""sys views of columns and types."""

from __future__ import annotations

from emulators.warehouse.engine.catalog.shapes import COLLATION, measured
from emulators.warehouse.engine.catalog.views import empty

_SHAPE = (
    "object_id int, name sysname, column_id int, system_type_id tinyint, user_type_id int,"
    " max_length smallint, precision tinyint, scale tinyint, collation_name sysname,"
    " is_nullable bit, is_ansi_padded bit, is_rowguidcol bit, is_identity bit, is_computed bit,"
    " is_filestream bit, is_replicated bit, is_non_sql_subscribed bit, is_merge_published bit,"
    " is_dts_replicated bit, is_xml_document bit, xml_collection_id int, default_object_id int,"
    " rule_object_id int, is_sparse bit, is_column_set bit, generated_always_type tinyint,"
    " generated_always_type_desc nvarchar(60), encryption_type int,"
    " encryption_type_desc nvarchar(64), encryption_algorithm_name sysname,"
    " column_encryption_key_id int, column_encryption_key_database_name sysname, is_hidden bit,"
    " is_masked bit"
)
_SYSTEM = """SELECT object, ordinal, name, type, length, prec, scale, NULL AS collated,
 true AS nullable, '' AS preset, NULL AS seed, NULL AS step, '' AS computed
 FROM $catalog.system_columns"""


def _told(rows: str) -> str:
    """Rows of columns as sys.columns has them; seed and step beside."""
    return f"""SELECT c.object AS object_id, c.name, c.ordinal AS column_id,
 c.type_id AS system_type_id, c.user_id AS user_type_id, c.max_length, c.digits AS precision,
 c.places AS scale, CASE WHEN c.textual THEN coalesce(c.collated, '{COLLATION}') END
 AS collation_name, c.nullable AS is_nullable,
 c.type IN ('char', 'varchar', 'binary', 'varbinary', 'nchar', 'nvarchar') AS is_ansi_padded,
 false AS is_rowguidcol, c.seed IS NOT NULL AS is_identity, false AS is_computed,
 false AS is_filestream, false AS is_replicated, false AS is_non_sql_subscribed,
 false AS is_merge_published, false AS is_dts_replicated, false AS is_xml_document,
 0 AS xml_collection_id, coalesce(d.id, 0) AS default_object_id, 0 AS rule_object_id,
 false AS is_sparse, false AS is_column_set, 0 AS generated_always_type,
 'NOT_APPLICABLE' AS generated_always_type_desc, NULL AS encryption_type,
 NULL AS encryption_type_desc, NULL AS encryption_algorithm_name,
 NULL AS column_encryption_key_id, NULL AS column_encryption_key_database_name,
 false AS is_hidden, false AS is_masked, c.seed, c.step
 FROM ({measured(rows)}) c LEFT JOIN (SELECT p.id, p.object, k.name FROM $catalog.parts p
 JOIN $catalog.part_columns k ON k.part = p.id WHERE p.kind = 'constraint'
 AND json_extract_string(p.options, '$.type') = 'D') d ON d.object = c.object AND d.name = c.name"""


_OWN = "SELECT * FROM $columns"
_IDENTITY = f"""SELECT i.*, i.seed AS seed_value, i.step AS increment_value,
 q.last_value AS last_value, false AS is_not_for_replication FROM ({_told(_OWN)}) i
 JOIN $catalog.objects o ON o.id = i.object_id LEFT JOIN duckdb_sequences() q
 ON q.schema_name || '.' || q.sequence_name = json_extract_string(o.options, '$.sequence')
 WHERE i.is_identity"""
_DEFAULTS = """SELECT p.name, p.id AS object_id, NULL AS principal_id, s.id AS schema_id,
 o.id AS parent_object_id, 'D ' AS type, 'DEFAULT_CONSTRAINT' AS type_desc,
 p.created AS create_date, p.created AS modify_date, false AS is_ms_shipped,
 false AS is_published, false AS is_schema_published, c.ordinal AS parent_column_id,
 $catalog.defined(json_extract_string(p.options, '$.definition')) AS definition,
 json_extract_string(p.options, '$.named') = 'false' AS is_system_named
 FROM $catalog.parts p JOIN $catalog.part_columns k ON k.part = p.id
 JOIN $catalog.objects o ON o.id = p.object JOIN $catalog.schemas s ON s.name = o.schema
 JOIN $catalog.columns c ON c.object = o.id AND c.name = k.name
 WHERE p.kind = 'constraint' AND json_extract_string(p.options, '$.type') = 'D'"""
_TYPES = f"""SELECT name, id AS system_type_id, user_id AS user_type_id, 4 AS schema_id,
 NULL AS principal_id, bytes AS max_length, prec AS precision, scale,
 CASE WHEN textual THEN '{COLLATION}' END AS collation_name, true AS is_nullable,
 false AS is_user_defined, false AS is_assembly_type, 0 AS default_object_id,
 0 AS rule_object_id, false AS is_table_type FROM (SELECT CASE name WHEN 'rowversion'
 THEN 'timestamp' ELSE name END AS name, * EXCLUDE (name) FROM $catalog.system_types)
 UNION ALL SELECT 'sysname', 231, 256, 4, NULL, 256, 0, 0, '{COLLATION}', false, false, false, 0,
 0, false"""

VIEWS: dict[str, tuple[str, str]] = {
    "columns": (_SHAPE, _told(_OWN)),
    "system_columns": (_SHAPE, _told(_SYSTEM)),
    "all_columns": (_SHAPE, _told(f"{_OWN} UNION ALL {_SYSTEM}")),
    "identity_columns": (
        f"{_SHAPE}, seed_value bigint, increment_value bigint, last_value bigint,"
        " is_not_for_replication bit",
        _IDENTITY,
    ),
    "computed_columns": empty(f"{_SHAPE}, definition nvarchar(max), is_persisted bit"),
    "masked_columns": empty(f"{_SHAPE}, masking_function nvarchar(4000)"),
    "default_constraints": (
        "name sysname, object_id int, principal_id int, schema_id int, parent_object_id int,"
        " type char(2), type_desc nvarchar(60), create_date datetime, modify_date datetime,"
        " is_ms_shipped bit, is_published bit, is_schema_published bit, parent_column_id int,"
        " definition nvarchar(max), is_system_named bit",
        _DEFAULTS,
    ),
    "types": (
        "name sysname, system_type_id tinyint, user_type_id int, schema_id int, principal_id int,"
        " max_length smallint, precision tinyint, scale tinyint, collation_name sysname,"
        " is_nullable bit, is_user_defined bit, is_assembly_type bit, default_object_id int,"
        " rule_object_id int, is_table_type bit",
        _TYPES,
    ),
}
