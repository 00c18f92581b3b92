"""The whole state folder as one archive: to seed CI, to share a bug, to begin again from."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
from pathlib import Path

FORMAT = 1
MANIFEST = "rehearsal-snapshot.json"
LEFT_OUT = {"run", "cache", "partial", "warm"}
"""Folders that mean nothing to another process."""

DATABASE_TAILS = ("-wal", "-shm", "-journal")


class NotASnapshot(ValueError):
    """The file is no archive that `save` wrote, or of a newer version."""


def save(state: Path, archive: Path) -> int:
    """Write the state folder to `archive` (tar, gzip); return the number of files.

    Databases are copied by SQLite's own backup, so an open one is whole. The archive holds the
    folder's secrets: it is as private as the folder.
    """
    partial = archive.with_name(archive.name + ".partial")
    count = 0
    with (
        tempfile.TemporaryDirectory() as scratch,
        tarfile.open(partial, "w:gz", compresslevel=1) as tar,
    ):
        _add_text(tar, MANIFEST, json.dumps({"format": FORMAT}))
        for file in sorted(state.rglob("*")):
            name = file.relative_to(state)
            if not file.is_file() or file.is_symlink() or LEFT_OUT & set(name.parts[:-1]):
                continue
            if file.name.endswith(DATABASE_TAILS):
                continue
            source = _copy_of(file, Path(scratch)) if file.suffix == ".db" else file
            tar.add(source, arcname=str(name), recursive=False)
            count += 1
    partial.chmod(0o600)
    partial.replace(archive)
    return count


def load(archive: Path, state: Path) -> None:
    """Replace the state folder's content by the archive's. The host must be down.

    Raises:
        NotASnapshot: see the message; the state folder is as it was.
    """
    fresh = state.with_name(state.name + ".loading")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            manifest = tar.extractfile(MANIFEST)
            found = json.loads(manifest.read()) if manifest else {}
            if found.get("format") != FORMAT:
                raise NotASnapshot(f"{archive} has format {found.get('format')}, not {FORMAT}")
            tar.extractall(fresh, filter="data")
    except (tarfile.TarError, KeyError, OSError, ValueError) as wrong:
        shutil.rmtree(fresh, ignore_errors=True)
        if isinstance(wrong, NotASnapshot):
            raise
        raise NotASnapshot(f"{archive} is not a snapshot: {wrong}") from wrong
    (fresh / MANIFEST).unlink()
    shutil.rmtree(state, ignore_errors=True)
    fresh.replace(state)


def _copy_of(database: Path, scratch: Path) -> Path:
    target = scratch / "copy.db"
    target.unlink(missing_ok=True)
    with sqlite3.connect(database) as source, sqlite3.connect(target) as copy:
        source.backup(copy)
    source.close()
    copy.close()
    return target


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text.encode())
    tar.addfile(info, io.BytesIO(text.encode()))
