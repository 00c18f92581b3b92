"""Blobs: put, find, change, snapshot, delete. Every change is one transaction, checked inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from emulators.storage import errors
from emulators.storage.engine import events, leases, naming
from emulators.storage.engine.conditions import NONE, Conditions, check_read, check_write
from emulators.storage.engine.files import Written
from emulators.storage.engine.vault import Vault
from emulators.storage.store import BLOBS, BLOCKS, CONTAINERS, Blob, Block, Container

TIERS = {"Hot", "Cool", "Cold", "Archive"}


@dataclass(frozen=True, slots=True)
class Guard:
    """What must hold for a request to go through."""

    asked: Conditions = NONE
    lease: str | None = None
    create_only: bool = False  # the caller may make blobs, not replace them


@dataclass(frozen=True, slots=True)
class Content:
    """What a writer says of a blob beside its bytes."""

    content_type: str = "application/octet-stream"
    content_encoding: str = ""
    content_language: str = ""
    content_disposition: str = ""
    cache_control: str = ""
    md5: str = ""  # base64
    metadata: Mapping[str, str] = field(default_factory=dict)
    tier: str = ""


def find(vault: Vault, container: Container, name: str, snapshot: str = "") -> Blob:
    """The blob or the snapshot.

    Raises:
        BlobNotFound: there is none.
    """
    found = vault.ctx.store.get(BLOBS, container.id, name, snapshot)
    if found is None:
        raise errors.BlobNotFound
    return found


def read(
    vault: Vault, container: Container, name: str, snapshot: str = "", guard: Guard = Guard()
) -> Blob:
    """The blob or the snapshot, if the request still wants it.

    Raises:
        BlobNotFound: there is none.
        ServiceError: a condition or the lease does not hold.
    """
    there = vault.ctx.store.get(BLOBS, container.id, name, snapshot)
    check_read(guard.asked, (there.etag, there.modified) if there else None)
    found = there or find(vault, container, name, snapshot)
    leases.check_read(leases.load(found.lease), vault.ctx.clock.now(), guard.lease, blob=True)
    return found


def for_change(
    vault: Vault, container: Container, name: str, guard: Guard, snapshot: str = ""
) -> Blob:
    """The blob, if the request may change it.

    Raises:
        BlobNotFound: there is none.
        ServiceError: a condition or the lease does not hold.
    """
    there = vault.ctx.store.get(BLOBS, container.id, name, snapshot)
    check_write(guard.asked, (there.etag, there.modified) if there else None)
    found = there or find(vault, container, name, snapshot)
    leases.check_write(leases.load(found.lease), vault.ctx.clock.now(), guard.lease, blob=True)
    return found


def for_replacement(vault: Vault, container: Container, name: str, guard: Guard) -> Blob | None:
    """What a new blob would replace, if the request may.

    Raises:
        ServiceError: a condition or the lease does not hold, or the caller may only create.
    """
    naming.check_blob(name)
    found = vault.ctx.store.get(BLOBS, container.id, name, "")
    if found is not None and guard.create_only:
        raise errors.BlobOverwrite
    check_write(guard.asked, (found.etag, found.modified) if found else None, replaces=True)
    if found is not None:
        held = leases.load(found.lease)
        leases.check_write(held, vault.ctx.clock.now(), guard.lease, blob=True)
    return found


def put(
    vault: Vault,
    container: Container,
    name: str,
    written: Written | None,
    content: Content,
    guard: Guard,
) -> Blob:
    """Make or replace a block blob of one piece; `written` None makes an empty append blob.

    Raises:
        ServiceError: see `for_replacement`; bad metadata or tier.
    """
    old = for_replacement(vault, container, name, guard)
    parts = [[written.file, 0, written.size, ""]] if written and written.size else []
    made = replace(
        new(vault, container, name, content, old),
        kind="BlockBlob" if written else "AppendBlob",
        size=written.size if written else 0,
        parts=parts,
    )
    store(vault, old, made, drop_blocks=True, api="PutBlob")
    if written and not written.size:
        vault.files.remove([written.file])
    return made


def new(vault: Vault, container: Container, name: str, content: Content, old: Blob | None) -> Blob:
    """An empty block blob that is about to be filled; the lease of the old one stays.

    Raises:
        ServiceError: bad metadata or tier.
    """
    naming.check_metadata(content.metadata)
    check_tier(content.tier)
    now = vault.ctx.clock.now()
    held = leases.after_write(leases.load(old.lease), now) if old else None
    return Blob(
        container=container.id,
        name=name,
        snapshot="",
        kind="BlockBlob",
        size=0,
        parts=[],
        etag=vault.new_etag(),
        created=now,
        modified=now,
        content_type=content.content_type,
        content_encoding=content.content_encoding,
        content_language=content.content_language,
        content_disposition=content.content_disposition,
        cache_control=content.cache_control,
        md5=content.md5,
        metadata=dict(content.metadata),
        tier=content.tier,
        tiered=now.isoformat() if content.tier else "",
        lease=leases.dump(held),
    )


def check_tier(tier: str) -> None:
    """Check an access tier; empty is the account's own.

    Raises:
        InvalidHeaderValue: block blobs have no such tier.
    """
    if tier and tier not in TIERS:
        raise errors.InvalidHeaderValue(
            detail={"HeaderName": "x-ms-access-tier", "HeaderValue": tier}
        )


def files_of(blob: Blob | None) -> set[str]:
    """The files a blob's bytes are in."""
    return {str(part[0]) for part in blob.parts} if blob else set()


