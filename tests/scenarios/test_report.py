"""The one result type: what it prints, what it compares, and that failures are told."""

from __future__ import annotations

import json

import pytest

from scenarios.report import Outcome, Report, Step, perform


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def begins(self, name: str) -> None:
        self.events.append(("begins", name))

    def says(self, line: str) -> None:
        self.events.append(("says", line))

    def ended(self, step: Step) -> None:
        self.events.append((step.status, step.name))


def test_the_json_has_exactly_the_fields_of_the_contract() -> None:
    made = perform("demo", "local", one_good_step)
    shown = json.loads(json.dumps(made.to_json()))
    assert list(shown) == ["scenario", "target", "status", "seconds", "steps"]
    assert list(shown["steps"][0]) == ["name", "status", "seconds", "detail"]
    assert shown["status"] == "succeeded"
    assert shown["steps"][0]["detail"] == "done"


def one_good_step(report: Report) -> None:
    with report.step("one") as note:
        note.say("half way")
        note.detail = "done"


def test_a_failing_step_ends_the_run_and_says_why() -> None:
    heard = Heard()

    def work(report: Report) -> None:
        one_good_step(report)
        try:
            with report.step("two"):
                raise LookupError("no such thing")
        finally:
            with report.step("clean up"):
                pass

    made = perform("demo", "local", work, heard)
    assert made.status == "failed"
    assert [(s.name, s.status, s.detail) for s in made.steps] == [
        ("one", "succeeded", "done"),
        ("two", "failed", "no such thing"),
        ("clean up", "succeeded", ""),
    ]
    assert heard.events == [
        ("begins", "one"),
        ("says", "half way"),
        ("succeeded", "one"),
        ("begins", "two"),
        ("failed", "two"),
        ("begins", "clean up"),
        ("succeeded", "clean up"),
    ]
    assert "FAILED" in str(made)
    assert "two: no such thing" in str(made)


@pytest.mark.parametrize("why", [ValueError("outside"), KeyboardInterrupt()])
def test_what_fails_between_steps_is_a_failed_step_too(why: BaseException) -> None:
    def work(report: Report) -> None:
        raise why

    made = perform("demo", "local", work)
    assert made.status == "failed"
    assert made.steps[-1].detail in ("outside", "KeyboardInterrupt")


def test_outcomes_of_two_targets_compare_by_shape() -> None:
    steps = (Step("a", "succeeded", 1.0, "x"),)
    here, there = (Outcome("s", t, "succeeded", 1.0, steps) for t in ("local", "azure"))
    assert here.shape == there.shape
    assert here != there
