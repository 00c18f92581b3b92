"""Batch endpoints and deployments as records: made, changed, found, removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulators.kernel.context import Context
from emulators.machinelearning.engine.endpoints.shelf import (
    Shelf,
    Wanted,
    check_name,
    claim_host,
)
from emulators.machinelearning.errors import UserError, ValidationError
from emulators.machinelearning.store.batch import (
    BATCH_DEPLOYMENTS,
    BATCH_ENDPOINTS,
    BATCH_RUNS,
    REPEATED,
    BatchDeployment,
    BatchEndpoint,
)
from emulators.machinelearning.store.endpoints import HOST_NAMES
from emulators.machinelearning.store.workspaces import Workspace

README = "emulators/machinelearning/README.md, batch endpoints"


SHELF = Shelf("batch", BATCH_ENDPOINTS, BATCH_DEPLOYMENTS)
get, every, by_host = SHELF.get, SHELF.every, SHELF.by_host
get_deployment, deployments = SHELF.get_deployment, SHELF.deployments


def chosen(ctx: Context, endpoint: BatchEndpoint, asked: str) -> BatchDeployment:
    """The deployment an invocation goes to: the one it names, or the endpoint's default.

    Raises:
        ResourceMissing: it names none that exists.
        UserError: it names none, and the endpoint has no default.
    """
    name = asked or endpoint.default
    if not name:
        raise UserError(
            f"The batch endpoint '{endpoint.name}' has no default deployment. Set one"
            " (defaults.deployment_name), or name a deployment."
        )
    return get_deployment(ctx, endpoint, name)


def put(ctx: Context, ws: Workspace, name: str, wanted: Wanted) -> tuple[BatchEndpoint, bool]:
    """Make or change an endpoint; whether it was made.

    Raises:
        ValidationError: a name, authMode or default that cannot be.
        UserError: the name is another endpoint's, or the default is no deployment.
    """
    check_name("endpoint", name)
    given, now = wanted.properties, ctx.clock.now()
    _check(given)
    old = ctx.store.get(BATCH_ENDPOINTS, ws.guid, name.lower())
    base = old or BatchEndpoint(ws.guid, name.lower(), name, now, now, wanted.by)
    made = replace(
        base,
        default=_default(ctx, base, given.get("defaults")),
        description=given.get("description"),
        properties=dict(given.get("properties") or {}),
        tags=dict(wanted.tags),
        identity=dict(wanted.identity),
        modified=now,
    )
    with ctx.store.transaction():
        if old is None:
            claim_host(ctx, ws, name)
        ctx.store.put(BATCH_ENDPOINTS, made)
    return made, old is None


def _check(given: Mapping[str, Any]) -> None:
    mode = str(given.get("authMode", "aadToken"))
    if mode.lower() != "aadtoken":
        raise ValidationError(
            f"The authMode '{mode}' is not valid: batch endpoints take Entra tokens only"
            " (aadToken).",
            target="authMode",
        )
    if not isinstance(given.get("description"), str | None):
        raise ValidationError("The field 'description' must be text.", target="description")
    for name in ("properties", "defaults"):
        if not isinstance(given.get(name), Mapping | None):
            raise ValidationError(f"The field '{name}' must be an object.", target=name)


def _default(ctx: Context, endpoint: BatchEndpoint, given: Mapping[str, Any] | None) -> str | None:
    """The default as a request states it; one that says nothing about it leaves it."""
    if given is None or "deploymentName" not in given:
        return endpoint.default
    name = given["deploymentName"]
    if name is None or name == "":
        return None
    if not isinstance(name, str):
        raise ValidationError("deploymentName must be text.", target="defaults")
    known = ctx.store.get(BATCH_DEPLOYMENTS, endpoint.workspace, endpoint.key, name.lower())
    if known is None:
        raise UserError(
            f"The endpoint '{endpoint.name}' has no deployment '{name}', so it cannot be its"
            " default.",
            target="defaults",
        )
    return known.name


def delete(ctx: Context, endpoint: BatchEndpoint) -> None:
    """Forget an endpoint and its deployments; its jobs stay in the workspace."""
    with ctx.store.transaction():
        for found in deployments(ctx, endpoint):
            ctx.store.delete(BATCH_DEPLOYMENTS, found.workspace, found.endpoint, found.key)
        for run in list(ctx.store.scan(BATCH_RUNS, endpoint.workspace, endpoint.key)):
            ctx.store.delete(BATCH_RUNS, run.workspace, run.endpoint, run.order)
        for known in list(ctx.store.scan(REPEATED, endpoint.workspace, endpoint.key)):
            ctx.store.delete(REPEATED, known.workspace, known.endpoint, known.request)
        ctx.store.delete(HOST_NAMES, endpoint.key)
        ctx.store.delete(BATCH_ENDPOINTS, endpoint.workspace, endpoint.key)