def store(
    vault: Vault,
    old: Blob | None,
    made: Blob,
    *,
    drop_blocks: bool = False,
    share: bool = False,
    api: str = "",
) -> None:
    """Put `made` where `old` was and let go of the bytes nothing needs any more.

    `api`: the operation that subscribers are told has made the blob; none is told without.

    `share`: files of `made` that `old` does not hold are another record's too.
    """
    db, files = vault.ctx.store, vault.files
    with db.transaction():
        blocks: list[Block] = []
        if drop_blocks and vault.id_length(made.container, made.name) is not None:
            blocks = list(db.scan(BLOCKS, made.container, made.name))
        had = files_of(old) | {block.file for block in blocks}
        has = files_of(made)
        if share:
            files.share([part for part in made.parts if part[0] not in had])
        for block in blocks:
            db.delete(BLOCKS, block.container, block.name, block.id)
        db.put(BLOBS, made)
        if api:
            events.created(vault, made, api)
        unheld = files.release(had - has)
    if drop_blocks:
        vault.forget_ids(made.container, made.name)
    vault.index.add(made.container, made.name)
    files.remove(unheld)


def change(vault: Vault, found: Blob, *, version: bool = True, **changes: object) -> Blob:
    """Store the blob with some fields changed; by default as a new version of it."""
    now = vault.ctx.clock.now()
    if version:
        changes |= {"etag": vault.new_etag(), "modified": now}
        changes["lease"] = leases.dump(leases.after_write(leases.load(found.lease), now))
    changed = replace(found, **changes)  # type: ignore[arg-type]
    vault.ctx.store.put(BLOBS, changed)
    return changed


def set_content(vault: Vault, found: Blob, content: Content) -> Blob:
    """Replace the blob's headers; what is not given is cleared. Metadata stays."""
    return change(
        vault,
        found,
        content_type=content.content_type,
        content_encoding=content.content_encoding,
        content_language=content.content_language,
        content_disposition=content.content_disposition,
        cache_control=content.cache_control,
        md5=content.md5,
    )


def set_metadata(vault: Vault, found: Blob, metadata: Mapping[str, str]) -> Blob:
    """Replace the blob's metadata.

    Raises:
        ServiceError: bad metadata.
    """
    naming.check_metadata(metadata)
    return change(vault, found, metadata=dict(metadata))


def set_tier(vault: Vault, found: Blob, tier: str) -> Blob:
    """Move the blob to another tier; the version stays. Archive is left at once.

    Raises:
        InvalidBlobType: only block blobs have tiers.
        InvalidHeaderValue: there is no such tier.
    """
    check_tier(tier)
    if found.kind != "BlockBlob":
        raise errors.InvalidBlobType
    at = vault.ctx.clock.now().isoformat()
    return change(vault, found, version=False, tier=tier, tiered=at)


def snapshot(vault: Vault, found: Blob, metadata: Mapping[str, str]) -> Blob:
    """Keep the blob as it is now under a time; its bytes are shared.

    Raises:
        ServiceError: bad metadata.
    """
    naming.check_metadata(metadata)
    kept = replace(
        found,
        snapshot=_moment(vault, found),
        metadata=dict(metadata or found.metadata),
        lease=None,
    )
    with vault.ctx.store.transaction():
        vault.ctx.store.put(BLOBS, kept)
        vault.files.share(kept.parts)
    return kept


def _moment(vault: Vault, found: Blob) -> str:
    """The time of a snapshot, in units of 100 ns, that no other snapshot has."""
    now = vault.ctx.clock.now()
    taken = {blob.snapshot for blob in vault.ctx.store.scan(BLOBS, found.container, found.name)}
    for tick in range(len(taken) + 10):
        text = stamp(now, tick)
        if text not in taken:
            return text
    raise AssertionError("unreachable: more candidates than snapshots")


def stamp(moment: datetime, ticks: int = 0) -> str:
    """An instant to 100 ns, as snapshots are named; `ticks` are added."""
    total = moment.microsecond * 10 + ticks
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{total:07}Z"


def delete(vault: Vault, container: Container, found: Blob, snapshots: str = "") -> None:
    """Delete the blob; `snapshots` is `include` (with them) or `only` (them, not the blob).

    Raises:
        SnapshotsPresent: it has snapshots and nothing is said of them.
    """
    db = vault.ctx.store
    under = list(db.scan(BLOBS, container.id, found.name))
    if found.snapshot:
        doomed = [found]
    elif snapshots == "only":
        doomed = [blob for blob in under if blob.snapshot]
    elif snapshots == "include" or len(under) == 1:
        doomed = under
    else:
        raise errors.SnapshotsPresent
    remove(vault, doomed, api="DeleteBlob")


def remove(vault: Vault, doomed: Iterable[Blob], *, api: str = "") -> None:
    """Remove records of blobs and the bytes that nothing else needs.

    `api`: the operation that subscribers are told has removed them; none is told without.
    """
    db, unheld, names = vault.ctx.store, list[str](), set[tuple[str, str]]()
    with db.transaction():
        for blob in doomed:
            db.delete(BLOBS, blob.container, blob.name, blob.snapshot)
            if api:
                events.deleted(vault, blob, api)
            unheld += vault.files.release(files_of(blob))
            names.add((blob.container, blob.name))
    for container, name in names:
        vault.index.drop(container, name)
    vault.files.remove(unheld)


def still_there(vault: Vault, container: Container) -> Container:
    """The container again, after a body was received.

    Raises:
        ContainerNotFound: it was deleted meanwhile.
    """
    found = vault.ctx.store.get(CONTAINERS, container.account, container.name)
    if found is None or found.id != container.id:
        raise errors.ContainerNotFound
    return found
