"""kill -9 with triggers firing: every window, firing and event once, each with one pipeline run.

A few times, and many in `make soak`; `KILL_SEED` repeats a run.
"""

from __future__ import annotations

import os
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import Rehearsal, started

ROUNDS, SOAK_ROUNDS = 3, 40
WITHIN_S = 180.0
ARM, STORAGE = "https://management.azure.com", "https://storage.azure.com"
SERVICES = (
    "identity", "arm", "storage", "storage-management", "datafactory", "datafactory-callbacks",
)  # fmt: skip
CONTAINER = "landing"


@dataclass
class Factory:
    """The seeded factory, asked over its wire."""

    rehearsal: Rehearsal
    _tokens: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def group(self) -> str:
        env = self.rehearsal.env
        return (
            f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}"
            f"/resourceGroups/{env['AZURE_RESOURCE_GROUP']}/providers"
        )

    @property
    def account(self) -> str:
        return self.rehearsal.env["AZURE_STORAGE_ACCOUNT"]

    @contextmanager
    def http(self, audience: str = ARM) -> Iterator[httpx.Client]:
        """A client of the host with a token."""
        env = self.rehearsal.env
        trusted = ssl.create_default_context(cafile=env["SSL_CERT_FILE"])
        proxy = env["HTTPS_PROXY"]
        with httpx.Client(proxy=proxy, verify=trusted, trust_env=False, timeout=30) as http:
            answer = http.post(
                f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/oauth2/v2.0/token",
                data={
                    "grant_type": "client_credentials",
                    "client_id": env["AZURE_CLIENT_ID"],
                    "client_secret": env["AZURE_CLIENT_SECRET"],
                    "scope": f"{audience}/.default",
                },
            )
            http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
            yield http

    def ask(self, http: httpx.Client, method: str, path: str, body: Any = None) -> httpx.Response:
        base = f"{ARM}{self.group}/Microsoft.DataFactory/factories/rehearsal"
        done = http.request(
            method, f"{base}{path}", params={"api-version": "2018-06-01"}, json=body
        )
        assert done.status_code < 300, done.text
        return done

    def every(self, http: httpx.Client, what: str) -> list[dict[str, Any]]:
        """All trigger runs, or all pipeline runs."""
        body: dict[str, Any] = {
            "lastUpdatedAfter": "2000-01-01T00:00:00Z",
            "lastUpdatedBefore": "2100-01-01T00:00:00Z",
        }
        found: list[dict[str, Any]] = []
        while True:
            answer = self.ask(http, "POST", f"/{what}", body).json()
            found += answer["value"]
            if "continuationToken" not in answer:
                return found
            body["continuationToken"] = answer["continuationToken"]

    def prepare(self, kind: str, parameter: str, **given: Any) -> None:
        """A pipeline and a started trigger of it."""
        activities = [{"name": "W", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 1}}]
        pipeline = {"parameters": {"a": {"type": "String"}}, "activities": activities}
        one = {
            "pipelineReference": {"referenceName": "p", "type": "PipelineReference"},
            "parameters": {"a": parameter},
        }
        starts = {"pipeline": one} if kind.startswith("Tumbling") else {"pipelines": [one]}
        properties = {"type": kind, "typeProperties": given, **starts}
        with self.http() as http:
            self.ask(http, "PUT", "/pipelines/p", {"properties": pipeline})
            self.ask(http, "PUT", "/triggers/t", {"properties": properties})
            self.ask(http, "POST", "/triggers/t/start")

    def once_each(self, http: httpx.Client, of: Callable[[dict[str, Any]], str]) -> Counter[str]:
        """How often each occasion fired; each firing has one pipeline run, which knows it."""
        fired = self.every(http, "queryTriggerRuns")
        runs = {one["runId"]: one for one in self.every(http, "queryPipelineRuns")}
        named = [one["triggeredPipelines"]["p"] for one in fired if one["triggeredPipelines"]]
        assert len(set(named)) == len(named)
        assert set(named) <= runs.keys()
        by_trigger = Counter(one["invokedBy"]["id"] for one in runs.values())
        assert max(by_trigger.values(), default=1) == 1, "a firing started two runs"
        assert by_trigger.keys() <= {one["triggerRunId"] for one in fired}
        return Counter(map(of, fired))


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not done():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def kill_again_and_again(running: Rehearsal, rounds: int, longest_s: float) -> None:
    chance = random.Random(int(os.environ.get("KILL_SEED", "7")))
    for _ in range(rounds):
        time.sleep(chance.uniform(0.05, longest_s))
        running.kill()
        running.up()


