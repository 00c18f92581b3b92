"""`rehearse run`: its names, its plan, its refusals; what needs no emulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from azure_adapters.settings import MARK
from scenarios import cli


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but the given ones."""
    for name in ("TARGET", "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", MARK):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZUREML_WORKSPACE_NAME", "shop")
    monkeypatch.chdir(tmp_path)


BUILT = ["batch-endpoint", "data-factory", "online-endpoint", "sql-pool"]


def test_the_list_names_only_what_is_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == BUILT
    assert cli.main(["--list"]) == 0
    assert "\nonline-endpoint " in capsys.readouterr().out


@pytest.mark.parametrize("target", ["local", "azure"])
def test_a_plan_needs_no_cloud_and_names_the_target(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["online-endpoint", "--target", target, "--plan", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["scenario"], said["target"]) == ("online-endpoint", target)
    kinds = [made["kind"] for made in said["plan"]]
    assert kinds.count("online deployment") == 4  # blue, green, red, and red deleted
    assert cli.main(["online-endpoint", "--target", target, "--plan"]) == 0
    text = capsys.readouterr().out
    assert f"online-endpoint on {target} would, in (not set) / (not set) / shop:" in text
    assert "4 trials, 2 at a time" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["no-such"],
            f"no scenario no-such; there are: {', '.join(BUILT)}",
        ),
        ([], f"there are: {', '.join(BUILT)}"),
        (["online-endpoint", "--target", "mars"], "got 'mars'"),
        (["online-endpoint", "--target", "azure"], "needs AZURE_SUBSCRIPTION_ID"),
    ],
    ids=["unknown", "none", "target", "names"],
)
def test_refusals_say_what_to_do(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 1
    assert says in capsys.readouterr().err
    assert cli.main([*words, "--json"]) == 1
    ended = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(ended) == {"scenario", "target", "status", "seconds", "steps"}
    assert ended["status"] == "failed"
    assert says in ended["steps"][0]["detail"]


def test_azure_is_refused_in_a_shell_that_leads_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(MARK, "")
    assert cli.main(["online-endpoint", "--target", "azure"]) == 1
    assert "use a fresh shell" in capsys.readouterr().err


def test_without_emulators_it_says_how_to_start_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["online-endpoint", "--state", str(tmp_path / "none")]) == 1
    assert "rehearse up --detach" in capsys.readouterr().err


def test_usage_errors_are_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--no-such-option"]) == 2
    assert cli.main(["--help"]) == 0
    assert "--plan" in capsys.readouterr().out
