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
        self._undo: list[tuple[str, Key, bytes | None]] = []  # of the open transaction

    def _rows(self, table: Table[R]) -> dict[Key, bytes]:
        return self._tables.setdefault(table.name, {})

    def get(self, table: Table[R], *key: str) -> R | None:
        with self._lock:
            found = self._rows(table).get(key)
        return None if found is None else table.load(found, table.schema)

    def _set(self, table: Table[R], key: Key, document: bytes | None) -> None:
        """Store a document, or remove it; what was there is kept while a transaction is open."""
        rows = self._rows(table)
        if self._depth:
            self._undo.append((table.name, key, rows.get(key)))
        if document is None:
            rows.pop(key, None)
        else:
            rows[key] = document

    def insert(self, table: Table[R], record: R) -> bool:
        with self._lock:
            rows, key = self._rows(table), table.key_of(record)
            if key in rows:
                return False
            self._set(table, key, table.dump(record))
            return True

    def replace(self, table: Table[R], old: R, new: R) -> bool:
        key = table.key_of(old)
        if table.key_of(new) != key:
            raise ValueError("a record's key cannot be replaced")
        with self._lock:
            if self.get(table, *key) != table.stored_form(old):
                return False
            self._set(table, key, table.dump(new))
            return True

    def put(self, table: Table[R], record: R) -> None:
        with self._lock:
            self._set(table, table.key_of(record), table.dump(record))

    def delete(self, table: Table[R], *key: str) -> bool:
        with self._lock:
            found = self._rows(table).get(key)
            if found is not None:
                self._set(table, key, None)
            return found is not None

    def scan(self, table: Table[R], *prefix: str) -> Iterator[R]:
        with self._lock:
            rows = self._rows(table)
            found = [rows[key] for key in sorted(rows) if key[: len(prefix)] == prefix]
        return iter([table.load(document, table.schema) for document in found])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            if not self._depth:
                self._undo.clear()
            self._depth += 1
            try:
                yield
            except BaseException:
                if self._depth == 1:
                    self._roll_back()
                raise
            finally:
                self._depth -= 1

    def _roll_back(self) -> None:
        for name, key, document in reversed(self._undo):
            rows = self._tables.setdefault(name, {})
            if document is None:
                rows.pop(key, None)
            else:
                rows[key] = document
        self._undo.clear()

    def reset(self) -> None:
        with self._lock:
            if self._depth:
                self._undo += [
                    (n, k, d) for n, rows in self._tables.items() for k, d in rows.items()
                ]
            self._tables.clear()
