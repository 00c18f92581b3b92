"""Batch endpoints, their deployments, and which jobs they started."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table


@dataclass(frozen=True, slots=True)
class BatchEndpoint:
    """A batch endpoint. Callers show an Entra token; it has no keys."""

    workspace: str  # guid
    key: str  # name in lower case
    name: str
    created: datetime  # UTC
    modified: datetime  # UTC
    created_by: str
    default: str | None = None  # name of the deployment that is asked when a caller names none
    description: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchDeployment:
    """What runs when an endpoint is asked: a model with its settings, or a pipeline component."""

    workspace: str  # guid
    endpoint: str  # key of the endpoint
    key: str  # name in lower case
    name: str
    properties: dict[str, Any]  # as on the wire, defaults filled in
    created: datetime  # UTC
    modified: datetime  # UTC
    created_by: str
    tags: dict[str, str] = field(default_factory=dict)
    generation: str = ""  # a folder of its own for each content


@dataclass(frozen=True, slots=True)
class BatchRun:
    """Finds the jobs of an endpoint in the order they were started."""

    workspace: str  # guid
    endpoint: str  # key of the endpoint
    order: str  # the job's zero-padded number
    job: str  # its name
    deployment: str  # key of the deployment


@dataclass(frozen=True, slots=True)
class Repeated:
    """Which job a request id started, so that a request sent twice starts one."""

    workspace: str  # guid
    endpoint: str  # key of the endpoint
    request: str
    digest: str  # of what was asked for
    job: str


BATCH_ENDPOINTS = Table("ml_batch_endpoints", BatchEndpoint, key=("workspace", "key"))
BATCH_DEPLOYMENTS = Table(
    "ml_batch_deployments", BatchDeployment, key=("workspace", "endpoint", "key")
)
BATCH_RUNS = Table("ml_batch_runs", BatchRun, key=("workspace", "endpoint", "order"))
REPEATED = Table("ml_batch_repeated", Repeated, key=("workspace", "endpoint", "request"))
