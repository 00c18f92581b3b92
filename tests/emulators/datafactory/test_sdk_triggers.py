"""azure-mgmt-datafactory 9.3.0, unmodified: triggers, their runs, and events of real blobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.running import Rehearsal

WITHIN_S = 30.0


def until(found: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    """What `found` returns once it is anything; the test fails when it stays nothing."""
    deadline = time.monotonic() + within_s
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return value


def models() -> Any:
    """The client's models; what they say of their types is narrower than what they take."""
    from azure.mgmt.datafactory import models as typed

    return typed


@pytest.fixture(scope="module")
def factory(factories: Any, group: str) -> Iterator[str]:
    m = models()

    name = "triggered-factory"
    factories.factories.create_or_update(group, name, m.Factory(location="eastus"))
    pipeline = m.PipelineResource(
        parameters={
            "a": m.ParameterSpecification(type="String", default_value=""),
            "b": m.ParameterSpecification(type="String", default_value=""),
        },
        activities=[m.WaitActivity(name="W", wait_time_in_seconds=1)],
    )
    factories.pipelines.create_or_update(group, name, "p", pipeline)
    yield name
    factories.factories.delete(group, name)


def starts(**parameters: str) -> Any:
    m = models()

    reference = m.PipelineReference(type="PipelineReference", reference_name="p")
    return m.TriggerPipelineReference(pipeline_reference=reference, parameters=parameters)


def runs_of(factories: Any, group: str, factory: str, trigger: str) -> list[Any]:
    m = models()

    now = datetime.now(UTC)
    asked = m.RunFilterParameters(
        last_updated_after=now - timedelta(days=1),
        last_updated_before=now + timedelta(days=1),
        filters=[m.RunQueryFilter(operand="TriggerName", operator="Equals", values=[trigger])],
    )
    return list(factories.trigger_runs.query_by_factory(group, factory, asked).value)


def test_a_schedule_trigger(factories: Any, group: str, factory: str) -> None:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    m = models()

    triggers = factories.triggers
    recurrence = m.ScheduleTriggerRecurrence(
        frequency="Minute",
        interval=1,
        start_time=datetime.now(UTC) + timedelta(seconds=1),
        time_zone="UTC",
    )
    wanted = m.TriggerResource(
        properties=m.ScheduleTrigger(
            pipelines=[starts(a="@trigger().scheduledTime")], recurrence=recurrence
        )
    )
    made = triggers.create_or_update(group, factory, "sched", wanted)
    assert made.properties.runtime_state == "Stopped"
    triggers.begin_start(group, factory, "sched").result()
    assert triggers.get(group, factory, "sched").properties.runtime_state == "Started"
    with pytest.raises(HttpResponseError, match="TriggerEnabledCannotUpdate"):
        triggers.create_or_update(group, factory, "sched", wanted)
    [run] = until(lambda: runs_of(factories, group, factory, "sched"))
    assert (run.trigger_type, run.status) == ("ScheduleTrigger", "Succeeded")
    pipeline = factories.pipeline_runs.get(group, factory, run.triggered_pipelines["p"])
    assert pipeline.invoked_by.name == "sched"
    assert pipeline.parameters["a"] == run.properties["ScheduleTime"]
    triggers.begin_stop(group, factory, "sched").result()
    assert "sched" in [one.name for one in triggers.list_by_factory(group, factory)]
    listed = triggers.query_by_factory(group, factory, m.TriggerFilterParameters()).value
    assert "sched" in [one.name for one in listed]
    with pytest.raises(HttpResponseError, match="only runs of tumbling window"):
        factories.trigger_runs.rerun(group, factory, "sched", run.trigger_run_id)
    triggers.delete(group, factory, "sched")
    with pytest.raises(ResourceNotFoundError, match="TriggerNotFound"):
        triggers.get(group, factory, "sched")


def test_a_tumbling_window_trigger(factories: Any, group: str, factory: str) -> None:
    m = models()

    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    windows = m.TumblingWindowTrigger(
        pipeline=starts(a="@trigger().outputs.windowStartTime"),
        frequency="Hour",
        interval=1,
        start_time=start,
        max_concurrency=2,
        retry_policy=m.RetryPolicy(count=1, interval_in_seconds=30),
        depends_on=[
            m.SelfDependencyTumblingWindowTriggerReference(offset="-01:00:00", size="01:00:00")
        ],
    )
    factories.triggers.create_or_update(group, factory, "tumble", m.TriggerResource(
        properties=windows
    ))  # fmt: skip
    factories.triggers.begin_start(group, factory, "tumble").result()

    def ended() -> list[Any]:
        found = runs_of(factories, group, factory, "tumble")
        return found if len(found) >= 3 and all(r.status == "Succeeded" for r in found) else []

    found = until(ended)
    begun = sorted(one.properties["windowStartTime"] for one in found)
    assert begun[0] == start.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
    assert len(set(begun)) == len(begun)
    factories.trigger_runs.rerun(group, factory, "tumble", found[0].trigger_run_id)
    assert until(ended)
    factories.triggers.begin_stop(group, factory, "tumble").result()
    factories.triggers.delete(group, factory, "tumble")


