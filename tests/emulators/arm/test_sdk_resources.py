"""The official management clients, unmodified, against the embedded host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.running import Rehearsal


@pytest.fixture
def client(azure_env: Rehearsal) -> Iterator[Any]:
    from azure.identity import DefaultAzureCredential
    from azure.mgmt.resource.resources import ResourceManagementClient

    with (
        DefaultAzureCredential() as credential,
        ResourceManagementClient(credential, azure_env.env["AZURE_SUBSCRIPTION_ID"]) as made,
    ):
        yield made


def test_subscriptions(azure_env: Rehearsal) -> None:
    from azure.identity import DefaultAzureCredential
    from azure.mgmt.resource.subscriptions import SubscriptionClient

    subscription = azure_env.env["AZURE_SUBSCRIPTION_ID"]
    with SubscriptionClient(DefaultAzureCredential()) as client:
        assert [s.subscription_id for s in client.subscriptions.list()] == [subscription]
        one = client.subscriptions.get(subscription)
        assert (one.display_name, one.state) == ("Rehearsal", "Enabled")
        assert "eastus" in {r.name for r in client.subscriptions.list_locations(subscription)}
        assert [t.tenant_id for t in client.tenants.list()] == [azure_env.env["AZURE_TENANT_ID"]]


def test_resource_groups(client: Any) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    groups = client.resource_groups
    assert groups.check_existence("rehearsal")
    assert not groups.check_existence("nothing-here")
    made = groups.create_or_update("Sdk-Group", {"location": "westeurope", "tags": {"a": "b"}})
    assert (made.name, made.properties.provisioning_state) == ("Sdk-Group", "Succeeded")
    assert groups.get("SDK-group").id == made.id
    assert groups.update("sdk-group", {"tags": {"c": "d"}}).tags == {"c": "d"}
    assert "Sdk-Group" in [g.name for g in groups.list()]
    assert [g.name for g in groups.list(filter="tagName eq 'c' and tagValue eq 'd'")] == [
        "Sdk-Group"
    ]
    groups.begin_delete("sdk-group").result()
    with pytest.raises(ResourceNotFoundError, match="ResourceGroupNotFound"):
        groups.get("sdk-group")


def test_generic_resources(client: Any) -> None:
    from azure.core.exceptions import HttpResponseError

    where: Any = ("rehearsal", "Microsoft.KeyVault", "", "vaults", "sdk-vault")
    at: Any = {"api_version": "2023-07-01"}
    body = {"location": "eastus"}
    made = client.resources.begin_create_or_update(*where, body, **at).result()
    assert made.properties["vaultUri"] == "https://sdk-vault.vault.azure.net/"
    assert client.resources.get(*where, **at).id == made.id
    assert client.resources.check_existence(*where, **at)
    by_id = client.resources.get_by_id(made.id, **at)
    assert by_id.name == "sdk-vault"
    listed = client.resources.list(filter="resourceType eq 'Microsoft.KeyVault/vaults'")
    assert made.id in [r.id for r in listed]
    assert made.id in [r.id for r in client.resources.list_by_resource_group("rehearsal")]
    client.resources.begin_delete(*where, **at).result()
    assert not client.resources.check_existence(*where, **at)
    with pytest.raises(HttpResponseError, match="NotEmulated") as refused:
        client.resources.begin_create_or_update(
            "rehearsal", "Microsoft.Network", "", "virtualNetworks", "v", body, **at
        )
    assert refused.value.status_code == 501


def test_providers(client: Any) -> None:
    names = [p.namespace for p in client.providers.list()]
    assert "Microsoft.MachineLearningServices" in names
    one = client.providers.register("Microsoft.MachineLearningServices")
    assert one.registration_state == "Registered"


def test_the_ml_sdk_reads_the_explicit_door_s_metadata(
    azure_env: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.ai.ml import _azure_environments as environments

    door = f"https://localhost:{azure_env.host.explicit}"
    url = f"{door}/metadata/endpoints?api-version=2022-09-01"
    clouds = environments._get_clouds_by_metadata_url(url)
    cloud = clouds["Rehearsal"]
    assert cloud["resource_manager"] == f"{door}/"
    assert cloud["resource_manager"] in url
    assert cloud["aml_resource_id"] == "https://ml.azure.com"
    assert cloud["storage_endpoint"] == "core.windows.net"
