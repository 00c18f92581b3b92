"""kill -9 amid pipeline runs: every acknowledged run goes on to its end, nothing finished twice."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from tests.running import started
from tests.survival.test_sdk_job_kills import ARM, Shift

ROUNDS, SOAK_ROUNDS = 3, 40
SCALE = 30  # the interval between attempts, 30 s at least, is a second then
API = {"api-version": "2018-06-01"}
ENDED = {"Succeeded", "Failed", "Cancelled"}
EVER = {"lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "9999-01-01T00:00:00Z"}
RETRIES = 9


class Desk(BaseHTTPRequestHandler):
    """Somebody outside whom the pipelines call: counts, and takes a moment to answer."""

    calls: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.calls[self.path] += 1
        time.sleep(random.random() * 0.1)
        with suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"n": 1}')

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def outside() -> Iterator[int]:
    """The port of somebody outside."""
    Desk.calls = Counter()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _after(*names: str) -> list[dict[str, Any]]:
    return [{"activity": name, "dependencyConditions": ["Succeeded"]} for name in names]


def _activity(name: str, kind: str, after: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "dependsOn": after, "typeProperties": more}


def pipelines(port: int) -> dict[str, dict[str, Any]]:
    """A parent that calls outside, loops over a child, and counts in a loop; and the child."""

    def call(name: str, after: list[dict[str, Any]]) -> dict[str, Any]:
        url = f"http://127.0.0.1:{port}/@{{pipeline().RunId}}/{name}"
        one = _activity(name, "WebActivity", after, method="GET", url=url)
        return {**one, "policy": {"retry": RETRIES, "retryIntervalInSeconds": 30}}

    child = {
        "activities": [
            call("Child", []),
            _activity("W", "Wait", _after("Child"), waitTimeInSeconds=6),
        ]
    }
    run = _activity(
        "Run",
        "ExecutePipeline",
        [],
        pipeline={"referenceName": "child", "type": "PipelineReference"},
        waitOnCompletion=True,
    )
    append = {"variableName": "l", "value": "@string(activity('First').output.n)"}
    parent = {
        "variables": {"l": {"type": "Array"}},
        "activities": [
            call("First", []),
            _activity("Each", "ForEach", _after("First"), items="@range(0, 3)", activities=[run]),
            _activity(
                "Loop",
                "Until",
                _after("First"),
                expression="@equals(length(variables('l')), 4)",
                timeout="0.12:00:00",
                activities=[
                    _activity("Pause", "Wait", [], waitTimeInSeconds=5),
                    _activity("Add", "AppendVariable", _after("Pause"), **append),
                ],
            ),
            call("Last", _after("Each", "Loop")),
        ],
    }
    return {"child": child, "parent": parent}


class Runs(Shift):
    """A client that starts runs until the host dies."""

    @property
    def factory(self) -> str:
        """The factory's URL."""
        env = self.rehearsal.env
        return (
            f"{ARM}/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}"
            f"/resourceGroups/{env['AZURE_RESOURCE_GROUP']}/providers"
            f"/Microsoft.DataFactory/factories/{env['AZURE_DATA_FACTORY_NAME']}"
        )

    def publish(self, port: int) -> None:
        """Put the pipelines."""
        with self.http() as http:
            for name, properties in pipelines(port).items():
                url = f"{self.factory}/pipelines/{name}"
                answer = http.put(url, json={"properties": properties}, params=API)
                assert answer.is_success, answer.text

    def submit(self) -> None:
        """Start runs until the host is gone."""
        with suppress(httpx.HTTPError, OSError, KeyError, ValueError), self.http() as http:
            while not self.over.is_set():
                answer = http.post(f"{self.factory}/pipelines/parent/createRun", params=API)
                if answer.status_code == 200:
                    self.submitted.append(answer.json()["runId"])
                time.sleep(0.05)

    def wait(self, within_s: float) -> list[dict[str, Any]]:
        """Every run of the factory once all have ended."""
        deadline = time.monotonic() + within_s
        with self.http() as http:
            while True:
                found: list[dict[str, Any]] = []
                body: dict[str, Any] = dict(EVER)
                while True:
                    url = f"{self.factory}/queryPipelineRuns"
                    page = http.post(url, json=body, params=API).json()
                    found += page["value"]
                    if not page.get("continuationToken"):
                        break
                    body["continuationToken"] = page["continuationToken"]
                left = [run for run in found if run["status"] not in ENDED]
                if not left:
                    return found
                assert time.monotonic() < deadline, left[:3]
                time.sleep(0.3)

    def rows(self, run: str) -> list[dict[str, Any]]:
        """The activity runs of a run."""
        with self.http() as http:
            url = f"{self.factory}/pipelineruns/{run}/queryActivityruns"
            found: list[dict[str, Any]] = http.post(url, json=EVER, params=API).json()["value"]
            return found


def check(shift: Runs, kills: int) -> None:
    """Every acknowledged run has succeeded, with everything done once but what was cut short."""
    every = {run["runId"]: run for run in shift.wait(90)}
    for run_id in shift.submitted:
        assert run_id in every, f"{run_id} was acknowledged and is gone"
    parents = [run for run in every.values() if run["pipelineName"] == "parent"]
    children = Counter(
        run["invokedBy"]["pipelineRunId"]
        for run in every.values()
        if run["pipelineName"] == "child"
    )
    for run in parents:
        assert run["status"] == "Succeeded", run
        assert children[run["runId"]] == 3, "each pass has one child, and the same one"
    for path, count in Desk.calls.items():
        assert count <= 1 + kills, path
    shown = random.sample(parents, min(5, len(parents)))
    for run in shown:
        rows = shift.rows(run["runId"])
        ended = Counter(row["activityName"] for row in rows if row["status"] == "Succeeded")
        assert ended == {
            "First": 1,
            "Each": 1,
            "Run": 3,
            "Loop": 1,
            "Pause": 4,
            "Add": 4,
            "Last": 1,
        }
        failed = [row for row in rows if row["status"] not in ("Succeeded", "Skipped")]
        assert {row["error"]["errorCode"] for row in failed} <= {"ActivityInterrupted"}
    assert Desk.calls.total() >= 5 * len(parents)


def _rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    seed = int(os.environ.get("KILL_SEED", time.time_ns() % 10**6))
    print("KILL_SEED", seed)
    random.seed(seed)
    monkeypatch.setenv("REHEARSAL_MLFLOW", "false")
    monkeypatch.setenv("REHEARSAL_TIME_SCALE", str(SCALE))
    with outside() as port, started(tmp_path / "state") as rehearsal:
        shift = Runs(rehearsal)
        shift.publish(port)
        for _ in range(rounds):
            shift.over.clear()
            thread = threading.Thread(target=shift.submit)
            thread.start()
            time.sleep(0.1 + random.random() * 1.5)
            rehearsal.kill()
            shift.over.set()
            thread.join()
            rehearsal.up()
        assert shift.submitted
        check(shift, rounds)


def test_runs_go_on_after_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _rounds(tmp_path, monkeypatch, ROUNDS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_runs_go_on_after_many_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(SOAK_ROUNDS // 8):
        _rounds(tmp_path / str(at), monkeypatch, 8)
