"""Making, changing and removing a workspace, with the resources it stands on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.kernel.store import Table
from emulators.machinelearning.engine import datastores, names, storage_access, workspaces
from emulators.machinelearning.errors import (
    AssetExists,
    GroupMissing,
    NestedResources,
    StorageFailed,
    UserError,
    ValidationError,
)
from emulators.machinelearning.store.assets import (
    CODE_HASHES,
    CONTAINERS,
    JOB_OUTPUTS,
    UPLOADS,
    VERSIONS,
)
from emulators.machinelearning.store.batch import BATCH_ENDPOINTS
from emulators.machinelearning.store.endpoints import ENDPOINTS
from emulators.machinelearning.store.jobs import CHILD_JOBS, JOB_COUNTS, JOBS, LIVE_JOBS, REUSE
from emulators.machinelearning.store.schedules import FIRINGS, SCHEDULES
from emulators.machinelearning.store.workspaces import (
    CHILDREN,
    WORKSPACE_GUIDS,
    WORKSPACES,
    Workspace,
    WorkspaceGuid,
)

ARM = "https://management.azure.com"
RESOURCES_API = "2021-04-01"
STORAGE_API = "2023-01-01"
SYSTEM = "rehearsal"
STORAGE_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Storage/storageAccounts/"
    r"([a-z0-9]{3,24})\Z",
    re.IGNORECASE,
)
KINDS = ("default",)
CHANGEABLE = (
    "description",
    "friendlyName",
    "imageBuildCompute",
    "publicNetworkAccess",
    "primaryUserAssignedIdentity",
    "applicationInsights",
    "containerRegistry",
    "v1LegacyMode",
    "serverlessComputeSettings",
    "enableDataIsolation",
    "systemDatastoresAuthMode",
    "allowRoleAssignmentOnRG",
    "provisionNetworkNow",
)
SWITCHES = (
    "hbiWorkspace",
    "v1LegacyMode",
    "enableDataIsolation",
    "allowRoleAssignmentOnRG",
    "provisionNetworkNow",
)
"""Booleans that the client's own template sends as words."""
REFUSED = ("encryption", "managedNetwork", "workspaceHubConfig", "hubResourceId")


OWNED: tuple[Table[Any], ...] = (
    CHILDREN,
    CONTAINERS,
    VERSIONS,
    CODE_HASHES,
    JOB_OUTPUTS,
    UPLOADS,
    JOBS,
    CHILD_JOBS,
    JOB_COUNTS,
    LIVE_JOBS,
    REUSE,
    SCHEDULES,
    FIRINGS,
)
"""Tables whose records begin with the workspace's guid and go with it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a workspace is to be made, and by whom."""

    subscription: str
    group: str
    name: str
    by: str = SYSTEM


async def create(ctx: Context, at: Scope, body: Mapping[str, Any]) -> tuple[Workspace, bool]:
    """Make the workspace, its storage account, containers and datastores; whether it is new.

    An existing workspace is changed as `update` does, as a repeated PUT means in ARM.

    Raises:
        GroupMissing, SubscriptionMissing: the scope does not exist.
        ValidationError: a name or a field that cannot be.
        Unsupported: hubs, projects, feature stores, customer-managed keys, managed networks.
        StorageFailed: the storage account cannot be had.
    """
    names.check("workspace", at.name)
    workspaces.check_subscription(ctx, at.subscription)
    given = _checked(body)
    key = workspaces.key_of(at.subscription, at.group, at.name)
    old = ctx.store.get(WORKSPACES, key)
    if old is not None:
        return update(ctx, old, body), False
    await check_group(ctx, at)
    guid = ctx.ids.guid()
    account_id = given.get("storageAccount") or _storage_id(at, _account_name(at.name, guid))
    account = account_of(account_id)
    await ensure_account(ctx, account_id, body.get("location") or ctx.settings.region)
    kept = {k: given[k] for k in CHANGEABLE if given.get(k) is not None}
    kept |= {"storageAccount": account_id, "hbiWorkspace": bool(given.get("hbiWorkspace"))}
    kept |= await _ensure_companions(ctx, at, given, guid)
    now = ctx.clock.now()
    made = Workspace(
        key,
        guid,
        ctx.secrets.subscription_id,
        at.group,
        at.name,
        body.get("location") or ctx.settings.region,
        account,
        kept,
        now,
        now,
        at.by,
        dict(body.get("tags") or {}),
        identity_of(ctx, body.get("identity")),
        dict(body.get("sku") or {"name": "Basic", "tier": "Basic"}),
    )
    await _make_containers(ctx, made)
    with ctx.store.transaction():
        if not ctx.store.insert(WORKSPACES, made):
            raise AssetExists(f"The workspace '{at.name}' is being created by another request.")
        ctx.store.put(WORKSPACE_GUIDS, WorkspaceGuid(guid, key))
        _seed_datastores(ctx, made, at.by)
    return made, True


