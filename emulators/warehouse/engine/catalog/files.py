"""The catalog's own tables inside a database's file, and what a new file begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA = "rehearsal_catalog"
SYSTEM_SCHEMAS = ("dbo", "guest", "INFORMATION_SCHEMA", "sys")
ROLE_SCHEMAS = (
    "db_owner", "db_accessadmin", "db_securityadmin", "db_ddladmin", "db_backupoperator",
    "db_datareader", "db_datawriter", "db_denydatareader", "db_denydatawriter",
)  # fmt: skip
FIRST_ROLE = 16384
FIRST_ID = 581_577_110
"""Object ids begin somewhere; SQL Server's look like this, too."""

_TABLES = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE SEQUENCE IF NOT EXISTS {SCHEMA}.ids START {FIRST_ID} INCREMENT 16;
CREATE TABLE IF NOT EXISTS {SCHEMA}.schemas(id INTEGER, name VARCHAR, owner VARCHAR);
CREATE TABLE IF NOT EXISTS {SCHEMA}.objects(
    id INTEGER, schema VARCHAR, name VARCHAR, kind VARCHAR, options VARCHAR,
    created TIMESTAMP, modified TIMESTAMP);
CREATE TABLE IF NOT EXISTS {SCHEMA}.columns(
    object INTEGER, ordinal INTEGER, name VARCHAR, type VARCHAR, length INTEGER, prec INTEGER,
    scale INTEGER, collated VARCHAR, nullable BOOLEAN, preset VARCHAR, seed BIGINT, step BIGINT,
    computed VARCHAR);
CREATE TABLE IF NOT EXISTS {SCHEMA}.modules(
    object INTEGER, text VARCHAR, body VARCHAR, body_line INTEGER, parameters VARCHAR,
    names VARCHAR, returns VARCHAR);
CREATE TABLE IF NOT EXISTS {SCHEMA}.parameters(
    object INTEGER, ordinal INTEGER, name VARCHAR, type VARCHAR, length INTEGER, prec INTEGER,
    scale INTEGER, output BOOLEAN, preset VARCHAR);
CREATE TABLE IF NOT EXISTS {SCHEMA}.parts(
    id INTEGER, kind VARCHAR, object INTEGER, name VARCHAR, number INTEGER, options VARCHAR,
    created TIMESTAMP);
CREATE TABLE IF NOT EXISTS {SCHEMA}.part_columns(
    part INTEGER, ordinal INTEGER, name VARCHAR, descending BOOLEAN, included BOOLEAN);
CREATE TABLE IF NOT EXISTS {SCHEMA}.externals(kind VARCHAR, name VARCHAR, options VARCHAR);
CREATE TABLE IF NOT EXISTS {SCHEMA}.system_objects(
    id INTEGER, schema VARCHAR, name VARCHAR, kind VARCHAR);
CREATE TABLE IF NOT EXISTS {SCHEMA}.system_columns(
    object INTEGER, ordinal INTEGER, name VARCHAR, type VARCHAR, length INTEGER, prec INTEGER,
    scale INTEGER);
CREATE TABLE IF NOT EXISTS {SCHEMA}.system_types(
    name VARCHAR, id INTEGER, user_id INTEGER, bytes INTEGER, prec INTEGER, scale INTEGER,
    textual BOOLEAN);
"""
_MACROS = (
    f"""CREATE OR REPLACE MACRO {SCHEMA}.defined(x) AS
CASE WHEN regexp_full_match(x, '[+-]?[0-9.]+([eE][+-]?[0-9]+)?') THEN '((' || x || '))'
WHEN x LIKE '(%)' THEN x ELSE '(' || x || ')' END""",
    f"""CREATE OR REPLACE MACRO {SCHEMA}.name_parts(x) AS
regexp_extract_all(replace(x, '..', '.' || chr(1) || '.'),
'\\[(?:[^\\]]|\\]\\])*\\]|"(?:[^"]|"")*"|[^.\\[\\]"]+')""",
    f"""CREATE OR REPLACE MACRO {SCHEMA}.unquoted(x) AS
CASE WHEN x = chr(1) THEN NULL WHEN x LIKE '[%]' THEN replace(x[2:-2], ']]', ']')
WHEN x LIKE '"%"' THEN replace(x[2:-2], '""', '"') ELSE trim(x) END""",
    f"""CREATE OR REPLACE MACRO {SCHEMA}.name_part(x, n) AS
{SCHEMA}.unquoted({SCHEMA}.name_parts(x)[-n])""",
)
"""A default as the catalog shows it; the parts of an object's name, counted from its end."""
# `parts` are what belongs to a table and has a name: indexes, statistics, constraints.


def prepare(con: DuckDBPyConnection) -> None:
    """Make the catalog's own tables in a database that is new."""
    from emulators.warehouse.engine.catalog import system

    for statement in _TABLES.split(";"):
        if statement.strip():
            con.execute(statement)
    for macro in _MACROS:
        con.execute(macro)
    known = {r[0] for r in con.execute(f"SELECT name FROM {SCHEMA}.schemas").fetchall()}
    first = [*enumerate(SYSTEM_SCHEMAS, 1), *enumerate(ROLE_SCHEMAS, FIRST_ROLE)]
    for number, name in first:
        if name not in known:
            owner = name if number != 1 else "dbo"
            con.execute(f"INSERT INTO {SCHEMA}.schemas VALUES (?, ?, ?)", [number, name, owner])
    con.execute('CREATE SCHEMA IF NOT EXISTS "dbo"')
    system.fill(con)
