"""Who may do what to a vault's secrets: roles, or the vault's own policies, and its network."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.kernel.access import Asked
from emulators.kernel.context import Context
from emulators.kernel.peers import SYSTEM_OBJECT
from emulators.kernel.tokens import Principal
from emulators.keyvault.errors import HELP, NotAllowed
from emulators.keyvault.store import Vault


@dataclass(frozen=True, slots=True)
class Right:
    """One thing to do: as roles write it below `vaults/secrets/`, and as policies do."""

    action: str
    permission: str


# Source: learn.microsoft.com/azure/key-vault/general/rbac-guide and about-secrets (access control).
GET = Right("getSecret/action", "get")
LIST = Right("readMetadata/action", "list")
SEE = Right("readMetadata/action", "get")
SET = Right("setSecret/action", "set")
UPDATE = Right("update/action", "set")
DELETE = Right("delete", "delete")
BACKUP = Right("backup/action", "backup")
RESTORE = Right("restore/action", "restore")
RECOVER = Right("recover/action", "recover")
PURGE = Right("purge/action", "purge")


def check(ctx: Context, vault: Vault, principal: Principal, right: Right, secret: str = "") -> None:
    """Let pass what the caller may do to a secret, or to the vault where none is named.

    Raises:
        NotAllowed: roles, policies or the vault's network forbid it.
    """
    _check_network(vault, principal)
    if vault.properties.get("enableRbacAuthorization"):
        _check_roles(ctx, vault, principal, right, secret)
    elif principal.object_id != SYSTEM_OBJECT and not _permits(vault, principal, right.permission):
        raise NotAllowed(
            f"The user, group or application '{_caller(ctx, principal)}' does not have secrets"
            f" {right.permission} permission on key vault '{vault.name};location={vault.location}'."
            f" For help resolving this issue, {HELP.format(2125287)}",
            "AccessDenied",
        )


def _check_roles(
    ctx: Context, vault: Vault, principal: Principal, right: Right, secret: str
) -> None:
    scope = f"{vault.id}/secrets/{secret}" if secret else vault.id
    asked = Asked(f"Microsoft.KeyVault/vaults/secrets/{right.action}", scope, data=True)
    if ctx.access.may(principal, asked):
        return
    raise NotAllowed(
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny"
        " assignments or role definitions were changed recently, please observe propagation"
        f" time.\r\nCaller: {_caller(ctx, principal)}\r\nAction: '{asked.action}'\r\nResource:"
        f" '{scope.lower()}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\n"
        f"DecisionReason: null \r\nVault: {vault.name};location={vault.location}\r\n",
        "ForbiddenByRbac",
    )


def _check_network(vault: Vault, principal: Principal) -> None:
    """A caller here comes from the public network; other emulators are trusted services.

    Assumed: where a rule lets some address or subnet in, the caller is there.
    """
    rules = vault.properties.get("networkAcls") or {}
    trusted = principal.object_id == SYSTEM_OBJECT
    if trusted and rules.get("bypass", "AzureServices") == "AzureServices":
        return
    if vault.properties.get("publicNetworkAccess") == "Disabled":
        raise NotAllowed(
            "Public network access is disabled and request is not from a trusted service nor via"
            f" an approved private link.\r\nCaller: {principal.app_id}\r\nVault:"
            f" {vault.name};location={vault.location}",
            "ForbiddenByConnection",
        )
    open_to = rules.get("ipRules") or rules.get("virtualNetworkRules")
    if rules.get("defaultAction") == "Deny" and not open_to:
        raise NotAllowed(
            "Client address is not authorized and caller is not a trusted service.\r\nClient"
            f" address: 127.0.0.1\r\nCaller: {principal.app_id}\r\nVault:"
            f" {vault.name};location={vault.location}",
            "ForbiddenByFirewall",
        )


def _permits(vault: Vault, principal: Principal, permission: str) -> bool:
    for policy in vault.properties.get("accessPolicies") or []:
        if str(policy.get("objectId", "")).lower() != principal.object_id.lower():
            continue
        application = policy.get("applicationId")
        if application and str(application).lower() != principal.app_id.lower():
            continue
        allowed = {str(one).lower() for one in policy["permissions"].get("secrets") or []}
        if allowed & {permission, "all"}:
            return True
    return False


def _caller(ctx: Context, principal: Principal) -> str:
    return f"appid={principal.app_id};oid={principal.object_id};iss={ctx.tokens.issuer()}"
