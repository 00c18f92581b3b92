"""Schedules by the unmodified client against a host on which a week passes in a second."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from tests.running import Rehearsal, started

WEEK_A_SECOND = "604800"
SUNDAYS = "0 0 * * 0"


@dataclass
class Fast:
    """A host whose clock runs fast, a client of it, and a job that prints when it was due."""

    host: Rehearsal
    client: Any
    job: Any

    def made(self, name: str) -> list[Any]:
        """The jobs of a schedule, oldest first."""
        found: list[Any] = list(self.client.jobs.list(scheduled_job_name=name))
        return found[::-1]

    def until(self, holds: Callable[[], Any], seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := holds():
                return found
            time.sleep(0.1)
        raise AssertionError("it did not come to be in time")


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fast]:
    folder = tmp_path_factory.mktemp("fast")
    with (
        started(folder, "--time-scale", WEEK_A_SECOND) as host,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in host.env.items():
            patch.setenv(name, value)
        from azure.ai.ml import MLClient, command, dsl
        from azure.ai.ml.entities import Environment
        from azure.identity import ClientSecretCredential

        env = host.env
        credential = ClientSecretCredential(
            env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
        )
        at = (env["AZURE_SUBSCRIPTION_ID"], env["AZURE_RESOURCE_GROUP"])
        client = MLClient(credential, *at, env["AZUREML_WORKSPACE_NAME"])
        image = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
        client.environments.create_or_update(Environment(name="plain", image=image))
        say = command(
            command="echo due ${{inputs.at}}", environment="plain@latest", inputs={"at": "x"}
        )

        @dsl.pipeline(compute="serverless")  # type: ignore[call-overload, misc, untyped-decorator, unused-ignore]
        def pipe(at: str) -> None:
            say(at=at)

        yield Fast(host, client, pipe(at="${{creation_context.trigger_time}}"))


def test_a_weekly_pipeline_runs_each_week(fast: Fast) -> None:
    from azure.ai.ml.entities import CronTrigger, JobSchedule

    schedules = fast.client.schedules
    weekly = JobSchedule(
        name="weekly",
        trigger=CronTrigger(expression=SUNDAYS, time_zone="W. Europe Standard Time"),
        create_job=fast.job,
        tags={"team": "a"},
    )
    made = schedules.begin_create_or_update(weekly).result()
    assert made.is_enabled
    assert made.trigger.time_zone == "W. Europe Standard Time"
    assert made.tags == {"team": "a"}
    ended = fast.until(lambda: [j for j in fast.made("weekly") if j.status == "Completed"])
    due = ended[0].properties["azureml.scheduleTime"]
    stamp = due.replace("-", "").replace(":", "")
    assert ended[0].display_name == f"weekly-{stamp}"
    assert ended[0].experiment_name == "weekly"
    (child,) = fast.client.jobs.list(parent_job_name=ended[0].name)
    assert f"due {due}" in fast.host.rehearse("logs", child.name)
    assert {j.name for j in ended} <= {j.name for j in fast.client.jobs.list(schedule_defined=True)}

    assert [one.name for one in schedules.list()] == ["weekly"]
    off = schedules.begin_disable("weekly").result()
    assert off.is_enabled is False
    assert list(schedules.list()) == []
    count = len(fast.made("weekly"))
    time.sleep(2.5)
    assert len(fast.made("weekly")) == count
    with pytest.raises(HttpResponseError, match="disabled"):
        schedules.trigger("weekly")
    schedules.begin_enable("weekly").result()
    fast.until(lambda: len(fast.made("weekly")) > count)
    with pytest.raises(HttpResponseError, match="Disable it"):
        schedules.begin_delete("weekly").result()
    schedules.begin_disable("weekly").result()
    schedules.begin_delete("weekly").result()
    assert list(schedules.list(list_view_type="All")) == []
    assert len(fast.made("weekly")) > count  # what it made stays


def test_a_recurrence_of_an_existing_job_by_hand(fast: Fast) -> None:
    from azure.ai.ml.entities import JobSchedule, RecurrencePattern, RecurrenceTrigger

    origin = fast.client.jobs.create_or_update(fast.job)
    monthly = RecurrenceTrigger(
        frequency="month", interval=16, start_time="2400-01-01T00:00:00",
        schedule=RecurrencePattern(hours=[6], minutes=[0, 30], month_days=[1, 15]),
    )  # fmt: skip
    made = fast.client.schedules.begin_create_or_update(
        JobSchedule(name="rare", trigger=monthly, create_job=origin.id)
    ).result()
    assert made.trigger.schedule.month_days == [1, 15]
    fired = fast.client.schedules.trigger("rare")
    assert fired.schedule_action_type == "CreateJob"
    job = fast.client.jobs.get(fired.job_name)
    assert job.properties["azureml.scheduleName"] == "rare"
    assert set(job.jobs) == set(origin.jobs)
    assert [one.name for one in fast.made("rare")] == [fired.job_name]


def test_a_killed_host_fires_no_instant_twice(fast: Fast, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.ai.ml.entities import JobSchedule, RecurrenceTrigger

    origin = fast.client.jobs.create_or_update(fast.job)
    fast.client.schedules.begin_create_or_update(
        JobSchedule(
            name="daily",
            trigger=RecurrenceTrigger(frequency="day", interval=1, time_zone="UTC"),
            create_job=origin.id,
        )
    ).result()
    for wait_s in (0.4, 0.9, 0.15):
        time.sleep(wait_s)
        fast.host.kill()
        fast.host.up()
    for name, value in fast.host.env.items():  # it listens elsewhere now
        monkeypatch.setenv(name, value)
    # Its clock begins anew at each start, so instants come that it has fired before.
    fast.client.schedules.begin_disable("daily").result()
    shown = [job.display_name for job in fast.made("daily")]
    assert len(shown) == len(set(shown)) > 1
    assert sorted(shown) == sorted(job.name for job in fast.made("daily"))
