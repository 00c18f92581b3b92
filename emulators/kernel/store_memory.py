"""The store in memory: for tests and for state that need not outlive the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TypeVar

from emulators.kernel.store import Key, Table

R = TypeVar("R")


class MemoryStore:
    """Documents in a dict a table; records are copied by value, as on disk."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[Key, bytes]] = {}
        self._lock = RLock()
        self._depth = 0

    def _rows(self, table: Table[R]) -> dict[Key, bytes]:
        return self._tables.setdefault(table.name, {})

    def get(self, table: Table[R], *key: str) -> R | None:
        with self._lock:
            found = self._rows(table).get(key)
        return None if found is None else table.load(found, table.schema)

    def insert(self, table: Table[R], record: R) -> bool:
        with self._lock:
            rows, key = self._rows(table), table.key_of(record)
            if key in rows:
                return False
            rows[key] = table.dump(record)
            return True

    def replace(self, table: Table[R], old: R, new: R) -> bool:
        key = table.key_of(old)
        if table.key_of(new) != key:
            raise ValueError("a record's key cannot be replaced")
        with self._lock:
            rows = self._rows(table)
            if self.get(table, *key) != table.stored_form(old):
                return False
            rows[key] = table.dump(new)
            return True

    def put(self, table: Table[R], record: R) -> None:
        with self._lock:
            self._rows(table)[table.key_of(record)] = table.dump(record)

    def delete(self, table: Table[R], *key: str) -> bool:
        with self._lock:
            return self._rows(table).pop(key, None) is not None

    def scan(self, table: Table[R], *prefix: str) -> Iterator[R]:
        with self._lock:
            rows = self._rows(table)
            found = [rows[key] for key in sorted(rows) if key[: len(prefix)] == prefix]
        return iter([table.load(document, table.schema) for document in found])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            saved = {n: dict(rows) for n, rows in self._tables.items()} if not self._depth else None
            self._depth += 1
            try:
                yield
            except BaseException:
                if saved is not None:
                    self._tables = saved
                raise
            finally:
                self._depth -= 1

    def reset(self) -> None:
        with self._lock:
            self._tables.clear()
