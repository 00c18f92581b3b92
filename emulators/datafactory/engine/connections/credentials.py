"""Who a connection acts as: the factory's identity, a service principal; and kept secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from emulators.datafactory.engine.activities import outgoing
from emulators.datafactory.engine.activities.base import Published
from emulators.datafactory.engine.activities.outgoing import Answer, Ask
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.resolving import linked_service_of
from emulators.datafactory.engine.expressions import Scope, evaluate
from emulators.datafactory.store import FACTORIES, Factory
from emulators.kernel.context import Context

LOGIN = "https://login.microsoftonline.com"
ARM = "https://management.azure.com"
VAULT = "https://vault.azure.net"
IDENTITY_API = "2023-01-31"
VAULT_API = "7.4"
MASK = "**********"


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf and in whose surroundings credentials are looked for."""

    ctx: Context
    factory: str  # id, in lower case
    published: Published
    scope: Scope

    def within(self, scope: Scope) -> Caller:
        """The same caller, whose expressions are those of a linked service."""
        return Caller(self.ctx, self.factory, self.published, scope)


def is_secret(value: Any) -> bool:
    """Whether `value` is a SecureString or a reference to a secret."""
    return isinstance(value, Mapping) and str(value.get("type", "")).lower() in (
        "securestring",
        "azurekeyvaultsecret",
    )


def masked(value: Any) -> Any:
    """`value` as monitoring may show it: without the secrets in it."""
    if is_secret(value):
        return MASK
    if isinstance(value, Mapping):
        return {name: masked(each) for name, each in value.items()}
    return [masked(each) for each in value] if isinstance(value, list) else value


async def reveal(caller: Caller, value: Any) -> str:
    """The text of a secret: plain, a SecureString, or kept in a Key Vault.

    Raises:
        ConnectionFailed: the vault does not give it out.
        ExpressionError: an expression in it cannot be evaluated.
    """
    if not isinstance(value, Mapping):
        return "" if value is None else str(value)
    kind = str(value.get("type", "")).lower()
    if kind == "securestring":
        return str(evaluate(value.get("value") or "", caller.scope))
    if kind == "azurekeyvaultsecret":
        return await _vault_secret(caller, value)
    raise ConnectionFailed("UserErrorInvalidSecret", f"A secret cannot be of type '{kind}'.")


async def _vault_secret(caller: Caller, value: Mapping[str, Any]) -> str:
    store = linked_service_of(caller.published, value.get("store"), caller.scope)
    base = str(store.get("baseUrl", "")).rstrip("/")
    name = str(evaluate(value.get("secretName"), caller.scope))
    version = evaluate(value.get("secretVersion") or "", caller.scope)
    if store.get("credential"):
        token = await user_assigned_token(caller, store.get("credential"), VAULT)
    else:
        token = managed_identity_token(caller, VAULT)
    url = f"{base}/secrets/{quote(name)}" + (f"/{quote(str(version))}" if version else "")
    ask = Ask("GET", f"{url}?api-version={VAULT_API}", {"Authorization": f"Bearer {token}"})
    answer = await _sent(caller, ask, f"the secret '{name}'")
    if answer.status != 200:
        raise ConnectionFailed(
            "AzureKeyVaultFailure",
            f"Failed to get the secret '{name}' from the key vault '{base}': {_said(answer)}",
        )
    found = json.loads(answer.body)
    return str(found.get("value", ""))


def _factory(caller: Caller) -> Factory:
    found = caller.ctx.store.get(FACTORIES, caller.factory)
    if found is None:
        raise ConnectionFailed("FactoryNotFound", f"The factory '{caller.factory}' is not there.")
    return found


