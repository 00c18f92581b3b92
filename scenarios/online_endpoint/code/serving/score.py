"""Answer for the attrition model: rows in, chances of leaving out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import joblib
import pandas as pd

model = None


def init() -> None:
    """Load the model once, before the first request."""
    global model  # noqa: PLW0603
    folder = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")).parent
    # The pickle alone: importing mlflow would add seconds to every start.
    model = joblib.load(folder / "model.pkl")
    print(f"loaded {folder.name}, release {os.environ.get('RELEASE', 'none')}")


def run(raw: str) -> dict:
    """Take {"input_data": {"columns", "index", "data"}}; answer a chance and a verdict a row."""
    table = json.loads(raw)["input_data"]
    frame = pd.DataFrame(table["data"], columns=table["columns"], index=table.get("index"))
    threshold = float(os.environ.get("THRESHOLD", "0.5"))
    chances = model.predict_proba(frame)[:, 1]
    return {
        "release": os.environ.get("RELEASE", "none"),
        "chances": [round(float(chance), 6) for chance in chances],
        "leaves": [bool(chance >= threshold) for chance in chances],
    }
