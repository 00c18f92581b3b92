"""Pages of a container's blobs, flat or by folders."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field

from emulators.storage import errors
from emulators.storage.engine.vault import Vault
from emulators.storage.store import BLOBS, BLOCKS, Blob, Container

MAX_RESULTS = 5000


@dataclass(frozen=True, slots=True)
class Query:
    """What a caller wants listed."""

    prefix: str = ""
    start: str = ""  # the name a page begins at
    delimiter: str = ""
    at_most: int = MAX_RESULTS
    snapshots: bool = False
    uncommitted: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Blobs and common prefixes in order, and the name the next page begins at."""

    entries: list[Blob | str] = field(default_factory=list)  # str: a common prefix
    uncommitted: set[str] = field(default_factory=set)  # names that have only staged blocks
    next: str = ""


def page(vault: Vault, container: Container, query: Query) -> Page:
    """One page."""
    made = Page()
    for name, is_prefix in vault.index.of(container.id).walk(
        query.prefix, query.start, query.delimiter
    ):
        found = [name] if is_prefix else list(_under(vault, container, name, query, made))
        if found and len(made.entries) + len(found) > query.at_most and made.entries:
            return Page(made.entries, made.uncommitted, name)
        made.entries.extend(found)
    return made


def _under(
    vault: Vault, container: Container, name: str, query: Query, made: Page
) -> Iterator[Blob]:
    """The blob of a name, its snapshots first where wanted."""
    if query.snapshots:
        found = list(vault.ctx.store.scan(BLOBS, container.id, name))
        yield from (blob for blob in found if blob.snapshot)
        yield from (blob for blob in found if not blob.snapshot)
        return
    blob = vault.ctx.store.get(BLOBS, container.id, name, "")
    if blob is not None:
        yield blob
    elif query.uncommitted:
        staged = next(vault.ctx.store.scan(BLOCKS, container.id, name), None)
        if staged is not None:
            made.uncommitted.add(name)
            yield Blob(
                container=container.id,
                name=name,
                snapshot="",
                kind="BlockBlob",
                size=0,
                parts=[],
                etag="",
                created=staged.staged,
                modified=staged.staged,
            )


def marker_of(name: str) -> str:
    """A name as an opaque marker."""
    return base64.urlsafe_b64encode(name.encode()).decode() if name else ""


def name_of(marker: str) -> str:
    """The name in a marker.

    Raises:
        InvalidMarker: this service did not make it.
    """
    try:
        return base64.b64decode(marker.encode(), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise errors.InvalidMarker from None
