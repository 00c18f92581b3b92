"""The token endpoints: version 1 (`resource`), version 2 (`scope`), and the ADFS form."""

from __future__ import annotations

from starlette.requests import Request

from emulators.identity.engine import grants, tenant
from emulators.identity.engine.grants import Granted, TokenRequest
from emulators.identity.errors import PostOnly, TwoCredentials
from emulators.identity.wire import forms
from emulators.kernel.http import Operation, Reply, context_of, links_of, read_body
from emulators.kernel.secrets import Secrets

NO_STORE = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}
HOSTS = ("login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net")


async def _asked(request: Request, version: int) -> TokenRequest:
    fields = forms.parse(await read_body(request, forms.MAX_BYTES))
    client, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    named = forms.basic(request.headers.get("authorization", ""))
    if named is not None:
        if secret or (client and client.lower() != named[0].lower()):
            raise TwoCredentials("Client credentials are in the header and in the body.")
        client, secret = named
    return TokenRequest(
        grant_type=fields.get("grant_type", ""),
        client_id=client,
        client_secret=secret,
        assertion=fields.get("client_assertion", ""),
        assertion_type=fields.get("client_assertion_type", ""),
        scope=fields.get("scope", "").strip(),
        resource=fields.get("resource", "").strip(),
        version=version,
    )


def _realms(request: Request, secrets: Secrets) -> frozenset[str]:
    """The audiences by which a certificate assertion may name the tenant's endpoints."""
    ours = (secrets.tenant_id, tenant.DOMAIN, request.path_params.get("tenant", "adfs"))
    paths = ("oauth2/token", "oauth2/v2.0/token", "v2.0", "")
    origins = [f"https://{host}" for host in HOSTS]
    explicit = links_of(request).explicit
    if explicit is not None:
        origins.append(explicit)
    return frozenset(
        f"{origin}/{one}/{path}".rstrip("/") + end
        for origin in origins
        for one in ours
        for path in paths
        for end in ("", "/")
    )


async def _grant(request: Request, version: int) -> Granted:
    ctx = context_of(request)
    asked = await _asked(request, version)
    return grants.client_credentials(ctx, asked, _realms(request, ctx.secrets))


async def token_v2(request: Request) -> Reply:
    tenant.check(context_of(request), request.path_params["tenant"])
    return _reply_v2(await _grant(request, 2))


async def token_adfs(request: Request) -> Reply:
    return _reply_v2(await _grant(request, 2))


async def token_v1(request: Request) -> Reply:
    ctx = context_of(request)
    tenant.check(ctx, request.path_params["tenant"])
    granted = await _grant(request, 1)
    now = int(ctx.clock.wall().timestamp())
    seconds = str(granted.lifetime_s)
    body = {
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "expires_on": str(now + granted.lifetime_s),
        "not_before": str(now),
        "resource": granted.audience,
        "access_token": granted.token,
    }
    return Reply(200, body, NO_STORE)


def _reply_v2(granted: Granted) -> Reply:
    body = {
        "token_type": "Bearer",
        "expires_in": granted.lifetime_s,
        "ext_expires_in": granted.lifetime_s,
        "access_token": granted.token,
    }
    return Reply(200, body, NO_STORE)


async def refuse_read(request: Request) -> Reply:
    raise PostOnly(request.method)


V1, V2 = "/{tenant}/oauth2/token", "/{tenant}/oauth2/v2.0/token"
OPERATIONS = [
    Operation("Token_V2", "POST", V2, token_v2),
    Operation("Token_V2_Get", "GET", V2, refuse_read),
    Operation("Token_V1", "POST", V1, token_v1),
    Operation("Token_V1_Get", "GET", V1, refuse_read),
    Operation("Token_Adfs", "POST", "/adfs/oauth2/v2.0/token", token_adfs),
    Operation("Token_Adfs_V1", "POST", "/adfs/oauth2/token", token_adfs),
]
