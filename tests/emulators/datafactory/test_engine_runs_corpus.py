"""The shared corpus of pipelines, whole; and that its checks notice what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.datafactory_pipelines import check, run


def test_every_case_of_the_shared_corpus(shared: Path) -> None:
    told = run(shared / "atlas" / "adf-corpus" / "pipelines")
    assert told["failed"] == []
    assert told["passed"] >= 69


@pytest.mark.parametrize(
    "expected",
    [
        {"status": "Failed"},
        {"activities": {"A": "Failed"}},
        {"activities": {"A": None}},
        {"activities": {"A": ["Succeeded", "Succeeded"]}},
        {"order": ["B", "A"]},
        {"virtualSeconds": 10},
        {"virtualSecondsMax": 10},
        {"maxParallel": {"A": 2}},
        {"attempts": {"A": 2}},
        {"variables": {"x": 1}},
        {"requests": ["GET https://x"]},
        {"outputKeys": {"A": ["id"]}},
        {"errors": {"A": {"errorCode": "1"}}},
        {"childRuns": [{"pipeline": "p"}]},
        {"userProperties": {"A": {"a": 1}}},
        {"monitorMustNotContain": {"A": ["30"]}},
        {"runs": [{"status": "Failed"}]},
        {"deployError": True},
        {"somethingNew": 1},
    ],
)
def test_a_wrong_expectation_is_noticed(shared: Path, expected: dict[str, object]) -> None:
    file = shared / "atlas" / "adf-corpus" / "pipelines" / "dep-chain-success.json"
    case = json.loads(file.read_text())
    for activity in case["pipelines"][0]["properties"]["activities"]:
        activity["typeProperties"]["waitTimeInSeconds"] = 30
    assert check({**case, "expected": {"status": "Succeeded"}}) == []
    assert check({**case, "expected": expected})
