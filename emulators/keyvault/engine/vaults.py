"""Vaults as resources: make, change, delete, recover, purge; the state folder's own one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.store import Table
from emulators.keyvault.engine import secrets
from emulators.keyvault.errors import (
    DeletedVaultNotFound,
    InvalidVault,
    LocationChanged,
    LocationRequired,
    NoSuchHost,
    PurgeProtected,
    VaultExists,
    VaultIsDeleted,
    VaultNameNotValid,
    VaultNotFound,
)
from emulators.keyvault.store import VAULTS, Vault

NAME = re.compile(r"[a-zA-Z](?:[0-9a-zA-Z]|-(?!-)){1,22}[0-9a-zA-Z]\Z")
DEFAULT = "default_vault"
"""Name under which the state folder keeps the name of its own vault."""
DERIVED = frozenset({"vaultUri", "provisioningState", "createMode"})
ROLES_BY_DEFAULT = "2026-02-01"
"""From this api-version on, a vault asks roles when its maker says nothing.

Source: learn.microsoft.com/azure/key-vault/general/access-control-default
"""
KINDS = ("add", "replace", "remove")
PERMISSIONS = ("keys", "secrets", "certificates", "storage")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a vault is asked for, by whom and in which api-version."""

    subscription: str
    group: str
    name: str
    by: str
    version: str = ""


def seed(ctx: Context) -> Vault | None:
    """The state folder's own vault, made once; None when its user has deleted it."""
    _adopt(ctx)
    name = ctx.secrets.text(DEFAULT, lambda: f"rehearsal-{ctx.ids.hex(10)}")
    found = ctx.store.get(VAULTS, name.lower())
    if found is not None:
        return found if found.deleted is None else None
    place = Place(ctx.secrets.subscription_id, ctx.settings.resource_group, name, "rehearsal")
    body = {"location": ctx.settings.region, "properties": {"enableRbacAuthorization": True}}
    return put(ctx, place, body)[0]


def named(ctx: Context, name: str) -> Vault:
    """The vault whose host is asked.

    Raises:
        NoSuchHost: there is none.
    """
    found = _any(ctx, name)
    if found is None or found.deleted is not None:
        raise NoSuchHost(name)
    return found


def find(ctx: Context, subscription: str, group: str, name: str) -> Vault | None:
    """The vault in a resource group, or None."""
    found = _any(ctx, name)
    if found is None or found.deleted is not None or not _same(found, subscription, group):
        return None
    return found


def get(ctx: Context, subscription: str, group: str, name: str) -> Vault:
    """The vault in a resource group.

    Raises:
        VaultNotFound: there is none.
    """
    found = find(ctx, subscription, group, name)
    if found is None:
        raise VaultNotFound(name, group)
    return found


def listed(
    ctx: Context, subscription: str, group: str | None = None, *, deleted: bool = False
) -> Iterator[Vault]:
    """The vaults of a subscription, or of one resource group of it, by name."""
    for stored in list(ctx.store.scan(VAULTS)):
        vault = _living(ctx, stored)
        if (
            vault is not None
            and (vault.deleted is not None) is deleted
            and vault.subscription.lower() == subscription.lower()
            and (group is None or vault.group.lower() == group.lower())
        ):
            yield vault


def put(ctx: Context, place: Place, body: Mapping[str, Any]) -> tuple[Vault, bool]:
    """Make a vault, replace its properties, or recover it; whether it is new.

    Raises:
        VaultNameNotValid, LocationRequired, InvalidVault, LocationChanged: as written.
        VaultExists, VaultIsDeleted: the name is taken.
    """
    given = _object(body.get("properties"), "properties")
    with ctx.store.transaction():
        found = _any(ctx, place.name)
        if given.get("createMode") == "recover":
            return recover(ctx, place, found), False
        _check_place(place, found, body)
        now = ctx.clock.now()
        made = found or Vault(
            key=place.name.lower(),
            name=place.name,
            subscription=place.subscription,
            group=place.group,
            location=_location(body),
            tags={},
            properties={},
            created=now,
            modified=now,
            by=place.by,
            modified_by=place.by,
        )
        stored = replace(
            made,
            tags=_tags(body.get("tags")),
            properties=_properties(ctx, made, given, place.version),
            modified=now,
            modified_by=place.by,
        )
        ctx.store.put(VAULTS, stored)
    return stored, found is None


def change(ctx: Context, vault: Vault, body: Mapping[str, Any], by: str) -> Vault:
    """Change properties and tags; what is not named stays.

    Raises:
        InvalidVault: a property that the vault cannot have.
    """
    given = {**vault.properties, **_object(body.get("properties"), "properties")}
    changed = replace(
        vault,
        tags=_tags(body["tags"]) if "tags" in body else vault.tags,
        properties=_properties(ctx, vault, given, ""),
        modified=ctx.clock.now(),
        modified_by=by,
    )
    ctx.store.put(VAULTS, changed)
    return changed


