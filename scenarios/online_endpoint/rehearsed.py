"""What the scenario is told under `--plan`, where nothing is run: enough to go to its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from azure_adapters.plan import Rehearsed
from azure_adapters.ports import Answer

ROWS = 80


def _output(name: str, folder: Path) -> None:
    from data.generate import rows, to_csv

    files: dict[str, Any] = {
        "quality": ("quality.json", {"passed": True, "rows": ROWS, "columns": 32, "problems": []}),
        "report": ("metrics.json", {"passed": True, "held_back_auc": 0.5}),
        "registration": ("model.json", {"name": "attrition", "version": "next"}),
    }
    file, content = files[name]
    (folder / file).write_text(json.dumps(content), encoding="utf-8")
    if name == "report":
        (folder / "held_back.csv").write_bytes(to_csv(rows(ROWS, 1)))


def _invoke(deployment: str | None, body: Any) -> Answer:
    if deployment == "red":
        return Answer(424, "a plan: red is broken by design", "red", 0.0)
    count = len(body["input_data"]["data"])
    said = {"release": deployment or "planned", "chances": [0.5] * count}
    return Answer(200, said, deployment or "", 0.0)


REHEARSED = Rehearsed(_output, _invoke)
