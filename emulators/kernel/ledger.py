"""What happened: requests, refusals, job and run events; bounded, on disk, followed live."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any

import orjson

from emulators.kernel.clock import Clock

KEPT = 200_000
"""Newest entries kept."""

FLUSH_AT = 200
"""Entries held before they are written together."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    number: int
    at: datetime  # UTC
    kind: str  # "request", "refusal", "job", "endpoint", "served-as", ...
    fields: dict[str, Any]


class Ledger:
    """An append-only log of entries in its own SQLite file (so that it never blocks the store).

    Entries are not acknowledged to anybody, so they are written in batches: `kill -9` may lose
    the last few.
    """

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._clock = clock
        self._lock = RLock()
        self._waiting: list[tuple[str, str, bytes]] = []
        self._db = _opened(path)
        rows = self._db.execute("SELECT fields FROM entries WHERE kind='refusal'")
        self.refusals: Counter[str] = Counter(orjson.loads(row[0]).get("what", "") for row in rows)

    def record(self, kind: str, **fields: Any) -> None:
        """Note that something of `kind` happened just now."""
        entry = (self._clock.now().isoformat(), kind, _document(fields))
        with self._lock:
            self._waiting.append(entry)
            if kind == "refusal":
                self.refusals[str(fields.get("what", ""))] += 1
            if len(self._waiting) >= FLUSH_AT:
                self.flush()

    def flush(self) -> None:
        """Write what is held and drop the oldest entries over the bound."""
        with self._lock:
            if not self._waiting:
                return
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT INTO entries (at, kind, fields) VALUES (?,?,?)", self._waiting
            )
            self._db.execute(
                "DELETE FROM entries WHERE number <= (SELECT max(number) FROM entries) - ?",
                (KEPT,),
            )
            self._db.execute("COMMIT")
            self._waiting.clear()

    def newest(self) -> int:
        """Number of the newest entry; 0 when there is none."""
        self.flush()
        with self._lock:
            return int(self._db.execute("SELECT max(number) FROM entries").fetchone()[0] or 0)

    def entries(
        self, *, after: int = 0, kind: str | None = None, limit: int = 1000
    ) -> Iterator[Entry]:
        """Entries numbered above `after`, oldest first, at most `limit`."""
        self.flush()
        query, values = "SELECT number, at, kind, fields FROM entries WHERE number>?", [after]
        bound: list[Any] = list(values)
        if kind is not None:
            query, bound = f"{query} AND kind=?", [*bound, kind]
        with self._lock:
            rows = self._db.execute(f"{query} ORDER BY number LIMIT ?", [*bound, limit]).fetchall()
        for number, at, what, fields in rows:
            yield Entry(number, datetime.fromisoformat(at), what, orjson.loads(fields))

    def close(self) -> None:
        """Write what is held and close the file."""
        with self._lock:
            self.flush()
            self._db.close()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._waiting.clear()
            self.refusals.clear()
            self._db.execute("DELETE FROM entries")


def _opened(path: Path | None) -> sqlite3.Connection:
    """The file, made if missing. A damaged one is put aside: it is a log, no state hangs on it."""
    if path is not None:
        path.touch(mode=0o600)
    db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")
        db.execute(
            "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, at TEXT, kind TEXT,"
            " fields BLOB)"
        )
        db.execute("SELECT max(number) FROM entries")
    except sqlite3.OperationalError:
        db.close()
        raise
    except sqlite3.DatabaseError:
        db.close()
        assert path is not None
        for tail in ("-wal", "-shm"):
            path.with_name(path.name + tail).unlink(missing_ok=True)
        path.replace(path.with_name(f"{path.name}.damaged"))
        return _opened(path)
    return db


def _document(fields: dict[str, Any]) -> bytes:
    """The fields as JSON. What is no JSON is noted as text: a note must never fail a request."""
    try:
        return orjson.dumps(fields, default=str)
    except TypeError:
        texts = {name: str(value) for name, value in fields.items()}
        clean = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
        return orjson.dumps(clean)
