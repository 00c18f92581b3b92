"""Runs through the unmodified SDK: begun, watched, asked for by every filter, cancelled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.emulators.datafactory.conftest import code, models

NOW = datetime.now(UTC)
WINDOW = {
    "last_updated_after": NOW - timedelta(days=1),
    "last_updated_before": NOW + timedelta(days=1),
}


@pytest.fixture(scope="module")
def factory(factories: Any, group: str) -> Iterator[str]:
    from azure.mgmt.datafactory.models import Factory

    factories.factories.create_or_update(group, "adf-of-runs", Factory(location="eastus"))
    pipeline = {
        "properties": {
            "parameters": {
                "word": {"type": "string", "defaultValue": "x"},
                "many": {"type": "array", "defaultValue": [1, 2]},
                "secret": {"type": "SecureString", "defaultValue": "hidden"},
            },
            "variables": {"kept": {"type": "String"}},
            "annotations": ["one"],
            "activities": [
                {
                    "name": "Keep",
                    "type": "SetVariable",
                    "typeProperties": {
                        "variableName": "kept",
                        "value": "@pipeline().parameters.word",
                    },
                    "userProperties": [{"name": "why", "value": "@variables('kept')"}],
                },
                {
                    "name": "Check",
                    "type": "IfCondition",
                    "dependsOn": [{"activity": "Keep", "dependencyConditions": ["Succeeded"]}],
                    "typeProperties": {
                        "expression": {
                            "value": "@equals(variables('kept'), 'bad')",
                            "type": "Expression",
                        },
                        "ifTrueActivities": [
                            {
                                "name": "No",
                                "type": "Fail",
                                "typeProperties": {"message": "it is bad", "errorCode": "7"},
                            }
                        ],
                    },
                },
            ],
        }
    }
    factories.pipelines.create_or_update(group, "adf-of-runs", "Short", pipeline)
    long = {
        "properties": {
            "activities": [
                {"name": "W", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 300}}
            ]
        }
    }
    factories.pipelines.create_or_update(group, "adf-of-runs", "Long", long)
    yield "adf-of-runs"
    factories.factories.delete(group, "adf-of-runs")


def ended(factories: Any, group: str, factory: str, run_id: str) -> Any:
    """The run when it has ended."""
    for _ in range(200):
        run = factories.pipeline_runs.get(group, factory, run_id)
        if run.status in ("Succeeded", "Failed", "Cancelled"):
            return run
        time.sleep(0.05)
    raise AssertionError(f"{run.status} after ten seconds")


def test_a_run_and_its_activities_are_as_the_service_shows_them(
    factories: Any, group: str, factory: str
) -> None:
    made = factories.pipelines.create_run(group, factory, "short", parameters={"word": "good"})
    run = ended(factories, group, factory, made.run_id)
    assert run.status == "Succeeded"
    assert run.pipeline_name == "Short"
    assert run.parameters == {"word": "good", "many": "[1,2]", "secret": "***"}
    assert run.invoked_by.name == "Manual"
    assert run.run_group_id == run.run_id
    assert run.message == ""
    assert run.is_latest is True
    assert run.duration_in_ms >= 0
    assert run.additional_properties["annotations"] == ["one"]
    rows = factories.activity_runs.query_by_pipeline_run(group, factory, run.run_id, WINDOW).value
    assert {row.activity_name for row in rows} == {"Keep", "Check"}
    keep = next(row for row in rows if row.activity_name == "Keep")
    assert keep.status == "Succeeded"
    assert keep.error == {
        "errorCode": "", "message": "", "failureType": "", "details": "", "target": "Keep",
    }  # fmt: skip
    assert keep.activity_run_start is not None
    assert keep.activity_run_end is not None


def test_a_failure_tells_its_way_up(factories: Any, group: str, factory: str) -> None:
    made = factories.pipelines.create_run(group, factory, "Short", parameters={"word": "bad"})
    run = ended(factories, group, factory, made.run_id)
    assert run.status == "Failed"
    assert "Operation on target" in run.message
    assert "it is bad" in run.message
    filters = {
        **WINDOW,
        "filters": [{"operand": "Status", "operator": "Equals", "values": ["Failed"]}],
        "orderBy": [{"orderBy": "ActivityRunStart", "order": "ASC"}],
    }
    rows = factories.activity_runs.query_by_pipeline_run(group, factory, run.run_id, filters).value
    assert {row.activity_name for row in rows} == {"Check", "No"}
    failed = next(row for row in rows if row.activity_name == "No")
    assert failed.error["errorCode"] == "7"
    assert failed.error["failureType"] == "UserError"


def test_runs_are_found_by_filters_and_cancelled(factories: Any, group: str, factory: str) -> None:
    from azure.core.exceptions import HttpResponseError

    made = factories.pipelines.create_run(group, factory, "Long")
    asked = models().RunFilterParameters(
        **WINDOW,
        filters=[
            models().RunQueryFilter(operand="PipelineName", operator="Equals", values=["long"]),
            models().RunQueryFilter(
                operand="Status", operator="In", values=["InProgress", "Queued"]
            ),
        ],
        order_by=[models().RunQueryOrderBy(order_by="RunStart", order="DESC")],
    )
    found = factories.pipeline_runs.query_by_factory(group, factory, asked).value
    assert [run.run_id for run in found] == [made.run_id]
    factories.pipeline_runs.cancel(group, factory, made.run_id, is_recursive=True)
    assert ended(factories, group, factory, made.run_id).status == "Cancelled"
    with pytest.raises(HttpResponseError) as over:
        factories.pipeline_runs.cancel(group, factory, made.run_id)
    assert over.value.status_code == 400
    asked.filters = [models().RunQueryFilter(operand="Colour", operator="Equals", values=["x"])]
    with pytest.raises(HttpResponseError) as unknown:
        factories.pipeline_runs.query_by_factory(group, factory, asked)
    assert code(unknown) == "InvalidQuery"


def test_a_rerun_is_of_the_same_group(factories: Any, group: str, factory: str) -> None:
    made = factories.pipelines.create_run(group, factory, "Short", parameters={"word": "bad"})
    ended(factories, group, factory, made.run_id)
    again = factories.pipelines.create_run(
        group,
        factory,
        "Short",
        reference_pipeline_run_id=made.run_id,
        is_recovery=True,
        start_from_failure=True,
    )
    run = ended(factories, group, factory, again.run_id)
    assert run.run_group_id == made.run_id
    assert run.is_latest is True
    assert factories.pipeline_runs.get(group, factory, made.run_id).is_latest is False


def test_what_is_not_there(factories: Any, group: str, factory: str) -> None:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    with pytest.raises(ResourceNotFoundError) as pipeline:
        factories.pipelines.create_run(group, factory, "Nothing")
    assert code(pipeline) == "PipelineNotFound"
    with pytest.raises(ResourceNotFoundError) as run:
        factories.pipeline_runs.get(group, factory, "00000000-0000-0000-0000-000000000000")
    assert code(run) == "PipelineRunNotFound"
    with pytest.raises(HttpResponseError) as orphan:
        factories.pipelines.create_run(group, factory, "Short", is_recovery=True)
    assert orphan.value.status_code == 400
