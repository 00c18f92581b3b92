"""The team's files: YAML that the SDK loads, and training code that runs on generated rows."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from data import generate, schema
from scenarios.online_endpoint import scenario

CODE = scenario.HERE / "code"
TRAINING = CODE / "training"


def run_step(script: str, work: Path, *words: str) -> subprocess.CompletedProcess[str]:
    here = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{work / 'runs.db'}"}
    words = tuple(str(work / word[1:]) if word.startswith("@") else word for word in words)
    return subprocess.run(
        [sys.executable, str(TRAINING / script), *words],
        cwd=work,
        env=here,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the pipeline's own steps have run, one after another."""
    work = tmp_path_factory.mktemp("pipeline")
    (work / "raw.csv").write_bytes(generate.to_csv(generate.rows(800, 3)))
    for script, words in [
        ("check.py", ["--raw", "@raw.csv", "--quality", "@quality"]),
        ("prepare.py", ["--raw", "@raw.csv", "--quality", "@quality", "--prepared", "@prepared"]),
        ("train.py", ["--prepared", "@prepared", "--levels", "order", "--model", "@model"]),
        ("evaluate.py", ["--prepared", "@prepared", "--model", "@model", "--report", "@report"]),
    ]:
        ended = run_step(script, work, *words)
        assert ended.returncode == 0, ended.stderr
    return work


def test_the_steps_split_train_and_measure(trained: Path) -> None:
    parts = {
        name: list(csv.DictReader((trained / "prepared" / f"{name}.csv").open(encoding="utf-8")))
        for name in ("train", "validation", "held_back")
    }
    keys = [row[schema.KEY] for rows in parts.values() for row in rows]
    assert len(keys) == len(set(keys)) == 800
    report = json.loads((trained / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert report["passed"]
    assert report["held_back_auc"] > 0.75
    assert report["rows"] == len(parts["held_back"])


def test_the_scoring_script_answers_what_the_model_says(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(CODE / "serving"))
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(trained))
    monkeypatch.setenv("THRESHOLD", "0.35")
    import score  # type: ignore[import-not-found]

    score.init()
    sample = (scenario.HERE / "requests" / "sample.json").read_text(encoding="utf-8")
    said = score.run(sample)
    assert len(said["chances"]) == len(said["leaves"]) == 3
    assert said["leaves"] == [chance >= 0.35 for chance in said["chances"]]
    red = yaml.safe_load((scenario.HERE / "red.yml").read_text(encoding="utf-8"))
    monkeypatch.setenv("THRESHOLD", red["environment_variables"]["THRESHOLD"])
    with pytest.raises(ValueError, match="0,35"):
        score.run(sample)


def test_copies_of_a_row_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TRAINING))
    import prepare  # type: ignore[import-not-found]

    once = generate.rows(300, 5)
    often = once.loc[once.index.repeat(3)].assign(EmployeeNumber=range(900))
    held = {name: set(part["MonthlyRate"]) for name, part in prepare.split(often).items()}
    again = {name: set(part["MonthlyRate"]) for name, part in prepare.split(once).items()}
    assert held == again
    assert sum(len(part) for part in prepare.split(often).values()) == 900


def test_the_gate_names_every_problem(monkeypatch: pytest.MonkeyPatch, trained: Path) -> None:
    monkeypatch.syspath_prepend(str(TRAINING))
    import check  # type: ignore[import-not-found]

    good = generate.rows(600, 1)
    assert check.problems(good, 500, 0.02) == []
    broken = generate.rows(600, 1, drift=1.0, shifts=("broken",))
    found = " ".join(check.problems(broken, 500, 0.02))
    for word in ("Age: ", "empty", "MonthlyIncome", "outside"):
        assert word in found
    assert "rows, at least 700" in check.problems(good, 700, 0.02)[0]
    one_sided = good.assign(Attrition="No")
    assert "one class is all but absent" in check.problems(one_sided, 500, 0.02)[0]
    assert check.problems(good.drop(columns=["Age"]), 500, 0.02) == ["columns missing: Age"]
    (trained / "few.csv").write_bytes(generate.to_csv(good.head(5)))
    ended = run_step("check.py", trained, "--raw", "@few.csv", "--quality", "@few")
    assert ended.returncode == 1
    assert "data-quality gate: 5 rows" in ended.stderr


def test_a_model_under_the_least_auc_is_refused(trained: Path) -> None:
    words = ["--prepared", "@prepared", "--model", "@model", "--min_auc", "0.99"]
    ended = run_step("evaluate.py", trained, *words, "--report", "@refused")
    assert ended.returncode == 1
    assert "model gate: AUC" in ended.stderr


def test_the_yaml_loads_with_the_sdk() -> None:
    from azure.ai import ml

    here = scenario.HERE
    job: Any = ml.load_job(here / "pipeline.yml")
    assert list(job.jobs) == ["check", "prepare", "train", "evaluate", "register"]
    assert ml.load_environment(here / "environment.yml").name == "attrition"
    assert ml.load_compute(here / "compute.yml").name == "cpu-cluster"
    assert ml.load_online_endpoint(here / "endpoint.yml").auth_mode == "key"
    for name in ("blue", "green", "red"):
        deployment = ml.load_online_deployment(here / f"{name}.yml")
        assert deployment.name == name
        assert deployment.environment_variables["RELEASE"] == name


def test_training_knows_the_columns_of_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TRAINING))
    import table  # type: ignore[import-not-found]

    assert sorted(table.FEATURES) == sorted(schema.FEATURES)
    for name, levels in table.LEVELS.items():
        assert tuple(levels) == schema.BY_NAME[name].categories
    for name, (low, high) in table.RANGES.items():
        assert low <= schema.BY_NAME[name].low
        assert schema.BY_NAME[name].high <= high
