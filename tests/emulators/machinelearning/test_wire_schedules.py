"""Schedules over the wire on a virtual clock: firing, missing, stopping amid it, and refusals."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.kernel.clock import ManualClock
from emulators.kernel.context import Context
from emulators.kernel.store import Store
from emulators.kernel.store_memory import MemoryStore
from emulators.machinelearning.engine.jobs.manager import Jobs, jobs_of
from emulators.machinelearning.engine.schedules import records
from emulators.machinelearning.engine.schedules.watch import Watch
from emulators.machinelearning.store.jobs import JOBS
from emulators.machinelearning.store.schedules import FAILED, SCHEDULES, SUBMITTED, SUBMITTING
from tests.emulators.machinelearning.conftest import World, _begin
from tests.support import make_context

COUNT = itertools.count()
BEGIN = datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC)
HOURLY = {"triggerType": "Cron", "expression": "0 * * * *", "timeZone": "UTC"}
JOB = {"jobType": "Command", "command": "true", "environmentId": "azureml:nowhere:1"}
# The jobs fail, having no environment; what schedules do with them is what is looked at.


def schedule(trigger: Any = None, job: Any = None, **more: Any) -> dict[str, Any]:
    action = {"actionType": "CreateJob", "jobDefinition": JOB if job is None else job}
    return {"trigger": HOURLY if trigger is None else trigger, "action": action, **more}


class Bench:
    """A world on a clock that the test moves, which may be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: Store = MemoryStore()
        self.clock = ManualClock(BEGIN)
        self.world: World | None = None

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Bench]:
        ctx = make_context(self.folder, clock=self.clock, store=self.store, mlflow=False)
        async with AsyncExitStack() as stack:
            http = await _begin(stack, ctx)
            self.ctx, self.http = ctx, http
            yield self
        ctx.ledger.close()

    async def call(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        sub = self.ctx.secrets.subscription_id
        url = (
            f"https://management.azure.com/subscriptions/{sub}/resourceGroups/rehearsal"
            f"/providers/Microsoft.MachineLearningServices/workspaces/rehearsal{path}"
        )
        params = {"api-version": "2024-10-01", **query}
        token = self.ctx.tokens.issue("https://management.azure.com")  # the clock runs far
        headers = {"authorization": f"Bearer {token}"}
        return await self.http.request(method, url, params=params, json=body, headers=headers)

    async def put(self, name: str, properties: dict[str, Any]) -> httpx.Response:
        return await self.call("PUT", f"/schedules/{name}", {"properties": properties})

    async def made(self, name: str) -> list[str]:
        """Display names of the jobs of a schedule, oldest first."""
        listed = (await self.call("GET", "/jobs", scheduleId=name)).json()["value"]
        return [job["properties"]["displayName"] for job in reversed(listed)]

    def told(self) -> list[tuple[str, str]]:
        """What the ledger says of firings: state and when."""
        entries = self.ctx.ledger.entries(kind="schedule")
        return [(e.fields["state"], e.fields["due"][5:16]) for e in entries]


Test = Callable[[Bench], Coroutine[Any, Any, None]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def run(bench: Bench) -> Callable[[Test], None]:
    """Runs a test with the service up."""

    async def whole(test: Test) -> None:
        async with bench.up():
            await test(bench)

    def runner(test: Test) -> None:
        asyncio.run(whole(test))

    return runner


HOUR = 3600.0


def test_it_fires_when_it_is_due_and_says_who_made_the_job(run: Any) -> None:
    async def test(at: Bench) -> None:
        await at.clock.advance(600)
        answer = await at.put("hourly", schedule(tags={"team": "a"}, displayName="Each hour"))
        assert answer.status_code == 201
        assert "azure-asyncoperation" in answer.headers
        shown = (await at.call("GET", "/schedules/HOURLY")).json()
        assert shown["name"] == "hourly"
        assert shown["properties"]["isEnabled"] is True
        assert shown["properties"]["provisioningState"] == "Succeeded"
        assert shown["properties"]["trigger"] == HOURLY
        assert await at.made("hourly") == []
        await at.clock.advance(2 * HOUR)
        assert await at.made("hourly") == ["hourly-20260101T010000Z", "hourly-20260101T020000Z"]
        first = (await at.call("GET", "/jobs/hourly-20260101T010000Z")).json()["properties"]
        assert first["experimentName"] == "hourly"
        assert first["properties"]["azureml.scheduleName"] == "hourly"
        assert first["properties"]["azureml.scheduleTime"] == "2026-01-01T01:00:00Z"
        assert at.told() == [("Submitted", "01-01T01:00"), ("Submitted", "01-01T02:00")]

    run(test)


def test_lists_of_jobs_know_schedules(run: Any) -> None:
    async def test(at: Bench) -> None:
        await at.call("PUT", "/jobs/by-hand", {"properties": JOB})
        await at.put("one", schedule())
        await at.put("two", schedule())
        await at.clock.advance(HOUR)

        async def names(**query: str) -> set[str]:
            return {job["name"] for job in (await at.call("GET", "/jobs", **query)).json()["value"]}

        stamp = "20260101T010000Z"
        assert await names() == {"by-hand", f"one-{stamp}", f"two-{stamp}"}
        assert await names(scheduled="true") == {f"one-{stamp}", f"two-{stamp}"}
        assert await names(scheduleId="ONE") == {f"one-{stamp}"}
        one = (await at.call("GET", "/schedules/one")).json()
        assert await names(scheduleId=one["id"]) == {f"one-{stamp}"}
        assert await names(scheduleId="three") == set()

    run(test)


def test_disabled_it_rests_and_enabled_it_goes_on_with_the_next(run: Any) -> None:
    async def test(at: Bench) -> None:
        await at.put("hourly", schedule())
        await at.clock.advance(HOUR)
        asked = await at.put("hourly", schedule(isEnabled=False))
        assert asked.status_code == 200
        await at.clock.advance(5 * HOUR + 60)
        assert await at.made("hourly") == ["hourly-20260101T010000Z"]
        await at.put("hourly", schedule(isEnabled=True))
        await at.clock.advance(HOUR)
        assert await at.made("hourly") == ["hourly-20260101T010000Z", "hourly-20260101T070000Z"]

    run(test)


def test_views(run: Any) -> None:
    async def test(at: Bench) -> None:
        await at.put("on", schedule())
        await at.put("off", schedule(isEnabled=False))

        async def names(**query: str) -> list[str]:
            found = (await at.call("GET", "/schedules", **query)).json()["value"]
            return [one["name"] for one in found]

        assert await names() == ["on"]
        assert await names(listViewType="EnabledOnly") == ["on"]
        assert await names(listViewType="DisabledOnly") == ["off"]
        assert await names(listViewType="All") == ["off", "on"]
        assert (await at.call("GET", "/schedules", listViewType="Some")).status_code == 400

    run(test)


def test_it_is_deleted_only_when_disabled_and_its_jobs_stay(run: Any) -> None:
    async def test(at: Bench) -> None:
        await at.put("hourly", schedule())
        await at.clock.advance(HOUR)
        refused = await at.call("DELETE", "/schedules/hourly")
        assert refused.status_code == 400
        assert "Disable it" in refused.json()["error"]["message"]
        await at.put("hourly", schedule(isEnabled=False))
        assert (await at.call("DELETE", "/schedules/hourly")).status_code == 202
        assert (await at.call("GET", "/schedules/hourly")).status_code == 404
        assert (await at.call("DELETE", "/schedules/hourly")).status_code == 404
        await at.clock.advance(3 * HOUR)
        assert await at.made("hourly") == ["hourly-20260101T010000Z"]

    run(test)


def test_a_plain_interval_fires_at_once_and_then_keeps_step(run: Any) -> None:
    async def test(at: Bench) -> None:
        await at.clock.advance(83)
        every = {"triggerType": "Recurrence", "frequency": "Minute", "interval": 30,
                 "schedule": {"hours": [], "minutes": []}}  # fmt: skip
        await at.put("often", schedule(every))
        await at.clock.advance(0)
        assert await at.made("often") == ["often-20260101T000130Z"]
        await at.clock.advance(HOUR)
        assert [name[-7:] for name in await at.made("often")] == ["000130Z", "003130Z", "010130Z"]

    run(test)


def test_it_ends(run: Any) -> None:
    async def test(at: Bench) -> None:
        await at.put("brief", schedule({**HOURLY, "endTime": "2026-01-01T02:00:00"}))
        await at.clock.advance(9 * HOUR)
        assert len(await at.made("brief")) == 2
        late = await at.put("late", schedule({**HOURLY, "startTime": "2025-01-01T00:00:00",
                                              "endTime": "2025-06-01T00:00:00"}))  # fmt: skip
        assert late.status_code == 400
        again = await at.put("brief", schedule({**HOURLY, "endTime": "2026-01-01T02:00:00"}))
        assert again.status_code == 200  # an expired one may still be changed, or disabled

    run(test)


def test_missed_firings_are_not_made_up_for_after_a_stop(bench: Bench) -> None:
    async def whole() -> None:
        async with bench.up():
            await bench.put("hourly", schedule())
            await bench.clock.advance(HOUR)
        await bench.clock.advance(3 * HOUR + 60)  # nobody is there
        async with bench.up():
            await bench.clock.advance(HOUR)
            assert await bench.made("hourly") == [
                "hourly-20260101T010000Z", "hourly-20260101T050000Z",
            ]  # fmt: skip
            assert bench.told() == [
                ("Submitted", "01-01T01:00"), ("Missed", "01-01T02:00"),
                ("Submitted", "01-01T05:00"),
            ]  # fmt: skip

    asyncio.run(whole())


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("before", [True, False], ids=["before the job", "after the job"])
def test_a_firing_that_was_begun_is_finished_once_after_a_kill(
    bench: Bench, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Jobs.submit

    def dying(jobs: Jobs, *args: Any) -> Any:
        if not before:
            submit(jobs, *args)
        raise Killed

    async def whole() -> None:
        async with bench.up():
            await bench.put("hourly", schedule())
            with monkeypatch.context() as patch:
                patch.setattr(Jobs, "submit", dying)
                with pytest.raises(Killed):
                    await bench.call("POST", "/schedules/hourly/trigger",
                                     {"scheduleTime": "2026-01-01T00:30:00Z"})  # fmt: skip
        async with bench.up():
            assert await bench.made("hourly") == ["hourly-20260101T003000Z"]
            known = bench.ctx.store.get(SCHEDULES, *_only(bench))
            assert known is not None
            assert [f.state for f in records.firings(bench.ctx, known)] == [SUBMITTED]
        async with bench.up():
            assert len(await bench.made("hourly")) == 1

    asyncio.run(whole())


def _only(bench: Bench) -> tuple[str, str]:
    (found,) = bench.store.scan(SCHEDULES)
    return found.workspace, found.key


def test_a_firing_while_the_host_stops_is_left_for_the_next_start(bench: Bench) -> None:
    async def whole() -> None:
        async with bench.up():
            await bench.put("hourly", schedule())
            jobs_of(bench.ctx).machine.closing = True
            await bench.clock.advance(HOUR)
            (known,) = bench.store.scan(SCHEDULES)
            assert [f.state for f in records.firings(bench.ctx, known)] == [SUBMITTING]
        async with bench.up():
            assert await bench.made("hourly") == ["hourly-20260101T010000Z"]

    asyncio.run(whole())


def test_a_clock_that_went_back_fires_nothing_twice(bench: Bench) -> None:
    async def whole() -> None:
        async with bench.up():
            await bench.put("hourly", schedule())
            await bench.clock.advance(2 * HOUR)
        bench.clock = ManualClock(BEGIN)  # as after `up --time-scale`
        async with bench.up():
            await bench.clock.advance(3 * HOUR)
            assert [name[-7:] for name in await bench.made("hourly")] == [
                "010000Z", "020000Z", "030000Z",
            ]  # fmt: skip

    asyncio.run(whole())


def test_a_machine_that_was_suspended_misses_what_it_slept_through(run: Any) -> None:
    async def test(at: Bench) -> None:
        await at.put("often", schedule({**HOURLY, "expression": "*/10 * * * *"}))
        at.clock._elapsed += 3 * HOUR + 30  # time has passed, and no sleeper was woken
        await at.clock.advance(HOUR)
        assert [name[-7:] for name in await at.made("often")] == [
            "030000Z", "031000Z", "032000Z", "033000Z", "034000Z", "035000Z", "040000Z",
        ]  # fmt: skip
        assert ("Missed", "01-01T00:10") in at.told()

    run(test)


def test_a_job_that_cannot_be_made_is_a_failed_firing(run: Any) -> None:
    async def test(at: Bench) -> None:
        await at.call("PUT", "/jobs/origin", {"properties": JOB})
        refers = {"jobType": "Pipeline", "sourceJobId": "azureml:origin"}
        await at.put("again", schedule(job=refers))
        (found,) = [job for job in at.store.scan(JOBS) if job.name == "origin"]
        at.store.delete(JOBS, found.workspace, "origin")
        await at.clock.advance(HOUR)
        (known,) = at.store.scan(SCHEDULES)
        (fired,) = records.firings(at.ctx, known)
        assert fired.state == FAILED
        assert "origin" in str(fired.error)
        by_hand = await at.call("POST", "/schedules/again/trigger", {})
        assert by_hand.status_code == 400
        await at.clock.advance(HOUR)
        assert len(records.firings(at.ctx, known)) == 3

    run(test)


def test_a_job_by_reference_is_the_same_with_its_changes(run: Any) -> None:
    async def test(at: Bench) -> None:
        source = {
            **JOB,
            "experimentName": "mine",
            "inputs": {"a": {"jobInputType": "literal", "value": "1"},
                       "b": {"jobInputType": "literal", "value": "2"}},
            "outputs": {"o": {"jobOutputType": "uri_folder"}},
        }  # fmt: skip
        await at.call("PUT", "/jobs/origin", {"properties": source})
        origin = (await at.call("GET", "/jobs/origin")).json()
        changes = {
            "jobType": "Pipeline",
            "sourceJobId": origin["id"],
            "experimentName": "",
            "inputs": {
                "b": {
                    "jobInputType": "literal",
                    "value": "at ${{creation_context.trigger_time}} ${{inputs.a}}",
                }
            },
            "outputs": {
                "o": {
                    "jobOutputType": "uri_folder",
                    "uri": "azureml://datastores/workspaceblobstore/paths/x/${{name}}",
                }
            },
        }
        assert (await at.put("again", schedule(job=changes))).status_code == 201
        await at.clock.advance(HOUR)
        made = (await at.call("GET", "/jobs/again-20260101T010000Z")).json()["properties"]
        assert made["jobType"] == "Command"
        assert made["command"] == "true"
        assert made["experimentName"] == "again"
        assert made["inputs"]["a"]["value"] == "1"
        assert made["inputs"]["b"]["value"] == "at 2026-01-01T01:00:00Z ${{inputs.a}}"
        assert made["outputs"]["o"]["uri"].endswith("/x/again-20260101T010000Z")
        assert "sourceJobId" not in made

    run(test)


def test_by_hand(run: Any) -> None:
    async def test(at: Bench) -> None:
        await at.put("hourly", schedule())
        when = {"scheduleTime": "2026-01-01T00:05:00.250000+00:00"}
        fired = (await at.call("POST", "/schedules/hourly/trigger", when)).json()
        assert fired == {
            "scheduleActionType": "CreateJob", "submissionId": "hourly-20260101T000500Z",
        }  # fmt: skip
        again = (await at.call("POST", "/schedules/hourly/trigger", when)).json()
        assert again == fired  # a request that a client sent twice
        later = {"scheduleTime": "2026-01-01T00:05:00.750000+00:00"}
        other = (await at.call("POST", "/schedules/hourly/trigger", later)).json()
        assert other["submissionId"] == "hourly-20260101T000500Z-2"
        bad = await at.call("POST", "/schedules/hourly/trigger", {"scheduleTime": "soon"})
        assert bad.status_code == 400
        await at.put("hourly", schedule(isEnabled=False))
        refused = await at.call("POST", "/schedules/hourly/trigger", {})
        assert refused.status_code == 400
        assert (await at.call("POST", "/schedules/none/trigger", {})).status_code == 404

    run(test)


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({}, 400),
    ({"trigger": HOURLY}, 400),
    (schedule(trigger={"triggerType": "Cron", "expression": "x"}), 400),
    (schedule(isEnabled="yes"), 400),
    (schedule(tags=[1]), 400),
    (schedule(description=3), 400),
    (schedule(job=[]), 400),
    (schedule(job={"jobType": "Pipeline", "sourceJobId": "azureml:none"}), 400),
    (schedule(job={"jobType": "Pipeline", "sourceJobId": 7}), 400),
    (schedule(job={"jobType": "Pipeline", "jobs": {}}), 400),
    (schedule(job={"jobType": "Command"}), 400),
    (schedule(job={"jobType": "Spark"}), 501),
    ({"trigger": HOURLY, "action": {"actionType": "CreateMonitor"}}, 501),
    ({"trigger": HOURLY, "action": {"actionType": "InvokeBatchEndpoint"}}, 501),
    ({"trigger": HOURLY, "action": {"actionType": "ImportData"}}, 501),
    ({"trigger": HOURLY, "action": {"actionType": "Dance"}}, 400),
]


def test_refusals(run: Any) -> None:
    async def test(at: Bench) -> None:
        for properties, status in REFUSED:
            answer = await at.put("bad", properties)
            assert answer.status_code == status, (properties, answer.text)
            assert (await at.call("GET", "/schedules/bad")).status_code == 404

    run(test)


def test_names(run: Any) -> None:
    async def test(at: Bench) -> None:
        for name in ("-a", "a.b", "a" * 201):
            assert (await at.put(name, schedule())).status_code == 400
        assert (await at.put("a" * 200, schedule())).status_code == 201

    run(test)


def test_firings_that_are_kept_are_bounded(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from emulators.machinelearning.engine.schedules import watch

    monkeypatch.setattr(watch, "KEPT", 3)

    async def test(at: Bench) -> None:
        await at.put("hourly", schedule())
        await at.clock.advance(6 * HOUR)
        (known,) = at.store.scan(SCHEDULES)
        assert [f.at[11:13] for f in records.firings(at.ctx, known)] == ["04", "05", "06"]
        assert len(await at.made("hourly")) == 6

    run(test)


def test_a_workspace_that_is_gone_fires_nothing(bench: Bench) -> None:
    async def whole() -> None:
        async with bench.up():
            await bench.put("hourly", schedule())
            assert (await bench.call("DELETE", "")).status_code == 202
            assert list(bench.store.scan(SCHEDULES)) == []
            await bench.clock.advance(3 * HOUR)
            assert list(bench.store.scan(JOBS)) == []
            assert bench.told() == []

    asyncio.run(whole())


def test_any_number_of_schedules_fire_each_instant_once(run: Any) -> None:
    async def test(at: Bench) -> None:
        begin = at.clock.now().replace(second=0)
        for number in range(12):
            every = f"*/{number + 5} * * * *"
            await at.put(f"s{number}", schedule({**HOURLY, "expression": every}))
        await at.clock.advance(HOUR)
        for number in range(12):
            walk = [begin + timedelta(minutes=m) for m in range(1, 61)]
            due = [f"s{number}-{w:%Y%m%dT%H%M%SZ}" for w in walk if w.minute % (number + 5) == 0]
            assert await at.made(f"s{number}") == due

    run(test)


def test_watch_is_the_contexts_own(bench: Bench) -> None:
    async def whole() -> None:
        from emulators.machinelearning.engine.schedules.watch import watch_of

        async with bench.up():
            assert isinstance(watch_of(bench.ctx), Watch)
            assert isinstance(bench.ctx, Context)
        with pytest.raises(KeyError):
            watch_of(bench.ctx)

    asyncio.run(whole())
