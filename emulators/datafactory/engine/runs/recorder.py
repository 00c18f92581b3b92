"""Writes of many runs, committed together: one transaction for each turn of the event loop."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from emulators.kernel.store import Store, Table

R = TypeVar("R")


class Recorder:
    """Collects writes; of several to one record only the last is made.

    Writes are in order: what is durable stands on everything that was recorded before it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[tuple[str, ...], tuple[Table[Any], Any]] = {}
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
        if self._turn is not None:
            await asyncio.shield(self._turn)

    def flush(self) -> None:
        """Write what is held, now."""
        turn, self._turn = self._turn, None
        writes, self._waiting = self._waiting, {}
        try:
            with self._store.transaction():
                for (_, *key), (table, record) in writes.items():
                    if record is None:
                        self._store.delete(table, *key)
                    else:
                        self._store.put(table, record)
        except Exception as why:
            if turn is None:
                raise
            turn.set_exception(why)
            turn.exception()  # somebody may or may not wait for it; both are fine
            return
        if turn is not None and not turn.done():
            turn.set_result(None)
