"""Placeholders, order and specs of jobs: pure text and values."""

from __future__ import annotations

from contextlib import suppress
from graphlib import TopologicalSorter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.jobs.dag import waits_for
from emulators.machinelearning.engine.jobs.placeholders import (
    Binding,
    binding,
    bindings_in,
    command_line,
)
from emulators.machinelearning.engine.jobs.specs import (
    read_command,
    read_input,
    read_output,
    read_sweep,
    seconds,
)
from emulators.machinelearning.errors import InvalidJob

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


def test_command_gets_values_paths_and_drawn_parameters() -> None:
    line = command_line(
        "python t.py --d ${{inputs.d}}  --n ${{search_space.n}} --o ${{ outputs.o }}",
        inputs={"d": "/in/d"},
        outputs={"o": "/out/o"},
        search_space={"n": "13.7"},
    )
    assert line == "python t.py --d /in/d  --n 13.7 --o /out/o"


def test_optional_group_disappears_only_when_its_input_is_absent() -> None:
    command = "t.py $[[--a ${{inputs.a}}]] $[[--b ${{inputs.b}}]]"
    line = command_line(command, inputs={"a": "1", "b": None}, outputs={}, search_space={})
    assert line == "t.py --a 1 "


@pytest.mark.parametrize("text", ["${{inputs.x}}", "${{nonsense}}", "${{outputs.gone}}"])
def test_a_placeholder_without_a_value_is_an_error(text: str) -> None:
    with pytest.raises(InvalidJob, match="has no value"):
        command_line(text, inputs={"x": None}, outputs={}, search_space={})


@given(st.text(max_size=80))
def test_any_command_is_filled_or_refused(text: str) -> None:
    try:
        line = command_line(text, inputs={}, outputs={}, search_space={})
    except InvalidJob:
        return
    assert isinstance(line, str)


@given(names, names)
def test_bindings_are_read_from_their_own_text(step: str, name: str) -> None:
    assert binding(f"${{{{parent.inputs.{name}}}}}") == Binding("inputs", name)
    text = f"${{{{parent.jobs.{step}.outputs.{name}}}}}"
    assert binding(text) == Binding("outputs", name, step)
    assert bindings_in(f"a{text}b") == [Binding("outputs", name, step)]


def test_a_binding_of_no_known_form_is_refused() -> None:
    with pytest.raises(InvalidJob):
        binding("${{parent.nothing}}")


def test_steps_wait_for_those_they_read() -> None:
    graph = waits_for(
        {
            "prepare": [Binding("inputs", "raw")],
            "train": [Binding("outputs", "data", "prepare")],
            "score": [Binding("outputs", "m", "train"), Binding("outputs", "data", "prepare")],
        }
    )
    assert graph == {"prepare": set(), "train": {"prepare"}, "score": {"train", "prepare"}}


def test_a_circle_and_a_stranger_are_refused() -> None:
    with pytest.raises(InvalidJob, match="wait for each other"):
        waits_for({"a": [Binding("outputs", "o", "b")], "b": [Binding("outputs", "o", "a")]})
    with pytest.raises(InvalidJob, match="no step"):
        waits_for({"a": [Binding("outputs", "o", "ghost")]})


@given(st.dictionaries(names, st.lists(names, max_size=3), max_size=8))
def test_every_accepted_graph_has_an_order(edges: dict[str, list[str]]) -> None:
    bindings = {step: [Binding("outputs", "o", to) for to in tos] for step, tos in edges.items()}
    try:
        graph = waits_for(bindings)
    except InvalidJob:
        return
    assert set(TopologicalSorter(graph).static_order()) == set(edges)


@pytest.mark.parametrize(
    ("text", "value"),
    [("PT20M", 1200), ("P1DT1H", 90000), ("PT0.5S", 0.5), (30, 30), ("", None), (None, None)],
)
def test_durations(text: object, value: float | None) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["20M", "PT", "P", "forever", "-5", "PT-1S"])
def test_a_senseless_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidJob):
        seconds(text)


def test_both_spellings_of_an_input_are_one() -> None:
    camel = read_input(
        "d", {"jobInputType": "uri_folder", "uri": "azureml:a:1", "mode": "Download"}
    )
    snake = read_input(
        "d", {"job_input_type": "uri_folder", "uri": "azureml:a:1", "mode": "download"}
    )
    assert camel == snake
    assert read_input("x", {"jobInputType": "literal", "value": True}) == read_input("x", "True")


def test_modes_that_are_not_served_are_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="evaldownload"):
        read_input("d", {"jobInputType": "mltable", "uri": "azureml:a:1", "mode": "EvalDownload"})
    with pytest.raises(Unsupported, match="instance"):
        read_command({"command": "x", "resources": {"instanceCount": 2}})
    with pytest.raises(Unsupported, match="distributed"):
        read_command({"command": "x", "distribution": {"distributionType": "PyTorch"}})


def test_an_output_keeps_its_place_and_its_asset() -> None:
    output = read_output(
        "o",
        {
            "jobOutputType": "mlflow_model",
            "uri": "azureml://x",
            "assetName": "m",
            "assetVersion": 3,
        },
    )
    assert (output.kind, output.uri, output.asset_name, output.asset_version) == (
        "mlflow_model", "azureml://x", "m", "3",
    )  # fmt: skip


def test_a_sweep_reads_alike_in_both_spellings() -> None:
    trial = read_command({"command": "t.py ${{search_space.n}}"})
    job = read_sweep(
        {
            "searchSpace": {"n": ["uniform", [1, 10]]},
            "samplingAlgorithm": {"samplingAlgorithmType": "Random", "rule": "sobol", "seed": 7},
            "objective": {"goal": "Maximize", "primaryMetric": "f1"},
            "limits": {"maxTotalTrials": 4, "maxConcurrentTrials": 2, "timeout": "PT20M"},
            "earlyTermination": {"policyType": "Bandit", "slackFactor": 0.1},
        },
        trial,
    )
    step = read_sweep(
        {
            "search_space": {"n": {"type": "uniform", "min_value": 1, "max_value": 10}},
            "sampling_algorithm": {"type": "random", "rule": "sobol", "seed": 7},
            "objective": {"goal": "maximize", "primary_metric": "f1"},
            "limits": {"max_total_trials": 4, "max_concurrent_trials": 2, "timeout": 1200},
            "early_termination": {"type": "bandit", "slack_factor": 0.1},
        },
        trial,
    )
    assert (job.space, job.max_trials, job.max_concurrent, job.timeout_s, job.policy) == (
        step.space, step.max_trials, step.max_concurrent, step.timeout_s, step.policy,
    )  # fmt: skip
    assert (job.rule, job.seed, job.maximize) == (step.rule, step.seed, step.maximize)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "command",
                "inputs",
                "outputs",
                "limits",
                "resources",
                "environmentVariables",
                "distribution",
            ]
        ),
        json_values,
    )
)
def test_any_body_is_read_or_refused(body: dict[str, object]) -> None:
    with suppress(InvalidJob, Unsupported):
        assert read_command(body).command == body["command"]
