"""Files and folders as the DFS endpoint shows them, over plain blobs.

A folder is a prefix; one that was made is also an empty blob marked `hdi_isfolder`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.storage import errors
from emulators.storage.engine import blobs, leases, naming
from emulators.storage.engine.blobs import Content, Guard
from emulators.storage.engine.files import Written
from emulators.storage.engine.vault import Vault
from emulators.storage.store import BLOBS, BLOCKS, Blob, Block, Container

FOLDER = "hdi_isfolder"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder in a list; a folder that nobody made has no blob."""

    name: str
    is_folder: bool
    blob: Blob | None


def is_folder(blob: Blob | None) -> bool:
    """Whether the blob stands for a folder."""
    return blob is not None and any(
        name.lower() == FOLDER and value.lower() == "true" for name, value in blob.metadata.items()
    )


def find(vault: Vault, container: Container, path: str) -> Entry:
    """The file or folder.

    Raises:
        PathNotFound: there is none.
    """
    blob = vault.ctx.store.get(BLOBS, container.id, path, "")
    if blob is not None:
        return Entry(path, is_folder(blob), blob)
    if has_children(vault, container, path):
        return Entry(path, True, None)
    raise errors.PathNotFound


def has_children(vault: Vault, container: Container, path: str) -> bool:
    """Whether anything lies below a path."""
    return next(_blobs_below(vault, container, path), None) is not None


def _blobs_below(vault: Vault, container: Container, path: str) -> Iterator[Blob]:
    prefix = f"{path}/" if path else ""
    for name, _ in list(vault.index.of(container.id).walk(prefix, "", "")):
        found = vault.ctx.store.get(BLOBS, container.id, name, "")
        if found is not None:
            yield found


def make(
    vault: Vault, container: Container, path: str, content: Content, guard: Guard, *, folder: bool
) -> Blob:
    """Make a file, empty, or a folder; a folder that is there stays as it is.

    Raises:
        PathAlreadyExists: the other kind is there, or the caller wants it new.
        ServiceError: a condition or the lease does not hold.
    """
    found = vault.ctx.store.get(BLOBS, container.id, path, "")
    exists = found is not None or has_children(vault, container, path)
    there_is_folder = is_folder(found) or (found is None and exists)
    if exists and ("*" in guard.asked.none_match or there_is_folder != folder):
        raise errors.PathAlreadyExists
    if found is not None and folder:
        return found
    metadata = dict(content.metadata) | ({FOLDER: "true"} if folder else {})
    old = blobs.for_replacement(vault, container, path, guard)
    made = blobs.new(vault, container, path, replace(content, metadata=metadata), old)
    blobs.store(vault, old, made, drop_blocks=True, api="" if folder else "CreateFile")
    return made


def _block_id(position: int) -> str:
    return base64.b64encode(f"dfs-{position:020}".encode()).decode()


def append(vault: Vault, found: Blob, position: int, written: Written, lease: str | None) -> None:
    """Keep bytes for a position of the file until they are flushed.

    Raises:
        ServiceError: the lease does not hold.
    """
    now = vault.ctx.clock.now()
    leases.check_write(leases.load(found.lease), now, lease, blob=True)
    made = Block(found.container, found.name, _block_id(position), written.file, written.size, now)
    store = vault.ctx.store
    with store.transaction():
        old = store.get(BLOCKS, made.container, made.name, made.id)
        store.put(BLOCKS, made)
        unheld = vault.files.release([old.file] if old else [])
    vault.id_length(made.container, made.name)
    vault.files.remove(unheld)


def flush(
    vault: Vault, found: Blob, position: int, content: Content | None, *, closed: bool = False
) -> Blob:
    """Make the file end at `position` with all that was appended; `closed` says it is whole.

    Raises:
        InvalidFlushPosition: the bytes do not reach from the file's end to there without a gap.
    """
    staged = [
        block
        for block in vault.ctx.store.scan(BLOCKS, found.container, found.name)
        if base64.b64decode(block.id).startswith(b"dfs-")
    ]
    end, parts = found.size, [*found.parts]
    for block in sorted(staged, key=lambda block: block.id):
        if int(base64.b64decode(block.id)[4:]) != end:
            raise errors.InvalidFlushPosition
        parts.append([block.file, 0, block.size, ""])
        end += block.size
    if end != position:
        raise errors.InvalidFlushPosition
    now = vault.ctx.clock.now()
    made = replace(
        found,
        parts=parts,
        size=end,
        etag=vault.new_etag(),
        modified=now,
        lease=leases.dump(leases.after_write(leases.load(found.lease), now)),
        md5=content.md5 if content else "",
    )
    if content is not None:
        given: dict[str, Any] = {
            "content_type": content.content_type,
            "content_encoding": content.content_encoding,
            "content_language": content.content_language,
            "content_disposition": content.content_disposition,
            "cache_control": content.cache_control,
        }
        made = replace(made, **{name: value for name, value in given.items() if value})
    blobs.store(vault, found, made, drop_blocks=True, api="FlushWithClose" if closed else "")
    return made


