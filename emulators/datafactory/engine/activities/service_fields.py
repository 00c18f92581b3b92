"""What the service adds to an execution activity's output: runtime, durations, billing."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from emulators.datafactory.engine.activities.base import RUNTIME
from emulators.kernel.context import Context

REGIONS = {
    "eastus": "East US",
    "eastus2": "East US 2",
    "westus": "West US",
    "westus2": "West US 2",
    "westus3": "West US 3",
    "centralus": "Central US",
    "northeurope": "North Europe",
    "westeurope": "West Europe",
    "uksouth": "UK South",
    "germanywestcentral": "Germany West Central",
    "francecentral": "France Central",
    "swedencentral": "Sweden Central",
    "southeastasia": "Southeast Asia",
    "australiaeast": "Australia East",
}
"""Display names of regions; another is shown as it is written."""


def runtime(ctx: Context) -> str:
    """The integration runtime as outputs name it."""
    return f"{RUNTIME} ({REGIONS.get(ctx.settings.region, ctx.settings.region)})"


def fields(ctx: Context, started: float, kind: str, unit: str = "Hours") -> dict[str, Any]:
    """Service fields of an attempt.

    Args:
        started: the clock's `monotonic()` when the attempt began, in seconds.
        kind: ExternalActivity, PipelineActivity or DataMovement.
        unit: Hours or DIUHours.
    """
    spent_s = max(0.0, ctx.clock.monotonic() - started)
    return {
        "effectiveIntegrationRuntime": runtime(ctx),
        "executionDuration": int(spent_s),
        "durationInQueue": {"integrationRuntimeQueue": 0},
        "billingReference": billing(kind, spent_s, unit),
    }


def billing(kind: str, spent_s: float, unit: str, units: int = 1) -> Mapping[str, Any]:
    """What is billed: whole minutes, one at least, times `units`."""
    hours = max(1, ceil(spent_s / 60)) / 60 * units
    return {
        "activityType": kind,
        "billableDuration": [{"meterType": "AzureIR", "duration": hours, "unit": unit}],
    }
