"""Bytes of blobs in files: written aside and renamed, shared by records, gone when nobody needs."""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from emulators.kernel.blobs import Blobs
from emulators.kernel.context import Context
from emulators.storage.engine.crc64 import Crc64
from emulators.storage.store import BLOBS, BLOCKS, CONTAINERS, SHARED, Part, Shared

UNLINK_AT_ONCE = 16
"""Files removed in the caller's thread; more are removed in another."""


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes that are on disk under a key no record holds yet."""

    file: str
    size: int
    md5: bytes  # empty where not asked for
    crc64: bytes | None  # little-endian, only when asked for

    @property
    def md5_base64(self) -> str:
        return base64.b64encode(self.md5).decode()


class Writer:
    """Bytes on their way to a file; as a context, leaving it without `done` leaves no trace."""

    def __init__(self, files: Files, key: str, *, md5: bool = True, crc64: bool = False) -> None:
        self._files, self._key = files, key
        self._opened = files.blobs.create(key)
        self._file = self._opened.__enter__()
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None
        self._crc64 = Crc64() if crc64 else None
        self._finished = False
        self.size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`."""
        self._file.write(data)
        if self._md5 is not None:
            self._md5.update(data)
        if self._crc64 is not None:
            self._crc64.update(bytes(data))
        self.size += len(data)

    def done(self) -> Written:
        """Put the file in its place. Until a record holds it, a restart removes it."""
        self._finished = True
        self._opened.__exit__(None, None, None)
        crc = self._crc64.digest() if self._crc64 is not None else None
        md5 = self._md5.digest() if self._md5 is not None else b""
        return Written(self._key, self.size, md5, crc)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._finished:
            self._finished = True
            stopped = GeneratorExit()
            with suppress(GeneratorExit):
                self._opened.__exit__(GeneratorExit, stopped, None)


class Files:
    """The folder of bytes. Records say which files hold what; `SHARED` counts further holders."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.blobs = Blobs(ctx.state / "storage", durable=ctx.settings.durable)
        self._unclean = ctx.state / "storage" / "in-use"
        self._lock = Lock()
        self._read: Counter[str] = Counter()
        self._waiting: set[str] = set()
        self._others: ThreadPoolExecutor | None = None

    def open(self) -> None:
        """Begin: remove what a killed process left behind."""
        self.blobs.sweep()
        if self._unclean.exists():
            self._remove_orphans()
        self._unclean.touch()

    def close(self) -> None:
        """End: remove what readers kept; the next start then has nothing to look for."""
        if self._others is not None:
            self._others.shutdown(wait=True)
        for key in self._waiting:
            self.blobs.delete(key)
        self._unclean.unlink(missing_ok=True)

    def writer(self, *, md5: bool = True, crc64: bool = False) -> Writer:
        """A new file, not yet anywhere; `md5` and `crc64` say what is computed on the way."""
        return Writer(self, self._ctx.ids.hex(32), md5=md5, crc64=crc64)

    def path(self, file: str) -> Path:
        """Where the bytes of `file` lie."""
        return self.blobs.path(file)

    def write_at(self, file: str, offset: int, data: bytes) -> None:
        """Put `data` at an offset of a file that one record holds."""
        with self.path(file).open("r+b") as opened:
            opened.seek(offset)
            opened.write(data)
            if self._ctx.settings.durable:
                opened.flush()
                os.fsync(opened.fileno())

    def share(self, parts: Iterable[Part]) -> None:
        """Note one more holder of every file; call inside the transaction that adds it."""
        for file in {str(part[0]) for part in parts}:
            found = self._ctx.store.get(SHARED, file)
            self._ctx.store.put(SHARED, Shared(file, found.extra + 1 if found else 1))

    def is_shared(self, file: str) -> bool:
        """Whether more than one record holds the file."""
        return self._ctx.store.get(SHARED, file) is not None

    def release(self, files: Iterable[str]) -> list[str]:
        """Note one holder less of every file; call inside the transaction that drops it.

        Returns:
            The files nobody holds any more: give them to `remove` after the transaction.
        """
        unheld = []
        for file in set(files):
            found = self._ctx.store.get(SHARED, file)
            if found is None:
                unheld.append(file)
            elif found.extra == 1:
                self._ctx.store.delete(SHARED, file)
            else:
                self._ctx.store.put(SHARED, Shared(file, found.extra - 1))
        return unheld

    def remove(self, files: list[str]) -> None:
        """Remove unheld files, each as soon as nobody reads it."""
        with self._lock:
            now = [file for file in files if not self._read[file]]
            self._waiting.update(set(files) - set(now))
        if len(now) <= UNLINK_AT_ONCE:
            self._unlink(now)
            return
        if self._others is None:
            self._others = ThreadPoolExecutor(1, "storage-remover")
        self._others.submit(self._unlink, now)

    def remove_unheld(self, files: list[str]) -> None:
        """Remove those of `files` that no staged block holds."""
        held = {block.file for block in self._ctx.store.scan(BLOCKS)}
        self.remove([file for file in files if file not in held])

    def _unlink(self, files: list[str]) -> None:
        for file in files:
            self.blobs.delete(file)

    @contextmanager
    def reading(self, parts: Iterable[Part]) -> Iterator[None]:
        """Keep the files of `parts` in place meanwhile, whatever becomes of their records."""
        files = {str(part[0]) for part in parts}
        with self._lock:
            self._read.update(files)
        try:
            yield
        finally:
            with self._lock:
                self._read.subtract(files)
                idle = {file for file in files if self._read[file] <= 0}
                for file in idle:
                    del self._read[file]
                gone = idle & self._waiting
                self._waiting -= gone
            self._unlink(list(gone))

    def _remove_orphans(self) -> None:
        held: set[str] = {block.file for block in self._ctx.store.scan(BLOCKS)}
        for container in self._ctx.store.scan(CONTAINERS):
            for blob in self._ctx.store.scan(BLOBS, container.id):
                held.update(str(part[0]) for part in blob.parts)
        for key in list(self.blobs.keys()):
            if key not in held:
                self.blobs.delete(key)
