"""Scenario 1: its decisions against adapters that answer from memory, then for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azure_adapters.plan import Plan, Rehearsed
from azure_adapters.ports import Asset, Promoted
from azure_adapters.settings import Settings
from data import generate
from scenarios.batch_endpoint import files, rehearsed, scenario
from scenarios.report import Outcome, perform
from tests.running import Rehearsal
from tests.scenarios import performing

SETTINGS = Settings(subscription_id="s", resource_group="g", workspace="w")
STEPS = [
    "register data",
    "register environment",
    "train",
    "open staging and production",
    "promote to staging",
    "try it in staging",
    "promote to production",
    "create endpoint",
    "deploy the model without code",
    "score a folder",
    "deploy a script beside it",
    "try the script by its name",
    "make the script the default",
    "train a worse candidate",
    "refuse to promote it",
    "schedule it nightly",
    "let the schedule run once",
    "clean up",
]
Predictions = Callable[[str | None, Path], Path]
Promotes = Callable[[Asset, str], Promoted]


def run_with(
    predictions: Predictions | None, promotes: Promotes | None = None
) -> tuple[Outcome, Plan]:
    told = rehearsed.rehearsed()
    plan = Plan(
        Rehearsed(
            told.output,
            predictions=predictions or told.predictions,
            promotes=promotes or told.promotes,
        )
    )
    adapters = plan.adapters(SETTINGS)
    return perform("x", "local", lambda report: scenario.run(adapters, report)), plan


def test_a_good_run_goes_through_every_step_in_order() -> None:
    made, plan = run_with(None)
    assert made.status == "succeeded", made
    assert [step.name for step in made.steps] == STEPS
    kinds = [one.kind for one in plan.made]
    assert kinds.count("batch deployment") == 3  # one of them in staging
    assert kinds.count("batch job") == 4
    last = plan.made[-1]
    assert (last.action, last.kind) == ("delete", "batch endpoint")


@pytest.mark.parametrize(
    ("passes", "step"),
    [
        (lambda target: "staging" not in target, "promote to staging"),
        (lambda target: "production" not in target, "promote to production"),
        (lambda target: True, "refuse to promote it"),
    ],
)
def test_the_gates_decide(passes: Callable[[str], bool], step: str) -> None:
    made, plan = run_with(None, lambda model, target: Promoted(passes(target), "1", "worse"))
    assert [one.name for one in made.steps if one.status == "failed"] == [step]
    assert plan.made[-1].action == "delete"


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (lambda text: text.replace("0,No,", "0,Yes,", 1), "try it in staging"),
        (lambda text: text.partition("\n")[2], "try it in staging"),
        (lambda text: text.replace(" 0.5 ", " 0.6 ", 1), "try the script by its name"),
    ],
    ids=["another label", "a row missing", "another chance"],
)
def test_a_row_that_differs_stops_the_release(change: Callable[[str], str], step: str) -> None:
    def predictions(deployment: str | None, folder: Path) -> Path:
        assert rehearsed.REHEARSED.predictions is not None
        file = rehearsed.REHEARSED.predictions(deployment, folder)
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
        return file

    made, plan = run_with(predictions)
    assert made.status == "failed"
    assert [one.name for one in made.steps if one.status == "failed"] == [step]
    assert plan.made[-1].action == "delete"  # cleaned up all the same


def test_a_folder_is_cut_into_files_and_put_together_again(tmp_path: Path) -> None:
    source = tmp_path / "all.csv"
    source.write_bytes(generate.to_csv(generate.inference(50, 1)))
    made = files.cut(source, tmp_path / "parts", 7)
    assert [one.suffix for one in made] == [*[".csv"] * 6, ".parquet"]
    import pandas as pd

    read = [pd.read_csv(f) if f.suffix == ".csv" else pd.read_parquet(f) for f in made]
    assert pd.concat(read)["EmployeeNumber"].tolist() == [
        int(row["EmployeeNumber"]) for row in files.read(source)
    ]
    scored = [{"label": str(n)} for n in range(50)]
    wanted = files.expected(scored, made, 50)
    assert len(wanted) == 50
    assert wanted[made[1].name, 0] == "8"


def test_the_yaml_loads_with_the_sdk() -> None:
    from azure.ai import ml
    from azure.ai.ml.entities._load_functions import load_model_batch_deployment, load_schedule

    here = scenario.HERE
    nightly: Any = ml.load_job(here / "nightly.yml")
    assert list(nightly.jobs) == ["score"]
    schedule: Any = load_schedule(here / "schedule.yml")
    assert schedule.trigger.expression == "0 2 * * *"
    assert ml.load_registry(here / "registry.yml").name == "attrition"
    assert ml.load_workspace(here / "workspace.yml").name == "attrition-staging"
    assert ml.load_data(here / "employees.yml", params_override=[{"path": "."}]).name == "employees"
    job: Any = ml.load_job(here / "training.yml")
    assert list(job.outputs) == ["model", "report"]
    assert ml.load_batch_endpoint(here / "endpoint.yml").auth_mode == "aad_token"
    for name in ("labels", "chances"):
        made = load_model_batch_deployment(here / f"{name}.yml")
        assert made.name == name
        assert made.settings.mini_batch_size == 4


def test_from_zero_to_scored_files(rehearsal: Rehearsal) -> None:
    done = performing.perform(rehearsal, "batch-endpoint")
    assert done.said["status"] == "succeeded", done.shown
    assert done.steps == STEPS
    details = done.details
    assert details["score a folder"].endswith("9 files, 500 rows, all labels as training gave them")
    assert "a gain of -" in details["refuse to promote it"]
    assert details["let the schedule run once"].endswith("500 rows; 4 jobs so far")
