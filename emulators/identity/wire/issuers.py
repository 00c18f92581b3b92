"""Rehearsal's own additions to the tenant: outside issuers' keys, and GitHub's assertions."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.identity.engine import applications, directory, issuers, tenant
from emulators.identity.errors import Denied, DirectoryError, MissingParameter
from emulators.identity.store import ISSUERS, TrustedIssuer
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, Reply, context_of, links_of, read_json

AUDIENCES = (
    "https://management.azure.com",
    "https://management.core.windows.net",  # what the az CLI asks for
    "https://graph.microsoft.com",
)


def _owner(request: Request) -> Context:
    """The context, for the state folder's own principals.

    Raises:
        Unauthorized: no token of this folder.
        Denied: somebody else's.
    """
    ctx = context_of(request)
    tenant.check(ctx, request.path_params["tenant"])
    _, _, token = request.headers.get("authorization", "").partition(" ")
    door = links_of(request).explicit
    caller = ctx.tokens.verify(token.strip(), AUDIENCES if door is None else (*AUDIENCES, door))
    if not directory.may_write(ctx, caller.object_id, caller.claims.get("roles")):
        raise Denied
    return ctx


def _encode(one: TrustedIssuer) -> dict[str, Any]:
    return {"issuer": one.issuer, "keys": one.keys}


async def list_issuers(request: Request) -> Reply:
    ctx = _owner(request)
    return Reply(200, {"value": [_encode(one) for one in ctx.store.scan(ISSUERS)]})


async def put_issuer(request: Request) -> Reply:
    ctx, body = _owner(request), await read_json(request)
    issuer, keys = body.get("issuer"), body.get("keys")
    if not isinstance(issuer, str) or not issuer.isprintable() or not isinstance(keys, list):
        raise DirectoryError("'issuer' (a URL) and 'keys' (a JSON Web Key Set's) are required.")
    try:
        made = applications.trust(ctx, issuer, [dict(key) for key in keys])
    except (ValueError, TypeError) as wrong:
        raise DirectoryError(f"Invalid keys: {wrong}") from None
    return Reply(200, _encode(made))


async def delete_issuer(request: Request) -> Reply:
    ctx = _owner(request)
    return Reply(200 if ctx.store.delete(ISSUERS, request.query_params.get("issuer", "")) else 204)


async def github(request: Request) -> Reply:
    """What a GitHub Actions runner answers at ACTIONS_ID_TOKEN_REQUEST_URL.

    Source: docs.github.com/actions/reference/security/oidc
    """
    ctx = _owner(request)
    subject = request.query_params.get("subject", "")
    if not subject:
        raise MissingParameter("subject")
    audience = request.query_params.get("audience") or applications.EXCHANGE_AUDIENCE
    value = issuers.github_assertion(ctx, subject, audience=audience)
    return Reply(200, {"count": len(value), "value": value}, {"Cache-Control": "no-store"})


MANY = "/{tenant}/discovery/issuers"
OPERATIONS = [
    Operation("TrustedIssuers_List", "GET", MANY, list_issuers),
    Operation("TrustedIssuers_Put", "PUT", MANY, put_issuer),
    Operation("TrustedIssuers_Delete", "DELETE", MANY, delete_issuer),
    Operation("GitHubAssertion_Get", "GET", "/{tenant}/discovery/github", github),
]
