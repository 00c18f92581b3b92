"""Pipelines of a Synapse workspace through the unmodified azure-synapse-artifacts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
import requests

from tests.running import Rehearsal

API = "2021-06-01"
# The client's own source has them, and Python says so when it first compiles it.
pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence")


@pytest.fixture(scope="module")
def workspace(rehearsal: Rehearsal, credential: Any) -> Iterator[str]:
    """A workspace made through the resource manager; its ARM id."""
    from azure.mgmt.resource.resources import ResourceManagementClient

    env = rehearsal.env
    resources = ResourceManagementClient(credential, env["AZURE_SUBSCRIPTION_ID"]).resources
    where = (
        f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}/resourceGroups/"
        f"{env['AZURE_RESOURCE_GROUP']}/providers/Microsoft.Synapse/workspaces/syn-tests"
    )
    body = {
        "location": "eastus",
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "defaultDataLakeStorage": {
                "accountUrl": "https://lake.dfs.core.windows.net",
                "filesystem": "files",
            },
            "sqlAdministratorLogin": "sqladmin",
            "sqlAdministratorLoginPassword": "P@ssw0rd-of-tests",
        },
    }
    made: Any = resources.begin_create_or_update_by_id(where, body, api_version=API).result()
    assert (
        made.properties["connectivityEndpoints"]["dev"] == "https://syn-tests.dev.azuresynapse.net"
    )
    assert "P@ssw0rd" not in str(made.as_dict())
    assert "syn-tests" in [one.name for one in resources.list()]
    yield where
    resources.begin_delete_by_id(where, api_version=API).result()


@pytest.fixture(scope="module")
def client(workspace: str, credential: Any) -> Any:
    from azure.synapse.artifacts import ArtifactsClient

    return ArtifactsClient(credential, "https://syn-tests.dev.azuresynapse.net")


def test_a_workspace_begins_with_its_linked_services(client: Any) -> None:
    assert client.workspace.get().name == "syn-tests"
    names = {one.name for one in client.linked_service.get_linked_services_by_workspace()}
    assert names == {"syn-tests-WorkspaceDefaultStorage", "syn-tests-WorkspaceDefaultSqlServer"}


def test_pipelines_are_made_run_and_watched(client: Any) -> None:
    models: Any = import_module("azure.synapse.artifacts.models")
    pipeline = models.PipelineResource(
        variables={"kept": models.VariableSpecification(type="String")},
        activities=[
            models.WaitActivity(name="Rest", wait_time_in_seconds=1),
            models.SetVariableActivity(
                name="Keep", variable_name="kept", value="@pipeline().DataFactory"
            ),
        ],
    )
    made = client.pipeline.begin_create_or_update_pipeline("Short", pipeline).result()
    assert made.type == "Microsoft.Synapse/workspaces/pipelines"
    assert [one.name for one in client.pipeline.get_pipelines_by_workspace()] == ["Short"]
    run_id = client.pipeline.create_pipeline_run("Short").run_id
    for _ in range(200):
        run = client.pipeline_run.get_pipeline_run(run_id)
        if run.status not in ("Queued", "InProgress"):
            break
        time.sleep(0.05)
    assert run.status == "Succeeded"
    now = datetime.now(UTC)
    asked = models.RunFilterParameters(
        last_updated_after=now - timedelta(days=1), last_updated_before=now + timedelta(days=1)
    )
    rows = client.pipeline_run.query_activity_runs("Short", run_id, asked).value
    assert {row.activity_name for row in rows} == {"Rest", "Keep"}
    keep = next(row for row in rows if row.activity_name == "Keep")
    assert keep.output["value"] == "syn-tests"
    found = client.pipeline_run.query_pipeline_runs_by_workspace(asked).value
    assert run_id in [one.run_id for one in found]


def test_a_rename_keeps_what_is_renamed(client: Any) -> None:
    from azure.core.exceptions import HttpResponseError
    from azure.synapse.artifacts.models import PipelineResource

    empty = PipelineResource(activities=[])
    client.pipeline.begin_create_or_update_pipeline("Before", empty).result()
    client.pipeline.begin_rename_pipeline("Before", new_name="After").result()
    assert client.pipeline.get_pipeline("after").name == "After"
    with pytest.raises(HttpResponseError):
        client.pipeline.get_pipeline("Before")
    client.pipeline.begin_delete_pipeline("After").result()


def test_a_token_for_another_resource_opens_nothing(client: Any, credential: Any) -> None:
    token = credential.get_token("https://management.azure.com/.default").token
    answer = requests.get(
        "https://syn-tests.dev.azuresynapse.net/pipelines?api-version=2020-12-01",
        headers={"authorization": f"Bearer {token}"},
        timeout=30,
    )
    assert answer.status_code == 401
    refused = requests.get(
        "https://syn-tests.dev.azuresynapse.net/notebooks?api-version=2020-12-01",
        headers={
            "authorization": "Bearer "
            + credential.get_token("https://dev.azuresynapse.net/.default").token
        },
        timeout=30,
    )
    assert refused.status_code == 501
