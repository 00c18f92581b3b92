"""The store on disk: one SQLite file, documents by key; an acknowledged write survives kill -9."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TypeVar

from emulators.kernel.store import Key, Table, storable

R = TypeVar("R")

FORMAT = 1
"""Number of the file's own layout; kept in `PRAGMA user_version`."""

# Unit separator: sorts below every printable character, so text order is key order.
SEPARATOR = "\x1f"

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
  tbl TEXT NOT NULL, key TEXT NOT NULL, schema INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (tbl, key)
) WITHOUT ROWID
"""


def _joined(key: Key) -> str:
    return SEPARATOR.join(key)


class SqliteStore:
    """Documents in one table of one file.

    `durable` asks for `synchronous=FULL`, which also survives power loss; without it a commit
    survives the death of the process, not of the machine.
    """

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = RLock()
        self._depth = 0
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        try:
            self._prepare(path, durable)
        except sqlite3.DatabaseError as why:
            self._db.close()
            raise type(why)(f"{path.name}: {why}") from None

    def _prepare(self, path: Path, durable: bool) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        self._db.execute("PRAGMA busy_timeout=5000")
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > FORMAT:
            raise ValueError(
                f"{path.name} was written by a newer version of Rehearsal (format {found}, this one"
                f" knows {FORMAT})"
            )
        self._db.execute(SCHEMA)
        self._db.execute(f"PRAGMA user_version={FORMAT}")

    def close(self) -> None:
        """Close the file; the store is not usable afterwards."""
        with self._lock:
            self._db.close()

    def get(self, table: Table[R], *key: str) -> R | None:
        if not storable(key):
            return None
        with self._lock:
            row = self._db.execute(
                "SELECT schema, body FROM documents WHERE tbl=? AND key=?",
                (table.name, _joined(key)),
            ).fetchone()
        return None if row is None else table.load(row[1], row[0])

    def insert(self, table: Table[R], record: R) -> bool:
        with self._lock:
            done = self._db.execute(
                "INSERT OR IGNORE INTO documents VALUES (?,?,?,?)",
                (table.name, _joined(table.key_of(record)), table.schema, table.dump(record)),
            )
            return done.rowcount == 1

    def replace(self, table: Table[R], old: R, new: R) -> bool:
        key = table.key_of(old)
        if table.key_of(new) != key:
            raise ValueError("a record's key cannot be replaced")
        with self._lock, self.transaction():
            if self.get(table, *key) != table.stored_form(old):
                return False
            self._write(table, new)
            return True

    def put(self, table: Table[R], record: R) -> None:
        with self._lock:
            self._write(table, record)

    def _write(self, table: Table[R], record: R) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO documents VALUES (?,?,?,?)",
            (table.name, _joined(table.key_of(record)), table.schema, table.dump(record)),
        )

    def delete(self, table: Table[R], *key: str) -> bool:
        if not storable(key):
            return False
        with self._lock:
            done = self._db.execute(
                "DELETE FROM documents WHERE tbl=? AND key=?", (table.name, _joined(key))
            )
            return done.rowcount == 1

    def scan(self, table: Table[R], *prefix: str) -> Iterator[R]:
        if not storable(prefix):
            return iter(())
        query, values = "SELECT schema, body FROM documents WHERE tbl=?", [table.name]
        if prefix:
            start = _joined(prefix)
            # One range: between a key and what is under it nothing sorts, keys hold no control
            # characters. An OR of the two would read the whole table.
            query += " AND key>=? AND key<?"
            values += [start, start + chr(ord(SEPARATOR) + 1)]
        with self._lock:
            rows = self._db.execute(f"{query} ORDER BY key", values).fetchall()
        return iter([table.load(body, schema) for schema, body in rows])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    def reset(self) -> None:
        with self._lock:
            self._db.execute("DELETE FROM documents")
