"""Key Vault by azure-keyvault-secrets, and who may read it by azure-mgmt-authorization."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from azure_adapters.ports import Place
from azure_adapters.target import Target

if TYPE_CHECKING:
    from pydantic import SecretStr

SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
"""Built-in role Key Vault Secrets User. Source: learn.microsoft.com/azure/role-based-access-control
/built-in-roles."""


class NoCredential(LookupError):
    """The adapters sign in without a secret that could be kept; the message says what to set."""


class SdkSecrets:
    """Secrets of the vault that the settings name."""

    def __init__(self, target: Target, place: Place, own: SecretStr | None) -> None:
        self._target, self._place, self._own = target, place, own

    def keep_credential(self, name: str) -> str:
        """Keep the secret of the application that these adapters sign in as; its version.

        Raises:
            NoCredential: they sign in by something else.
        """
        if self._own is None:
            raise NoCredential(
                "the pipeline signs in as an application: set AZURE_CLIENT_ID and"
                " AZURE_CLIENT_SECRET"
            )
        return self.keep(name, self._own.get_secret_value())

    def keep(self, name: str, value: str) -> str:
        """Keep a secret; return its version."""
        from azure.keyvault.secrets import SecretClient

        if not self._place.vault_url:
            raise NoCredential("no key vault is named: set AZURE_KEY_VAULT_URL")
        with SecretClient(self._place.vault_url, self._target.credential) as client:
            kept = client.set_secret(name, value, content_type="text/plain")
        return str(kept.properties.version)

    def let_read(self, principal: str) -> None:
        """Let a principal read every secret of the vault; it may do so already."""
        from azure.core.exceptions import ResourceExistsError
        from azure.mgmt.authorization import AuthorizationManagementClient

        names = self._target.names
        scope = self._vault_id()
        role = (
            f"/subscriptions/{names.subscription_id}/providers/Microsoft.Authorization"
            f"/roleDefinitions/{SECRETS_USER}"
        )
        client = AuthorizationManagementClient(self._target.credential, names.subscription_id)
        assignment = str(uuid5(NAMESPACE_URL, f"{scope}|{principal}|{SECRETS_USER}".lower()))
        properties = {
            "roleDefinitionId": role,
            "principalId": principal,
            "principalType": "ServicePrincipal",
        }
        # As bytes: the SDK's model of it is another one in each of the API's versions.
        wanted = io.BytesIO(json.dumps({"properties": properties}).encode())
        try:
            client.role_assignments.create(scope, assignment, wanted)
        except ResourceExistsError:
            return  # another assignment gives it the same role

    def _vault_id(self) -> str:
        names = self._target.names
        vault = self._place.vault_url.removeprefix("https://").partition(".")[0]
        return (
            f"/subscriptions/{names.subscription_id}/resourceGroups/{names.resource_group}"
            f"/providers/Microsoft.KeyVault/vaults/{vault}"
        )
