"""Scenario 2 for real: the command, the emulators, the user's code in its own environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from data import generate
from tests.running import Rehearsal
from tests.scenarios import performing
from tests.scenarios.test_online_endpoint import STEPS


def run(rehearsal: Rehearsal, *words: str) -> tuple[int, dict[str, Any], str]:
    """Run the scenario as a user does; its exit code, its JSON and what it showed."""
    done = performing.perform(rehearsal, "online-endpoint", *words)
    return done.code, done.said, done.shown


def auc_of(said: dict[str, Any]) -> tuple[float, int]:
    """Return the deployed model's AUC and the rows it was measured on."""
    detail = next(s["detail"] for s in said["steps"] if s["name"] == "AUC of the deployed model")
    found = re.fullmatch(r"AUC (\d\.\d+) on (\d+) held-back rows", detail)
    assert found, detail
    return float(found.group(1)), int(found.group(2))


def test_from_zero_to_a_rolled_back_release(rehearsal: Rehearsal) -> None:
    code, said, shown = run(rehearsal)
    assert code == 0, shown
    assert list(said) == ["scenario", "target", "status", "seconds", "steps"]
    assert (said["scenario"], said["target"]) == ("online-endpoint", "local")
    assert said["status"] == "succeeded"
    assert [step["name"] for step in said["steps"]] == ["connect", *STEPS]
    details = {step["name"]: step["detail"] for step in said["steps"]}
    assert details["shift traffic to green"] == "of 40 requests green 40"
    assert "status 424" in details["roll back on a failing probe"]
    auc, rows = auc_of(said)
    assert auc > 0.75
    assert 300 < rows < 500


@pytest.mark.parametrize("file", ["ibm-hr-attrition-adapted.csv", "ibm-hr-attrition.csv"])
def test_on_the_real_file_of_either_form(rehearsal: Rehearsal, shared: Path, file: str) -> None:
    code, said, shown = run(rehearsal, "--data", str(shared / "data" / file))
    assert code == 0, shown
    auc, _ = auc_of(said)
    assert auc > 0.75


def test_bad_data_stops_at_the_gate(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """The gate is a step of the pipeline: nothing is trained, registered or deployed."""
    file = tmp_path / "bad.csv"
    file.write_bytes(generate.to_csv(generate.rows(100, 1)))
    code, said, _ = run(rehearsal, "--data", str(file))
    assert code == 1
    assert said["status"] == "failed"
    assert said["steps"][-1]["name"] == "train by pipeline"
    assert "100 rows, at least 500 are needed" in said["steps"][-1]["detail"]
