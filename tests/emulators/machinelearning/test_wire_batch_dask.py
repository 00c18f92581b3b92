"""Batch jobs on a real Dask cluster of separate processes, one of which is killed half-way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emulators.machinelearning.engine.batch import cluster as batch_cluster
from tests.emulators.machinelearning.batching import Batching
from tests.emulators.machinelearning.conftest import World

pytest.importorskip("distributed")

FILES = 48
SCRIPT = """
import os, time

def init():
    global factor
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "factor.txt")) as file:
        factor = int(file.read()) * int(os.environ["TIMES"])

def run(mini_batch):
    lines = []
    for path in mini_batch:
        with open(path) as file:
            text = file.read()
        if text == "raise":
            raise ValueError("asked to")
        time.sleep(0.15)
        lines.append("%s %d %d" % (os.path.basename(path), int(text) * factor, os.getpid()))
    return lines
"""


@dataclass
class Cluster:
    """A scheduler and its workers."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        # Their environments: without ours, and without our packages in the path.
        env = {k: v for k, v in os.environ.items() if "PYTHONPATH" not in k}
        made = subprocess.Popen(
            [sys.executable, "-I", "-m", f"distributed.cli.{program}", *words],
            cwd=self.folder,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(made)
        return made

    @property
    def address(self) -> str:
        """Of the scheduler."""
        file = self.folder / "scheduler.json"
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if file.exists() and file.read_text():
                address: str = json.loads(file.read_text())["address"]
                return address
            time.sleep(0.1)
        raise AssertionError("the scheduler did not start")

    def worker(self) -> subprocess.Popen[bytes]:
        """One more worker, with one thread and no nanny that would bring it back."""
        words = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
        return self.start("dask_worker", self.address, *words)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("dask"))
    words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter")
    made.start("dask_scheduler", *words, "--scheduler-file", "scheduler.json")
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def batching(world: World, cluster: Cluster) -> Batching:
    """An endpoint whose compute is the cluster."""
    batching = Batching(world)
    compute = {
        "location": "eastus",
        "tags": {"dask": cluster.address},
        "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_DS3_V2"}},
    }
    assert world.call("PUT", "/computes/on-dask", compute).is_success
    uri = batching.file("dask/factor.txt", b"3")
    world.put("/models/dask-factor/versions/1", {"modelUri": uri, "modelType": "custom_model"})
    model = {"referenceType": "Id", "assetId": f"{batching.id}/models/dask-factor/versions/1"}
    batching.serving_batch(
        "batch-dask",
        SCRIPT,
        model=model,
        miniBatchSize=2,
        loggingLevel="Debug",
        compute=f"{batching.id}/computes/on-dask",
        environmentVariables={"TIMES": "2"},
        retrySettings={"maxRetries": 1, "timeout": "PT60S"},
    )
    return batching


def test_every_row_once_though_a_worker_is_killed(
    batching: Batching, world: World, cluster: Cluster, tmp_path: Path
) -> None:
    first, second = cluster.worker(), cluster.worker()
    data = batching.folder_of("dask/in", {f"f{n:02}.txt": str(n) for n in range(FILES)})
    job = batching.invoke("batch-dask", data)
    jobs = world.ctx.state / "jobs" / world.ws.guid

    def kill_half_way() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for log in jobs.glob("*/logs/sys/master_role.txt"):
                if log.read_text().count("2 files, 2 scored") >= FILES // 6:
                    second.kill()
                    return
            time.sleep(0.02)

    killer = threading.Thread(target=kill_half_way)
    killer.start()
    ended = batching.ended(job)
    killer.join()
    assert ended["status"] == "Completed", ended
    assert second.poll() == -9
    lines = [line.split() for line in batching.lines(job, tmp_path / "out")]
    assert [line[0] for line in lines] == [f"f{n:02}.txt" for n in range(FILES)]
    assert [int(line[1]) for line in lines] == [n * 6 for n in range(FILES)]
    by = Counter(int(line[2]) for line in lines)
    assert first.pid in by
    assert sum(by.values()) == FILES


def test_what_fails_there_is_tried_again_and_told(
    batching: Batching, cluster: Cluster, tmp_path: Path
) -> None:
    cluster.worker()
    data = batching.folder_of("dask/bad", {"a.txt": "1", "b.txt": "raise", "c.txt": "2"})
    job = batching.invoke("batch-dask", data, miniBatchSize=1)
    assert batching.ended(job)["status"] == "Completed"
    lines = [line.split()[:2] for line in batching.lines(job, tmp_path / "out")]
    assert lines == [["a.txt", "6"], ["c.txt", "12"]]
    assert batching.log(job, "logs/user/error.txt").count("ValueError: asked to") == 2


def test_a_cluster_that_is_not_there_fails_the_job(
    batching: Batching, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_cluster, "CONNECT_S", 0.5)
    compute = {
        "location": "eastus",
        "tags": {"dask": "tcp://127.0.0.1:9"},
        "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_DS3_V2"}},
    }
    assert world.call("PUT", "/computes/no-dask", compute).is_success
    batching.serving_batch("batch-nodask", SCRIPT, compute=f"{batching.id}/computes/no-dask")
    job = batching.invoke("batch-nodask", batching.folder_of("dask/one", {"a.txt": "1"}))
    assert batching.ended(job)["status"] == "Failed"
    said = batching.ask_batch("batch-nodask", {}, "GET", f"/jobs/{job}").json()
    assert "no Dask cluster at tcp://127.0.0.1:9" in said["properties"]["error"]["message"]
