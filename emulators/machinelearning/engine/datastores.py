"""Datastores: names for containers of storage accounts, one of them the default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import accounts, names
from emulators.machinelearning.errors import AssetNotFound, UserError, ValidationError
from emulators.machinelearning.store.registries import Home
from emulators.machinelearning.store.workspaces import CHILDREN, Child

KIND = "datastores"
SERVED = ("AzureBlob", "AzureDataLakeGen2")
STORED = ("AzureFile", "AzureDataLakeGen1", "OneLake")
CREDENTIALS = ("None", "AccountKey", "Sas", "ServicePrincipal")
SECRET_FIELDS = {"AccountKey": "key", "Sas": "sasToken", "ServicePrincipal": "clientSecret"}
DEFAULT = "workspaceblobstore"


def get(ctx: Context, ws: Home, name: str) -> Child:
    """The datastore of that name.

    Raises:
        AssetNotFound: there is none.
    """
    found = ctx.store.get(CHILDREN, ws.guid, KIND, name.lower())
    if found is None:
        raise AssetNotFound(f"Could not find datastore: {name}.", target=name)
    return found


def every(ctx: Context, ws: Home) -> Iterator[Child]:
    """All datastores, by name."""
    return ctx.store.scan(CHILDREN, ws.guid, KIND)


def default(ctx: Context, ws: Home) -> Child:
    """The workspace's default datastore.

    Raises:
        AssetNotFound: it was deleted.
    """
    for found in every(ctx, ws):
        if found.properties.get("isDefault"):
            return found
    raise AssetNotFound(f"The workspace {ws.name} has no default datastore.")


def place_of(store: Child) -> tuple[str, str]:
    """Account and container of a datastore of a served type."""
    values = store.properties
    return values["accountName"], values.get("containerName") or values.get("filesystem") or ""


def secret_name(ws: Home, name: str) -> str:
    """Under which name the state folder keeps the datastore's secret."""
    return f"ml/datastore/{ws.guid}/{name.lower()}/secret"


def put(ctx: Context, ws: Home, name: str, given: Mapping[str, Any], by: str) -> Child:
    """Make or change a datastore. Its secrets are kept apart and never come back from a GET.

    Which one is the default is settled when the workspace is made: `isDefault` is read-only.

    Raises:
        ValidationError: a name, type, account or container that cannot be.
        Unsupported: a type that is known but not even stored.
    """
    names.check("datastore", name)
    kind = given.get("datastoreType")
    if kind not in (*SERVED, *STORED):
        if isinstance(kind, str) and kind in ("Hdfs",):
            raise Unsupported(f"datastores of type {kind}")
        raise ValidationError(f"The datastoreType '{kind}' is not known.", target="datastoreType")
    values = {k: v for k, v in given.items() if v is not None}
    container = "filesystem" if kind == "AzureDataLakeGen2" else "containerName"
    if kind in SERVED:
        for field in ("accountName", container):
            if not isinstance(values.get(field), str) or not values[field]:
                raise ValidationError(f"The field '{field}' is required.", target=field)
    values.setdefault("endpoint", "core.windows.net")
    values.setdefault("protocol", "https")
    values.setdefault("serviceDataAccessAuthIdentity", "None")
    values["credentials"] = _keep_secret(ctx, ws, name, values.get("credentials") or {})
    values["tags"], values["properties"] = values.get("tags") or {}, values.get("properties") or {}
    now = ctx.clock.now()
    with ctx.store.transaction():
        old = ctx.store.get(CHILDREN, ws.guid, KIND, name.lower())
        values["isDefault"] = name.lower() == DEFAULT
        made = Child(ws.guid, KIND, name.lower(), name, values, now, now, by)
        if old is not None:
            made = replace(made, name=old.name, created=old.created, created_by=old.created_by)
        ctx.store.put(CHILDREN, made)
    return made


def _keep_secret(
    ctx: Context, ws: Home, name: str, credentials: Mapping[str, Any]
) -> dict[str, Any]:
    kind = credentials.get("credentialsType", "None")
    if kind not in CREDENTIALS:
        raise Unsupported(f"datastore credentials of type {kind}")
    public = {k: v for k, v in credentials.items() if k != "secrets" and v is not None}
    secret = (credentials.get("secrets") or {}).get(SECRET_FIELDS.get(kind, ""))
    if secret:
        ctx.secrets.put(secret_name(ws, name), str(secret))
    return {**public, "credentialsType": kind}


def delete(ctx: Context, ws: Home, name: str) -> bool:
    """Remove a datastore and its secret; its container and files stay.

    Raises:
        UserError: it is the default one.
    """
    found = ctx.store.get(CHILDREN, ws.guid, KIND, name.lower())
    if found is None:
        return False
    if found.properties.get("isDefault"):
        raise UserError("The default datastore cannot be deleted.", target=name)
    ctx.secrets.forget(secret_name(ws, name))
    return ctx.store.delete(CHILDREN, ws.guid, KIND, name.lower())


async def secrets_of(ctx: Context, ws: Home, name: str) -> dict[str, str]:
    """The secret of a datastore as the wire has it: the one given, or its account's own key.

    Raises:
        AssetNotFound: no such datastore.
        UserError: it has no credentials.
        StorageFailed: the account's key cannot be had.
    """
    store = get(ctx, ws, name)
    kind = store.properties["credentials"]["credentialsType"]
    if kind == "None":
        raise UserError(f"The datastore {name} has no credentials.", target=name)
    kept = ctx.secrets.values.get(secret_name(ws, name))
    if kept is None and kind == "AccountKey":
        kept = await accounts.key_of(ctx, accounts.id_for(ws, store.properties))
    return {"secretsType": kind, SECRET_FIELDS[kind]: kept or ""}
