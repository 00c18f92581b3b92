"""A desk at which SDK tests of jobs submit code and wait."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from tests.running import Rehearsal

TERMINAL = {"Completed", "Failed", "Canceled"}
LOG_METRIC = """
    import argparse, json, os, time, urllib.request
    def log(key, value, step=0):
        body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": key, "value": value,
                "timestamp": int(time.time() * 1000), "step": step}
        request = urllib.request.Request(
            os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric",
            json.dumps(body).encode(),
            {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"],
             "Content-Type": "application/json"})
        urllib.request.urlopen(request)
"""


@pytest.fixture(scope="session")
def plain(ml_client: Any) -> str:
    """An environment of nothing but Python, so that jobs start at once."""
    from azure.ai.ml.entities import Environment

    made = ml_client.environments.create_or_update(
        Environment(
            name="plain",
            image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
            conda_file={"name": "plain", "dependencies": ["python=3.11"]},
        )
    )
    return f"{made.name}:{made.version}"


class Desk:
    """Submits code and waits."""

    def __init__(self, client: Any, environment: str, folder: Path) -> None:
        self.client, self.environment, self.folder = client, environment, folder

    def code(self, source: str, helper: str = "") -> str:
        text = textwrap.dedent(helper) + textwrap.dedent(source)
        (self.folder / "main.py").write_text(text)
        return str(self.folder)

    def submit(self, source: str, line: str = "python main.py", **options: Any) -> Any:
        from azure.ai.ml import command

        job = command(
            code=self.code(source, options.pop("helper", "")),
            command=line,
            environment=self.environment,
            compute="cpu-cluster",
            experiment_name="jobs",
            **options,
        )
        return self.client.jobs.create_or_update(job)

    def wait(self, job: Any, *, status: set[str] = TERMINAL, seconds: float = 90) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            now = self.client.jobs.get(job.name)
            if now.status in status:
                return now
            time.sleep(0.1)
        raise AssertionError(f"{job.name} is {now.status} after {seconds} s")

    def log(self, job: Any, rehearsal: Rehearsal) -> str:
        return rehearsal.rehearse("logs", job.name)


@pytest.fixture
def desk(ml_client: Any, plain: str, tmp_path: Path) -> Desk:
    folder = tmp_path / "code"
    folder.mkdir()
    return Desk(ml_client, plain, folder)
