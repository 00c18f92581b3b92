"""kill -9 of the host or of a worker amid a batch job: never Completed with a row missing or twice.

A few times, and thirty times each in `make soak`; `KILL_SEED` repeats a run.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.running import started
from tests.survival.test_sdk_job_kills import API, ARM, ENDED, ML, Shift, nobody_left

ROUNDS, SOAK_ROUNDS = 3, 30
FILES = 60
STORAGE = "https://storage.azure.com"
SCORE = b"""
import os, time

def init():
    time.sleep(0.05)

def run(mini_batch):
    lines = []
    for path in mini_batch:
        time.sleep(0.03)
        with open(path) as file:
            lines.append("%s %s" % (os.path.basename(path), file.read()))
    return lines
"""
EXPECTED = {f"f{n:02} {n}": 1 for n in range(FILES)}


class Batch(Shift):
    """A client of one batch endpoint."""

    def storage(self, method: str, path: str, data: bytes = b"") -> bytes:
        """One request to the default datastore's container."""
        account = self.rehearsal.env["AZURE_STORAGE_ACCOUNT"]
        with self.http() as http:
            store = f"{ARM}{self.workspace}/datastores/workspaceblobstore"
            container = http.get(store, params=API).json()["properties"]["containerName"]
        headers = {"x-ms-version": "2023-11-03", "x-ms-blob-type": "BlockBlob"}
        with self.http(STORAGE) as http:
            url = f"https://{account}.blob.core.windows.net/{container}/{path}"
            answer = http.request(method, url, content=data, headers=headers)
            assert answer.is_success, answer.text
            return answer.content

    def prepare(self) -> None:
        """Files, an endpoint, and a deployment that tries again."""
        for n in range(FILES):
            self.storage("PUT", f"in/f{n:02}", str(n).encode())
        self.storage("PUT", "code/score.py", SCORE)
        store = "azureml://datastores/workspaceblobstore/paths"
        deployment = {
            "codeConfiguration": {
                "codeId": f"{self.workspace}/codes/score/versions/1",
                "scoringScript": "score.py",
            },
            "environmentId": f"{self.workspace}/environments/plain/versions/1",
            "miniBatchSize": 2,
            "maxConcurrencyPerInstance": 2,
            "errorThreshold": 0,
            "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
        }
        image = {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"}
        with self.http() as http:
            for path, properties in (
                ("/environments/plain/versions/1", image),
                ("/codes/score/versions/1", {"codeUri": f"{store}/code"}),
                ("/batchEndpoints/kills", {"authMode": "aadToken"}),
                ("/batchEndpoints/kills/deployments/main", deployment),
            ):
                assert self.put(http, path, properties), path

    def invoke(self) -> str:
        """Start a job; its name."""
        uri = "azureml://datastores/workspaceblobstore/paths/in/"
        data = {"files": {"jobInputType": "UriFolder", "uri": uri}}
        with self.http("https://ml.azure.com") as http:
            answer = http.post(
                "https://kills.eastus.inference.ml.azure.com/jobs",
                json={"properties": {"inputData": data}},
                headers={"azureml-model-deployment": "main"},
            )
        assert answer.status_code == 201, answer.text
        name: str = answer.json()["name"]
        return name

    def ended(self, job: str) -> dict[str, Any]:
        """The run when it is over."""
        with self.http() as http:
            while (found := self.status(http, job))["status"] not in ENDED:
                time.sleep(0.1)
        return found

    def rows(self, job: str) -> Counter[str]:
        """The rows of a job's predictions."""
        with self.http() as http:
            url = f"{ML}/history/v1.0{self.workspace}/runs/{job}/children"
            (child,) = http.get(url).json()["value"]
        found = self.storage("GET", f"azureml/{child['runId']}/score/predictions.csv")
        return Counter(found.decode().splitlines())


def workers(state: Path) -> list[psutil.Process]:
    """The processes that score for the jobs of this state folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if any("batch_worker.py" in w for w in words) and any(str(state) in w for w in words):
                found.append(process)
    return found


def _rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    seed = int(os.environ.get("KILL_SEED", time.time_ns() % 10**6))
    print("KILL_SEED", seed)
    random.seed(seed)
    monkeypatch.setenv("REHEARSAL_RUNTIME", "host")
    monkeypatch.setenv("REHEARSAL_MLFLOW", "false")
    with started(tmp_path / "state") as rehearsal:
        shift = Batch(rehearsal)
        shift.prepare()
        began = time.monotonic()
        assert shift.rows(_completed(shift)) == EXPECTED
        whole_s = time.monotonic() - began
        for _ in range(rounds):
            _kill_the_host(shift, random.uniform(0, whole_s * 1.1))
            _kill_workers(shift, whole_s)
    nobody_left(tmp_path / "state")


def _completed(shift: Batch) -> str:
    job = shift.invoke()
    found = shift.ended(job)
    assert found["status"] == "Completed", found
    return job


def _kill_the_host(shift: Batch, after_s: float) -> None:
    job = shift.invoke()
    time.sleep(after_s)
    shift.rehearsal.kill()
    nobody_left(shift.rehearsal.state)
    shift.rehearsal.up()
    found = shift.ended(job)
    if found["status"] == "Completed":
        assert shift.rows(job) == EXPECTED
    else:
        assert found["status"] == "Failed", found
        assert found["error"]["error"]["code"] == "Interrupted", found


def _kill_workers(shift: Batch, whole_s: float) -> None:
    job = shift.invoke()
    with shift.http() as http:
        for _ in range(random.randint(1, 3)):
            time.sleep(random.uniform(0, whole_s / 2))
            for process in workers(shift.rehearsal.state)[:1]:
                with suppress(psutil.Error):
                    process.kill()
            if shift.status(http, job)["status"] in ENDED:
                break
    found = shift.ended(job)
    assert found["status"] == "Completed", found
    assert shift.rows(job) == EXPECTED


def test_no_batch_job_completes_with_rows_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rounds(tmp_path, monkeypatch, ROUNDS)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_no_batch_job_completes_with_rows_missing_thirty_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rounds(tmp_path, monkeypatch, SOAK_ROUNDS)
