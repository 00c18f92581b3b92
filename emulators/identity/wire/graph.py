"""Microsoft Graph, as far as it makes identities: applications and service principals."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from emulators.identity.engine import applications, directory
from emulators.identity.errors import Denied, DirectoryError, ObjectNotFound
from emulators.identity.store import CERTIFICATES, FEDERATED, PASSWORDS, Application, Federated
from emulators.kernel.azure_http import iso
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.kernel.http import (
    Operation,
    Reply,
    context_of,
    json_object,
    principal_of,
    read_json,
)

HOST = "graph.microsoft.com"
CONTEXT = f"https://{HOST}/v1.0/$metadata#"
KNOWN = {"displayName", "identifierUris", "signInAudience", "api", "keyCredentials"}


def _writer(request: Request) -> Context:
    """The context, for a caller who may change the directory.

    Raises:
        Denied: any other caller.
    """
    ctx, caller = context_of(request), principal_of(request)
    if not directory.may_write(ctx, caller.object_id, caller.claims.get("roles")):
        raise Denied
    return ctx


def _application(ctx: Context, request: Request) -> Application:
    found = applications.by_object(ctx, request.path_params["id"])
    if found is None:
        raise ObjectNotFound(request.path_params["id"])
    return found


def encode_application(ctx: Context, app: Application) -> dict[str, Any]:
    """An application as Graph writes it; secrets are never in it."""
    return {
        "id": app.id,
        "appId": app.app_id,
        "displayName": app.name,
        "createdDateTime": iso(app.created),
        "identifierUris": app.uris,
        "signInAudience": "AzureADMyOrg",
        "api": {"requestedAccessTokenVersion": app.token_version},
        "passwordCredentials": [
            {
                "keyId": one.id,
                "displayName": one.name or None,
                "hint": one.hint,
                "startDateTime": iso(one.starts),
                "endDateTime": iso(one.ends),
                "secretText": None,
                "customKeyIdentifier": None,
            }
            for one in ctx.store.scan(PASSWORDS, app.app_id)
        ],
        "keyCredentials": [
            {
                "customKeyIdentifier": one.thumbprint.upper(),
                "type": "AsymmetricX509Cert",
                "usage": "Verify",
                "startDateTime": iso(one.starts),
                "endDateTime": iso(one.ends),
            }
            for one in ctx.store.scan(CERTIFICATES, app.app_id)
        ],
    }


def encode_principal(ctx: Context, app: Application) -> dict[str, Any]:
    """A service principal as Graph writes it."""
    return {
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": app.principal_id,
        "appId": app.app_id,
        "displayName": app.name,
        "appDisplayName": app.name,
        "appOwnerOrganizationId": ctx.secrets.tenant_id,
        "accountEnabled": True,
        "servicePrincipalType": "Application",
        "servicePrincipalNames": [app.app_id, *app.uris],
    }


def _encode_federated(one: Federated) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "issuer": one.issuer,
        "subject": one.subject,
        "audiences": one.audiences,
        "description": one.description or None,
    }


async def list_applications(request: Request) -> Reply:
    ctx = context_of(request)
    found = directory.select(applications.everything(ctx), request.query_params.get("$filter"))
    return _many("applications", [encode_application(ctx, app) for app in found])


async def get_application(request: Request) -> Reply:
    ctx = context_of(request)
    return Reply(200, encode_application(ctx, _application(ctx, request)))


async def create_application(request: Request) -> Reply:
    ctx, body = _writer(request), await read_json(request)
    name = body.get("displayName")
    if not isinstance(name, str) or not name:
        raise DirectoryError("A value is required for property 'displayName' of resource.")
    certificates = _certificates(body)
    app = applications.register(ctx, name, principal=False)
    app = _apply(ctx, app, body, certificates)
    return Reply(201, encode_application(ctx, app))


async def update_application(request: Request) -> Reply:
    ctx, body = _writer(request), await read_json(request)
    _apply(ctx, _application(ctx, request), body, _certificates(body))
    return Reply(204)


async def delete_application(request: Request) -> Reply:
    ctx = _writer(request)
    applications.remove(ctx, _application(ctx, request).app_id)
    return Reply(204)


def _apply(
    ctx: Context, app: Application, body: dict[str, Any], certificates: list[str] | None
) -> Application:
    """What a body says about an application; what it does not name stays."""
    version = json_object(body.get("api"), "api").get("requestedAccessTokenVersion") or 1
    uris = body.get("identifierUris", app.uris) or []
    if version not in (1, 2) or not all(isinstance(uri, str) for uri in uris):
        raise DirectoryError("Invalid value specified for property of resource 'Application'.")
    if certificates is not None:
        applications.replace_certificates(ctx, app, certificates)
    name = body.get("displayName") or app.name
    return applications.change(
        ctx, app, name=str(name), uris=list(uris),
        token_version=version if "api" in body else app.token_version,
    )  # fmt: skip


def _certificates(body: dict[str, Any]) -> list[str] | None:
    """The certificates of a body in PEM, or None when it says nothing about them.

    Raises:
        Unsupported: a property that would have to do something here.
        DirectoryError: not certificates.
    """
    unknown = {name for name, value in body.items() if value not in (None, [], {}, "")} - KNOWN
    if unknown:
        raise Unsupported(
            f"the properties {', '.join(sorted(unknown))} of an application",
            tracked="emulators/identity/README.md",
        )
    given = body.get("keyCredentials")
    if given is None:
        return None
    try:
        return [_pem(one["key"]) for one in given]
    except (ValueError, TypeError, KeyError):
        raise DirectoryError("Invalid value specified for property 'keyCredentials'.") from None


def _pem(key: str) -> str:
    """A certificate in PEM from Graph's base64 of it (DER, or PEM once more encoded)."""
    raw = base64.b64decode(key, validate=True)
    if raw.startswith(b"-----BEGIN"):
        return raw.decode("ascii")
    body = base64.encodebytes(raw).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


