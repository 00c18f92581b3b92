"""A job's MLflow run: begun under the job's name, ended with it; its metrics read."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from emulators.kernel.context import Context
from emulators.machinelearning.store.jobs import CANCELED, COMPLETED, Job
from emulators.machinelearning.store.workspaces import Workspace

READY_WITHIN_S = 180.0
"""The MLflow server may still be starting when the first job needs it."""


def base_url(ctx: Context, ws: Workspace) -> str:
    """The workspace's tracking URI in the form every MLflow client speaks.

    `v1.0` over https is the address that works with and without azureml-mlflow installed: with
    it, `v2.0` is what the plugin itself asks, and is answered in the plugin's terms.
    """
    return f"https://{ctx.settings.region}.api.azureml.ms/mlflow/v1.0{ws.arm_id}"


class TrackingFailed(Exception):
    """MLflow refused or did not answer; the message is for the job's log."""


async def _ask(
    ctx: Context, ws: Workspace, method: str, path: str, payload: dict[str, Any]
) -> dict[str, Any]:
    url = f"{base_url(ctx, ws)}/api/2.0/{path}"
    try:
        async with ctx.peers.client(READY_WITHIN_S) as http:
            if method == "GET":
                answer = await http.get(url, params=payload)
            else:
                answer = await http.post(url, json=payload)
    except Exception as gone:
        raise TrackingFailed(f"MLflow could not be reached: {gone!r}") from gone
    if answer.status_code != 200:
        raise TrackingFailed(f"MLflow answered {answer.status_code}: {answer.text[:400]}")
    value: dict[str, Any] = answer.json()
    return value


async def begin(ctx: Context, ws: Workspace, job: Job) -> str | None:
    """Begin the run whose id is the job's name; its experiment id, None without MLflow.

    Raises:
        TrackingFailed: MLflow refused.
    """
    if not ctx.settings.mlflow:
        return None
    tags = {
        "mlflow.user": job.created_by,
        "azureml.jobType": job.kind,
        **{str(k): str(v) for k, v in (job.properties.get("tags") or {}).items()},
        **job.added,
    }
    body = {
        "run_id": job.name,
        "experiment_name": job.experiment,
        "run_name": job.properties.get("displayName") or job.name,
        "tags": tags,
        "user_id": job.created_by,
        "parent_run_id": job.parent,
        "root_run_id": job.root,
        "start_time": _ms(job.created),
    }
    answer = await _ask(ctx, ws, "POST", "rehearsal/runs/create", body)
    return str(answer["run"]["info"]["experiment_id"])


async def end(ctx: Context, ws: Workspace, job: Job) -> None:
    """End the run as its job ended; a job that ended before its run began has one all the same.

    Raises:
        TrackingFailed: MLflow refused.
    """
    if not ctx.settings.mlflow:
        return
    body = {
        "run_id": job.name,
        "status": {COMPLETED: "FINISHED", CANCELED: "KILLED"}.get(job.status, "FAILED"),
        "end_time": _ms(ctx.clock.now()),
    }
    try:
        await _ask(ctx, ws, "POST", "rehearsal/runs/end", body)
    except TrackingFailed:
        await begin(ctx, ws, job)
        await _ask(ctx, ws, "POST", "rehearsal/runs/end", body)


def _ms(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)


async def history(ctx: Context, ws: Workspace, run: str, metric: str) -> list[float]:
    """The values of a metric that are numbers, in the order they were logged; or none."""
    try:
        answer = await _ask(
            ctx,
            ws,
            "GET",
            "mlflow/metrics/get-history",
            {"run_id": run, "metric_key": metric, "max_results": "25000"},
        )
    except TrackingFailed:
        return []
    values = (float(point["value"]) for point in answer.get("metrics", []))
    return [value for value in values if not math.isnan(value)]


async def metrics(ctx: Context, ws: Workspace, run: str) -> dict[str, float]:
    """The newest value of each metric of a run."""
    answer = await _ask(ctx, ws, "GET", "mlflow/runs/get", {"run_id": run})
    found = answer["run"].get("data", {}).get("metrics", [])
    return {m["key"]: float(m["value"]) for m in found}


async def tag(ctx: Context, ws: Workspace, run: str, name: str, value: str) -> None:
    """Set a tag on a run; without MLflow nothing happens."""
    if ctx.settings.mlflow:
        body = {"run_id": run, "key": name, "value": value}
        await _ask(ctx, ws, "POST", "mlflow/runs/set-tag", body)
