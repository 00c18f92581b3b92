"""Making, changing and removing a registry, with the managed group that its storage is in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import names, registries, workspaces
from emulators.machinelearning.engine.provisioning import (
    ARM,
    OWNED,
    RESOURCES_API,
    STORAGE_API,
    Scope,
    account_of,
    check_group,
    ensure_account,
    identity_of,
)
from emulators.machinelearning.errors import AssetExists, StorageFailed, UserError, ValidationError
from emulators.machinelearning.store.registries import REGISTRIES, Registry

ACR_API = "2023-07-01"
KEPT = ("description", "publicNetworkAccess", "intellectualPropertyPublisher")
CHANGEABLE = ("description", "publicNetworkAccess")


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a registry stands on."""

    group: str  # ARM id of the managed resource group
    account: str  # ARM id
    account_type: str
    registry: str  # ARM id of the container registry
    owned: bool  # the account was made for it and goes with it


async def create(ctx: Context, at: Scope, body: Mapping[str, Any]) -> tuple[Registry, bool]:
    """Make the registry, its managed group and its storage account; whether it is new.

    An existing registry is changed as `update` does, as a repeated PUT means in ARM.

    Raises:
        GroupMissing, SubscriptionMissing: the scope does not exist.
        ValidationError: a name or a field that cannot be.
        AssetExists: the name is taken in another group, or is Microsoft's.
        Unsupported: storage with a hierarchical namespace.
        StorageFailed: the storage account cannot be had.
    """
    names.check("registry", at.name)
    workspaces.check_subscription(ctx, at.subscription)
    given = _properties(body)
    regions = _regions(ctx, body, given)
    old = registries.find(ctx, at.name)
    if old is not None and old.group.lower() == at.group.lower():
        return update(ctx, old, body), False
    if old is not None or registries.is_system(at.name):
        raise AssetExists(f"The registry name '{at.name}' is already taken.", target=at.name)
    await check_group(ctx, at)
    guid, location = ctx.ids.guid(), regions[0]["location"]
    ground = await _lay(ctx, at, guid, regions[0])
    now = ctx.clock.now()
    kept = {k: given[k] for k in KEPT if given.get(k) is not None}
    kept |= {
        "storageAccount": ground.account,
        "ownStorage": ground.owned,
        "managedResourceGroup": {"resourceId": ground.group},
        "regionDetails": [_region(region["location"], ground) for region in regions],
    }
    made = Registry(
        key=at.name.lower(),
        guid=guid,
        subscription=ctx.secrets.subscription_id,
        group=at.group,
        name=at.name,
        location=location,
        storage_account=account_of(ground.account),
        properties=kept,
        created=now,
        modified=now,
        created_by=at.by,
        tags=dict(body.get("tags") or {}),
        identity=identity_of(ctx, body.get("identity")),
    )
    if not ctx.store.insert(REGISTRIES, made):
        raise AssetExists(f"The registry '{at.name}' is being created by another request.")
    return made, True


