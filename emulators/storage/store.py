"""Records of the storage emulator: plain values, no rules, no HTTP, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table

Part = list[Any]
"""`[file key, offset, size, block id]`: bytes of a blob; the block id is empty for a whole blob."""


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account; its keys are with the state folder's secrets."""

    name: str
    subscription: str
    group: str
    location: str
    kind: str  # StorageV2
    sku: str  # Standard_LRS
    created: datetime  # UTC
    public_access: bool  # whether a container may be public at all
    shared_key: bool  # whether the account's keys open anything
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)  # as given, answered back
    service: str = ""  # Blob service properties: the XML that was set


ACCOUNTS = Table("storage_accounts", Account, key=("name",))


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was last changed; what state it is in depends on the time."""

    id: str
    duration_s: int  # -1: never ends
    ends: str = ""  # ISO instant; empty: never
    broken_at: str = ""  # ISO instant from which it is broken; empty: not asked to break


@dataclass(frozen=True, slots=True)
class Container:
    """A container; `id` is new for every one made, so that a name used again begins empty."""

    account: str
    name: str
    id: str
    etag: str
    created: datetime  # UTC
    modified: datetime  # UTC
    public: str = ""  # "", "container" or "blob"
    metadata: dict[str, str] = field(default_factory=dict)
    policies: list[dict[str, str]] = field(default_factory=list)  # id, start, expiry, permission
    lease: dict[str, Any] | None = None  # a Lease


CONTAINERS = Table("storage_containers", Container, key=("account", "name"))


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob or a snapshot of one; its bytes are the parts in order."""

    container: str  # the container's id
    name: str
    snapshot: str  # "" for the blob itself
    kind: str  # BlockBlob or AppendBlob
    size: int  # bytes
    parts: list[Part]
    etag: str
    created: datetime  # UTC
    modified: datetime  # UTC
    content_type: str = "application/octet-stream"
    content_encoding: str = ""
    content_language: str = ""
    content_disposition: str = ""
    cache_control: str = ""
    md5: str = ""  # base64; empty when not known
    metadata: dict[str, str] = field(default_factory=dict)
    tier: str = ""  # "" is the account's own, Hot
    tiered: str = ""  # ISO instant the tier was set
    lease: dict[str, Any] | None = None  # a Lease
    copied: dict[str, str] = field(default_factory=dict)  # id, source, completed
    appended: int = 0  # blocks appended
    sealed: bool = False


BLOBS = Table("storage_blobs", Blob, key=("container", "name", "snapshot"))


@dataclass(frozen=True, slots=True)
class Block:
    """A block that was staged and not committed."""

    container: str  # the container's id
    name: str  # of the blob
    id: str  # base64, as given
    file: str
    size: int  # bytes
    staged: datetime  # UTC


BLOCKS = Table("storage_blocks", Block, key=("container", "name", "id"))


@dataclass(frozen=True, slots=True)
class Shared:
    """A file that more than one record holds: how many hold it beyond the first."""

    file: str
    extra: int


SHARED = Table("storage_shared", Shared, key=("file",))


@dataclass(frozen=True, slots=True)
class EventSubscription:
    """Who is told of an account's events, and of which."""

    account: str
    key: str  # its name in lower case
    name: str
    endpoint: str  # URL of a webhook
    filter: dict[str, Any]
    labels: list[str] = field(default_factory=list)


EVENT_SUBSCRIPTIONS = Table("storage_event_subscriptions", EventSubscription, ("account", "key"))


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event that has not reached its receiver yet."""

    key: str  # sorts by time
    account: str
    subscription: str  # its key
    event: dict[str, Any]
    made: datetime
    due: datetime  # when it is tried next
    attempts: int = 0


OUTBOX = Table("storage_outbox", Outgoing, key=("key",))


@dataclass(frozen=True, slots=True)
class Doomed:
    """A deleted container whose blobs are still to be removed."""

    container: str  # its id


DOOMED = Table("storage_doomed", Doomed, key=("container",))
