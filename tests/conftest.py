"""Marks by file name, so that a test's kind is where it lives and cannot be forgotten."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.running import Rehearsal, started

# A busy machine makes any single example slow; pytest-timeout bounds the whole test.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

TESTS = Path(__file__).parent
SHARED = TESTS.parent.parent / "shared"


def _marker(path: Path) -> str:
    name = path.name
    if name.startswith("test_docker_"):
        return "docker"
    if "scenarios" in path.relative_to(TESTS).parts:
        return "scenario"
    if name.startswith(("test_wire_", "test_sdk_")):
        return "wire"
    return "unit"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(getattr(pytest.mark, _marker(item.path)))
    if "soak" not in str(config.getoption("-m")):
        long = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared measured material; a clone elsewhere has none, and those tests skip."""
    if not SHARED.is_dir():
        pytest.skip("the shared corpora are not beside this checkout")
    return SHARED


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """Give each test its own changes to the environment; MLflow's client leaves some behind."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """The real host in a process of its own, on free ports and an empty state folder."""
    with started(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture
def azure_env(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    """The host, with this process's environment set as `rehearse env` says."""
    for name, value in rehearsal.env.items():
        monkeypatch.setenv(name, value)
    return rehearsal


@pytest.fixture(scope="session")
def ml_client(rehearsal: Rehearsal) -> Iterator[Any]:
    """An unmodified `azure.ai.ml.MLClient` on the seeded workspace; one for the session.

    Its import costs seconds, so tests share it; the environment stays set while it lives.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in rehearsal.env.items():
            patch.setenv(name, value)
        from azure.ai.ml import MLClient
        from azure.identity import ClientSecretCredential

        env = rehearsal.env
        credential = ClientSecretCredential(
            env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
        )
        yield MLClient(
            credential,
            env["AZURE_SUBSCRIPTION_ID"],
            env["AZURE_RESOURCE_GROUP"],
            env["AZUREML_WORKSPACE_NAME"],
        )
