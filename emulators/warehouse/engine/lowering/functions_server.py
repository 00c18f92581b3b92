"""Functions that tell of the server, its databases, principals and rights."""

from __future__ import annotations

from typing import Any

from emulators.warehouse.engine.catalog import written
from emulators.warehouse.engine.catalog.catalog import SCHEMA
from emulators.warehouse.engine.catalog.shapes import COLLATION
from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.converting import text_of
from emulators.warehouse.engine.lowering.functions import Called, Function
from emulators.warehouse.engine.lowering.kinds import INT, Typed, duck, quoted
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import refused

_NAME = SqlType("nvarchar", 128)


def _typed(sql: str, kind: SqlType) -> Typed:
    return Typed(f"CAST({sql} AS {duck(kind)})", kind, True)


def _constant(called: Called, at: int) -> str:
    """A word that must be a constant.

    Raises:
        SqlError: it is not.
    """
    literal = called.values[at].literal
    if literal is None:
        what = f"{called.name} with argument {at + 1} that is no constant"
        raise refused(what, called.asked.line)
    return literal.strip()


def _told(value: Any) -> Typed:
    """A property's value: SQL Server's are sql_variant, these are text."""
    return _typed("NULL" if value is None else quoted(str(value)), _NAME)


def _database_id(called: Called) -> Typed:
    given = called.need(0, 1)
    env = called.binder.lowering.env
    name = text_of(given[0]).sql if given else quoted(env.database)
    whens = " ".join(
        f"WHEN {quoted(known.lower())} THEN {at}" for known, at in written.databases(env).items()
    )
    called.binder.lowering.cacheable = False
    return _typed(f"CASE lower({name}) {whens} END", INT)


def _database_name(called: Called) -> Typed:
    given = called.need(0, 1)
    env = called.binder.lowering.env
    if not given:
        return _typed(quoted(env.database), _NAME)
    whens = " ".join(
        f"WHEN {at} THEN {quoted(known)}" for known, at in written.databases(env).items()
    )
    called.binder.lowering.cacheable = False
    return _typed(f"CASE {convert(given[0], INT).sql} {whens} END", _NAME)


_SERVER: dict[str, dict[str, Any]] = {
    "synapse": {
        "edition": "SQL Azure", "engineedition": 6, "productversion": "10.0.16003.0",
        "productmajorversion": 10, "productminorversion": 0, "productbuild": 16003,
    },
    "managed-instance": {
        "edition": "SQL Azure", "engineedition": 8, "productversion": "12.0.2000.8",
        "productmajorversion": 12, "productminorversion": 0, "productbuild": 2000,
    },
}  # fmt: skip
_BOTH = {
    "productlevel": "RTM", "collation": COLLATION, "editionid": 1674378470,
    "isintegratedsecurityonly": 0, "issingleuser": 0, "isfulltextinstalled": 0,
    "ishadrenabled": 0, "isclustered": 0, "isxtpsupported": 0, "ispolybaseinstalled": 0,
    "isadvancedanalyticsinstalled": 0, "instancename": None, "lcid": 1033, "comparisonstyle": 196609,
    "collationid": 872468488, "sqlcharset": 1, "sqlcharsetname": "iso_1", "sqlsortorder": 52,
    "sqlsortordername": "nocase_iso", "resourceversion": "16.00.0000", "processid": 1,
    "buildclrversion": "v4.0.30319", "filestreamconfiguredlevel": 0, "licensetype": "DISABLED",
    "islocaldb": 0, "istempdbmetadatamemoryoptimized": 0, "productupdatelevel": None,
}  # fmt: skip


def _server_property(called: Called) -> Typed:
    called.need(1)
    env, name = called.binder.lowering.env, _constant(called, 0).lower()
    if name in ("servername", "machinename", "computernamephysicalnetbios"):
        return _told(env.session.fact("servername"))
    return _told({**_BOTH, **_SERVER[env.flavor]}.get(name))


_DATABASE = {
    "collation": COLLATION, "status": "ONLINE", "updateability": "READ_WRITE",
    "useraccess": "MULTI_USER", "recovery": "FULL", "version": 904, "isautoclose": 0,
    "isautoshrink": 0, "isautocreatestatistics": 1, "isautoupdatestatistics": 1,
    "isansinullsenabled": 1, "isquotedidentifiersenabled": 1, "isinstandby": 0, "lcid": 1033,
    "comparisonstyle": 196609, "sqlsortorder": 52, "issubscribed": 0, "isfulltextenabled": 0,
    "ispublished": 0, "maxsizeinbytes": 263882790666240,
}  # fmt: skip


def _database_property(called: Called) -> Typed:
    called.need(2)
    env, wanted = called.binder.lowering.env, _constant(called, 1).lower()
    pool = env.flavor == "synapse"
    known = _DATABASE | {
        "edition": "DataWarehouse" if pool else None,
        "serviceobjective": "DW100c" if pool else None,
    }
    names = ", ".join(quoted(name.lower()) for name in written.databases(env))
    value = known.get(wanted)
    told = "NULL" if value is None else quoted(str(value))
    called.binder.lowering.cacheable = False
    name = text_of(called.values[0]).sql
    return _typed(f"CASE WHEN lower({name}) IN ({names}) THEN {told} END", _NAME)


