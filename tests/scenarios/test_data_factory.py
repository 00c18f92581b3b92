"""Scenario 3: its decisions against adapters that answer from memory, then for real."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from azure_adapters.plan import Plan
from azure_adapters.ports import FactoryRun
from azure_adapters.settings import Settings
from scenarios.data_factory import rehearsed, scenario
from scenarios.report import Outcome, perform
from tests.running import Rehearsal
from tests.scenarios import performing

SETTINGS = Settings(subscription_id="s", resource_group="g", workspace="w", data_factory="f")
STEPS = [
    "register data",
    "register environment",
    "train",
    "deploy the batch endpoint",
    "export employees",
    "keep the secret",
    "publish the factory",
    "run the pipeline",
    "see that no secret shows",
    "run it on data that is not there",
    "let the trigger fire once",
    "clean up",
]
Ran = Callable[[str, Mapping[str, Any]], FactoryRun]


def run_with(ran: Ran | None = None) -> tuple[Outcome, Plan]:
    told = rehearsed.REHEARSED
    plan = Plan(replace(told, pipelines=ran) if ran else told)
    adapters = plan.adapters(SETTINGS)
    return perform("x", "local", lambda report: scenario.run(adapters, report)), plan


def test_a_good_run_goes_through_every_step_in_order() -> None:
    made, plan = run_with()
    assert made.status == "succeeded", made
    assert [step.name for step in made.steps] == STEPS
    kinds = [one.kind for one in plan.made]
    assert kinds.count("pipeline run") == 3  # one of them by the trigger
    assert kinds.index("role assignment") < kinds.index("pipeline run")
    assert [one.detail for one in plan.made if one.kind == "trigger"][-1] == "stopped"


@pytest.mark.parametrize(
    ("fails", "step"),
    [
        (lambda parameters: not parameters, "run the pipeline"),
        (bool, "run it on data that is not there"),
    ],
    ids=["it fails", "it does not fail"],
)
def test_how_a_run_ends_decides(fails: Callable[[Mapping[str, Any]], bool], step: str) -> None:
    def ran(pipeline: str, parameters: Mapping[str, Any]) -> FactoryRun:
        assert rehearsed.REHEARSED.pipelines is not None
        said = rehearsed.REHEARSED.pipelines(pipeline, parameters)
        other = {"Succeeded": "Failed", "Failed": "Succeeded"}[said.status]
        return replace(said, status=other) if fails(parameters) else said

    made, plan = run_with(ran)
    assert [one.name for one in made.steps if one.status == "failed"] == [step]
    assert plan.made[-1].action == "delete"  # cleaned up all the same


def test_the_trigger_and_every_call_name_what_the_folder_has() -> None:
    folder = scenario.FACTORY
    pipelines = {file.stem for file in (folder / "pipeline").glob("*.json")}
    for file in sorted(folder.glob("*/*.json")):
        body = json.loads(file.read_text(encoding="utf-8"))
        assert body["name"] == file.stem
        text = json.dumps(body)
        for name in pipelines:
            text = text.replace(f'{{"referenceName": "{name}"', "")
        assert '"referenceName"' not in text, file


def test_from_zero_to_a_pipeline_that_scores(rehearsal: Rehearsal) -> None:
    done = performing.perform(rehearsal, "data-factory")
    assert done.said["status"] == "succeeded", done.shown
    assert done.steps == STEPS
    details = done.details
    assert details["run the pipeline"].endswith("500 rows, all labels as training gave them")
    assert details["let the trigger fire once"].endswith("all labels as training gave them")
