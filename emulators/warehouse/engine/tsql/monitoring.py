"""Views of who is connected and what ran: made from the server's memory when they are asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Column
from emulators.warehouse.engine.tsql.fragments import cut
from emulators.warehouse.engine.tsql.lexing import quote, tokenize
from emulators.warehouse.engine.tsql.nodes import Fragment
from emulators.warehouse.engine.tsql.rows import BIT, INT, NAME, SMALL, rows_of
from emulators.warehouse.engine.types import MAX, SqlType

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

KEPT = 10_000
"""Requests remembered, as a dedicated pool keeps them."""

_INSTANT = SqlType("datetime", 0, 0, 3)
_COMMAND = SqlType("nvarchar", 4000)
_LEVELS = {"READ UNCOMMITTED": 1, "READ COMMITTED": 2, "REPEATABLE READ": 3, "SNAPSHOT": 5}


@dataclass(slots=True)
class Request:
    """A data statement, under way or done."""

    number: int
    session: int
    database: str
    command: str
    begun: datetime
    ended: datetime | None = None
    status: str = "Running"
    label: str | None = None
    error: str | None = None


class Requests:
    """The last requests of a server."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._kept: deque[Request] = deque(maxlen=KEPT)

    def all(self) -> list[Request]:
        return list(self._kept)

    @contextmanager
    def noted(self, session: Session, fragment: Fragment) -> Iterator[Request]:
        """Remember a statement while it runs, and how it ended."""
        command = fragment.text[:4000]
        now = session.clock.now
        made = Request(next(self._numbers), session.id, session.database, command, now())
        self._kept.append(made)
        try:
            yield made
            made.status = "Completed"
        except GeneratorExit:
            made.status = "Cancelled"
            raise
        except BaseException as failure:
            made.status = "Failed" if isinstance(failure, Exception) else "Cancelled"
            made.error = str(getattr(failure, "number", "")) or None
            raise
        finally:
            made.ended = now()


def _plain(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=None)


def _visible(session: Session) -> list[Request]:
    """What they may see: the administrator all, others their own."""
    return [r for r in session.server.requests.all() if session.is_admin or r.session == session.id]


def _others(session: Session) -> list[Session]:
    return [s for s in session.server.sessions() if session.is_admin or s is session]


def _pdw_requests(session: Session) -> list[tuple[Any, ...]]:
    rows = []
    for r in _visible(session):
        ended = r.ended or session.clock.now()
        spent = int((ended - r.begun).total_seconds() * 1000)
        rows.append(
            (f"QID{r.number}", f"SID{r.session}", r.status, _plain(r.begun), _plain(r.begun),
             _plain(r.begun), _plain(r.ended), spent, r.label, r.error, 1, r.command, "smallrc",
             "normal", None, None, None, 0, None, r.command)
        )  # fmt: skip
    return rows


def _pdw_sessions(session: Session) -> list[tuple[Any, ...]]:
    return [
        (f"SID{s.id}", "Active" if s is session else "Idle", None, s.principal.login,
         _plain(s.entered), 0, s.transactions.count > 0, s.host, s.application, s.id)
        for s in _others(session)
    ]  # fmt: skip


def _sessions(session: Session) -> list[tuple[Any, ...]]:
    return [
        (s.id, _plain(s.entered), s.host, s.application, s.principal.login,
         "running" if s is session else "sleeping", 1, _LEVELS.get(s.options.isolation, 2),
         s.transactions.count, True, "us_english", "mdy", 7, s.rowcount, s.error,
         s.principal.login)
        for s in _others(session)
    ]  # fmt: skip


def _requests(session: Session) -> list[tuple[Any, ...]]:
    return [
        (r.session, 0, _plain(r.begun), "running", r.command.split(maxsplit=1)[0].upper()[:32], 1,
         int((session.clock.now() - r.begun).total_seconds() * 1000))
        for r in _visible(session)
        if r.ended is None
    ]  # fmt: skip


