"""Deployments as they are asked for: checked, made, changed, removed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.kernel.azure_http import LongRunning, begin, finish
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import assets
from emulators.machinelearning.engine.endpoints import contents, records
from emulators.machinelearning.engine.endpoints.hosting import hosting_of
from emulators.machinelearning.engine.endpoints.records import MAX_INSTANCES, README
from emulators.machinelearning.errors import UserError, ValidationError
from emulators.machinelearning.store.endpoints import DEPLOYMENTS, Deployment, Endpoint
from emulators.machinelearning.store.workspaces import Workspace

CONTENT = ("model", "codeConfiguration", "environmentId", "environmentVariables")
"""Properties that make a new generation, with files and processes of its own."""

MAX_TIMEOUT_MS = 180_000


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
    """
    records.check_name("deployment", name)
    _check(ctx, ws, wanted)
    old = ctx.store.get(DEPLOYMENTS, endpoint.workspace, endpoint.key, name.lower())
    now = ctx.clock.now()
    operation = begin(ctx, f"{ws.arm_id}/onlineEndpoints/{endpoint.name}/deployments/{name}")
    if old is None:
        made = Deployment(
            workspace=endpoint.workspace,
            endpoint=endpoint.key,
            key=name.lower(),
            name=name,
            properties=wanted.properties,
            capacity=wanted.capacity,
            created=now,
            modified=now,
            created_by=wanted.by,
            tags=wanted.tags,
            operation=operation.id,
        )
        ctx.store.put(DEPLOYMENTS, made)
        hosting_of(ctx).bring_up(ws, made)
        return made, operation, True
    changed = _changed(old, wanted)
    made = replace(
        old,
        properties=wanted.properties,
        capacity=wanted.capacity,
        tags=wanted.tags,
        modified=now,
        operation=operation.id,
        state="Updating" if changed else old.state,
        generation=old.generation + (1 if changed else 0),
    )
    ctx.store.put(DEPLOYMENTS, made)
    if changed:
        hosting_of(ctx).bring_up(ws, made)
    else:
        finish(ctx, operation.id)
    return made, operation, False


def _changed(old: Deployment, wanted: Wanted) -> bool:
    """Whether the processes must be started anew."""
    fields = (*CONTENT, "requestSettings")
    return (
        any(old.properties.get(f) != wanted.properties.get(f) for f in fields)
        or old.capacity != wanted.capacity
        or old.state == "Failed"
    )


def _check(ctx: Context, ws: Workspace, wanted: Wanted) -> None:
    values = wanted.properties
    kind = values.get("endpointComputeType") or "Managed"
    if kind != "Managed":
        raise Unsupported(f"online deployments of type {kind}", tracked=README)
    if not values.get("instanceType"):
        raise ValidationError("A managed deployment needs an instanceType.", target="instanceType")
    if not 1 <= wanted.capacity <= MAX_INSTANCES:
        raise ValidationError(f"The instance count must be 1 to {MAX_INSTANCES}.", target="sku")
    _check_timeout(values)
    code = values.get("codeConfiguration") or {}
    if not isinstance(code, Mapping):
        raise ValidationError("codeConfiguration must be an object.")
    if values.get("model"):
        assets.resolve_id(ctx, ws, str(values["model"]), "models")
    if code.get("codeId"):
        assets.resolve_id(ctx, ws, str(code["codeId"]), "codes")
        if not values.get("environmentId"):
            raise UserError("A deployment with a scoring script needs an environment.")
    if not code.get("codeId") and not values.get("model"):
        raise Unsupported(
            "deployments of a container without model and scoring script", tracked=README
        )


def _check_timeout(values: Mapping[str, Any]) -> None:
    if not 1 <= contents.timeout_ms(values) <= MAX_TIMEOUT_MS:
        raise ValidationError(
            f"The request timeout must be 1 to {MAX_TIMEOUT_MS} ms.", target="requestSettings"
        )


def delete(ctx: Context, endpoint: Endpoint, deployment: Deployment) -> None:
    """Remove a deployment that gets no live traffic.

    Raises:
        UserError: it gets some.
    """
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
    _later(ctx, hosting.take_down(deployment))


def delete_endpoint(ctx: Context, endpoint: Endpoint) -> None:
    """Remove an endpoint with all its deployments."""
    found = records.deployments(ctx, endpoint)
    records.delete(ctx, endpoint)
    hosting = hosting_of(ctx)
    hosting.changed(endpoint)
    for deployment in found:
        _later(ctx, hosting.take_down(deployment))


def _later(ctx: Context, work: Any) -> None:
    task = asyncio.ensure_future(work)
    held = hosting_of(ctx).held
    held.add(task)
    task.add_done_callback(held.discard)
