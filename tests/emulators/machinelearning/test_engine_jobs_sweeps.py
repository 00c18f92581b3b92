"""Sampling and early termination against their definitions."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.jobs.sampling import (
    Distribution,
    as_text,
    parse_space,
    points,
)
from emulators.machinelearning.engine.jobs.termination import Policy, parse_policy, to_stop
from emulators.machinelearning.errors import InvalidJob

SPACE = parse_space(
    {
        "n": ["uniform", [1, 25]],
        "lr": ["loguniform", [-6, -1]],
        "q": ["quniform", [0, 10, 2]],
        "k": ["randint", [5]],
        "c": ["choice", [["gini", "entropy"]]],
        "m": ["normal", [10, 3]],
    }
)


@pytest.mark.parametrize("rule", ["random", "sobol"])
def test_draws_stay_in_their_space_and_repeat_under_a_seed(rule: str) -> None:
    drawn = list(itertools.islice(points(SPACE, "random", rule, 7), 64))
    assert drawn == list(itertools.islice(points(SPACE, "random", rule, 7), 64))
    for point in drawn:
        assert 1 <= point["n"] <= 25
        assert math.exp(-6) <= point["lr"] <= math.exp(-1)
        assert point["q"] in (0, 2, 4, 6, 8, 10)
        assert point["k"] in range(5)
        assert point["c"] in ("gini", "entropy")
    assert {point["c"] for point in drawn} == {"gini", "entropy"}


def test_sobol_covers_a_square_more_evenly_than_chance() -> None:
    space = parse_space({"x": ["uniform", [0, 1]], "y": ["uniform", [0, 1]]})
    cells = {
        (int(p["x"] * 8), int(p["y"] * 8))
        for p in itertools.islice(points(space, "Random", "sobol", 1), 64)
    }
    assert len(cells) >= 60


def test_grid_gives_each_combination_once() -> None:
    space = parse_space({"a": ["choice", [[1, 2]]], "b": {"type": "choice", "values": ["x", "y"]}})
    assert [tuple(p.values()) for p in points(space, "Grid", None, None)] == [
        (1, "x"), (1, "y"), (2, "x"), (2, "y"),
    ]  # fmt: skip


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InvalidJob, match="choices only"):
        next(points(SPACE, "grid", None, None))
    with pytest.raises(Unsupported, match="Bayesian"):
        points(SPACE, "Bayesian", None, None)
    with pytest.raises(Unsupported, match="nested"):
        parse_space({"a": ["choice", [[{"b": ["uniform", [0, 1]]}]]]})
    for wrong in (["uniform", [2, 1]], ["randint", [0]], ["quniform", [0, 1, 0]], ["nope", [1]], 3):
        with pytest.raises(InvalidJob):
            parse_space({"a": wrong})


@given(st.floats(0, 1, exclude_max=True))
def test_every_quantile_has_a_value(u: float) -> None:
    for distribution in SPACE.values():
        assert as_text(distribution.at(u))


def test_integers_of_a_uniform_stay_fractions() -> None:
    assert as_text(Distribution("uniform", (1, 25)).at(0.53)) == "13.72"


def test_bandit_stops_what_falls_out_of_the_slack() -> None:
    histories = {"a": [0.9], "b": [0.8], "c": [0.5]}
    factor = Policy("bandit", slack_factor=0.2)
    assert to_stop(factor, histories, ["b", "c"], maximize=True) == {"c"}
    amount = Policy("bandit", slack_amount=0.05)
    assert to_stop(amount, histories, ["b", "c"], maximize=True) == {"b", "c"}
    losses = {"a": [1.0], "b": [1.1], "c": [1.5]}
    assert to_stop(factor, losses, ["b", "c"], maximize=False) == {"c"}


def test_median_stopping_compares_with_running_averages() -> None:
    histories = {"a": [0.9, 0.9], "b": [0.8, 0.8], "c": [0.1, 0.2]}
    policy = Policy("medianstopping", evaluation_interval=2)
    assert to_stop(policy, histories, ["b", "c"], maximize=True) == {"c"}


def test_truncation_stops_the_lowest_share_at_an_interval() -> None:
    histories = {f"t{i}": [i / 10] for i in range(10)}
    policy = Policy("truncationselection", truncation_percentage=20)
    assert to_stop(policy, histories, list(histories), maximize=True) == {"t0", "t1"}


def test_nothing_is_judged_before_its_delay_or_between_intervals() -> None:
    policy = Policy("bandit", evaluation_interval=2, delay_evaluation=4, slack_amount=0.1)
    for reported in (1, 2, 3, 5):
        histories = {"a": [1.0] * reported, "b": [0.0] * reported}
        assert not to_stop(policy, histories, ["b"], maximize=True)
    histories = {"a": [1.0] * 4, "b": [0.0] * 4}
    assert to_stop(policy, histories, ["b"], maximize=True) == {"b"}


def test_policies_read_in_both_spellings() -> None:
    assert parse_policy({"policyType": "TruncationSelection", "truncationPercentage": 30}) == (
        parse_policy({"type": "truncation_selection", "truncation_percentage": 30})
    )
    assert parse_policy(None) is None
    with pytest.raises(InvalidJob):
        parse_policy({"type": "hope"})
