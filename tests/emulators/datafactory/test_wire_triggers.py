"""Triggers on a clock that is moved by hand: schedules, windows, dependencies, reruns, restarts."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emulators.kernel.store_memory import MemoryStore
from tests.emulators.datafactory.triggering import FAIL, START, WAIT, Plant, played

EVERY_QUARTER = {"frequency": "Minute", "interval": 15, "startTime": "2026-01-01T00:00:00Z"}


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_schedule_fires_and_hands_on_what_it_knows(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        given = {"a": "@trigger().scheduledTime", "b": "@{trigger().name}-@{trigger().startTime}"}
        made = await plant.trigger("t", "ScheduleTrigger", "p", given, recurrence=EVERY_QUARTER)
        assert made.json()["properties"]["runtimeState"] == "Stopped"
        await plant.pass_s(3600)
        assert await plant.runs("t") == []
        await plant.start("t")
        await plant.pass_s(1800)
        fired = await plant.runs("t")
        assert [one["properties"]["ScheduleTime"][:16] for one in fired] == [
            "2026-01-01T01:00", "2026-01-01T01:15", "2026-01-01T01:30",
        ]  # fmt: skip
        assert {one["status"] for one in fired} == {"Succeeded"}
        runs = await plant.pipeline_runs()
        assert [one["triggeredPipelines"]["p"] for one in fired] == [one["runId"] for one in runs]
        assert runs[0]["invokedBy"] == {
            "id": fired[0]["triggerRunId"], "name": "t", "invokedByType": "ScheduleTrigger",
        }  # fmt: skip
        moment = "2026-01-01T01:00:00.0000000Z"
        assert runs[0]["parameters"] == {"a": moment, "b": f"t-{moment}"}
        await plant.stop("t")
        await plant.pass_s(3600)
        assert len(await plant.runs("t")) == 3

    played(tmp_path, play)


def test_what_is_started_cannot_be_changed(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        await plant.trigger("t", "ScheduleTrigger", recurrence=EVERY_QUARTER)
        await plant.start("t")
        await plant.start("t")  # harmless
        shown = (await plant.call("GET", "/triggers/T")).json()
        assert shown["properties"]["runtimeState"] == "Started"
        changed = await plant.trigger("t", "ScheduleTrigger", recurrence=EVERY_QUARTER)
        assert code(changed) == (400, "TriggerEnabledCannotUpdate")
        assert code(await plant.call("DELETE", "/triggers/t"))[0] == 400
        assert (await plant.call("DELETE", "/pipelines/p")).status_code == 400
        await plant.stop("t")
        assert (await plant.call("DELETE", "/triggers/t")).status_code == 200
        assert (await plant.call("DELETE", "/triggers/t")).status_code == 204
        assert code(await plant.call("GET", "/triggers/t")) == (404, "TriggerNotFound")
        assert code(await plant.call("POST", "/triggers/t/start")) == (404, "TriggerNotFound")

    played(tmp_path, play)


def test_a_firing_that_cannot_start_its_pipeline_says_why(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        given = {"a": "@trigger().outputs.nothing"}
        await plant.trigger("t", "ScheduleTrigger", "p", given, recurrence=EVERY_QUARTER)
        await plant.start("t")
        fired = await plant.runs("t")
        assert [(one["status"], one["triggeredPipelines"]) for one in fired] == [("Failed", {})]
        assert "'nothing' doesn't exist" in fired[0]["message"]

    played(tmp_path, play)


def windows(**more: Any) -> dict[str, Any]:
    return {
        "frequency": "Hour", "interval": 1, "startTime": "2025-12-31T20:00:00Z",
        "maxConcurrency": 2, **more,
    }  # fmt: skip


def test_windows_are_made_up_for_and_then_kept_up_with(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        parameters = {
            "a": "@trigger().outputs.windowStartTime",
            "b": "@{formatDateTime(trigger().outputs.windowEndTime, 'HH:mm')}",
        }
        made = await plant.trigger("w", "TumblingWindowTrigger", "p", parameters, **windows())
        assert made.status_code == 200, made.text
        await plant.start("w")
        await plant.pass_s(1)
        assert [status for _, status in await plant.windows("w")] == ["Inprogress"] * 2
        await plant.pass_s(200)
        assert await plant.windows("w") == [
            (f"2025-12-31T{hour}:00", "Succeeded") for hour in (20, 21, 22, 23)
        ]
        runs = await plant.pipeline_runs()
        given = sorted((one["parameters"]["a"][:13], one["parameters"]["b"]) for one in runs)
        assert given == [
            ("2025-12-31T20", "21:00"), ("2025-12-31T21", "22:00"),
            ("2025-12-31T22", "23:00"), ("2025-12-31T23", "00:00"),
        ]  # fmt: skip
        began = {one["parameters"]["a"][11:13]: one["runStart"] for one in runs}
        assert began["20"] == began["21"] < began["22"] == began["23"]
        await plant.pass_s(3600)
        assert (await plant.windows("w"))[-1] == ("2026-01-01T00:00", "Succeeded")
        await plant.stop("w")
        await plant.pass_s(2 * 3600)
        assert len(await plant.windows("w")) == 5
        await plant.start("w")  # goes on where it was
        await plant.pass_s(200)
        assert len(await plant.windows("w")) == 7

    played(tmp_path, play)


def test_a_delay_and_an_end(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        given = windows(
            startTime="2026-01-01T00:00:00Z", endTime="2026-01-01T02:00:00Z", delay="00:10:00"
        )
        await plant.trigger("w", "TumblingWindowTrigger", **given)
        await plant.start("w")
        await plant.pass_s(3600 + 599)
        assert await plant.windows("w") == []
        await plant.pass_s(62)
        assert await plant.windows("w") == [("2026-01-01T00:00", "Succeeded")]
        await plant.pass_s(5 * 3600)
        assert len(await plant.windows("w")) == 2
        refused = await plant.trigger("w", "TumblingWindowTrigger", **{**given, "interval": 2})
        assert code(refused)[0] == 400  # it is started
        await plant.stop("w")
        refused = await plant.trigger("w", "TumblingWindowTrigger", **{**given, "interval": 2})
        assert "cannot be changed" in refused.json()["error"]["message"]
        longer = {**given, "endTime": "2026-01-01T03:00:00Z"}
        assert (await plant.trigger("w", "TumblingWindowTrigger", **longer)).status_code == 200
        await plant.start("w")
        await plant.pass_s(100)
        assert len(await plant.windows("w")) == 3

    played(tmp_path, play)


def test_failed_windows_are_tried_again_and_can_be_rerun(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", FAIL)
        given = windows(
            startTime="2025-12-31T23:00:00Z", retryPolicy={"count": 2, "intervalInSeconds": 40}
        )
        await plant.trigger("w", "TumblingWindowTrigger", **given)
        await plant.start("w")
        await plant.pass_s(30)
        assert [status for _, status in await plant.windows("w")] == ["Inprogress"]
        await plant.pass_s(100)
        [run] = await plant.runs("w")
        assert run["status"] == "Failed"
        assert "F" in run["message"]
        assert len(await plant.pipeline_runs()) == 3
        path = f"/triggers/w/triggerRuns/{run['triggerRunId']}"
        assert code(await plant.call("POST", f"{path}/cancel")) == (400, "InvalidTriggerRunState")
        await plant.pipeline("p", WAIT)  # repaired
        assert (await plant.call("POST", f"{path}/rerun")).status_code == 200
        await plant.pass_s(61)
        assert [status for _, status in await plant.windows("w")] == ["Succeeded"]
        assert len(await plant.pipeline_runs()) == 4
        missing = await plant.call("POST", "/triggers/w/triggerRuns/none/rerun")
        assert code(missing) == (404, "TriggerRunNotFound")

    played(tmp_path, play)


def test_a_window_is_cancelled_with_its_pipeline(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        await plant.trigger("w", "TumblingWindowTrigger", **windows(maxConcurrency=1))
        await plant.start("w")
        await plant.pass_s(10)
        [run] = await plant.runs("w")
        path = f"/triggers/w/triggerRuns/{run['triggerRunId']}"
        assert code(await plant.call("POST", f"{path}/rerun")) == (400, "InvalidTriggerRunState")
        assert (await plant.call("POST", f"{path}/cancel")).status_code == 200
        await plant.pass_s(1)
        assert (await plant.runs("w"))[0]["status"] == "Cancelled"
        assert (await plant.pipeline_runs())[0]["status"] == "Cancelled"
        assert (await plant.windows("w"))[1] == ("2025-12-31T21:00", "Inprogress")

    played(tmp_path, play)


def depends(trigger: str | None = None, **more: str) -> dict[str, Any]:
    if trigger is None:
        return {"type": "SelfDependencyTumblingWindowTriggerReference", **more}
    reference = {"referenceName": trigger, "type": "TriggerReference"}
    kind = "TumblingWindowTriggerDependencyReference"
    return {"type": kind, "referenceTrigger": reference, **more}


def test_windows_wait_for_those_of_another_trigger(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        await plant.pipeline("q", FAIL)
        await plant.trigger("up", "TumblingWindowTrigger", "q", **windows(maxConcurrency=1))
        await plant.trigger(
            "down", "TumblingWindowTrigger", **windows(interval=2, dependsOn=[depends("up")])
        )
        await plant.start("down")
        await plant.start("up")
        await plant.pass_s(10)
        assert {status for _, status in await plant.windows("up")} == {"Failed"}
        waiting = await plant.runs("down")
        assert [one["status"] for one in waiting] == ["Waiting", "Waiting"]
        assert waiting[0]["dependencyStatus"] == {"up": "WaitingOnDependency"}
        await plant.pipeline("q", WAIT)
        for one in await plant.runs("up"):
            path = f"/triggers/up/triggerRuns/{one['triggerRunId']}/rerun"
            assert (await plant.call("POST", path)).status_code == 200
        await plant.until_windows("down", ["Inprogress", "Waiting"])
        await plant.until_windows("down", ["Succeeded", "Succeeded"])
        done = await plant.runs("down")
        assert done[0]["dependencyStatus"] == {"up": "Succeeded"}
        gone = await plant.call("DELETE", "/triggers/up")
        assert gone.status_code == 400

    played(tmp_path, play)


def test_windows_wait_for_the_ones_before_them(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        itself = depends(offset="-01:00:00", size="01:00:00")
        await plant.trigger(
            "w", "TumblingWindowTrigger", **windows(maxConcurrency=10, dependsOn=[itself])
        )
        await plant.start("w")
        for done in range(4):
            states = [status for _, status in await plant.windows("w")]
            assert states == ["Succeeded"] * done + ["Inprogress"] + ["Waiting"] * (3 - done)
            await plant.pass_s(60)
        assert {status for _, status in await plant.windows("w")} == {"Succeeded"}

    played(tmp_path, play)


def test_a_dependency_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        await plant.trigger("up", "TumblingWindowTrigger", **windows())
        given = windows(endTime="2025-12-31T21:00:00Z", dependsOn=[depends("up")])
        await plant.trigger("down", "TumblingWindowTrigger", **given)
        await plant.start("down")
        for _ in range(8 * 24):
            await plant.clock.advance(3600)
        await plant.settle()
        [run] = await plant.runs("down")
        assert (run["status"], run["message"]) == ("Failed", "A dependency was not met in 7 days.")

    played(tmp_path, play)


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("TumblingWindowTrigger", windows(frequency="Day"), "frequency"),
        ("TumblingWindowTrigger", windows(frequency="Minute", interval=4), "at least 5"),
        ("TumblingWindowTrigger", windows(startTime=None), "startTime"),
        ("TumblingWindowTrigger", windows(maxConcurrency=51), "from 1 to 50"),
        ("TumblingWindowTrigger", windows(delay="soon"), "span"),
        ("TumblingWindowTrigger", windows(retryPolicy={"intervalInSeconds": 29}), "from 30"),
        ("TumblingWindowTrigger", windows(dependsOn=[depends()]), "negative offset"),
        ("TumblingWindowTrigger", windows(dependsOn=[depends("none")]), "none"),
        ("TumblingWindowTrigger", windows(dependsOn=[depends("s")]), "no windows"),
        ("TumblingWindowTrigger", windows(dependsOn=[depends("dep")] * 6), "at most 5"),
        ("ScheduleTrigger", {}, "recurrence"),
        ("ScheduleTrigger", {"recurrence": {"frequency": "Day", "interval": 0}}, "interval"),
        ("BlobEventsTrigger", {"events": ["x"], "scope": "/x"}, "storage account"),
        ("NoSuchTrigger", {}, "NoSuchTrigger"),
    ],
)
def test_what_cannot_be_published(tmp_path: Path, kind: str, given: Any, words: str) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        await plant.trigger("s", "ScheduleTrigger", recurrence=EVERY_QUARTER)
        refused = await plant.trigger("x", kind, **given)
        assert refused.status_code == 400, refused.text
        assert words in refused.json()["error"]["message"]

    played(tmp_path, play)


def test_triggers_may_not_wait_for_each_other(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        await plant.trigger("one", "TumblingWindowTrigger", **windows())
        await plant.trigger("two", "TumblingWindowTrigger", **windows(dependsOn=[depends("one")]))
        circle = await plant.trigger(
            "one", "TumblingWindowTrigger", **windows(dependsOn=[depends("two")])
        )
        assert "depends on itself" in circle.json()["error"]["message"]

    played(tmp_path, play)


def test_kinds_that_are_not_emulated_are_kept_and_refused_at_the_start(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        for kind in ("CustomEventsTrigger", "BlobTrigger", "ChainingTrigger"):
            kept = await plant.trigger("x", kind, scope="/any", events=["a"])
            assert kept.status_code == 200
            assert code(await plant.call("POST", "/triggers/x/start")) == (501, "NotEmulated")
            assert (await plant.call("DELETE", "/triggers/x")).status_code == 200

    played(tmp_path, play)


def test_a_stop_of_the_service_loses_no_window_and_repeats_none(tmp_path: Path) -> None:
    store = MemoryStore()

    async def first(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        await plant.trigger("w", "TumblingWindowTrigger", **windows(maxConcurrency=1))
        await plant.trigger("t", "ScheduleTrigger", recurrence=EVERY_QUARTER)
        await plant.start("w")
        await plant.start("t")
        await plant.pass_s(90)

    async def second(plant: Plant) -> None:
        await plant.pass_s(600)
        states = await plant.windows("w")
        assert [status for _, status in states] == ["Succeeded"] * 6
        assert len({window for window, _ in states}) == 6
        assert len(await plant.pipeline_runs()) == 6 + len(await plant.runs("t"))
        # What a schedule missed is lost; what is due from now on is not.
        fired = [one["properties"]["ScheduleTime"][:16] for one in await plant.runs("t")]
        assert fired == ["2026-01-01T00:00", "2026-01-01T02:30"]

    played(tmp_path, first, store)
    played(tmp_path, second, store, START + timedelta(hours=2, minutes=20, seconds=30))


@pytest.mark.parametrize("where", ["before the pipeline's run", "after the pipeline's run"])
def test_an_end_between_two_steps_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The process ends when a firing is recorded and its pipeline not started, or started."""
    from emulators.datafactory.engine.triggers import firing

    store, real = MemoryStore(), firing.launch

    async def cut_short(ctx: Any, run: Any) -> Any:
        if where.startswith("after"):
            await real(ctx, run)
        await asyncio.sleep(3600)  # and the process ends before this is over

    async def first(plant: Plant) -> None:
        monkeypatch.setattr(firing, "launch", cut_short)
        await plant.pipeline("p", WAIT)
        await plant.trigger("w", "TumblingWindowTrigger", **windows(maxConcurrency=1))
        await plant.trigger("t", "ScheduleTrigger", recurrence=EVERY_QUARTER)
        await plant.start("w")
        await plant.start("t")
        await plant.pass_s(1)
        begun = len(await plant.pipeline_runs())
        assert begun == (2 if where.startswith("after") else 0)
        monkeypatch.setattr(firing, "launch", real)

    async def second(plant: Plant) -> None:
        await plant.pass_s(400)
        assert [one["status"] for one in await plant.runs("t")] == ["Succeeded"]
        assert [status for _, status in await plant.windows("w")] == ["Succeeded"] * 4
        runs = await plant.pipeline_runs()
        assert len(runs) == 5
        assert {one["status"] for one in runs} == {"Succeeded"}

    played(tmp_path, first, store)
    played(tmp_path, second, store, START + timedelta(seconds=10))


