"""Managed-identity endpoints: the App Service form, Azure ML's, and the metadata service's."""

from __future__ import annotations

from starlette.requests import Request

from emulators.identity.engine import managed
from emulators.identity.engine.managed import Issued, ManagedIdentity
from emulators.identity.errors import (
    MetadataForwarded,
    MetadataParameter,
    MetadataRequired,
    WrongIdentityHeader,
)
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, Reply, context_of
from emulators.kernel.ids import same_secret

METADATA_HOST = "169.254.169.254"
APP_SERVICE = ("2019-08-01", "2017-09-01")
MACHINE_LEARNING = "2017-09-01"
USER_ASSIGNED = "Microsoft.ManagedIdentity/userAssignedIdentities"
NAMES = (
    "client_id", "clientid", "object_id", "principal_id", "mi_res_id", "msi_res_id",
)  # fmt: skip
"""How the endpoints' versions call the one that is wanted."""


def _resource(request: Request) -> str:
    resource = request.query_params.get("resource", "")
    if not resource:
        raise MetadataParameter("resource")
    return resource


async def _issue(request: Request) -> Issued:
    """A token of the identity that the caller names, or of the machine's own."""
    ctx, query = context_of(request), request.query_params
    wanted = next((query[name] for name in NAMES if query.get(name)), "")
    own = managed.system(ctx)
    identity = managed.choose(own, await _user_assigned(ctx), wanted) if wanted else own
    return managed.issue(ctx, identity, _resource(request))


async def _user_assigned(ctx: Context) -> list[ManagedIdentity]:
    """The identities that the resource manager knows; asked there, so that none is kept twice."""
    path = f"/subscriptions/{ctx.secrets.subscription_id}/providers/{USER_ASSIGNED}"
    async with ctx.peers.client() as http:
        answer = await http.get(f"https://management.azure.com{path}?api-version=2023-01-31")
    if answer.status_code != 200:
        return []
    return [
        ManagedIdentity(
            str(one["properties"]["clientId"]).lower(),
            str(one["properties"]["principalId"]).lower(),
            str(one["id"]).lower(),
        )
        for one in answer.json()["value"]
    ]


async def app_service(request: Request) -> Reply:
    """Source: learn.microsoft.com/azure/app-service/overview-managed-identity"""
    version = request.query_params.get("api-version", "")
    if version not in APP_SERVICE:
        raise MetadataParameter("api-version")
    header = "secret" if version == MACHINE_LEARNING else "x-identity-header"
    given = request.headers.get(header, "")
    if not same_secret(given, context_of(request).secrets.token(managed.SECRET)):
        raise WrongIdentityHeader
    issued = await _issue(request)
    body = {
        "access_token": issued.token,
        "client_id": issued.client_id,
        "expires_on": str(issued.expires_on),
        "not_before": str(issued.not_before),
        "resource": issued.resource,
        "token_type": "Bearer",
    }
    return Reply(200, body)


async def metadata(request: Request) -> Reply:
    """Source: learn.microsoft.com/entra/identity/managed-identities-azure-resources
    (how-to-use-vm-token)
    """
    if request.headers.get("metadata", "").lower() != "true":
        raise MetadataRequired
    if "x-forwarded-for" in request.headers:
        raise MetadataForwarded
    if not request.query_params.get("api-version"):
        raise MetadataParameter("api-version")
    issued = await _issue(request)
    lifetime = str(issued.expires_on - issued.not_before)
    body = {
        "access_token": issued.token,
        "client_id": issued.client_id,
        "expires_in": lifetime,
        "expires_on": str(issued.expires_on),
        "ext_expires_in": lifetime,
        "not_before": str(issued.not_before),
        "resource": issued.resource,
        "token_type": "Bearer",
    }
    return Reply(200, body)


IMDS = "/metadata/identity/oauth2/token"
OPERATIONS = [
    Operation("ManagedIdentity_AppService", "GET", "/msi/token", app_service),
    Operation("ManagedIdentity_Metadata", "GET", IMDS, metadata),
]
