"""Blocks: staged aside, committed by a list without copying a byte; and appended ones."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from emulators.storage import errors
from emulators.storage.engine import blobs, leases
from emulators.storage.engine.blobs import Content, Guard
from emulators.storage.engine.files import Written
from emulators.storage.engine.vault import Vault
from emulators.storage.store import BLOBS, BLOCKS, Blob, Block, Container, Part

MAX_BLOCKS = 50_000
MAX_ID_BYTES = 64
JOINED_UP_TO = 256 * 1024
"""Bytes: an appended block up to this size goes to the end of the last file."""


def check_id(block: str) -> None:
    """Check a block's id: base64 of 1 to 64 bytes.

    Raises:
        InvalidQueryParameterValue: it is not.
    """
    try:
        size = len(base64.b64decode(block, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not 1 <= size <= MAX_ID_BYTES:
        raise errors.InvalidQueryParameterValue(
            detail={
                "QueryParameterName": "blockid",
                "QueryParameterValue": block,
                "Reason": "Not a valid base64 string of 1 to 64 bytes.",
            }
        )


def check_stage(
    vault: Vault, container: Container, name: str, block: str, lease: str | None
) -> None:
    """Check that a block may be staged, before its bytes are received.

    Raises:
        InvalidBlobOrBlock: its id is of another length than its fellows'.
        InvalidBlobType: the blob is not a block blob.
        ServiceError: the lease does not hold.
    """
    check_id(block)
    found = vault.ctx.store.get(BLOBS, container.id, name, "")
    if found is not None:
        if found.kind != "BlockBlob":
            raise errors.InvalidBlobType
        leases.check_write(leases.load(found.lease), vault.ctx.clock.now(), lease, blob=True)
    length = vault.id_length(container.id, name)
    if length is not None and length != len(block):
        raise errors.InvalidBlobOrBlock


def stage(
    vault: Vault, container: Container, name: str, block: str, written: Written, lease: str | None
) -> None:
    """Keep a block until a list commits it; one of the same id is replaced.

    Raises:
        ServiceError: see `check_stage`.
    """
    check_stage(vault, container, name, block, lease)
    db = vault.ctx.store
    made = Block(container.id, name, block, written.file, written.size, vault.ctx.clock.now())
    unheld = []
    if not db.insert(BLOCKS, made):
        with db.transaction():
            old = db.get(BLOCKS, container.id, name, block)
            db.put(BLOCKS, made)
            unheld = vault.files.release([old.file] if old else [])
    vault.id_length(container.id, name)
    vault.index.add(container.id, name)
    vault.files.remove(unheld)


def commit(
    vault: Vault,
    container: Container,
    name: str,
    listed: list[tuple[str, str]],
    content: Content,
    guard: Guard,
) -> Blob:
    """Make the blob of blocks; each is looked for among `Committed`, `Uncommitted` or `Latest`.

    Raises:
        InvalidBlockList: a block is not there.
        BlockListTooLong: over 50,000 blocks.
        ServiceError: see `blobs.for_replacement`.
    """
    if len(listed) > MAX_BLOCKS:
        raise errors.BlockListTooLong
    old = blobs.for_replacement(vault, container, name, guard)
    if old is not None and old.kind != "BlockBlob":
        raise errors.InvalidBlobType
    committed: dict[str, Part] = {part[3]: part for part in old.parts if part[3]} if old else {}
    staged = {b.id: b for b in vault.ctx.store.scan(BLOCKS, container.id, name)}
    parts = [_part(where, block, committed, staged) for where, block in listed]
    made = replace(
        blobs.new(vault, container, name, content, old),
        size=sum(part[2] for part in parts),
        parts=parts,
    )
    if old is not None:
        made = replace(made, created=old.created)
    blobs.store(vault, old, made, drop_blocks=True, api="PutBlockList")
    return made


def _part(where: str, block: str, committed: dict[str, Part], staged: dict[str, Block]) -> Part:
    if where in ("Uncommitted", "Latest") and block in staged:
        found = staged[block]
        return [found.file, 0, found.size, block]
    if where in ("Committed", "Latest") and block in committed:
        return committed[block]
    raise errors.InvalidBlockList


def listed(
    vault: Vault, container: Container, name: str, snapshot: str = ""
) -> tuple[Blob | None, list[Block]]:
    """The blob, whose parts are its committed blocks, and the blocks that wait.

    Raises:
        BlobNotFound: neither is there.
    """
    found = vault.ctx.store.get(BLOBS, container.id, name, snapshot)
    staged = list(vault.ctx.store.scan(BLOCKS, container.id, name))
    if found is None and (not staged or snapshot):
        raise errors.BlobNotFound
    return found, staged


def append(
    vault: Vault, found: Blob, data: bytes | Written, position: int | None, max_size: int | None
) -> tuple[Blob, int]:
    """Put bytes at the end of an append blob. The caller has checked conditions and lease.

    Returns:
        The blob, and the offset the bytes begin at.

    Raises:
        InvalidBlobType: it is not an append blob.
        AppendPositionConditionNotMet: it does not end at `position`.
        MaxBlobSizeConditionNotMet: it would be over `max_size`.
        BlockCountExceedsLimit: it has 50,000 blocks.
    """
    if found.kind != "AppendBlob":
        raise errors.InvalidBlobType
    if found.sealed:
        raise errors.BlobIsSealed
    if position is not None and position != found.size:
        raise errors.AppendPositionConditionNotMet
    size = data.size if isinstance(data, Written) else len(data)
    if max_size is not None and found.size + size > max_size:
        raise errors.MaxBlobSizeConditionNotMet
    if found.appended >= MAX_BLOCKS:
        raise errors.BlockCountExceedsLimit
    made = blobs.change(
        vault,
        found,
        parts=_grown(vault, found, data),
        size=found.size + size,
        appended=found.appended + 1,
    )
    return made, found.size


def _grown(vault: Vault, found: Blob, data: bytes | Written) -> list[Part]:
    """The blob's parts with `data` at their end."""
    if isinstance(data, Written):
        return [*found.parts, [data.file, 0, data.size, ""]]
    last = found.parts[-1] if found.parts else None
    if last is None or vault.files.is_shared(last[0]):
        with vault.files.writer() as writer:
            writer.write(data)
            written = writer.done()
        return [*found.parts, [written.file, 0, written.size, ""]]
    # Readers stop at the size their record says, and what a crash leaves behind it is overwritten.
    vault.files.write_at(last[0], last[1] + last[2], data)
    return [*found.parts[:-1], [last[0], last[1], last[2] + len(data), ""]]
