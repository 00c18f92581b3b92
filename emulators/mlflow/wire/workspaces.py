"""Which workspace a request is about, asked of the emulator that keeps workspaces."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from emulators.kernel.context import Context
from emulators.kernel.http import context_of
from emulators.mlflow.engine.locations import Place
from emulators.mlflow.errors import ResourceMissing
from emulators.mlflow.wire.arm import arm_get

RESOURCE = (
    "subscriptions/{sub}/resourceGroups/{rg}/providers"
    "/Microsoft.MachineLearningServices/workspaces/{workspace}"
)
REMEMBERED_S = 5.0


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace that exists."""

    sub: str
    group: str
    name: str
    key: str  # names its store: the workspace's own GUID, new when it is made anew

    @property
    def path(self) -> str:
        """Its ARM path, without the leading slash."""
        return RESOURCE.format(sub=self.sub, rg=self.group, workspace=self.name)

    @property
    def short(self) -> str:
        """Its place in long-form `azureml://` URIs."""
        return f"subscriptions/{self.sub}/resourcegroups/{self.group}/workspaces/{self.name}"


@dataclass(frozen=True, slots=True)
class Container:
    """The blob container behind a datastore."""

    account: str
    name: str

    @property
    def url(self) -> str:
        """Its address on the storage account's own host."""
        return f"https://{self.account}.blob.core.windows.net/{self.name}"


_WORKSPACES: dict[tuple[Path, str], tuple[Workspace, float]] = {}
_CONTAINERS: dict[tuple[Path, str, str], tuple[Container, float]] = {}
"""Answers that may be given again until a time on the context's monotonic clock."""


async def workspace_of(request: Request) -> Workspace:
    """The workspace that the request's path names.

    Raises:
        ResourceMissing: there is none.
    """
    ctx, at = context_of(request), request.path_params
    path = RESOURCE.format(sub=at["sub"], rg=at["rg"], workspace=at["workspace"])
    slot = (ctx.state, path.lower())
    found = _WORKSPACES.get(slot)
    if found is None or found[1] < ctx.clock.monotonic():
        resource = await arm_get(ctx, path)
        if resource is None:
            _WORKSPACES.pop(slot, None)
            raise ResourceMissing(
                f"The workspace '{at['workspace']}' in resource group '{at['rg']}' was not found."
            )
        guid = str((resource.get("properties") or {}).get("workspaceId") or "")
        key = guid or hashlib.sha256(path.lower().encode()).hexdigest()[:32]
        made = Workspace(at["sub"], at["rg"], str(resource.get("name") or at["workspace"]), key)
        found = _WORKSPACES[slot] = (made, ctx.clock.monotonic() + REMEMBERED_S)
    return found[0]


async def container_of(ctx: Context, workspace: Workspace, datastore: str) -> Container:
    """The blob container behind one of the workspace's datastores.

    Raises:
        ResourceMissing: no such datastore, or one that is not blob storage.
    """
    slot = (ctx.state, workspace.key, datastore.lower())
    found = _CONTAINERS.get(slot)
    if found is None or found[1] < ctx.clock.monotonic():
        resource = await arm_get(ctx, f"{workspace.path}/datastores/{datastore}")
        inside: dict[str, Any] = (resource or {}).get("properties") or {}
        account, name = inside.get("accountName"), inside.get("containerName")
        if not account or not name:
            raise ResourceMissing(f"The workspace has no blob datastore named '{datastore}'.")
        made = Container(str(account), str(name))
        found = _CONTAINERS[slot] = (made, ctx.clock.monotonic() + REMEMBERED_S)
    return found[0]


async def blob_url(ctx: Context, workspace: Workspace, place: Place) -> str:
    """The blob's own address, without a signature."""
    container = await container_of(ctx, workspace, place.datastore)
    return f"{container.url}/{quote(place.path, safe='/')}"
