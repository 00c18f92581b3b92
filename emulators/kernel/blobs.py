"""Bytes by key, separate from records: whole or not at all, streamed, never half-written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


class Blobs:
    """A folder of files named by opaque keys (letters, digits, `-`, `_`).

    What `create` has yielded becomes visible only when its block ends without an error, by a
    rename; a killed process leaves a partial file that `sweep` removes.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._folder = folder
        self._durable = durable
        self._partial = folder / "partial"
        self._partial.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Where the bytes of `key` lie, whether or not they exist.

        Raises:
            ValueError: the key holds anything that could leave the folder.
        """
        if not key or not key.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"not a blob key: {key!r}")
        return self._folder / key[:2] / key

    @contextmanager
    def create(self, key: str) -> Iterator[BinaryIO]:
        """Write the bytes of `key`; they replace what was there once the block ends."""
        final = self.path(key)
        # A name of its own for each writer: two of one key must not write into each other.
        handle, name = tempfile.mkstemp(dir=self._partial)
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                if self._durable:
                    file.flush()
                    os.fsync(file.fileno())
            final.parent.mkdir(exist_ok=True)
            partial.replace(final)
            if self._durable:
                _sync_folder(final.parent)
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()

    def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key`."""
        with self.create(key) as file:
            file.write(data)

    def get(self, key: str) -> bytes | None:
        """The bytes under `key`, or None."""
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens when it is not there. Open readers keep their bytes."""
        with suppress(FileNotFoundError):
            self.path(key).unlink()

    def keys(self) -> Iterator[str]:
        """Every key, in no particular order."""
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder != self._partial:
                yield from (file.name for file in folder.iterdir())

    def sweep(self) -> None:
        """Remove what a killed process left half-written."""
        for file in self._partial.iterdir():
            file.unlink()

    def reset(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder)
        self._partial.mkdir(parents=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` outlive power loss, which syncing the file alone does not."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
