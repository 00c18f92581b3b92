"""Endpoints and deployments as records: made, changed, found, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.endpoints.shelf import (
    Shelf,
    Wanted,
    check_name,
    claim_host,
)
from emulators.machinelearning.errors import UserError, ValidationError
from emulators.machinelearning.store.endpoints import (
    DEPLOYMENTS,
    ENDPOINTS,
    HOST_NAMES,
    Deployment,
    Endpoint,
)
from emulators.machinelearning.store.workspaces import Workspace

README = "emulators/machinelearning/README.md, online endpoints"
AUTH_MODES = {"key": "Key", "amltoken": "AMLToken", "aadtoken": "AADToken"}
KEY_TYPES = ("Primary", "Secondary")
MAX_MIRROR = 50
MAX_INSTANCES = 50


SHELF = Shelf("online", ENDPOINTS, DEPLOYMENTS)
get, every, by_host = SHELF.get, SHELF.every, SHELF.by_host
get_deployment, deployments = SHELF.get_deployment, SHELF.deployments


def put(ctx: Context, ws: Workspace, name: str, wanted: Wanted) -> tuple[Endpoint, bool]:
    """Make or change an endpoint; whether it was made.

    Raises:
        ValidationError, UserError: names, traffic or authentication that cannot be.
        Unsupported: an endpoint on somebody's own Kubernetes.
    """
    check_name("endpoint", name)
    given, now = wanted.properties, ctx.clock.now()
    if given.get("compute"):
        raise Unsupported("Kubernetes online endpoints ('compute')", tracked=README)
    mode = AUTH_MODES.get(str(given.get("authMode", "")).lower())
    if mode is None:
        raise ValidationError(f"The authMode '{given.get('authMode')}' is not known.")
    for field in ("description", "publicNetworkAccess"):
        if not isinstance(given.get(field), str | None):
            raise ValidationError(f"The field '{field}' must be text.", target=field)
    if not isinstance(given.get("properties"), Mapping | None):
        raise ValidationError("The field 'properties' must be an object.", target="properties")
    old = ctx.store.get(ENDPOINTS, ws.guid, name.lower())
    if old is not None and old.auth_mode != mode:
        raise UserError("The authMode of an endpoint cannot be changed after it is made.")
    base = old or Endpoint(ws.guid, name.lower(), name, mode, now, now, wanted.by)
    made = replace(
        base,
        traffic=_traffic(ctx, base, given.get("traffic")),
        mirror_traffic=_shares(given.get("mirrorTraffic")),
        description=given.get("description"),
        properties=dict(given.get("properties") or {}),
        tags=dict(wanted.tags),
        identity=_identity(ctx, wanted.identity, base),
        public_access=given.get("publicNetworkAccess") or "Enabled",
        modified=now,
    )
    _check_mirror(ctx, made)
    if old is None:
        _begin_keys(ctx, made, _first_keys(given.get("keys"), mode))
    with ctx.store.transaction():
        if old is None:
            claim_host(ctx, ws, name)
        ctx.store.put(ENDPOINTS, made)
    return made, old is None


def _begin_keys(ctx: Context, endpoint: Endpoint, chosen: Mapping[str, str]) -> None:
    """Before an endpoint is there its keys are; those of an earlier one open nothing."""
    _forget_keys(ctx, endpoint)
    for which, value in chosen.items():
        regenerate(ctx, endpoint, which, value)


def _forget_keys(ctx: Context, endpoint: Endpoint) -> None:
    ctx.secrets.forget(f"token/{secret_name(endpoint, '')}")


def _first_keys(given: Any, mode: str) -> dict[str, str]:
    """Keys that the caller chose for a new endpoint."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValidationError("keys must be an object.", target="keys")
    chosen: dict[str, str] = {}
    for which in KEY_TYPES:
        value = given.get(f"{which.lower()}Key")
        if not isinstance(value, str | None):
            raise ValidationError("A key must be text.", target="keys")
        if value:
            chosen[which] = value
    if chosen and mode != "Key":
        raise UserError(f"An endpoint with the authMode {mode} has no keys.")
    return chosen


def _identity(ctx: Context, given: Mapping[str, Any], base: Endpoint) -> dict[str, Any]:
    if str(given.get("type", "")).startswith("SystemAssigned"):
        known = base.identity.get("principalId")
        return {**given, "principalId": known or ctx.ids.guid(), "tenantId": ctx.secrets.tenant_id}
    return dict(given)


def _shares(given: Any) -> dict[str, int]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(
        isinstance(v, int) and not isinstance(v, bool) and 0 <= v <= 100 for v in given.values()
    ):
        raise ValidationError("Traffic must map deployments to whole per cents.", target="traffic")
    if len({str(name).lower() for name in given}) < len(given):
        raise ValidationError("Traffic names a deployment twice.", target="traffic")
    return {str(k): v for k, v in given.items()}