async def add_password(request: Request) -> Reply:
    ctx, body = _writer(request), await read_json(request)
    app = _application(ctx, request)
    given = json_object(body.get("passwordCredential"), "passwordCredential")
    made, secret = applications.add_password(
        ctx, app, str(given.get("displayName") or ""), ends=_moment(given.get("endDateTime"))
    )
    answer = {
        "keyId": made.id,
        "secretText": secret,
        "displayName": made.name or None,
        "hint": made.hint,
        "startDateTime": iso(made.starts),
        "endDateTime": iso(made.ends),
        "customKeyIdentifier": None,
    }
    return Reply(200, answer, {"Cache-Control": "no-store"})


async def remove_password(request: Request) -> Reply:
    ctx, body = _writer(request), await read_json(request)
    app = _application(ctx, request)
    if not ctx.store.delete(PASSWORDS, app.app_id, str(body.get("keyId"))):
        raise DirectoryError("No password credential found with keyId.")
    return Reply(204)


def _moment(given: object) -> datetime | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError:
        raise DirectoryError("Invalid value specified for property 'endDateTime'.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def list_federated(request: Request) -> Reply:
    ctx = context_of(request)
    app = _application(ctx, request)
    found = [_encode_federated(one) for one in ctx.store.scan(FEDERATED, app.app_id)]
    return _many(f"applications('{app.id}')/federatedIdentityCredentials", found)


async def create_federated(request: Request) -> Reply:
    ctx, body = _writer(request), await read_json(request)
    app = _application(ctx, request)
    given = {name: body.get(name) for name in ("name", "issuer", "subject")}
    audiences = body.get("audiences")
    texts = [*given.values(), *(audiences if isinstance(audiences, list) else [None])]
    if not all(isinstance(text, str) and text.isprintable() and text for text in texts):
        raise DirectoryError("name, issuer, subject and audiences are required texts.")
    made = Federated(
        app_id=app.app_id,
        name=str(given["name"]),
        id=ctx.ids.guid(),
        issuer=str(given["issuer"]),
        subject=str(given["subject"]),
        audiences=[str(text) for text in audiences or []],
        description=str(body.get("description") or ""),
    )
    applications.keep_federated(ctx, made)
    return Reply(201, _encode_federated(made))


def _federated(ctx: Context, request: Request) -> Federated:
    app, wanted = _application(ctx, request), request.path_params["credential"]
    for one in ctx.store.scan(FEDERATED, app.app_id):
        if wanted in (one.id, one.name):
            return one
    raise ObjectNotFound(wanted)


async def get_federated(request: Request) -> Reply:
    return Reply(200, _encode_federated(_federated(context_of(request), request)))


async def delete_federated(request: Request) -> Reply:
    ctx = _writer(request)
    one = _federated(ctx, request)
    ctx.store.delete(FEDERATED, one.app_id, one.name)
    return Reply(204)


def _many(what: str, values: list[dict[str, Any]]) -> Reply:
    return Reply(200, {"@odata.context": f"{CONTEXT}{what}", "value": values})


APPS = "/v1.0/applications"
ONE = f"{APPS}/{{id}}"
FEDERATION = f"{ONE}/federatedIdentityCredentials"
OPERATIONS = [
    Operation("Applications_List", "GET", APPS, list_applications),
    Operation("Applications_Create", "POST", APPS, create_application),
    Operation("Applications_Get", "GET", ONE, get_application),
    Operation("Applications_Update", "PATCH", ONE, update_application),
    Operation("Applications_Delete", "DELETE", ONE, delete_application),
    Operation("Applications_AddPassword", "POST", f"{ONE}/addPassword", add_password),
    Operation("Applications_RemovePassword", "POST", f"{ONE}/removePassword", remove_password),
    Operation("FederatedCredentials_List", "GET", FEDERATION, list_federated),
    Operation("FederatedCredentials_Create", "POST", FEDERATION, create_federated),
    Operation("FederatedCredentials_Get", "GET", f"{FEDERATION}/{{credential}}", get_federated),
    Operation(
        "FederatedCredentials_Delete", "DELETE", f"{FEDERATION}/{{credential}}", delete_federated
    ),
]
