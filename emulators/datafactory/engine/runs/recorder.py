"""Writes of many runs, committed together: one transaction for each turn of the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TypeVar

from emulators.kernel.store import Store, Table

R = TypeVar("R")
Writes = dict[tuple[str, ...], tuple[Table[Any], Any]]  # by table and key; None: removed
DEEPEST = 200  # levels that the store's JSON certainly takes
LOG = logging.getLogger("rehearsal.datafactory")


class Recorder:
    """Collects writes; of several to one record only the last is made.

    Writes are in order: what is durable stands on everything that was recorded before it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: Writes = {}
        self._turn: asyncio.Future[None] | None = None

    def put(self, table: Table[R], record: R, *key: str) -> None:
        """Store `record` under its key at the end of this turn."""
        self._waiting[(table.name, *key)] = (table, record)
        self._due()

    def delete(self, table: Table[Any], *key: str) -> None:
        """Remove what is under `key` at the end of this turn."""
        self._waiting[(table.name, *key)] = (table, None)
        self._due()

    def _due(self) -> None:
        if self._turn is None:
            loop = asyncio.get_running_loop()
            self._turn = loop.create_future()
            loop.call_soon(self.flush)

    async def committed(self) -> None:
        """Return when everything recorded so far is durable.

        Raises:
            sqlite3.Error, OSError: it could not be written.
        """
        if self._turn is None and self._waiting:
            self._due()  # the last writing failed
        if self._turn is not None:
            await asyncio.shield(self._turn)

    def flush(self) -> None:
        """Write what is held, now; what cannot be written now is held for the next time."""
        turn, self._turn = self._turn, None
        writes, self._waiting = self._waiting, {}
        try:
            self._write(writes)
        except Exception as why:
            self._waiting = {**writes, **self._waiting}
            if turn is None:
                raise
            LOG.error("pipeline runs could not be recorded", exc_info=why)
            turn.set_exception(why)
            turn.exception()  # somebody may or may not wait for it; both are fine
            return
        if turn is not None and not turn.done():
            turn.set_result(None)

    def _write(self, writes: Writes) -> None:
        try:
            with self._store.transaction():
                for key, (table, record) in writes.items():
                    self._write_one(table, record, key)
        except (TypeError, ValueError):
            # One record holds what no JSON can: a huge number, half a character. The others must
            # not suffer, and it is kept as near as can be.
            with self._store.transaction():
                for key, (table, record) in writes.items():
                    plain = None if record is None else _plain_record(record, table)
                    self._write_one(table, plain, key)

    def _write_one(self, table: Table[Any], record: Any, key: tuple[str, ...]) -> None:
        if record is None:
            self._store.delete(table, *key[1:])
        else:
            self._store.put(table, record)


def _plain_record(record: Any, table: Table[Any]) -> Any:
    members = {f.name: _plain(getattr(record, f.name)) for f in fields(record)}
    for name in table.key:
        members[name] = "".join(c if c >= " " else "\ufffd" for c in str(members[name]))
    return replace(record, **members)


def _plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON can hold it."""
    if depth > DEEPEST:
        return str(value)[:1000]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member, depth + 1) for member in value]
    if isinstance(value, int) and not isinstance(value, bool):
        small = -(2**63) <= value < 2**64
        return value if small else float(value) if abs(value) < 10**300 else str(value)
    known = value is None or isinstance(value, bool | float | datetime)
    return value if known else str(value)
