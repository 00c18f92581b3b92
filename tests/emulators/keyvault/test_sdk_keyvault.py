"""The official clients, unmodified, against the embedded host."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.running import Rehearsal, started


def client_for(env: dict[str, str], url: str = "") -> Any:
    from azure.identity import ClientSecretCredential
    from azure.keyvault.secrets import SecretClient

    credential = ClientSecretCredential(
        env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
    )
    return SecretClient(url or env["AZURE_KEY_VAULT_URL"], credential)


@pytest.fixture
def client(azure_env: Rehearsal) -> Iterator[Any]:
    with client_for(azure_env.env) as made:
        yield made


def test_a_secret_s_whole_life(client: Any) -> None:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    first = client.set_secret("life", "one", content_type="text", tags={"a": "b"})
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    second = client.set_secret("life", "two", expires_on=expires)
    assert client.get_secret("life").value == "two"
    assert client.get_secret("life", first.properties.version).value == "one"
    assert client.get_secret("life").properties.expires_on == expires
    versions = list(client.list_properties_of_secret_versions("life"))
    assert {v.version for v in versions} == {
        first.properties.version, second.properties.version,
    }  # fmt: skip
    assert "life" in [p.name for p in client.list_properties_of_secrets()]
    changed = client.update_secret_properties("life", enabled=False, tags={"c": "d"})
    assert (changed.enabled, changed.tags) == (False, {"c": "d"})
    with pytest.raises(HttpResponseError, match="disabled secret"):
        client.get_secret("life")
    client.update_secret_properties("life", enabled=True)
    backup = client.backup_secret("life")
    gone = client.begin_delete_secret("life").result()
    assert gone.recovery_id.endswith("/deletedsecrets/life")
    assert "life" in [d.name for d in client.list_deleted_secrets()]
    with pytest.raises(ResourceNotFoundError):
        client.get_secret("life")
    assert client.begin_recover_deleted_secret("life").result().name == "life"
    client.begin_delete_secret("life").result()
    client.purge_deleted_secret("life")
    assert client.restore_secret_backup(backup).name == "life"
    assert client.get_secret("life").value == "two"


def test_the_async_client(azure_env: Rehearsal) -> None:
    script = Path(__file__).with_name("aio_apart.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout == "done\n", done.stderr


def test_keys_and_certificates_are_refused_by_name(azure_env: Rehearsal) -> None:
    from azure.core.exceptions import HttpResponseError
    from azure.identity import DefaultAzureCredential
    from azure.keyvault.certificates import CertificateClient
    from azure.keyvault.keys import KeyClient

    url = azure_env.env["AZURE_KEY_VAULT_URL"]
    with pytest.raises(HttpResponseError, match="CreateKey") as refused:
        KeyClient(url, DefaultAzureCredential()).create_rsa_key("k")
    assert refused.value.status_code == 501
    with pytest.raises(HttpResponseError, match="GetCertificates") as refused:
        list(CertificateClient(url, DefaultAzureCredential()).list_properties_of_certificates())
    assert refused.value.status_code == 501


def test_the_workspace_names_the_folder_s_vault(azure_env: Rehearsal, ml_client: Any) -> None:
    name = azure_env.env["AZURE_KEY_VAULT_URL"].removeprefix("https://").partition(".")[0]
    workspace = ml_client.workspaces.get(ml_client.workspace_name)
    assert workspace.key_vault.endswith(f"/vaults/{name}")


def test_the_management_client(azure_env: Rehearsal) -> None:
    from azure.core.exceptions import ResourceNotFoundError
    from azure.identity import DefaultAzureCredential
    from azure.mgmt.keyvault import KeyVaultManagementClient

    env = azure_env.env
    group: str = env["AZURE_RESOURCE_GROUP"]
    with KeyVaultManagementClient(DefaultAzureCredential(), env["AZURE_SUBSCRIPTION_ID"]) as client:
        vaults: Any = client.vaults
        body: Any = {
            "location": "eastus",
            "properties": {
                "tenantId": env["AZURE_TENANT_ID"],
                "sku": {"family": "A", "name": "standard"},
                "accessPolicies": [],
            },
        }
        made = vaults.begin_create_or_update(group, "sdk-managed", body).result()
        assert made.properties.vault_uri == "https://sdk-managed.vault.azure.net/"
        assert made.properties.enable_rbac_authorization  # the default of its api-version
        with client_for(env, made.properties.vault_uri) as secrets:
            secrets.set_secret("s", "v")
        assert vaults.get(group, "sdk-managed").id == made.id
        assert "sdk-managed" in [v.name for v in vaults.list_by_resource_group(group)]
        assert "sdk-managed" in [v.name for v in vaults.list_by_subscription()]
        tagged = vaults.update(group, "sdk-managed", {"tags": {"a": "b"}})
        assert tagged.tags == {"a": "b"}
        policy = {
            "tenantId": env["AZURE_TENANT_ID"],
            "objectId": "11111111-2222-3333-4444-555555555555",
            "permissions": {"secrets": ["get"]},
        }
        added = vaults.update_access_policy(
            group, "sdk-managed", "add", {"properties": {"accessPolicies": [policy]}}
        )
        assert added.properties.access_policies[0].permissions.secrets == ["get"]
        named = {"name": "sdk-managed", "type": "Microsoft.KeyVault/vaults"}
        assert not vaults.check_name_availability(named).name_available
        vaults.delete(group, "sdk-managed")
        assert "sdk-managed" in [v.name for v in vaults.list_deleted()]
        assert vaults.get_deleted("sdk-managed", "eastus").name == "sdk-managed"
        vaults.begin_purge_deleted("sdk-managed", "eastus").result()
        with pytest.raises(ResourceNotFoundError):
            vaults.get_deleted("sdk-managed", "eastus")


def test_secrets_survive_kill_9(tmp_path: Path) -> None:
    services = ("identity", "arm", "keyvault", "keyvault-management")
    with started(tmp_path / "state", *services) as running, pytest.MonkeyPatch.context() as patch:
        for number in range(3):
            for name, value in running.env.items():
                patch.setenv(name, value)
            with client_for(running.env) as client:
                for earlier in range(number):
                    assert client.get_secret(f"s{earlier}").value == f"v{earlier}"
                client.set_secret(f"s{number}", f"v{number}")
            running.kill()
            running.up()


def test_a_template_brings_a_vault_and_its_secrets(azure_env: Rehearsal) -> None:
    from azure.identity import DefaultAzureCredential
    from azure.mgmt.resource.deployments import DeploymentsMgmtClient

    env = azure_env.env
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"word": {"type": "secureString"}},
        "resources": [
            {
                "type": "Microsoft.KeyVault/vaults",
                "apiVersion": "2023-07-01",
                "name": "deployed-vault",
                "location": "eastus",
                "properties": {
                    "tenantId": "[subscription().tenantId]",
                    "sku": {"family": "A", "name": "standard"},
                    "enableRbacAuthorization": True,
                    "enabledForTemplateDeployment": True,
                },
            },
            {
                "type": "Microsoft.KeyVault/vaults/secrets",
                "apiVersion": "2023-07-01",
                "name": "deployed-vault/word",
                "dependsOn": ["deployed-vault"],
                "properties": {"value": "[parameters('word')]"},
            },
        ],
        "outputs": {"uri": {"type": "string", "value": "[reference('deployed-vault').vaultUri]"}},
    }
    with DeploymentsMgmtClient(
        DefaultAzureCredential(), env["AZURE_SUBSCRIPTION_ID"]
    ) as deployments:
        asked: Any = {
            "properties": {
                "mode": "Incremental",
                "template": template,
                "parameters": {"word": {"value": "said"}},
            }
        }
        done: Any = deployments.deployments.begin_create_or_update(
            env["AZURE_RESOURCE_GROUP"], "vault", asked
        ).result()
    uri = done.properties.outputs["uri"]["value"]
    with client_for(env, uri) as client:
        assert client.get_secret("word").value == "said"
        client.set_secret("other", "from the vault")
        _deploy_from_a_vault(env, template)
        assert client.get_secret("word").value == "from the vault"


def _deploy_from_a_vault(env: dict[str, str], template: dict[str, Any]) -> None:
    """Deploy the same with a parameter that is a secret of that vault."""
    from azure.core.exceptions import HttpResponseError
    from azure.identity import DefaultAzureCredential
    from azure.mgmt.resource.deployments import DeploymentsMgmtClient

    vaults = (
        f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}/resourceGroups/"
        f"{env['AZURE_RESOURCE_GROUP']}/providers/Microsoft.KeyVault/vaults"
    )
    folders = env["AZURE_KEY_VAULT_URL"].removeprefix("https://").partition(".")[0]

    def asked(vault: str, secret: str) -> Any:
        reference = {"keyVault": {"id": f"{vaults}/{vault}"}, "secretName": secret}
        return {
            "properties": {
                "mode": "Incremental",
                "template": template,
                "parameters": {"word": {"reference": reference}},
            }
        }

    with DeploymentsMgmtClient(DefaultAzureCredential(), env["AZURE_SUBSCRIPTION_ID"]) as client:
        deployments: Any = client.deployments
        group = env["AZURE_RESOURCE_GROUP"]
        for vault, secret, error in (
            ("deployed-vault", "none", "SecretRetrieveFailed"),
            ("no-such-vault", "other", "could not be found"),
            (folders, "other", "not enabled for template deployment"),
        ):
            with pytest.raises(HttpResponseError, match=error):
                deployments.begin_create_or_update(group, "from-vault", asked(vault, secret))
        done = deployments.begin_create_or_update(
            group, "from-vault", asked("deployed-vault", "other")
        ).result()
    assert "from the vault" not in str(done.as_dict())
