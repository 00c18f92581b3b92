"""What a firing does: the job that a schedule's action describes, filled in for one instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.jobs import plans, records
from emulators.machinelearning.engine.jobs.specs import read_command
from emulators.machinelearning.engine.schedules.triggers import README
from emulators.machinelearning.engine.uris import name_in_arm_id
from emulators.machinelearning.errors import InvalidJob, JobNotFound, ValidationError
from emulators.machinelearning.store.jobs import Job
from emulators.machinelearning.store.schedules import Schedule
from emulators.machinelearning.store.workspaces import Workspace

SCHEDULE_NAME = "azureml.scheduleName"
SCHEDULE_TIME = "azureml.scheduleTime"
"""Properties of a job that a schedule made. Assumed: Azure's own are not documented."""

KINDS = ("Pipeline", "Command", "Sweep")
MERGED = ("inputs", "outputs", "settings")
"""Parts of a referenced job that a schedule changes one by one; others are replaced whole."""

REFUSED = {
    "CreateMonitor": "schedules of monitors (CreateMonitor)",
    "InvokeBatchEndpoint": (
        "schedules that invoke a batch endpoint (InvokeBatchEndpoint): the form of an"
        " endpointInvocationDefinition is not published; schedule a pipeline job instead"
    ),
    "ImportData": "schedules of data imports (ImportData)",
}


def check(ctx: Context, ws: Workspace, action: Any) -> None:
    """Refuse an action that could never be done.

    Raises:
        ValidationError, AssetNotFound: it cannot be as it is stated.
        Unsupported: it is of a kind that is not emulated.
    """
    if not isinstance(action, Mapping):
        raise ValidationError("A schedule needs an action.", target="action")
    kind = str(action.get("actionType"))
    if kind in REFUSED:
        raise Unsupported(REFUSED[kind], tracked=README)
    if kind != "CreateJob":
        raise ValidationError(f"The actionType '{kind[:80]}' is not known.", target="actionType")
    definition = action.get("jobDefinition")
    if not isinstance(definition, Mapping):
        raise ValidationError("The action needs a jobDefinition.", target="jobDefinition")
    found = _whole(ctx, ws, definition)
    job_kind = str(found.get("jobType"))
    if job_kind not in KINDS:
        raise Unsupported(f"schedules of jobs of type {job_kind[:80]}", tracked=README)
    if job_kind == "Pipeline":
        plans.plan(ctx, ws, found)
    elif job_kind == "Command":
        read_command(found)


def display_name(schedule: Schedule, at: datetime) -> str:
    """The name that a firing's job is shown by.

    Source: learn.microsoft.com/azure/machine-learning/how-to-schedule-pipeline-job (query).
    """
    return f"{schedule.name}-{at:%Y%m%dT%H%M%SZ}"


def job_of(
    ctx: Context, ws: Workspace, schedule: Schedule, at: datetime, name: str
) -> dict[str, Any]:
    """The properties of the job that a firing submits.

    Args:
        at: when the firing is due (UTC).
        name: of the job.

    Raises:
        ValidationError: the job that the schedule refers to is gone.
    """
    definition = schedule.properties["action"]["jobDefinition"]
    found = _whole(ctx, ws, definition)
    values = {"name": name, "creation_context.trigger_time": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    for part in ("inputs", "outputs"):
        if isinstance(found.get(part), Mapping):
            found[part] = _filled(found[part], values)
    return {
        **found,
        "displayName": display_name(schedule, at),
        "experimentName": definition.get("experimentName") or schedule.name,
        "isArchived": False,
        "properties": {
            **(found.get("properties") or {}),
            SCHEDULE_NAME: schedule.name,
            SCHEDULE_TIME: f"{at:%Y-%m-%dT%H:%M:%SZ}",
        },
    }


def schedule_of(job: Job) -> str | None:
    """Name of the schedule that made a job, or None."""
    found = (job.properties.get("properties") or {}).get(SCHEDULE_NAME)
    return found if isinstance(found, str) else None


def _whole(ctx: Context, ws: Workspace, definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition, laid over the job that it refers to."""
    own = {k: v for k, v in definition.items() if v is not None and k != "sourceJobId"}
    reference = definition.get("sourceJobId")
    if not reference:
        return own
    if not isinstance(reference, str):
        raise ValidationError("sourceJobId must be text.", target="sourceJobId")
    try:
        source = records.get(ctx, ws.guid, name_in_arm_id(reference, "jobs")).properties
    except JobNotFound:
        raise InvalidJob(
            f"The job '{reference[-200:]}', which the schedule refers to, does not exist.",
            target="sourceJobId",
        ) from None
    merged = {**source, **{k: v for k, v in own.items() if v not in ({}, [], "")}}
    for part in MERGED:
        base, change = source.get(part), own.get(part)
        if isinstance(base, Mapping) and isinstance(change, Mapping):
            merged[part] = {**base, **{k: v for k, v in change.items() if v is not None}}
    return {**merged, "jobType": source.get("jobType")}


def _filled(given: Any, values: Mapping[str, str]) -> Any:
    """The same with the expressions of schedules replaced in every text; others stay."""
    if isinstance(given, Mapping):
        return {key: _filled(value, values) for key, value in given.items()}
    if isinstance(given, list):
        return [_filled(value, values) for value in given]
    if isinstance(given, str):
        for expression, value in values.items():
            given = given.replace("${{" + expression + "}}", value)
    return given