def managed_identity_token(caller: Caller, resource: str) -> str:
    """A token of the factory's own identity; `resource` goes into `aud` as it is written.

    Raises:
        ConnectionFailed: the factory has none.
    """
    factory = _factory(caller)
    principal = (factory.identity or {}).get("principalId")
    if not principal:
        raise ConnectionFailed(
            "ManagedIdentityNotEnabled",
            f"The managed identity of '{factory.name}' is not enabled: give the factory an"
            " identity of type SystemAssigned.",
        )
    return caller.ctx.tokens.issue(
        resource,
        object_id=str(principal),
        app_id=str(principal),
        claims={"xms_mirid": factory.id, "appidacr": "2"},
    )


async def user_assigned_token(caller: Caller, credential: Any, resource: str) -> str:
    """A token of an identity that is assigned to the factory, named by a credential of it.

    Raises:
        ConnectionFailed: no such credential or identity, or it is not assigned.
    """
    name = str((credential or {}).get("referenceName", ""))
    found = caller.published.find("credentials", name)
    if found is None:
        raise ConnectionFailed("CredentialNotFound", f"The credential '{name}' was not found.")
    properties = evaluate(dict(found.get("typeProperties") or {}), caller.scope)
    if str(found.get("type", "")).lower() == "serviceprincipal":
        return await service_principal_token(caller, properties, resource)
    if str(found.get("type", "")).lower() != "managedidentity":
        raise NotEmulated(f"credentials of type '{found.get('type')}'")
    identity = str(properties.get("resourceId", ""))
    assigned = (_factory(caller).identity or {}).get("userAssignedIdentities") or {}
    if identity.lower() not in {str(one).lower() for one in assigned}:
        raise ConnectionFailed(
            "IdentityNotAssigned", f"The identity '{identity}' is not assigned to the factory."
        )
    async with caller.ctx.peers.client() as http:
        answer = await http.get(f"{ARM}{identity}", params={"api-version": IDENTITY_API})
    if answer.status_code != 200:
        raise ConnectionFailed("IdentityNotFound", f"The identity '{identity}' was not found.")
    known = answer.json()["properties"]
    return caller.ctx.tokens.issue(
        resource,
        object_id=known["principalId"],
        app_id=known["clientId"],
        claims={"xms_mirid": identity, "appidacr": "2"},
    )


async def service_principal_token(
    caller: Caller, given: Mapping[str, Any], resource: str, *, secret: str = "servicePrincipalKey"
) -> str:
    """A token of a service principal, asked for at the login host as Azure would.

    Args:
        given: `tenant`, `servicePrincipalId` and, under `secret`, the key.

    Raises:
        ConnectionFailed: the login host refuses.
    """
    kind = str(given.get("servicePrincipalCredentialType", "ServicePrincipalKey")).lower()
    if kind != "serviceprincipalkey" or given.get("servicePrincipalEmbeddedCert"):
        raise NotEmulated("service principals with a certificate")
    key = await reveal(caller, given.get(secret) or given.get("servicePrincipalCredential"))
    tenant = await reveal(caller, given.get("tenant") or given.get("tenantId") or "common")
    form = {
        "grant_type": "client_credentials",
        "client_id": await reveal(caller, given.get("servicePrincipalId")),
        "client_secret": key,
        "resource": resource,
    }
    ask = Ask(
        "POST",
        f"{LOGIN}/{quote(tenant)}/oauth2/token",
        {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
        urlencode(form).encode(),
    )
    answer = await _sent(caller, ask, "a token of the service principal")
    try:
        token = json.loads(answer.body)["access_token"] if answer.status == 200 else None
    except (ValueError, KeyError, TypeError):
        token = None
    if not isinstance(token, str):
        raise ConnectionFailed(
            "ServicePrincipalTokenFailed",
            f"Failed to get an access token of the service principal: {_said(answer)}",
        )
    return token


async def _sent(caller: Caller, ask: Ask, what: str) -> Answer:
    try:
        answer, _ = await outgoing.follow(caller.ctx, ask)
    except (outgoing.NoAnswer, outgoing.TooLong) as failed:
        raise ConnectionFailed("CredentialNotReachable", f"Could not get {what}: {failed}") from (
            failed
        )
    return answer


def _said(answer: Answer) -> str:
    return f"{answer.reason}, {answer.text[:2000]}"
