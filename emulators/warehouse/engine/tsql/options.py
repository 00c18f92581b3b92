"""SET: what changes the session, what is so already, what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from emulators.warehouse.engine.answers import Answer, Finished, Message
from emulators.warehouse.engine.tsql import nodes
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

_FIXED: dict[str, frozenset[str]] = {
    "ANSI_NULLS": frozenset({"ON"}),
    "ANSI_PADDING": frozenset({"ON"}),
    "ANSI_WARNINGS": frozenset({"ON"}),
    "ANSI_DEFAULTS": frozenset({"ON"}),
    "ANSI_NULL_DFLT_ON": frozenset({"ON"}),
    "ANSI_NULL_DFLT_OFF": frozenset({"OFF"}),
    "QUOTED_IDENTIFIER": frozenset({"ON"}),
    "CONCAT_NULL_YIELDS_NULL": frozenset({"ON"}),
    "NUMERIC_ROUNDABORT": frozenset({"OFF"}),
    "ARITHIGNORE": frozenset({"OFF"}),
    "ARITHABORT": frozenset({"ON", "OFF"}),  # with ANSI_WARNINGS ON both mean the same
    "CURSOR_CLOSE_ON_COMMIT": frozenset({"ON", "OFF"}),  # there are no cursors
    "DATEFIRST": frozenset({"7"}),
    "DATEFORMAT": frozenset({"MDY"}),
    "DEADLOCK_PRIORITY": frozenset({"LOW", "NORMAL", "HIGH"} | {str(n) for n in range(-10, 11)}),
    "ROWCOUNT": frozenset({"0"}),
    "NOEXEC": frozenset({"OFF"}),
    "PARSEONLY": frozenset({"OFF"}),
    "SHOWPLAN_ALL": frozenset({"OFF"}),
    "SHOWPLAN_TEXT": frozenset({"OFF"}),
    "SHOWPLAN_XML": frozenset({"OFF"}),
    "FORCEPLAN": frozenset({"OFF"}),
    "REMOTE_PROC_TRANSACTIONS": frozenset({"OFF"}),
    "NO_BROWSETABLE": frozenset({"OFF"}),
    "QUERY_GOVERNOR_COST_LIMIT": frozenset({"0"}),
    "OFFSETS": frozenset({"OFF"}),
    "FIPS_FLAGGER": frozenset({"OFF"}),
}
"""Options with one meaning here: other values are refused."""

_LEVELS = frozenset({"READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SNAPSHOT"})
"""All are DuckDB's snapshots, which give at least what these promise."""


def set_option(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    """Every option the statement names.

    Raises:
        SqlError: 195: no such option; 40517: a value with a meaning that is not emulated.
    """
    for name in statement.names[:1] if statement.names[0] in _NAMED else statement.names:
        change = _CHANGES.get(name)
        if change is not None:
            yield from change(session, statement)
            continue
        if name not in _FIXED:
            raise SqlError(195, 15, 5, f"'{name}' is not a recognized SET option.")
        if statement.value.upper() not in _FIXED[name]:
            raise refused(f"SET {name} {statement.value}")
    session.error = 0
    yield Finished(None, 0xBE)


def _switch(statement: nodes.SetOption) -> bool:
    value = statement.value.upper()
    if value not in ("ON", "OFF"):
        raise SqlError(102, 15, 1, f"Incorrect syntax near '{statement.value}'.")
    return value == "ON"


def _nocount(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    session.options.nocount = _switch(statement)
    return iter(())


def _xact_abort(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    session.options.xact_abort = _switch(statement)
    return iter(())


def _implicit(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    session.options.implicit = _switch(statement)
    return iter(())


def _fmtonly(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    session.options.fmtonly = _switch(statement)
    return iter(())


def _isolation(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    level = statement.value.upper()
    if level == "SERIALIZABLE":
        raise refused("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    if level not in _LEVELS:
        raise SqlError(102, 15, 1, f"Incorrect syntax near '{statement.value}'.")
    session.options.isolation = level
    return iter(())


def _lock_timeout(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    session.options.lock_timeout = int(statement.value)
    return iter(())


def _language(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    if statement.value.lower() not in ("us_english", "english"):
        raise refused(f"SET LANGUAGE {statement.value}")
    yield Message(5703, "Changed language setting to us_english.", 0, 1)


def _identity_insert(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    table = statement.names[1].lower()
    name = table if "." in table else f"{session.schema.lower()}.{table}"
    if _switch(statement):
        if session.options.identity_insert not in ("", name):
            held = session.options.identity_insert
            text = (
                f"IDENTITY_INSERT is already ON for table '{session.database}.{held}'. Cannot "
                f"perform SET operation for table '{table}'."
            )
            raise SqlError(8107, 16, 1, text)
        session.options.identity_insert = name
    elif session.options.identity_insert == name:
        session.options.identity_insert = ""
    return iter(())


def _statistics(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    if _switch(statement):
        raise refused(f"SET STATISTICS {statement.names[1]} ON")
    return iter(())


def _cache(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    """Synapse's result-set cache: nothing is cached here, and that is said."""
    _switch(statement)
    yield Message(0, "Rehearsal keeps no result-set cache: RESULT_SET_CACHING changes nothing.")


def _textsize(session: Session, statement: nodes.SetOption) -> Iterator[Answer]:
    """How much of a long value is sent: all of it, and that is said (freebcp asks for 4096)."""
    if statement.value not in ("0", "-1", "2147483647"):
        yield Message(0, "Rehearsal sends long values whole: TEXTSIZE changes nothing.")


_NAMED = frozenset({"IDENTITY_INSERT", "STATISTICS"})
_CHANGES: dict[str, Callable[[Session, nodes.SetOption], Iterator[Answer]]] = {
    "NOCOUNT": _nocount,
    "XACT_ABORT": _xact_abort,
    "IMPLICIT_TRANSACTIONS": _implicit,
    "FMTONLY": _fmtonly,
    "TRANSACTION ISOLATION LEVEL": _isolation,
    "LOCK_TIMEOUT": _lock_timeout,
    "LANGUAGE": _language,
    "IDENTITY_INSERT": _identity_insert,
    "STATISTICS": _statistics,
    "RESULT_SET_CACHING": _cache,
    "TEXTSIZE": _textsize,
}
