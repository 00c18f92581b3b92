"""Schedules and their firings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table

SUBMITTING = "Submitting"
SUBMITTED = "Submitted"
FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is to be done when."""

    workspace: str  # guid
    key: str  # name in lower case
    name: str
    properties: dict[str, Any]  # as on the wire, without isEnabled and provisioningState
    enabled: bool
    created: datetime  # UTC: the start of a trigger that states none
    modified: datetime  # UTC
    created_by: str
    modified_by: str


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that a schedule fired. It is kept before its job is made, so none is made twice."""

    workspace: str  # guid
    schedule: str  # key
    at: str  # ISO, UTC: the instant it was due, which orders firings
    job: str  # name of the job, chosen with the record
    state: str  # SUBMITTING, SUBMITTED, FAILED
    by_hand: bool = False
    error: str | None = None


SCHEDULES = Table("ml_schedules", Schedule, key=("workspace", "key"))
FIRINGS = Table("ml_schedule_firings", Firing, key=("workspace", "schedule", "at"))
