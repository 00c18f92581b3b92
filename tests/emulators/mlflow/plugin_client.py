"""What a job's training script does with MLflow, in an environment with azureml-mlflow."""

import json
import os
import sys

import mlflow
import mlflow.sklearn
import numpy as np
from sklearn.linear_model import LogisticRegression

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]])


def work() -> dict[str, object]:
    with mlflow.start_run() as run:
        mlflow.log_param("depth", 3)
        mlflow.log_metrics({"f1": 0.9, "auc": 0.8})
        mlflow.set_tag("by", "script")
        mlflow.log_text("hello", "note.txt")
        fitted = LogisticRegression().fit(ROWS, [0, 1, 0, 1])
        mlflow.sklearn.log_model(fitted, "model", pip_requirements=["scikit-learn"])
    run_id = run.info.run_id
    client = mlflow.MlflowClient()
    kept = client.get_run(run_id)
    assert kept.data.metrics == {"f1": 0.9, "auc": 0.8}, kept.data
    files = [f.path for f in client.list_artifacts(run_id) if not f.is_dir]
    files += [f.path for f in client.list_artifacts(run_id, "model") if f.path.endswith("/MLmodel")]
    made = mlflow.register_model(f"runs:/{run_id}/model", "plugin-model")
    by_run = mlflow.sklearn.load_model(f"runs:/{run_id}/model").predict(ROWS)
    by_name = mlflow.pyfunc.load_model(f"models:/plugin-model/{made.version}").predict(ROWS)
    assert list(by_run) == list(by_name)
    return {
        "run_id": run_id,
        "artifact_uri": run.info.artifact_uri,
        "files": sorted(set(files)),
        "version": str(made.version),
        "predicted": [int(n) for n in by_name],
    }


for uri, run in json.loads(sys.argv[1]):
    os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_RUN_ID"] = uri, run
    print(json.dumps(work()))