def _properties(body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("properties") or {}
    if not isinstance(given, dict):
        raise ValidationError("The field 'properties' must be an object.", target="properties")
    return given


def _regions(ctx: Context, body: Mapping[str, Any], given: Mapping[str, Any]) -> list[Any]:
    """Its regions, the primary one first; without a list it is where the registry is."""
    primary = str(body.get("location") or ctx.settings.region).lower().replace(" ", "")
    listed = given.get("regionDetails") or [{"location": primary}]
    if not isinstance(listed, list) or not all(isinstance(r, dict) for r in listed):
        raise ValidationError("The field 'regionDetails' must be a list.", target="regionDetails")
    found = []
    for region in listed:
        where = region.get("location")
        if not isinstance(where, str) or not where:
            raise ValidationError("A region has no location.", target="regionDetails.location")
        found.append({**region, "location": where.lower().replace(" ", "")})
    return sorted(found, key=lambda region: region["location"] != primary)


async def _lay(ctx: Context, at: Scope, guid: str, region: Mapping[str, Any]) -> _Ground:
    """Make the managed group with storage account and container registry."""
    plain, tail = re.sub("[^a-z0-9]", "", at.name.lower())[:11] or "registry", guid[:8]
    group = f"/subscriptions/{at.subscription}/resourceGroups/azureml-rg-{at.name}_{guid}"
    details = _object(_first(region.get("storageAccountDetails")))
    asked = _object(details.get("systemCreatedStorageAccount"))
    if asked.get("storageAccountHnsEnabled"):
        raise Unsupported("storage with a hierarchical namespace", tracked=registries.TRACKED)
    own = _object(_object(details.get("userCreatedStorageAccount")).get("armResourceId"))
    account = str(own.get("resourceId") or "") or (
        f"{group}/providers/Microsoft.Storage/storageAccounts/{plain}{tail}"
    )
    account_of(account)
    images = f"{group}/providers/Microsoft.ContainerRegistry/registries/{plain}{tail}"
    where = {"location": region["location"]}
    async with ctx.peers.client() as http:
        body = {**where, "managedBy": f"{_scope_of(at)}/registries/{at.name}"}
        made = await http.put(f"{ARM}{group}", params={"api-version": RESOURCES_API}, json=body)
        if made.status_code not in (200, 201):
            raise StorageFailed(f"The managed group could not be made: {made.text[:300]}")
        sku = {**where, "sku": {"name": "Premium"}}
        await http.put(f"{ARM}{images}", params={"api-version": ACR_API}, json=sku)
    await ensure_account(ctx, account, region["location"])
    kind = str(asked.get("storageAccountType") or "Standard_LRS")
    return _Ground(group, account, kind, images, not own)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _scope_of(at: Scope) -> str:
    return (
        f"/subscriptions/{at.subscription}/resourceGroups/{at.group}"
        "/providers/Microsoft.MachineLearningServices"
    )


def _region(location: str, ground: _Ground) -> dict[str, Any]:
    account: dict[str, Any] = {"armResourceId": {"resourceId": ground.account}}
    if ground.owned:
        account |= {
            "storageAccountName": account_of(ground.account),
            "storageAccountType": ground.account_type.lower(),
            "storageAccountHnsEnabled": False,
            "allowBlobPublicAccess": False,
        }
    images = {
        "acrAccountName": ground.registry.rpartition("/")[2],
        "acrAccountSku": "Premium",
        "armResourceId": {"resourceId": ground.registry},
    }
    kind = "systemCreatedStorageAccount" if ground.owned else "userCreatedStorageAccount"
    return {
        "location": location,
        "storageAccountDetails": [{kind: account}],
        "acrDetails": [{"systemCreatedAcrAccount": images}],
    }


def update(ctx: Context, registry: Registry, body: Mapping[str, Any]) -> Registry:
    """Change words, tags, access and regions; its storage stays where it is.

    Raises:
        ValidationError: a field that cannot be.
    """
    given = _properties(body)
    changed = {k: given[k] for k in CHANGEABLE if given.get(k) is not None}
    if given.get("regionDetails"):
        primary = registry.properties["regionDetails"][0]
        wanted = _regions(ctx, {"location": registry.location, **body}, given)
        if wanted[0]["location"] != registry.location:
            raise UserError("The primary region of a registry cannot be removed.")
        changed["regionDetails"] = [{**primary, "location": one["location"]} for one in wanted]
    new = replace(
        registry,
        properties={**registry.properties, **changed},
        tags=dict(registry.tags if body.get("tags") is None else body["tags"]),
        modified=ctx.clock.now(),
    )
    ctx.store.put(REGISTRIES, new)
    return new


async def delete(ctx: Context, registry: Registry) -> None:
    """Remove a registry with its assets, its managed group and the storage made for it."""
    with ctx.store.transaction():
        for table in OWNED:
            for record in list(ctx.store.scan(table, registry.guid)):
                ctx.store.delete(table, *table.key_of(record))
        ctx.store.delete(REGISTRIES, registry.key)
    group = registry.properties["managedResourceGroup"]["resourceId"]
    async with ctx.peers.client() as http:
        if registry.properties.get("ownStorage"):
            account = registry.properties["storageAccount"]
            await http.delete(f"{ARM}{account}", params={"api-version": STORAGE_API})
        await http.delete(f"{ARM}{group}", params={"api-version": RESOURCES_API})
