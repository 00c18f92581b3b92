"""Workspaces and the plain resources below them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace. `key` is its ARM scope in lower case; everything in it is owned by `guid`.

    A workspace that is deleted and made again has another `guid`, so nothing of the old shows.
    """

    key: str  # "subscription/group/name", lower case
    guid: str  # workspaceId
    subscription: str
    group: str
    name: str
    location: str
    storage_account: str  # account name, not its id
    properties: dict[str, Any]  # as on the wire, without what is derived from the rest
    created: datetime  # UTC
    modified: datetime  # UTC
    created_by: str
    tags: dict[str, str] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    sku: dict[str, Any] = field(default_factory=dict)
    state: str = "Succeeded"  # provisioningState

    @property
    def arm_id(self) -> str:
        """The ARM id in the casing it was created with."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )

    @property
    def asset_scope(self) -> str:
        """What the ids of its assets begin with."""
        return self.arm_id

    @property
    def spoken(self) -> str:
        """As messages name it."""
        return f"workspace {self.name}"


@dataclass(frozen=True, slots=True)
class Child:
    """A datastore, compute or connection: its wire properties under a name."""

    workspace: str  # guid
    kind: str  # "datastores", "computes", "connections"
    key: str  # name in lower case
    name: str
    properties: dict[str, Any]  # never secrets: those are in ctx.secrets
    created: datetime  # UTC
    modified: datetime  # UTC
    created_by: str
    tags: dict[str, str] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkspaceGuid:
    """Finds a workspace by its `workspaceId`."""

    guid: str
    key: str


WORKSPACES = Table("ml_workspaces", Workspace, key=("key",))
WORKSPACE_GUIDS = Table("ml_workspace_guids", WorkspaceGuid, key=("guid",))
CHILDREN = Table("ml_children", Child, key=("workspace", "kind", "key"))
