"""Secrets of a vault: set, read, change, delete, recover, purge, back up and restore."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from emulators.kernel.context import Context
from emulators.keyvault.engine import sealing
from emulators.keyvault.errors import (
    BadParameter,
    DeletedSecretNotFound,
    NameReserved,
    PurgeProtected,
    SecretDisabled,
    SecretExists,
    SecretNotFound,
)
from emulators.keyvault.store import SECRETS, VERSIONS, Secret, Vault, Version

NAME = re.compile(r"[0-9a-zA-Z-]{1,127}\Z")
LONGEST_VALUE = 25_600  # bytes
TAGS, TAG_LENGTH = 15, 256
CONTENT_TYPE_LENGTH = 255
PAGE = 25


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request says about a version; None leaves what is there, or the default."""

    enabled: bool | None = None
    not_before: int | None = None
    expires: int | None = None
    content_type: str | None = None
    tags: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A secret and one of its versions."""

    secret: Secret
    version: Version


def wanted_of(body: Mapping[str, Any]) -> Wanted:
    """The attributes, content type and tags of a request.

    Raises:
        BadParameter: one of them is not what it may be.
    """
    attributes = body.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise BadParameter("The parameter attributes is invalid.")
    enabled = attributes.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise BadParameter("The parameter attributes.enabled is invalid.")
    content_type = body.get("contentType")
    if content_type is not None and (
        not isinstance(content_type, str) or len(content_type) > CONTENT_TYPE_LENGTH
    ):
        raise BadParameter("The parameter contentType is invalid.")
    made = Wanted(
        enabled, _seconds(attributes, "nbf"), _seconds(attributes, "exp"), content_type, _tags(body)
    )
    if None not in (made.not_before, made.expires) and (made.expires or 0) <= (
        made.not_before or 0
    ):
        raise BadParameter("Invalid date: exp must be later than nbf.")
    return made


def _seconds(attributes: Mapping[str, Any], name: str) -> int | None:
    value = attributes.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 38:
        raise BadParameter(f"The parameter attributes.{name} is invalid.")
    return value


def _tags(body: Mapping[str, Any]) -> dict[str, str] | None:
    tags = body.get("tags")
    if tags is None:
        return None
    if (
        not isinstance(tags, dict)
        or len(tags) > TAGS
        or not all(isinstance(v, str) and len(v) <= TAG_LENGTH for v in tags.values())
        or not all(len(k) <= TAG_LENGTH for k in tags)
    ):
        raise BadParameter("The parameter tags is invalid: at most 15, of 256 characters each.")
    return tags


def put(ctx: Context, vault: Vault, name: str, value: object, wanted: Wanted) -> Found:
    """Make a new version of a secret, which becomes the current one.

    Raises:
        BadParameter: the name or the value is outside the rules.
        NameReserved: a deleted secret has the name.
    """
    check_name(name)
    if not isinstance(value, str):
        raise BadParameter("The parameter value is required and must be a string.")
    if len(value.encode("utf-8", "surrogatepass")) > LONGEST_VALUE:
        raise BadParameter("The secret value is too long: at most 25k bytes.")
    sealed, now = sealing.seal(ctx, value), _now(ctx)
    with ctx.store.transaction():
        known = _any(ctx, vault, name)
        if known is not None and known.deleted is not None:
            raise NameReserved(known.name)
        count = known.count + 1 if known else 1
        made = Version(
            vault=vault.key,
            secret=name.lower(),
            version=ctx.ids.hex(32),
            order=count,
            sealed=sealed,
            enabled=True if wanted.enabled is None else wanted.enabled,
            created=now,
            updated=now,
            not_before=wanted.not_before,
            expires=wanted.expires,
            content_type=wanted.content_type,
            tags=wanted.tags,
        )
        secret = Secret(vault.key, made.secret, known.name if known else name, made.version, count)
        ctx.store.put(VERSIONS, made)
        ctx.store.put(SECRETS, secret)
    return Found(secret, made)


def find(ctx: Context, vault: Vault, name: str, version: str = "") -> Found:
    """A version of a secret, by default the current one; disabled ones, too.

    Raises:
        SecretNotFound: there is none, or it is deleted.
    """
    check_name(name)
    secret = _any(ctx, vault, name)
    if secret is None or secret.deleted is not None:
        raise SecretNotFound(name)
    found = ctx.store.get(VERSIONS, vault.key, secret.key, version.lower() or secret.current)
    if found is None:
        raise SecretNotFound(f"{name}/{version}")
    return Found(secret, found)


def value_of(ctx: Context, found: Found) -> str:
    """The value; a version out of its time is readable, too.

    Raises:
        SecretDisabled: it is disabled.

    Source: learn.microsoft.com/azure/key-vault/secrets/about-secrets (date-time controlled
    operations).
    """
    if not found.version.enabled:
        raise SecretDisabled
    return sealing.unseal(ctx, found.version.sealed)


def change(ctx: Context, vault: Vault, name: str, version: str, wanted: Wanted) -> Found:
    """Change attributes, content type and tags of a version; its value stays.

    Raises:
        SecretNotFound: there is none.
    """
    with ctx.store.transaction():
        found = find(ctx, vault, name, version)
        old = found.version
        new = replace(
            old,
            enabled=old.enabled if wanted.enabled is None else wanted.enabled,
            not_before=old.not_before if wanted.not_before is None else wanted.not_before,
            expires=old.expires if wanted.expires is None else wanted.expires,
            content_type=old.content_type if wanted.content_type is None else wanted.content_type,
            tags=old.tags if wanted.tags is None else wanted.tags,
            updated=_now(ctx),
        )
        ctx.store.put(VERSIONS, new)
    return Found(found.secret, new)


def listed(ctx: Context, vault: Vault, *, deleted: bool = False) -> list[Found]:
    """The secrets of a vault, each with its current version, by name."""
    found = []
    for secret in list(ctx.store.scan(SECRETS, vault.key)):
        alive = _living(ctx, secret)
        if alive is None or (alive.deleted is not None) is not deleted:
            continue
        version = ctx.store.get(VERSIONS, vault.key, alive.key, alive.current)
        if version is not None:
            found.append(Found(alive, version))
    return found


def versions(ctx: Context, vault: Vault, name: str) -> list[Found]:
    """Every version of a secret, oldest first; none of a secret that is not there."""
    check_name(name)
    secret = _any(ctx, vault, name)
    if secret is None or secret.deleted is not None:
        return []
    every = sorted(ctx.store.scan(VERSIONS, vault.key, secret.key), key=lambda one: one.order)
    return [Found(secret, one) for one in every]


def delete(ctx: Context, vault: Vault, name: str) -> Found:
    """Delete a secret with all its versions; it can be recovered until it is purged.

    Raises:
        SecretNotFound: there is none.
    """
    with ctx.store.transaction():
        found = find(ctx, vault, name)
        now = ctx.clock.now()
        gone = replace(found.secret, deleted=now, purges=now + timedelta(days=retention(vault)))
        ctx.store.put(SECRETS, gone)
    return Found(gone, found.version)


def find_deleted(ctx: Context, vault: Vault, name: str) -> Found:
    """A deleted secret and what was its current version.

    Raises:
        DeletedSecretNotFound: there is none.
    """
    check_name(name)
    secret = _any(ctx, vault, name)
    if secret is None or secret.deleted is None:
        raise DeletedSecretNotFound(name)
    version = ctx.store.get(VERSIONS, vault.key, secret.key, secret.current)
    if version is None:
        raise DeletedSecretNotFound(name)
    return Found(secret, version)


def recover(ctx: Context, vault: Vault, name: str) -> Found:
    """Bring a deleted secret back.

    Raises:
        DeletedSecretNotFound: there is none.
    """
    with ctx.store.transaction():
        found = find_deleted(ctx, vault, name)
        back = replace(found.secret, deleted=None, purges=None)
        ctx.store.put(SECRETS, back)
    return Found(back, found.version)


def purge(ctx: Context, vault: Vault, name: str) -> None:
    """Remove a deleted secret for good.

    Raises:
        DeletedSecretNotFound: there is none.
        PurgeProtected: the vault keeps what is deleted.
    """
    found = find_deleted(ctx, vault, name)
    if vault.properties.get("enablePurgeProtection"):
        raise PurgeProtected
    _remove(ctx, found.secret)


def backup(ctx: Context, vault: Vault, name: str) -> str:
    """A secret with all its versions as text that only this state folder can restore.

    Raises:
        SecretNotFound: there is none.
    """
    found = find(ctx, vault, name)
    every = [asdict(one.version) for one in versions(ctx, vault, name)]
    return sealing.seal(ctx, json.dumps({"secret": asdict(found.secret), "versions": every}))


def restore(ctx: Context, vault: Vault, blob: object) -> Found:
    """Put a backed-up secret into a vault, with its versions.

    Raises:
        BadParameter: not a backup of this state folder.
        SecretExists, NameReserved: the name is taken.
    """
    try:
        if not isinstance(blob, str):
            raise sealing.Broken("not text")
        kept = json.loads(sealing.unseal(ctx, blob))
        secret = replace(Secret(**kept["secret"]), vault=vault.key)
        every = [replace(Version(**one), vault=vault.key) for one in kept["versions"]]
    except (sealing.Broken, ValueError, KeyError, TypeError):
        raise BadParameter(
            "Backup blob contains invalid or corrupt version, or was made elsewhere."
        ) from None
    with ctx.store.transaction():
        known = _any(ctx, vault, secret.key)
        if known is not None:
            raise SecretExists(known.name) if known.deleted is None else NameReserved(known.name)
        ctx.store.put(SECRETS, secret)
        for one in every:
            ctx.store.put(VERSIONS, one)
    return find(ctx, vault, secret.name)


def remove_all(ctx: Context, vault: Vault) -> None:
    """Remove every secret of a vault for good."""
    for secret in list(ctx.store.scan(SECRETS, vault.key)):
        _remove(ctx, secret)


def retention(vault: Vault) -> int:
    """Days that what is deleted is kept."""
    return int(vault.properties.get("softDeleteRetentionInDays", 90))


def recovery_level(vault: Vault) -> str:
    """How what is deleted may be had back, in Key Vault's words."""
    word = "Recoverable" if retention(vault) == 90 else "CustomizedRecoverable"
    return word if vault.properties.get("enablePurgeProtection") else f"{word}+Purgeable"