def windows_round(state: Path, rounds: int) -> None:
    """Windows of the past are made up for while the host dies again and again."""
    count = 40 + 20 * rounds
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    start = now - timedelta(minutes=5 * count)
    with started(state, *SERVICES) as running:
        factory = Factory(running)
        factory.prepare(
            "TumblingWindowTrigger",
            "@trigger().outputs.windowStartTime",
            frequency="Minute",
            interval=5,
            startTime=start.strftime("%Y-%m-%dT%H:%M:%SZ"),
            endTime=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            maxConcurrency=50,
        )
        kill_again_and_again(running, rounds, 0.8)
        with factory.http() as http:

            def over() -> bool:
                found = factory.every(http, "queryTriggerRuns")
                return len(found) >= count and all(one["status"] == "Succeeded" for one in found)

            until(over)
            fired = factory.once_each(http, lambda one: str(one["properties"]["windowStartTime"]))
            given = Counter(
                one["parameters"]["a"] for one in factory.every(http, "queryPipelineRuns")
            )
    assert set(fired.values()) == {1}
    assert len(fired) == count
    assert given == fired


def schedule_round(state: Path, rounds: int) -> None:
    """Minutes that last a second: no minute fires twice, though the clock begins anew."""
    with started(state, *SERVICES, "--time-scale", "60") as running:
        factory = Factory(running)
        factory.prepare(
            "ScheduleTrigger",
            "@trigger().scheduledTime",
            recurrence={
                "frequency": "Minute", "interval": 1, "startTime": "2026-01-01T00:00:00Z",
                "timeZone": "UTC",
            },
        )  # fmt: skip
        kill_again_and_again(running, rounds, 3.0)
        with factory.http() as http:
            before = len(factory.every(http, "queryTriggerRuns"))
            until(lambda: len(factory.every(http, "queryTriggerRuns")) > before)
            factory.ask(http, "POST", "/triggers/t/stop")
            until(
                lambda: all(
                    one["status"] == "Succeeded" for one in factory.every(http, "queryTriggerRuns")
                )
            )
            fired = factory.once_each(http, lambda one: str(one["properties"]["ScheduleTime"]))
    assert set(fired.values()) == {1}


@dataclass
class Writer:
    """Writes blobs until it is told to stop, and notes what was acknowledged."""

    factory: Factory
    acknowledged: list[str] = field(default_factory=list)
    tried: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.is_set():
            with (
                suppress(httpx.HTTPError, KeyError, ValueError),
                self.factory.http(STORAGE) as http,
            ):
                self.write(http)
            time.sleep(0.05)

    def write(self, http: httpx.Client) -> None:
        host = f"https://{self.factory.account}.blob.core.windows.net"
        while not self.over.is_set():
            self.tried += 1
            name = f"in/{self.tried:05}.csv"
            done = http.put(
                f"{host}/{CONTAINER}/{name}",
                content=b"1",
                headers={"x-ms-version": "2023-11-03", "x-ms-blob-type": "BlockBlob"},
            )
            if done.status_code == 201:
                self.acknowledged.append(name)
            time.sleep(0.01)


def events_round(state: Path, rounds: int) -> None:
    """Blobs are written while the host dies: what was acknowledged fires, once."""
    with started(state, *SERVICES) as running:
        factory = Factory(running)
        with factory.http(STORAGE) as http:
            made = http.put(
                f"https://{factory.account}.blob.core.windows.net/{CONTAINER}?restype=container",
                headers={"x-ms-version": "2023-11-03"},
            )
            assert made.status_code == 201, made.text
        factory.prepare(
            "BlobEventsTrigger",
            "@triggerBody().fileName",
            scope=f"{factory.group}/Microsoft.Storage/storageAccounts/{factory.account}",
            events=["Microsoft.Storage.BlobCreated"],
            blobPathBeginsWith=f"/{CONTAINER}/blobs/in/",
            ignoreEmptyBlobs=True,
        )
        writer = Writer(factory)
        thread = threading.Thread(target=writer.run)
        thread.start()
        try:
            kill_again_and_again(running, rounds, 1.0)
            time.sleep(0.3)
        finally:
            writer.over.set()
            thread.join()
        with factory.http() as http:

            def fired() -> Counter[str]:
                return factory.once_each(
                    http, lambda one: f"in/{one['properties'].get('FileName')}"
                )

            wanted = set(writer.acknowledged)
            until(lambda: wanted <= fired().keys())
            found = fired()
    assert len(wanted) > 3 * rounds
    assert set(found.values()) == {1}


@pytest.mark.parametrize("play", [windows_round, schedule_round, events_round])
def test_each_occasion_fires_once(tmp_path: Path, play: Callable[[Path, int], None]) -> None:
    play(tmp_path / "state", ROUNDS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("play", [windows_round, schedule_round, events_round])
def test_each_occasion_fires_once_over_many_kills(
    tmp_path: Path, play: Callable[[Path, int], None]
) -> None:
    play(tmp_path / "state", SOAK_ROUNDS)
