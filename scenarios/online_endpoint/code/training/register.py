"""Register the model that passed the gate, with its figures as tags."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import mlflow


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--report", required=True)
    parser.add_argument("--model_name", required=True)
    parser.add_argument("--registration", required=True)
    args = parser.parse_args()
    metrics = json.loads((Path(args.report) / "metrics.json").read_text())
    with mlflow.start_run() as run:
        mlflow.log_artifacts(args.model, "model")
        registered = mlflow.register_model(
            f"runs:/{run.info.run_id}/model",
            args.model_name,
            tags={"held_back_auc": f"{metrics['held_back_auc']:.4f}", "rows": str(metrics["rows"])},
        )
    record = {"name": registered.name, "version": str(registered.version)}
    Path(args.registration).mkdir(parents=True, exist_ok=True)
    (Path(args.registration) / "model.json").write_text(json.dumps(record))
    print(json.dumps(record))


if __name__ == "__main__":
    main()
