"""Workspaces, datastores, compute, connections and the system registry by the real client."""

from __future__ import annotations

from typing import Any

import pytest


def test_the_workspace_says_where_everything_is(ml_client: Any) -> None:
    found = ml_client.workspaces.get()
    assert found.name == "rehearsal"
    assert found.discovery_url == "https://eastus.api.azureml.ms/discovery"
    assert found.mlflow_tracking_uri.startswith("azureml://eastus.api.azureml.ms/mlflow/v")
    assert "rehearsal" in {w.name for w in ml_client.workspaces.list()}
    assert ml_client.workspaces.get_keys().user_storage_key


def test_the_workspace_takes_words(ml_client: Any) -> None:
    found = ml_client.workspaces.get()
    found.tags = {"team": "mlops"}
    found.description = "ours"
    changed = ml_client.workspaces.begin_update(found).result()
    assert changed.tags == {"team": "mlops"}
    assert changed.description == "ours"
    assert ml_client.workspaces.begin_sync_keys().result() is None


def test_datastores_are_seeded_and_open(ml_client: Any) -> None:
    assert ml_client.datastores.get_default().name == "workspaceblobstore"
    names = [found.name for found in ml_client.datastores.list()]
    assert {"workspaceartifactstore", "workspacefilestore", "workspaceworkingdirectory"} < set(
        names
    )
    opened = ml_client.datastores.get("workspaceblobstore", include_secrets=True)
    from azure.storage.blob import ContainerClient

    container = ContainerClient(
        f"https://{opened.account_name}.blob.core.windows.net",
        opened.container_name,
        credential=opened.credentials.account_key,
    )
    assert container.exists()


def test_a_datastore_of_ones_own(ml_client: Any) -> None:
    from azure.ai.ml.entities import (
        AccountKeyConfiguration,
        AzureBlobDatastore,
        AzureDataLakeGen2Datastore,
    )
    from azure.core.exceptions import ResourceNotFoundError

    account = ml_client.datastores.get_default().account_name
    made = ml_client.datastores.create_or_update(
        AzureBlobDatastore(
            name="sdk_blob",
            account_name=account,
            container_name="azureml",
            credentials=AccountKeyConfiguration(account_key="a2V5"),
        )
    )
    assert made.container_name == "azureml"
    opened = ml_client.datastores.get("sdk_blob", include_secrets=True)
    assert opened.credentials.account_key == "a2V5"
    lake = AzureDataLakeGen2Datastore(name="sdk_lake", account_name=account, filesystem="azureml")
    assert ml_client.datastores.create_or_update(lake).filesystem == "azureml"
    for name in ("sdk_blob", "sdk_lake"):
        ml_client.datastores.delete(name)
        with pytest.raises(ResourceNotFoundError):
            ml_client.datastores.get(name)


def test_a_cluster(ml_client: Any) -> None:
    from azure.ai.ml.entities import AmlCompute

    made = ml_client.compute.begin_create_or_update(
        AmlCompute(name="sdk-cluster", size="Standard_DS3_v2", max_instances=2)
    ).result()
    assert made.provisioning_state == "Succeeded"
    made.max_instances = 4
    assert ml_client.compute.begin_update(made).result().max_instances == 4
    assert "sdk-cluster" in {c.name for c in ml_client.compute.list()}
    assert list(ml_client.compute.list_nodes("sdk-cluster")) == []
    ml_client.compute.begin_delete("sdk-cluster").result()
    assert "sdk-cluster" not in {c.name for c in ml_client.compute.list()}


def test_an_instance_stops_and_starts(ml_client: Any) -> None:
    from azure.ai.ml.entities import ComputeInstance

    ml_client.compute.begin_create_or_update(
        ComputeInstance(name="sdk-ci", size="Standard_DS3_v2")
    ).result()
    for act, state in (
        (ml_client.compute.begin_stop, "Stopped"),
        (ml_client.compute.begin_start, "Running"),
        (ml_client.compute.begin_restart, "Running"),
    ):
        act("sdk-ci").result()
        assert ml_client.compute.get("sdk-ci").state == state
    ml_client.compute.begin_delete("sdk-ci").result()


def test_a_compute_that_is_not_emulated_says_so(ml_client: Any) -> None:
    from azure.ai.ml.entities import KubernetesCompute
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="NotEmulated"):
        ml_client.compute.begin_create_or_update(
            KubernetesCompute(name="sdk-k8s", resource_id="/x", namespace="default")
        )


def test_connections_keep_their_secrets_apart(ml_client: Any) -> None:
    from azure.ai.ml.entities import APIKeyConnection, PatTokenConfiguration, WorkspaceConnection

    made = ml_client.connections.create_or_update(
        WorkspaceConnection(
            name="sdk-git",
            type="git",
            target="https://example.com/repo",
            credentials=PatTokenConfiguration(pat="hidden"),
        )
    )
    assert made.target == "https://example.com/repo"
    ml_client.connections.create_or_update(
        APIKeyConnection(name="sdk-api", api_base="https://example.com", api_key="hidden")
    )
    plain = ml_client.connections.get("sdk-api")
    assert getattr(plain.credentials, "key", None) is None
    opened = ml_client.connections.get("sdk-api", populate_secrets=True)
    assert opened.credentials.key == "hidden"
    names = {c.name for c in ml_client.connections.list()}
    assert {"sdk-git", "sdk-api"} <= names
    ml_client.connections.delete("sdk-git")
    ml_client.connections.delete("sdk-api")


def test_the_system_registry_opens_and_others_do_not(ml_client: Any, azure_env: Any) -> None:
    from azure.ai.ml import MLClient
    from azure.core.exceptions import HttpResponseError

    registry = MLClient(ml_client._credential, registry_name="azureml")
    names = [e.name for e in registry.environments.list()]
    assert "sklearn-1.5" in names
    found = registry.environments.get("sklearn-1.5", label="latest")
    assert found.id.startswith("azureml://registries/azureml/environments/sklearn-1.5/versions/")
    with pytest.raises(HttpResponseError, match="cannot be built"):
        registry.environments.get("no-such-environment", version="1")
    with pytest.raises(HttpResponseError, match="NotEmulated"):
        registry.models.get("some-model", version="1")
    with pytest.raises(HttpResponseError, match="could not be found"):
        MLClient(ml_client._credential, registry_name="our-own")
