"""Procedures that change the session or rights, and those that are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.tsql.calling import Actual
from emulators.warehouse.engine.tsql.frames import Called
from emulators.warehouse.engine.tsql.lexing import quote, tokenize
from emulators.warehouse.engine.tsql.procedures.arguments import needed, taken
from emulators.warehouse.errors import refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

_REFUSED = [
    "sp_rename",
    "sp_help",
    "sp_helpindex",
    "sp_helpconstraint",
    "sp_spaceused",
    "sp_who",
    "sp_who2",
    "sp_lock",
    "sp_addmessage",
    "sp_configure",
    "sp_addlinkedserver",
    "sp_getapplock",
    "sp_releaseapplock",
    "sp_execute_external_script",
    "sp_invoke_external_rest_endpoint",
    "sp_OACreate",
    "xp_cmdshell",
    "xp_fileexist",
    "xp_dirtree",
    "xp_regread",
    "sp_addlogin",
    "sp_adduser",
    "sp_xml_preparedocument",
    "sp_recompile",
    "sp_refreshview",
    "sp_updatestats",
    "sp_statistics",
    "sp_fkeys",
    "sp_special_columns",
    "sp_trace_create",
    "sp_prepare_rpc",
    "sp_cursoropen",
    "sp_cursorprepexec",
    "sp_cursorfetch",
    "sp_cursor",
    "sp_cursorclose",
    "sp_cursorexecute",
    "sp_cursorprepare",
    "sp_cursoroption",
    "sp_cursorunprepare",
]


def _change_role(verb: str, procedure: str, session: Session, actuals: list[Actual]) -> Called:
    given = taken(procedure, ("rolename", "membername"), actuals)
    role = needed(procedure, "rolename", given["rolename"])
    member = needed(procedure, "membername", given["membername"])
    text = f"ALTER ROLE {quote(role)} {verb} MEMBER {quote(member)}"
    yield from session.secure(tokenize(text))
    return 0


def sp_set_session_context(session: Session, actuals: list[Actual]) -> Called:
    """Keep a value for SESSION_CONTEXT."""
    given = taken("sp_set_session_context", ("key", "value", "read_only"), actuals)
    key = needed("sp_set_session_context", "key", given["key"])
    session.context[key.lower()] = given["value"]
    return 0
    yield


def sp_reset_connection(session: Session, actuals: list[Actual]) -> Called:
    """Begin anew, as a pool asks."""
    frame = session.frames
    session.reset()
    session.frames = frame
    return 0
    yield


def _refuse(name: str, session: Session, actuals: list[Actual]) -> Called:
    raise refused(f"the procedure {name}")
    yield


PROCEDURES: dict[str, Callable[[Any, list[Actual]], Called]] = {
    "sp_addrolemember": partial(_change_role, "ADD", "sp_addrolemember"),
    "sp_droprolemember": partial(_change_role, "DROP", "sp_droprolemember"),
    "sp_set_session_context": sp_set_session_context,
    "sp_reset_connection": sp_reset_connection,
    **{name.lower(): partial(_refuse, name) for name in _REFUSED},
}
