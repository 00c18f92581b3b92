"""Sessions without a wire: opened in process, their answers told as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from emulators.kernel.context import Context
from emulators.warehouse.engine import admin
from emulators.warehouse.engine.answers import (
    Answer,
    DatabaseChanged,
    Failed,
    Finished,
    Login,
    Message,
    OutputValue,
    ResultSet,
    ReturnStatus,
    TransactionChanged,
)
from emulators.warehouse.engine.server import Server, open_sessions
from emulators.warehouse.engine.tsql.session import SqlSession
from tests.support import make_context


@dataclass(frozen=True, slots=True)
class Place:
    """A server with its context."""

    ctx: Context
    server: Server

    def login(self, user: str = "", password: str = "", database: str = "") -> SqlSession:
        """A session of the administrator, or of a user."""
        given = password or admin.password(self.ctx)
        return self.server.login(Login(user or admin.ADMIN, given, database=database))


@contextmanager
def opened(folder: Path, flavor: str = "synapse", **settings: Any) -> Iterator[Place]:
    """A server on a folder of its own."""
    ctx = make_context(folder, sql_flavor=flavor, **settings)
    server = open_sessions(ctx)
    try:
        yield Place(ctx, server)
    finally:
        server.close()


def shown(value: Any) -> str:
    """A value as the corpus writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, bytes):
        return "0x" + value.hex().upper()
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return str(value).replace("\r", "\\r").replace("\n", "\\n")


def lines(answers: Iterable[Answer]) -> list[str]:
    """Every answer as a line; a row is one too."""
    told: list[str] = []
    for answer in answers:
        told += _told(answer)
    return told


def _told(answer: Answer) -> list[str]:
    if isinstance(answer, ResultSet):
        return [
            "| " + " | ".join(shown(value) for value in row.values()) + " |"
            for batch in answer.batches
            for row in batch.rename_columns(
                [f"c{at}" for at in range(batch.num_columns)]
            ).to_pylist()
        ] or ["| no rows |"]
    if isinstance(answer, Finished):
        return [] if answer.rows is None or answer.command == 0xC1 else [f"count {answer.rows}"]
    if isinstance(answer, Message):
        return [f"print {answer.text}"]
    if isinstance(answer, Failed):
        where = f"{answer.procedure} {answer.line}".strip()
        return [f"error {answer.number} {answer.severity} {answer.state} at {where}: {answer.text}"]
    return [_change(answer)]


def _change(answer: Answer) -> str:
    if isinstance(answer, TransactionChanged):
        return answer.kind
    if isinstance(answer, ReturnStatus):
        return f"status {answer.value}"
    if isinstance(answer, OutputValue):
        return f"output {answer.name} {shown(answer.value)}"
    assert isinstance(answer, DatabaseChanged)
    return f"use {answer.new}"


def run(session: SqlSession, script: str) -> list[str]:
    """Run batches that GO parts; every answer as a line."""
    told: list[str] = []
    for batch in script.split("\nGO\n"):
        told += lines(session.batch(batch))
    return told
