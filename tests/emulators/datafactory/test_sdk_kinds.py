"""Every kind of child and every type of activity that the SDK has: kept, or refused by name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from emulators.datafactory.engine.activities.catalogue import KNOWN_TYPES, NOT_RUN

NAME = "adf-of-kinds"
LINKED = {"referenceName": "Store", "type": "LinkedServiceReference"}
DATA = {"referenceName": "Data", "type": "DatasetReference"}
WAIT = {"name": "W", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 0}}


@pytest.fixture(scope="module")
def factory(factories: Any, group: str) -> Iterator[str]:
    from azure.mgmt.datafactory.models import Factory

    factories.factories.create_or_update(group, NAME, Factory(location="eastus"))
    store = {"properties": {"type": "AzureBlobStorage", "typeProperties": {"serviceEndpoint": "x"}}}
    factories.linked_services.create_or_update(group, NAME, "Store", store)
    data = {"properties": {"type": "Json", "linkedServiceName": LINKED, "typeProperties": {}}}
    factories.datasets.create_or_update(group, NAME, "Data", data)
    yield NAME
    factories.factories.delete(group, NAME)


def test_every_kind_is_kept_listed_and_deleted(factories: Any, group: str, factory: str) -> None:
    from azure.mgmt.datafactory import models

    flow = models.DataFlowResource(properties=models.MappingDataFlow(script_lines=["source()"]))
    identity = models.CredentialResource(
        properties=models.ManagedIdentityCredential(resource_id="/subscriptions/x")
    )
    network = models.ManagedVirtualNetworkResource(properties=models.ManagedVirtualNetwork())
    managed = models.IntegrationRuntimeResource(properties=models.ManagedIntegrationRuntime())
    for operations, name, value in (
        (factories.data_flows, "Flow", flow),
        (factories.credential_operations, "Identity", identity),
        (factories.managed_virtual_networks, "default", network),
        (factories.integration_runtimes, "Managed", managed),
    ):
        made = operations.create_or_update(group, factory, name, value)
        assert operations.get(group, factory, name.upper()).etag == made.etag
        assert name in [one.name for one in operations.list_by_factory(group, factory)]
        if hasattr(operations, "delete"):
            operations.delete(group, factory, name)
            assert name not in [one.name for one in operations.list_by_factory(group, factory)]
    runtime = models.IntegrationRuntimeResource(properties=models.SelfHostedIntegrationRuntime())
    factories.integration_runtimes.create_or_update(group, factory, "Own", runtime)
    status = factories.integration_runtimes.get_status(group, factory, "Own")
    assert status.properties.state == "NeedRegistration"


def test_every_type_of_activity_is_published(factories: Any, group: str, factory: str) -> None:
    true = {"value": "@bool(1)", "type": "Expression"}
    every = {
        "url": "https://x", "method": "GET", "activities": [WAIT], "expression": true, "on": true,
        "items": {"value": "@createArray(1)", "type": "Expression"}, "condition": true,
        "pipeline": {"referenceName": "Called", "type": "PipelineReference"}, "source": {},
        "variableName": "kept", "waitTimeInSeconds": 1, "sink": {}, "dataset": DATA,
        "storedProcedureName": "p", "functionName": "f",
    }  # fmt: skip
    body = {"properties": {"activities": [WAIT]}}
    factories.pipelines.create_or_update(group, factory, "Called", body)
    known = [kind for kind in KNOWN_TYPES.values() if kind != "SqlPoolStoredProcedure"]  # Synapse's
    for kind in known:
        activity = {"name": "A", "type": kind, "linkedServiceName": LINKED, "typeProperties": every}
        variables = {"kept": {"type": "Array"}}
        pipeline = {"properties": {"activities": [activity], "variables": variables}}
        factories.pipelines.create_or_update(group, factory, f"Of {kind}", pipeline)
        shown = factories.pipelines.get(group, factory, f"Of {kind}").serialize(keep_readonly=True)
        assert shown["properties"]["activities"][0]["type"] == kind
    assert len(list(factories.pipelines.list_by_factory(group, factory))) == len(known) + 1


def test_what_needs_a_cluster_fails_by_name(factories: Any, group: str, factory: str) -> None:
    assert "ExecuteDataFlow" in NOT_RUN
    flow = {"dataflow": {"referenceName": "Flow", "type": "DataFlowReference"}}
    factories.data_flows.create_or_update(
        group, factory, "Flow", {"properties": {"type": "MappingDataFlow", "typeProperties": {}}}
    )
    activity = {"name": "Transform", "type": "ExecuteDataFlow", "typeProperties": flow}
    body = {"properties": {"activities": [activity]}}
    factories.pipelines.create_or_update(group, factory, "Transforms", body)
    run_id = factories.pipelines.create_run(group, factory, "Transforms").run_id
    for _ in range(200):
        run = factories.pipeline_runs.get(group, factory, run_id)
        if run.status not in ("Queued", "InProgress"):
            break
        time.sleep(0.05)
    assert run.status == "Failed"
    assert "Rehearsal does not emulate" in run.message


def test_many_runs_come_in_pages(factories: Any, group: str, factory: str) -> None:
    factories.pipelines.create_or_update(
        group, factory, "Many", {"properties": {"activities": [WAIT]}}
    )
    begun = {factories.pipelines.create_run(group, factory, "Many").run_id for _ in range(105)}
    filters = [{"operand": "PipelineName", "operator": "Equals", "values": ["Many"]}]
    asked = {
        "lastUpdatedAfter": "2000-01-01T00:00:00Z",
        "lastUpdatedBefore": "2100-01-01T00:00:00Z",
        "filters": filters,
    }
    first = factories.pipeline_runs.query_by_factory(group, factory, asked)
    asked["continuationToken"] = first.continuation_token
    second = factories.pipeline_runs.query_by_factory(group, factory, asked)
    found = [run.run_id for run in (*first.value, *second.value)]
    assert len(first.value) == 100
    assert second.continuation_token is None
    assert set(found) == begun
    assert len(found) == len(begun)