EVENTS: dict[str, Any] = {
    "events": ["Microsoft.Storage.BlobCreated"], "blobPathBeginsWith": "/landing/blobs/in/",
}  # fmt: skip


async def write(plant: Plant, name: str, content: bytes = b"1", query: str = "") -> None:
    account = plant.ctx.secrets.values["default_account"]
    token = plant.ctx.tokens.issue("https://storage.azure.com")
    done = await plant.http.put(
        f"https://{account}.blob.core.windows.net/landing{name}{query}",
        content=content,
        headers={
            "authorization": f"Bearer {token}",
            "x-ms-version": "2023-11-03",
            "x-ms-blob-type": "BlockBlob",
        },
    )
    assert done.status_code == 201, done.text


async def listening(plant: Plant) -> None:
    await plant.pipeline("p", WAIT)
    account = plant.ctx.secrets.values["default_account"]
    scope = f"{plant.group}/providers/Microsoft.Storage/storageAccounts/{account}"
    given = {"a": "@triggerBody().folderPath", "b": "@triggerBody().fileName"}
    made = await plant.trigger("e", "BlobEventsTrigger", "p", given, scope=scope, **EVENTS)
    assert made.status_code == 200, made.text
    await write(plant, "", b"", "?restype=container")
    await plant.start("e")


