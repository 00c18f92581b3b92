"""Values of the session's facts: `@@X`, ERROR_...(), names of users and databases."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

VERSIONS = {
    "synapse": "Microsoft Azure SQL Data Warehouse - 10.0.16003.0 Jan 1 2026 00:00:00"
    " Copyright (c) Microsoft Corporation (emulated by Rehearsal)",
    "managed-instance": "Microsoft SQL Azure (RTM) - 12.0.2000.8 Jan 1 2026 00:00:00"
    " Copyright (C) 2026 Microsoft Corporation (emulated by Rehearsal)",
}
"""`@@version`; drivers look at how it begins."""

_OPTIONS_ON = 5432
"""`@@OPTIONS` of an ANSI session: what ODBC and SqlClient set."""


def fact(session: Session, name: str) -> Any:
    """The present value of the fact that `name` (`__g_x`, `__f_x` or plain x) stands for."""
    plain = name[4:] if name.startswith(("__g_", "__f_")) else name
    plain, _, argument = plain.partition("$")
    found = _FACTS.get(plain)
    if found is not None:
        return found(session)
    asked = _ASKED.get(plain)
    return asked(session, argument) if asked is not None else 0


def _caught(take: Callable[[SqlError], Any]) -> Callable[[Session], Any]:
    def told(session: Session) -> Any:
        return take(session.caught[-1]) if session.caught else None

    return told


def _identity(session: Session) -> Decimal | None:
    return None if session.last_identity is None else Decimal(session.last_identity)


def _options(session: Session) -> int:
    return (
        _OPTIONS_ON
        | (512 if session.options.nocount else 0)
        | (16384 if session.options.xact_abort else 0)
        | (2 if session.options.implicit else 0)
    )


def _user(session: Session) -> str:
    return session.principal.user


def _login(session: Session) -> str:
    return session.principal.login


_FACTS: dict[str, Callable[[Session], Any]] = {
    "rowcount": lambda s: s.rowcount,
    "rowcount_big": lambda s: s.rowcount,
    "error": lambda s: s.error,
    "trancount": lambda s: s.transactions.count,
    "xact_state": lambda s: s.transactions.state,
    "current_transaction_id": lambda s: s.transactions.id,
    "spid": lambda s: s.id,
    "session_id": lambda s: f"SID{s.id}",
    "identity": _identity,
    "scope_identity": _identity,
    "nestlevel": lambda s: s.depth,
    "procid": lambda s: s.frame.object_id,
    "fetch_status": lambda s: 0,
    "options": _options,
    "language": lambda s: "us_english",
    "langid": lambda s: 0,
    "version": lambda s: VERSIONS[s.flavor],
    "servername": lambda s: s.server_name,
    "servicename": lambda s: "MSSQLSERVER",
    "microsoftversion": lambda s: 0x0C0007D0 if s.flavor != "synapse" else 0x0A003E83,
    "max_precision": lambda s: 38,
    "lock_timeout": lambda s: s.options.lock_timeout,
    "datefirst": lambda s: 7,
    "textsize": lambda s: 2147483647,
    "dbts": lambda s: bytes(8),
    "max_connections": lambda s: 32767,
    "remserver": lambda s: None,
    "timeticks": lambda s: 31250,
    "error_number": _caught(lambda e: e.number),
    "error_severity": _caught(lambda e: e.severity),
    "error_state": _caught(lambda e: e.state),
    "error_line": _caught(lambda e: e.line),
    "error_message": _caught(lambda e: e.text),
    "error_procedure": _caught(lambda e: e.procedure or None),
    "suser_sname": _login,
    "suser_name": _login,
    "original_login": _login,
    "system_user": _login,
    "user_name": _user,
    "current_user": _user,
    "session_user": _user,
    "user": _user,
    "user_id": lambda s: s.access.principal_id(s.principal.user),
    "database_principal_id": lambda s: s.access.principal_id(s.principal.user),
    "suser_id": lambda s: 1 if s.is_admin else 256 + s.id,
    "app_name": lambda s: s.application,
    "host_name": lambda s: s.host,
    "host_id": lambda s: str(s.id),
    "db_name": lambda s: s.database,
    "schema_name": lambda s: s.schema,
    "identity_insert": lambda s: s.options.identity_insert,
    "isolation": lambda s: s.options.isolation,
    "flavor": lambda s: s.flavor,
    "strict": lambda s: s.server.strict,
    "database": lambda s: s.database,
}


def _member(session: Session, role: str) -> int | None:
    return session.access.is_member(session.principal, role)


def _context(session: Session, key: str) -> Any:
    found = session.context.get(key.lower())
    return None if found is None else str(found)


_CONNECTION = {
    "net_transport": "TCP",
    "protocol_type": "TSQL",
    "auth_scheme": "SQL",
    "local_net_address": "127.0.0.1",
    "client_net_address": "127.0.0.1",
    "physical_net_transport": "TCP",
}
_ASKED: dict[str, Callable[[Session, str], Any]] = {
    "is_member": _member,
    "is_rolemember": _member,
    "is_srvrolemember": lambda s, role: int(s.is_admin) if role == "sysadmin" else None,
    "session_context": _context,
    "connectionproperty": lambda s, name: _CONNECTION.get(name),
}
