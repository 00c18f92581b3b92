"""Collected lines in files of this machine until storage has them: what is acknowledged is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from emulators.machinelearning.engine.storage_access import DatastorePath

ABOUT = ".json"
DATA = ".data"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file goes."""

    path: DatastorePath
    beside: bool = False  # lines of other files point to it


class Part:
    """One file, which becomes one blob. Lines are appended, bytes are sent from its start."""

    def __init__(self, folder: Path, name: str, where: Place, *, durable: bool) -> None:
        self.where, self.beside = where.path, where.beside
        self.done = False  # nothing more will be appended
        self.shipped = 0  # bytes that storage has
        self._about, self._data = folder / f"{name}{ABOUT}", folder / f"{name}{DATA}"
        self._durable = durable
        self._file: int | None = None
        self.size = self._data.stat().st_size if self._data.exists() else 0

    @classmethod
    def new(cls, folder: Path, name: str, where: Place, *, durable: bool) -> Part:
        """Begin a file. Where it goes is on disk before anything that goes there."""
        part = cls(folder, name, where, durable=durable)
        partial = part._about.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(where)), encoding="utf-8")
        partial.replace(part._about)
        return part

    @classmethod
    def left(cls, folder: Path, *, durable: bool) -> Iterator[Part]:
        """What an earlier host could not send any more."""
        for about in sorted(folder.glob(f"*{ABOUT}")):
            values = json.loads(about.read_text(encoding="utf-8"))
            place = Place(DatastorePath(**values["path"]), values["beside"])
            part = cls(folder, about.stem, place, durable=durable)
            part.done = True
            yield part

    @property
    def pending(self) -> bool:
        """Whether storage lacks something of it."""
        return self.shipped < self.size

    def append(self, data: bytes) -> None:
        """Keep bytes; when this returns they outlive this process.

        Raises:
            OSError: the disk does not take them; then none of them is kept.
        """
        if self._file is None:
            self._file = os.open(self._data, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        view, begin = memoryview(data), self.size
        try:
            while view:
                view = view[os.write(self._file, view) :]
            if self._durable:
                os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, begin)
            raise
        self.size = begin + len(data)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it."""
        with self._data.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def close(self) -> None:
        """Append nothing more."""
        self.done = True
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def discard(self) -> None:
        """Remove it, once storage has everything."""
        self.close()
        self._data.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)