def check_name(name: str) -> None:
    """Let pass what can be a secret's name.

    Raises:
        BadParameter: it cannot.
    """
    if not NAME.match(name):
        raise BadParameter(
            f"The request URI contains an invalid name: {name[:200]}. A name has 1 to 127"
            " characters of 0-9, a-z, A-Z and -."
        )


def _any(ctx: Context, vault: Vault, name: str) -> Secret | None:
    found = ctx.store.get(SECRETS, vault.key, name.lower())
    return None if found is None else _living(ctx, found)


def _living(ctx: Context, secret: Secret) -> Secret | None:
    """The secret, unless its time among the deleted is over."""
    if secret.purges is None or ctx.clock.now() < secret.purges:
        return secret
    _remove(ctx, secret)
    return None


def _remove(ctx: Context, secret: Secret) -> None:
    with ctx.store.transaction():
        for one in list(ctx.store.scan(VERSIONS, secret.vault, secret.key)):
            ctx.store.delete(VERSIONS, one.vault, one.secret, one.version)
        ctx.store.delete(SECRETS, secret.vault, secret.key)


def _now(ctx: Context) -> int:
    return int(ctx.clock.now().timestamp())


def stamp(moment: datetime | None) -> int | None:
    """Seconds since 1970, as the data plane writes times."""
    return None if moment is None else int(moment.timestamp())
