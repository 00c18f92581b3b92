"""sys views of the server: databases, logins, settings."""

from __future__ import annotations

from emulators.warehouse.engine.catalog.shapes import COLLATION
from emulators.warehouse.engine.catalog.views import empty

_DATABASES = f"""SELECT d.name, d.id AS database_id, NULL AS source_database_id,
 unhex('01') AS owner_sid, TIMESTAMP '2020-01-01' AS create_date, 130 AS compatibility_level,
 '{COLLATION}' AS collation_name, 0 AS user_access, 'MULTI_USER' AS user_access_desc,
 false AS is_read_only, false AS is_auto_close_on, false AS is_auto_shrink_on, 0 AS state,
 'ONLINE' AS state_desc, false AS is_in_standby, false AS is_cleanly_shutdown,
 1 AS snapshot_isolation_state, 'ON' AS snapshot_isolation_state_desc,
 true AS is_read_committed_snapshot_on, 1 AS recovery_model, 'FULL' AS recovery_model_desc,
 true AS is_auto_create_stats_on, true AS is_auto_update_stats_on, true AS is_ansi_nulls_on,
 true AS is_quoted_identifier_on, false AS is_trustworthy_on, false AS is_db_chaining_on,
 false AS is_broker_enabled, false AS is_cdc_enabled, false AS is_encrypted,
 false AS is_result_set_caching_on, 0 AS containment, 'NONE' AS containment_desc
 FROM $databases"""
_LOGIN_SHAPE = (
    "name sysname, principal_id int, sid varbinary(85), type char(1), type_desc nvarchar(60),"
    " is_disabled bit, create_date datetime, modify_date datetime, default_database_name sysname,"
    " default_language_name sysname"
)
_LOGIN_ROWS = """SELECT l.name, CASE WHEN l.id = 1 THEN 1 ELSE 255 + l.id END AS principal_id,
 unhex('01') AS sid, 'S' AS type, 'SQL_LOGIN' AS type_desc, false AS is_disabled,
 TIMESTAMP '2020-01-01' AS create_date, TIMESTAMP '2020-01-01' AS modify_date,
 'master' AS default_database_name, 'us_english' AS default_language_name FROM $logins"""

VIEWS: dict[str, tuple[str, str]] = {
    "databases": (
        "name sysname, database_id int, source_database_id int, owner_sid varbinary(85),"
        " create_date datetime, compatibility_level tinyint, collation_name sysname,"
        " user_access tinyint, user_access_desc nvarchar(60), is_read_only bit,"
        " is_auto_close_on bit, is_auto_shrink_on bit, state tinyint, state_desc nvarchar(60),"
        " is_in_standby bit, is_cleanly_shutdown bit, snapshot_isolation_state tinyint,"
        " snapshot_isolation_state_desc nvarchar(60), is_read_committed_snapshot_on bit,"
        " recovery_model tinyint, recovery_model_desc nvarchar(60), is_auto_create_stats_on bit,"
        " is_auto_update_stats_on bit, is_ansi_nulls_on bit, is_quoted_identifier_on bit,"
        " is_trustworthy_on bit, is_db_chaining_on bit, is_broker_enabled bit,"
        " is_cdc_enabled bit, is_encrypted bit, is_result_set_caching_on bit,"
        " containment tinyint, containment_desc nvarchar(60)",
        _DATABASES,
    ),
    "sql_logins": (_LOGIN_SHAPE, _LOGIN_ROWS),
    "server_principals": (_LOGIN_SHAPE, _LOGIN_ROWS),
    "configurations": (
        "configuration_id int, name nvarchar(35), value int, minimum int, maximum int,"
        " value_in_use int, description nvarchar(255), is_dynamic bit, is_advanced bit",
        "SELECT i AS configuration_id, n AS name, v AS value, 0 AS minimum, 2147483647 AS maximum,"
        " v AS value_in_use, n AS description, true AS is_dynamic, false AS is_advanced FROM"
        " (VALUES (103, 'user connections', 0), (124, 'default language', 0),"
        " (115, 'nested triggers', 0), (1534, 'user options', 0)) AS t(i, n, v)",
    ),
    "database_service_objectives": (
        "database_id int, edition sysname, service_objective sysname, elastic_pool_name sysname",
        "SELECT d.id AS database_id, CASE WHEN d.id = 1 THEN 'System' ELSE 'DataWarehouse' END"
        " AS edition, CASE WHEN d.id = 1 THEN 'System0' ELSE 'DW100c' END AS service_objective,"
        " NULL AS elastic_pool_name FROM $databases",
    ),
    "filegroups": (
        "name sysname, data_space_id int, type char(2), type_desc nvarchar(60), is_default bit",
        "SELECT 'PRIMARY' AS name, 1 AS data_space_id, 'FG' AS type,"
        " 'ROWS_FILEGROUP' AS type_desc, true AS is_default",
    ),
    "data_spaces": (
        "name sysname, data_space_id int, type char(2), type_desc nvarchar(60), is_default bit",
        "SELECT 'PRIMARY' AS name, 1 AS data_space_id, 'FG' AS type,"
        " 'ROWS_FILEGROUP' AS type_desc, true AS is_default",
    ),
    "messages": empty(
        "message_id int, language_id smallint, severity tinyint, is_event_logged bit,"
        " text nvarchar(2048)"
    ),
    "servers": empty("server_id int, name sysname, product sysname, provider sysname"),
    "linked_logins": empty("server_id int, local_principal_id int, remote_name sysname"),
    "assemblies": empty("name sysname, principal_id int, assembly_id int"),
    "assembly_types": empty("name sysname, user_type_id int, assembly_id int"),
}
