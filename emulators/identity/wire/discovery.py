"""What clients read before they sign in: OpenID metadata, keys, instances, realms."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

from emulators.identity.engine import tenant
from emulators.identity.errors import (
    InvalidTenant,
    MissingParameter,
    TenantNotGiven,
    UnknownInstance,
    UnknownTenant,
)
from emulators.identity.wire.token import HOSTS
from emulators.kernel.http import Operation, Reply, context_of, links_of

CACHED = {"Cache-Control": "max-age=86400, private", "Access-Control-Allow-Origin": "*"}
FEDERATION = "urn:federation:MicrosoftOnline"


def _tenant_segment(request: Request) -> str:
    """The tenant as the endpoints in the metadata write it: its id, or the shared name asked for.

    Raises:
        InvalidTenant: some other tenant.
    """
    ctx, asked = context_of(request), request.path_params["tenant"]
    try:
        tenant.check(ctx, asked)
    except TenantNotGiven:
        return str(asked.lower())
    except UnknownTenant:
        raise InvalidTenant(asked) from None
    return ctx.secrets.tenant_id


def _login(request: Request, path: str) -> str:
    """A URL on the sign-in host that was asked (all of them are one)."""
    host = request.scope["azure_host"]
    return links_of(request).to(host if host in HOSTS else HOSTS[0], path)


def _common_metadata(request: Request, segment: str) -> dict[str, Any]:
    return {
        "token_endpoint_auth_methods_supported": [
            "client_secret_post",
            "private_key_jwt",
            "client_secret_basic",
        ],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "request_uri_parameter_supported": False,
        "http_logout_supported": True,
        "frontchannel_logout_supported": True,
        "tenant_region_scope": "WW" if segment == context_of(request).secrets.tenant_id else None,
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    }


async def openid_v2(request: Request) -> Reply:
    segment = _tenant_segment(request)
    named = "{tenantid}" if segment in tenant.SHARED else segment
    body = {
        "token_endpoint": _login(request, f"/{segment}/oauth2/v2.0/token"),
        "jwks_uri": _login(request, f"/{segment}/discovery/v2.0/keys"),
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": f"https://login.microsoftonline.com/{named}/v2.0",
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": _login(request, f"/{segment}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": _login(request, f"/{segment}/oauth2/v2.0/devicecode"),
        "end_session_endpoint": _login(request, f"/{segment}/oauth2/v2.0/logout"),
        **_common_metadata(request, segment),
    }
    return Reply(200, body, CACHED)


async def openid_v1(request: Request) -> Reply:
    segment = _tenant_segment(request)
    named = "{tenantid}" if segment in tenant.SHARED else segment
    body = {
        "token_endpoint": _login(request, f"/{segment}/oauth2/token"),
        "jwks_uri": _login(request, "/common/discovery/keys"),
        "response_types_supported": ["code", "id_token", "code id_token", "token id_token"],
        "scopes_supported": ["openid"],
        "issuer": f"https://sts.windows.net/{named}/",
        "microsoft_multi_refresh_token": True,
        "authorization_endpoint": _login(request, f"/{segment}/oauth2/authorize"),
        "device_authorization_endpoint": _login(request, f"/{segment}/oauth2/devicecode"),
        "end_session_endpoint": _login(request, f"/{segment}/oauth2/logout"),
        "check_session_iframe": _login(request, f"/{segment}/oauth2/checksession"),
        "userinfo_endpoint": _login(request, f"/{segment}/openid/userinfo"),
        **_common_metadata(request, segment),
    }
    return Reply(200, body, CACHED)


async def openid_adfs(request: Request) -> Reply:
    """The ADFS form: what a client reads that was told of an authority nobody knows."""
    ctx = context_of(request)
    body = {
        "issuer": ctx.tokens.issuer(1),
        "authorization_endpoint": _login(request, "/adfs/oauth2/authorize"),
        "token_endpoint": _login(request, "/adfs/oauth2/v2.0/token"),
        "jwks_uri": _login(request, "/adfs/discovery/keys"),
        "device_authorization_endpoint": _login(request, "/adfs/oauth2/devicecode"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "grant_types_supported": ["client_credentials"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    return Reply(200, body, CACHED)


async def keys(request: Request) -> Reply:
    if "tenant" in request.path_params:
        _tenant_segment(request)
    ctx = context_of(request)
    key = {**ctx.tokens.jwk, "x5t": ctx.tokens.jwk["kid"]}
    return Reply(200, {"keys": [key]}, CACHED)


async def instances(request: Request) -> Reply:
    """Which hosts are one instance, and where a tenant's metadata is."""
    asked = request.query_params.get("authorization_endpoint", "")
    if not asked:
        raise MissingParameter("authorization_endpoint")
    try:
        parts = urlsplit(asked)
        host = (parts.hostname or "").lower()
    except ValueError:
        raise UnknownInstance from None
    segment = parts.path.strip("/").partition("/")[0]
    if parts.scheme != "https" or host not in HOSTS or not segment:
        raise UnknownInstance
    version = "/v2.0" if "/v2.0/" in parts.path else ""
    body = {
        "tenant_discovery_endpoint": (
            f"https://{host}/{segment}{version}/.well-known/openid-configuration"
        ),
        "api-version": request.query_params.get("api-version", "1.1"),
        "metadata": [
            {
                "preferred_network": "login.microsoftonline.com",
                "preferred_cache": "login.windows.net",
                "aliases": list(HOSTS),
            }
        ],
    }
    return Reply(200, body, CACHED)


async def user_realm(request: Request) -> Reply:
    """No user is in this tenant: every name is unknown to it."""
    name = request.path_params.get("user") or request.query_params.get("user", "")
    body = {
        "ver": "1.0",
        "account_type": "Unknown",
        "domain_name": name.rpartition("@")[2],
        "cloud_instance_name": "microsoftonline.com",
        "cloud_audience_urn": FEDERATION,
    }
    return Reply(200, body)


WELL_KNOWN = ".well-known/openid-configuration"
OPERATIONS = [
    Operation("Discovery_Instance", "GET", "/common/discovery/instance", instances),
    Operation("Discovery_Instance_Tenant", "GET", "/{tenant}/discovery/instance", instances),
    Operation("OpenId_V2", "GET", f"/{{tenant}}/v2.0/{WELL_KNOWN}", openid_v2),
    Operation("OpenId_V1", "GET", f"/{{tenant}}/{WELL_KNOWN}", openid_v1),
    Operation("OpenId_Adfs", "GET", f"/adfs/{WELL_KNOWN}", openid_adfs),
    Operation("Keys_V2", "GET", "/{tenant}/discovery/v2.0/keys", keys),
    Operation("Keys_V1", "GET", "/{tenant}/discovery/keys", keys),
    Operation("Keys_Adfs", "GET", "/adfs/discovery/keys", keys),
    Operation("UserRealm_V1", "GET", "/common/userrealm/{user}", user_realm),
    Operation("UserRealm_V2", "GET", "/common/userrealm", user_realm),
]