def test_an_event_is_taken_once_however_often_it_comes(tmp_path: Path) -> None:
    from emulators.datafactory.engine.triggers import events

    async def play(plant: Plant) -> None:
        await listening(plant)
        await write(plant, "/in/one.csv")
        await write(plant, "/other/two.csv")
        await plant.pass_s(1)
        [run] = await plant.runs("e")
        payload = json.loads(run["properties"]["EventPayload"])
        url = events.url_of(plant.ctx, events.key_of(plant.base.lower(), "e"))
        for _ in range(2):
            again = await plant.http.post(url, json=[payload, payload])
            assert again.status_code == 200
        await plant.settle()
        assert len(await plant.runs("e")) == 1
        wrong = await plant.http.post(url + "x", json=[{**payload, "id": "new"}])
        assert wrong.status_code == 400
        assert (await plant.http.post(url, content=b"no")).status_code == 400

    played(tmp_path, play)


def test_an_event_that_was_written_down_survives_the_process(tmp_path: Path) -> None:
    store = MemoryStore()

    async def first(plant: Plant) -> None:
        await listening(plant)
        from emulators.storage.engine.vault import vault_of

        vault_of(plant.ctx).outgoing.set = lambda: None  # type: ignore[method-assign]
        await write(plant, "/in/late.csv")
        assert await plant.runs("e") == []

    async def second(plant: Plant) -> None:
        await plant.pass_s(30)
        [run] = await plant.runs("e")
        assert run["properties"]["FileName"] == "late.csv"
        [made] = await plant.pipeline_runs()
        assert made["parameters"] == {"a": "landing/in", "b": "late.csv"}

    played(tmp_path, first, store)
    played(tmp_path, second, store, START + timedelta(minutes=1))


def test_a_scope_that_is_not_there(tmp_path: Path) -> None:
    async def play(plant: Plant) -> None:
        await plant.pipeline("p", WAIT)
        scope = f"{plant.group}/providers/Microsoft.Storage/storageAccounts/nothere"
        await plant.trigger("e", "BlobEventsTrigger", scope=scope, **EVENTS)
        refused = await plant.call("POST", "/triggers/e/start")
        assert code(refused) == (400, "EventSubscriptionFailed")
        shown = (await plant.call("GET", "/triggers/e")).json()
        assert shown["properties"]["runtimeState"] == "Stopped"

    played(tmp_path, play)