def set_policies(
    ctx: Context, vault: Vault, kind: str, given: Mapping[str, Any], by: str
) -> list[dict[str, Any]]:
    """Add to, replace or take from the vault's policies those given; the new list.

    Raises:
        InvalidVault: the kind is none of the three, or a policy is malformed.
    """
    if kind.lower() not in KINDS:
        raise InvalidVault(f"The operation kind '{kind}' is invalid: add, replace or remove.")
    policies = _policies(given.get("accessPolicies"))
    kept = {_whose(one): one for one in vault.properties["accessPolicies"]}
    for one in policies:
        whose = _whose(one)
        if kind.lower() == "replace" or whose not in kept:
            if kind.lower() != "remove":
                kept[whose] = one
            continue
        kept[whose] = _merged(kept[whose], one, kind.lower() == "add")
    left = [one for one in kept.values() if any(one["permissions"].values())]
    change(ctx, vault, {"properties": {"accessPolicies": left}}, by)
    return left


def _merged(old: dict[str, Any], new: dict[str, Any], add: bool) -> dict[str, Any]:
    permissions = {}
    for kind in PERMISSIONS:
        was = old["permissions"].get(kind) or []
        said = new["permissions"].get(kind) or []
        lower = {str(one).lower() for one in said}
        rest = [one for one in was if str(one).lower() not in lower]
        permissions[kind] = rest + list(said) if add else rest
    return {**old, "permissions": {k: v for k, v in permissions.items() if v}}


def _whose(policy: Mapping[str, Any]) -> tuple[str, str]:
    return str(policy["objectId"]).lower(), str(policy.get("applicationId") or "").lower()


def delete(ctx: Context, vault: Vault) -> None:
    """Delete a vault; it can be recovered with all that is in it until it is purged."""
    now = ctx.clock.now()
    purges = now + timedelta(days=secrets.retention(vault))
    ctx.store.put(VAULTS, replace(vault, deleted=now, purges=purges))


def find_deleted(ctx: Context, subscription: str, location: str, name: str) -> Vault:
    """A deleted vault.

    Raises:
        DeletedVaultNotFound: there is none there.
    """
    found = _any(ctx, name)
    if (
        found is None
        or found.deleted is None
        or found.location != location.lower().replace(" ", "")
        or found.subscription.lower() != subscription.lower()
    ):
        raise DeletedVaultNotFound(name)
    return found


def recover(ctx: Context, place: Place, found: Vault | None) -> Vault:
    """Bring a deleted vault back where it was.

    Raises:
        DeletedVaultNotFound: there is none.
    """
    if found is None or not _same(found, place.subscription, place.group):
        raise DeletedVaultNotFound(place.name)
    back = replace(found, deleted=None, purges=None)
    ctx.store.put(VAULTS, back)
    return back


def purge(ctx: Context, vault: Vault) -> None:
    """Remove a deleted vault and all that is in it for good.

    Raises:
        PurgeProtected: it keeps what is deleted.
    """
    if vault.properties.get("enablePurgeProtection"):
        raise PurgeProtected
    _remove(ctx, vault)


def taken(ctx: Context, name: str) -> tuple[str, str] | None:
    """Why a vault cannot have a name (a reason's code and its text); None when it can."""
    if not NAME.match(name):
        return "AccountNameInvalid", VaultNameNotValid(name).message
    if _any(ctx, name) is not None:
        return "AlreadyExists", VaultExists(name).message
    return None


def _check_place(place: Place, found: Vault | None, body: Mapping[str, Any]) -> None:
    if not NAME.match(place.name):
        raise VaultNameNotValid(place.name)
    if found is None:
        return
    if found.deleted is not None:
        raise VaultIsDeleted(found.name)
    if not _same(found, place.subscription, place.group):
        raise VaultExists(found.name)
    if found.location != _location(body):
        raise LocationChanged(
            f"The resource '{found.name}' already exists in location '{found.location}'. A"
            " resource with the same name cannot be created in another one."
        )


def _location(body: Mapping[str, Any]) -> str:
    given = body.get("location")
    if not isinstance(given, str) or not given.strip():
        raise LocationRequired
    return given.lower().replace(" ", "")


