"""Which target: the order of the sources, and the guard against reaching the wrong cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from azure_adapters import settings as targets
from azure_adapters.target import Names

NAMES = {
    "AZURE_SUBSCRIPTION_ID": "sub",
    "AZURE_RESOURCE_GROUP": "group",
    "AZUREML_WORKSPACE_NAME": "shop",
}
MARKED = {targets.MARK: ""}


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder and none of the variables."""
    for name in ("TARGET", "AZURE_STORAGE_ACCOUNT", targets.MARK, *NAMES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_local_is_the_default_and_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert targets.load().target == "local"
    monkeypatch.setenv("TARGET", "azure")
    assert targets.load().target == "azure"
    assert targets.load("local").target == "local"


def test_environment_wins_over_dotenv_wins_over_pyproject(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty / "pyproject.toml").write_text(
        '[tool.rehearsal]\ntarget = "azure"\nsubscription_id = "p"\n'
        'resource_group = "p"\nworkspace = "p"\n',
        encoding="utf-8",
    )
    (empty / ".env").write_text(
        "AZURE_RESOURCE_GROUP=d\nAZUREML_WORKSPACE_NAME=d\n", encoding="utf-8"
    )
    monkeypatch.setenv("AZUREML_WORKSPACE_NAME", "e")
    read = targets.load()
    assert (read.target, read.subscription_id) == ("azure", "p")
    assert (read.resource_group, read.workspace) == ("d", "e")


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(targets.WrongTarget, match="'local' or 'azure', got 'mars'"):
        targets.load("mars")


def test_local_never_runs_without_the_rehearsal_and_azure_never_with_it() -> None:
    complete: dict[str, Any] = dict.fromkeys(
        ("subscription_id", "resource_group", "workspace"), "x"
    )
    local = targets.Settings(target="local", **complete)
    azure = targets.Settings(target="azure", **complete)
    local.check(MARKED)
    azure.check({})
    with pytest.raises(targets.WrongTarget, match="lacks the variables of `rehearse env`"):
        local.check({})
    with pytest.raises(targets.WrongTarget, match="use a fresh shell"):
        azure.check(MARKED)


def test_missing_names_are_listed() -> None:
    half = targets.Settings(target="azure", workspace="shop")
    with pytest.raises(targets.WrongTarget, match="AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP:"):
        half.check({})


def test_the_mark_is_what_rehearse_env_prints() -> None:
    from emulators.kernel.client_env import ClientFacts, variables

    facts = ClientFacts(1, "ca", "ca", *["x"] * 10)
    printed = variables(facts, {})
    assert targets.is_rehearsed(printed)
    assert set(NAMES) <= set(printed)


def test_suffixes_tell_workspaces_apart_and_ignore_case() -> None:
    one = Names("S", "g", "w").suffix
    assert one == Names("s", "G", "W").suffix
    assert one != Names("s", "g", "x").suffix
    assert len(one) == 6


def test_workspaces_have_short_names(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = '{"dev": "g/w", "far": "s2/g2/w2", "odd": "a/b/c/d"}'
    monkeypatch.setenv("AZUREML_WORKSPACES", listed)
    monkeypatch.setenv("AZUREML_REGISTRY_NAME", "r")
    read = targets.Settings(subscription_id="s", resource_group="own")
    assert read.registry == "r"
    scope = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices"
    assert read.scope_of("dev") == f"{scope.format('s', 'g')}/workspaces/w"
    assert read.scope_of("far") == f"{scope.format('s2', 'g2')}/workspaces/w2"
    assert read.scope_of("plain") == f"{scope.format('s', 'own')}/workspaces/plain"
    with pytest.raises(targets.WrongTarget, match="'a/b/c/d' is neither"):
        read.scope_of("odd")
    read.check({targets.MARK: ""}, one_workspace=False)
    with pytest.raises(targets.WrongTarget, match="AZUREML_WORKSPACE_NAME"):
        read.check({targets.MARK: ""})
