"""Model gate: measure on held-back rows, and fail below the least AUC."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import mlflow
import mlflow.sklearn
import pandas as pd
from sklearn.metrics import accuracy_score, roc_auc_score
from table import FEATURES, TARGET


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prepared", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--min_auc", type=float, default=0.7)
    parser.add_argument("--report", required=True)
    args = parser.parse_args()
    held_back = pd.read_csv(Path(args.prepared) / "held_back.csv")
    leavers = held_back[TARGET] == "Yes"
    chance = mlflow.sklearn.load_model(args.model).predict_proba(held_back[FEATURES])[:, 1]
    metrics = {
        "held_back_auc": float(roc_auc_score(leavers, chance)),
        "held_back_accuracy": float(accuracy_score(leavers, chance >= 0.5)),
    }
    with mlflow.start_run():
        mlflow.log_metrics(metrics)
    report = {**metrics, "rows": len(held_back), "min_auc": args.min_auc}
    report["passed"] = metrics["held_back_auc"] >= args.min_auc
    Path(args.report).mkdir(parents=True, exist_ok=True)
    (Path(args.report) / "metrics.json").write_text(json.dumps(report, indent=1))
    shutil.copyfile(Path(args.prepared) / "held_back.csv", Path(args.report) / "held_back.csv")
    print(json.dumps(report))
    if not report["passed"]:
        sys.exit(f"model gate: AUC {metrics['held_back_auc']:.3f} is under {args.min_auc}")


if __name__ == "__main__":
    main()
