"""The command line loads a factory of our own making as it lies in git, and runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emulators.cli import app
from tests.running import Rehearsal

FOLDER = Path(__file__).parent / "estate"
NAME = "adf-orchard-test"


def said(rehearsal: Rehearsal, *words: str, code: int = 0) -> str:
    """What a verb prints; in this process, which is quicker than one of its own."""
    done = CliRunner().invoke(app, ["datafactory", *words, "--state", str(rehearsal.state)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def loaded(rehearsal: Rehearsal) -> str:
    return said(rehearsal, "load", str(FOLDER), "--factory", NAME, "--no-start")


def test_a_folder_is_put_in_the_order_of_what_names_what(
    loaded: str, factories: Any, group: str
) -> None:
    put = [line.split()[-1] for line in loaded.splitlines() if " put " in line]
    assert put.index("Vault") < put.index("Baskets") < put.index("Harvest")
    assert put.index("Pause") < put.index("Gather") < put.index("Nightly")
    assert put.index("default") < put.index("default/BasketStore")
    found = factories.factories.get(group, NAME)
    assert found.global_parameters["stage"].value == "test"


@pytest.mark.usefixtures("loaded")
def test_a_loaded_pipeline_runs_and_is_shown(rehearsal: Rehearsal, tmp_path: Path) -> None:
    options = ("--factory", NAME)
    out = said(rehearsal, "run", "Gather", "-p", "fruit=fig", "--follow", *options)
    run_id, *lines = out.splitlines()
    assert any("Succeeded" in line and "Keep" in line for line in lines)
    listed = json.loads(said(rehearsal, "runs", "--json", *options))
    assert [run["pipelineName"] for run in listed] == ["Pause", "Gather"]
    shown = json.loads(said(rehearsal, "show", run_id, "--json", *options))
    keep = next(one for one in shown["activities"] if one["activityName"] == "Keep")
    assert keep["output"]["value"] == "[fig-test]"
    assert "Gather" in said(rehearsal, "list", *options)
    said(rehearsal, "show", run_id, "--svg", str(tmp_path / "run.svg"), *options)
    assert "<svg" in (tmp_path / "run.svg").read_text(encoding="utf-8")


@pytest.mark.usefixtures("loaded")
def test_a_file_runs_without_being_published(rehearsal: Rehearsal, tmp_path: Path) -> None:
    body = json.loads((FOLDER / "pipeline" / "Gather.json").read_text(encoding="utf-8"))
    body["name"] = "Draft"
    file = tmp_path / "Draft.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    options = ("--factory", NAME)
    run_id = said(rehearsal, "run", str(file), "--follow", *options).splitlines()[0]
    shown = json.loads(said(rehearsal, "show", run_id, "--json", *options))
    assert shown["debugRunId"] == run_id
    assert "Draft" not in said(rehearsal, "list", *options)
    file.write_text("{}", encoding="utf-8")
    assert CliRunner().invoke(app, ["datafactory", "run", str(file)]).exit_code == 1


def test_global_parameters_of_a_file_and_of_words(
    rehearsal: Rehearsal, factories: Any, group: str
) -> None:
    said(
        rehearsal, "load", str(FOLDER), "--factory", NAME, "--no-start", "--global-parameters",
        str(FOLDER / "globalParameters" / f"{NAME}_GlobalParameters.json"), "-p",
        "pauseSeconds=0", "-p", "Vault_properties_typeProperties_baseUrl=https://v.vault.azure.net/",
    )  # fmt: skip
    found = factories.factories.get(group, NAME).global_parameters
    assert (found["stage"].value, found["pauseSeconds"].value) == ("from-file", 0)
    vault = factories.linked_services.get(group, NAME, "Vault").properties
    assert vault.base_url == "https://v.vault.azure.net/"


def test_every_problem_of_every_file_is_told_at_once(rehearsal: Rehearsal, tmp_path: Path) -> None:
    broken = tmp_path / "adf"
    shutil.copytree(FOLDER, broken)
    (broken / "dataset" / "Harvest.json").write_text("{", encoding="utf-8")
    file = broken / "pipeline" / "Gather.json"
    body = json.loads(file.read_text(encoding="utf-8"))
    first, second = body["properties"]["activities"]
    first["typeProperties"]["pipeline"]["referenceName"] = "Nobody"
    second["dependsOn"][0]["activity"] = "Ghost"
    second["typeProperties"]["expression"]["value"] = "@contains(activity('Call pause').output"
    file.write_text(json.dumps(body), encoding="utf-8")
    out = said(rehearsal, "load", str(broken), "--factory", NAME, "--check", code=1)
    assert "dataset/Harvest.json, line 1" in out
    assert "pipeline/Gather.json, activity 'Was it ripe', activities[1].dependsOn[0]" in out
    assert "typeProperties.expression.value" in out
    assert "'Nobody'" in out
    assert "4 problems" in out


def test_which_factory_is_asked(rehearsal: Rehearsal) -> None:
    done = CliRunner().invoke(
        app, ["datafactory", "load", str(FOLDER), "--state", str(rehearsal.state)]
    )
    assert isinstance(done.exception, ValueError)
    assert "adf-orchard-dev, adf-orchard-test" in str(done.exception)


@pytest.mark.usefixtures("loaded")
def test_what_is_not_in_one_factory_is_looked_for_in_the_others(rehearsal: Rehearsal) -> None:
    done = CliRunner().invoke(
        app, ["datafactory", "run", "Gather", "--state", str(rehearsal.state)]
    )
    assert isinstance(done.exception, RuntimeError)
    assert "PipelineNotFound" in str(done.exception)
    assert f"{NAME} (--factory NAME)" in str(done.exception)


def test_load_says_how_to_run_what_it_put(loaded: str) -> None:
    assert f"rehearse datafactory run Gather --factory {NAME}" in loaded


@pytest.mark.usefixtures("loaded")
def test_a_list_keeps_its_columns_apart(rehearsal: Rehearsal) -> None:
    lines = said(rehearsal, "list", "--factory", NAME).splitlines()
    harvest = next(line for line in lines if line.startswith("datasets"))
    assert harvest.split()[2:] == ["DelimitedText", "day"]


@pytest.mark.usefixtures("loaded")
def test_no_line_of_a_chart_is_broken(rehearsal: Rehearsal) -> None:
    run_id = said(rehearsal, "run", "Gather", "-f", "--factory", NAME).splitlines()[0]
    shown = said(rehearsal, "show", run_id, "--factory", NAME).splitlines()
    bars = [line for line in shown if "█" in line]
    assert bars
    assert all(line.rstrip().endswith(" s") and len(line) <= 80 for line in bars)


def test_a_run_outlives_the_one_who_follows_it(
    rehearsal: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("emulators.commands.datafactory.time.sleep", interrupted)
    file = tmp_path / "Slow.json"
    wait = {"name": "W", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 600}}
    file.write_text(json.dumps({"name": "Slow", "properties": {"activities": [wait]}}))
    out = said(rehearsal, "run", str(file), "--follow", code=130)
    run_id = out.splitlines()[0]
    assert f"rehearse datafactory cancel {run_id}" in out
    said(rehearsal, "cancel", run_id)
