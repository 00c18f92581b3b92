"""Train the attrition model, measure it on held-back rows, keep it only if it is good enough."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

KEY, TARGET = "EmployeeNumber", "Attrition"
NEEDED = ["mlflow-skinny", "scikit-learn", "pandas", "numpy", "cloudpickle", "pyarrow"]


def pipeline(numbers: list[str], texts: list[str]) -> Pipeline:
    """Return the untrained model."""
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
        (StandardScaler(), numbers),
    )
    return make_pipeline(encode, LogisticRegression(C=0.1, max_iter=1000))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--raw", required=True)
    parser.add_argument("--min_auc", type=float, default=0.7)
    parser.add_argument("--share", type=float, default=1.0, help="of the rows to learn from")
    parser.add_argument("--model", required=True)
    parser.add_argument("--report", required=True)
    args = parser.parse_args()
    frame = pd.read_csv(args.raw)
    features = [name for name in frame.columns if name not in (KEY, TARGET)]
    numbers = frame[features].select_dtypes("number").columns.tolist()
    frame = frame.astype(dict.fromkeys(numbers, float))
    train, held_back = train_test_split(
        frame, test_size=0.25, random_state=0, stratify=frame[TARGET]
    )
    train = train.sample(frac=args.share, random_state=0)
    texts = [name for name in features if name not in numbers]
    model = pipeline(numbers, texts).fit(train[features], train[TARGET])
    chances = model.predict_proba(held_back[features])[:, 1]
    auc = float(roc_auc_score(held_back[TARGET] == "Yes", chances))
    with mlflow.start_run():
        mlflow.log_params({"rows": len(train), "columns": len(features)})
        mlflow.log_metric("held_back_auc", auc)
    report = Path(args.report)
    report.mkdir(parents=True, exist_ok=True)
    scored = held_back[[KEY]].assign(label=model.predict(held_back[features]), chance=chances)
    held_back.drop(columns=[TARGET]).to_csv(report / "held_back.csv", index=False)
    scored.to_csv(report / "scored.csv", index=False)
    said = {"held_back_auc": auc, "rows": len(held_back), "passed": auc >= args.min_auc}
    (report / "metrics.json").write_text(json.dumps(said))
    print(json.dumps(said))
    if not said["passed"]:
        sys.exit(f"model gate: AUC {auc:.3f} is under {args.min_auc}")
    mlflow.sklearn.save_model(
        model,
        args.model,
        signature=infer_signature(train[features], model.predict(train[features])),
        serialization_format="cloudpickle",
        # Stated, because finding them out loads the model in another process.
        pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
    )


if __name__ == "__main__":
    main()