def _properties(
    ctx: Context, vault: Vault, given: Mapping[str, Any], version: str
) -> dict[str, Any]:
    """The properties as stored: what is given over what Azure would take.

    Raises:
        InvalidVault: one of them cannot be.
    """
    was = vault.properties
    roles = was.get("enableRbacAuthorization", version >= ROLES_BY_DEFAULT)
    defaults = {
        "sku": {"family": "A", "name": "standard"},
        "tenantId": ctx.secrets.tenant_id,
        "softDeleteRetentionInDays": was.get("softDeleteRetentionInDays", 90),
        "enableSoftDelete": True,
        "enableRbacAuthorization": roles,
        "publicNetworkAccess": "Enabled",
    }
    asked = {n: value for n, value in given.items() if value is not None and n not in DERIVED}
    made = {**defaults, **asked, "accessPolicies": _policies(given.get("accessPolicies"))}
    _check_deletion(was, made)
    if str(made["tenantId"]).lower() != ctx.secrets.tenant_id.lower():
        raise InvalidVault(
            f"The tenant '{made['tenantId']}' is not that of the subscription.", target="tenantId"
        )
    for flag in ("enableRbacAuthorization", "enabledForDeployment", "enabledForTemplateDeployment"):
        if flag in made and not isinstance(made[flag], bool):
            raise InvalidVault(f"The property '{flag}' must be true or false.", target=flag)
    _object(made.get("networkAcls"), "networkAcls")
    if str(made["publicNetworkAccess"]).lower() not in ("enabled", "disabled"):
        raise InvalidVault("publicNetworkAccess is Enabled or Disabled.")
    made["publicNetworkAccess"] = str(made["publicNetworkAccess"]).capitalize()
    return made


def _check_deletion(was: Mapping[str, Any], made: dict[str, Any]) -> None:
    """Soft delete is always on, and what protects what is deleted is only ever added."""
    if made["enableSoftDelete"] is not True:
        raise InvalidVault(
            'The property "enableSoftDelete" cannot be set to false: soft delete is always on.'
        )
    days = made["softDeleteRetentionInDays"]
    if isinstance(days, bool) or not isinstance(days, int) or not 7 <= days <= 90:
        raise InvalidVault('The property "softDeleteRetentionInDays" must be from 7 to 90.')
    if was and was.get("softDeleteRetentionInDays", 90) != days:
        raise InvalidVault(
            'The property "softDeleteRetentionInDays" has been set already and it can\'t be'
            " modified."
        )
    if made.get("enablePurgeProtection") is False or (
        was.get("enablePurgeProtection") and "enablePurgeProtection" not in made
    ):
        if was.get("enablePurgeProtection"):
            raise InvalidVault(
                'The property "enablePurgeProtection" cannot be set to false. Enabling the purge'
                " protection for a vault is an irreversible action."
            )
        made.pop("enablePurgeProtection", None)


def _policies(given: object) -> list[dict[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise InvalidVault("accessPolicies must be an array.", target="accessPolicies")
    for one in given:
        if (
            not isinstance(one, dict)
            or not isinstance(one.get("objectId"), str)
            or not isinstance(one.get("permissions"), dict)
            or not all(isinstance(v, list | None) for v in one["permissions"].values())
        ):
            raise InvalidVault(
                "An access policy needs an objectId and its permissions.", target="accessPolicies"
            )
    return given


def _object(value: object, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidVault(f"The request content was invalid: '{name}' must be an object.")
    return value


def _tags(value: object) -> dict[str, str]:
    tags = _object(value, "tags")
    if not all(isinstance(one, str) for one in tags.values()):
        raise InvalidVault("The request content was invalid: the values of tags are strings.")
    return tags


def _same(vault: Vault, subscription: str, group: str) -> bool:
    return (vault.subscription.lower(), vault.group.lower()) == (
        subscription.lower(),
        group.lower(),
    )


def _any(ctx: Context, name: str) -> Vault | None:
    found = ctx.store.get(VAULTS, name.lower())
    return None if found is None else _living(ctx, found)


def _living(ctx: Context, vault: Vault) -> Vault | None:
    """The vault, unless its time among the deleted is over."""
    if vault.purges is None or ctx.clock.now() < vault.purges:
        return vault
    _remove(ctx, vault)
    return None


def _remove(ctx: Context, vault: Vault) -> None:
    with ctx.store.transaction():
        secrets.remove_all(ctx, vault)
        ctx.store.delete(VAULTS, vault.key)


@dataclass(frozen=True, slots=True)
class Record:
    """A vault as state folders held it before there were secrets: a record of the manager's."""

    key: str
    id: str
    name: str
    type: str
    group: str
    location: str | None
    tags: dict[str, str]
    properties: dict[str, Any]
    extra: dict[str, Any]
    created: datetime
    modified: datetime
    by: str
    modified_by: str = ""


RECORDS = Table("arm_resources", Record, key=("key",))


def _adopt(ctx: Context) -> None:
    """Take over the vaults of an older state folder."""
    with ctx.store.transaction():
        for one in list(ctx.store.scan(RECORDS)):
            if one.type.lower() != "microsoft.keyvault/vaults":
                continue
            if NAME.match(one.name):
                group = one.id.split("/")[4]
                place = Place(ctx.secrets.subscription_id, group, one.name, one.by)
                kept = {n: v for n, v in one.properties.items() if n not in DERIVED}
                body = {"location": one.location, "tags": one.tags, "properties": kept}
                put(ctx, place, body)
                ctx.secrets.text(DEFAULT, lambda one=one: one.name)  # type: ignore[misc]
            ctx.store.delete(RECORDS, one.key)
