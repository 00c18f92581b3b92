"""The scenario against adapters that answer from memory: its decisions, not the cloud."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_adapters.plan import Plan, Rehearsed
from azure_adapters.ports import Answer
from azure_adapters.settings import Settings
from data import generate
from data.schema import FEATURES
from scenarios.online_endpoint import rehearsed, rows, scenario
from scenarios.report import Outcome, perform

SETTINGS = Settings(subscription_id="s", resource_group="g", workspace="w")
STEPS = [
    "register data",
    "register environment",
    "train by pipeline",
    "data-quality gate",
    "model gate",
    "register model",
    "create endpoint",
    "deploy blue",
    "smoke-test blue",
    "deploy green at 10 %",
    "probe green",
    "shift traffic to green",
    "deploy red at 10 %",
    "roll back on a failing probe",
    "AUC of the deployed model",
    "clean up",
]
Invoke = Callable[[str | None, Any], Answer]
assert rehearsed.REHEARSED.invoke is not None
INVOKE: Invoke = rehearsed.REHEARSED.invoke


def run_with(invoke: Invoke, source: Path | None = None) -> tuple[Outcome, Plan]:
    plan = Plan(Rehearsed(rehearsed.REHEARSED.output, invoke))
    adapters = plan.adapters(SETTINGS)
    made = perform("x", "local", lambda report: scenario.run(adapters, report, source))
    return made, plan


def done(plan: Plan) -> list[tuple[str, str, str]]:
    return [(made.action, made.kind, made.detail) for made in plan.made]


def test_a_good_run_goes_through_every_step_in_order() -> None:
    made, plan = run_with(INVOKE)
    assert made.status == "succeeded", made
    assert [step.name for step in made.steps] == STEPS
    shares = [detail for action, kind, detail in done(plan) if kind == "traffic"]
    assert shares == [
        "blue 100 %",
        "blue 90 %, green 10 %",
        "blue 0 %, green 100 %",
        "green 90 %, blue 0 %, red 10 %",
        "green 100 %, blue 0 %, red 0 %",
    ]
    assert done(plan)[-1] == ("delete", "online endpoint", "with its deployments")


def failing(who: str | None, **wrong: Any) -> Invoke:
    def invoke(deployment: str | None, body: Any) -> Answer:
        answer = INVOKE(deployment, body)
        if deployment != who:
            return answer
        return Answer(wrong.get("status", 200), wrong.get("body", answer.body), "", 1.0)

    return invoke


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": 424, "body": "boom"},
        {"body": {"chances": [0.5]}},
        {"body": {"chances": [2.0] * 10}},
        {"body": "text"},
    ],
    ids=["status", "count", "range", "text"],
)
def test_a_bad_green_gets_no_more_traffic_and_everything_is_cleaned_up(wrong: Any) -> None:
    made, plan = run_with(failing("green", **wrong))
    assert made.status == "failed"
    assert [(s.name, s.status) for s in made.steps[-2:]] == [
        ("probe green", "failed"),
        ("clean up", "succeeded"),
    ]
    assert ("update", "traffic", "blue 0 %, green 100 %") not in done(plan)
    assert done(plan)[-1][0] == "delete"


def test_a_broken_release_that_passes_its_probe_fails_the_run() -> None:
    kind = INVOKE

    def forgiving(deployment: str | None, body: Any) -> Answer:
        return kind("green" if deployment == "red" else deployment, body)

    made, _ = run_with(forgiving)
    assert made.status == "failed"
    assert made.steps[-2].name == "roll back on a failing probe"
    assert "did not notice" in made.steps[-2].detail


def test_a_deployed_model_that_is_not_the_trained_one_fails_the_run() -> None:
    def other(deployment: str | None, body: Any) -> Answer:
        answer = INVOKE(deployment, body)
        if answer.ok:
            distances = [row[16] for row in body["input_data"]["data"]]
            answer.body["chances"] = [distance / 100 for distance in distances]
        return answer

    made, _ = run_with(other)
    assert made.status == "failed"
    assert "trained with 0.500" in made.steps[-2].detail


def test_own_data_of_either_form_is_adapted_first(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_bytes(generate.to_csv(generate.rows(30, 2)))
    made, _ = run_with(INVOKE, file)
    assert made.status == "succeeded"
    assert str(file) in made.steps[0].detail
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    refused, _ = run_with(INVOKE, file)
    assert refused.steps[0].detail.startswith("not the adapted (32 columns) attrition table")


def test_the_sample_request_is_what_rows_makes() -> None:
    sample = json.loads((scenario.HERE / "requests" / "sample.json").read_text(encoding="utf-8"))
    made = generate.inference(3, 42).astype(str).to_dict("records")
    assert sample == rows.body([{str(k): str(v) for k, v in row.items()} for row in made])
    assert sample["input_data"]["columns"] == list(FEATURES)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40).filter(
        lambda rows: len({left for left, _ in rows}) == 2
    )
)
def test_auc_is_the_share_of_pairs_ranked_right(pairs: list[tuple[bool, int]]) -> None:
    left = [was for was, _ in pairs]
    chances = [score / 5 for _, score in pairs]
    won = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, was in zip(chances, left, strict=True)
        if was
        for b, other in zip(chances, left, strict=True)
        if not other
    ]
    assert rows.auc(left, chances) == pytest.approx(sum(won) / len(won))


def test_auc_of_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        rows.auc([True, True], [0.1, 0.2])
