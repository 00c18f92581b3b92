"""MLflow 2 with azureml-mlflow, unmodified: `azureml://` and https, in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.emulators.mlflow.conftest import Tracking
from tests.peers import peer_environment

PLUGIN = ["azureml-mlflow>=1.60,<2", "scikit-learn<1.8"]
SCRIPT = Path(__file__).parent / "plugin_client.py"
HOST = "eastus.api.azureml.ms"
WORK_S = 240


@pytest.mark.parametrize("mlflow", ["mlflow>=2.22,<3", "mlflow>=3.10,<4"])
def test_a_team_s_code_runs_unmodified(tracking: Tracking, tmp_path: Path, mlflow: str) -> None:
    python = peer_environment("azureml-mlflow", [*PLUGIN, mlflow])
    jobs = [f"calm_{scheme}_{mlflow[8]}" for scheme in ("azureml", "https")]
    for job in jobs:
        experiment = tracking.begin({"run_id": job, "experiment_name": "plugin"})
    path = tracking.uri("one", "v1.0").partition("/mlflow/")[2]
    uris = [f"{scheme}://{HOST}/mlflow/{path}" for scheme in ("azureml", "https")]
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "AZURE"))},
        **tracking.door,
        "MLFLOW_TRACKING_TOKEN": tracking.token,
        "MLFLOW_TRACKING_URI": uris[0],
        "MLFLOW_EXPERIMENT_ID": experiment,
        "MLFLOW_EXPERIMENT_NAME": "plugin",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "HOME": str(tmp_path),
    }
    runs = list(zip(uris, jobs, strict=True))
    done = subprocess.run(
        [str(python), str(SCRIPT), json.dumps(runs)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WORK_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    by_plugin, plain = (json.loads(line) for line in done.stdout.splitlines() if line[0] == "{")
    for said, run in zip((by_plugin, plain), jobs, strict=True):
        assert said["run_id"] == run
        assert said["predicted"] == [0, 1, 0, 1]
        assert said["files"] == ["model/MLmodel", "note.txt"]
    assert int(plain["version"]) == int(by_plugin["version"]) + 1
    assert by_plugin["artifact_uri"].startswith(f"azureml://{HOST}/mlflow/v2.0/subscriptions/")
    assert plain["artifact_uri"].startswith("mlflow-artifacts:/")
