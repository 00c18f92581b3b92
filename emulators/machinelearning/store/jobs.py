"""Jobs: what was asked for, how far each is, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table

NOT_STARTED = "NotStarted"
PREPARING = "Preparing"
QUEUED = "Queued"
RUNNING = "Running"
FINALIZING = "Finalizing"
CANCEL_REQUESTED = "CancelRequested"
COMPLETED = "Completed"
FAILED = "Failed"
CANCELED = "Canceled"
ENDED = frozenset({COMPLETED, FAILED, CANCELED})
FORWARD = {
    status: rank
    for rank, status in enumerate(
        (NOT_STARTED, PREPARING, QUEUED, RUNNING, FINALIZING, CANCEL_REQUESTED)
    )
} | dict.fromkeys(ENDED, 6)
"""A job's status only ever goes up; who asked to cancel never sees it run on."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job, also a pipeline's step and a sweep's trial. Its name is its MLflow run's id."""

    workspace: str  # guid
    name: str
    number: int  # n-th job of the workspace: orders lists
    kind: str  # "Command", "Sweep", "Pipeline"
    properties: dict[str, Any]  # the request's `properties`, as received
    experiment: str
    created: datetime  # UTC
    created_by: str
    status: str = NOT_STARTED
    started: datetime | None = None  # UTC
    ended: datetime | None = None  # UTC
    error: dict[str, Any] | None = None  # {"code", "message"}
    parent: str | None = None
    root: str = ""  # name of the outermost job; its own name when it is that
    step: str | None = None  # name of the step in the parent pipeline
    added: dict[str, str] = field(default_factory=dict)  # properties the service adds
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> {"type","uri"}
    hidden: bool = False  # archived: run history's word for it

    @property
    def over(self) -> bool:
        """Whether it has come to its end."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class ChildJob:
    """Finds the children of a job in the order they were made; those of "" have no parent."""

    workspace: str
    parent: str
    order: str  # zero-padded number
    name: str


@dataclass(frozen=True, slots=True)
class JobCount:
    """How many jobs a workspace has ever had: the newest one's number."""

    workspace: str
    last: int


@dataclass(frozen=True, slots=True)
class LiveJob:
    """Finds the jobs that have not ended, without a look at all those that have."""

    workspace: str
    name: str


@dataclass(frozen=True, slots=True)
class Reuse:
    """What a deterministic step made, by the hash of all that determines it."""

    workspace: str
    digest: str
    job: str


JOBS = Table("ml_jobs", Job, key=("workspace", "name"))
CHILD_JOBS = Table("ml_child_jobs", ChildJob, key=("workspace", "parent", "order"))
JOB_COUNTS = Table("ml_job_counts", JobCount, key=("workspace",))
LIVE_JOBS = Table("ml_live_jobs", LiveJob, key=("workspace", "name"))
REUSE = Table("ml_reuse", Reuse, key=("workspace", "digest"))