def delete(vault: Vault, container: Container, path: str, guard: Guard, *, recursive: bool) -> None:
    """Delete a file, or a folder with what is in it.

    Raises:
        PathNotFound: there is none.
        DirectoryNotEmpty: the folder has something in it and `recursive` is not asked for.
        ServiceError: a condition or a lease does not hold.
    """
    entry = find(vault, container, path)
    below = list(_blobs_below(vault, container, path)) if entry.is_folder else []
    if below and not recursive:
        raise errors.DirectoryNotEmpty
    now = vault.ctx.clock.now()
    if entry.blob is not None:
        blobs.for_change(vault, container, path, guard)
    for blob in below:
        leases.check_write(leases.load(blob.lease), now, None, blob=True)
    blobs.remove(vault, [*([entry.blob] if entry.blob else []), *below], api="DeleteFile")


def rename(
    vault: Vault,
    source: tuple[Container, str],
    target: tuple[Container, str],
    guards: tuple[Guard, Guard],
) -> None:
    """Move a file or a folder, all of it or nothing; what is at the target is replaced.

    Raises:
        SourcePathNotFound: there is nothing to move.
        PathAlreadyExists: the target is a folder with something in it, or lies in the source.
        ServiceError: a condition or a lease does not hold.
    """
    try:
        entry = find(vault, *source)
    except errors.PathNotFound:
        raise errors.SourcePathNotFound from None
    container, path = target
    if has_children(vault, container, path) or f"{path}/".startswith(f"{source[1]}/"):
        raise errors.PathAlreadyExists
    if entry.blob is not None:
        blobs.for_change(vault, source[0], source[1], guards[0])
    old = blobs.for_replacement(vault, container, path, guards[1])
    moved = [entry.blob] if entry.blob else []
    moved += list(_blobs_below(vault, *source)) if entry.is_folder else []
    for blob in moved:
        naming.check_blob(path + blob.name[len(source[1]) :])
    with vault.ctx.store.transaction():
        if old is not None:
            blobs.remove(vault, [old])
        for blob in moved:
            made = replace(
                blob,
                container=container.id,
                name=path + blob.name[len(source[1]) :],
                lease=None,
                etag=vault.new_etag(),
            )
            blobs.store(vault, None, made, share=True)
        blobs.remove(vault, moved)


def set_properties(
    vault: Vault, found: Blob, content: Content, metadata: Mapping[str, str] | None
) -> Blob:
    """Change the headers that are given, and the metadata where it is.

    Raises:
        ServiceError: bad metadata.
    """
    changed = found
    if metadata is not None:
        changed = blobs.set_metadata(vault, changed, metadata)
    return blobs.set_content(vault, changed, content)


def page(
    vault: Vault, container: Container, folder: str, *, recursive: bool, start: str, at_most: int
) -> tuple[list[Entry], str]:
    """Files and folders below a folder, and where the next page begins (empty: no more).

    Raises:
        PathNotFound: the folder is not there.
    """
    if folder:
        entry = find(vault, container, folder)
        if not entry.is_folder:
            raise errors.PathNotFound
    found: list[Entry] = []
    for entry in _entries(vault, container, folder, recursive, start):
        if len(found) == at_most:
            return found, ("d" if entry.blob is None else "f") + entry.name
        found.append(entry)
    return found, ""


def _entries(
    vault: Vault, container: Container, folder: str, recursive: bool, start: str
) -> Iterator[Entry]:
    prefix, kind, first = f"{folder}/" if folder else "", start[:1], start[1:]
    begin = f"{first}/" if kind == "d" else first
    known = _ancestors(first, prefix)  # a page before this one had them
    walked = vault.index.of(container.id).walk(prefix, begin, "" if recursive else "/")
    for name, is_prefix in walked:
        path = name.rstrip("/") if is_prefix else name
        for parent in [*_ancestors(path, prefix), *([path] if is_prefix else [])]:
            if parent not in known:
                known.append(parent)
                if vault.ctx.store.get(BLOBS, container.id, parent, "") is None:
                    yield Entry(parent, True, None)
        blob = None if is_prefix else vault.ctx.store.get(BLOBS, container.id, name, "")
        if blob is not None:
            yield Entry(name, is_folder(blob), blob)


def _ancestors(path: str, prefix: str) -> list[str]:
    """The folders between a prefix and a path, outermost first, without the path."""
    steps = path[len(prefix) :].split("/")[:-1] if path.startswith(prefix) else []
    return [prefix + "/".join(steps[: n + 1]) for n in range(len(steps)) if steps[n]]
