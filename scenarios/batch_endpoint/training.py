"""Training of the model that scenarios score in batches, in the development workspace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data
from azure_adapters.ports import Adapters, Asset
from scenarios.batch_endpoint import files
from scenarios.report import Report

HERE = Path(__file__).parent
DATA = Path(data.__file__).parent / "attrition" / "data.yml"
MODEL = "attrition-batch"
METRIC = "held_back_auc"


@dataclass(frozen=True, slots=True)
class Trained:
    """What training left behind."""

    model: Asset
    auc: float
    held_back: Path  # rows the model has not seen, a CSV without the target
    scored: list[files.Row]  # the same rows as training scored them


def prepare(adapters: Adapters, report: Report, source: Path | None, folder: Path) -> Asset:
    """Register the data, from a CSV of either form or the generated rows, and what trains on it."""
    with report.step("register data") as note:
        file = _adapted(source, folder) if source else None
        dataset = adapters.data.register(DATA, path=file)
        note.detail = f"{dataset.reference} from {source or 'the generated rows'}"
    with report.step("register environment") as note:
        environment = adapters.environments.register(HERE / "environment.yml")
        compute = adapters.computes.ensure(HERE / "compute.yml")
        note.detail = f"{environment.reference}; compute {compute}"
    return dataset


def train(
    adapters: Adapters, report: Report, dataset: Asset, folder: Path, share: float
) -> Trained:
    """Train on a share of the rows and register the model.

    Raises:
        RuntimeError: a model of all rows is too poor.
    """
    poor = share < 1
    with report.step("train a worse candidate" if poor else "train") as note:
        least = 0.0 if poor else 0.7
        inputs = {"raw": dataset.reference, "share": str(share), "min_auc": str(least)}
        job = adapters.jobs.submit(HERE / "training.yml", inputs)
        adapters.jobs.wait(job, note.say)
        measured = adapters.jobs.download(job, "report", folder / job)
        metrics = read_json(measured / "metrics.json")
        must(bool(metrics["passed"]), f"AUC {metrics[METRIC]} is too low")
        scored = files.read(measured / "scored.csv")
        path = f"azureml://jobs/{job}/outputs/model"
        model = adapters.models.register(MODEL, path, {"job": job})
        auc = float(metrics[METRIC])
        note.detail = f"{model.reference}: AUC {auc:.3f} on {len(scored)} held-back rows"
    return Trained(model, auc, measured / "held_back.csv", scored)


def as_trained(trained: Trained, written: Sequence[Path], predictions: Path) -> int:
    """Compare every label with the one that training gave the same row; the number of rows.

    Args:
        trained: whose held-back rows were scored.
        written: the files that they were cut into.
        predictions: what the deployment without code made of those files.

    Raises:
        RuntimeError: a label differs or is missing.
    """
    found = files.labels(predictions)
    rows = len(trained.scored)
    wanted = files.expected(trained.scored, written, rows)
    wrong = [place for place, label in wanted.items() if found.get(place) != label]
    must(not wrong and len(found) == rows, f"{len(wrong)} of {rows} rows differ")
    return rows


def _adapted(source: Path, folder: Path) -> Path:
    """Write a file of either form as the adapted one."""
    from data.generate import to_csv
    from data.load import load

    target = folder / "attrition.csv"
    target.write_bytes(to_csv(load(source)))
    return target


def read_json(file: Path) -> Any:
    """Return the value in a JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))


def must(holds: bool, otherwise: str) -> None:
    """Raise RuntimeError with `otherwise` unless it holds."""
    if not holds:
        raise RuntimeError(otherwise)
