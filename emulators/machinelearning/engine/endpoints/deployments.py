"""Deployments as they are asked for: checked, made, changed, removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.kernel.azure_http import LongRunning, begin, finish
from emulators.kernel.context import Context
from emulators.kernel.errors import Conflict
from emulators.machinelearning.engine import assets
from emulators.machinelearning.engine.collection import wanted as collection
from emulators.machinelearning.engine.endpoints import checks, records, shelf
from emulators.machinelearning.engine.endpoints.hosting import hosting_of
from emulators.machinelearning.errors import UserError
from emulators.machinelearning.store.endpoints import DEPLOYMENTS, Deployment, Endpoint
from emulators.machinelearning.store.workspaces import Workspace

CONTENT = (
    "model",
    "codeConfiguration",
    "environmentId",
    "environmentVariables",
    "requestSettings",
    "dataCollector",
)
"""Properties that make a new generation, with files and processes of its own."""

BUSY = ("Creating", "Updating")
DEFAULT_INSTANCE = "Standard_F4s_v2"


class OperationInProgress(Conflict):
    """A deployment is changed by one operation at a time."""

    code = "Conflict"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A deployment as a request states it."""

    properties: dict[str, Any]
    capacity: int
    tags: dict[str, str]
    by: str


def put(
    ctx: Context, ws: Workspace, endpoint: Endpoint, name: str, wanted: Wanted
) -> tuple[Deployment, LongRunning, bool]:
    """Make or change a deployment and start bringing it up; whether it was made.

    Raises:
        ValidationError, UserError, Unsupported: it cannot be as it is asked for.
        AssetNotFound: something it names does not exist.
        OperationInProgress: it is being made or changed.
    """
    shelf.check_name("deployment", name)
    checks.check(wanted.properties, wanted.capacity)
    _check_assets(ctx, ws, wanted.properties)
    old = ctx.store.get(DEPLOYMENTS, endpoint.workspace, endpoint.key, name.lower())
    if old is not None:
        _check_idle(old)
    now = ctx.clock.now()
    properties = {"instanceType": DEFAULT_INSTANCE, **wanted.properties}
    if properties.get("dataCollector"):
        properties["dataCollector"] = collection.spelled(properties["dataCollector"])
    base = old or Deployment(
        workspace=endpoint.workspace,
        endpoint=endpoint.key,
        key=name.lower(),
        name=name,
        properties=properties,
        capacity=wanted.capacity,
        created=now,
        modified=now,
        created_by=wanted.by,
        generation=0,
    )
    anew = old is None or _changed(old, properties, wanted.capacity)
    made = replace(
        base,
        properties=properties,
        capacity=wanted.capacity,
        tags=wanted.tags,
        modified=now,
        served=base.served if anew else properties,
    )
    if anew:
        state = "Creating" if old is None else "Updating"
        made = replace(made, state=state, generation=base.generation + 1)
    with ctx.store.transaction():
        operation = begin(ctx, f"{ws.arm_id}/onlineEndpoints/{endpoint.name}/deployments/{name}")
        made = replace(made, operation=operation.id)
        ctx.store.put(DEPLOYMENTS, made)
        if not anew:
            finish(ctx, operation.id)
    if anew:
        hosting_of(ctx).bring_up(ws, made)
    return made, operation, old is None


def _changed(old: Deployment, properties: Mapping[str, Any], capacity: int) -> bool:
    """Whether the processes must be started anew."""
    return (
        any(old.properties.get(f) != properties.get(f) for f in CONTENT)
        or old.capacity != capacity
        or old.state == "Failed"
    )


def _check_assets(ctx: Context, ws: Workspace, values: Mapping[str, Any]) -> None:
    if values.get("model"):
        assets.resolve_id(ctx, ws, str(values["model"]), "models")
    code = values.get("codeConfiguration") or {}
    if code.get("codeId"):
        assets.resolve_id(ctx, ws, str(code["codeId"]), "codes")
    collected = collection.read(values.get("dataCollector"))
    for one in collected.collections if collected else ():
        if one.data:
            assets.resolve_id(ctx, ws, one.data, "data")


def _check_idle(deployment: Deployment) -> None:
    """Source: learn.microsoft.com/azure/machine-learning, troubleshoot online endpoints, 409."""
    if deployment.state in BUSY:
        raise OperationInProgress(
            f"There is already an operation in progress on the deployment '{deployment.name}'"
            f" (it is {deployment.state}). Wait for it to end, then try again."
        )


def delete(ctx: Context, endpoint: Endpoint, deployment: Deployment) -> None:
    """Remove a deployment that gets no live traffic.

    Raises:
        UserError: it gets some.
        OperationInProgress: it is being made or changed.
    """
    _check_idle(deployment)
    live = {name.lower(): share for name, share in endpoint.traffic.items()}
    if live.get(deployment.key):
        raise UserError(
            f"Deployment {deployment.name} has {live[deployment.key]} % of the live traffic of"
            f" endpoint {endpoint.name}. Set its traffic to 0 before it is deleted."
        )
    kept = {n: s for n, s in endpoint.traffic.items() if n.lower() != deployment.key}
    mirror = {n: s for n, s in endpoint.mirror_traffic.items() if n.lower() != deployment.key}
    with ctx.store.transaction():
        ctx.store.delete(DEPLOYMENTS, deployment.workspace, deployment.endpoint, deployment.key)
        records.save_traffic(ctx, endpoint, kept, mirror)
    hosting = hosting_of(ctx)
    hosting.changed(endpoint)
    hosting.take_down(deployment)


def delete_endpoint(ctx: Context, endpoint: Endpoint) -> None:
    """Remove an endpoint with all its deployments; what was being done to them ends."""
    found = records.deployments(ctx, endpoint)
    gone = {"code": "Canceled", "message": f"The endpoint {endpoint.name} was deleted."}
    with ctx.store.transaction():
        records.delete(ctx, endpoint)
        for deployment in found:
            finish(ctx, deployment.operation, gone)
    hosting = hosting_of(ctx)
    hosting.changed(endpoint)
    for deployment in found:
        hosting.take_down(deployment)
