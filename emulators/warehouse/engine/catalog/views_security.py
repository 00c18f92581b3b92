"""sys views of users, roles and rights."""

from __future__ import annotations

_RIGHTS = (
    ("SELECT", "SL"), ("INSERT", "IN"), ("UPDATE", "UP"), ("DELETE", "DL"), ("EXECUTE", "EX"),
    ("ALTER", "AL"), ("CONTROL", "CL"), ("REFERENCES", "RF"), ("VIEW DEFINITION", "VW"),
    ("CREATE TABLE", "CRTB"), ("CREATE VIEW", "CRVW"), ("CREATE PROCEDURE", "CRPR"),
    ("CREATE FUNCTION", "CRFN"), ("CREATE SCHEMA", "CRSM"), ("CONNECT", "CO"),
    ("ADMINISTER DATABASE BULK OPERATIONS", "DABO"), ("ALTER ANY SCHEMA", "ALSM"),
    ("VIEW DATABASE STATE", "VWDS"), ("TAKE OWNERSHIP", "TO"),
    ("ALTER ANY EXTERNAL DATA SOURCE", "AEDS"), ("ALTER ANY EXTERNAL FILE FORMAT", "AEFF"),
    ("UNMASK", "UMSK"),
)  # fmt: skip
_CODES = ", ".join(f"('{name}', '{code}')" for name, code in _RIGHTS)
_PRINCIPALS = """SELECT name, principal_id, CASE kind WHEN 'R' THEN 'R' WHEN 'E' THEN 'E' ELSE 'S'
 END AS type, CASE kind WHEN 'R' THEN 'DATABASE_ROLE' WHEN 'E' THEN 'EXTERNAL_USER'
 ELSE 'SQL_USER' END AS type_desc, CASE WHEN kind <> 'R' THEN nullif(default_schema, '') END
 AS default_schema_name, TIMESTAMP '2020-01-01' AS create_date,
 TIMESTAMP '2020-01-01' AS modify_date, CASE WHEN principal_id > 2 THEN 1 END
 AS owning_principal_id, CASE principal_id WHEN 0 THEN NULL WHEN 1 THEN unhex('01')
 ELSE unhex('0105' || lpad(printf('%x', principal_id), 8, '0')) END AS sid,
 principal_id BETWEEN 16384 AND 16399 AS is_fixed_role,
 CASE WHEN kind = 'R' THEN 0 WHEN kind = 'E' THEN 4 ELSE 1 END AS authentication_type,
 CASE WHEN kind = 'R' THEN 'NONE' WHEN kind = 'E' THEN 'EXTERNAL' ELSE 'INSTANCE' END
 AS authentication_type_desc, NULL AS default_language_name, NULL AS default_language_lcid,
 false AS allow_encrypted_value_modifications FROM $catalog.principals"""
_PERMISSIONS = f"""SELECT CASE g.class WHEN 'OBJECT' THEN 1 WHEN 'SCHEMA' THEN 3 ELSE 0 END
 AS class, CASE g.class WHEN 'OBJECT' THEN 'OBJECT_OR_COLUMN' ELSE g.class END AS class_desc,
 CASE g.class WHEN 'OBJECT' THEN o.id WHEN 'SCHEMA' THEN s.id ELSE 0 END AS major_id,
 0 AS minor_id, p.principal_id AS grantee_principal_id, 1 AS grantor_principal_id,
 rpad(c.code, 4, ' ') AS type, g.action AS permission_name, left(g.state, 1) AS state,
 g.state AS state_desc FROM $catalog.grants g
 JOIN $catalog.principals p ON p.name = g.principal
 LEFT JOIN (VALUES {_CODES}) AS c(action, code) ON c.action = g.action
 LEFT JOIN $catalog.schemas s ON s.name = g.schema
 LEFT JOIN $catalog.objects o ON o.schema = g.schema AND o.name = g.name
 UNION ALL SELECT 0, 'DATABASE', 0, 0, principal_id, 1, 'CO  ', 'CONNECT', 'G', 'GRANT'
 FROM $catalog.principals WHERE kind <> 'R' AND principal_id NOT IN (2, 3, 4)"""

VIEWS: dict[str, tuple[str, str]] = {
    "database_principals": (
        "name sysname, principal_id int, type char(1), type_desc nvarchar(60),"
        " default_schema_name sysname, create_date datetime, modify_date datetime,"
        " owning_principal_id int, sid varbinary(85), is_fixed_role bit, authentication_type int,"
        " authentication_type_desc nvarchar(60), default_language_name sysname,"
        " default_language_lcid int, allow_encrypted_value_modifications bit",
        _PRINCIPALS,
    ),
    "database_role_members": (
        "role_principal_id int, member_principal_id int",
        "SELECT r.principal_id AS role_principal_id, p.principal_id AS member_principal_id"
        " FROM $catalog.members m JOIN $catalog.principals r ON r.name = m.role"
        " JOIN $catalog.principals p ON p.name = m.member",
    ),
    "database_permissions": (
        "class tinyint, class_desc nvarchar(60), major_id int, minor_id int,"
        " grantee_principal_id int, grantor_principal_id int, type char(4),"
        " permission_name nvarchar(128), state char(1), state_desc nvarchar(60)",
        _PERMISSIONS,
    ),
}
