"""Score files of employees: a line a row, with key, chance of leaving and verdict."""

from __future__ import annotations

import os
from pathlib import Path

import joblib
import pandas as pd

model = None
threshold = 0.5


def init() -> None:
    """Load the model once a process."""
    global model, threshold  # noqa: PLW0603
    folder = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")).parent
    # The pickle alone: importing mlflow would add seconds to every start.
    model = joblib.load(folder / "model.pkl")
    threshold = float(os.environ.get("THRESHOLD", "0.5"))
    print(f"loaded {folder.name}, threshold {threshold}")


def run(mini_batch: list) -> pd.DataFrame:
    """Take paths of CSV and Parquet files; return a row for each of theirs."""
    frames = [_read(Path(path)) for path in mini_batch]
    frame = pd.concat(frames, ignore_index=True)
    chances = model.predict_proba(frame)[:, 1]
    return pd.DataFrame(
        {
            "key": frame["EmployeeNumber"].astype(int),
            "chance": chances.round(6),
            "leaves": chances >= threshold,
        }
    )


def _read(file: Path) -> pd.DataFrame:
    return pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
