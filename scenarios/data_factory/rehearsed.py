"""What the scenario is told under `--plan`, where nothing is run: enough to go to its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure_adapters.plan import Rehearsed
from azure_adapters.ports import FactoryRun, RunActivity
from scenarios.batch_endpoint.rehearsed import ROWS, output
from scenarios.data_factory.scenario import NOWHERE, PARTS


def _predictions(deployment: str | None, folder: Path) -> Path:
    del deployment  # there is one
    target, size = folder / "predictions.csv", ROWS // PARTS
    names = [f"employees-{at:02}.{'parquet' if at == PARTS - 1 else 'csv'}" for at in range(PARTS)]
    lines = [f"{row},No,{name}" for name in names for row in range(size)]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def _ran(pipeline: str, parameters: Mapping[str, Any]) -> FactoryRun:
    if NOWHERE in str(parameters.get("data", "")):
        code = {"errorCode": "NotScored"}
        told = RunActivity("Not scored", "Fail", "Failed", 0.0, {}, code)
        return FactoryRun("planned", pipeline, "Failed", "no predictions", (told,))
    asked = RunActivity("Invoke endpoint", "WebActivity", "Succeeded", 0.0, {"name": "planned"}, {})
    return FactoryRun("planned", pipeline, "Succeeded", "", (asked,))


REHEARSED = Rehearsed(output, predictions=_predictions, pipelines=_ran)
