"""The unmodified azure-mgmt-datafactory against the host: factories, children, conditions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.datafactory.conftest import code, models
from tests.running import Rehearsal


@pytest.fixture(scope="module")
def client(factories: Any) -> Any:
    return factories


@pytest.fixture(scope="module")
def factory(client: Any, group: str) -> Iterator[str]:
    """A factory of this file's own."""
    from azure.mgmt.datafactory.models import Factory, FactoryIdentity

    made = client.factories.create_or_update(
        group,
        "Factory-Of-Children",
        Factory(location="eastus", identity=FactoryIdentity(type="SystemAssigned")),
    )
    assert made.provisioning_state == "Succeeded"
    assert made.identity.principal_id
    yield made.name
    client.factories.delete(group, "factory-of-children")


def test_factories_are_made_found_changed_and_listed(
    client: Any, group: str, factory: str, rehearsal: Rehearsal
) -> None:
    from azure.mgmt.datafactory.models import FactoryUpdateParameters

    found = client.factories.get(group, factory.upper())
    assert found.name == "Factory-Of-Children"
    assert found.e_tag.startswith('"')
    assert client.factories.get(group, factory, if_none_match=found.e_tag) is None
    changed = client.factories.update(group, factory, FactoryUpdateParameters(tags={"a": "b"}))
    assert changed.tags == {"a": "b"}
    assert "Factory-Of-Children" in [one.name for one in client.factories.list()]
    assert "Factory-Of-Children" in [
        one.name for one in client.factories.list_by_resource_group(group)
    ]
    assert rehearsal.env["AZURE_DATA_FACTORY_NAME"] in [one.name for one in client.factories.list()]


def test_global_parameters_are_one_resource_of_many(client: Any, group: str, factory: str) -> None:
    given = models().GlobalParameterResource(
        properties={"stage": models().GlobalParameterSpecification(type="String", value="dev")}
    )
    client.global_parameters.create_or_update(group, factory, "default", given)
    found = client.global_parameters.get(group, factory, "default")
    assert found.properties["stage"].value == "dev"
    assert client.factories.get(group, factory).global_parameters["stage"].value == "dev"
    client.global_parameters.delete(group, factory, "default")
    assert list(client.global_parameters.list_by_factory(group, factory)) == []


def test_children_hold_their_conditions(client: Any, group: str, factory: str) -> None:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    storage = models().LinkedServiceResource(
        properties=models().AzureBlobStorageLinkedService(
            service_endpoint="https://x.blob.core.windows.net"
        )
    )
    made = client.linked_services.create_or_update(group, factory, "Store", storage)
    assert made.type == "Microsoft.DataFactory/factories/linkedservices"
    assert made.etag
    data = models().DatasetResource(
        properties=models().JsonDataset(
            linked_service_name=models().LinkedServiceReference(
                reference_name="store", type="LinkedServiceReference"
            ),
            location=models().AzureBlobStorageLocation(container="c", file_name="f.json"),
        )
    )
    client.datasets.create_or_update(group, factory, "Input", data)
    found = client.datasets.get(group, factory, "INPUT")
    assert found.name == "Input"
    assert found.properties.type == "Json"
    assert client.datasets.get(group, factory, "input", if_none_match=found.etag) is None
    with pytest.raises(HttpResponseError) as refused:
        client.linked_services.delete(group, factory, "Store")
    assert "referenced by Input" in refused.value.message
    with pytest.raises(HttpResponseError) as stale:
        client.datasets.create_or_update(group, factory, "Input", data, if_match="other")
    assert stale.value.status_code == 412
    client.datasets.create_or_update(group, factory, "Input", data, if_match=found.etag)
    client.datasets.delete(group, factory, "Input")
    client.linked_services.delete(group, factory, "Store")
    client.linked_services.delete(group, factory, "Store")
    with pytest.raises(ResourceNotFoundError) as gone:
        client.datasets.get(group, factory, "Input")
    assert code(gone) == "DatasetNotFound"
    with pytest.raises(HttpResponseError) as dangling:
        client.datasets.create_or_update(group, factory, "Input", data)
    assert "invalid reference 'store'" in dangling.value.message


def test_what_is_kept_and_what_is_refused(client: Any, group: str, factory: str) -> None:
    from azure.core.exceptions import HttpResponseError

    runtime = models().IntegrationRuntimeResource(
        properties=models().SelfHostedIntegrationRuntime(description="ours")
    )
    client.integration_runtimes.create_or_update(group, factory, "own", runtime)
    assert [one.name for one in client.integration_runtimes.list_by_factory(group, factory)] == [
        "own"
    ]
    with pytest.raises(HttpResponseError) as refused:
        client.integration_runtimes.list_auth_keys(group, factory, "own")
    assert code(refused) == "NotEmulated"
    client.integration_runtimes.delete(group, factory, "own")
