"""Microsoft Graph's service principals, and what else signing in asks the directory."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.identity.engine import applications, directory, managed, tenant
from emulators.identity.errors import (
    Denied,
    DirectoryError,
    ObjectNotFound,
    PrincipalExists,
)
from emulators.identity.store import APPLICATIONS, Application
from emulators.identity.wire.graph import CONTEXT, encode_principal
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, Reply, context_of, principal_of, read_json


def _with_principal(ctx: Context) -> list[Application]:
    return [app for app in applications.everything(ctx) if app.principal_id]


def _found(ctx: Context, request: Request) -> Application:
    found = applications.by_principal(ctx, request.path_params["id"])
    if found is None:
        raise ObjectNotFound(request.path_params["id"])
    return found


def _writer(request: Request) -> Context:
    ctx, caller = context_of(request), principal_of(request)
    if not directory.may_write(ctx, caller.object_id, caller.claims.get("roles")):
        raise Denied
    return ctx


async def list_principals(request: Request) -> Reply:
    ctx = context_of(request)
    found = directory.select(_with_principal(ctx), request.query_params.get("$filter"))
    values = [encode_principal(ctx, app) for app in found]
    return Reply(200, {"@odata.context": f"{CONTEXT}servicePrincipals", "value": values})


async def get_principal(request: Request) -> Reply:
    ctx = context_of(request)
    return Reply(200, encode_principal(ctx, _found(ctx, request)))


async def create_principal(request: Request) -> Reply:
    ctx, body = _writer(request), await read_json(request)
    app_id = str(body.get("appId") or "").lower()
    app = ctx.store.get(APPLICATIONS, app_id) if app_id.isprintable() else None
    if app is None:
        raise DirectoryError(
            f"The appId '{app_id}' of the service principal does not reference a valid application"
            " object."
        )
    if app.principal_id:
        raise PrincipalExists(app_id)
    made = applications.change(ctx, app, principal_id=ctx.ids.guid())
    return Reply(201, encode_principal(ctx, made))


async def delete_principal(request: Request) -> Reply:
    ctx = _writer(request)
    applications.change(ctx, _found(ctx, request), principal_id="")
    return Reply(204)


async def objects_by_id(request: Request) -> Reply:
    """The named objects that exist; the others are left out, as Graph does."""
    ctx, body = context_of(request), await read_json(request)
    ids = body.get("ids")
    if not isinstance(ids, list):
        raise DirectoryError("A value is required for property 'ids'.")
    wanted = {str(one).lower() for one in ids}
    values = [encode_principal(ctx, a) for a in _with_principal(ctx) if a.principal_id in wanted]
    values += [one for one in [_machine(ctx)] if one["id"] in wanted]
    return Reply(200, {"@odata.context": f"{CONTEXT}directoryObjects", "value": values})


def _machine(ctx: Context) -> dict[str, Any]:
    """The machine's own managed identity, which has no application."""
    own = managed.system(ctx)
    return {
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": own.principal_id,
        "appId": own.client_id,
        "displayName": "rehearsal-machine",
        "servicePrincipalType": "ManagedIdentity",
        "servicePrincipalNames": [own.client_id],
    }


async def organization(request: Request) -> Reply:
    value = {
        "id": context_of(request).secrets.tenant_id,
        "displayName": tenant.NAME,
        "tenantType": "AAD",
        "verifiedDomains": [{"name": tenant.DOMAIN, "isDefault": True, "isInitial": True}],
    }
    return Reply(200, {"@odata.context": f"{CONTEXT}organization", "value": [value]})


MANY = "/v1.0/servicePrincipals"
ONE = f"{MANY}/{{id}}"
OBJECTS = "/v1.0/directoryObjects/getByIds"
OPERATIONS = [
    Operation("ServicePrincipals_List", "GET", MANY, list_principals),
    Operation("ServicePrincipals_Create", "POST", MANY, create_principal),
    Operation("ServicePrincipals_Get", "GET", ONE, get_principal),
    Operation("ServicePrincipals_Delete", "DELETE", ONE, delete_principal),
    Operation("DirectoryObjects_GetByIds", "POST", OBJECTS, objects_by_id),
    Operation("Organization_List", "GET", "/v1.0/organization", organization),
]