_DM: dict[str, tuple[Sequence[tuple[str, SqlType]], Callable[[Session], list[Any]]]] = {
    "dm_pdw_exec_requests": (
        (
            ("request_id", SqlType("nvarchar", 32)), ("session_id", SqlType("nvarchar", 32)),
            ("status", SqlType("nvarchar", 32)), ("submit_time", _INSTANT),
            ("start_time", _INSTANT), ("end_compile_time", _INSTANT), ("end_time", _INSTANT),
            ("total_elapsed_time", INT), ("label", SqlType("nvarchar", 255)),
            ("error_id", SqlType("nvarchar", 36)), ("database_id", INT), ("command", _COMMAND),
            ("resource_class", SqlType("nvarchar", 20)), ("importance", NAME),
            ("group_name", NAME), ("classifier_name", NAME),
            ("resource_allocation_percentage", SqlType("decimal", 0, 5, 2)),
            ("result_cache_hit", INT), ("client_correlation_id", SqlType("nvarchar", 255)),
            ("command2", SqlType("nvarchar", MAX)),
        ),
        _pdw_requests,
    ),
    "dm_pdw_exec_sessions": (
        (
            ("session_id", SqlType("nvarchar", 32)), ("status", SqlType("nvarchar", 10)),
            ("request_id", SqlType("nvarchar", 32)), ("login_name", NAME),
            ("login_time", _INSTANT), ("query_count", INT), ("is_transactional", BIT),
            ("client_id", NAME), ("app_name", NAME), ("sql_spid", INT),
        ),
        _pdw_sessions,
    ),
    "dm_exec_sessions": (
        (
            ("session_id", SMALL), ("login_time", _INSTANT), ("host_name", NAME),
            ("program_name", NAME), ("login_name", NAME), ("status", SqlType("nvarchar", 30)),
            ("database_id", SMALL), ("transaction_isolation_level", SMALL),
            ("open_transaction_count", INT), ("is_user_process", BIT), ("language", NAME),
            ("date_format", SqlType("nvarchar", 3)), ("date_first", SMALL),
            ("row_count", SqlType("bigint")), ("prev_error", INT), ("original_login_name", NAME),
        ),
        _sessions,
    ),
    "dm_exec_requests": (
        (
            ("session_id", SMALL), ("request_id", INT), ("start_time", _INSTANT),
            ("status", SqlType("nvarchar", 30)), ("command", SqlType("nvarchar", 32)),
            ("database_id", SMALL), ("total_elapsed_time", INT),
        ),
        _requests,
    ),
}  # fmt: skip
_DM["dm_pdw_nodes_exec_sessions"] = _DM["dm_exec_sessions"]


@contextmanager
def shown(session: Session, fragment: Fragment) -> Iterator[Fragment]:
    """The fragment with every such view in it made a temporary table, while it runs."""
    pieces: list[str] = []
    asked: set[str] = set()
    tokens, last, at = tokenize(fragment.text), 0, 0
    while at < len(tokens):
        name = tokens[at + 2].name.lower() if at + 2 < len(tokens) else ""
        named = name in _DM and tokens[at].name.lower() == "sys" and tokens[at + 1].text == "."
        if named:
            asked.add(name)
            pieces += [fragment.text[last : tokens[at].start], quote(f"#{name}")]
            last = tokens[at + 2].end
        at += 3 if named else 1
    text = "".join([*pieces, fragment.text[last:]])
    made = cut(tokenize(text), text)
    plain = replace(
        made, line=fragment.line, facts=made.facts | fragment.facts, literals=fragment.literals
    )
    with ExitStack() as held:
        for name in sorted(asked):
            columns, rows = _DM[name]
            result = rows_of(columns, rows(session))
            listed = tuple(Column(c.name, c.type) for c in result.columns)
            held.enter_context(session.plans.staged(f"#{name}", listed, list(result.batches)))
        yield plain


def asks(fragment: Fragment) -> bool:
    """Whether such a view may be in the fragment."""
    return any(t.name.lower() in _DM for t in fragment.tokens if t.kind in ("word", "quoted"))
