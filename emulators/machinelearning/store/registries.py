"""Registries: assets that several workspaces share, with storage of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table
from emulators.machinelearning.store.workspaces import Workspace


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry. Its name is the key: no two of a tenant have the same.

    What is in it is owned by `guid`, as in a workspace.
    """

    key: str  # name in lower case
    guid: str
    subscription: str
    group: str
    name: str
    location: str  # primary region
    storage_account: str  # account name, not its id
    properties: dict[str, Any]  # storageAccount (ARM id) and what was asked for, as on the wire
    created: datetime  # UTC
    modified: datetime  # UTC
    created_by: str
    tags: dict[str, str] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)

    @property
    def arm_id(self) -> str:
        """The ARM id in the casing it was created with."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.MachineLearningServices/registries/{self.name}"
        )

    @property
    def asset_scope(self) -> str:
        """What the ids of its assets begin with."""
        return f"azureml://registries/{self.name}"

    @property
    def spoken(self) -> str:
        """As messages name it."""
        return f"registry {self.name}"


Home = Workspace | Registry
"""What assets can be in."""

REGISTRIES = Table("ml_registries", Registry, key=("key",))
