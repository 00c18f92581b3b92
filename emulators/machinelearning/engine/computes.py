"""Compute targets by name: nothing is rented, jobs run on this machine whatever they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulators.kernel.azure_http import iso
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import names
from emulators.machinelearning.errors import ResourceMissing, UserError, ValidationError
from emulators.machinelearning.store.workspaces import CHILDREN, Child, Workspace

KIND = "computes"
CLUSTER, INSTANCE = "AmlCompute", "ComputeInstance"
REFUSED = (
    "AKS", "Kubernetes", "VirtualMachine", "HDInsight", "DataFactory", "Databricks",
    "DataLakeAnalytics", "SynapseSpark",
)  # fmt: skip
SCALE = {"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT2M"}


def get(ctx: Context, ws: Workspace, name: str) -> Child:
    """The compute of that name.

    Raises:
        ResourceMissing: there is none.
    """
    found = ctx.store.get(CHILDREN, ws.guid, KIND, name.lower())
    if found is None:
        raise ResourceMissing(f"Compute {name} not found in workspace {ws.name}.", target=name)
    return found


def put(
    ctx: Context, ws: Workspace, name: str, body: Mapping[str, Any], by: str
) -> tuple[Child, bool]:
    """Make a compute, or change a cluster's scale; whether it is new.

    Raises:
        ValidationError: a name, size or scale that cannot be.
        Unsupported: a type other than cluster and instance.
        UserError: a change that Azure ML does not allow.
    """
    names.check("compute", name)
    given = body.get("properties")
    if not isinstance(given, dict):
        raise ValidationError("The field 'properties' is required.", target="properties")
    kind = given.get("computeType")
    if kind in REFUSED:
        raise Unsupported(
            f"computes of type {kind}", tracked="emulators/machinelearning/README.md, compute"
        )
    if kind not in (CLUSTER, INSTANCE):
        raise ValidationError(f"The computeType '{kind}' is not known.", target="computeType")
    old = ctx.store.get(CHILDREN, ws.guid, KIND, name.lower())
    if old is not None:
        return _change(ctx, old, body), False
    inner = dict(given.get("properties") or {})
    if not isinstance(inner.get("vmSize"), str):
        raise ValidationError("The field 'vmSize' is required.", target="vmSize")
    inner |= _cluster(inner) if kind == CLUSTER else _instance(ctx, inner)
    now = ctx.clock.now()
    values = {
        "computeLocation": given.get("computeLocation") or ws.location,
        "disableLocalAuth": bool(given.get("disableLocalAuth", True)),
        "computeType": kind,
        "properties": inner,
    }
    if given.get("description"):
        values["description"] = given["description"]
    made = Child(
        ws.guid, KIND, name.lower(), name, values, now, now, by,
        dict(body.get("tags") or {}), dict(body.get("identity") or {}),
    )  # fmt: skip
    ctx.store.put(CHILDREN, made)
    return made, True


def _scale(given: Any) -> dict[str, Any]:
    scale = {**SCALE, **{k: v for k, v in (given or {}).items() if v is not None}}
    low, high = scale["minNodeCount"], scale["maxNodeCount"]
    if not isinstance(low, int) or not isinstance(high, int) or not 0 <= low <= high:
        raise ValidationError(
            f"minNodeCount {low} and maxNodeCount {high} are no range.", target="scaleSettings"
        )
    return scale


def _cluster(inner: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "vmPriority": inner.get("vmPriority") or "Dedicated",
        "osType": inner.get("osType") or "Linux",
        "scaleSettings": _scale(inner.get("scaleSettings")),
        "remoteLoginPortPublicAccess": inner.get("remoteLoginPortPublicAccess") or "NotSpecified",
        "allocationState": "Steady",
        "currentNodeCount": 0,
        "targetNodeCount": 0,
        "nodeStateCounts": {
            "preparingNodeCount": 0,
            "runningNodeCount": 0,
            "idleNodeCount": 0,
            "unusableNodeCount": 0,
            "leavingNodeCount": 0,
            "preemptedNodeCount": 0,
        },
    }


def _instance(ctx: Context, inner: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "applicationSharingPolicy": inner.get("applicationSharingPolicy") or "Shared",
        "state": "Running",
        "lastOperation": _operation(ctx, "Create"),
    }


def _operation(ctx: Context, name: str) -> dict[str, str]:
    return {
        "operationName": name,
        "operationTime": iso(ctx.clock.now()),
        "operationStatus": "Succeeded",
    }


def _change(ctx: Context, old: Child, body: Mapping[str, Any]) -> Child:
    """A cluster's scale, tags and identity may change; nothing else may."""
    given = body.get("properties") or {}
    inner, kept = given.get("properties") or {}, old.properties["properties"]
    if given.get("computeType", old.properties["computeType"]) != old.properties["computeType"]:
        raise UserError("The type of a compute cannot be changed.", target=old.name)
    size = inner.get("vmSize")
    if size is not None and size.lower() != kept["vmSize"].lower():
        raise UserError(
            f"The vmSize of compute {old.name} cannot be changed from {kept['vmSize']} to {size}.",
            target="vmSize",
        )
    if old.properties["computeType"] == CLUSTER and inner.get("scaleSettings"):
        kept = {**kept, "scaleSettings": _scale(inner["scaleSettings"])}
    new = replace(
        old,
        properties={**old.properties, "properties": kept},
        tags=dict(old.tags if body.get("tags") is None else body["tags"]),
        identity=dict(body.get("identity") or old.identity),
        modified=ctx.clock.now(),
    )
    ctx.store.put(CHILDREN, new)
    return new


def update(ctx: Context, ws: Workspace, name: str, body: Mapping[str, Any]) -> Child:
    """Change a cluster's scale.

    Raises:
        ResourceMissing, UserError, ValidationError: as `get` and `put`.
    """
    given = body.get("properties") or {}
    if not isinstance(given, dict):
        raise ValidationError("The field 'properties' must be an object.", target="properties")
    if "scaleSettings" in given:
        given = {"properties": {"scaleSettings": given["scaleSettings"]}}
    return _change(ctx, get(ctx, ws, name), {**body, "properties": given})


STATES = {
    "start": ("Start", "Running"),
    "stop": ("Stop", "Stopped"),
    "restart": ("Restart", "Running"),
}


def switch(ctx: Context, ws: Workspace, name: str, action: str) -> Child:
    """Start, stop or restart a compute instance.

    Raises:
        ResourceMissing: no such compute.
        UserError: it is a cluster.
    """
    old = get(ctx, ws, name)
    if old.properties["computeType"] != INSTANCE:
        raise UserError(f"Compute {name} cannot {action}: it is not an instance.", target=name)
    word, state = STATES[action]
    inner = {
        **old.properties["properties"],
        "state": state,
        "lastOperation": _operation(ctx, word),
    }
    new = replace(old, properties={**old.properties, "properties": inner}, modified=ctx.clock.now())
    ctx.store.put(CHILDREN, new)
    return new


def delete(ctx: Context, ws: Workspace, name: str) -> bool:
    """Remove a compute; False when there was none."""
    return ctx.store.delete(CHILDREN, ws.guid, KIND, name.lower())
