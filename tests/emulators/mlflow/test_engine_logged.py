"""Logged models settle where their run's files are, and never two in one place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.context import Context
from emulators.mlflow.engine.locations import Place, of_run
from emulators.mlflow.engine.logged import lineage, remember, settled
from tests.support import make_context


def test_the_first_of_a_name_gets_the_run_s_folder(tmp_path: Path) -> None:
    ctx = make_context(tmp_path)
    remember(ctx, "ws", "m-1", "calm_pen", "model")
    remember(ctx, "ws", "m-2", "calm_pen", "model")
    remember(ctx, "ws", "m-1", "calm_pen", "model")
    assert settled(ctx, "ws", of_run("m-1", "a/b")) == of_run("calm_pen", "model/a/b")
    assert settled(ctx, "ws", of_run("m-2", "a/b")) == of_run("m-2", "a/b")
    assert settled(ctx, "other", of_run("m-1")) == of_run("m-1")
    assert lineage(ctx, "ws", of_run("calm_pen", "model")) == ("calm_pen", "m-1")
    assert lineage(ctx, "ws", of_run("calm_pen", "model/a")) == ("calm_pen", "")
    assert lineage(ctx, "ws", of_run("m-2")) == ("", "m-2")
    assert lineage(ctx, "ws", Place("mine", "ExperimentRun/dcid.calm_pen/model")) == ("", "")


def test_a_model_without_a_run_or_a_plain_name_stays_alone(tmp_path: Path) -> None:
    ctx = make_context(tmp_path)
    for run, name in (("", "model"), ("r", ""), ("r", "a/b"), ("r", "..")):
        remember(ctx, "ws", "m-1", run, name)
        assert settled(ctx, "ws", of_run("m-1", "x")) == of_run("m-1", "x")


names = st.sampled_from(["model", "other"])
runs = st.sampled_from(["r1", "r2"])


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return make_context(tmp_path_factory.mktemp("logged"))


@given(st.lists(st.tuples(runs, names), max_size=12))
def test_no_two_models_share_a_place(ctx: Context, made: list[tuple[str, str]]) -> None:
    ctx.store.reset()
    for number, (run, name) in enumerate(made):
        remember(ctx, "ws", f"m-{number}", run, name)
    places = [settled(ctx, "ws", of_run(f"m-{number}")) for number in range(len(made))]
    assert len(set(places)) == len(made)
