"""Online endpoints and their deployments."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An online endpoint. Its keys are in ctx.secrets, never here."""

    workspace: str  # guid
    key: str  # name in lower case
    name: str
    auth_mode: str  # "Key", "AMLToken", "AADToken"
    created: datetime  # UTC
    modified: datetime  # UTC
    created_by: str
    traffic: dict[str, int] = field(default_factory=dict)  # deployment -> per cent
    mirror_traffic: dict[str, int] = field(default_factory=dict)
    description: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    state: str = "Succeeded"  # provisioningState
    public_access: str = "Enabled"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What serves an endpoint's requests."""

    workspace: str  # guid
    endpoint: str  # key of the endpoint
    key: str  # name in lower case
    name: str
    properties: dict[str, Any]  # as on the wire
    capacity: int  # instances
    created: datetime  # UTC
    modified: datetime  # UTC
    created_by: str
    tags: dict[str, str] = field(default_factory=dict)
    state: str = "Creating"  # provisioningState
    operation: str = ""  # the long-running operation that is changing it
    generation: int = 1  # a folder of its own for each content
    serving: int = 0  # the generation that serves; 0: none yet
    served: dict[str, Any] = field(default_factory=dict)  # properties of that generation
    served_capacity: int = 1


@dataclass(frozen=True, slots=True)
class HostName:
    """Endpoint names are unique in a region: they are host names."""

    name: str  # lower case
    workspace: str  # guid


ENDPOINTS = Table("ml_endpoints", Endpoint, key=("workspace", "key"))
DEPLOYMENTS = Table("ml_deployments", Deployment, key=("workspace", "endpoint", "key"))
HOST_NAMES = Table("ml_host_names", HostName, key=("name",))
