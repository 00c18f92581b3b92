"""Which workspace is meant, and what it owns; making and removing one is in `provisioning`."""

from __future__ import annotations

from collections.abc import Iterator

from emulators.kernel.context import Context
from emulators.machinelearning.engine import registries
from emulators.machinelearning.engine.uris import AssetUri, WorkspaceRef
from emulators.machinelearning.errors import ResourceMissing, SubscriptionMissing
from emulators.machinelearning.store.registries import Home
from emulators.machinelearning.store.workspaces import (
    WORKSPACE_GUIDS,
    WORKSPACES,
    Workspace,
)


def key_of(subscription: str, group: str, name: str) -> str:
    """The record key of a workspace; ARM ids differ in more than case."""
    return f"{subscription}/{group}/{name}".lower()


def check_subscription(ctx: Context, subscription: str) -> None:
    """Refuse another subscription than this state folder's.

    Raises:
        SubscriptionMissing: it is not ours.
    """
    if subscription.lower() != ctx.secrets.subscription_id.lower():
        raise SubscriptionMissing(f"The subscription '{subscription}' could not be found.")


def get(ctx: Context, subscription: str, group: str, name: str) -> Workspace:
    """The workspace.

    Raises:
        SubscriptionMissing, ResourceMissing: it does not exist.
    """
    check_subscription(ctx, subscription)
    found = ctx.store.get(WORKSPACES, key_of(subscription, group, name))
    if found is None:
        raise ResourceMissing(
            f"The Resource 'Microsoft.MachineLearningServices/workspaces/{name}' under resource"
            f" group '{group}' was not found. For more details please go to"
            " https://aka.ms/ARMResourceNotFoundFix"
        )
    return found


def by_guid(ctx: Context, guid: str) -> Workspace | None:
    """The workspace whose `workspaceId` is `guid`, or None."""
    index = ctx.store.get(WORKSPACE_GUIDS, guid.lower())
    return None if index is None else ctx.store.get(WORKSPACES, index.key)


def every(
    ctx: Context, subscription: str | None = None, group: str | None = None
) -> Iterator[Workspace]:
    """All workspaces, of a subscription, or of a group, by name."""
    for found in ctx.store.scan(WORKSPACES):
        if subscription is not None and found.subscription.lower() != subscription.lower():
            continue
        if group is not None and found.group.lower() != group.lower():
            continue
        yield found


def ref_of(ws: Home) -> WorkspaceRef:
    """The workspace as long URIs name it; registries have no datastores, so none needs one."""
    assert isinstance(ws, Workspace)
    return WorkspaceRef(ws.subscription, ws.group, ws.name)


def named_by(ctx: Context, ws: Home, ref: WorkspaceRef | None) -> Home:
    """The workspace a URI names; what is at hand where it names none.

    Raises:
        SubscriptionMissing, ResourceMissing: the named one does not exist.
    """
    if ref is None:
        return ws
    return get(ctx, ref.subscription, ref.group, ref.workspace)


def of_asset(ctx: Context, ws: Home, uri: AssetUri) -> Home:
    """The workspace or registry an asset id points into.

    Raises:
        SubscriptionMissing, ResourceMissing: the named one does not exist.
        Unsupported: a registry of Microsoft's.
    """
    if uri.registry is not None:
        return registries.named(ctx, uri.registry)
    if uri.workspace_guid is not None:
        found = by_guid(ctx, uri.workspace_guid)
        if found is None:
            raise ResourceMissing(f"There is no workspace with the id '{uri.workspace_guid}'.")
        return found
    return named_by(ctx, ws, uri.workspace)
