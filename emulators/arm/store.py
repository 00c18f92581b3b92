"""Records of the resource manager: groups, and resources that are only records here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table


@dataclass(frozen=True, slots=True)
class Seed:
    """Says that the state folder's first resource group was made, so that it is made once."""

    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """A resource group of the one subscription."""

    key: str  # its name in lower case
    name: str  # as first written
    location: str
    tags: dict[str, str]
    created: datetime  # UTC
    modified: datetime  # UTC
    managed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that is nothing but its record."""

    key: str  # its id in lower case
    id: str  # as first written
    name: str
    type: str
    group: str  # in lower case; empty above groups
    location: str | None
    tags: dict[str, str]
    properties: dict[str, Any]
    extra: dict[str, Any]  # kind, sku, identity, ...
    created: datetime  # UTC
    modified: datetime  # UTC
    by: str  # object id
    modified_by: str = ""


SEEDS = Table("arm_seeds", Seed, key=("name",))
GROUPS = Table("arm_groups", Group, key=("key",))
RESOURCES = Table("arm_resources", Resource, key=("key",))


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """A role given to a principal at a scope."""

    key: str  # its id in lower case
    id: str
    name: str  # a GUID
    scope: str  # as written, without a slash at its end
    role: str  # GUID of the role definition
    principal: str  # object id
    principal_type: str
    created: datetime  # UTC
    by: str  # object id
    condition: str | None = None
    condition_version: str | None = None
    description: str | None = None


ROLE_ASSIGNMENTS = Table("arm_role_assignments", RoleAssignment, key=("key",))


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment of a template. Secret parameters and outputs are not in it."""

    scope: str  # path in lower case
    key: str  # its name in lower case
    id: str
    name: str
    location: str | None  # above groups
    tags: dict[str, str]
    mode: str
    state: str  # Accepted, Running, Succeeded, Failed, Canceled
    operation: str  # GUID of its status
    correlation: str  # GUID
    started: datetime  # UTC
    ended: datetime | None
    by: str  # object id
    template: dict[str, Any]
    hash: str  # decimal digits
    link: dict[str, Any] | None  # where the template came from
    parameters: dict[str, Any]  # name -> type, value
    outputs: dict[str, Any] | None  # name -> type, value
    resources: list[str]  # ids of what it deployed
    dependencies: list[dict[str, Any]]
    providers: list[dict[str, Any]]
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class DeploymentOperation:
    """What a deployment does to one resource."""

    scope: str  # path in lower case
    deployment: str  # name in lower case
    id: str
    kind: str  # Create, Read, EvaluateDeploymentOutput
    state: str  # Running, Succeeded, Failed, Canceled
    started: datetime  # UTC
    ended: datetime | None
    resource: str  # id; empty when outputs are evaluated
    type: str
    name: str
    status: str  # OK, Created, Conflict, ...
    message: dict[str, Any] | None  # the error


DEPLOYMENTS = Table("arm_deployments", Deployment, key=("scope", "key"))
DEPLOYMENT_OPERATIONS = Table(
    "arm_deployment_operations", DeploymentOperation, key=("scope", "deployment", "id")
)
