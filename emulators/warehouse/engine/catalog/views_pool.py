"""sys views that dedicated pools add: distributions, mappings, what lies outside."""

from __future__ import annotations

_POLICY = "coalesce(json_extract_string(o.options, '$.distribution'), 'ROUND_ROBIN')"
_TABLE = (
    "name sysname, object_id int, principal_id int, schema_id int, parent_object_id int,"
    " type char(2), type_desc nvarchar(60), create_date datetime, modify_date datetime"
)


def _option(word: str) -> str:
    """An option of an external object, in whatever case it was kept."""
    return (
        f"coalesce(json_extract_string(options, '$.{word}'),"
        f" json_extract_string(options, '$.{word.lower()}'))"
    )


VIEWS: dict[str, tuple[str, str]] = {
    "pdw_table_distribution_properties": (
        "object_id int, distribution_policy tinyint, distribution_policy_desc nvarchar(60)",
        f"SELECT o.id AS object_id, CASE {_POLICY} WHEN 'HASH' THEN 2 WHEN 'REPLICATE' THEN 3"
        f" ELSE 4 END AS distribution_policy, {_POLICY} AS distribution_policy_desc"
        " FROM $catalog.objects o WHERE o.kind = 'U'",
    ),
    "pdw_column_distribution_properties": (
        "object_id int, column_id int, distribution_ordinal int",
        "SELECT c.object AS object_id, c.ordinal AS column_id, coalesce(list_position("
        "list_transform(json_extract_string(o.options, '$.hash[*]'), lambda x: lower(x)),"
        " lower(c.name)), 0) AS distribution_ordinal FROM $catalog.columns c"
        " JOIN $catalog.objects o ON o.id = c.object WHERE o.kind = 'U'",
    ),
    "pdw_table_mappings": (
        "physical_name nvarchar(36), object_id int",
        "SELECT 'Table_' || left(md5(CAST(id AS VARCHAR)), 28) AS physical_name, id AS object_id"
        " FROM $catalog.objects WHERE kind = 'U'",
    ),
    "pdw_permanent_table_mappings": (
        "physical_name nvarchar(36), object_id int",
        "SELECT 'Table_' || left(md5(CAST(id AS VARCHAR)), 28) AS physical_name, id AS object_id"
        " FROM $catalog.objects WHERE kind = 'U'",
    ),
    "pdw_distributions": (
        "distribution_id int, pdw_node_id int, name nvarchar(32), position int",
        "SELECT n AS distribution_id, 1 AS pdw_node_id, 'Distribution_' || n AS name,"
        ' n AS "position" FROM (SELECT unnest(generate_series(1, 60)) AS n)',
    ),
    "external_tables": (
        f"{_TABLE}, max_column_id_used int, uses_ansi_nulls bit, data_source_id int,"
        " file_format_id int, location nvarchar(4000), reject_type nvarchar(20),"
        " reject_value float, reject_sample_value float",
        "SELECT o.name, o.id AS object_id, NULL AS principal_id, s.id AS schema_id,"
        " 0 AS parent_object_id, 'U ' AS type, 'USER_TABLE' AS type_desc,"
        " o.created AS create_date, o.modified AS modify_date, (SELECT max(c.ordinal)"
        " FROM $catalog.columns c WHERE c.object = o.id) AS max_column_id_used,"
        " true AS uses_ansi_nulls, 65536 AS data_source_id, 65536 AS file_format_id,"
        f" {_option('LOCATION')} AS location, {_option('REJECT_TYPE')} AS reject_type,"
        f" TRY_CAST({_option('REJECT_VALUE')} AS DOUBLE) AS reject_value,"
        " NULL AS reject_sample_value FROM $catalog.objects o"
        " JOIN $catalog.schemas s ON s.name = o.schema WHERE o.kind = 'ET'",
    ),
    "external_data_sources": (
        "data_source_id int, name sysname, location nvarchar(4000), type_desc nvarchar(255),"
        " type tinyint, resource_manager_location nvarchar(4000), credential_id int,"
        " database_name sysname, shard_map_name sysname",
        "SELECT 65535 + row_number() OVER (ORDER BY name) AS data_source_id, name,"
        f" {_option('LOCATION')} AS location, coalesce({_option('TYPE')}, 'HADOOP') AS type_desc,"
        " 0 AS type, NULL AS resource_manager_location, 0 AS credential_id,"
        " NULL AS database_name, NULL AS shard_map_name"
        " FROM $catalog.externals WHERE kind = 'source'",
    ),
    "external_file_formats": (
        "file_format_id int, name sysname, format_type nvarchar(100),"
        " field_terminator nvarchar(10), string_delimiter nvarchar(10), date_format nvarchar(50),"
        " use_type_default bit, serde_method nvarchar(255), row_terminator nvarchar(10),"
        " encoding nvarchar(10), data_compression nvarchar(255), first_row int",
        "SELECT 65535 + row_number() OVER (ORDER BY name) AS file_format_id, name,"
        f" {_option('FORMAT_TYPE')} AS format_type, {_option('FIELD_TERMINATOR')}"
        f" AS field_terminator, {_option('STRING_DELIMITER')} AS string_delimiter,"
        f" {_option('DATE_FORMAT')} AS date_format,"
        f" coalesce(lower({_option('USE_TYPE_DEFAULT')}) = 'true', false) AS use_type_default,"
        f" {_option('SERDE_METHOD')} AS serde_method, '\\n' AS row_terminator,"
        f" coalesce({_option('ENCODING')}, 'UTF8') AS encoding,"
        f" {_option('DATA_COMPRESSION')} AS data_compression,"
        f" TRY_CAST(coalesce({_option('FIRST_ROW')}, '1') AS INTEGER) AS first_row"
        " FROM $catalog.externals WHERE kind = 'format'",
    ),
    "database_scoped_credentials": (
        "name sysname, principal_id int, credential_id int, credential_identity nvarchar(4000),"
        " create_date datetime, modify_date datetime, target_type nvarchar(100), target_id int",
        "SELECT name, 1 AS principal_id, 65535 + row_number() OVER (ORDER BY name)"
        f" AS credential_id, {_option('IDENTITY')} AS credential_identity, NULL AS create_date,"
        " NULL AS modify_date, NULL AS target_type, NULL AS target_id"
        " FROM $catalog.externals WHERE kind = 'credential'",
    ),
}
