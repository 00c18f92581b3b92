"""Parameters of a deployment that are secrets in a vault: fetched as the deployment is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from emulators.arm.engine.templates.values import look_up
from emulators.arm.errors import InvalidDeployment, VaultReferenceFailed, VaultReferenceForbidden
from emulators.kernel.access import Asked
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.kernel.tokens import Principal

ARM = "https://management.azure.com"
VAULTS_API, SECRETS_API = "2024-11-01", "7.6"
DEPLOY = "Microsoft.KeyVault/vaults/deploy/action"
TRACKED = 'emulators/arm/README.md, "Template deployments"'


async def with_secrets(
    ctx: Context, template: Mapping[str, Any], given: Mapping[str, Any], by: str
) -> dict[str, Any]:
    """The parameters with the values of the secrets that some refer to.

    Args:
        by: object id of who deploys; without the right to deploy from a vault nothing is read.

    Raises:
        InvalidDeployment: a reference is malformed.
        VaultReferenceForbidden: the caller, or the vault, does not let templates read.
        VaultReferenceFailed: there is no such vault or secret.
        Unsupported: the parameter is not secure, so its value would be shown.

    Source: learn.microsoft.com/azure/azure-resource-manager/templates/key-vault-parameter
    """
    found = dict(given)
    for name, one in given.items():
        reference = one.get("reference") if isinstance(one, Mapping) else None
        if reference is None:
            continue
        declared = look_up(look_up(template, "parameters") or {}, name)
        kind = look_up(declared, "type") if isinstance(declared, dict) else None
        if declared is not None and not str(kind).lower().startswith("secure"):
            raise Unsupported(
                f"a vault's secret for the parameter '{name}' of type '{kind}'; declare it as"
                " secureString",
                tracked=TRACKED,
            )
        found[name] = {"value": await _secret(ctx, name, reference, by)}
    return found


async def _secret(ctx: Context, name: str, reference: object, by: str) -> str:
    vault = look_up(reference, "keyVault") if isinstance(reference, dict) else None
    vault_id = look_up(vault, "id") if isinstance(vault, dict) else None
    secret = look_up(reference, "secretName") if isinstance(reference, dict) else None
    if not isinstance(vault_id, str) or not vault_id.startswith("/") or not isinstance(secret, str):
        raise InvalidDeployment(
            f"The request content was invalid: the reference of the parameter '{name}' needs the"
            " id of a keyVault and a secretName."
        )
    assert isinstance(reference, dict)
    principal = Principal(by, "", ctx.secrets.tenant_id, "")
    if not ctx.access.may(principal, Asked(DEPLOY, vault_id.rstrip("/"))):
        raise VaultReferenceForbidden(
            f"The client '{by}' does not have permission to perform action '{DEPLOY}' on the"
            f" specified KeyVault resource '{vault_id}'."
        )
    async with ctx.peers.client() as http:
        shown = await http.get(f"{ARM}{vault_id}", params={"api-version": VAULTS_API})
        if not shown.is_success:
            raise VaultReferenceFailed(f"The specified KeyVault '{vault_id}' could not be found.")
        properties = shown.json().get("properties") or {}
        if properties.get("enabledForTemplateDeployment") is not True:
            raise VaultReferenceForbidden(
                f"The specified KeyVault '{vault_id}' is not enabled for template deployment:"
                " enabledForTemplateDeployment must be true."
            )
        host = str(properties["vaultUri"]).rstrip("/")
        version = str(look_up(reference, "secretVersion") or "")
        url = f"{host}/secrets/{quote(secret, safe='')}/{quote(version, safe='')}"
        answer = await http.get(url, params={"api-version": SECRETS_API})
    if not answer.is_success:
        raise VaultReferenceFailed(
            f"The secret of KeyVault parameter '{name}' cannot be retrieved. Http status code:"
            f" '{answer.status_code}'. {answer.json().get('error', {}).get('message', '')}"
        )
    return str(answer.json()["value"])
