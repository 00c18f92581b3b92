"""kill -9 with jobs under way: no process outlives it, and no job says it has what it has not."""

from __future__ import annotations

import os
import random
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.running import Rehearsal, started

ROUNDS = 4
SOAK_ROUNDS = 40
GONE_WITHIN_S = 5.0
API = {"api-version": "2024-10-01-preview"}
ENDED = {"Completed", "Failed", "Canceled"}
ARM, ML = "https://management.azure.com", "https://eastus.api.azureml.ms"

# Leaves a process of its own behind it, so that only the end of the whole group is an end.
WORK = (
    "sleep 300 & sleep {seconds}; kill $!;"
    " echo {name} > ${{{{outputs.out}}}}/{name}.txt; echo {name} said"
)


@dataclass
class Shift:
    """A client that submits jobs and notes what it was told, until the host dies."""

    rehearsal: Rehearsal
    submitted: list[str] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)  # the last status that was shown
    count: int = 0
    over: threading.Event = field(default_factory=threading.Event)  # the host was killed

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

    @property
    def workspace(self) -> str:
        """The workspace's ARM id."""
        env = self.rehearsal.env
        return (
            f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}"
            f"/resourceGroups/{env['AZURE_RESOURCE_GROUP']}/providers"
            f"/Microsoft.MachineLearningServices/workspaces/{env['AZUREML_WORKSPACE_NAME']}"
        )

    def put(self, http: httpx.Client, path: str, properties: dict[str, Any]) -> bool:
        """Whether the host said yes."""
        url, body = f"{ARM}{self.workspace}{path}", {"properties": properties}
        return http.put(url, json=body, params=API).status_code in (200, 201)

    def status(self, http: httpx.Client, job: str) -> dict[str, Any]:
        """A run as run history shows it."""
        url = f"{ML}/history/v1.0{self.workspace}/runs/{job}"
        found: dict[str, Any] = http.get(url).json()
        return found

    def command(self, name: str) -> dict[str, Any]:
        """A command job that leaves one file."""
        return {
            "jobType": "Command",
            "command": WORK.format(name=name, seconds=random.choice([0, 0.2, 1])),
            "environmentId": f"{self.workspace}/environments/plain/versions/1",
            "outputs": {"out": {"jobOutputType": "uri_folder"}},
        }

    def pipeline(self) -> dict[str, Any]:
        """Two steps, the second reading what the first has made."""
        component = f"{self.workspace}/components/step/versions/1"
        before = {"job_input_type": "literal", "value": "${{parent.jobs.a.outputs.out}}"}
        second = {"componentId": component, "inputs": {"before": before}}
        return {"jobType": "Pipeline", "jobs": {"a": {"componentId": component}, "b": second}}

    def submit(self) -> None:
        """Submit until the host is gone."""
        with suppress(httpx.HTTPError, OSError, KeyError, ValueError), self.http() as http:
            while not self.over.is_set():
                self.count += 1
                name = f"job-{self.count}"
                job = self.pipeline() if self.count % 3 == 0 else self.command(name)
                if self.put(http, f"/jobs/{name}", job):
                    self.submitted.append(name)
                time.sleep(0.1)

    def watch(self) -> None:
        """Note what is shown of the jobs until the host is gone."""
        with suppress(httpx.HTTPError, OSError, KeyError, ValueError), self.http() as http:
            while not self.over.is_set():
                for name in list(self.submitted):
                    if self.seen.get(name) not in ENDED:
                        self.seen[name] = self.status(http, name)["status"]
                time.sleep(0.02)


def processes_of(state: Path) -> list[psutil.Process]:
    """What runs with a job's variables of this state folder, or in it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environ = process.environ()
            if "AZUREML_RUN_ID" in environ and str(state) in environ.get("SSL_CERT_FILE", ""):
                found.append(process)
    return found


def nobody_left(state: Path) -> None:
    """Wait until no process of a job is left."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while left := processes_of(state):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def prepare(shift: Shift) -> None:
    """The environment and the component that the jobs name."""
    image = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
    step = {
        "type": "command",
        "command": WORK.format(name="step", seconds=0.2),
        "environment": f"azureml:{shift.workspace}/environments/plain/versions/1",
        "inputs": {"before": {"type": "uri_folder", "optional": True}},
        "outputs": {"out": {"type": "uri_folder"}},
    }
    with shift.http() as http:
        assert shift.put(http, "/environments/plain/versions/1", {"image": image})
        assert shift.put(http, "/components/step/versions/1", {"componentSpec": step})