def _checked(body: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(body.get("kind") or "Default")
    if kind.lower() not in KINDS:
        raise Unsupported(
            f"workspaces of kind {kind}; only Default is",
            tracked="emulators/machinelearning/README.md, workspaces",
        )
    given = body.get("properties") or {}
    if not isinstance(given, dict):
        raise ValidationError("The field 'properties' must be an object.", target="properties")
    for field in REFUSED:
        if _meant(given.get(field)):
            raise Unsupported(
                f"the workspace property '{field}'",
                tracked="emulators/machinelearning/README.md, workspaces",
            )
    return {**given, **{field: _switch(field, given) for field in SWITCHES if field in given}}


def _switch(field: str, given: Mapping[str, Any]) -> bool | None:
    """A Boolean, also as the word for one.

    Raises:
        ValidationError: it is neither.
    """
    value = given[field]
    word = str(value).lower() if isinstance(value, bool | str) else ""
    if value is not None and word not in ("true", "false"):
        raise ValidationError(f"The field '{field}' must be true or false.", target=field)
    return None if value is None else word == "true"


def _meant(value: Any) -> bool:
    """Whether a nested setting says anything: templates send objects full of nothing."""
    if isinstance(value, dict):
        values = {k: v for k, v in value.items() if k not in ("status", "isolationMode")}
        switched = value.get("status") == "Enabled" or value.get("isolationMode") not in (
            None,
            "Disabled",
        )
        return switched or any(_meant(v) for v in values.values())
    return value not in (None, "", [], False)


def _account_name(name: str, guid: str) -> str:
    plain = re.sub("[^a-z0-9]", "", name.lower())[:8] or "ws"
    return f"{plain}storage{guid.replace('-', '')[:8]}"


def _storage_id(at: Scope, account: str) -> str:
    return (
        f"/subscriptions/{at.subscription}/resourceGroups/{at.group}"
        f"/providers/Microsoft.Storage/storageAccounts/{account}"
    )


def account_of(account_id: str) -> str:
    """The name in the ARM id of a storage account.

    Raises:
        ValidationError: it is no such id.
    """
    match = STORAGE_ID.match(account_id)
    if not match:
        raise ValidationError(
            f"'{account_id}' is not the id of a storage account.", target="storageAccount"
        )
    return match[1].lower()


def identity_of(ctx: Context, given: Any) -> dict[str, Any]:
    """The identity of a new workspace or registry, as asked for."""
    kind = str((given or {}).get("type") or "SystemAssigned")
    made: dict[str, Any] = {"type": kind}
    if "systemassigned" in kind.lower():
        made |= {"principalId": ctx.ids.guid(), "tenantId": ctx.secrets.tenant_id}
    if (given or {}).get("userAssignedIdentities"):
        made["userAssignedIdentities"] = given["userAssignedIdentities"]
    return made


async def check_group(ctx: Context, at: Scope) -> None:
    """Ask the resource manager for the group.

    Raises:
        GroupMissing: it does not exist.
    """
    async with ctx.peers.client() as http:
        url = f"{ARM}/subscriptions/{at.subscription}/resourcegroups/{at.group}"
        answer = await http.get(url, params={"api-version": RESOURCES_API})
    if answer.status_code != 200:
        raise GroupMissing(f"Resource group '{at.group}' could not be found.")


async def ensure_account(ctx: Context, account_id: str, location: str) -> None:
    """Make the storage account unless it is there.

    Raises:
        StorageFailed: the resource manager refuses.
    """
    async with ctx.peers.client() as http:
        url, query = f"{ARM}{account_id}", {"api-version": STORAGE_API}
        if (await http.get(url, params=query)).status_code == 200:
            return
        body = {
            "location": location,
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": {},
        }
        answer = await http.put(url, params=query, json=body)
    if answer.status_code not in (200, 201, 202):
        raise StorageFailed(
            f"The storage account '{account_id}' could not be created:"
            f" {answer.status_code} {answer.text[:300]}"
        )


async def _ensure_companions(
    ctx: Context, at: Scope, given: Mapping[str, Any], guid: str
) -> dict[str, str]:
    """Ids of the key vault and Application Insights; made where none are given."""
    plain, tail = re.sub("[^a-z0-9]", "", at.name.lower())[:8] or "ws", guid.replace("-", "")[:8]
    base = f"/subscriptions/{at.subscription}/resourceGroups/{at.group}/providers"
    wanted = {
        "keyVault": (
            f"{base}/Microsoft.KeyVault/vaults/{plain}vault{tail}",
            "2023-07-01",
            {
                "tenantId": ctx.secrets.tenant_id,
                "sku": {"name": "standard", "family": "A"},
                "enableRbacAuthorization": True,
            },
        ),
        "applicationInsights": (
            f"{base}/Microsoft.Insights/components/{plain}insights{tail}",
            "2020-02-02",
            {"Application_Type": "web"},
        ),
    }
    found: dict[str, str] = {}
    async with ctx.peers.client() as http:
        for field, (made_id, version, properties) in wanted.items():
            if given.get(field):
                found[field] = str(given[field])
                continue
            body = {"location": ctx.settings.region, "kind": "web", "properties": properties}
            url = f"{ARM}{made_id}"
            answer = await http.put(url, params={"api-version": version}, json=body)
            if answer.status_code >= 400:
                ctx.ledger.record(
                    "workspace", note=f"{field} not created", resource=made_id,
                    status=answer.status_code,
                )  # fmt: skip
            found[field] = made_id
    return found


def container_of(ws: Workspace) -> str:
    """The container of the default datastore."""
    return f"azureml-blobstore-{ws.guid}"


ARTIFACTS = "azureml"
"""Container of `workspaceartifactstore`: what jobs log."""


async def _make_containers(ctx: Context, ws: Workspace) -> None:
    for container in (container_of(ws), ARTIFACTS):
        await storage_access.ensure_container(ctx, ws.storage_account, container)


def _seed_datastores(ctx: Context, ws: Workspace, by: str) -> None:
    common: dict[str, Any] = {
        "accountName": ws.storage_account,
        "endpoint": "core.windows.net",
        "protocol": "https",
        "credentials": {"credentialsType": "AccountKey"},
        "resourceGroup": ws.group,
        "subscriptionId": ws.subscription,
    }
    blob, share = {**common, "datastoreType": "AzureBlob"}, {**common, "datastoreType": "AzureFile"}
    seeds = {
        "workspaceblobstore": {**blob, "containerName": container_of(ws)},
        "workspaceartifactstore": {**blob, "containerName": ARTIFACTS},
        "workspacefilestore": {**share, "fileShareName": f"azureml-filestore-{ws.guid}"},
        "workspaceworkingdirectory": {**share, "fileShareName": f"code-{ws.guid}"},
    }
    for name, values in seeds.items():
        datastores.put(ctx, ws, name, values, by)


def find(ctx: Context, at: Scope) -> Workspace | None:
    """The workspace, or None.

    Raises:
        SubscriptionMissing: another subscription than this state folder's.
    """
    workspaces.check_subscription(ctx, at.subscription)
    return ctx.store.get(WORKSPACES, workspaces.key_of(at.subscription, at.group, at.name))


def update(ctx: Context, ws: Workspace, body: Mapping[str, Any]) -> Workspace:
    """Change words, tags, identity and the settings that can change.

    Raises:
        UserError: a setting that is fixed when the workspace is made.
        Unsupported: as `create`.
    """
    given = _checked(body)
    fixed = given.get("storageAccount")
    if fixed and str(fixed).lower() != str(ws.properties.get("storageAccount")).lower():
        raise UserError("The storage account of a workspace cannot be changed.")
    changed = {k: given[k] for k in CHANGEABLE if given.get(k) is not None}
    identity = body.get("identity")
    if identity and identity.get("type") != ws.identity.get("type"):
        fresh = identity_of(ctx, identity)
        fresh |= {k: v for k, v in ws.identity.items() if k in fresh and k != "type"}
        identity = fresh
    else:
        identity = ws.identity
    new = replace(
        ws,
        properties={**ws.properties, **changed},
        tags=dict(ws.tags if body.get("tags") is None else body["tags"]),
        sku=dict(body.get("sku") or ws.sku),
        identity=identity,
        modified=ctx.clock.now(),
    )
    ctx.store.put(WORKSPACES, new)
    return new


def delete(ctx: Context, ws: Workspace) -> None:
    """Remove a workspace and what it owns; storage accounts and files stay, as in Azure.

    Raises:
        NestedResources: it has endpoints, which serve until they are deleted.
    """
    left = [f"onlineEndpoints/{found.name}" for found in ctx.store.scan(ENDPOINTS, ws.guid)]
    left += [f"batchEndpoints/{found.name}" for found in ctx.store.scan(BATCH_ENDPOINTS, ws.guid)]
    if left:
        raise NestedResources([f"{ws.arm_id}/{name}" for name in left])
    with ctx.store.transaction():
        for table in OWNED:
            for record in list(ctx.store.scan(table, ws.guid)):
                ctx.store.delete(table, *table.key_of(record))
        ctx.store.delete(WORKSPACE_GUIDS, ws.guid)
        ctx.store.delete(WORKSPACES, ws.key)
    for prefix in ("datastore", "connection"):
        ctx.secrets.forget(f"ml/{prefix}/{ws.guid}/")


async def seed(ctx: Context) -> Workspace:
    """The workspace that settings name, made at the first start with the default account."""
    group, name = ctx.settings.resource_group, ctx.settings.workspace
    sub = ctx.secrets.subscription_id
    found = ctx.store.get(WORKSPACES, workspaces.key_of(sub, group, name))
    if found is not None:
        return found
    async with ctx.peers.client() as http:
        url = f"{ARM}/subscriptions/{sub}/resourcegroups/{group}"
        await http.put(
            url,
            params={"api-version": RESOURCES_API},
            json={"location": ctx.settings.region},
        )
    account = ctx.secrets.text("default_account", lambda: f"rehearsal{ctx.ids.hex(10)}")
    at = Scope(sub, group, name)
    given = {"storageAccount": _storage_id(at, account)}
    vault = ctx.secrets.values.get("default_vault")
    if vault is not None:
        given["keyVault"] = (
            f"/subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.KeyVault"
            f"/vaults/{vault}"
        )
    made, _ = await create(ctx, at, {"properties": given})
    return made
