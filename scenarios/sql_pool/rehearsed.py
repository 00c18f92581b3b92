"""What the scenario is told under `--plan`, where nothing is run: enough to go to its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure_adapters.plan import Rehearsed
from azure_adapters.ports import FactoryRun, RunActivity
from data import schema
from data.generate import rows, to_csv
from scenarios.batch_endpoint.rehearsed import ROWS
from scenarios.sql_pool.scenario import NEWCOMER, PROCEDURE

FEATURES = [one for one in schema.COLUMNS if one.name not in (schema.KEY, schema.TARGET)]
NUMBERS = [one.name for one in FEATURES if one.is_number]
TEXTS = [one.name for one in FEATURES if not one.is_number]


def _fitted() -> Any:
    """A small model of the same shape as the trained one."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), TEXTS),
        (StandardScaler(), NUMBERS),
    )
    frame = rows(200, 1).astype(dict.fromkeys(NUMBERS, float))
    model = make_pipeline(encode, LogisticRegression(max_iter=1000))
    return model.fit(frame[TEXTS + NUMBERS], frame[schema.TARGET])


def _model(folder: Path) -> None:
    import logging

    import mlflow
    from mlflow.models import infer_signature

    logging.getLogger("mlflow").setLevel(logging.ERROR)  # advice for models that are kept
    frame = rows(50, 1).astype(dict.fromkeys(NUMBERS, float))[[one.name for one in FEATURES]]
    mlflow.sklearn.save_model(
        _fitted(),
        str(folder),
        signature=infer_signature(frame),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )


def _held_back() -> Any:
    return rows(ROWS, 1).drop(columns=[schema.TARGET])


def _output(name: str, folder: Path) -> None:
    del name  # the job has one output that the scenario reads
    held_back = _held_back()
    (folder / "held_back.csv").write_bytes(to_csv(held_back))
    scored = held_back[[schema.KEY]].assign(label="No", chance=0.5)
    (folder / "scored.csv").write_bytes(to_csv(scored))
    said = {"passed": True, "held_back_auc": 0.5, "rows": ROWS}
    (folder / "metrics.json").write_text(json.dumps(said), encoding="utf-8")


class _Pool:
    """Answers as a pool would in which everything went well."""

    def __init__(self) -> None:
        self._scored = iter((ROWS, 0, 1))

    def __call__(self, asked: str) -> list[Mapping[str, Any]]:
        if asked == PROCEDURE:
            return [{"scored": next(self._scored)}]
        if "COUNT(*)" in asked:
            return [{"n": ROWS}]
        if "WHERE [EmployeeNumber]" in asked:
            return [{"EmployeeNumber": NEWCOMER, "label": "No", "chance": 0.5}]
        if "FROM attrition.predictions" in asked and asked.startswith("SELECT"):
            numbers = _held_back()[schema.KEY]
            return [{"EmployeeNumber": one, "label": "No", "chance": 0.5} for one in numbers]
        if asked.startswith("SELECT TOP 1"):
            return _held_back().head(1).to_dict("records")  # type: ignore[no-any-return]
        return []


def _ran(pipeline: str, parameters: Mapping[str, Any]) -> FactoryRun:
    del parameters
    counted = {"resultSets": [{"rows": [{"scored": ROWS + 1, "leavers": 0}]}]}
    told = RunActivity("Count", "Script", "Succeeded", 0.0, counted, {})
    return FactoryRun("planned", pipeline, "Succeeded", "", (told,))


def rehearsed() -> Rehearsed:
    """What one run of the scenario is told."""
    return Rehearsed(_output, pipelines=_ran, rows=_Pool(), model=_model)


REHEARSED = rehearsed()
