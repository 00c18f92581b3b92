"""MLflow 2 with azureml-mlflow, unmodified: `azureml://` and https, in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.emulators.mlflow.conftest import Tracking
from tests.peers import peer_environment

REQUIREMENTS = ["azureml-mlflow>=1.60,<2", "mlflow>=2.22,<3", "scikit-learn<1.8"]
SCRIPT = Path(__file__).parent / "plugin_client.py"
HOST = "eastus.api.azureml.ms"
WORK_S = 240


def test_a_team_s_code_runs_unmodified(tracking: Tracking, tmp_path: Path) -> None:
    python = peer_environment("azureml-mlflow", REQUIREMENTS)
    experiment = tracking.begin({"run_id": "calm_azureml_1", "experiment_name": "plugin"})
    tracking.begin({"run_id": "calm_https_1", "experiment_name": "plugin"})
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
    runs = list(zip(uris, ["calm_azureml_1", "calm_https_1"], strict=True))
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
    for said, run in ((by_plugin, "calm_azureml_1"), (plain, "calm_https_1")):
        assert said["run_id"] == run
        assert said["predicted"] == [0, 1, 0, 1]
        assert said["files"] == ["model/MLmodel", "note.txt"]
    assert (by_plugin["version"], plain["version"]) == ("1", "2")
    assert by_plugin["artifact_uri"].startswith(f"azureml://{HOST}/mlflow/v2.0/subscriptions/")
    assert plain["artifact_uri"].startswith("mlflow-artifacts:/")
