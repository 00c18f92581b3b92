"""The official deployments client, and the real `az`, deploy templates to the real host."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.arm.deploying import nested, values
from tests.emulators.arm.providers import template
from tests.peers import peer_environment
from tests.running import Rehearsal, started

VAULT = {
    "type": "Microsoft.KeyVault/vaults",
    "apiVersion": "2023-07-01",
    "location": "[resourceGroup().location]",
    "properties": {"tenantId": "[subscription().tenantId]"},
}
ACCOUNT = {
    "type": "Microsoft.Storage/storageAccounts",
    "apiVersion": "2023-05-01",
    "location": "[resourceGroup().location]",
    "sku": {"name": "Standard_LRS"},
    "kind": "StorageV2",
    "properties": {},
}


def vault(name: str, *after: str, **more: Any) -> dict[str, Any]:
    return {**VAULT, "name": name, "dependsOn": list(after), **more}


def client_for(running: Rehearsal) -> Any:
    from azure.identity import ClientSecretCredential
    from azure.mgmt.resource.deployments import DeploymentsMgmtClient

    env = running.env
    credential = ClientSecretCredential(
        env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
    )
    return DeploymentsMgmtClient(credential, env["AZURE_SUBSCRIPTION_ID"])


@pytest.fixture
def client(azure_env: Rehearsal) -> Iterator[Any]:
    with client_for(azure_env) as made:
        yield made


def asked(what: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    properties = {"mode": "Incremental", **more}
    return {"properties": properties if what is None else {**properties, "template": what}}


def code_of(failed: Any) -> str:
    return str(failed.error.code)


def test_begin_poll_read_and_remove(client: Any) -> None:
    what = template(
        {**ACCOUNT, "name": "[variables('account')]"},
        vault("sdkvault", "[variables('account')]"),
        parameters={"secret": {"type": "securestring"}},
        variables={"account": "[concat('made', uniqueString(resourceGroup().id))]"},
        outputs={
            "blob": {"type": "string",
                     "value": "[reference(variables('account')).primaryEndpoints.blob]"},
            "keys": {"type": "int", "value": "[length(listKeys(resourceId("
                     "'Microsoft.Storage/storageAccounts', variables('account')),"
                     " '2023-05-01').keys)]"},
            "vault": {"type": "string", "value": "[reference('sdkvault').vaultUri]"},
        },
    )  # fmt: skip
    given = asked(what, parameters=values(secret="hidden"))
    name = "from-the-sdk"
    checked = client.deployments.begin_validate("rehearsal", name, given).result()
    assert checked.error is None
    ended = client.deployments.begin_create_or_update("rehearsal", name, given).result()
    assert ended.properties.provisioning_state == "Succeeded"
    outputs = {key: one["value"] for key, one in ended.properties.outputs.items()}
    assert outputs["blob"].startswith("https://made")
    assert (outputs["keys"], outputs["vault"]) == (2, "https://sdkvault.vault.azure.net/")
    assert len(ended.properties.output_resources) == 2
    assert ended.properties.parameters == {"secret": {"type": "SecureString"}}
    steps = list(client.deployment_operations.list("rehearsal", name))
    done = {step.properties.provisioning_operation for step in steps}
    assert done == {"Create", "EvaluateDeploymentOutput"}
    assert {step.properties.provisioning_state for step in steps} == {"Succeeded"}
    assert name in {one.name for one in client.deployments.list_by_resource_group("rehearsal")}
    assert client.deployments.check_existence("rehearsal", name)
    exported = client.deployments.export_template("rehearsal", name)
    assert exported.template["variables"] == what["variables"]
    client.deployments.begin_delete("rehearsal", name).result()
    assert not client.deployments.check_existence("rehearsal", name)


def test_errors_reach_the_client(client: Any) -> None:
    from azure.core.exceptions import HttpResponseError

    network = {
        "type": "Microsoft.Network/virtualNetworks",
        "apiVersion": "2024-01-01",
        "name": "v",
        "location": "eastus",
        "properties": {},
    }
    begun = client.deployments.begin_create_or_update
    with pytest.raises(HttpResponseError) as failed:
        begun("rehearsal", "failing", asked(template(network))).result()
    assert code_of(failed.value) == "DeploymentFailed"
    details: Any = failed.value.error
    assert [one.code for one in details.details] == ["NotEmulated"]
    with pytest.raises(HttpResponseError) as invalid:
        begun("rehearsal", "invalid", asked(template(vault("[foo()]"))))
    assert code_of(invalid.value) == "InvalidTemplate"
    with pytest.raises(HttpResponseError) as unchecked:
        client.deployments.begin_validate("rehearsal", "invalid", asked(template(vault("[foo()]"))))
    assert code_of(unchecked.value) == "InvalidTemplate"


def test_a_group_from_the_subscription(client: Any) -> None:
    group = {
        "type": "Microsoft.Resources/resourceGroups",
        "apiVersion": "2024-03-01",
        "name": "deployed-group",
        "location": "[deployment().location]",
        "properties": {},
    }
    inside = nested(
        "in-deployed-group",
        template(vault("deepvault")),
        "deployed-group",
        scope="inner",
        group="deployed-group",
    )
    body = {**asked(template(group, inside)), "location": "westus"}
    begun = client.deployments.begin_create_or_update_at_subscription_scope
    assert begun("sub", body).result().properties.provisioning_state == "Succeeded"
    within = client.deployments.get("deployed-group", "in-deployed-group")
    assert within.properties.output_resources[0].id.endswith("/vaults/deepvault")
    assert [one.name for one in client.deployments.list_at_subscription_scope()] == ["sub"]


def test_linked_templates_are_fetched_by_their_address(
    client: Any, ml_client: Any, azure_env: Rehearsal
) -> None:
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import (
        BlobServiceClient,
        ContainerSasPermissions,
        generate_container_sas,
    )

    service = BlobServiceClient.from_connection_string(
        azure_env.env["AZURE_STORAGE_CONNECTION_STRING"]
    )
    container = service.get_container_client("templates")
    container.create_container()
    part = template(
        vault("[parameters('name')]"),
        parameters={"name": {"type": "string"}},
        outputs={"name": {"type": "string", "value": "[parameters('name')]"}},
    )
    whole = template(
        nested("part", None, templateLink={"relativePath": "parts/part.json"},
               parameters=values(name="linkedvault")),
        outputs={"from": {"type": "string",
                          "value": "[uri(deployment().properties.templateLink.uri, 'x')]"},
                 "part": {"type": "string", "value": "[reference('part').outputs.name.value]"}},
    )  # fmt: skip
    container.upload_blob("whole.json", json.dumps(whole))
    container.upload_blob("parts/part.json", json.dumps(part))
    sas = generate_container_sas(
        str(service.account_name),
        "templates",
        account_key=service.credential.account_key,
        permission=ContainerSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    link = {"uri": f"{container.url}/whole.json", "queryString": sas, "contentVersion": "1.0.0.0"}
    begun = client.deployments.begin_create_or_update
    ended = begun("rehearsal", "linked", asked(None, templateLink=link)).result()
    outputs = {key: one["value"] for key, one in ended.properties.outputs.items()}
    assert outputs == {"from": f"{container.url}/x", "part": "linkedvault"}
    with pytest.raises(HttpResponseError) as private:
        begun("rehearsal", "unsigned", asked(None, templateLink={"uri": link["uri"]}))
    assert code_of(private.value) == "InvalidContentLink"


def test_a_killed_host_says_that_it_was_interrupted(tmp_path: Path) -> None:
    loop = {"name": "many", "count": 800, "mode": "serial", "batchSize": 1}
    what = template(vault("[concat('vault', copyIndex())]", copy=loop))
    with (
        started(
            tmp_path / "state", "identity", "arm", "keyvault", "keyvault-management"
        ) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in running.env.items():
            patch.setenv(name, value)
        with client_for(running) as client:
            client.deployments.begin_create_or_update(
                "rehearsal", "long", asked(what), polling=False
            )
            assert (
                client.deployments.get("rehearsal", "long").properties.provisioning_state
                == "Running"
            )
        running.kill()
        running.up()
        for name, value in running.env.items():
            patch.setenv(name, value)
        with client_for(running) as client:
            found = client.deployments.get("rehearsal", "long").properties
            assert (found.provisioning_state, found.error.code) == (
                "Failed",
                "OperationInterrupted",
            )
            small = asked(template(vault("again")))
            ended = client.deployments.begin_create_or_update("rehearsal", "long", small).result()
            assert ended.properties.provisioning_state == "Succeeded"


def test_az_deploys_a_file(azure_env: Rehearsal, tmp_path: Path) -> None:
    interpreter = peer_environment("azure-cli", ["azure-cli>=2.80"])
    kept = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "TMPDIR") if k in os.environ}
    environment = kept | azure_env.env | {"AZURE_CONFIG_DIR": str(tmp_path / "az")}

    def az(*words: str, fails: bool = False) -> Any:
        done = subprocess.run(
            [str(interpreter), "-m", "azure.cli", *words, "-o", "json", "--only-show-errors"],
            env=environment, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else json.loads(done.stdout or "null")

    env = azure_env.env
    az("login", "--service-principal", "-u", env["AZURE_CLIENT_ID"],
       "-p", env["AZURE_CLIENT_SECRET"], "--tenant", env["AZURE_TENANT_ID"])  # fmt: skip
    file = tmp_path / "template.json"
    what = template(
        vault("[parameters('name')]"),
        parameters={"name": {"type": "string"}, "size": {"type": "int", "defaultValue": 1}},
        outputs={"uri": {"type": "string", "value": "[reference(parameters('name')).vaultUri]"}},
    )
    file.write_text(f"// a comment, as templates have them\n{json.dumps(what)}")
    create = ("deployment", "group", "create", "-g", "rehearsal", "-f", str(file))
    made = az(*create, "-n", "azd", "--parameters", "name=azvault", "size=2")
    assert made["properties"]["outputs"]["uri"]["value"] == "https://azvault.vault.azure.net/"
    shown = az("deployment", "group", "show", "-g", "rehearsal", "-n", "azd")
    assert shown["properties"]["parameters"]["size"] == {"type": "Int", "value": 2}
    steps = az("deployment", "operation", "group", "list", "-g", "rehearsal", "-n", "azd")
    assert "Create" in {step["properties"]["provisioningOperation"] for step in steps}
    assert az("resource", "show", "-g", "rehearsal", "-n", "azvault",
              "--resource-type", "Microsoft.KeyVault/vaults")["name"] == "azvault"  # fmt: skip
    bad = {**what, "outputs": {"x": {"type": "string", "value": "[foo()]"}}}
    file.write_text(json.dumps(bad))
    assert "InvalidTemplate" in az(*create, "--parameters", "name=azvault", fails=True)