def test_events_of_blobs(azure_env: Rehearsal, factories: Any, group: str, factory: str) -> None:
    m = models()
    from azure.storage.blob import BlobServiceClient

    env = azure_env.env
    account = env["AZURE_STORAGE_ACCOUNT"]
    scope = (
        f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{group}"
        f"/providers/Microsoft.Storage/storageAccounts/{account}"
    )
    events = m.BlobEventsTrigger(
        pipelines=[starts(a="@triggerBody().folderPath", b="@triggerBody().fileName")],
        events=["Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted"],
        scope=scope,
        blob_path_begins_with="/landing/blobs/in/",
        blob_path_ends_with=".csv",
        ignore_empty_blobs=True,
    )
    triggers = factories.triggers
    triggers.create_or_update(group, factory, "landed", m.TriggerResource(properties=events))
    triggers.begin_start(group, factory, "landed").result()
    status = triggers.get_event_subscription_status(group, factory, "landed")
    assert (status.trigger_name, status.status) == ("landed", "Enabled")
    connection = env["AZURE_STORAGE_CONNECTION_STRING"]
    with BlobServiceClient.from_connection_string(connection) as service:
        container = service.create_container("landing")
        container.upload_blob("in/deep/one.csv", b"1")
        container.upload_blob("in/two.csv", b"2" * 9_000_000, max_concurrency=2)  # in blocks
        container.upload_blob("in/three.txt", b"3")
        container.upload_blob("elsewhere/four.csv", b"4")
        container.upload_blob("in/empty.csv", b"")
        until(lambda: len(runs_of(factories, group, factory, "landed")) >= 2)
        container.delete_blob("in/two.csv")
        until(lambda: len(runs_of(factories, group, factory, "landed")) >= 3)
        triggers.begin_stop(group, factory, "landed").result()
        status = triggers.get_event_subscription_status(group, factory, "landed")
        assert status.status == "Disabled"
        container.upload_blob("in/five.csv", b"5")
        container.delete_container()

    def said() -> list[tuple[str, str]]:
        runs = runs_of(factories, group, factory, "landed")
        if any(run.status == "Inprogress" for run in runs):
            return []
        found = []
        for run in runs:
            pipeline = factories.pipeline_runs.get(group, factory, run.triggered_pipelines["p"])
            found.append((pipeline.parameters["a"], pipeline.parameters["b"]))
        return sorted(found)

    assert until(said) == [
        ("landing/in", "two.csv"), ("landing/in", "two.csv"), ("landing/in/deep", "one.csv"),
    ]  # fmt: skip
    triggers.begin_subscribe_to_events(group, factory, "landed").result()
    triggers.begin_unsubscribe_from_events(group, factory, "landed").result()
    triggers.delete(group, factory, "landed")


def test_custom_events_are_refused(factories: Any, group: str, factory: str) -> None:
    from azure.core.exceptions import HttpResponseError

    m = models()

    custom = m.CustomEventsTrigger(pipelines=[starts()], events=["x"], scope="/any")
    triggers = factories.triggers
    triggers.create_or_update(group, factory, "custom", m.TriggerResource(properties=custom))
    with pytest.raises(HttpResponseError, match="NotEmulated") as refused:
        triggers.begin_start(group, factory, "custom").result()
    assert refused.value.status_code == 501
    triggers.delete(group, factory, "custom")


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_triggers_of_a_synapse_workspace(azure_env: Rehearsal, credential: Any) -> None:
    from azure.core.exceptions import ResourceNotFoundError
    from azure.synapse.artifacts import ArtifactsClient
    from azure.synapse.artifacts import models as typed

    m: Any = typed

    client = ArtifactsClient(credential, "https://rehearsal.dev.azuresynapse.net")
    wait = m.WaitActivity(name="W", wait_time_in_seconds=0)
    pipeline = m.PipelineResource(
        activities=[wait], parameters={"a": m.ParameterSpecification(type="String")}
    )
    client.pipeline.begin_create_or_update_pipeline("triggered", pipeline).result()
    reference = m.PipelineReference(type="PipelineReference", reference_name="triggered")
    window = m.TumblingWindowTrigger(
        pipeline=m.TriggerPipelineReference(
            pipeline_reference=reference,
            parameters={"a": "@trigger().outputs.windowEndTime"},
        ),
        frequency="Hour",
        interval=1,
        start_time=datetime(2026, 1, 1, tzinfo=UTC),
        end_time=datetime(2026, 1, 1, 3, tzinfo=UTC),
        max_concurrency=5,
    )
    trigger = client.trigger
    made = trigger.begin_create_or_update_trigger("syn", window)
    assert made.result().properties.runtime_state == "Stopped"
    trigger.begin_start_trigger("syn").result()
    now = datetime.now(UTC)
    asked = m.RunFilterParameters(
        last_updated_after=now - timedelta(hours=1), last_updated_before=now + timedelta(hours=1)
    )

    def ended() -> list[Any]:
        found = client.trigger_run.query_trigger_runs_by_workspace(asked).value
        return [run for run in found if run.trigger_name == "syn" and run.status == "Succeeded"]

    runs = until(lambda: len(ended()) == 3 and ended())
    client.trigger_run.rerun_trigger_instance("syn", runs[0].trigger_run_id)
    trigger.begin_stop_trigger("syn").result()
    assert "syn" in [one.name for one in trigger.get_triggers_by_workspace()]
    trigger.begin_delete_trigger("syn").result()
    with pytest.raises(ResourceNotFoundError):
        trigger.get_trigger("syn")
    client.pipeline.begin_delete_pipeline("triggered").result()