def _traffic(ctx: Context, endpoint: Endpoint, given: Any) -> dict[str, int]:
    shares = _shares(given)
    known = {d.key: d for d in deployments(ctx, endpoint)}
    for name, share in shares.items():
        found = known.get(name.lower())
        if found is None:
            raise UserError(
                f"Invalid traffic: the endpoint has no deployment '{name}'.", target="traffic"
            )
        if share and not found.serving:
            raise UserError(
                f"Invalid traffic: the deployment '{name}' is {found.state}, so it cannot serve.",
                target="traffic",
            )
    if sum(shares.values()) not in (0, 100):
        raise UserError(
            f"Invalid traffic: the sum must be 0 or 100, not {sum(shares.values())}.",
            target="traffic",
        )
    return shares


def choose(shares: list[tuple[str, int]], drawn: int) -> str:
    """The deployment whose part of the hundred holds `drawn` (0 to 99).

    Args:
        shares: deployments and per cents, which sum to 100.
    """
    for name, share in shares:
        drawn -= share
        if drawn < 0:
            return name
    return shares[-1][0]


def _check_mirror(ctx: Context, endpoint: Endpoint) -> None:
    """Source: learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints."""
    mirrored = {name: share for name, share in endpoint.mirror_traffic.items() if share}
    if not mirrored:
        return
    if len(mirrored) > 1 or max(mirrored.values()) > MAX_MIRROR:
        raise UserError(
            f"Invalid mirrorTraffic: one deployment may get at most {MAX_MIRROR} per cent."
        )
    (name,) = mirrored
    known = {d.key for d in deployments(ctx, endpoint)}
    live = {n.lower(): share for n, share in endpoint.traffic.items()}
    if name.lower() not in known:
        raise UserError(f"Invalid mirrorTraffic: the endpoint has no deployment '{name}'.")
    if live.get(name.lower()) or not any(live.values()):
        raise UserError(
            "Invalid mirrorTraffic: the mirrored deployment must have no live traffic, and"
            " another must have some."
        )


def secret_name(endpoint: Endpoint, which: str) -> str:
    """Under which name the state folder keeps one of an endpoint's keys."""
    return f"ml/endpoint/{endpoint.workspace}/{endpoint.key}/{which.lower()}"


def keys(ctx: Context, endpoint: Endpoint) -> dict[str, str]:
    """Primary and secondary key."""
    return {which: ctx.secrets.token(secret_name(endpoint, which)) for which in KEY_TYPES}


def regenerate(ctx: Context, endpoint: Endpoint, which: str, value: str | None) -> None:
    """Replace one key by a new one, or by `value`.

    Assumed: the key's present value asks for a new one. The client sends it, and nobody who asks
    to regenerate a key wants it back.

    Raises:
        ValidationError: no such key.
    """
    if which not in KEY_TYPES:
        raise ValidationError(f"The keyType '{which[:80]}' is not known.", target="keyType")
    name = secret_name(endpoint, which)
    wanted = None if value == ctx.secrets.token(name) else value
    ctx.secrets.put(f"token/{name}", wanted or ctx.ids.token(32))


def save_traffic(
    ctx: Context, endpoint: Endpoint, traffic: dict[str, int], mirror: dict[str, int]
) -> None:
    """Change an endpoint's shares and nothing else."""
    now = ctx.store.get(ENDPOINTS, endpoint.workspace, endpoint.key)
    if now is not None:
        ctx.store.put(ENDPOINTS, replace(now, traffic=traffic, mirror_traffic=mirror))


def delete(ctx: Context, endpoint: Endpoint) -> None:
    """Forget an endpoint, its deployments and its keys."""
    with ctx.store.transaction():
        for found in deployments(ctx, endpoint):
            ctx.store.delete(DEPLOYMENTS, found.workspace, found.endpoint, found.key)
        ctx.store.delete(HOST_NAMES, endpoint.key)
        ctx.store.delete(ENDPOINTS, endpoint.workspace, endpoint.key)
    _forget_keys(ctx, endpoint)


def change(ctx: Context, deployment: Deployment, **fields: Any) -> Deployment | None:
    """Change fields of a deployment as it is stored now; None when it is gone."""
    while True:
        now = ctx.store.get(DEPLOYMENTS, deployment.workspace, deployment.endpoint, deployment.key)
        if now is None or now.created != deployment.created:
            return None
        wanted = replace(now, **fields)
        if ctx.store.replace(DEPLOYMENTS, now, wanted):
            return wanted