def _database_access(called: Called) -> Typed:
    (name,) = called.need(1)
    env = called.binder.lowering.env
    names = ", ".join(quoted(known.lower()) for known in written.databases(env))
    called.binder.lowering.cacheable = False
    text = text_of(name).sql
    return _typed(f"CASE WHEN lower({text}) IN ({names}) THEN 1 END", INT)


def _has_rights(called: Called) -> Typed:
    """HAS_PERMS_BY_NAME(securable, class, right), of constants."""
    values = called.need(3, 5)
    lowering = called.binder.lowering
    kind = "DATABASE" if values[1].literal is None else _constant(called, 1).upper()
    right = _constant(called, 2).upper()
    schema = name = ""
    if values[0].type.name != "null" and kind in ("OBJECT", "SCHEMA"):
        from emulators.warehouse.engine.tsql.blocks import names_of

        parts = names_of(_constant(called, 0))
        schema = parts[-1] if kind == "SCHEMA" else (parts[-2:-1] or (lowering.schema,))[0]
        name = "" if kind == "SCHEMA" else parts[-1]
    lowering.cacheable = False
    session: Any = lowering.env.session
    access = getattr(session, "access", None)
    if access is None:
        return Typed("1", INT, False)
    if right == "ANY":
        right = "SELECT"
    return Typed(str(int(access.allows(session.principal, right, schema, name))), INT, True)


def _session(name: str) -> Function:
    """What the session tells of itself, where a default asks for it."""

    def write(called: Called) -> Typed:
        called.need(0)
        lowering = called.binder.lowering
        lowering.cacheable = False
        return _told(lowering.env.session.fact(name))

    return write


def _of_principal(asked: str, kind: SqlType, by: str) -> Function:
    """USER_NAME(id), USER_ID(name), DATABASE_PRINCIPAL_ID(name)."""

    def write(called: Called) -> Typed:
        if not called.need(0, 1):
            return _session(called.name.lower())(called)
        given = called.values[0]
        value = convert(given, INT).sql if by == "principal_id" else f"lower({text_of(given).sql})"
        column = "p.principal_id" if by == "principal_id" else "lower(p.name)"
        called.binder.lowering.cacheable = False
        found = f"(SELECT max(p.{asked}) FROM {SCHEMA}.principals p WHERE {column} = {value})"
        return _typed(found, kind)

    return write


def _login_name(called: Called) -> Typed:
    """SUSER_SNAME(sid): 0x01 is the administrator's."""
    called.need(0, 1)
    called.binder.lowering.cacheable = False
    return _told(called.binder.lowering.env.session.fact("suser_sname"))


def _file_group(called: Called) -> Typed:
    (number,) = called.need(1)
    return _typed(f"CASE WHEN {convert(number, INT).sql} = 1 THEN 'PRIMARY' END", _NAME)


def _collation_property(called: Called) -> Typed:
    called.need(2)
    known = {"codepage": 1252, "lcid": 1033, "comparisonstyle": 196609, "version": 0}
    name, wanted = _constant(called, 0).lower(), _constant(called, 1).lower()
    codes = known | {"codepage": 65001} if "utf8" in name else known
    return _typed(str(codes.get(wanted, "NULL")), INT)


def _session_property(called: Called) -> Typed:
    called.need(1)
    on = ("ansi_nulls", "ansi_padding", "ansi_warnings", "arithabort", "concat_null_yields_null",
          "quoted_identifier")  # fmt: skip
    name = _constant(called, 0).lower()
    told = 1 if name in on else 0 if name == "numeric_roundabort" else None
    return _typed("NULL" if told is None else str(told), INT)


def _none_installed(called: Called) -> Typed:
    """FULLTEXTSERVICEPROPERTY: there is no full-text search."""
    called.need(1)
    return Typed("0", INT, False)


FUNCTIONS: dict[str, Function] = {
    "DB_ID": _database_id, "DB_NAME": _database_name, "ORIGINAL_DB_NAME": _database_name,
    "SERVERPROPERTY": _server_property, "DATABASEPROPERTYEX": _database_property,
    "HAS_DBACCESS": _database_access, "HAS_PERMS_BY_NAME": _has_rights,
    "USER_NAME": _of_principal("name", _NAME, "principal_id"),
    "USER_ID": _of_principal("principal_id", INT, "name"),
    "DATABASE_PRINCIPAL_ID": _of_principal("principal_id", INT, "name"),
    "SUSER_SNAME": _login_name, "SUSER_NAME": _login_name, "FILEGROUP_NAME": _file_group,
    "COLLATIONPROPERTY": _collation_property, "SESSIONPROPERTY": _session_property,
    "FULLTEXTSERVICEPROPERTY": _none_installed, "ORIGINAL_LOGIN": _session("original_login"),
    "HOST_NAME": _session("host_name"), "APP_NAME": _session("app_name"),
}  # fmt: skip
