"""What Azure publishes of a factory deploys unmodified: one template, and linked ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.running import Rehearsal

PUBLISHED = Path(__file__).parent / "published"


def template(name: str) -> Any:
    return json.loads((PUBLISHED / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def deployments(rehearsal: Rehearsal, credential: Any) -> Any:
    from azure.mgmt.resource.deployments import DeploymentsMgmtClient

    return DeploymentsMgmtClient(credential, rehearsal.env["AZURE_SUBSCRIPTION_ID"]).deployments


def deploy(deployments: Any, group: str, name: str, properties: dict[str, Any]) -> Any:
    body = {"properties": {"mode": "Incremental", **properties}}
    return deployments.begin_create_or_update(group, name, body).result()


def test_a_published_factory_deploys(deployments: Any, factories: Any, group: str) -> None:
    from azure.mgmt.datafactory.models import Factory

    factories.factories.create_or_update(group, "adf-orchard-dev", Factory(location="eastus"))
    given = template("ARMTemplateParametersForFactory.json")["parameters"]
    secret = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=x"
    given["Crates_connectionString"] = {"value": secret}
    asked = {"template": template("ARMTemplateForFactory.json"), "parameters": given}
    for name in ("first", "again"):
        assert deploy(deployments, group, name, asked).properties.provisioning_state == "Succeeded"
    unripe = factories.pipelines.get(group, "adf-orchard-dev", "Gather").activities[1]
    assert unripe.if_false_activities[0].message == "[not ripe]"
    assert [one.name for one in factories.triggers.list_by_factory(group, "adf-orchard-dev")] == [
        "Nightly"
    ]
    crates = factories.linked_services.get(group, "adf-orchard-dev", "Crates").properties
    assert crates.connection_string == secret.replace("c2VjcmV0", "**********")
    found = factories.factories.get(group, "adf-orchard-dev")
    assert found.global_parameters["stage"].value == "published"
    endpoints = factories.managed_private_endpoints
    assert [one.name for one in endpoints.list_by_factory(group, found.name, "default")] == [
        "BasketStore"
    ]
    endpoint = endpoints.get(group, found.name, "default", "basketstore")
    assert endpoint.properties.group_id == "blob"
    endpoints.delete(group, found.name, "default", "BasketStore")
    factories.factories.delete(group, "adf-orchard-dev")


def test_linked_templates_deploy_in_their_order(
    deployments: Any, factories: Any, group: str, rehearsal: Rehearsal
) -> None:
    from azure.mgmt.datafactory.models import Factory
    from azure.storage.blob import ContainerClient

    factories.factories.create_or_update(group, "adf-orchard-linked", Factory(location="eastus"))
    container = ContainerClient.from_connection_string(
        rehearsal.env["AZURE_STORAGE_CONNECTION_STRING"], "factory-templates"
    )
    container.create_container(public_access="blob")
    for file in (PUBLISHED / "linkedTemplates").glob("ArmTemplate_?.json"):
        container.upload_blob(file.name, file.read_bytes())
    given = {
        "factoryName": "adf-orchard-linked",
        "containerUri": container.url,
        "Crates_connectionString": "DefaultEndpointsProtocol=https;AccountName=a",
    }
    asked = {
        "template": template("linkedTemplates/ArmTemplate_master.json"),
        "parameters": {name: {"value": value} for name, value in given.items()},
    }
    assert deploy(deployments, group, "linked", asked).properties.provisioning_state == "Succeeded"
    names = [one.name for one in factories.pipelines.list_by_factory(group, "adf-orchard-linked")]
    assert names == ["Gather", "Pause"]
    factories.factories.delete(group, "adf-orchard-linked")


def test_a_factory_goes_with_its_group(
    factories: Any, credential: Any, rehearsal: Rehearsal
) -> None:
    from azure.core.exceptions import HttpResponseError
    from azure.mgmt.datafactory.models import Factory
    from azure.mgmt.resource.resources import ResourceManagementClient

    groups = ResourceManagementClient(
        credential, rehearsal.env["AZURE_SUBSCRIPTION_ID"]
    ).resource_groups
    groups.create_or_update("rg-of-a-factory", {"location": "eastus"})
    factories.factories.create_or_update("rg-of-a-factory", "adf-to-go", Factory(location="eastus"))
    with pytest.raises(HttpResponseError) as taken:
        factories.factories.create_or_update(
            rehearsal.env["AZURE_RESOURCE_GROUP"], "ADF-to-go", Factory(location="eastus")
        )
    assert taken.value.status_code == 409
    groups.begin_delete("rg-of-a-factory").result()
    with pytest.raises(HttpResponseError) as gone:
        factories.factories.get("rg-of-a-factory", "adf-to-go")
    assert gone.value.status_code == 404
