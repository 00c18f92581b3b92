"""Containers: make, find, change, list and delete them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from emulators.kernel.store import Table
from emulators.storage import errors
from emulators.storage.engine import leases, naming
from emulators.storage.engine.conditions import Conditions, check_write
from emulators.storage.engine.vault import Vault
from emulators.storage.store import (
    ACCOUNTS,
    BLOBS,
    BLOCKS,
    CONTAINERS,
    DOOMED,
    Container,
    Doomed,
)


def find(vault: Vault, account: str, name: str) -> Container:
    """The container.

    Raises:
        ContainerNotFound: there is none of that name.
        ServiceError: no container can have that name.
    """
    naming.check_container(name)
    found = vault.ctx.store.get(CONTAINERS, account, name)
    if found is None:
        raise errors.ContainerNotFound
    return found


def create(
    vault: Vault, account: str, name: str, *, public: str = "", metadata: Mapping[str, str]
) -> Container:
    """Make a container.

    Raises:
        ContainerAlreadyExists: there is one.
        PublicAccessNotPermitted: it would be public, which the account forbids.
        ServiceError: a bad name or bad metadata.
    """
    naming.check_container(name)
    naming.check_metadata(metadata)
    _check_public(vault, account, public)
    now = vault.ctx.clock.now()
    made = Container(
        account=account,
        name=name,
        id=vault.ctx.ids.hex(16),
        etag=vault.new_etag(),
        created=now,
        modified=now,
        public=public,
        metadata=dict(metadata),
    )
    if not vault.ctx.store.insert(CONTAINERS, made):
        raise errors.ContainerAlreadyExists
    return made


def _check_public(vault: Vault, account: str, public: str) -> None:
    if public not in ("", "container", "blob"):
        raise errors.InvalidHeaderValue(
            detail={"HeaderName": "x-ms-blob-public-access", "HeaderValue": public}
        )
    owner = vault.ctx.store.get(ACCOUNTS, account)
    if public and owner is not None and not owner.public_access:
        raise errors.PublicAccessNotPermitted


def check(
    vault: Vault, found: Container, asked: Conditions, lease: str | None, *, write: bool = False
) -> None:
    """Check what a request asks of the container's version and lease.

    Raises:
        ServiceError: a condition or the lease does not hold.
    """
    check_write(asked, (found.etag, found.modified))
    now, held = vault.ctx.clock.now(), leases.load(found.lease)
    verify = leases.check_write if write else leases.check_read
    verify(held, now, lease, blob=False)


def set_metadata(vault: Vault, found: Container, metadata: Mapping[str, str]) -> Container:
    """Replace the metadata."""
    naming.check_metadata(metadata)
    return _store(vault, found, metadata=dict(metadata))


def set_access(
    vault: Vault, found: Container, public: str, policies: list[dict[str, str]]
) -> Container:
    """Replace the public access level and the stored access policies.

    Raises:
        PublicAccessNotPermitted: it would be public, which the account forbids.
        InvalidXmlDocument: over five policies, or an id that is too long or not unique.
    """
    _check_public(vault, found.account, public)
    names = [policy["id"] for policy in policies]
    if len(names) > 5 or len(set(names)) < len(names) or any(len(n) > 64 for n in names):
        raise errors.InvalidXmlDocument
    return _store(vault, found, public=public, policies=policies)


def _store(vault: Vault, found: Container, **changes: object) -> Container:
    changed = replace(
        found,
        etag=vault.new_etag(),
        modified=vault.ctx.clock.now(),
        **changes,  # type: ignore[arg-type]
    )
    vault.ctx.store.put(CONTAINERS, changed)
    return changed


def set_lease(vault: Vault, found: Container, lease: leases.Stored) -> Container:
    """Store the lease; the version stays."""
    changed = replace(found, lease=lease)
    vault.ctx.store.put(CONTAINERS, changed)
    return changed


def delete(vault: Vault, found: Container) -> None:
    """Delete the container at once; its blobs follow."""
    store = vault.ctx.store
    with store.transaction():
        store.delete(CONTAINERS, found.account, found.name)
        store.put(DOOMED, Doomed(found.id))
    vault.index.forget(found.id)


def purge(vault: Vault, container: str, step: int = 200) -> Iterator[None]:
    """Remove the blobs of a deleted container; it yields after every `step` of them."""
    store, files = vault.ctx.store, vault.files
    held: list[tuple[Table[Any], tuple[str, ...], list[str]]] = [
        (BLOBS, (container, blob.name, blob.snapshot), [str(part[0]) for part in blob.parts])
        for blob in store.scan(BLOBS, container)
    ]
    held += [
        (BLOCKS, (container, block.name, block.id), [block.file])
        for block in store.scan(BLOCKS, container)
    ]
    for at in range(0, len(held), step):
        unheld: list[str] = []
        with store.transaction():
            for table, key, names in held[at : at + step]:
                if store.delete(table, *key):
                    unheld += files.release(names)
        files.remove(unheld)
        yield
    store.delete(DOOMED, container)


def doomed(vault: Vault) -> list[str]:
    """Deleted containers whose blobs are still to be removed."""
    return [entry.container for entry in vault.ctx.store.scan(DOOMED)]


def page(
    vault: Vault, account: str, *, prefix: str, start: str, at_most: int
) -> tuple[list[Container], str]:
    """Containers in order of name, and the name the next page starts at (empty: no more)."""
    found = [
        container
        for container in vault.ctx.store.scan(CONTAINERS, account)
        if container.name.startswith(prefix) and container.name >= start
    ]
    more = found[at_most].name if len(found) > at_most else ""
    return found[:at_most], more


def state_of(vault: Vault, found: Container) -> str:
    """The state of the container's lease now."""
    return leases.state(leases.load(found.lease), vault.ctx.clock.now())
