"""Train one logistic regression and save it as an MLflow model."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from table import FEATURES, LEVELS, NAMES, NUMBERS, TARGET


def pipeline(c: float, levels: str) -> Pipeline:
    """Return the untrained model; `levels` are encoded by their names or by their order."""
    ordered = list(LEVELS)
    by_order = make_pipeline(
        OrdinalEncoder(
            categories=list(LEVELS.values()), handle_unknown="use_encoded_value", unknown_value=-1
        ),
        StandardScaler(),
    )
    by_name = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), NAMES),
        (by_order if levels == "order" else by_name, ordered),
        (StandardScaler(), NUMBERS),
    )
    return Pipeline([("encode", encode), ("model", LogisticRegression(C=c, max_iter=1000))])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prepared", required=True)
    parser.add_argument("--c", type=float, default=0.1)
    parser.add_argument("--levels", choices=["names", "order"], default="names")
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    train = pd.read_csv(Path(args.prepared) / "train.csv")
    validation = pd.read_csv(Path(args.prepared) / "validation.csv")
    with mlflow.start_run():
        mlflow.log_params({"c": args.c, "levels": args.levels, "train_rows": len(train)})
        model = pipeline(args.c, args.levels).fit(train[FEATURES], train[TARGET] == "Yes")
        chance = model.predict_proba(validation[FEATURES])[:, 1]
        auc = float(roc_auc_score(validation[TARGET] == "Yes", chance))
        mlflow.log_metric("validation_auc", auc)
    needed = ["mlflow-skinny", "scikit-learn", "pandas", "numpy", "cloudpickle"]
    mlflow.sklearn.save_model(
        model,
        args.model,
        signature=infer_signature(train[FEATURES].astype(dict.fromkeys(NUMBERS, float))),
        serialization_format="cloudpickle",
        # Stated, because finding them out loads the model in another process.
        pip_requirements=[f"{name}=={version(name)}" for name in needed],
    )
    print(f"c={args.c:.4g} levels={args.levels}: validation_auc {auc:.4f}")


if __name__ == "__main__":
    main()
