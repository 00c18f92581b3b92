"""The whole state folder as one archive: to seed CI, to share a bug, to begin again from."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path

from emulators.kernel.folder import is_state

FORMAT = 1
MANIFEST = "rehearsal-snapshot.json"
LEFT_OUT = {"run", "cache"}
"""Folders at the top that mean nothing to another process."""

HALF_WRITTEN = "partial"
"""In a folder of bytes: what is not there yet."""

DATABASE = b"SQLite format 3\0"
DATABASE_TAILS = ("-wal", "-shm", "-journal")
TABLES, TABLES_LOG, TABLES_SPILLED = ".duckdb", ".duckdb.wal", ".duckdb.tmp"
"""DuckDB's files, which change where they lie; and the folder of what a query puts aside."""

CHUNK = 1 << 20  # bytes


class NotASnapshot(ValueError):
    """The file is no archive that `save` wrote, or of a newer version."""


def save(state: Path, archive: Path) -> int:
    """Write the state folder to `archive` (tar, gzip); return the number of files.

    The archive holds the folder's secrets: it is as private as the folder.

    Raises:
        NotASnapshot: there is no state in the folder.
        OSError: it cannot be read, or the archive not written.
    """
    with held_still(state) as still:
        return write(still, archive)


@contextmanager
def held_still(
    state: Path, writers: AbstractContextManager[None] | None = None
) -> Iterator[dict[str, Path]]:
    """The folder's files as they are now, by name, whatever happens to the folder meanwhile.

    SQLite's databases are copied by its own backup, so an open one is whole; DuckDB's byte by byte,
    which is whole while `writers` keeps commits out; other files get a second name in a folder of
    ours, which costs no copy. It is over when that is done, so little waits.

    Args:
        writers: entered while names are collected; keeps the folder's own writers out.

    Raises:
        NotASnapshot: there is no state in the folder.
    """
    if not is_state(state):
        raise NotASnapshot(f"{state} holds no state to save: `rehearse up` begins one.")
    (state / "run").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".snapshot-", dir=state / "run") as scratch:
        with writers or nullcontext():
            files = _collect(state, Path(scratch))
        yield files


def _collect(state: Path, scratch: Path) -> dict[str, Path]:
    names = sorted(_names(state), key=lambda path: (path.suffix != ".db", path))
    found: dict[str, Path] = {}
    for number, file in enumerate(names):
        copy = scratch / str(number)
        with suppress(FileNotFoundError):  # gone since it was listed: as if a moment earlier
            if _is_database(file):
                _back_up(file, copy)
            elif file.name.endswith((TABLES, TABLES_LOG)):
                shutil.copy2(file, copy)
            else:
                _second_name(file, copy)
            found[file.relative_to(state).as_posix()] = copy
    return found


def _names(state: Path) -> Iterator[Path]:
    for at, folders, files in os.walk(state):
        here = Path(at)
        if here == state:
            folders[:] = [name for name in folders if name not in LEFT_OUT]
        if here.parent == state and HALF_WRITTEN in folders:
            folders.remove(HALF_WRITTEN)
        folders[:] = [name for name in folders if not name.endswith(TABLES_SPILLED)]
        for name in files:
            file = here / name
            if file.is_file() and not file.is_symlink() and not _belongs_to_database(file):
                yield file


def _belongs_to_database(file: Path) -> bool:
    for tail in DATABASE_TAILS:
        if file.name.endswith(tail) and file.with_name(file.name.removesuffix(tail)).is_file():
            return True
    return False


def _is_database(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(DATABASE)) == DATABASE


def _back_up(database: Path, copy: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.DatabaseError:  # a user's file that only begins like one
        copy.unlink(missing_ok=True)
        shutil.copy2(database, copy)


def _second_name(file: Path, copy: Path) -> None:
    try:
        os.link(file, copy)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without them
        shutil.copy2(file, copy)


def write(files: dict[str, Path], archive: Path) -> int:
    """Write files by name to `archive`, which appears whole or not at all; return their number."""
    handle, partial = tempfile.mkstemp(prefix=f".{archive.name}-", dir=archive.parent)  # 0600
    try:
        with (
            os.fdopen(handle, "wb") as raw,
            tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1) as tar,
        ):
            about = json.dumps({"format": FORMAT, "files": len(files)}).encode()
            tar.addfile(_entry(MANIFEST, len(about)), io.BytesIO(about))
            for name, file in files.items():
                with file.open("rb") as opened:
                    tar.addfile(_entry(name, file), _Whole(opened))
        os.replace(partial, archive)
    finally:
        Path(partial).unlink(missing_ok=True)
    return len(files)


def _entry(name: str, of: Path | int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    if isinstance(of, int):
        info.size = of
    else:
        stat = of.stat()
        info.size, info.mtime, info.mode = stat.st_size, int(stat.st_mtime), stat.st_mode & 0o700
    return info


class _Whole(io.RawIOBase):
    """A file that has as many bytes as are asked of it, though its owner cuts it meanwhile."""

    def __init__(self, opened: io.BufferedReader) -> None:
        self._opened = opened

    def read(self, size: int = -1) -> bytes:
        return self._opened.read(size).ljust(max(0, size), b"\0")


def load(archive: Path, state: Path) -> None:
    """Replace the state folder's content by the archive's. The host must be down.

    Raises:
        NotASnapshot: see the message; the state folder is as it was.
        OSError: there is no room, or the folder cannot be written; the folder is as it was.
    """
    if state.exists() and not is_state(state) and any(p.name != "run" for p in state.iterdir()):
        raise NotASnapshot(f"{state} holds other files and no state: name an empty folder.")
    state.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{state.name}-", dir=state.parent))  # 0700
    try:
        _extract(archive, fresh)
        _take_place(fresh, state)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _extract(archive: Path, fresh: Path) -> None:
    try:
        with gzip.open(archive) as raw, tarfile.open(fileobj=raw, mode="r:") as tar:
            count = _announced(tar, archive)
            for member in tar:
                if member.name == MANIFEST:
                    continue
                if not member.isfile():
                    raise NotASnapshot(f"{archive} holds {member.name!r}, which is no plain file.")
                tar.extract(member, fresh, filter="data")
                count -= 1
            while raw.read(CHUNK):  # to the end, where its checksum is
                pass
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, ValueError, zlib.error) as wrong:
        if isinstance(wrong, NotASnapshot):
            raise
        raise NotASnapshot(f"{archive} is not a snapshot, or is damaged: {wrong}") from wrong
    if count or not is_state(fresh):
        raise NotASnapshot(f"{archive} is not whole.")


def _announced(tar: tarfile.TarFile, archive: Path) -> int:
    """The number of files an archive says it holds."""
    first = tar.next()
    opened = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
    about = json.loads(opened.read(CHUNK)) if opened is not None else {}
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        found = about.get("format", "none") if isinstance(about, dict) else "none"
        raise NotASnapshot(
            f"{archive} is not a snapshot that this version of Rehearsal reads: its format is"
            f" {found}, not {FORMAT}."
        )
    return int(about["files"])


def _take_place(fresh: Path, state: Path) -> None:
    """Put `fresh` where `state` is; a failure leaves what was there."""
    old = Path(tempfile.mkdtemp(prefix=f".{state.name}-old-", dir=state.parent))
    try:
        if state.exists():
            state.replace(old / "state")
        try:
            fresh.replace(state)
        except OSError:
            if (old / "state").exists():
                (old / "state").replace(state)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