def check(shift: Shift) -> list[dict[str, Any]]:
    """Every job has an honest end, and what is completed is there; the runs, children too."""
    with shift.http() as http:
        runs = [shift.status(http, name) for name in shift.submitted]
        for run in list(runs):
            url = f"{ML}/history/v1.0{shift.workspace}/runs/{run['runId']}/children"
            runs += http.get(url).json()["value"]
    for run in runs:
        assert run["status"] in ENDED, run
        if run["status"] == "Failed":
            assert run["error"]["error"]["code"] == "Interrupted", run
        assert shift.seen.get(run["runId"]) in (None, run["status"]) or (
            shift.seen[run["runId"]] not in ENDED
        )
    for run in runs:
        if run["status"] == "Completed" and run["runType"] == "azureml.scriptrun":
            _has_its_output(shift, run["runId"])
    return runs


def _has_its_output(shift: Shift, job: str) -> None:
    with shift.http() as http:
        job_url = f"{ARM}{shift.workspace}/jobs/{job}"
        uri = http.get(job_url, params=API).json()["properties"]["outputs"]["out"]["uri"]
        store = f"{ARM}{shift.workspace}/datastores/workspaceblobstore"
        container = http.get(store, params=API).json()["properties"]["containerName"]
    account = shift.rehearsal.env["AZURE_STORAGE_ACCOUNT"]
    folder = uri.partition("/paths/")[2]
    with shift.http("https://storage.azure.com") as http:
        answer = http.get(
            f"https://{account}.blob.core.windows.net/{container}",
            params={"restype": "container", "comp": "list", "prefix": folder},
            headers={"x-ms-version": "2023-11-03"},
        )
    assert ".txt</Name>" in answer.text, (job, answer.text)


def _rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    seed = int(os.environ.get("KILL_SEED", time.time_ns() % 10**6))
    print("KILL_SEED", seed)
    random.seed(seed)
    monkeypatch.setenv("REHEARSAL_RUNTIME", "host")
    monkeypatch.setenv("REHEARSAL_MLFLOW", "false")
    ends: set[str] = set()
    with started(tmp_path / "state") as rehearsal:
        prepare(shift := Shift(rehearsal))
        for _ in range(rounds):
            shift.submitted, shift.seen = [], {}
            shift.over.clear()
            threads = [threading.Thread(target=act) for act in (shift.submit, shift.watch)]
            for thread in threads:
                thread.start()
            time.sleep(random.uniform(0.2, 3))
            rehearsal.kill()
            shift.over.set()
            for thread in threads:
                thread.join()
            nobody_left(rehearsal.state)
            rehearsal.up()
            ends |= {run["status"] for run in check(shift)}
        assert "Failed" in ends
    nobody_left(tmp_path / "state")


def test_no_job_outlives_the_host_and_none_lies_about_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rounds(tmp_path, monkeypatch, ROUNDS)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_no_job_outlives_the_host_forty_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rounds(tmp_path, monkeypatch, SOAK_ROUNDS)


def test_a_host_that_is_stopped_takes_its_jobs_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REHEARSAL_RUNTIME", "host")
    monkeypatch.setenv("REHEARSAL_MLFLOW", "false")
    with started(tmp_path / "state") as rehearsal:
        prepare(shift := Shift(rehearsal))
        with shift.http() as http:
            job = {**shift.command("stubborn"), "command": "trap '' TERM; sleep 300 & sleep 300"}
            assert shift.put(http, "/jobs/stubborn", job)
            while shift.status(http, "stubborn")["status"] != "Running":
                time.sleep(0.05)
        assert processes_of(rehearsal.state)
        began = time.monotonic()
        rehearsal.down()
        assert time.monotonic() - began < 10
        nobody_left(rehearsal.state)
        rehearsal.up()
        with shift.http() as http:
            run = shift.status(http, "stubborn")
        assert (run["status"], run["error"]["error"]["code"]) == ("Failed", "Interrupted")
