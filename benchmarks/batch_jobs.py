"""Real batch jobs on a host of their own, by the client: overhead of a small one, time of a large.

python -m benchmarks.batch
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.emulators.machinelearning.test_wire_batch_dask import Cluster
from tests.running import Rehearsal, started

SMALL = 5  # jobs of one small file
BUSY = 40  # files that take about 0.2 s each
WORK = """
import time

def init():
    pass

def run(mini_batch):
    until = time.process_time() + 0.2 * len(mini_batch)
    while time.process_time() < until:
        pass
    return mini_batch
"""
LINES = """
def init():
    pass

def run(mini_batch):
    return mini_batch
"""


def jobs(model: Path, folder: Path, rows: int) -> list[list[str]]:
    """Seconds of jobs, from their invocation until they show as completed."""
    with tempfile.TemporaryDirectory() as state, started(Path(state) / "state") as running:
        client = _client(running)
        _endpoint(client, model, folder)
        (folder / "one").mkdir()
        (folder / "one/line.txt").write_text("1")
        _seconds(client, "script", folder / "one")  # builds its environment
        small = [_seconds(client, "script", folder / "one") for _ in range(SMALL)]
        _seconds(client, "model", folder / "few")  # turns the model into ONNX
        large = {name: _seconds(client, "model", folder / name) for name in ("parquet", "csv")}
        clusters = _dask(client, folder)
    found = [["a job of one small file", f"{statistics.median(small):.2f} s", ""]]
    for name, seconds in large.items():
        told = f"{seconds:.1f} s, {rows / seconds:,.0f} rows a second"
        found.append([f"a job of {rows:,} rows of {name}", told, ""])
    one, two = clusters
    for count, seconds in ((1, one), (2, two)):
        name = f"{BUSY} files of busy work on {count} Dask worker{'s' * (count > 1)}"
        found.append([name, f"{seconds:.1f} s", f"{one / seconds:.2f}"])
    return found


def _dask(client: Any, folder: Path) -> list[float]:
    """Seconds of the same job on a cluster of one worker, and of two."""
    from azure.ai.ml import entities as e

    where = folder / "dask"
    where.mkdir()
    (where / "code").mkdir()
    (where / "code/score.py").write_text(WORK)
    (where / "files").mkdir()
    for n in range(BUSY):
        (where / f"files/f{n:02}").write_text("x")
    cluster = Cluster(where)
    words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter")
    cluster.start("dask_scheduler", *words, "--scheduler-file", "scheduler.json")
    try:
        compute = e.AmlCompute(name="dask", size="Standard_DS3_v2", tags={"dask": cluster.address})
        client.compute.begin_create_or_update(compute).result()
        settings = e.ModelBatchDeploymentSettings(mini_batch_size=1)
        deployment = e.ModelBatchDeployment(
            name="dask",
            endpoint_name="bench",
            compute="dask",
            environment=e.Environment(
                name="bare", image="none", conda_file=str(folder / "conda.yml")
            ),
            code_configuration=e.CodeConfiguration(
                code=str(where / "code"), scoring_script="score.py"
            ),
            settings=settings,
        )
        client.batch_deployments.begin_create_or_update(deployment).result()
        took = []
        for _ in range(2):
            cluster.worker()
            time.sleep(5)  # until it has joined
            _seconds(client, "dask", where / "files")  # which sends it the code
            took.append(_seconds(client, "dask", where / "files"))
    finally:
        cluster.stop()
    return took


def _client(running: Rehearsal) -> Any:
    os.environ.update(running.env)
    from azure.ai.ml import MLClient
    from azure.identity import ClientSecretCredential

    env = running.env
    names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    where = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
    credential = ClientSecretCredential(*(env[name] for name in names))
    return MLClient(credential, *(env[name] for name in where))


def _endpoint(client: Any, model: Path, folder: Path) -> None:
    """Two deployments: a script that does nothing, and the model without code."""
    from azure.ai.ml import entities as e

    (folder / "nothing").mkdir()
    (folder / "nothing/score.py").write_text(LINES)
    (folder / "conda.yml").write_text("name: bare\ndependencies:\n- python=3.11\n")
    (folder / "few").mkdir()
    (folder / "few/f.parquet").write_bytes((folder / "small.parquet").read_bytes())
    client.batch_endpoints.begin_create_or_update(e.BatchEndpoint(name="bench")).result()
    common: dict[str, Any] = {"endpoint_name": "bench", "compute": "cpu-cluster"}
    settings = e.ModelBatchDeploymentSettings(mini_batch_size=2, max_concurrency_per_instance=2)
    environment = e.Environment(name="bare", image="none", conda_file=str(folder / "conda.yml"))
    code = e.CodeConfiguration(code=str(folder / "nothing"), scoring_script="score.py")
    script = e.ModelBatchDeployment(
        name="script", environment=environment, code_configuration=code, settings=settings, **common
    )
    registered = e.Model(name="bench", path=str(model), type="mlflow_model")
    plain = e.ModelBatchDeployment(name="model", model=registered, settings=settings, **common)
    for deployment in (script, plain):
        client.batch_deployments.begin_create_or_update(deployment).result()


def _seconds(client: Any, deployment: str, source: Path) -> float:
    """How long a job takes, without the upload of its files."""
    from azure.ai.ml import Input
    from azure.ai.ml.entities import Data

    data = client.data.create_or_update(
        Data(name=f"bench-{source.name}", path=str(source), type="uri_folder")
    )
    given = Input(type="uri_folder", path=f"azureml:{data.name}:{data.version}")
    began = time.perf_counter()
    job = client.batch_endpoints.invoke(
        endpoint_name="bench", deployment_name=deployment, input=given
    )
    while (status := client.jobs.get(job.name).status) not in ("Completed", "Failed"):
        time.sleep(0.05)
    assert status == "Completed", job.name
    return time.perf_counter() - began
