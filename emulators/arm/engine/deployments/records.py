"""Deployments as records: found, listed, changed, removed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from emulators.arm.engine.templates.frames import Place
from emulators.arm.errors import (
    DeploymentActive,
    DeploymentNotFound,
    DeploymentOperationNotFound,
    InvalidDeploymentName,
)
from emulators.arm.store import (
    DEPLOYMENT_OPERATIONS,
    DEPLOYMENTS,
    Deployment,
    DeploymentOperation,
)
from emulators.kernel.context import Context

ACTIVE = ("Accepted", "Running")
TYPE = "Microsoft.Resources/deployments"
_NAME = re.compile(r"[-\w.()]{1,64}\Z")
STOPPED = {
    "code": "OperationInterrupted",
    "message": (
        "The server was stopped while the deployment was running. What it had deployed by then is"
        " there. Deploy the template again to go on."
    ),
}


def check_name(name: str) -> str:
    """A deployment's name.

    Raises:
        InvalidDeploymentName: no deployment may have it.
    """
    if not _NAME.match(name):
        raise InvalidDeploymentName(name)
    return name


def id_of(place: Place, name: str) -> str:
    """The id of a deployment."""
    return f"{place.path}/providers/{TYPE}/{name}"


def find(ctx: Context, place: Place, name: str) -> Deployment | None:
    """A deployment by its name in any case, or None."""
    return ctx.store.get(DEPLOYMENTS, place.path.lower(), check_name(name).lower())


def get(ctx: Context, place: Place, name: str) -> Deployment:
    """A deployment by its name in any case.

    Raises:
        DeploymentNotFound: there is none.
    """
    found = find(ctx, place, name)
    if found is None:
        raise DeploymentNotFound(name)
    return found


def listed(ctx: Context, place: Place) -> list[Deployment]:
    """The deployments of a scope, by name."""
    return list(ctx.store.scan(DEPLOYMENTS, place.path.lower()))


def operations(ctx: Context, one: Deployment) -> list[DeploymentOperation]:
    """What a deployment did or does, by id."""
    return list(ctx.store.scan(DEPLOYMENT_OPERATIONS, one.scope, one.key))


def operation(ctx: Context, one: Deployment, name: str) -> DeploymentOperation:
    """One of them.

    Raises:
        DeploymentOperationNotFound: there is none.
    """
    found = None
    if name.isprintable():
        found = ctx.store.get(DEPLOYMENT_OPERATIONS, one.scope, one.key, name)
    if found is None:
        raise DeploymentOperationNotFound(name, one.name)
    return found


def begin(ctx: Context, made: Deployment) -> None:
    """Store a deployment that begins, in the place of an earlier one of that name.

    Raises:
        DeploymentActive: that one still runs.
    """
    with ctx.store.transaction():
        had = ctx.store.get(DEPLOYMENTS, made.scope, made.key)
        if had is not None and had.state in ACTIVE:
            raise DeploymentActive(had.id)
        _forget_operations(ctx, made.scope, made.key)
        ctx.store.put(DEPLOYMENTS, made)


def change(ctx: Context, one: Deployment, **values: Any) -> Deployment:
    """Change a deployment that is running; what it is now, if it is no longer the same one."""
    with ctx.store.transaction():
        found = ctx.store.get(DEPLOYMENTS, one.scope, one.key)
        if found is None or found.operation != one.operation or found.state not in ACTIVE:
            return one if found is None else found
        changed = replace(found, **values)
        ctx.store.put(DEPLOYMENTS, changed)
        return changed


def remove(ctx: Context, place: Place, name: str) -> bool:
    """Forget a deployment and what it did; what it deployed stays. False without one.

    Raises:
        DeploymentActive: it still runs.
    """
    found = find(ctx, place, name)
    if found is None:
        return False
    if found.state in ACTIVE:
        raise DeploymentActive(found.id)
    with ctx.store.transaction():
        _forget_operations(ctx, found.scope, found.key)
        return ctx.store.delete(DEPLOYMENTS, found.scope, found.key)


def remove_scope(ctx: Context, scope: str) -> None:
    """Forget every deployment of a group that is deleted."""
    with ctx.store.transaction():
        for one in list(ctx.store.scan(DEPLOYMENTS, scope.lower())):
            _forget_operations(ctx, one.scope, one.key)
            ctx.store.delete(DEPLOYMENTS, one.scope, one.key)


def _forget_operations(ctx: Context, scope: str, key: str) -> None:
    for one in list(ctx.store.scan(DEPLOYMENT_OPERATIONS, scope, key)):
        ctx.store.delete(DEPLOYMENT_OPERATIONS, scope, key, one.id)


def end_interrupted(ctx: Context) -> None:
    """Say of deployments that a stop of the server cut short that they failed."""
    now = ctx.clock.now()
    for one in list(ctx.store.scan(DEPLOYMENTS)):
        if one.state not in ACTIVE:
            continue
        for step in operations(ctx, one):
            if step.state == "Running":
                message = {"error": STOPPED}
                ctx.store.put(
                    DEPLOYMENT_OPERATIONS,
                    replace(step, state="Failed", ended=now, message=message),
                )
        change(ctx, one, state="Failed", ended=now, error=STOPPED)


def hash_of(template: Mapping[str, Any]) -> str:
    """Decimal digits that depend on the template alone; not the ones that Azure would make."""
    body = orjson.dumps(template, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return str(int.from_bytes(hashlib.sha256(body).digest()[:8]))
