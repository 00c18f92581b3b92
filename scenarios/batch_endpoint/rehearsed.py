"""What the scenario is told under `--plan`, where nothing is run: enough to go to its end."""

from __future__ import annotations

import json
from pathlib import Path

from azure_adapters.plan import Rehearsed
from azure_adapters.ports import Asset, Promoted
from data.generate import rows, to_csv

ROWS = 45
PARTS = 9


def output(name: str, folder: Path) -> None:
    """Write what a job's named output would hold."""
    del name  # each job has one output that the scenario reads
    # The third job in production, which is the default deployment's.
    last = {"job": "batchjob-3", "status": "Completed"}
    (folder / "job.json").write_text(json.dumps(last), encoding="utf-8")
    held_back = rows(ROWS, 1).drop(columns=["Attrition"])
    (folder / "held_back.csv").write_bytes(to_csv(held_back))
    scored = held_back[["EmployeeNumber"]].assign(label="No", chance=0.5)
    (folder / "scored.csv").write_bytes(to_csv(scored))
    said = {"passed": True, "held_back_auc": 0.5, "rows": ROWS}
    (folder / "metrics.json").write_text(json.dumps(said), encoding="utf-8")


def _predictions(deployment: str | None, folder: Path) -> Path:
    target, size = folder / "predictions.csv", ROWS // PARTS
    if deployment == "labels":
        names = [f"employees-{at:02}" for at in range(PARTS)]
        lines = [
            f"{row},No,{name}.{'parquet' if name == names[-1] else 'csv'}"
            for name in names
            for row in range(size)
        ]
    else:
        lines = [f"{key} 0.5 True" for key in rows(ROWS, 1)["EmployeeNumber"]]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


class _Gate:
    """Lets the first candidate pass to both workspaces, and the one after it to none."""

    def __init__(self) -> None:
        self._passed = 0

    def __call__(self, model: Asset, target: str) -> Promoted:
        self._passed += 1
        if self._passed <= 2:
            return Promoted(True, "next", "")
        return Promoted(False, "next", f"{model.name} would be worse in {target}")


def rehearsed() -> Rehearsed:
    """What one run of the scenario is told."""
    return Rehearsed(output, predictions=_predictions, promotes=_Gate())


REHEARSED = rehearsed()
