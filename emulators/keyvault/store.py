"""Records of Key Vault: vaults, secrets and their versions; values are sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault, deleted ones included: they keep their name until they are purged."""

    key: str  # its name in lower case
    name: str
    subscription: str
    group: str
    location: str
    tags: dict[str, str]
    properties: dict[str, Any]  # as ARM shows them, without what is derived
    created: datetime
    modified: datetime
    by: str  # object id
    modified_by: str
    deleted: datetime | None = None
    purges: datetime | None = None

    @property
    def id(self) -> str:
        """Its ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.KeyVault/vaults/{self.name}"
        )


@dataclass(frozen=True, slots=True)
class Secret:
    """A name in a vault, what is current under it, and whether it is deleted."""

    vault: str
    key: str  # its name in lower case
    name: str
    current: str  # a version
    count: int  # versions ever made
    deleted: datetime | None = None
    purges: datetime | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a secret; its value cannot be read without the state folder's secrets."""

    vault: str
    secret: str  # name in lower case
    version: str
    order: int  # from 1
    sealed: str
    enabled: bool
    created: int  # seconds since 1970
    updated: int
    not_before: int | None = None
    expires: int | None = None
    content_type: str | None = None
    tags: dict[str, str] | None = None


VAULTS = Table("keyvault_vaults", Vault, key=("key",))
SECRETS = Table("keyvault_secrets", Secret, key=("vault", "key"))
VERSIONS = Table("keyvault_versions", Version, key=("vault", "secret", "version"))
