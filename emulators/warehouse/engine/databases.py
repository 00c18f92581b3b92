"""Databases: one DuckDB file each, closed to the host's files and network."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from emulators.warehouse.engine.security import access
from emulators.warehouse.errors import SqlError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CLOSED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "max_temp_directory_size": "32GiB",
}
MEMORY_SHARE = 4
"""A database takes a quarter of the machine's memory; then it writes to disk, or gives up."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,127}")


class Database:
    """An open database; `security` counts changes of users and grants."""

    def __init__(self, name: str, file: Path) -> None:
        import duckdb

        from emulators.warehouse.engine.lowering import prepare_database

        self.name, self.file = name, file
        self.security = 0
        self.sessions = 0
        self.committing = Lock()
        """Held while DuckDB writes to its files what was committed."""
        self._lock = Lock()
        self._root = duckdb.connect(str(file), config={**_CLOSED, "memory_limit": _memory()})
        access.prepare(self._root)
        prepare_database(self._root)
        self._root.execute("SET GLOBAL lock_configuration = true")

    def cursor(self) -> DuckDBPyConnection:
        """A connection of its own: own transaction, own temporary tables."""
        with self._lock:
            return self._root.cursor()

    def close(self) -> None:
        with self._lock:
            self._root.close()


def _memory() -> str:
    bytes_ = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEMORY_SHARE
    return f"{max(bytes_ >> 20, 512)}MiB"


class Databases:
    """The folder's database files by name; each is opened when first asked for."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = Lock()
        self._open: dict[str, Database] = {}

    def names(self) -> list[str]:
        """Every database, in order."""
        return sorted(file.stem for file in self._folder.glob("*.duckdb"))

    def _spelled(self, name: str) -> str | None:
        return next((n for n in self.names() if n.lower() == name.lower()), None)

    def has(self, name: str) -> bool:
        return self._spelled(name) is not None

    def get(self, name: str) -> Database:
        """The database of that name.

        Raises:
            SqlError: 911: there is none.
        """
        with self._lock:
            found = self._open.get(name.lower())
            if found is not None:
                return found
            spelled = self._spelled(name)
            if spelled is None:
                text = (
                    f"Database '{name}' does not exist. Make sure that the name is entered "
                    "correctly."
                )
                raise SqlError(911, 16, 1, text)
            return self._opened(spelled)

    def _opened(self, name: str) -> Database:
        made = Database(name, self._folder / f"{name}.duckdb")
        self._open[name.lower()] = made
        return made

    def create(self, name: str) -> None:
        """Make an empty database.

        Raises:
            SqlError: 1801: it exists; 40517: the name cannot be a file's.
        """
        with self._lock:
            if self._spelled(name) is not None:
                text = f"Database '{name}' already exists. Choose a different database name."
                raise SqlError(1801, 16, 3, text)
            if not _NAME.fullmatch(name) or name.endswith((".", " ")):
                text = f"Rehearsal cannot name a file after the database '{name}'."
                raise SqlError(40517, 16, 1, text)
            self._opened(name)

    def drop(self, name: str) -> None:
        """Delete a database.

        Raises:
            SqlError: 3701: there is none; 3702: a session is in it.
        """
        with self._lock:
            spelled = self._spelled(name)
            if spelled is None:
                text = (
                    f"Cannot drop the database '{name}', because it does not exist or you do "
                    "not have permission."
                )
                raise SqlError(3701, 11, 1, text)
            found = self._open.get(name.lower())
            if found is not None and found.sessions:
                text = f'Cannot drop database "{spelled}" because it is currently in use.'
                raise SqlError(3702, 16, 3, text)
            if found is not None:
                del self._open[name.lower()]
                found.close()
            for file in (f"{spelled}.duckdb", f"{spelled}.duckdb.wal"):
                (self._folder / file).unlink(missing_ok=True)

    @contextmanager
    def still(self) -> Iterator[None]:
        """No file changes that matters: nothing is committed, no database comes or goes."""
        with self._lock, ExitStack() as held:
            for database in self._open.values():
                held.enter_context(database.committing)
            yield

    def close(self) -> None:
        with self._lock:
            for database in self._open.values():
                database.close()
            self._open.clear()
