"""Workspace connections: where and as whom, with what opens it kept apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulators.kernel.context import Context
from emulators.machinelearning.engine import names
from emulators.machinelearning.errors import ResourceMissing, ValidationError
from emulators.machinelearning.store.workspaces import CHILDREN, Child, Workspace

KIND = "connections"
AUTH = (
    "PAT", "ManagedIdentity", "UsernamePassword", "None", "SAS", "ServicePrincipal", "AccessKey",
    "ApiKey", "CustomKeys", "OAuth2", "AAD", "AccountKey", "AccountManagedIdentity",
)  # fmt: skip


def secret_name(ws: Workspace, name: str) -> str:
    """Under which name the state folder keeps the connection's credentials."""
    return f"ml/connection/{ws.guid}/{name.lower()}/secret"


def get(ctx: Context, ws: Workspace, name: str) -> Child:
    """The connection of that name, without its credentials.

    Raises:
        ResourceMissing: there is none.
    """
    found = ctx.store.get(CHILDREN, ws.guid, KIND, name.lower())
    if found is None:
        raise ResourceMissing(f"Connection {name} can't be found in this workspace", target=name)
    return found


def put(
    ctx: Context, ws: Workspace, name: str, given: Mapping[str, Any], by: str
) -> tuple[Child, bool]:
    """Make or change a connection; whether it is new.

    Raises:
        ValidationError: a name or kind of authentication Azure ML does not take.
    """
    names.check("connection", name)
    kind = given.get("authType")
    if kind not in AUTH:
        raise ValidationError(f"The authType '{kind}' is not known.", target="authType")
    if not isinstance(given.get("category"), str):
        raise ValidationError("The field 'category' is required.", target="category")
    credentials = given.get("credentials")
    if credentials is not None and not isinstance(credentials, dict):
        raise ValidationError("The field 'credentials' must be an object.", target="credentials")
    values = {k: v for k, v in given.items() if k != "credentials" and v is not None}
    now = ctx.clock.now()
    old = ctx.store.get(CHILDREN, ws.guid, KIND, name.lower())
    made = Child(ws.guid, KIND, name.lower(), name, values, now, now, by)
    if old is not None:
        made = replace(made, name=old.name, created=old.created, created_by=old.created_by)
    if credentials is not None:
        ctx.secrets.put(secret_name(ws, name), json.dumps(credentials))
    ctx.store.put(CHILDREN, made)
    return made, old is None


def credentials_of(ctx: Context, ws: Workspace, name: str) -> dict[str, Any] | None:
    """What opens the connection, or None where it needs nothing.

    Raises:
        ResourceMissing: no such connection.
    """
    get(ctx, ws, name)
    kept = ctx.secrets.values.get(secret_name(ws, name))
    return None if kept is None else dict(json.loads(kept))


def delete(ctx: Context, ws: Workspace, name: str) -> bool:
    """Remove a connection and its credentials; False when there was none."""
    ctx.secrets.forget(secret_name(ws, name))
    return ctx.store.delete(CHILDREN, ws.guid, KIND, name.lower())
